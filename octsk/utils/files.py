"""Atomic and locked writing of files and folders."""

import errno
import glob
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

# Errors that occur if a file is too large: a full disk, a quota, or a limit of the process.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

logger = logging.getLogger("octsk")


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Yield the path of a temporary file that is renamed to `path` after the block.

    The temporary file is in the same folder, so that renaming it is atomic, and has the
    same suffix, since some writers choose the format by it. It is removed if the block
    fails. Its bytes are flushed to the disk before it is renamed, so that a power cut does
    not leave an empty file. If `path` is a stream, such as a pipe or ``/dev/stdout``, the
    bytes are sent to it after the block.

    Raises
    ------
    OSError
        If the file cannot be written. The error names `path`.
    """
    if is_stream(path):
        with _sent_to(Path(path)) as temporary:
            yield temporary
        return
    # Keep a symbolic link, and replace the file that it points to.
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = _temporary_name(path)
    with _errors_of(path, temporary):
        # Create the file with the permissions that an ordinary open() sets.
        temporary.touch(exist_ok=False)
        try:
            yield temporary
            _flush_to_disk(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def is_stream(path: str | os.PathLike) -> bool:
    """Return whether a path is a pipe, a device or an open file descriptor.

    Writing to such a path replaces no file.
    """
    if descriptor_of(path) is not None:
        return True
    path = Path(path)
    return path.exists() and not (path.is_file() or path.is_dir())


def descriptor_of(path: str | os.PathLike) -> int | None:
    """Return the file descriptor that a path such as /dev/stdout names."""
    path = os.path.abspath(path)
    folders = {"/dev/fd", os.path.realpath("/proc/self/fd")}
    for _ in range(40):  # the number of links in a row that Linux follows
        folder, name = os.path.split(path)
        if name.isdecimal() and os.path.realpath(folder) in folders:
            return int(name)
        if not os.path.islink(path):
            break
        path = os.path.join(folder, os.readlink(path))
    return None


@contextmanager
def _sent_to(path: Path) -> Iterator[Path]:
    """Yield a temporary path whose content is copied to a stream after the block.

    Some writers, such as those of zip files, need a file in which they can seek.
    """
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder, f"contents{path.suffix}")
        temporary.touch()
        with _errors_of(path, temporary):
            yield temporary
            with open(temporary, "rb") as source, _opened_stream(path) as target:
                shutil.copyfileobj(source, target)


def _opened_stream(path: Path):
    number = descriptor_of(path)
    if number is None:
        return open(path, "wb")
    # The stream may be a file to which the shell has redirected the output. If it were
    # opened again, it would be overwritten from its start.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    try:
        return os.fdopen(os.dup(number), "wb")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def check_output(
    path: str | os.PathLike,
    inputs: Iterable[str | os.PathLike | None] = (),
    *,
    overwrite: bool = False,
) -> None:
    """Raise an error if an output is an input, or exists and must not be replaced.

    Parameters
    ----------
    path : path-like
        The output file. A stream replaces nothing and is always accepted.
    inputs : iterable of (path-like or None)
        Input files, which are recognised even if their names differ, as those of links do.
    overwrite : bool, default=False
        Whether an existing file may be replaced.

    Raises
    ------
    FileExistsError
        If the output is one of the inputs, or it exists and `overwrite` is False.
    """
    # Resolve the path first: "absent/../name" exists once the folder has been created.
    real = os.path.realpath(path)
    if is_stream(path) or not os.path.exists(real):
        return
    for given in inputs:
        if given is not None and os.path.exists(given) and os.path.samefile(real, given):
            raise FileExistsError(
                f"the output {path} is the input {given}, which is never replaced; choose "
                "another file"
            )
    if not overwrite:
        raise FileExistsError(
            f"the output {path} exists; choose another file, or replace it with --overwrite"
        )


@contextmanager
def resumable_write(path: Path) -> Iterator[Path]:
    """Yield the path of an incomplete file, which is renamed to `path` after the block.

    If the block fails, the incomplete file is kept for the next attempt, unless the disk
    is full. Call this with `lock_beside`, since all processes write to the same file.
    """
    part = partial_file(path)
    with _errors_of(path, part):
        part.touch()
        try:
            yield part
            _flush_to_disk(part)
            os.replace(part, path)
        except OSError as error:
            if error.errno in FULL:
                part.unlink(missing_ok=True)
            raise
        finally:
            if part.exists() and not part.stat().st_size:
                part.unlink()


def partial_file(path: Path) -> Path:
    """Return the path at which `resumable_write` keeps an incomplete file."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def temporary_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, which is removed after the block.

    It is on the same disk as `path`, so that an error about a full disk applies to `path`.
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
    """Yield the temporary files and folders of all writers of a path.

    Their writers may have been killed or may still be running.
    """
    stem, suffix = glob.escape(path.stem), glob.escape(path.suffix)
    yield from path.parent.glob(f".{stem}-{'[0-9a-f]' * 8}{suffix}")


def remove_temporaries(path: Path) -> None:
    """Remove what killed writers of a path have left; no process may be writing to it."""
    for left in temporaries_of(path):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")


@contextmanager
def _errors_of(path: Path, temporary: Path) -> Iterator[None]:
    """Make the errors in the block name the requested path instead of the temporary one."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in FULL:
            # The system does not report which file did not fit.
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
    """Lock a file against other processes and threads, and wait for the lock.

    The lock is an empty hidden file in the same folder, which is not removed. The system
    releases the lock if the process is killed.
    """
    lock = FileLock(_lock_beside(path))
    if not _acquired(lock, path):
        logger.warning("%s: another process is using it; waiting for it to finish", path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def acquire_lock(path: Path) -> Iterator[None]:
    """Lock a file against other processes and threads, or raise if it is locked.

    The lock is an empty hidden file in the same folder, which is removed at the end.

    Raises
    ------
    BlockingIOError
        If another process or thread holds the lock.
    """
    lock = FileLock(_lock_beside(path))
    if not _acquired(lock, path):
        raise BlockingIOError(errno.EAGAIN, "another process is using it", str(path))
    try:
        yield
    finally:
        # Remove the file before the lock is released, since another process may acquire the
        # lock afterwards. Windows does not remove open files.
        with suppress(PermissionError):
            _lock_beside(path).unlink(missing_ok=True)
        lock.release()


def is_locked(path: Path) -> bool | None:
    """Return whether a process holds the lock of a file, or None if there is no lock file.

    The lock file of a process that was killed is removed.
    """
    if not _lock_beside(path).exists():
        return None
    try:
        with acquire_lock(path):
            return False
    except BlockingIOError:
        return True


def leftovers_of(path: Path) -> set[Path]:
    """Return the files that writers leave beside a path if they are killed."""
    return {_lock_beside(path), *temporaries_of(path)}


def _lock_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _acquired(lock: FileLock, path: Path) -> bool:
    """Acquire a lock if it is free, and return whether it was."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError as error:
        # Report the path of the file instead of that of the lock.
        raise OSError(error.errno, error.strerror, str(path)) from error
    return True


def check_new_folder(path: str | os.PathLike, old: Collection[Path] = ()) -> Path:
    """Check that a folder does not exist or only contains `old` files; return its path.

    Files that killed writers of the folder have left in it are ignored.

    Raises
    ------
    FileExistsError
        If the folder contains other files, or if the path is not a folder.
    """
    path = Path(path)
    if path.is_dir():
        real = Path(os.path.realpath(path))
        known = {file.name for file in (*old, *leftovers_of(real / real.name))}
        if others := sorted({file.name for file in path.iterdir()} - known):
            first = ", ".join([*others[:3], *(["..."] if others[3:] else [])])
            raise FileExistsError(
                f"{path} already contains files ({first}); choose a new or empty folder."
            )
    elif path.exists():
        raise FileExistsError(f"{path} is not a folder; choose a new or empty folder.")
    return path


@contextmanager
def atomic_folder(path: str | os.PathLike, old: Collection[Path] = ()) -> Iterator[Path]:
    """Yield a temporary folder whose files are moved to `path` after the block.

    If the block fails, nothing is changed. `path` must not exist or must only contain `old`
    files, which are replaced. If it is a link, its target is used. An existing folder is
    kept instead of being replaced by the temporary one, since it may be a mount point or
    the working folder of a shell.

    Raises
    ------
    FileExistsError
        As in `check_new_folder`.
    OSError
        If the folder cannot be written. The error names `path`.
    """
    path = Path(os.path.realpath(path))
    old = {path / file.name for file in old}
    check_new_folder(path, old)
    path.parent.mkdir(parents=True, exist_ok=True)
    named = path / path.name if path.is_dir() else path
    temporary = _temporary_name(named)
    with _errors_of(path, temporary), acquire_lock(named):
        # While the lock is held, all temporary folders are those of killed writers.
        remove_temporaries(named)
        temporary.mkdir()
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _flush_to_disk(file)
            _move_into_place(temporary, path, old)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _move_into_place(temporary: Path, path: Path, old: set[Path]) -> None:
    """Move a temporary folder, or its files, to `path`, and remove the `old` files."""
    if temporary.parent != path:
        os.replace(temporary, path)
        return
    # Another process may have written to the folder in the meantime.
    check_new_folder(path, {*old, temporary})
    new = {path / entry.name for entry in temporary.iterdir()}
    for target in new:
        os.replace(temporary / target.name, target)
    for file in old - new:
        file.unlink()


def write_text(path, text) -> None:
    """Write a UTF-8 text file atomically.

    Surrogates, which occur in file names that are not UTF-8, are escaped.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
