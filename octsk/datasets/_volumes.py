"""Loading of OCT volumes from the files of devices."""

import hashlib
import hmac
import os
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from octsk.datasets._bunch import DataBunch
from octsk.datasets._volume_process import read_in_process
from octsk.datasets._volume_readers import (
    Scan,
    check_depth,
    read_dicom,
    read_tiff,
    read_vol,
)
from octsk.utils.file_kinds import (
    BIOPTIGEN,
    DICOM,
    E2E,
    TIFF,
    TOPCON,
    VOL,
    VOLUME_SUFFIXES,
    ZEISS,
    FileKind,
    check_is_file,
    recognise,
)
from octsk.utils.untrusted import printable
from octsk.utils.user_warnings import warn_user

_READERS = {
    DICOM: read_dicom,
    VOL: read_vol,
    TIFF: read_tiff,
    E2E: partial(read_in_process, kind="e2e"),
    TOPCON: partial(read_in_process, kind="topcon"),
    BIOPTIGEN: partial(read_in_process, kind="bioptigen"),
    ZEISS: partial(read_in_process, kind="zeiss"),
}

# Bit depths that may be inferred from the highest value of the pixels.
_DEPTHS = (8, 10, 12, 14, 16)

# Number of hexadecimal digits of a hashed patient ID.
_HASH_DIGITS = 16


def load_volume(
    path: str | os.PathLike,
    *,
    volume: int | Literal["all"] | None = None,
    salt: str | bytes | None = None,
    bit_depth: int | None = None,
):
    """Load an OCT volume from the file of a device.

    The following formats can be read. They are recognised by their content if they have a
    signature, otherwise by the suffix:

    ==================  =================  ===============================================
    device              file               read by
    ==================  =================  ===============================================
    any, also Zeiss     DICOM, ``.dcm``    pydicom; one or several frames, uncompressed or
                                           with a compression whose decoder is installed
    Heidelberg          ``.vol``           octsk
    Heidelberg          ``.e2e``           oct-converter, in a separate process
    Topcon              ``.fda, .fds``     oct-converter, in a separate process
    Bioptigen           ``.OCT``           oct-converter, in a separate process
    Zeiss Cirrus        ``.img``           oct-converter, in a separate process
    any                 TIFF               Pillow; each page is a B-scan
    ==================  =================  ===============================================

    No files from real devices were available for testing. DICOM and TIFF are tested with
    files written by pydicom and Pillow. All other formats are only tested with small mock
    files, which follow published descriptions of the formats. Compare the first volumes
    that you load with what the device's own program shows.

    Parameters
    ----------
    path : path
        The file.
    volume : int or "all", default=None
        Which volume to load from a file that contains several, such as both eyes in an
        ``.e2e`` file: its number, counted from 0, or ``"all"`` for a list of all. If None,
        a file with several volumes raises an error that lists them.
    salt : str or bytes, default=None
        Secret with which the patient's ID is replaced by a hash (HMAC-SHA-256). The same
        ID and the same salt always give the same hash. If None, the ID is returned as it
        is in the file.
    bit_depth : int, default=None
        Number of bits that pixels of more than 8 bits use, at most 16. If None, it is the
        number that the file states (BitsStored in DICOM) or, if it states none, the lowest
        of 8, 10, 12, 14 and 16 bits that can represent the highest pixel. A warning is
        issued if an inferred depth is below 16 bits.

    Returns
    -------
    volume : :class:`~sklearn.utils.Bunch`
        With these entries; a list of such Bunches if ``volume="all"``:

        - data : ndarray of shape (n, h, w), dtype uint8, the B-scans. Pixels of more bits
          are scaled by their depth, so that the highest possible value becomes 255.
          Windows and lookup tables of DICOM files are not applied. The reflectivity in
          ``.vol`` and ``.e2e`` files is transformed as Heidelberg's program displays it
          (by the fourth root in ``.vol`` files).
        - laterality : {"R", "L"} or None, the eye
        - patient_id : str or None
        - spacing : tuple of three floats, distances in mm between B-scans, between rows
          and between columns. An unknown distance is None.
        - device : str or None
        - filename : str

    Warns
    -----
    UserWarning
        If a depth below 16 bits is assumed.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ImportError
        If pydicom or oct-converter is needed and not installed. Install both with
        ``pip install "octsk[devices]"``.
    TypeError
        If `salt` is neither str nor bytes.
    ValueError
        If the file is damaged or in another format, if it claims more pixels than it can
        contain, if reading it needs more memory or time than a file of its size should, if
        pixels exceed the bit depth, or if the file contains several volumes and `volume`
        is None. The message names the file.

    See Also
    --------
    load_image_files : Load B-scans of volumes and images as small images.

    Notes
    -----
    For ``.e2e`` files, only the distance between rows is known, because oct-converter
    assumes the others. A Bioptigen file may be a series of volumes; all its B-scans are
    returned as one volume. A ``.img`` file contains nothing but pixels. Its B-scans have
    1024 rows. The numbers of columns and of B-scans are read from the file name, such as
    ``512x128``. If the name does not contain them, there are 512 columns, and the number of
    B-scans follows from the file size.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> import octsk
    >>> pages = [Image.new("L", (768, 496), color=grey) for grey in (10, 20, 30)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "eye.tif")
    ...     pages[0].save(path, save_all=True, append_images=pages[1:])
    ...     volume = octsk.load_volume(path)
    >>> volume.data.shape, volume.data[:, 0, 0], volume.laterality
    ((3, 496, 768), array([10, 20, 30], dtype=uint8), None)
    """
    is_number = isinstance(volume, int) and not isinstance(volume, bool) and volume >= 0
    if not (is_number or volume in (None, "all")):
        raise ValueError(f"volume must be None, 'all' or a number from 0; got {volume!r}")
    if bit_depth is not None and bit_depth not in range(1, 17):
        raise ValueError(f"bit_depth must be None or 1 to 16; got {bit_depth!r}")
    if salt is not None and not isinstance(salt, str | bytes):
        raise TypeError(f"salt must be text or bytes; got {type(salt).__name__}")
    path = Path(path).expanduser()
    volumes = read_volumes(path, bit_depth)
    if salt is not None:
        for one in volumes:
            one.patient_id = _hashed(one.patient_id, salt)
    if volume == "all":
        return volumes
    number = 0 if volume is None and len(volumes) == 1 else volume
    if number is None or int(number) >= len(volumes):
        found = [
            f"{i}: {len(one.data)} B-scans, eye {one.laterality or 'unknown'}"
            for i, one in enumerate(volumes)
        ]
        raise ValueError(
            f"{printable(path)} contains {len(volumes)} volumes ({'; '.join(found[:10])}); "
            "choose one with volume=0 or another number, or all with volume='all'"
        )
    return volumes[int(number)]


def read_volumes(path: Path, bit_depth: int | None = None) -> list[DataBunch]:
    """Return all volumes of a file; see `load_volume`."""
    check_is_file(path, "an OCT volume")
    name = printable(path)
    kind = _kind_of(path)
    if kind is None or kind not in _READERS:
        raise ValueError(
            f"{name} is not an OCT volume in a format that octsk reads (DICOM, TIFF, "
            f"{', '.join(VOLUME_SUFFIXES)})" + (f": {kind}" if kind else "")
        )
    try:
        volumes = []
        for scan in _READERS[kind](path):  # type: ignore[operator]
            volumes.append(_bunch(scan, path, bit_depth))
        return volumes
    except (ImportError, MemoryError):
        raise
    # Readers raise errors of many kinds on a broken file.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        words = printable(" ".join(str(error).split()))[:300] or type(error).__name__
        raise ValueError(f"{name} cannot be read as {kind.what}: {words}") from error


def is_volume(path: Path) -> bool:
    """Return whether a file contains a volume rather than a single image."""
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp") or not path.is_file():
        return False
    kind = _kind_of(path)
    if kind is not TIFF:
        return kind in _READERS
    from PIL import Image

    try:
        with Image.open(path, formats=["TIFF"]) as image:
            return getattr(image, "n_frames", 1) > 1
    # The function that reads images reports what is wrong with the file.
    except Exception:
        return False


def _kind_of(path: Path) -> FileKind | None:
    """Return the format of a file according to its content, or else to its suffix."""
    kind = recognise(path)
    if kind in _READERS:
        return kind
    return VOLUME_SUFFIXES.get(path.suffix.lower(), kind)


def _bunch(scan: Scan, path: Path, bit_depth: int | None) -> DataBunch:
    return DataBunch(
        data=_to_uint8(scan, bit_depth, printable(path)),
        laterality=scan.laterality,
        patient_id=scan.patient_id,
        spacing=scan.spacing,
        device=scan.device,
        filename=str(path),
    )


def _to_uint8(scan: Scan, bit_depth: int | None, name: str) -> np.ndarray:
    pixels, bits = scan.pixels, scan.bits
    if pixels.dtype == np.uint8 and bits in (None, 8):
        return pixels
    highest = int(pixels.max())
    bits = bit_depth or bits
    if bits is None or not 1 <= bits <= 16:
        bits = next(depth for depth in _DEPTHS if highest < 2**depth)
        if highest and bits < 16:
            warn_user(
                f"{name} does not state the depth of its pixels, of which none is above "
                f"{highest:,}: they are read as {bits}-bit pixels, and "
                f"0..{2**bits - 1:,} is scaled to 0..255. Pass bit_depth=16 if they use "
                "the whole range"
            )
    check_depth(pixels, bits)
    scaled = np.empty(pixels.shape, np.uint8)
    for i, image in enumerate(pixels):
        scaled[i] = np.rint(image * (255 / (2**bits - 1)))
    return scaled


def _hashed(patient_id: str | None, salt: str | bytes) -> str | None:
    if patient_id is None:
        return None
    key = salt.encode() if isinstance(salt, str) else salt
    return hmac.new(key, patient_id.encode(), hashlib.sha256).hexdigest()[:_HASH_DIGITS]
