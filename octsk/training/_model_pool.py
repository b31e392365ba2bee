"""Pool of compiled networks, which later fits of the same kind reuse."""

import gc
import math
import threading
from contextlib import contextmanager

from tensorflow.python.eager import context

# Networks contain reference cycles, which Python collects late, so a search over large
# networks would fill the memory. Therefore garbage is collected each time new networks and
# their optimizers contain this many float32 values (256 MB).
_COLLECTED_NUMBERS = 64 * 2**20

# TensorFlow keeps the kernel of each operation that it has run. The kernels of a data set
# are used only once and take a megabyte per fit. Therefore all kernels are dropped each
# time this number of networks has been created.
_NETWORKS_PER_CACHE = 32

# Maximum number of idle networks that ModelPool keeps, whose graphs take some MB each, and
# maximum total size of their weights and optimizer states.
_MAX_TWINS = 4
_MAX_TWIN_BYTES = 256 * 2**20


def _count_numbers(model):
    """Return the number of values in the variables of a network and its optimizer."""
    variables = model.variables + model.optimizer.variables
    return sum(math.prod(v.shape) for v in variables)


class Garbage:
    """Collect unused networks and kernels from time to time."""

    def __init__(self):
        self._numbers = 0
        self._networks = 0

    def add(self, model):
        """Count a new network and its values, and collect garbage if it is time."""
        self._networks += 1
        if self._networks % _NETWORKS_PER_CACHE == 0:
            context.context().clear_kernel_cache()
        self._numbers += _count_numbers(model)
        if self._numbers > _COLLECTED_NUMBERS:
            self._numbers = 0
            gc.collect()


garbage = Garbage()


class ModelPool:
    """Pool of compiled networks, which saves later fits from tracing TensorFlow graphs.

    Keras compiles the training step anew for each model, which may take longer than a fit
    in a search. Therefore a model is not trained itself: its variables are copied to a
    twin, which is compiled once for all models of a kind, and are copied back after
    training.

    Parameters
    ----------
    size : int, default=4
        Maximum number of idle twins. The most recently used ones are kept.
    n_bytes : int, default=256 * 2**20
        Maximum total size of the variables of idle twins in bytes.
    """

    def __init__(self, size=_MAX_TWINS, n_bytes=_MAX_TWIN_BYTES):
        self._size = size
        self._n_bytes = n_bytes
        self._lock = threading.Lock()
        self._idle = []

    @contextmanager
    def lend(self, kind, make):
        """Lend an idle network of a kind to one thread, or a new one created by `make`."""
        twin = self._take(kind) or make()
        yield twin
        # A twin whose training failed is not kept, since its state is unknown.
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
