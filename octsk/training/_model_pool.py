"""Pool of compiled networks, which later fits of the same kind reuse."""

import gc
import math
import threading
from contextlib import contextmanager

from tensorflow.python.eager import context

# Networks are cycles of references, which Python collects late: a search over large ones
# would fill the memory. So they are collected each time that so many numbers (256 MB) have
# been put into new ones and their optimizers.
_COLLECTED_NUMBERS = 64 * 2**20

# TensorFlow keeps the kernel of each operation that it ran; those of a data set run once,
# and leave a megabyte a fit. So they are dropped each time that so many networks were made.
_NETWORKS_PER_CACHE = 32

# Trained networks that are kept for the next fit of their kind, see ModelPool: so many at
# most, since each has graphs of some MB, and so many bytes of weights and optimizer state.
_MAX_TWINS = 4
_MAX_TWIN_BYTES = 256 * 2**20


def _count_numbers(model):
    """Return the number of values that a network and its optimizer hold."""
    variables = model.variables + model.optimizer.variables
    return sum(math.prod(v.shape) for v in variables)


class Garbage:
    """Collect unused networks and kernels from time to time."""

    def __init__(self):
        self._numbers = 0
        self._networks = 0

    def add(self, model):
        """Count a new network and the values that it and its optimizer hold."""
        self._networks += 1
        if self._networks % _NETWORKS_PER_CACHE == 0:
            context.context().clear_kernel_cache()
        self._numbers += _count_numbers(model)
        if self._numbers > _COLLECTED_NUMBERS:
            self._numbers = 0
            gc.collect()


garbage = Garbage()


class ModelPool:
    """Keep compiled networks, so that later fits need not trace TensorFlow graphs again.

    Keras compiles the training step anew for each model, which takes longer than many a
    fit in a search. So a model is not trained itself: a twin, compiled once for all
    models of its kind, takes over its variables, is trained, and hands them back.

    Parameters
    ----------
    size : int, default=4
        Number of idle twins to keep at most, the last used ones.
    n_bytes : int, default=256 MB
        How large their variables may be together; a larger one is not kept at all.
    """

    def __init__(self, size=_MAX_TWINS, n_bytes=_MAX_TWIN_BYTES):
        self._size = size
        self._n_bytes = n_bytes
        self._lock = threading.Lock()
        self._idle = []

    @contextmanager
    def lend(self, kind, make):
        """Lend an idle network of a kind, or a new one from `make`, to one thread."""
        twin = self._take(kind) or make()
        yield twin
        # One whose training failed is not lent again: who knows what state it is in.
        with self._lock:
            self._idle.append((kind, twin))
            while len(self._idle) > self._size or self._idle_bytes() > self._n_bytes:
                del self._idle[0]

    def _idle_bytes(self):
        return 4 * sum(_count_numbers(twin) for _, twin in self._idle)

    def _take(self, kind):
        with self._lock:
            for i, (other, twin) in enumerate(self._idle):
                if other == kind:
                    del self._idle[i]
                    return twin
        return None
