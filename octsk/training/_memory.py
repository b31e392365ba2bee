"""Warning before a training that may run out of memory."""

import warnings
from pathlib import Path

from octsk.utils.tensorflow import tf

# Numbers in memory at the peak of a step, per number in the outputs of all layers with a
# kernel. On SmallOCTNet and ResidualOCTNet at 512 and 1,024 pixels, 2.5 to 5 were measured.
_PEAK_FACTOR = 4

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")  # version 2: of a container or a service


def warn_of_memory(model, image_shape, batch_size):
    """Warn if training may need more than half of the memory that is available.

    The estimate is rough. It counts four times the outputs of all layers with a kernel
    for one batch, and the weights with the optimizer's state three times: in the network,
    in its twin and in the copy of the state after the last complete epoch. There is no
    warning if a GPU is used or if the available memory is unknown.

    Parameters
    ----------
    model : keras.Model
        The network, its optimizer built.
    image_shape : tuple of (h, w, c)
        Shape of an image.
    batch_size : int
        Images in a training step.
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
            "are available. Smaller images, a smaller batch_size, and fewer filters and "
            "dense_units need less.",
            UserWarning,
            stacklevel=2,
        )


def estimate_bytes(model, batch_size):
    """Return an estimate of the bytes that training takes; see `warn_of_memory`."""
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
    except (OSError, ValueError):  # no container, or "max" for no limit
        return available
    return min(available, max(0, limit - used))


def _size(shape):
    size = 1
    for n in shape:
        size *= n or 1  # None if it is unknown
    return size
