"""Readers of OCT volumes that run in this process: DICOM, Heidelberg ``.vol`` and TIFF."""

import io
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# Maximum number of pixels of a volume: 2048 B-scans of 1024 x 1024 pixels.
_MAX_PIXELS = 2**31

# Maximum number of pixels for each byte of the file. Lossy compression of a B-scan hardly
# reaches a ratio of 50. Small volumes are exempt, because all their pixels may be equal.
_MAX_RATIO = 100
_SMALL_BYTES = 64 * 2**20

# Size of the largest file that is read into memory.
_MAX_FILE_BYTES = 2**32

# DICOM transfer syntax of data sets that are compressed as a whole. They may unpack to any
# size.
_DEFLATED = b"1.2.840.10008.1.2.1.99"

# Header of a .vol file. Reference: Heidelberg Engineering, "Spectralis Viewing Module:
# Special Function: Exporting Raw Data".
_VOL_HEADER = np.dtype(
    {
        "names": [
            *("width", "n", "height", "dx", "distance", "dz"),
            *("slo_width", "slo_height", "eye", "scan_header", "patient_id"),
        ],
        "formats": [
            *("<i4", "<i4", "<i4", "<f8", "<f8", "<f8"),
            *("<i4", "<i4", "S4", "<i4", "S21"),
        ],
        "offsets": [12, 16, 20, 24, 32, 40, 48, 52, 84, 100, 140],
        "itemsize": 2048,
    }
)

EYES = {"OD": "R", "OS": "L", "R": "R", "L": "L"}


class Scan(NamedTuple):
    """A volume with the original pixels of its file.

    Attributes
    ----------
    pixels : ndarray of shape (n, h, w), dtype uint8 or uint16
        The B-scans.
    bits : int or None
        Number of bits of a pixel according to the file.
    laterality, patient_id, device : str or None
        Eye ("R" or "L"), identifier of the patient, and name of the device.
    spacing : tuple of (float or None)
        Distance in mm between B-scans, between rows and between columns.
    """

    pixels: np.ndarray
    bits: int | None = None
    laterality: str | None = None
    patient_id: str | None = None
    spacing: tuple = (None, None, None)
    device: str | None = None


def check_shape(n: int, height: int, width: int, file_bytes: int) -> None:
    """Raise a ValueError if a volume is too large for its file. It allocates no memory."""
    if min(n, height, width) < 1:
        raise ValueError(f"it claims {n} B-scans of {height} x {width} pixels")
    pixels = n * height * width
    if pixels > min(_MAX_PIXELS, max(_SMALL_BYTES, _MAX_RATIO * file_bytes)):
        raise ValueError(
            f"it claims {n:,} B-scans of {height:,} x {width:,} pixels, too many for a "
            f"file of {file_bytes:,} bytes"
        )


def read_dicom(path: Path) -> list[Scan]:
    """Read a DICOM file of one or several grey or RGB frames."""
    try:
        import pydicom
    except ImportError as error:
        raise missing_extra("pydicom", "DICOM files") from error
    content = _read_bytes(path)
    if _DEFLATED in content:
        raise ValueError(
            "its data set is deflated and may unpack to any size; save it uncompressed"
        )
    # pydicom warns about many small deviations from the standard.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(content))
        if not any(word in dataset for word in ("PixelData", "FloatPixelData")):
            raise ValueError("it contains no images")
        n = int(dataset.get("NumberOfFrames") or 1)
        colours = int(dataset.get("SamplesPerPixel") or 1)
        check_shape(n * colours, int(dataset.Rows), int(dataset.Columns), len(content))
        pixels = dataset.pixel_array.reshape(
            n, dataset.Rows, dataset.Columns, *([colours] if colours > 1 else [])
        )
        bits = int(dataset.BitsStored) if "BitsStored" in dataset else 16
        return [_describe_dicom(dataset, *_grey(pixels, bits, dataset))]


def _grey(pixels: np.ndarray, bits: int, dataset) -> tuple[np.ndarray, int]:
    """Return pixels of a DICOM file as unsigned integers (0 is black), and their depth."""
    if pixels.dtype.kind not in "iu" or bits > 16:
        raise ValueError("its pixels are not integers of 16 bits at most")
    if pixels.dtype.kind == "i":
        if pixels.min() < 0:
            raise ValueError("it has negative pixels, so that the black value is unknown")
        bits -= 1
    if pixels.ndim == 4:
        if pixels.dtype != np.uint8:
            raise ValueError("its colours have more than 8 bits")
        # Luma of ITU-R BT.601, as Pillow converts colours.
        pixels = np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    elif str(dataset.PhotometricInterpretation) == "MONOCHROME1":
        check_depth(pixels, bits)
        pixels = (2**bits - 1) - pixels
    is_small = bits <= 8 and pixels.max() < 256
    return pixels.astype(np.uint8 if is_small else np.uint16, copy=False), bits


def check_depth(pixels: np.ndarray, bits: int) -> None:
    """Raise a ValueError if a pixel does not fit into the number of bits."""
    if (highest := int(pixels.max())) >= 2**bits:
        raise ValueError(f"it has pixels up to {highest:,}, more than {bits} bits hold")


def _describe_dicom(dataset, pixels: np.ndarray, bits: int) -> Scan:
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    measures = _first(shared, "PixelMeasuresSequence")
    anatomy = _first(shared, "FrameAnatomySequence")
    places = (measures, dataset)
    rows, columns = (_value("PixelSpacing", *places) or (None, None))[:2]
    between = _value("SpacingBetweenSlices", *places) or _value("SliceThickness", *places)
    eye = (
        _value("ImageLaterality", dataset)
        or _value("Laterality", dataset)
        or _value("FrameLaterality", anatomy)
    )
    maker = [_value("Manufacturer", dataset), _value("ManufacturerModelName", dataset)]
    return Scan(
        pixels,
        bits,
        laterality=EYES.get(str(eye)),
        patient_id=as_text(_value("PatientID", dataset)),
        spacing=as_spacing(between, rows, columns),
        device=as_text(" ".join(str(word) for word in maker if word)),
    )


def _first(dataset, sequence: str):
    """Return the first item of a DICOM sequence, or an empty dict."""
    return next(iter(dataset.get(sequence) or ()), {})


def _value(name: str, *datasets):
    values = (dataset.get(name) for dataset in datasets)
    return next((value for value in values if value not in (None, "")), None)


def read_vol(path: Path) -> list[Scan]:
    """Read the raw export of a Heidelberg Spectralis."""
    content = _read_bytes(path)
    if len(content) < _VOL_HEADER.itemsize:
        raise ValueError("it ends within its header")
    head = np.frombuffer(content, _VOL_HEADER, 1)[0]
    n, height, width = int(head["n"]), int(head["height"]), int(head["width"])
    skipped, slo = int(head["scan_header"]), head[["slo_width", "slo_height"]].item()
    check_shape(n, height, width, len(content))
    start, one = _VOL_HEADER.itemsize + slo[0] * slo[1], skipped + 4 * height * width
    if min(skipped, *slo) < 0 or start + n * one > len(content):
        raise ValueError(
            f"it claims {n} B-scans of {height} x {width} pixels, but ends before the last"
        )
    pixels = np.empty((n, height, width), np.uint8)
    for i in range(n):
        raw = np.frombuffer(content, "<f4", height * width, start + i * one + skipped)
        # Pixels outside the scan have the largest float value. Heidelberg's own program
        # displays the fourth root of the reflectivity.
        inside = (raw >= 0) & (raw <= 1)
        grey = np.rint(255 * np.where(inside, raw, 0) ** 0.25)
        pixels[i] = grey.reshape(height, width)
    return [
        Scan(
            pixels,
            8,
            laterality=EYES.get(as_text(head["eye"]) or ""),
            patient_id=as_text(head["patient_id"]),
            spacing=as_spacing(head["distance"], head["dz"], head["dx"]),
            device="Heidelberg Spectralis",
        )
    ]


def read_tiff(path: Path) -> list[Scan]:
    """Read the pages of a TIFF file."""
    from PIL import Image, ImageSequence

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path, formats=["TIFF"]) as image:
            size, n = image.size, getattr(image, "n_frames", 1)
            check_shape(n, size[1], size[0], path.stat().st_size)
            is_deep = image.mode.startswith("I;16")
            if not is_deep and image.mode not in ("1", "L", "P", "RGB"):
                raise ValueError(
                    f"its pages have Pillow's mode {image.mode}; save them as grey pages "
                    "with 8 or 16 bits"
                )
            pixels = np.empty((n, size[1], size[0]), np.uint16 if is_deep else np.uint8)
            mode = image.mode
            for i, page in enumerate(ImageSequence.Iterator(image)):
                if page.size != size or page.mode != mode:
                    raise ValueError(f"page {i} differs from page 0 in its size or mode")
                pixels[i] = page if is_deep else page.convert("L")
    return [Scan(pixels, None if is_deep else 8)]


def missing_extra(package: str, what: str) -> ImportError:
    """Return the error to raise if a package is not installed."""
    return ImportError(
        f'{package} is needed to read {what}; install it with: pip install "octsk[devices]"'
    )


def as_text(value: Any) -> str | None:
    """Return a text from a file without its padding, or None if it is empty."""
    if isinstance(value, bytes):
        value = value.split(b"\0")[0].decode("latin-1")
    text = "" if value is None else str(value).strip("\0 ")
    return text or None


def as_spacing(*distances) -> tuple:
    """Return distances in mm, with None for those that are unknown."""
    values = [None if one is None else float(one) for one in distances]
    return tuple(
        one if one is not None and np.isfinite(one) and one > 0 else None for one in values
    )


def _read_bytes(path: Path) -> bytes:
    if (size := path.stat().st_size) > _MAX_FILE_BYTES:
        raise ValueError(f"it has {size:,} bytes, more than {_MAX_FILE_BYTES:,}")
    return path.read_bytes()
