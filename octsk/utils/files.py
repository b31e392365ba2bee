"""Writing files and folders so that they are whole or absent."""

import errno
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

# What a file that does not fit is told by: a full disk, a quota, a limit of the process.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

logger = logging.getLogger("octsk")


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path that becomes `path` when the block ends without error.

    The temporary file stands in the same folder (so that the rename is atomic)
    and keeps the suffix, since some writers choose the format by it. It is removed
    when the block fails. Its bytes are on the disk before it takes the name, so that a
    power cut does not leave an empty file.
    """
    # A link stays, and what it points to is replaced.
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    temporary = _temporary_name(path)
    with _errors_of(path, temporary):
        # With the mode that an ordinary open() gives.
        temporary.touch(exist_ok=False)
        try:
            yield temporary
            _flush_to_disk(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Give a folder beside `path` for what goes into it; gone after the block.

    There, so that a full disk is the one that an error of `path` speaks of.
    """
    path = Path(os.path.realpath(path))
    folder = _temporary_name(path)
    with _errors_of(path, folder):
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def temporaries_of(path: Path) -> Iterator[Path]:
    """Give the temporary files that processes killed in `atomic_write` left of a path.

    Those of processes that are at it, too.
    """
    yield from path.parent.glob(f".{path.stem}-{'?' * 8}{path.suffix}")


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")


@contextmanager
def _errors_of(path: Path, temporary: Path) -> Iterator[None]:
    """Let an error name the path that was asked for where it names the temporary one."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in FULL:
            # Which file it was, the system does not say.
            named = path
        elif isinstance(error.filename, str) and Path(error.filename).is_relative_to(
            temporary
        ):
            named = path / Path(error.filename).relative_to(temporary)
        else:
            raise
        raise OSError(error.errno, error.strerror, str(named)) from error


def _flush_to_disk(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def lock_beside(path: Path) -> Iterator[None]:
    """Keep other processes and threads from what is done to a file; wait for them first.

    The lock is an empty hidden file beside it, which stays. A process that is killed holds
    it no longer.
    """
    lock = FileLock(_lock_beside(path))
    if not _acquired(lock, path):
        logger.warning("%s: another process is at it; waiting until it has done", path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def only_one_at(path: Path) -> Iterator[None]:
    """Keep other processes and threads from what is done to a file; refuse to be second.

    The lock is an empty hidden file beside it, which goes at the end.

    Raises
    ------
    BlockingIOError
        If another is at it.
    """
    lock = FileLock(_lock_beside(path))
    if not _acquired(lock, path):
        raise BlockingIOError(errno.EAGAIN, "another process is at it", str(path))
    try:
        yield
    finally:
        # While it is held, or another may have it meanwhile. Windows removes no open file.
        with suppress(PermissionError):
            _lock_beside(path).unlink(missing_ok=True)
        lock.release()


def leftovers_of(path: Path) -> set[Path]:
    """Return what a process leaves of a path that was killed in `only_one_at` at once."""
    return {_lock_beside(path), *temporaries_of(path)}


def _lock_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _acquired(lock: FileLock, path: Path) -> bool:
    """Take a lock, if nobody else has it."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError as error:
        # In the words for the file asked for.
        raise OSError(error.errno, error.strerror, str(path)) from error
    return True


def check_new_folder(path: str | os.PathLike) -> Path:
    """Return the path of a folder that does not exist or is empty; refuse any other."""
    path = Path(path)
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise FileExistsError(f"{path} holds files already; name a new or empty folder.")
    return path


@contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary folder that becomes `path` when the block ends without error.

    `path` must not exist, or be empty. If it is a link, what it points to is meant.
    """
    path = check_new_folder(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_name(path)
    with _errors_of(path, temporary):
        temporary.mkdir()
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _flush_to_disk(file)
            if path.is_dir():
                path.rmdir()  # Windows renames to no name that is there
            os.replace(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def write_text(path, text) -> None:
    """Write a text file in UTF-8 that is whole or absent."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
