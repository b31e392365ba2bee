"""What several test modules share."""

from pathlib import Path

import numpy as np

from octsk import LargeOCTNet, MediumOCTNet, SmallOCTNet

NETS = [SmallOCTNet, MediumOCTNet, LargeOCTNet]

# A network that trains in a blink, for tests of everything but the architecture.
TINY = dict(filters=(4,), dense_units=(8,), epochs=1, random_state=0)


def toy_images(n=60, n_classes=3, side=12, seed=0):
    """Dark images with one bright row, whose height is the class; uint8, and labels."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 60, (n, side, side), dtype=np.uint8)
    y = np.arange(n) % n_classes
    X[np.arange(n), 2 + 3 * y] += 180
    return X, y


def has_avx512():
    """Say whether products are summed in an order that does not depend on their number."""
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:  # not on Linux
        return False
