"""Make test/fixtures/families: the smallest model of each family with what timm or transformers says of four images.

Usage: make_goldens.py FOLDER. The same numbers for the same versions of the libraries (requirements.txt); weights are
rounded to float16 before they are used, so that the files hold them exactly in half the bytes.
"""

import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import common

FAMILIES = [
    *["timm-deit-distilled", "timm-deit3", "timm-dinov2", "timm-dinov2-registers", "timm-dinov3", "timm-dinov3-qkvb"],
    *["timm-clip-quickgelu", "transformers-deit", "transformers-dinov2", "transformers-dinov2-registers"],
    *["transformers-dinov3", "transformers-clip"],
]

common.SIZES |= {"image": 8, "patch": 4, "dimension": 16, "blocks": 2, "heads": 2, "mlp": 32}
randomise = common.randomise


def randomise_in_half(model: torch.nn.Module, seed: int) -> None:
    randomise(model, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())


common.randomise = randomise_in_half
target = Path(sys.argv[1])
for name in FAMILIES:
    folder = target / name
    shutil.rmtree(folder, ignore_errors=True)
    common.save_model(name, folder)
    weights = folder / "model.safetensors"
    tensors = {name: tensor.half() for name, tensor in load_file(weights).items()}
    save_file({name: tensor for name, tensor in tensors.items() if not name.startswith("text_")}, weights)
