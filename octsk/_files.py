"""Writing files and folders so that they are whole or absent."""

import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

# What a file that does not fit is told by: a full disk, a quota, a limit of the process.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

logger = logging.getLogger("octsk")


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path that becomes `path` when the block ends without error.

    The temporary file stands in the same folder (so that the rename is atomic)
    and keeps the suffix, since some writers choose the format by it. It is removed
    when the block fails.
    """
    # A link stays, and what it points to is replaced.
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        # In the words for the file asked for, not for the temporary one.
        raise OSError(error.errno, error.strerror, str(path)) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp's mode is 0600; give the file what an ordinary open() would.
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in _FULL and error.filename in (None, str(temporary)):
            # Which file it was, the system does not say.
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def temporaries_of(path: Path) -> Iterator[Path]:
    """Give the temporary files that processes killed in `atomic_write` left of a path.

    Those of processes that are at it, too.
    """
    # tempfile's random part has eight characters.
    yield from path.parent.glob(f".{path.stem}-{'?' * 8}{path.suffix}")


@contextmanager
def lock_beside(path: Path) -> Iterator[None]:
    """Keep other processes and threads from what is done to a file; wait for them first.

    The lock is an empty hidden file beside it, which stays. A process that is killed holds
    it no longer.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except OSError as error:
        if not isinstance(error, Timeout):
            # In the words for the file asked for.
            raise OSError(error.errno, error.strerror, str(path)) from error
        logger.warning("%s: another process is at it; waiting until it has done", path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def check_new_folder(path: str | os.PathLike) -> Path:
    """Return the path of a folder that does not exist or is empty; refuse any other."""
    path = Path(path)
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise FileExistsError(f"{path} holds files already; name a new or empty folder.")
    return path


@contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary folder that becomes `path` when the block ends without error.

    `path` must not exist, or be empty.
    """
    path = check_new_folder(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.is_dir():
            path.rmdir()  # Windows renames to no name that is there
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
