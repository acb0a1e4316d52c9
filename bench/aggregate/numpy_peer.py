"""NumPy's side: the same updates in shape, held as one array, and their plain weighted mean, in the ways a program would write it."""

import json
import resource
import sys
import time

import numpy as np

options = json.loads(sys.argv[1])
sites, size = options["sites"], options["size"]
generator = np.random.default_rng(7)
updates = (0.02 * generator.random((sites, size), dtype=np.float32)) - np.float32(0.01)
weights = 20.0 + (np.arange(sites) * 37) % 997
shares = weights / weights.sum()
base = (0.1 * generator.random(size, dtype=np.float32)).astype(np.float32)


def average():
    """The plain weighted mean: in float64, as ours is."""
    return (base + np.average(updates, axis=0, weights=weights)).astype(np.float32)


def accumulate():
    """The same site by site, in float64."""
    total = np.zeros(size)
    for share, update in zip(shares, updates):
        total += share * update.astype(np.float64)
    return (base + total).astype(np.float32)


def single():
    """The same as one product in float32, which rounds at every site."""
    return base + shares.astype(np.float32) @ updates


ways = {"average": average, "accumulate": accumulate, "single": single}
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"library": "numpy %s" % np.__version__}), flush=True)
for line in sys.stdin:
    order = json.loads(line)
    seconds = []
    for _ in range(order["runs"]):
        start = time.perf_counter()
        ways[order["name"]]()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "extraBytes": max(0, peak - held)}), flush=True)
