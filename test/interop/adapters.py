"""Small adapters as PEFT and the official MeLo code make them, on one small random ViT, with the logits PyTorch gives.

    adapters.py make FOLDER            write the backbone, the adapters and what they say of a few images
    adapters.py load FOLDER ADAPTER... print, as JSON, the logits (B,C) under each adapter that PEFT loads from a folder ADAPTER

FOLDER then has `backbone/` (timm), `peft/`, `peft-rslora/`, `official/` and `expected.safetensors` with `images` (B,3,S,S), `frozen`
(B,D), the features without any adapter, and the logits (B,C) `peft`, `peft-rslora`, `official`. The committed test/fixtures/adapters is
what `make` wrote; every number follows from the seed.

The official code is not a package: its two formulas are written out below, after `_LoRA_qkv_timm` of its lora.py.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import ViTConfig, ViTForImageClassification

from common import CLASSES, random_images, randomise, save_timm, save_tensors, small_timm

SEED = 20231108
SIZES = {"embed_dim": 32, "depth": 2, "num_heads": 2, "mlp_ratio": 2.0}
DIMENSION, BLOCKS, RANK = 32, 2, 4
OFFICIAL_ALPHA = 11  # 11 // 4 = 2, not 2.75


def make_timm() -> torch.nn.Module:
    model = small_timm("vit_tiny_patch16_224", **SIZES)
    randomise(model, SEED)
    return model.eval()


def to_transformers(weights: dict[str, torch.Tensor]) -> ViTForImageClassification:
    """The same backbone in transformers: q, k and v are thirds of timm's qkv; timm's layer norms have epsilon 1e-6."""
    config = ViTConfig(
        hidden_size=DIMENSION, num_hidden_layers=BLOCKS, num_attention_heads=2, intermediate_size=2 * DIMENSION,
        image_size=32, patch_size=8, layer_norm_eps=1e-6, num_labels=CLASSES,
    )  # fmt: skip
    model = ViTForImageClassification(config).eval()
    renamed = {
        "vit.embeddings.cls_token": weights["cls_token"],
        "vit.embeddings.position_embeddings": weights["pos_embed"],
    }
    for leaf in ("weight", "bias"):
        renamed[f"vit.embeddings.patch_embeddings.projection.{leaf}"] = weights[f"patch_embed.proj.{leaf}"]
        renamed[f"vit.layernorm.{leaf}"] = weights[f"norm.{leaf}"]
        for n in range(BLOCKS):
            ours, theirs = f"blocks.{n}", f"vit.layers.{n}"
            for part, third in zip("qkv", weights[f"{ours}.attn.qkv.{leaf}"].chunk(3)):
                renamed[f"{theirs}.attention.{part}_proj.{leaf}"] = third
            renamed[f"{theirs}.attention.o_proj.{leaf}"] = weights[f"{ours}.attn.proj.{leaf}"]
            renamed[f"{theirs}.layernorm_before.{leaf}"] = weights[f"{ours}.norm1.{leaf}"]
            renamed[f"{theirs}.layernorm_after.{leaf}"] = weights[f"{ours}.norm2.{leaf}"]
            for part in ("fc1", "fc2"):
                renamed[f"{theirs}.mlp.{part}.{leaf}"] = weights[f"{ours}.mlp.{part}.{leaf}"]
    missing, unexpected = model.load_state_dict(renamed, strict=False)
    assert unexpected == [] and set(missing) == {"classifier.weight", "classifier.bias"}, (missing, unexpected)
    return model


def draw(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return 0.3 * torch.randn(shape, generator=generator)


def make_peft(weights, images, folder: Path, **options) -> torch.Tensor:
    """Let PEFT make, save and use an adapter whose numbers are nowhere zero."""
    config = LoraConfig(
        r=RANK, lora_alpha=6, target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"], **options
    )
    model = get_peft_model(to_transformers(weights), config).eval()
    generator = torch.Generator().manual_seed(SEED + len(options))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(draw(tuple(parameter.shape), generator))
        logits = model(pixel_values=images).logits
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    return logits


class OfficialQkv(torch.nn.Module):
    """x -> qkv(x), plus (alpha // r) B A x on the columns of q and of v."""

    def __init__(self, qkv, pair_q, pair_v):
        super().__init__()
        self.qkv, self.pair_q, self.pair_v = qkv, pair_q, pair_v

    def forward(self, x):
        qkv = self.qkv(x).clone()
        for columns, (a, b) in ((slice(None, DIMENSION), self.pair_q), (slice(-DIMENSION, None), self.pair_v)):
            qkv[:, :, columns] += (OFFICIAL_ALPHA // RANK) * (x @ a.T @ b.T)
        return qkv


def make_official(images, folder: Path) -> torch.Tensor:
    """The official file, under a name of six fields, and what it says with the head's bias, which it lacks, at zero."""
    model = make_timm()
    generator = torch.Generator().manual_seed(SEED + 99)
    tensors = {}
    for n, block in enumerate(model.blocks):
        pairs = []
        for index in (2 * n, 2 * n + 1):
            a, b = draw((RANK, DIMENSION), generator), draw((DIMENSION, RANK), generator)
            tensors |= {f"w_a_{index:03d}": a, f"w_b_{index:03d}": b}
            pairs.append((a, b))
        block.attn.qkv = OfficialQkv(block.attn.qkv, *pairs)
    head = draw((CLASSES, DIMENSION), generator)
    tensors[f"fc_{DIMENSION}in_{CLASSES}out"] = head
    folder.mkdir()
    save_tensors(tensors, folder / f"base_golden_lora_{RANK}_{OFFICIAL_ALPHA}_{CLASSES}.safetensors")
    with torch.no_grad():
        return model(images) @ head.T


def make(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    model = make_timm()
    (folder / "backbone").mkdir(parents=True)
    save_timm(model, folder / "backbone")
    images = random_images(32, SEED)[:2]
    weights = model.state_dict()
    with torch.no_grad():
        frozen = model(images)
    expected = {"images": images, "frozen": frozen}
    expected["peft"] = make_peft(weights, images, folder / "peft")
    expected["peft-rslora"] = make_peft(weights, images, folder / "peft-rslora", use_rslora=True)
    expected["official"] = make_official(images, folder / "official")
    save_tensors(expected, folder / "expected.safetensors")


def load(folder: Path, *adapters: Path) -> None:
    weights = load_file(folder / "backbone/model.safetensors")
    images = load_file(folder / "expected.safetensors")["images"]
    found = []
    for adapter in adapters:
        model = PeftModel.from_pretrained(to_transformers(weights), adapter).eval()
        with torch.no_grad():
            found.append(model(pixel_values=images).logits.tolist())
    print(json.dumps(found))


if __name__ == "__main__":
    {"make": make, "load": load}[sys.argv[1]](*map(Path, sys.argv[2:]))
