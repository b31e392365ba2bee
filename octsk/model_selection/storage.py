"""Storage of a study in memory, in a journal file or in a database."""

import os
import shlex
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import (
    InMemoryStorage,
    JournalStorage,
    RDBStorage,
)
from optuna.storages.journal import (
    JournalFileBackend,
    JournalFileOpenLock,
    JournalFileSymlinkLock,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
)

from octsk.utils.urls import hide_secrets, hide_secrets_in

# Seconds between the heartbeats that a running trial writes to a database. If they stop,
# other machines consider its process dead. The value is that of Optuna's documentation.
_HEARTBEAT = 60


# Seconds to wait before each new attempt, if several processes create the tables of an
# empty database at the same time.
_WAITS = (0.5, 1.0, 2.0)


_DEFAULT_NAME = "octsk"


# The first bytes of each record of a journal.
_RECORD = b'{"op_code":'


def open_study(storage, name, *, sampler, pruner, directions):
    """Open the study with this name in a storage, or create it if there is none.

    Parameters
    ----------
    storage : None, path, str or optuna.storages.BaseStorage
        The path of a journal file, the URL of a database, or a storage. With None, a
        study with a name is kept in a journal file in octsk's data home, and a study
        without a name in the memory of this process.
    name : str or None
        Name of the study.
    sampler, pruner : optuna sampler and pruner
        Sampler and pruner of the study, which are not stored.
    directions : list of {"maximize", "minimize"}
        Direction of each objective.

    Returns
    -------
    optuna.Study
        The study.

    Raises
    ------
    ValueError
        If `storage` is not a storage, or if the study has other objectives.
    ConnectionError
        If the database cannot be used.
    ImportError
        If the driver of the database is not installed.
    """
    storage = _storage(storage, name)
    with secrets_hidden(storage):
        study = optuna.create_study(
            storage=storage,
            study_name=name or _DEFAULT_NAME,
            sampler=sampler,
            pruner=pruner,
            directions=directions,
            load_if_exists=True,
        )
    found = [direction.name.lower() for direction in study.directions]
    if found != directions:
        raise ValueError(
            f"the study {study.study_name!r} has the directions {found}, but this search "
            f"has {directions}: pass another study_name or storage."
        )
    return study


def _storage(storage, name):
    if storage is None and name is None:
        return InMemoryStorage()
    if storage is None:
        from octsk.datasets import get_data_home

        storage = get_data_home() / "studies" / f"{name}.journal"
    if isinstance(storage, str) and "://" in storage:
        return _database(storage)
    if isinstance(storage, (str, os.PathLike)):
        return _journal(Path(storage))
    return storage


def _database(url):
    _check_database_address(url)
    for wait in (*_WAITS, None):
        try:
            return _open_database(url)
        except (ImportError, NoSuchModuleError) as error:
            raise ImportError(
                f"storage={hide_secrets(url)!r} needs a driver that is not installed "
                f'({error}). For PostgreSQL, run pip install "octsk[postgres]", and use an '
                "address that begins with postgresql+psycopg://."
            ) from None
        except Exception as error:
            if wait is None or not _made_at_once(error):
                raise _unusable(url, error) from None
            time.sleep(wait)


def _check_database_address(url):
    """Raise a ValueError for an address that SQLAlchemy would misread.

    Otherwise the errors of SQLAlchemy or a driver would show parts of the password.
    """
    try:
        parts = make_url(url)
        is_file = parts.get_backend_name() == "sqlite"
        clear = is_file or "@" not in f"{parts.host or ''}{parts.database or ''}"
    except (SQLAlchemyError, ValueError):
        clear = False
    if not clear:
        raise ValueError(
            f"storage={hide_secrets(url)!r} cannot be read as the address of a database, "
            "such as postgresql+psycopg://user:password@host:5432/name. Special characters "
            "in a user name or password must be percent-encoded: @ is %40, / is %2F."
        ) from None


def _unusable(url, error):
    """Return a ConnectionError that describes an error without the URL's secrets."""
    words = hide_secrets_in(getattr(error, "orig", None) or error, url)
    return ConnectionError(f"storage={hide_secrets(url)!r} cannot be used: {words}")


@contextmanager
def secrets_hidden(storage):
    """Replace errors of a database by errors without the user name and password."""
    # Optuna wraps a database storage in a cache.
    url = getattr(getattr(storage, "_backend", storage), "url", None)
    try:
        yield
    except Exception as error:
        # Optuna may raise another error while it handles an error of the database.
        cause: BaseException | None = error
        while cause and not isinstance(cause, SQLAlchemyError):
            cause = cause.__cause__ or cause.__context__
        if cause is None or url is None:
            raise
        raise _unusable(url, cause) from None


def _made_at_once(error):
    """Return whether another process has just created the tables of the database."""
    return isinstance(error, IntegrityError) or (
        isinstance(error, DBAPIError) and "already exists" in str(error.orig)
    )


def _open_database(url):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return RDBStorage(
            url,
            # Test connections before use: the server closes them if this computer sleeps.
            engine_kwargs={"pool_pre_ping": True},
            heartbeat_interval=_HEARTBEAT,
        )


def dashboard_command(storage):
    """Return the shell command that opens optuna-dashboard on a storage."""
    return shlex.join(["optuna-dashboard", hide_secrets(storage)])


class _RepairingLock:
    """Optuna's lock of a journal, which also removes an incomplete last record.

    A killed process may leave an incomplete record at the end of a journal. Optuna would
    append the next record to it, and could then read neither of them.
    """

    def __init__(self, path):
        self._path = path
        # On Windows, only administrators can create symbolic links.
        lock_class = JournalFileOpenLock if os.name == "nt" else JournalFileSymlinkLock
        self._lock = lock_class(str(path))

    def acquire(self):
        """Acquire the lock, and remove an incomplete record at the end."""
        acquired = self._lock.acquire()
        _cut_torn_record(self._path)
        return acquired

    def release(self):
        """Release the lock."""
        self._lock.release()


def _journal(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    # Workers may have another working directory.
    path = path.absolute()
    lock = _RepairingLock(path)
    if path.exists():
        _check_journal(path)
    # Optuna's base class of locks is not public, but its two methods suffice.
    backend = JournalFileBackend(str(path), lock_obj=lock)  # type: ignore[arg-type]
    return JournalStorage(backend)


def _check_journal(path):
    with open(path, "rb") as file:
        start = file.read(len(_RECORD))
    if start != _RECORD[: len(start)]:
        raise ValueError(f"storage={str(path)!r} is a file, but not an Optuna journal.")


def _cut_torn_record(path):
    with open(path, "rb+") as file:
        if not file.seek(0, os.SEEK_END):
            return
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
