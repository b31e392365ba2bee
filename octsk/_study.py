"""What Optuna does for a search: suggests, and keeps the trials. Needs ``octsk[tune]``."""

import os
import platform
import re
import shlex
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    check_distribution_compatibility,
)
from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import (
    JournalFileBackend,
    JournalFileOpenLock,
    JournalFileSymlinkLock,
)
from optuna.trial import TrialState
from sqlalchemy.exc import DBAPIError, IntegrityError, NoSuchModuleError

# What a trial keeps beside Optuna's own record.
FOLDS = "folds"
ERROR = "error"
_PROCESS = "process"
_QUESTION = "question"

# Seconds between two signs of life of a trial in a database (Optuna's documentation has
# 60), by which other machines tell that a process was killed.
_HEARTBEAT = 60

# Seconds to wait when several processes make the tables of an empty database at once.
_WAITS = (0.5, 1.0, 2.0)

_DEFAULT_NAME = "octsk"

# How each record of a journal begins.
_RECORD = b'{"op_code":'


class Space:
    """The parameters that a search varies.

    Parameters
    ----------
    distributions : dict of str to optuna distribution or sequence
        What each is drawn from; a sequence holds the values to choose from.
    """

    def __init__(self, distributions):
        self.distributions: dict[str, Any] = {}
        self._choices: dict[str, dict] = {}
        for name, given in distributions.items():
            if isinstance(given, CategoricalDistribution):
                given = given.choices
            if isinstance(given, (list, tuple, np.ndarray)) and len(given):
                self._choices[name] = {_label(value): value for value in given}
                given = CategoricalDistribution(tuple(self._choices[name]))
            if not isinstance(given, BaseDistribution):
                raise ValueError(
                    f"param_distributions[{name!r}] must be an Optuna distribution or a "
                    f"list of values, got {given!r}."
                )
            self.distributions[name] = given

    def suggest(self, trial):
        """Return the parameters of a trial."""
        drawn = {name: _suggest(trial, name, d) for name, d in self.distributions.items()}
        return self.values(drawn)

    def values(self, params):
        """Return parameters as an estimator takes them, from those that Optuna keeps."""
        return {
            name: self._choices.get(name, {}).get(value, value)
            for name, value in params.items()
        }

    def example(self):
        """Return one value for each parameter."""
        return {
            name: next(iter(self._choices[name].values()))
            if name in self._choices
            else drawn_from.low
            for name, drawn_from in self.distributions.items()
        }

    def highest(self, name, default):
        """Return the highest number that a parameter can be, `default` if not varied."""
        if name in self._choices:
            return max(self._choices[name].values())
        return getattr(self.distributions.get(name), "high", default)


def _suggest(trial, name, drawn_from):
    if isinstance(drawn_from, CategoricalDistribution):
        return trial.suggest_categorical(name, drawn_from.choices)
    suggest = (
        trial.suggest_float
        if isinstance(drawn_from, FloatDistribution)
        else trial.suggest_int
    )
    return suggest(
        name, drawn_from.low, drawn_from.high, step=drawn_from.step, log=drawn_from.log
    )


def _label(value):
    """Return what Optuna's storages can keep for a value: itself, or what it prints as."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


class TrialSeededSampler(optuna.samplers.BaseSampler):
    """Optuna's TPE with a seed for each trial.

    A sampler with one seed begins anew with each process: a continued search, or a
    second process at the same one, would try what has been tried already.

    Parameters
    ----------
    seed : int
        Seed of the search.
    """

    def __init__(self, seed):
        self._seed = seed
        self._sampler = optuna.samplers.TPESampler(seed=seed)

    def before_trial(self, study, trial):
        """Take up the trial's own random numbers."""
        seed = np.random.SeedSequence([self._seed, trial.number]).generate_state(1)[0]
        self._sampler = optuna.samplers.TPESampler(seed=int(seed))

    def infer_relative_search_space(self, study, trial):
        """Return what is drawn together."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(self, study, trial, search_space):
        """Draw parameters together."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(self, study, trial, param_name, param_distribution):
        """Draw one parameter by itself."""
        return self._sampler.sample_independent(
            study, trial, param_name, param_distribution
        )


def make_pruner(pruner, max_epochs):
    """Return an Optuna pruner for None, "median", "hyperband" or a pruner.

    With `max_epochs` "auto" Hyperband waits for the first completed trial to know them.
    """
    if pruner is None:
        return optuna.pruners.NopPruner()
    if pruner == "median":
        # The first epoch says little of the last.
        return optuna.pruners.MedianPruner(n_warmup_steps=2)
    if pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(max_resource=max_epochs)
    return pruner


def open_study(storage, name, *, sampler, pruner, directions):
    """Return the study of that name in a storage, a new one if there is none.

    Parameters
    ----------
    storage : None, path, str or optuna.storages.BaseStorage
        None for the memory of this process, or for a journal file of octsk's own where
        the study has a name; the path of a journal file; the URL of a database; or a
        storage.
    name : str or None
        Name of the study.
    sampler, pruner : optuna sampler and pruner
        Not kept by the storage.
    directions : list of {"maximize", "minimize"}
        One for each objective.

    Returns
    -------
    optuna.Study
        The study.

    Raises
    ------
    ValueError
        If the storage is none, or the study has other objectives.
    """
    study = optuna.create_study(
        storage=_storage(storage, name),
        study_name=name or _DEFAULT_NAME,
        sampler=sampler,
        pruner=pruner,
        directions=directions,
        load_if_exists=True,
    )
    found = [direction.name.lower() for direction in study.directions]
    if found != directions:
        raise ValueError(
            f"the study {study.study_name!r} has the directions {found}, this search "
            f"{directions}: give another study_name or storage."
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
    for wait in (*_WAITS, None):
        try:
            return _open_database(url)
        except DBAPIError as error:
            if wait is None or not _made_at_once(error):
                raise ConnectionError(
                    f"storage={hide_password(url)!r} cannot be used: {error.orig}"
                ) from error
            time.sleep(wait)


def _made_at_once(error):
    """Say whether another process made the tables of an empty database meanwhile."""
    return isinstance(error, IntegrityError) or "already exists" in str(error.orig)


def _open_database(url):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return RDBStorage(url, heartbeat_interval=_HEARTBEAT)
    except (ImportError, NoSuchModuleError) as error:
        raise ImportError(
            f"storage={hide_password(url)!r} needs a driver that is not installed "
            f'({error}). For PostgreSQL: pip install "octsk[postgres]", and a URL that '
            "begins with postgresql+psycopg://."
        ) from error


def hide_password(storage):
    """Return what a storage is called, without the password in the URL of a database."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", str(storage))


def dashboard_command(storage):
    """Return the shell's command that opens optuna-dashboard on a storage."""
    return shlex.join(["optuna-dashboard", hide_password(storage)])


class _RepairingLock:
    """Optuna's lock of a journal, which leaves its holder a journal of whole records.

    A process that is killed may leave half a record. Optuna would write the next one
    behind it, and then read neither.
    """

    def __init__(self, path):
        self._path = path
        # Windows lets only administrators make symbolic links.
        lock_class = JournalFileOpenLock if os.name == "nt" else JournalFileSymlinkLock
        self._lock = lock_class(str(path))

    def acquire(self):
        """Take the lock, and cut off half a record at the end."""
        acquired = self._lock.acquire()
        _cut_torn_record(self._path)
        return acquired

    def release(self):
        """Give the lock back."""
        self._lock.release()


def _journal(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    # Workers may have another working folder.
    path = path.absolute()
    lock = _RepairingLock(path)
    if path.exists():
        _check_journal(path)
    # Optuna wants no more of a lock, but has no public name for its class.
    backend = JournalFileBackend(str(path), lock_obj=lock)  # type: ignore[arg-type]
    return JournalStorage(backend)


def _check_journal(path):
    with open(path, "rb") as file:
        start = file.read(len(_RECORD))
    if start != _RECORD[: len(start)]:
        raise ValueError(f"storage={str(path)!r} is a file, but no journal of Optuna.")


def _cut_torn_record(path):
    with open(path, "rb+") as file:
        if not file.seek(0, os.SEEK_END):
            return
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def check_question(study, question):
    """See that a study is continued with what it was begun with.

    Parameters
    ----------
    study : optuna.Study
        The study.
    question : dict of str to str
        What its scores depend on besides the parameters searched.

    Raises
    ------
    ValueError
        If the study was begun with something else.
    """
    begun = study.user_attrs.get(_QUESTION)
    if begun is None:
        study.set_user_attr(_QUESTION, question)
    elif begun != question:
        names = sorted(k for k in {*begun, *question} if begun.get(k) != question.get(k))
        changes = "; ".join(f"{k} was {begun.get(k)}, is {question.get(k)}" for k in names)
        raise ValueError(
            f"the study {study.study_name!r} was begun with something else, so its scores "
            f"cannot be compared with new ones ({changes}). Give another study_name or "
            "storage to begin a new study."
        )


def check_space(study, space):
    """See that what a study chose from is what is to be chosen from now.

    Parameters
    ----------
    study : optuna.Study
        The study.
    space : Space
        What is to be varied now.

    Raises
    ------
    ValueError
        If a list of values has changed, which Optuna cannot continue with. Ranges may
        change.
    """
    for trial in study.get_trials(deepcopy=False):
        for name, before in trial.distributions.items():
            now = space.distributions.get(name, before)
            try:
                check_distribution_compatibility(before, now)
            except ValueError:
                raise ValueError(
                    f"the study {study.study_name!r} was begun with {name!r} from "
                    f"{before}; now it is from {now}. Give another study_name or storage "
                    "to begin a new study."
                ) from None


def is_shared(study):
    """Say whether other processes can work at a study: not where it is in the memory."""
    return not isinstance(study._storage, InMemoryStorage)


def end_with(parent):
    """End this process when its parent ends, be it that it is killed.

    A worker would go on with the study, and the search that is started again has workers
    of its own.

    Parameters
    ----------
    parent : int
        The parent's process id.
    """

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def sign(trial):
    """Write down which process works at a trial."""
    trial.set_user_attr(
        _PROCESS,
        {"host": platform.node(), "pid": os.getpid(), "start": _start_of(os.getpid())},
    )


def _start_of(pid):
    """Return when a live process began, in clock ticks since the system did.

    None where there is none, and where the system has no ``/proc``.
    """
    try:
        # The name, in brackets, may hold spaces and brackets (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _is_alive(process):
    """Say whether a process runs: yes, no, or None for what cannot be known here."""
    if process is None or process["host"] != platform.node() or os.name == "nt":
        return None
    if sys.platform == "linux":
        return _start_of(process["pid"]) == process["start"]
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def n_taken(study):
    """Return how many trials are finished or in work.

    Finished are those that were completed or pruned or that failed by themselves. Trials
    of processes of this machine that have ended are failed first; they do not count.
    """
    n = 0
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.RUNNING:
            alive = _is_alive(trial.user_attrs.get(_PROCESS))
            if alive is False:
                study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            n += bool(alive)
        else:
            n += counts(trial)
    return n


def ended_trials(study):
    """Return the trials that run no more, in the order in which they ended."""
    trials = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
    return sorted(trials, key=lambda trial: trial.datetime_complete)


def counts(trial):
    """Say whether a finished trial is one of those asked for; one killed is not."""
    return is_evaluated(trial) or trial.state == TrialState.PRUNED


def is_evaluated(trial):
    """Say whether a trial was fitted on all folds, be it that it failed on one."""
    by_itself = trial.state == TrialState.COMPLETE or ERROR in trial.user_attrs
    return trial.state.is_finished() and by_itself and FOLDS in trial.user_attrs


@contextmanager
def quiet(silent):
    """Keep Optuna's words to itself, if `silent`."""
    before = optuna.logging.get_verbosity()
    if silent:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
