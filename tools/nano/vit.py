"""A plain ViT in JAX under timm's tensor names: pre-norm, CLS token, exact GELU, biases everywhere.

Shape letters: B images, D dimension, H heads, T tokens (the CLS token and one a patch), P patch size.
"""

import jax
import jax.numpy as jnp
import numpy as np

DIMENSION, BLOCKS, HEADS, MLP, PATCH, SIDE = 96, 6, 4, 384, 8, 64
TOKENS = (SIDE // PATCH) ** 2 + 1
EPSILON = 1e-6


def _positions():
    """Sines and cosines of row and column as the starting position embedding: a short training has no time to find them."""
    grid, quarter = SIDE // PATCH, DIMENSION // 4
    angles = np.arange(grid)[:, None] / 20 ** (np.arange(quarter) / quarter)[None, :]  # (grid,D/4)
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)  # (grid,D/2)
    rows, columns = np.repeat(waves, grid, axis=0), np.tile(waves, (grid, 1))
    patches = 0.25 * np.concatenate([rows, columns], axis=1)  # (T-1,D)
    return np.concatenate([np.zeros((1, DIMENSION)), patches])[None].astype(np.float32)


def initial(rng):
    """Weights: normal cut at two standard deviations, biases zero, norms one."""

    def weight(*shape):
        return np.clip(rng.standard_normal(shape), -2, 2).astype(np.float32) * np.float32(0.02)

    d, f = DIMENSION, MLP
    weights = {
        "cls_token": weight(1, 1, d),
        "pos_embed": _positions(),
        "patch_embed.proj.weight": weight(d, 3, PATCH, PATCH) * 4,  # fan-in 192: about 1 / sqrt(192)
        "patch_embed.proj.bias": np.zeros(d, np.float32),
        "norm.weight": np.ones(d, np.float32),
        "norm.bias": np.zeros(d, np.float32),
    }
    for n in range(BLOCKS):
        for name, out, into in (("attn.qkv", 3 * d, d), ("attn.proj", d, d), ("mlp.fc1", f, d), ("mlp.fc2", d, f)):
            weights[f"blocks.{n}.{name}.weight"] = weight(out, into) * 2
            weights[f"blocks.{n}.{name}.bias"] = np.zeros(out, np.float32)
        for name in ("norm1", "norm2"):
            weights[f"blocks.{n}.{name}.weight"] = np.ones(d, np.float32)
            weights[f"blocks.{n}.{name}.bias"] = np.zeros(d, np.float32)
    return weights


def _norm(x, weights, name):
    mean = x.mean(axis=-1, keepdims=True)
    variance = jnp.square(x - mean).mean(axis=-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + EPSILON) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _linear(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def features(weights, images):
    """The final norm's output at the CLS token (B,D), and the patches' tokens before the last block (B,T-1,D)."""
    batch, grid = images.shape[0], SIDE // PATCH
    x = images.reshape(batch, 3, grid, PATCH, grid, PATCH).transpose(0, 2, 4, 1, 3, 5)
    x = x.reshape(batch, grid * grid, 3 * PATCH * PATCH)  # patches in (channel, row, column) order
    kernel = weights["patch_embed.proj.weight"].reshape(DIMENSION, -1)
    x = x @ kernel.T + weights["patch_embed.proj.bias"]  # (B,T-1,D)
    cls = jnp.broadcast_to(weights["cls_token"], (batch, 1, DIMENSION))
    x = jnp.concatenate([cls, x], axis=1) + weights["pos_embed"]  # (B,T,D)
    for n in range(BLOCKS):
        queries = 1 if n == BLOCKS - 1 else TOKENS  # only the CLS token leaves the last block
        if n == BLOCKS - 1:
            patches = x[:, 1:]
        mixed = _attention(_norm(x, weights, f"blocks.{n}.norm1"), weights, f"blocks.{n}.attn", queries)
        x = x[:, :queries] + mixed
        hidden = _linear(_norm(x, weights, f"blocks.{n}.norm2"), weights, f"blocks.{n}.mlp.fc1")
        x = x + _linear(jax.nn.gelu(hidden, approximate=False), weights, f"blocks.{n}.mlp.fc2")
    return _norm(x[:, 0], weights, "norm"), patches


def _attention(h, weights, name, queries):
    """Self-attention of the first `queries` tokens to all, (B,T,D) -> (B,queries,D)."""
    batch, size = h.shape[0], DIMENSION // HEADS
    qkv = _linear(h, weights, f"{name}.qkv").reshape(batch, TOKENS, 3, HEADS, size)
    q, k, v = qkv.transpose(2, 0, 3, 1, 4)  # (B,H,T,D/H) each
    shares = jax.nn.softmax(q[:, :, :queries] @ k.transpose(0, 1, 3, 2) / np.sqrt(size), axis=-1)  # (B,H,queries,T)
    mixed = (shares @ v).transpose(0, 2, 1, 3).reshape(batch, queries, DIMENSION)
    return _linear(mixed, weights, f"{name}.proj")
