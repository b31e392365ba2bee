"""Reading of arrays from untrusted npz files without unpickling."""

import errno
import math
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from octsk.utils.file_kinds import CHECKPOINT, NPZ, check_is_file, recognise
from octsk.utils.files import atomic_write, lock_beside, remove_temporaries
from octsk.utils.untrusted import check_zip_member, printable

_SIGNS_OF_BREAKAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
)

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class Member:
    """Description of an array in an npz file, from its headers."""

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool
    header_size: int
    info: zipfile.ZipInfo

    @property
    def nbytes(self) -> int:
        """Size of the data in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


def check_is_npz(path: Path) -> None:
    """Check from the first bytes and the list of members that a file is an npz file.

    Raises
    ------
    OSError
        If the file does not exist or is a folder.
    ValueError
        If the file is of another known kind. The message says which function reads it.
    """
    check_is_file(path, "an npz file")
    kind = recognise(path)
    if kind not in (None, NPZ, CHECKPOINT):
        raise ValueError(f"{printable(path)} is not a whole npz file: {kind}")


def read_headers(path: Path, keys: set[str]) -> dict[str, Member]:
    """Describe those arrays of the file that are among `keys`.

    The sizes that the headers state are compared with those in the zip directory before
    any memory is allocated for them.

    Raises
    ------
    ValueError
        If the file is not a complete npz file, or if an array contains anything other than
        numbers or text.
    """
    members = {}
    with _opened(path) as archive:
        for info in archive.infolist():
            key = info.filename.removesuffix(".npy")
            if key in members:
                raise ValueError(f"{path}: {key} occurs twice; save the file again")
            if key in keys:
                members[key] = _read_header(archive, info, key, path)
    return members


def list_keys(path: Path) -> list[str]:
    """Return the sorted names of all arrays in the file."""
    with _opened(path) as archive:
        return sorted(name.removesuffix(".npy") for name in archive.namelist())


def read_array(path: Path, member: Member) -> np.ndarray:
    """Read one array into memory and return it in C order."""
    with _opened(path) as archive, archive.open(member.info) as stream:
        try:
            array = np.lib.format.read_array(stream, allow_pickle=False)
        except ValueError as error:
            raise ValueError(f"{path}: {member.key} cannot be read ({error})") from error
    return np.ascontiguousarray(array)


def map_array(path: Path, member: Member, make_folder: Callable[[], Path]) -> np.memmap:
    """Memory-map one array as a read-only array.

    An uncompressed array is mapped directly from the npz file. A compressed array is first
    unpacked, piece by piece, to ``<key>.npy`` in the folder that `make_folder` returns,
    unless an earlier call has done so.
    """
    if member.fortran_order:
        raise ValueError(
            f"{path}: {member.key} is stored in Fortran order and cannot be mapped; save "
            "np.ascontiguousarray of it, or load it with mmap=False"
        )
    if member.info.compress_type == zipfile.ZIP_STORED:
        offset = _data_offset(path, member) + member.header_size
        return np.memmap(path, member.dtype, "r", offset=offset, shape=member.shape)
    unpacked = make_folder() / f"{member.key}.npy"
    if not _is_unpacked(member, unpacked):
        with lock_beside(unpacked):
            # Another process may have unpacked the array in the meantime.
            if not _is_unpacked(member, unpacked):
                remove_temporaries(unpacked)
                _unpack(path, member, unpacked)
    return np.load(unpacked, mmap_mode="r", allow_pickle=False)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    # With a damaged directory, zipfile may seek to invalid positions (EINVAL) or find
    # features of the zip format that it does not implement.
    except (*_SIGNS_OF_BREAKAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise ValueError(
            f"{printable(path)} is not a whole npz file ({printable(error)}); it is cut "
            "off or damaged"
        ) from error


def _read_header(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, key: str, path: Path
) -> Member:
    try:
        check_zip_member(info)
    except ValueError as error:
        raise ValueError(f"{path}: {key} {error}") from None
    try:
        with archive.open(info) as stream:
            read_header = _HEADER_READERS[np.lib.format.read_magic(stream)]
            shape, fortran_order, dtype = read_header(stream)
            header_size = stream.tell()
    except (*_SIGNS_OF_BREAKAGE, OSError):
        raise
    # NumPy parses the header as Python code, which can raise errors of many kinds.
    except Exception as error:
        raise ValueError(f"{path}: {key} is not a NumPy array ({error})") from error
    if dtype.hasobject:
        raise ValueError(
            f"{path}: {key} holds Python objects, which are never loaded, because "
            "unpickling can run any code; save it as an array of numbers"
        )
    member = Member(key, shape, dtype, fortran_order, header_size, info)
    if min(shape, default=0) < 0 or header_size + member.nbytes != info.file_size:
        raise ValueError(
            f"{path}: {key} claims {shape} {dtype}, but the file holds "
            f"{info.file_size - header_size} bytes for it"
        )
    return member


def _data_offset(path: Path, member: Member) -> int:
    # The local header repeats the name and the extra field, possibly with other lengths
    # than in the zip directory. The lengths are its bytes 26 to 29 (PKWARE's APPNOTE.TXT,
    # section 4.3.7).
    with open(path, "rb") as stream:
        stream.seek(member.info.header_offset + 26)
        name_length, extra_length = struct.unpack("<HH", stream.read(4))
    return member.info.header_offset + 30 + name_length + extra_length


def _is_unpacked(member: Member, unpacked: Path) -> bool:
    return unpacked.is_file() and unpacked.stat().st_size == member.info.file_size


def _unpack(path: Path, member: Member, unpacked: Path) -> None:
    from tqdm.auto import tqdm

    needed, free = member.info.file_size, shutil.disk_usage(unpacked.parent).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"{path}: mapping {member.key} needs {needed:,} bytes in {unpacked.parent}, "
            f"where {free:,} are free; set OCTSK_DATA to a folder with more space",
        )
    with (
        _opened(path) as archive,
        archive.open(member.info) as stream,
        atomic_write(unpacked) as temporary,
        open(temporary, "wb") as output,
        # With the delay, no bar appears if there is nothing to wait for.
        tqdm.wrapattr(
            stream, "read", total=needed, desc=f"unpacking {member.key}", delay=1
        ) as source,
    ):
        shutil.copyfileobj(source, output, 2**20)
