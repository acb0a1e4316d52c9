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
                centre = 1.0 if name.endswith(("weight", "gamma", "lambda1", "gamma_1", "gamma_2")) else 0.0
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


# Of every small model: 16 patches. make_goldens.py sets smaller ones.
SIZES = {"image": 32, "patch": 8, "dimension": 48, "blocks": 3, "heads": 3, "mlp": 96}


def small_timm(architecture: str, **options) -> torch.nn.Module:
    """Make a small timm model of an architecture; options go to its constructor."""
    import timm

    sizes = {"img_size": SIZES["image"], "patch_size": SIZES["patch"], "embed_dim": SIZES["dimension"]}
    sizes |= {"depth": SIZES["blocks"], "num_heads": SIZES["heads"], "num_classes": 0}
    sizes |= {"mlp_ratio": SIZES["mlp"] / SIZES["dimension"]}
    return timm.create_model(architecture, pretrained=False, **(sizes | options))


def small_transformers_sizes() -> dict[str, object]:
    """The same sizes under the names of a transformers configuration."""
    sizes = {"hidden_size": SIZES["dimension"], "num_hidden_layers": SIZES["blocks"]}
    sizes |= {"num_attention_heads": SIZES["heads"], "intermediate_size": SIZES["mlp"]}
    return sizes | {"image_size": SIZES["image"], "patch_size": SIZES["patch"]}


@family("timm-vit")
def timm_vit() -> SmallModel:
    model = small_timm("vit_tiny_patch16_224")
    return SmallModel(model, SIZES["image"], model, lambda folder: save_timm(model, folder))


def transformers_vit_model():
    from transformers import ViTConfig, ViTModel

    return ViTModel(ViTConfig(**small_transformers_sizes()), add_pooling_layer=False)


@family("transformers-vit")
def transformers_vit() -> SmallModel:
    """As `save_pretrained` writes it, under the names that transformers chose for files."""
    model = transformers_vit_model()
    features = lambda images: model(pixel_values=images).last_hidden_state[:, 0]
    return SmallModel(model, SIZES["image"], features, lambda folder: save_transformers(model, folder))


@family("transformers-vit-modules")
def transformers_vit_modules() -> SmallModel:
    """As the modules of transformers 5 are named (`layers.N.attention.q_proj`), with the classifier's prefix."""
    model = transformers_vit_model()
    features = lambda images: model(pixel_values=images).last_hidden_state[:, 0]

    def save(folder: Path) -> None:
        save_transformers(model, folder)
        named = {f"vit.{name}": tensor for name, tensor in model.state_dict().items()}
        save_tensors(named, folder / "model.safetensors")

    return SmallModel(model, SIZES["image"], features, save)


# The families that change something in the plain ViT: each as both libraries have it, where both do.


def cls_token(model):
    """Pixels to the CLS token after the last norm."""
    return lambda images: model(pixel_values=images).last_hidden_state[:, 0]


def timm_family(architecture: str, **options) -> SmallModel:
    model = small_timm(architecture, **options)
    features = lambda images: model.forward_head(model.forward_features(images), pre_logits=True)
    return SmallModel(model, SIZES["image"], features, lambda folder: save_timm(model, folder))


def transformers_family(model) -> SmallModel:
    return SmallModel(model, SIZES["image"], cls_token(model), lambda folder: save_transformers(model, folder))


@family("timm-deit")
def timm_deit() -> SmallModel:
    return timm_family("deit_tiny_patch16_224")


@family("timm-deit-distilled")
def timm_deit_distilled() -> SmallModel:
    """Features are the mean of the two tokens, which is what two equal heads would average."""
    return timm_family("deit_tiny_distilled_patch16_224")


@family("timm-deit3")
def timm_deit3() -> SmallModel:
    return timm_family("deit3_small_patch16_224")


@family("timm-dinov2")
def timm_dinov2() -> SmallModel:
    return timm_family("vit_small_patch14_dinov2")


@family("timm-dinov2-registers")
def timm_dinov2_registers() -> SmallModel:
    return timm_family("vit_small_patch14_reg4_dinov2")


def timm_dinov3_family(architecture: str) -> SmallModel:
    """Features are those of the CLS token, as DINOv3's authors use them; timm alone pools its patches by default."""
    model = small_timm(architecture)
    features = lambda images: model.forward_features(images)[:, 0]
    return SmallModel(model, SIZES["image"], features, lambda folder: save_timm(model, folder))


@family("timm-dinov3")
def timm_dinov3() -> SmallModel:
    return timm_dinov3_family("vit_small_patch16_dinov3")


@family("timm-dinov3-qkvb")
def timm_dinov3_qkvb() -> SmallModel:
    return timm_dinov3_family("vit_small_patch16_dinov3_qkvb")


@family("timm-clip")
def timm_clip() -> SmallModel:
    return timm_family("vit_base_patch16_clip_224")


@family("timm-clip-quickgelu")
def timm_clip_quickgelu() -> SmallModel:
    return timm_family("vit_base_patch32_clip_quickgelu_224")


@family("timm-options")
def timm_options() -> SmallModel:
    """What a plain architecture becomes by its arguments alone."""
    options = {"init_values": 0.1, "qkv_bias": False, "reg_tokens": 2, "no_embed_class": True}
    model = small_timm("vit_tiny_patch16_224", act_layer="quick_gelu", **options)

    def save(folder: Path) -> None:
        save_timm(model, folder)
        config = json.loads((folder / "config.json").read_text())
        config["model_args"] |= options | {"act_layer": "quick_gelu"}
        (folder / "config.json").write_text(json.dumps(config))

    return SmallModel(model, SIZES["image"], model, save)


@family("transformers-deit")
def transformers_deit() -> SmallModel:
    from transformers import DeiTConfig, DeiTModel

    model = DeiTModel(DeiTConfig(**small_transformers_sizes()), add_pooling_layer=False)
    features = lambda images: model(pixel_values=images).last_hidden_state[:, :2].mean(1)
    return SmallModel(model, SIZES["image"], features, lambda folder: save_transformers(model, folder))


def dinov2_sizes() -> dict[str, object]:
    return small_transformers_sizes() | {"mlp_ratio": SIZES["mlp"] // SIZES["dimension"]}


@family("transformers-dinov2")
def transformers_dinov2() -> SmallModel:
    from transformers import Dinov2Config, Dinov2Model

    return transformers_family(Dinov2Model(Dinov2Config(**dinov2_sizes())))


@family("transformers-dinov2-registers")
def transformers_dinov2_registers() -> SmallModel:
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    return transformers_family(Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**dinov2_sizes())))


@family("transformers-dinov3")
def transformers_dinov3() -> SmallModel:
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    config = DINOv3ViTConfig(**small_transformers_sizes(), num_register_tokens=4)
    return transformers_family(DINOv3ViTModel(config))


@family("transformers-clip-vision")
def transformers_clip_vision() -> SmallModel:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    model = CLIPVisionModel(CLIPVisionConfig(**small_transformers_sizes()))
    features = lambda images: model(pixel_values=images).pooler_output
    return SmallModel(model, SIZES["image"], features, lambda folder: save_transformers(model, folder))


@family("transformers-clip")
def transformers_clip() -> SmallModel:
    """Both towers in one file: the image tower is taken, its projection into the common space left off."""
    from transformers import CLIPConfig, CLIPModel

    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    text |= {"vocab_size": 50, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    model = CLIPModel(CLIPConfig(vision_config=small_transformers_sizes(), text_config=text))
    features = lambda images: model.vision_model(pixel_values=images).pooler_output
    return SmallModel(model, SIZES["image"], features, lambda folder: save_transformers(model, folder))
