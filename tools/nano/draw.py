"""The drawing task: images made of textures, shapes, light, blur and noise, each with the answers to fourteen questions.

Nothing here knows of chests, organs or findings: the backbone is to bring general vision, and a task's adapter the rest.
Shape letters: B images, S = 64 pixels a side. Values are in [0, 1] until the last line of draw().
"""

import numpy as np

SIDE = 64
PATCH = 8
TEXTURES = ("flat", "grating", "stripes", "checker", "plaid", "rings", "cloud", "brushed", "dots")
SHAPES = ("disc", "square", "triangle", "ring", "cross", "bar", "crescent", "ellipse")
ORIENTED = (1, 2, 7)  # the textures whose orientation has a period of half a turn
FREQUENCY_EDGES = 2.0 * 1.6 ** np.arange(6)  # cycles an image
SIZE_EDGES = (0.12, 0.20, 0.28, 0.40)  # radius, in halves of the image
CONTRAST_EDGES = (0.12, 0.20, 0.32, 0.50)
SOFTNESS_PIXELS = (0.4, 1.5, 4.0)
BLUR_PIXELS = (0.0, 1.0, 2.0)
NOISE_STD = (0.0, 0.02, 0.05, 0.10)

# Classes of each question; occupancy is sixteen questions of yes or no.
QUESTIONS = {
    "texture": len(TEXTURES),
    "orientation": 8,
    "frequency": 5,
    "gradient": 9,
    "shape": len(SHAPES),
    "count": 5,
    "size": 3,
    "polarity": 2,
    "softness": 3,
    "contrast": 3,
    "blur": 3,
    "noise": 4,
    "colour": 7,
}
CELLS = 16

_axis = (np.arange(SIDE, dtype=np.float32) + 0.5) / (SIDE / 2) - 1
X, Y = np.meshgrid(_axis, _axis)  # (S,S) each, from -1 to 1
_fy = np.fft.fftfreq(SIDE, 1 / SIDE)[:, None].astype(np.float32)  # cycles an image
_fx = np.fft.rfftfreq(SIDE, 1 / SIDE)[None, :].astype(np.float32)


def _within(rng, edges, bins):
    """Draw uniformly inside each bin, (B)."""
    edges = np.asarray(edges, dtype=np.float32)
    low, high = edges[bins], edges[bins + 1]
    return low + (high - low) * rng.random(len(bins), dtype=np.float32)


def _column(values):
    return np.asarray(values, dtype=np.float32)[:, None, None]  # (B) -> (B,1,1)


def _filtered_noise(rng, response):
    """White noise through a filter of the Fourier domain, at unit variance, (B,S,S)."""
    white = rng.standard_normal((len(response), SIDE, SIDE), dtype=np.float32)
    noise = np.fft.irfft2(np.fft.rfft2(white) * response, s=(SIDE, SIDE)).astype(np.float32)
    return noise / (noise.std(axis=(1, 2), keepdims=True) + 1e-6)


def _texture(rng, family, angle, frequency, phase):
    """One family for n images, about in [-1, 1], (n,S,S)."""
    cos, sin = _column(np.cos(angle)), _column(np.sin(angle))
    k, p = _column(np.pi * frequency), _column(phase)
    u, v = X * cos + Y * sin, Y * cos - X * sin
    if family == "flat":
        return np.zeros((len(angle), SIDE, SIDE), dtype=np.float32)
    if family == "grating":
        return np.sin(k * u + p)
    if family == "stripes":
        return np.sign(np.sin(k * u + p))
    if family == "checker":
        return np.sign(np.sin(k * u + p) * np.sin(k * v + p))
    if family == "plaid":
        return (np.sin(k * u + p) + np.sin(k * v + p)) / 2
    if family == "rings":
        centre = rng.uniform(-0.6, 0.6, (2, len(angle), 1, 1)).astype(np.float32)
        return np.sin(k * np.hypot(X - centre[0], Y - centre[1]) + p)
    if family == "cloud":
        return _filtered_noise(rng, np.exp(-(_fx**2 + _fy**2) / _column(frequency) ** 2)) / 2
    if family == "brushed":
        across, along = _fx * cos + _fy * sin, _fy * cos - _fx * sin
        band = np.exp(-((np.abs(across) - _column(frequency)) ** 2) / 2 - along**2 / 2)
        return _filtered_noise(rng, band) / 2
    if family == "dots":
        return 2.0 * (np.sin(k * u + p) * np.sin(k * v + p) > 0.5) - 0.5
    raise ValueError(f"texture: expected one of {TEXTURES}, got {family}")


def _outline(shape, px, py):
    """Signed distance, about, in radii: negative inside; px and py are (n,S,S)."""
    if shape == "disc":
        return np.hypot(px, py) - 1
    if shape == "square":
        return np.maximum(np.abs(px), np.abs(py)) - 0.85
    if shape == "triangle":
        slant = 0.866 * np.abs(px) + 0.5 * py
        return np.maximum(slant, -py) - 0.55
    if shape == "ring":
        return np.abs(np.hypot(px, py) - 0.72) - 0.26
    if shape == "cross":
        ax, ay = np.abs(px), np.abs(py)
        return np.minimum(np.maximum(ax - 1, ay - 0.28), np.maximum(ax - 0.28, ay - 1))
    if shape == "bar":
        return np.maximum(np.abs(px) - 1.1, np.abs(py) - 0.25)
    if shape == "crescent":
        return np.maximum(np.hypot(px, py) - 1, 0.85 - np.hypot(px - 0.5, py))
    if shape == "ellipse":
        return np.hypot(px, 2 * py) - 1
    raise ValueError(f"shape: expected one of {SHAPES}, got {shape}")


def _add_shapes(rng, image, answers, cells):
    """Add up to four shapes of one kind to each image, in place, in the given cells, (B,4); return their cover, (B,S,S)."""
    count = len(image)
    covers = np.zeros_like(image)
    radius = _within(rng, SIZE_EDGES, answers["size"])
    sign = np.where(answers["polarity"] == 1, 1.0, -1.0).astype(np.float32)
    height = sign * _within(rng, CONTRAST_EDGES, answers["contrast"])
    soft = np.asarray(SOFTNESS_PIXELS, dtype=np.float32)[answers["softness"]] * 2 / SIDE
    for slot in range(4):
        jitter = rng.uniform(-0.15, 0.15, (2, count)).astype(np.float32)
        cx = (cells[:, slot] % 4) * 0.5 - 0.75 + jitter[0]
        cy = (cells[:, slot] // 4) * 0.5 - 0.75 + jitter[1]
        turn = rng.uniform(0, 2 * np.pi, count)
        for kind, shape in enumerate(SHAPES):
            n = np.flatnonzero((answers["shape"] == kind) & (answers["count"] > slot))
            if len(n) == 0:
                continue
            cos, sin, r = _column(np.cos(turn[n])), _column(np.sin(turn[n])), _column(radius[n])
            dx, dy = (X - _column(cx[n])) / r, (Y - _column(cy[n])) / r
            distance = _outline(shape, dx * cos + dy * sin, dy * cos - dx * sin) * r
            cover = 0.5 - 0.5 * np.tanh(distance / _column(soft[n]))
            image[n] += _column(height[n]) * cover
            covers[n] = np.maximum(covers[n], cover)
    return covers


def _blur(image, pixels):
    response = np.exp(-2 * (np.pi * _column(pixels) / SIDE) ** 2 * (_fx**2 + _fy**2))
    return np.fft.irfft2(np.fft.rfft2(image) * response, s=(SIDE, SIDE)).astype(np.float32)


def _tint(rng, image, colour):
    """Grey to RGB, (B,3,S,S); colour 0 stays grey, 1 to 6 are sixths of the hue circle."""
    hue = (colour - 1 + rng.random(len(colour))) / 6
    strength = np.where(colour == 0, 0.0, rng.uniform(0.08, 0.3, len(colour)))
    angles = 2 * np.pi * (hue[:, None] - np.array([0, 1 / 3, 2 / 3])[None, :])  # (B,3)
    shift = (strength[:, None] * np.cos(angles)).astype(np.float32)
    return image[:, None] + shift[:, :, None, None]


def draw(count, seed):
    """Draw `count` images.

    Returns images (B,3,64,64) in [-1, 1], answers by question, occupancy of the cells (B,16), cover of each patch of 8 by 8
    pixels by shapes (B,64) and, by question, whether it has an answer (B).
    """
    rng = np.random.default_rng(seed)
    answers = {name: rng.integers(0, classes, count) for name, classes in QUESTIONS.items()}
    answers["colour"] = np.where(rng.random(count) < 0.5, 0, answers["colour"])
    frequency = _within(rng, FREQUENCY_EDGES, answers["frequency"])
    angle = np.pi * (answers["orientation"] + rng.random(count)) / 8
    phase = rng.uniform(0, 2 * np.pi, count)

    image = np.empty((count, SIDE, SIDE), dtype=np.float32)
    for kind, family in enumerate(TEXTURES):
        n = np.flatnonzero(answers["texture"] == kind)
        if len(n) > 0:
            image[n] = _texture(rng, family, angle[n], frequency[n], phase[n])
    image *= _column(0.02 + 0.16 * rng.random(count) ** 2)
    image += _column(rng.uniform(0.35, 0.65, count))

    direction = 2 * np.pi * (answers["gradient"] - 1 + rng.random(count)) / 8
    slope = np.where(answers["gradient"] == 0, 0.0, rng.uniform(0.08, 0.3, count))
    image += _column(slope * np.cos(direction)) * X + _column(slope * np.sin(direction)) * Y

    cells = np.argsort(rng.random((count, CELLS)), axis=1)[:, :4]
    covers = _add_shapes(rng, image, answers, cells)
    grid = SIDE // PATCH
    cover = covers.reshape(count, grid, PATCH, grid, PATCH).mean(axis=(2, 4)).reshape(count, grid * grid)
    occupancy = np.zeros((count, CELLS), dtype=np.float32)
    for slot in range(4):
        n = np.flatnonzero(answers["count"] > slot)
        occupancy[n, cells[n, slot]] = 1

    image = _blur(image, np.asarray(BLUR_PIXELS)[answers["blur"]])
    std = np.asarray(NOISE_STD, dtype=np.float32)[answers["noise"]]
    image += _column(std) * rng.standard_normal(image.shape, dtype=np.float32)
    images = np.clip(_tint(rng, image, answers["colour"]), 0, 1) * 2 - 1  # mean = std = 0.5
    return images.astype(np.float32), answers, occupancy, cover, _relevance(answers)


def _relevance(answers):
    """1 where a question has an answer in this image, else 0, (B) by question."""
    everywhere = np.ones(len(answers["count"]), dtype=np.float32)
    has_shape = (answers["count"] > 0).astype(np.float32)
    relevance = {name: everywhere for name in QUESTIONS}
    for name in ("shape", "size", "polarity", "softness", "contrast"):
        relevance[name] = has_shape
    relevance["orientation"] = np.isin(answers["texture"], ORIENTED).astype(np.float32)
    relevance["frequency"] = (answers["texture"] != 0).astype(np.float32)
    return relevance
