"""Write one safetensors file of each float type with Python's own library, and what its values are as float32.

Usage: write_safetensors.py FOLDER. The values come from a seeded generator; subnormals, both zeros and the largest
finite value of each type are among them.
"""

import json
import sys
from pathlib import Path

import numpy
import safetensors

folder = Path(sys.argv[1])
generator = numpy.random.default_rng(20231114)
shapes = {"blocks.0.attn.qkv.weight": [12, 4], "head.bias": [3], "scalar": [], "empty": [0, 5]}


def draw(shape, largest, smallest):
    values = generator.normal(size=shape).astype(numpy.float32).reshape(-1)
    special = numpy.array([0.0, -0.0, largest, -largest, smallest], dtype=numpy.float32)
    count = min(len(values), len(special))
    values[:count] = special[:count]
    return values.reshape(shape)


def to_bfloat16(values):
    """Round to nearest, ties to even, on the bits of float32 (no NaN among the values)."""
    bits = values.astype(numpy.float32).reshape(-1).view(numpy.uint32).astype(numpy.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)


def from_bfloat16(bits):
    return (bits.astype(numpy.uint32) << 16).view(numpy.float32)


def write(dtype, convert, widen, largest, smallest):
    tensors, expected, kept_alive = {}, {}, []
    for name, shape in shapes.items():
        narrow = numpy.ascontiguousarray(convert(draw(shape, largest, smallest)))
        kept_alive.append(narrow)  # the library is given an address
        tensors[name] = safetensors.TensorSpec(
            dtype=dtype, shape=shape, data_ptr=narrow.ctypes.data, data_len=narrow.nbytes
        )
        expected[name] = {"shape": shape, "hex": widen(narrow).astype("<f4").tobytes().hex()}
    file = safetensors.serialize(tensors, {"format": "pt", "note": "ünïcode"})
    (folder / f"{dtype}.safetensors").write_bytes(file)
    (folder / f"{dtype}.json").write_text(json.dumps(expected))


write("float32", lambda x: x, lambda x: x, 3.4028234663852886e38, 1.401298464324817e-45)
write("float16", lambda x: x.astype(numpy.float16), lambda x: x.astype(numpy.float32), 65504.0, 5.960464477539063e-08)
write("bfloat16", to_bfloat16, from_bfloat16, 3.3895313892515355e38, 9.183549615799121e-41)
print(safetensors.__version__)
