"""PyTorch's side of the benchmark: transformers' ViT with PEFT's LoRA on q and v, trained with AdamW.

Orders come as JSON lines on stdin and are answered one by one; between orders nothing is computed.
"""
import json
import os
import resource
import sys
import time

options = json.loads(sys.argv[1])
os.environ["OMP_NUM_THREADS"] = str(options["threads"])

import peft
import torch
import transformers

torch.set_num_threads(options["threads"])
torch.manual_seed(0)


def build_model():
    size = options["size"]
    configuration = transformers.ViTConfig(
        hidden_size=size["dimension"],
        num_hidden_layers=size["blocks"],
        num_attention_heads=size["heads"],
        intermediate_size=size["mlpDimension"],
        patch_size=options["patchSize"],
        image_size=options["imageSize"],
        num_labels=options["classes"],
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="sdpa",
    )
    model = transformers.ViTForImageClassification(configuration)
    names = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    targets = ["q_proj", "v_proj"] if "q_proj" in names else ["query", "value"]
    lora = peft.LoraConfig(
        r=options["rank"],
        lora_alpha=options["rank"],
        lora_dropout=0.0,
        target_modules=targets,
        modules_to_save=["classifier"],
    )
    model = peft.get_peft_model(model, lora)
    model.train()
    return torch.compile(model) if options["mode"] == "compile" else model


def answer(**fields):
    print(json.dumps(fields), flush=True)


started = time.monotonic()
model = build_model()
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
images = torch.randn(options["batch"], 3, options["imageSize"], options["imageSize"])
labels = torch.arange(options["batch"]) % options["classes"]


def step():
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(pixel_values=images).logits, labels)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def timed_steps(count):
    wall, processor = [], []
    for _ in range(count):
        wall_start, processor_start = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - wall_start)
        processor.append(time.process_time() - processor_start)
    return {"wallSeconds": wall, "processorSeconds": processor}


def best_product_rate(chains, repeats):
    """Operations a second of the fastest chain: x (rows, w0) times W (w0, w1) times W (w1, w2) and so on."""
    best = 0.0
    for chain in chains:
        widths = chain["widths"]
        pairs = list(zip(widths, widths[1:]))
        start = torch.rand(chain["rows"], widths[0]) - 0.5
        weights = {pair: (torch.rand(*pair) - 0.5) / pair[0] ** 0.5 for pair in pairs}
        flops = 2 * chain["rows"] * sum(inputs * outputs for inputs, outputs in pairs)
        with torch.no_grad():
            for _ in range(repeats + 1):
                started = time.perf_counter()
                value = start
                for pair in pairs:
                    value = torch.mm(value, weights[pair])
                best = max(best, flops / (time.perf_counter() - started))
    return best


library = "torch %s, transformers %s, peft %s" % (
    torch.__version__,
    transformers.__version__,
    peft.__version__,
)
answer(library=library, startSeconds=time.monotonic() - started, trained=sum(p.numel() for p in model.parameters() if p.requires_grad))
for line in sys.stdin:
    order = json.loads(line)
    if "chains" in order:
        answer(flopsPerSecond=best_product_rate(order["chains"], order["repeats"]))
        continue
    fields = timed_steps(order["steps"])
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer(**fields, peakBytes=peak_bytes)
