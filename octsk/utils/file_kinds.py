"""Recognition of file types by content, and of the function that reads each type."""

import bz2
import errno
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from octsk.utils.untrusted import printable

# Suffixes of the image files that octsk reads.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")

# Number of bytes at the beginning of a file from which its type is recognised.
_HEAD = 4096

# Maximum number of files in a folder that are examined.
_MAX_FILES = 10_000


class FileKind(NamedTuple):
    """Type of a file, and advice on how to read it, as parts of a sentence."""

    what: str
    advice: str

    def __str__(self):
        return f"it is {self.what}; {self.advice}"


# Advice for images that octsk reads.
IMAGE_ADVICE = "octsk.load_image_files and octsk predict read it"


def _image(name):
    return FileKind(f"a {name} image", IMAGE_ADVICE)


def _other_image(name):
    return FileKind(f"a {name} image", "save it as PNG for octsk.load_image_files")


def _table(what, reader):
    return FileKind(
        what,
        f"{reader} reads it, and numpy.savez writes images and labels to an npz file, "
        "which octsk accepts",
    )


_CAUTION = "but only load files from people you trust, since they can run any code"

EMPTY = FileKind("empty", "copy or write it again")
WEB_PAGE = FileKind(
    "a web page", "a server may have sent an error or login page; download the file again"
)
NPZ = FileKind(
    "an npz file of arrays",
    "octsk.load_medmnist reads it if it is a data set, and octsk predict reads its array "
    "'images'",
)
MODEL = FileKind("a model that octsk saved", "octsk.load reads it")
CHECKPOINT = FileKind(
    "the checkpoint of a training",
    "fit the same net with the same checkpoint_dir, or use octsk train --resume, to "
    "continue the training",
)
KERAS = FileKind(
    "a Keras model",
    "keras.saving.load_model reads it; save the model as .h5 for from_h5 of a net with the "
    "same layers, such as octsk.SmallOCTNet.from_h5",
)
HDF5 = FileKind(
    "an HDF5 file",
    "from_h5 of a net with the same layers, such as octsk.SmallOCTNet.from_h5, reads it if "
    "Keras wrote it; otherwise h5py does",
)
PICKLE = FileKind("a pickle file", f"joblib.load reads it, {_CAUTION}")
TORCH = FileKind(
    "a PyTorch file", f"torch.load reads it, {_CAUTION}. octsk cannot use its weights"
)
ZIP = FileKind("a zip archive", "unpack it, and pass the files in it")
# Advice for OCT volumes that octsk reads.
VOLUME_ADVICE = "octsk.load_volume and octsk predict read it"
DICOM = FileKind("a DICOM file", VOLUME_ADVICE)
VOL = FileKind("a Heidelberg .vol file", VOLUME_ADVICE)
E2E = FileKind("a Heidelberg .e2e file", VOLUME_ADVICE)
TOPCON = FileKind("a Topcon file", VOLUME_ADVICE)
BIOPTIGEN = FileKind("a Bioptigen .OCT file", VOLUME_ADVICE)
ZEISS = FileKind("a Zeiss .img file", VOLUME_ADVICE)
TIFF = _image("TIFF")
NPY = FileKind(
    "an npy file of one array",
    "numpy.load reads it, and numpy.savez writes an npz file",
)
MATLAB = FileKind(
    "a MATLAB file",
    "scipy.io.loadmat (h5py for version 7.3) reads it, and numpy.savez writes an npz file",
)
EXPORTED = "octsk cannot read exported networks; pass the .octsk file that save wrote"
ONNX = FileKind("an ONNX network", EXPORTED)
TEXT = FileKind("a text file", "octsk reads images, npz files and its own models")
CSV = _table("a table of text (CSV)", "pandas.read_csv")

# Suffixes of OCT volumes, which determine the format if the content does not.
VOLUME_SUFFIXES = {
    ".dcm": DICOM,
    ".vol": VOL,
    ".e2e": E2E,
    ".fda": TOPCON,
    ".fds": TOPCON,
    ".oct": BIOPTIGEN,
    ".img": ZEISS,
}

# Patterns of the first bytes of files, and their types.
_SIGNATURES = (
    # The 128 bytes before the word may be anything, even the start of a TIFF file.
    (rb".{128}DICM", DICOM),
    (rb"\x89PNG\r\n\x1a\n", _image("PNG")),
    (rb"\xff\xd8\xff", _image("JPEG")),
    (rb"II[*+]\0|MM\0[*+]", TIFF),
    (rb"BM.{4}\0{4}", _image("BMP")),
    (rb"GIF8", _other_image("GIF")),
    (rb"RIFF.{4}WEBP", _other_image("WebP")),
    (rb".{4}jP  \r\n\x87\n", _other_image("JPEG 2000")),
    (rb".{4}ftyp", _other_image("HEIC, AVIF or video")),
    (rb"HSF-OCT-", VOL),
    (rb"CMDb|E2EMultipleVolumeFile", E2E),
    (rb"FOCT", TOPCON),
    (rb".{10}FRAMEHEADER", BIOPTIGEN),
    (rb"MATLAB \d\.\d MAT-file", MATLAB),
    (rb"\x89HDF\r\n\x1a\n", HDF5),
    (rb"\x93NUMPY", NPY),
    (rb"PAR1\x15", _table("a Parquet table", "pandas.read_parquet")),
    (rb"ARROW1\0\0", _table("an Arrow table", "pandas.read_feather")),
    (rb"SQLite format 3\0", _table("an SQLite database", "sqlite3")),
    (rb".{4}TFL3", FileKind("a TensorFlow Lite network", EXPORTED)),
    (rb".{257}ustar", FileKind("a tar archive", ZIP.advice)),
    # Pickle protocols 2 to 5. Older ones, which date from Python 1, have no signature.
    (rb"\x80[\x02-\x05]", PICKLE),
    # A protocol buffer has no signature, but that of ONNX begins with a version of 3 or
    # more.
    (rb"\x08[\x03-\x1f][\x12:B]", ONNX),
)

# First bytes of compressed files (including those of joblib), names of the formats, and
# decompressors. The memory is limited, since xz may require gigabytes.
_COMPRESSED: tuple[tuple[bytes, str | None, Callable], ...] = (
    (b"x", None, zlib.decompressobj),  # text may begin with this byte too
    (b"\x1f\x8b", "gzip", partial(zlib.decompressobj, 31)),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", "xz", partial(lzma.LZMADecompressor, memlimit=2**26)),
    (b"]\0\0", "LZMA", partial(lzma.LZMADecompressor, memlimit=2**26)),
)


def recognise(path: Path) -> FileKind | None:
    """Return the type of a file or folder by its content, or None if it is unknown.

    Only the first bytes of compressed files are decompressed, and no content is executed.

    Raises
    ------
    OSError
        If the file does not exist or cannot be read.
    """
    if path.is_dir():
        return _recognise_folder(path)
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if not head:
        return EMPTY
    for pattern, kind in _SIGNATURES:
        if re.match(pattern, head, re.DOTALL):
            return kind
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _recognise_zip(path)
    return _recognise_compressed(head) or _recognise_words(head, path.suffix.lower())


def begins_like_web_page(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of a web page."""
    return head.lstrip()[:14].lower().startswith((b"<!doctype", b"<html", b"<?xml"))


def check_is_file(path: Path, wanted: str) -> None:
    """Check that a path is a file, with the same error messages everywhere in octsk.

    Parameters
    ----------
    path : Path
        The file.
    wanted : str
        Description of the file with its article, such as "an npz file".

    Raises
    ------
    FileNotFoundError
        If the path does not exist.
    IsADirectoryError
        If the path is a folder. The message states what the folder contains.
    OSError
        If the path is neither a file nor a folder, but for example a pipe.
    """
    path.stat()
    if path.is_dir():
        kind = recognise(path)
        content = f": it holds {kind.what}; {kind.advice}" if kind else ""
        raise IsADirectoryError(f"{printable(path)} is a folder, not {wanted}{content}")
    if not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def describe_subfolders(folder: Path) -> str:
    """List the subfolders with images and their numbers of images, as "CNV (37), ..."."""
    counts = {
        sub.name: sum(1 for _ in islice(_images_under(sub), _MAX_FILES))
        for sub in sorted(folder.iterdir())
        if sub.is_dir() and not sub.name.startswith(".")
    }
    shown = [f"{printable(name)} ({n:,})" for name, n in counts.items() if n]
    more = f" and {len(shown) - 10} more" if len(shown) > 10 else ""
    return ", ".join(shown[:10]) + more


def _images_under(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)


def _recognise_folder(folder: Path) -> FileKind | None:
    names = [file.name for file in islice(folder.iterdir(), _MAX_FILES)]
    if "saved_model.pb" in names:
        return FileKind("a TensorFlow SavedModel", EXPORTED)
    if any(name.lower().endswith(IMAGE_SUFFIXES) for name in names):
        return FileKind("images", "octsk.load_image_files and octsk predict read them")
    if subfolders := describe_subfolders(folder):
        return FileKind(
            f"folders of images, {subfolders}",
            "octsk.load_image_files reads one of them at a time, and numpy.savez writes "
            "images and labels to an npz file",
        )
    if "models" in names and "run.json" in names:
        return FileKind("an octsk run", "octsk.load reads the files in its folder models")
    return None


def _recognise_zip(path: Path) -> FileKind | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return None
    if "estimator.json" in names:
        return MODEL
    if "config.json" in names and "model.weights.h5" in names:
        return KERAS
    if {"state.npy", "weight_0.npy"} <= names:
        return CHECKPOINT
    if any(name.endswith(".npy") for name in names):
        return NPZ
    if any(name.endswith("/data.pkl") for name in names):
        return TORCH
    if "xl/workbook.xml" in names:
        return _table("an Excel workbook", "pandas.read_excel")
    return ZIP


def _recognise_compressed(head: bytes) -> FileKind | None:
    for start, name, unpacker in _COMPRESSED:
        if not head.startswith(start):
            continue
        try:
            inside = unpacker().decompress(head, 2)
        except (OSError, lzma.LZMAError, zlib.error):
            return None
        if inside[:1] == b"\x80":
            return PICKLE
        return FileKind(f"a file compressed by {name}", ZIP.advice) if name else None
    return None


def _recognise_words(head: bytes, suffix: str) -> FileKind | None:
    is_utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if re.search(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]", head) and not is_utf16:
        return None
    if begins_like_web_page(head):
        return WEB_PAGE
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"{", b"[")):
        return FileKind("a JSON file", TEXT.advice)
    first, second, *_ = [*head.splitlines(), b"", b""]
    columns = any(
        0 < first.count(mark) == second.count(mark) for mark in (b",", b";", b"\t")
    )
    return CSV if columns or suffix in (".csv", ".tsv") else TEXT
