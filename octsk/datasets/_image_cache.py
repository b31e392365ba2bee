"""Cache of decoded images in the folder of the data sets."""

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from octsk.datasets._data_home import get_data_home, make_unpack_folder
from octsk.utils.files import atomic_folder, lock_beside

# Images are only cached for more files than this, since decoding them takes many seconds.
CACHED_ABOVE = 2000

# Images that take more bytes than this are memory-mapped, others are read into memory.
_MAPPED_ABOVE = 2**30

# Increase this number whenever the same files and options yield different pixels.
_FORMAT = 1


def image_cache_folder(data_home: str | os.PathLike | None = None) -> Path:
    """Return the folder in which decoded images are kept.

    Parameters
    ----------
    data_home : path, default=None
        As in :func:`~octsk.datasets.get_data_home`.

    Returns
    -------
    folder : pathlib.Path
        The folder; it may not exist yet.

    Examples
    --------
    >>> from octsk.datasets import image_cache_folder
    >>> image_cache_folder("scans").name
    'image_cache'
    """
    return get_data_home(data_home) / "image_cache"


def clear_image_cache(data_home: str | os.PathLike | None = None) -> int:
    """Remove all decoded images from the cache.

    The image files themselves are kept. They are decoded again when they are next loaded.

    Parameters
    ----------
    data_home : path, default=None
        As in :func:`~octsk.datasets.get_data_home`.

    Returns
    -------
    n_bytes : int
        Size of the removed files, in bytes.

    Examples
    --------
    >>> import tempfile
    >>> from octsk.datasets import clear_image_cache
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clear_image_cache(folder)
    0
    """
    folder = image_cache_folder(data_home)
    size = cache_size(folder)
    if folder.is_dir():
        shutil.rmtree(folder)
    return size


def cache_size(folder: Path) -> int:
    """Return the size of all files in a folder in bytes, or 0 if there are none."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class CachedImages:
    """Cache entry with the decoded images of some files.

    Parameters
    ----------
    files : sequence of Path
        The image files.
    options : dict
        The options of the decoding, which must be serializable as JSON.
    data_home : path or None
        As in :func:`~octsk.datasets.get_data_home`.
    """

    def __init__(self, files: Sequence[Path], options: dict, data_home=None):
        key = [_FORMAT, options, [_identity(file) for file in files]]
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
        self.folder = image_cache_folder(data_home) / name

    def read(self) -> tuple[np.ndarray, dict[str, Any]] | None:
        """Return the images and the dict that `decode` returned, or None if not cached."""
        if not (self.folder / "about.json").is_file():
            return None
        about = json.loads((self.folder / "about.json").read_text(encoding="utf-8"))
        images = np.load(self.folder / "images.npy", mmap_mode="r", allow_pickle=False)
        images = images[: about["n"]]
        return (images if images.nbytes > _MAPPED_ABOVE else np.array(images)), about

    def write(self, decode: Callable[[Callable], dict[str, Any]]) -> None:
        """Cache the images that `decode` writes, unless another process has done so.

        Parameters
        ----------
        decode : callable
            A function that is called with another function, which creates an array with a
            given shape and dtype. It fills the array, and returns a dict that can be
            written as JSON and contains at least ``n``, the number of images. If it
            raises an error, nothing is cached.
        """
        make_unpack_folder(self.folder.parent)
        # The lock of `atomic_folder` would raise an error instead of waiting.
        with lock_beside(self.folder.with_suffix(".decoding")):
            if (self.folder / "about.json").is_file():
                return
            with atomic_folder(self.folder) as new:
                about = decode(lambda shape, dtype: _mapped(new, shape, dtype))
                (new / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _mapped(folder: Path, shape: tuple[int, ...], dtype) -> np.memmap:
    """Create an array on disk if there is enough free space for it."""
    needed, free = math.prod(shape), shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"keeping the decoded images needs {needed:,} bytes, and {free:,} are free; "
            "set OCTSK_DATA to a folder with more space, or pass cache=False",
            str(folder),
        )
    return np.lib.format.open_memmap(folder / "images.npy", "w+", dtype, shape)


def _identity(file: Path) -> tuple[str, int, int]:
    try:
        found = file.stat()
    except OSError:
        return str(file.absolute()), -1, -1
    return str(file.absolute()), found.st_size, found.st_mtime_ns
