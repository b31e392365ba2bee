"""Warning about a training that may run out of memory."""

import warnings
from pathlib import Path

from octsk.utils.tensorflow import tf

# Number of values in memory at the peak of a training step, relative to the number of
# values in the outputs of all layers with a kernel. For SmallOCTNet and ResidualOCTNet on
# images of 512 and 1,024 pixels, the measured ratios were 2.5 to 5.
_PEAK_FACTOR = 4

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")  # limits of a container or service, cgroup version 2


def warn_of_memory(model, image_shape, batch_size):
    """Warn if training may need more than half of the memory that is available.

    The estimate is rough. It is the sum of two terms: four times the outputs of all layers
    with a kernel for one batch, and three times the weights with the state of the
    optimizer, which are kept in the network, in its twin and in the copy after the last
    complete epoch. There is no warning if a GPU is used or if the available memory is
    unknown.

    Parameters
    ----------
    model : keras.Model
        The network, with a built optimizer.
    image_shape : tuple of (h, w, c)
        Shape of an image.
    batch_size : int
        Number of images in a training step.
    """
    available = available_bytes()
    if available is None or tf.config.list_physical_devices("GPU"):
        return
    needed = estimate_bytes(model, batch_size)
    if needed > available / 2:
        height, width, _ = image_shape
        warnings.warn(
            f"Training on images of {height} x {width} pixels in batches of {batch_size} "
            f"needs roughly {needed / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB "
            "are available. To need less, use smaller images, a smaller batch_size, or "
            "fewer filters or dense_units.",
            UserWarning,
            stacklevel=2,
        )


def estimate_bytes(model, batch_size):
    """Estimate the memory that training needs in bytes; see `warn_of_memory`."""
    outputs = sum(
        _size(layer.output.shape[1:])
        for layer in model.layers
        if any("kernel" in weight.name for weight in layer.weights)
    )
    state = sum(_size(v.shape) for v in model.variables + model.optimizer.variables)
    return 4 * (_PEAK_FACTOR * batch_size * outputs + 3 * state)


def available_bytes():
    """Return the memory available to this process in bytes, or None if unknown."""
    try:
        lines = _MEMINFO.read_text(encoding="utf-8").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        available = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):  # not on Linux
        return None
    try:
        limit = int((_CGROUP / "memory.max").read_text(encoding="utf-8"))
        used = int((_CGROUP / "memory.current").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not in a container, or "max", which means no limit
        return available
    return min(available, max(0, limit - used))


def _size(shape):
    size = 1
    for n in shape:
        size *= n or 1  # n is None if the size is unknown
    return size
