"""What interop scripts share: a small random model of each family, saved with images and what it says of them.

`save_model(family, folder, seed)` writes into FOLDER what the library itself would save (`model.safetensors`, `config.json`
and, for transformers, `preprocessor_config.json`) and `expected.safetensors`:

    images   (B,3,S,S)  normalised pixels, as the model takes them
    features (B,D)      what the classification head sees
    weight   (C,D)      a random head
    bias     (C)
    logits   (B,C)      features weight^T + bias

To add a family: write a function without parameters that returns a `SmallModel`, decorate it with `@family("name")` and add the
name to the list in backbones.spec.ts (or to one of your own, with `makeModels` and `logitsOfOurs` of python.ts).
Every parameter is drawn anew by `randomise`, so that no bias is zero and no layer scale is one: what a forward pass forgets shows.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import torch
from safetensors.torch import save_file

IMAGES = 4
CLASSES = 3

torch.set_num_threads(2)
torch.use_deterministic_algorithms(True)


@dataclass
class SmallModel:
    """A model in eval mode and how it is used: pixels to features, and saved as its library does it."""

    model: torch.nn.Module
    image_size: int
    features: Callable[[torch.Tensor], torch.Tensor]
    save: Callable[[Path], None]


FAMILIES: dict[str, Callable[[], SmallModel]] = {}


def family(name: str):
    """Register a function that builds the small model of a family."""

    def register(build: Callable[[], SmallModel]):
        FAMILIES[name] = build
        return build

    return register


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Draw every parameter: matrices keep the size of what passes through, vectors stand around 1 (norms, scales) or 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            draw = 2 * torch.rand(parameter.shape, generator=generator) - 1
            if parameter.dim() > 1 and name.endswith("weight"):
                parameter.copy_(draw * (3 / parameter[0].numel()) ** 0.5)
            else:
                centre = 1.0 if name.endswith(("weight", "gamma", "lambda1")) else 0.0
                parameter.copy_(centre + 0.1 * draw)


def random_images(image_size: int, seed: int) -> torch.Tensor:
    """Normal pixels (B,3,S,S), as if they were normalised already."""
    generator = torch.Generator().manual_seed(seed + 1)
    return torch.randn(IMAGES, 3, image_size, image_size, generator=generator)


def random_head(dimension: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A head's weight (C,D) and bias (C)."""
    generator = torch.Generator().manual_seed(seed + 2)
    weight = torch.randn(CLASSES, dimension, generator=generator) / dimension**0.5
    return weight, torch.randn(CLASSES, generator=generator)


def save_tensors(tensors: dict[str, torch.Tensor], file: Path) -> None:
    """Write float32 tensors; a view is copied out, since safetensors wants whole memory."""
    save_file({name: tensor.detach().float().contiguous().clone() for name, tensor in tensors.items()}, file)


def save_model(name: str, folder: Path, seed: int = 20231114) -> None:
    """Make the small model of a family and save it with what it says of a few images (see the top of this file)."""
    folder.mkdir(parents=True, exist_ok=True)
    small = FAMILIES[name]()
    small.model.eval()
    randomise(small.model, seed)
    small.save(folder)
    images = random_images(small.image_size, seed)
    with torch.no_grad():
        features = small.features(images)
    weight, bias = random_head(features.shape[1], seed)
    logits = features @ weight.T + bias
    expected = {"images": images, "features": features, "weight": weight, "bias": bias, "logits": logits}
    save_tensors(expected, folder / "expected.safetensors")


def save_timm(model: torch.nn.Module, folder: Path) -> None:
    """Save a timm model as `timm.models.push_to_hf_hub` would: weights, and config.json with model_args."""
    from timm.models import save_for_hf

    save_for_hf(model, str(folder), safe_serialization=True)


def save_transformers(model, folder: Path, mean: float = 0.5, std: float = 0.5) -> None:
    """Save a transformers model with `save_pretrained`, and the preprocessor's configuration beside it."""
    model.save_pretrained(folder)
    preprocessor = {"do_normalize": True, "do_rescale": True, "rescale_factor": 1 / 255}
    preprocessor |= {"image_mean": [mean] * 3, "image_std": [std] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))


# D = 48, three heads, three blocks, patches of 8 in images of 32 pixels: 17 tokens.


def small_timm(architecture: str, **options) -> torch.nn.Module:
    """Make a small timm model of an architecture; options go to its constructor."""
    import timm

    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 3, "num_classes": 0}
    return timm.create_model(architecture, pretrained=False, **(sizes | options))


def small_transformers_sizes() -> dict[str, object]:
    """The same sizes under the names of a transformers configuration."""
    sizes = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 96}
    return sizes | {"image_size": 32, "patch_size": 8}


@family("timm-vit")
def timm_vit() -> SmallModel:
    model = small_timm("vit_tiny_patch16_224")
    return SmallModel(model, 32, model, lambda folder: save_timm(model, folder))


def transformers_vit_model():
    from transformers import ViTConfig, ViTModel

    return ViTModel(ViTConfig(**small_transformers_sizes()), add_pooling_layer=False)


@family("transformers-vit")
def transformers_vit() -> SmallModel:
    """As `save_pretrained` writes it, under the names that transformers chose for files."""
    model = transformers_vit_model()
    features = lambda images: model(pixel_values=images).last_hidden_state[:, 0]
    return SmallModel(model, 32, features, lambda folder: save_transformers(model, folder))


@family("transformers-vit-modules")
def transformers_vit_modules() -> SmallModel:
    """As the modules of transformers 5 are named (`layers.N.attention.q_proj`), with the classifier's prefix."""
    model = transformers_vit_model()
    features = lambda images: model(pixel_values=images).last_hidden_state[:, 0]

    def save(folder: Path) -> None:
        save_transformers(model, folder)
        named = {f"vit.{name}": tensor for name, tensor in model.state_dict().items()}
        save_tensors(named, folder / "model.safetensors")

    return SmallModel(model, 32, features, save)
