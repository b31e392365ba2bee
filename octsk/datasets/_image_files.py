"""Image files, of any size, into arrays as MedMNIST makes them."""

import math
import os
from collections.abc import Iterable
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")

# 8192 x 8192: some fifty times a scan. Pillow's own limit is greater, and can be lifted
# for the whole process.
_MAX_PIXELS = 2**26

Paths = str | os.PathLike | Iterable[str | os.PathLike]


def load_image_files(
    paths: Paths, *, size: int = 28, channels: Literal[1, 3] = 1
) -> np.ndarray:
    """Load PNG, JPEG, TIFF or BMP files of any size as one array of small images.

    Each image is turned upright (EXIF), made grey or RGB, cropped to the square in its
    middle, and resized by antialiased bilinear interpolation. OCTMNIST's own tiles are
    closest to this among the usual ways (see Notes), so that a net trained on them can
    be given new scans.

    Parameters
    ----------
    paths : path, sequence of paths, or folder
        One file, several files, or a folder whose image files are taken in the order
        of their names; :func:`~octsk.datasets.list_image_files` tells which.
    size : int, default=28
        Height and width of the result, in pixels.
    channels : {1, 3}, default=1
        1 for grey, as OCT scans are, 3 for RGB.

    Returns
    -------
    images : ndarray of shape (n_files, size, size) or (n_files, size, size, 3)
        Dtype uint8, 0 black to 255 white. Row ``i`` is file ``i``.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If there is no file at all, or if one is not an image, is broken off, has
        several pages, has pixels without a defined range (32-bit integers, floats), or
        has more than 2**26 pixels.

    Notes
    -----
    16-bit grey images are scaled from 0..65535 to 0..255. Transparent parts become
    black, as the background of an OCT scan.

    For a scan of which both the JPEG of Kermany et al. [2]_ and OCTMNIST's tile [1]_
    are at hand, the two differ by 1.7 grey levels on average after bilinear resizing,
    and by 2.7 after bicubic.

    References
    ----------
    .. [1] Yang et al., MedMNIST v2, Scientific Data 10(1):41, 2023.
    .. [2] Kermany et al., Identifying Medical Diagnoses and Treatable Diseases by
       Image-Based Deep Learning, Cell 172(5):1122-1131.e9, 2018.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from octsk.datasets import load_image_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (768, 496), color=40).save(Path(folder, "scan.png"))
    ...     images = load_image_files(folder)
    >>> images.shape, images.dtype, int(images.max())
    ((1, 28, 28), dtype('uint8'), 40)
    """
    if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
        raise ValueError(f"size must be a whole number of pixels, at least 1; got {size!r}")
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (RGB); got {channels!r}")
    files = list_image_files(paths)
    shape = (len(files), size, size) if channels == 1 else (len(files), size, size, 3)
    images = np.empty(shape, np.uint8)
    for image, file in zip(images, files, strict=True):
        image[...] = _load_one(file, int(size), "L" if channels == 1 else "RGB")
    return images


def list_image_files(paths: Paths) -> list[Path]:
    """List the image files that a path, a sequence of paths or a folder stands for.

    Parameters
    ----------
    paths : path, sequence of paths, or folder
        As in :func:`~octsk.load_image_files`. In a folder, files with the suffix of a PNG,
        JPEG, TIFF or BMP image are taken; hidden files and subfolders are not.

    Returns
    -------
    files : list of pathlib.Path
        Sorted by name for a folder, else in the order given.

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    ValueError
        If there is no image file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from octsk.datasets import list_image_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.jpeg", "a.PNG", "notes.txt"):
    ...         Path(folder, name).touch()
    ...     [file.name for file in list_image_files(folder)]
    ['a.PNG', 'b.jpeg']
    """
    if isinstance(paths, str | os.PathLike):
        path = Path(paths).expanduser()
        return _images_in(path) if path.is_dir() else [_existing(path)]
    try:
        files = [_existing(Path(path).expanduser()) for path in paths]
    except TypeError as error:
        raise TypeError(
            f"paths must be a path, a sequence of paths or a folder; got {paths!r:.60}"
        ) from error
    if not files:
        raise ValueError("paths names no file at all")
    return files


def _images_in(folder: Path) -> list[Path]:
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")
    )
    if not files:
        raise ValueError(f"no image file in {folder}: looked for {', '.join(_SUFFIXES)}")
    return files


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give it alone, or name its files")
    if not path.exists():
        raise FileNotFoundError(f"no such image file: {path}")
    return path


def _load_one(file: Path, size: int, mode: str) -> "Image":
    from PIL import Image, ImageOps

    try:
        with Image.open(file, formats=_FORMATS) as image:
            if math.prod(image.size) > _MAX_PIXELS:
                raise ValueError(
                    f"it claims {image.width} x {image.height} pixels, more than "
                    f"{_MAX_PIXELS:,}; make it smaller first"
                )
            pages = getattr(image, "n_frames", 1)
            # An MPO is a camera's JPEG that has previews behind the image itself.
            if pages > 1 and image.format != "MPO":
                raise ValueError(f"it has {pages} pages; save each as a file of its own")
            upright = ImageOps.exif_transpose(image)
            square = _crop_square(_to_mode(upright, mode))
        return square.resize((size, size), Image.Resampling.BILINEAR)
    except (PermissionError, MemoryError):
        raise
    except Image.UnidentifiedImageError as error:
        raise ValueError(
            f"{file} is not an image in {', '.join(_FORMATS)} format"
        ) from error
    # Pillow's decoders raise errors of many kinds on a broken file.
    except Exception as error:
        raise ValueError(f"{file} cannot be read as an image: {error}") from error


def _to_mode(image: "Image", mode: str) -> "Image":
    from PIL import Image

    if image.mode.startswith("I;16"):
        # 257 takes 65535 to 255; half of it rounds to nearest.
        grey = (np.asarray(image).astype(np.uint32) + 128) // 257
        image = Image.fromarray(grey.astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(
            "its 32-bit pixels have no defined range; save it with 8 or 16 bits"
        )
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image)
    return image.convert(mode)


def _crop_square(image: "Image") -> "Image":
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))
