"""Read a safetensors file with Python's own library and print what it holds as JSON.

Usage: read_safetensors.py FILE. Each tensor is given by its type, shape and the SHA-256 of its bytes; the whole file by
its BLAKE2b-256, which is the digest of an adapter.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy
from safetensors import safe_open

path = sys.argv[1]
tensors = {}
with safe_open(path, framework="numpy") as file:
    metadata = file.metadata() or {}
    for name in file.keys():
        array = file.get_tensor(name)
        tensors[name] = {
            "dtype": str(array.dtype),
            "shape": list(array.shape),
            "sha256": hashlib.sha256(numpy.ascontiguousarray(array).tobytes()).hexdigest(),
        }
digest = hashlib.blake2b(Path(path).read_bytes(), digest_size=32).hexdigest()
print(json.dumps({"metadata": metadata, "tensors": tensors, "blake2b256": digest}))
