"""Checks of untrusted files and texts before they are read or printed."""

import re
import zipfile

# A deflate stream cannot unpack to more than 1032 times its length
# (https://zlib.net/zlib_tech.html), so a larger claimed size is wrong.
_MAX_DEFLATE_RATIO = 1032

# A member counts as a zip bomb if it exceeds both its compressed size times this ratio and
# this number of bytes. Images and weights are compressed far less. Sorted labels may be
# compressed more, but are small.
_BOMB_RATIO = 100
_BOMB_BYTES = 256 * 2**20

# Maximum number of groups and arrays in an HDF5 file. A network of 10,000 layers has about
# 50,000. Opening each of them takes time, whereas another link takes only a few bytes.
_MAX_H5_ENTRIES = 100_000

# Control characters (C0, DEL, C1), line separators, marks that change the direction of
# text, and surrogates, which stand for the bytes of names that are not UTF-8.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(words):
    r"""Escape characters in an untrusted text that would control a terminal.

    Parameters
    ----------
    words : object
        Text such as a file name or a server's reason phrase. Other objects are converted
        with ``str``.

    Returns
    -------
    str
        The text, with control characters, bidirectional marks and surrogates escaped as
        in Python's string literals.

    Examples
    --------
    >>> print(printable("scan\x1b[2J.png"))
    scan\x1b[2J.png
    """
    return _UNPRINTABLE.sub(
        lambda found: found[0].encode("unicode_escape").decode("ascii"), str(words)
    )


def first_few(words, n=5):
    """List the first few of some names for a message.

    Parameters
    ----------
    words : sequence
        The names.
    n : int, default=5
        Maximum number of names to list.

    Returns
    -------
    str
        The printable names, separated by commas. If there are more, it ends in ", ...".
    """
    named = [printable(word) for word in words[:n]]
    return ", ".join(named + (["..."] if len(words) > n else []))


def check_zip_member(info):
    """Check that a member of a zip archive can be unpacked in bounded memory.

    Raises
    ------
    ValueError
        If the member is encrypted or compressed by an unusual method, claims more bytes
        than its compressed size allows, or is a zip bomb. The message begins with a verb,
        so that it can follow the name of the member.
    """
    if info.flag_bits & 1 or info.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    ):
        raise ValueError("is encrypted or compressed by a method that is not supported")
    ratio = _MAX_DEFLATE_RATIO if info.compress_type == zipfile.ZIP_DEFLATED else 1
    if info.file_size > ratio * info.compress_size:
        raise ValueError("claims more bytes than the file can hold")
    if info.file_size > max(_BOMB_BYTES, _BOMB_RATIO * info.compress_size):
        raise ValueError(
            f"would unpack to {info.file_size:,} bytes, more than {_BOMB_RATIO} times its "
            "compressed size, which suggests a zip bomb; if you trust the file, write it "
            "again without compression"
        )


def check_zip_names(archive, names):
    """Check that a zip archive has exactly the members `names`, each once.

    Raises
    ------
    ValueError
        If the archive has other members, or if one of them fails `check_zip_member`.
    """
    found = sorted(archive.namelist())
    if found != sorted(names):
        raise ValueError(f"it contains {found[:8]} instead of {sorted(names)}")
    for info in archive.infolist():
        try:
            check_zip_member(info)
        except ValueError as error:
            raise ValueError(f"its {info.filename} {error}") from None


def check_h5(file, n_bytes):
    """Check that an HDF5 file of `n_bytes` contains only plain numeric arrays.

    Each link is checked before it is followed, since HDF5 files can refer to other files,
    compose arrays of parts of others, and contain compressed or missing data.

    Parameters
    ----------
    file : h5py.File
        The open file.
    n_bytes : int
        Size of the file.

    Returns
    -------
    int
        Total number of values in all arrays.

    Raises
    ------
    ValueError
        If the file contains anything else, or if its arrays claim more bytes than it has.
    """
    import h5py

    groups, seen = [file], set()
    claimed = numbers = entries = 0
    while groups:
        group = groups.pop()
        # A group may contain a link to itself.
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        entries += len(group)
        if entries > _MAX_H5_ENTRIES:
            raise ValueError(f"it has more than {_MAX_H5_ENTRIES:,} groups and arrays")
        for name in group:
            where = f"{group.name.rstrip('/')}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{where!r} is a link to another place or file")
            entry = group[name]
            if isinstance(entry, h5py.Group):
                groups.append(entry)
                continue
            _check_h5_array(entry, where)
            claimed += entry.nbytes
            numbers += entry.size
            if claimed > n_bytes:
                raise ValueError(
                    f"its arrays claim more than the {n_bytes:,} bytes of the file, at "
                    f"{where!r} of shape {entry.shape}"
                )
    return numbers


def _check_h5_array(entry, where):
    import h5py

    if not isinstance(entry, h5py.Dataset) or entry.shape is None:
        raise ValueError(f"{where!r} is not an array")
    if entry.dtype.kind not in "biuf":
        raise ValueError(f"{where!r} contains {entry.dtype} instead of plain numbers")
    if entry.is_virtual or entry.external:
        raise ValueError(f"{where!r} takes its numbers from other arrays or files")
    if entry.id.get_create_plist().get_nfilters():
        raise ValueError(f"{where!r} is compressed or filtered, unlike Keras's arrays")
    if len(entry.attrs):
        # Keras would read some of them, for which HDF5 allocates as much memory as their
        # text claims.
        raise ValueError(f"{where!r} has attributes, unlike Keras's float32 arrays")
