"""Pretrain the nano backbone on the drawing task and write it as timm writes a ViT: float16 safetensors and config.json.

python tools/nano/pretrain.py --out tools/nano/backbone
The draw is fixed by the seed; the last bits of the weights depend on the machine's order of summation.
"""

import argparse
import json
import pathlib
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file, save_file

import vit
from draw import CELLS, QUESTIONS, draw

# Asked of every patch as well: an answer in 64 places teaches local features in a fraction of the images.
PATCH_QUESTIONS = ("texture", "orientation", "frequency", "noise", "blur", "shape")
OCCUPANCY_WEIGHT, COVER_WEIGHT = 8.0, 8.0
WARMUP_STEPS = 100
BETA1, BETA2, ADAM_EPSILON, WEIGHT_DECAY, CLIP = 0.9, 0.99, 1e-8, 0.02, 1.0


def initial_heads():
    """Linear heads: on the CLS token by question, and on the patches' tokens; none of them is kept."""

    def head(size):
        return {"w": np.zeros((size, vit.DIMENSION), np.float32), "b": np.zeros(size, np.float32)}

    whole = {name: head(size) for name, size in {**QUESTIONS, "occupancy": CELLS}.items()}
    patch = {f"patch.{name}": head(QUESTIONS[name]) for name in PATCH_QUESTIONS}
    return {**whole, **patch, "patch.cover": head(1)}


def logits_of(parameters, images):
    """Logits by head: (B,classes), and (B,64,classes) of the heads on patches."""
    cls, patches = vit.features(parameters["vit"], images)
    centred = patches - patches.mean(axis=-1, keepdims=True)
    patches = centred * jax.lax.rsqrt(jnp.square(centred).mean(axis=-1, keepdims=True) + vit.EPSILON)
    return {
        name: (patches if name.startswith("patch.") else cls) @ head["w"].T + head["b"]
        for name, head in parameters["heads"].items()
    }


def cross_entropy(logits, answers, weights):
    """Mean over what has a weight, (...,classes), (...), (...) -> scalar."""
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), answers[..., None], axis=-1)[..., 0]
    return -(chosen * weights).sum() / (weights.sum() + 1)


def binary_cross_entropy(logits, targets):
    return (jnp.logaddexp(0, logits) - logits * targets).mean()


def loss_of(parameters, images, answers, occupancy, cover, relevance):
    logits = logits_of(parameters, images)
    total = OCCUPANCY_WEIGHT * binary_cross_entropy(logits["occupancy"], occupancy)
    total += COVER_WEIGHT * binary_cross_entropy(logits["patch.cover"][..., 0], cover)
    for name in QUESTIONS:
        total += cross_entropy(logits[name], answers[name], relevance[name])
    for name in PATCH_QUESTIONS:
        weights = cover if name == "shape" else jnp.broadcast_to(relevance[name][:, None], cover.shape)
        repeated = jnp.broadcast_to(answers[name][:, None], cover.shape)
        total += cross_entropy(logits[f"patch.{name}"], repeated, weights)
    return total


@partial(jax.jit, donate_argnums=(0, 1))
def step_of(parameters, moments, rate, step, batch):
    """One step of AdamW on gradients clipped to norm 1; biases, norms and embeddings do not decay."""
    loss, gradients = jax.value_and_grad(loss_of)(parameters, *batch)
    norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(gradients)))
    gradients = jax.tree.map(lambda g: g * jnp.minimum(1.0, CLIP / (norm + 1e-12)), gradients)
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, moments[0], gradients)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, moments[1], gradients)

    def update(p, m, v):
        direction = m / (1 - BETA1**step) / (jnp.sqrt(v / (1 - BETA2**step)) + ADAM_EPSILON)
        return p - rate * (direction + (WEIGHT_DECAY * p if p.ndim == 2 else 0.0))

    return jax.tree.map(update, parameters, first, second), (first, second), loss


def rate_at(step, steps, peak):
    if step < WARMUP_STEPS:
        return peak * (step + 1) / WARMUP_STEPS
    return peak * 0.5 * (1 + np.cos(np.pi * (step - WARMUP_STEPS) / (steps - WARMUP_STEPS)))


def measure(parameters, seed, batches=16, batch=128):
    """Accuracy by question on held-out drawings, occupancy by cell."""
    hits = {name: [0.0, 0.0] for name in (*QUESTIONS, "occupancy")}
    predict = jax.jit(logits_of)
    for index in range(batches):
        images, answers, occupancy, _, relevance = draw(batch, (seed, 1, index))
        logits = predict(parameters, images)
        for name in QUESTIONS:
            right = (np.asarray(logits[name]).argmax(axis=1) == answers[name]) * relevance[name]
            hits[name][0] += right.sum()
            hits[name][1] += relevance[name].sum()
        hits["occupancy"][0] += ((np.asarray(logits["occupancy"]) > 0) == (occupancy > 0.5)).sum()
        hits["occupancy"][1] += occupancy.size
    return {name: float(right / total) for name, (right, total) in hits.items()}


def write(parameters, folder):
    """Write model.safetensors (float16) and config.json, in timm's form."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: np.asarray(value).astype(np.float16) for name, value in parameters["vit"].items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    arguments = {
        "img_size": vit.SIDE,
        "patch_size": vit.PATCH,
        "embed_dim": vit.DIMENSION,
        "depth": vit.BLOCKS,
        "num_heads": vit.HEADS,
        "mlp_ratio": vit.MLP / vit.DIMENSION,
    }
    config = {
        "architecture": "vit_tiny_patch16_224",
        "num_classes": 0,
        "num_features": vit.DIMENSION,
        "global_pool": "token",
        "model_args": arguments,
        "pretrained_cfg": {
            "tag": "nano",
            "input_size": [3, vit.SIDE, vit.SIDE],
            "fixed_input_size": True,
            "interpolation": "bicubic",
            "crop_pct": 1.0,
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "num_classes": 0,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
        },
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=pathlib.Path, required=True)
    options.add_argument("--seed", type=int, default=20261124)
    options.add_argument("--steps", type=int, default=2600)
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--rate", type=float, default=1e-3)
    options.add_argument("--report-every", type=int, default=100)
    options.add_argument("--write-every", type=int, default=200)
    given = options.parse_args()

    parameters = {"vit": vit.initial(np.random.default_rng((given.seed, 2))), "heads": initial_heads()}
    moments = tuple(jax.tree.map(np.zeros_like, parameters) for _ in range(2))
    recent, started = [], time.monotonic()
    for step in range(given.steps):
        batch = draw(given.batch, (given.seed, 0, step))
        rate = np.float32(rate_at(step, given.steps, given.rate))
        parameters, moments, loss = step_of(parameters, moments, rate, np.float32(step + 1), batch)
        recent.append(float(loss))
        if (step + 1) % given.report_every == 0:
            seconds = time.monotonic() - started
            print(f"step {step + 1}: loss {np.mean(recent):.4f}, {seconds:.0f} s", flush=True)
            recent = []
        if (step + 1) % given.write_every == 0 and step + 1 < given.steps:
            write(parameters, given.out)
    write(parameters, given.out)
    rounded = load_file(given.out / "model.safetensors")
    kept = {**parameters, "vit": {name: value.astype(np.float32) for name, value in rounded.items()}}
    print(json.dumps(measure(kept, given.seed), indent=2))


if __name__ == "__main__":
    main()
