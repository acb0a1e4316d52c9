"""Full fine-tuning of a ViT in PyTorch: every weight is trained, on the same pixels and with the same budget as the adapters.

Reads one JSON object from the command line, writes progress to standard error and one JSON object to standard output.
"""
import json
import os
import sys
import time

options = json.loads(sys.argv[1])
os.environ["OMP_NUM_THREADS"] = str(options["threads"])

import timm
import torch
from safetensors.torch import load_file, save_file

torch.set_num_threads(options["threads"])
torch.manual_seed(options["seed"])
side = options["imageSize"]


def pixels_of(name):
    """uint8 (N,S,S,3) as the agent's decoder gives them."""
    values = torch.frombuffer(bytearray(open(options[name], "rb").read()), dtype=torch.uint8)
    return values.reshape(-1, side, side, 3)


def batch_of(pixels, indices):
    mean, std = torch.tensor(options["mean"]), torch.tensor(options["std"])
    images = (pixels[indices].float() / 255 - mean) / std  # (B,S,S,3)
    return images.permute(0, 3, 1, 2).contiguous()  # (B,3,S,S)


def build_model():
    """The frozen backbone's own weights, with a new head of zeros as the adapters start with."""
    model = timm.create_model(options["architecture"], num_classes=options["classes"])
    weights = {name: value for name, value in load_file(options["weights"]).items() if not name.startswith("head.")}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert sorted(missing) == ["head.bias", "head.weight"] and not unexpected, (missing, unexpected)
    torch.nn.init.zeros_(model.head.weight)
    torch.nn.init.zeros_(model.head.bias)
    return model


def train(model, pixels, labels):
    batch, epochs = options["batch"], options["epochs"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=options["learningRate"], weight_decay=options["weightDecay"])
    steps_of_epoch = -(-len(labels) // batch)
    total = epochs * steps_of_epoch
    generator = torch.Generator().manual_seed(options["seed"])
    model.train()
    for step in range(total):
        if step % steps_of_epoch == 0:
            order = torch.randperm(len(labels), generator=generator)
        rate = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * (step + 0.5) / total))).item()
        for group in optimizer.param_groups:
            group["lr"] = options["learningRate"] * rate
        start = (step % steps_of_epoch) * batch
        chosen = order[start : start + batch]
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(batch_of(pixels, chosen)), labels[chosen])
        loss.backward()
        optimizer.step()


def predict(model, pixels):
    model.eval()
    shares = []
    with torch.no_grad():
        for indices in torch.arange(len(pixels)).split(32):
            shares.append(torch.softmax(model(batch_of(pixels, indices)).double(), -1))
    return torch.cat(shares).flatten().tolist()


def switch_milliseconds(model, path):
    """What it takes to put another fine-tuned model of the task's file into memory that is there."""
    times = []
    for _ in range(10):
        started = time.perf_counter()
        model.load_state_dict(load_file(path))
        times.append(1e3 * (time.perf_counter() - started))
    return sorted(times)[len(times) // 2]


model = build_model()
labels = torch.tensor(options["labels"])
started = time.monotonic()
train(model, pixels_of("trainingPixels"), labels)
seconds = time.monotonic() - started
path = os.path.join(options["directory"], "fine-tuned.safetensors")
save_file(model.state_dict(), path)
print(
    json.dumps(
        {
            "shares": predict(model, pixels_of("measuredPixels")),
            "parameters": sum(value.numel() for value in model.parameters()),
            "fileBytes": os.path.getsize(path),
            "switchMs": switch_milliseconds(model, path),
            "seconds": seconds,
            "library": "torch %s, timm %s" % (torch.__version__, timm.__version__),
        }
    )
)
