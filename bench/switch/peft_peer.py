"""PEFT's side of the switch benchmark: one ViT in transformers, a folder in PEFT's format for each task.

Orders come as JSON lines on stdin and are answered one by one; between orders nothing is computed.
"""
import gc
import json
import os
import sys
import time

options = json.loads(sys.argv[1])
os.environ["OMP_NUM_THREADS"] = str(options["threads"])

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

torch.set_num_threads(options["threads"])
torch.manual_seed(0)


def build_model():
    size = options["size"]
    configuration = transformers.ViTConfig(
        hidden_size=size["dimension"],
        num_hidden_layers=size["blocks"],
        num_attention_heads=size["heads"],
        intermediate_size=size["mlpDimension"],
        patch_size=size["patchSize"],
        image_size=size["imageSize"],
        num_labels=options["classes"],
        attn_implementation="sdpa",
    )
    model = transformers.ViTForImageClassification(configuration)
    names = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    targets = ["q_proj", "v_proj"] if "q_proj" in names else ["query", "value"]
    lora = peft.LoraConfig(
        r=options["rank"],
        lora_alpha=options["rank"],
        target_modules=targets,
        modules_to_save=["classifier"],
    )
    return peft.get_peft_model(model, lora).eval()


def task_folder(index):
    return os.path.join(options["directory"], "task-%d" % index)


def write_tasks():
    """One folder a task: what save_pretrained writes, with random numbers of its own."""
    model.save_pretrained(task_folder(0))
    weights = os.path.join(task_folder(0), "adapter_model.safetensors")
    configuration = os.path.join(task_folder(0), "adapter_config.json")
    first = load_file(weights)
    with open(configuration) as file:
        text = file.read()
    for index in range(options["tasks"]):
        os.makedirs(task_folder(index), exist_ok=True)
        tensors = {name: 0.02 * torch.randn_like(value) for name, value in first.items()}
        save_file(tensors, os.path.join(task_folder(index), "adapter_model.safetensors"), metadata={"format": "pt"})
        with open(os.path.join(task_folder(index), "adapter_config.json"), "w") as file:
            file.write(text)


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cold(index, low_memory):
    started = time.perf_counter()
    model.load_adapter(task_folder(index), adapter_name="task-%d" % index, low_cpu_mem_usage=low_memory)
    model.set_adapter("task-%d" % index)
    return 1e3 * (time.perf_counter() - started)


def warm(index):
    started = time.perf_counter()
    model.set_adapter("task-%d" % index)
    return 1e3 * (time.perf_counter() - started)


def answer_one(index):
    started = time.perf_counter()
    model.set_adapter("task-%d" % index)
    with torch.no_grad():
        model(pixel_values=image).logits.sum().item()
    return 1e3 * (time.perf_counter() - started)


def measure(order):
    if order["order"] == "cold":
        return [cold(index, order["lowMemory"]) for index in order["tasks"]]
    return [(warm if order["order"] == "warm" else answer_one)(index) for index in order["tasks"]]


def say(**fields):
    print(json.dumps(fields), flush=True)


started = time.monotonic()
model = build_model()
write_tasks()
image = torch.randn(1, 3, options["size"]["imageSize"], options["size"]["imageSize"])
with torch.no_grad():
    model(pixel_values=image)
library = "torch %s, transformers %s, peft %s" % (
    torch.__version__,
    transformers.__version__,
    peft.__version__,
)
say(library=library, startSeconds=time.monotonic() - started)
for line in sys.stdin:
    milliseconds = measure(json.loads(line))
    gc.collect()
    say(milliseconds=milliseconds, residentBytes=resident_bytes())
