"""Conversion of one image of any size and mode to a small square array."""

import io
import math
import os
import struct
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from octsk.utils.file_kinds import IMAGE_ADVICE, recognise
from octsk.utils.untrusted import printable

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")

# 8192 x 8192, more than 80 times the size of a scan of 1536 x 496 pixels. Pillow's own
# limit is larger, and other code in the process may have disabled it.
_MAX_PIXELS = 2**26

# Tags of TIFF files.
_BITS_PER_SAMPLE, _PHOTOMETRIC, _MAX_SAMPLE_VALUE = 258, 262, 281

# Highest value of the upper 8 of 16 bits if a pixel uses at most 14 bits.
_DARK = 63


class Deep(NamedTuple):
    """Grey image of more than 8 bits, whose scaling may depend on other images.

    Attributes
    ----------
    pixels : ndarray of shape (size, size), dtype uint16
        The image, resized to a small square.
    highest : int
        Highest value in the original image.
    bits : int or None
        Bit depth that the caller or the file states. None if neither states a depth, or
        if a pixel exceeds it.
    """

    pixels: np.ndarray
    highest: int
    bits: int | None


def read_square(
    source: Any,
    name: str,
    size: int,
    channels: int,
    bit_depth: int | None,
    fit: str = "crop",
) -> np.ndarray | Deep:
    """Read an image and resize it to a small square.

    Parameters
    ----------
    source : Path, bytes-like, file-like, PIL.Image.Image or ndarray
        The image.
    name : str
        Name of the image in error messages.
    size : int
        Height and width of the square.
    channels : {1, 3}
        1 for grey, 3 for RGB.
    bit_depth : int or None
        Bit depth of 16-bit images, if the caller knows it.
    fit : {"crop", "pad", "squash"}, default="crop"
        How to make an image square, as in :func:`~octsk.load_image_files`.

    Returns
    -------
    image : ndarray of shape (size, size) or (size, size, 3), or Deep
        The image with dtype uint8, or a `Deep` if it is grey and has more than 8 bits.

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        If the system cannot read the file.
    ValueError
        If the source is not an image, is damaged, or cannot be converted to 8 bits.
    """
    from PIL import Image

    if isinstance(source, Path) and source.is_dir():
        raise ValueError(f"{name} is a folder; pass it alone, or pass its files")
    try:
        with _opened(source) as image:
            _check_size(image)
            return _small(image, size, "L" if channels == 1 else "RGB", bit_depth, fit)
    except MemoryError:
        raise
    except Image.UnidentifiedImageError as error:
        formats = f"{name} is not an image in {', '.join(_FORMATS)} format"
        raise ValueError(f"{formats}{_what_instead(source)}") from error
    # Pillow's decoders raise errors of many kinds on a broken file.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            named = str(source) if isinstance(source, Path) else name
            raise OSError(error.errno, error.strerror, named) from error
        raise ValueError(
            f"{name} cannot be read as an image: {printable(error)}"
        ) from error


def _opened(source):
    """Return a context with the image; an image that the caller opened is not closed."""
    from PIL import Image

    if isinstance(source, Image.Image):
        return nullcontext(source)
    if isinstance(source, io.TextIOBase):
        raise ValueError("it is open as text; open it in binary mode, 'rb'")
    if isinstance(source, bytes | bytearray | memoryview):
        source = io.BytesIO(source)
    if isinstance(source, os.PathLike) or hasattr(source, "read"):
        return Image.open(source, formats=_FORMATS)
    return nullcontext(_from_array(np.asarray(source)))


def _from_array(array: np.ndarray) -> "Image":
    from PIL import Image

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim < 2 or 0 in array.shape or array.shape[2:] not in ((), (3,), (4,)):
        raise ValueError(
            f"an array of shape {array.shape} is not an image, which has shape (h, w), "
            "(h, w, 3) or (h, w, 4)"
        )
    kind, low, high = array.dtype.kind, array.min(), array.max()
    if kind == "b" or (kind == "f" and low >= 0 and high <= 1):
        array = np.rint(array * 255.0)
    elif kind not in "iu" or low < 0 or high > 65535 or (array.ndim == 3 and high > 255):
        raise ValueError(
            f"an array of {array.dtype} from {low} to {high} is not an image: pixels are "
            "integers from 0 to 255 (grey ones to 65535) or floats from 0 to 1"
        )
    elif array.ndim == 2 and (array.dtype == np.uint16 or high > 255):
        return Image.fromarray(array.astype(np.uint16))
    return Image.fromarray(array.astype(np.uint8))


def _check_size(image: "Image") -> None:
    if math.prod(image.size) > _MAX_PIXELS:
        raise ValueError(
            f"it claims {image.width} x {image.height} pixels, more than "
            f"{_MAX_PIXELS:,}; make it smaller first"
        )
    pages = getattr(image, "n_frames", 1)
    # An MPO file is a JPEG image from a camera, followed by previews.
    if pages > 1 and image.format != "MPO":
        raise ValueError(f"it has {pages} pages; save each as a file of its own")


def _small(image: "Image", size: int, mode: str, bit_depth: int | None, fit: str):
    from PIL import ImageOps

    is_deep = image.mode.startswith("I;16")
    # Read the stated depth now, because decoding the pixels discards it.
    bits = bit_depth or (_declared_bits(image) if is_deep else None)
    # The raw mode of 16-bit colours contains ";16". Pillow keeps only their upper 8 bits.
    had_16_bits = ";16" in str(getattr(image, "tile", "")) and not is_deep
    upright = ImageOps.exif_transpose(image)
    if is_deep:
        highest = int(np.asarray(upright).max())
        # A PNG file states its original depth, but its pixels should be scaled to 16 bits.
        # So the stated depth only counts if no pixel exceeds it.
        fits = bits is not None and 1 <= bits <= 16 and highest < 2**bits
        pixels = np.asarray(_to_square(upright.convert("I"), size, fit)).astype(np.uint16)
        return Deep(pixels, highest, bits if fits else None)
    if had_16_bits and bits != 16:
        _check_upper_bits(upright)
    return np.asarray(_to_square(_to_mode(upright, mode), size, fit))


def _declared_bits(image: "Image") -> int | None:
    """Return the bit depth of 16-bit pixels that the file states, or None."""
    file = getattr(image, "fp", None)
    if image.format == "PNG" and file is not None:
        return _significant_bits(file)
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PHOTOMETRIC) == 0:
        raise ValueError("0 is white in its 16-bit pixels; save it with 0 as black")
    bits = int(np.max(tags.get(_BITS_PER_SAMPLE, 16)))
    highest = tags.get(_MAX_SAMPLE_VALUE)
    if bits == 16:
        return int(np.max(highest)).bit_length() if highest else None
    return bits


def _significant_bits(png) -> int | None:
    """Return the depth in the chunk sBIT of an open PNG file, or None if there is none.

    References
    ----------
    Portable Network Graphics (PNG) Specification, third edition, section 11.3.2.7.
    """
    place = png.tell()
    try:
        png.seek(8)
        while True:
            length, kind = struct.unpack(">I4s", png.read(8))
            if kind == b"sBIT":
                return png.read(1)[0]
            if kind == b"IDAT":
                return None
            png.seek(length + 4, os.SEEK_CUR)
    finally:
        png.seek(place)


def _check_upper_bits(image: "Image") -> None:
    """Raise a ValueError if an image hardly uses the upper 8 of 16 bits, which are kept."""
    bands = image.getbands()
    highest = max(
        high
        for band, (_, high) in zip(bands, np.atleast_2d(image.getextrema()), strict=True)
        if band != "A"
    )
    if highest <= _DARK:
        raise ValueError(
            f"its colours have 16 bits and use at most {8 + int(highest).bit_length()} of "
            "them, and Pillow only keeps the upper 8: save it as grey or with 8 bits, or "
            "give bit_depth=16 if it is only dark"
        )


def _to_mode(image: "Image", mode: str) -> "Image":
    from PIL import Image

    if image.mode in ("I", "F"):
        raise ValueError(
            "its 32-bit pixels have no defined range; save it with 8 or 16 bits"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image)
    return image if image.mode == mode else image.convert(mode)


def _to_square(image: "Image", size: int, fit: str) -> "Image":
    """Make an image square by cropping, padding with black or squashing, and resize it."""
    from PIL import Image

    width, height = image.size
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if fit != "pad":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    # Resize before padding, because the square around a narrow image may be huge.
    scale = size / max(width, height)
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.BILINEAR)
    square = Image.new(image.mode, (size, size))
    square.paste(small, ((size - width) // 2, (size - height) // 2))
    return square


def _what_instead(source) -> str:
    if not isinstance(source, Path):
        return ""
    kind = recognise(source)
    if kind is None:
        return ""
    # A file that begins like a PNG, JPEG, TIFF or BMP file must be damaged.
    return ": it is damaged" if kind.advice == IMAGE_ADVICE else f": {kind}"
