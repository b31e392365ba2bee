"""What Optuna does for a search: suggests, and keeps the trials. Needs ``octsk[tune]``."""

import math
import os
import platform
import re
import shlex
import sys
import threading
import time
import warnings
from contextlib import ExitStack, contextmanager, suppress
from numbers import Real
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    check_distribution_compatibility,
)
from optuna.exceptions import ExperimentalWarning, TrialPruned, UpdateFinishedTrialError
from optuna.storages import (
    InMemoryStorage,
    JournalStorage,
    RDBStorage,
    fail_stale_trials,
)
from optuna.storages.journal import (
    JournalFileBackend,
    JournalFileOpenLock,
    JournalFileSymlinkLock,
)
from optuna.trial import TrialState
from sqlalchemy.exc import DBAPIError, IntegrityError, NoSuchModuleError

from octsk.utils.json import jsonable

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

# Choices that Optuna's storages keep as they are.
_KEPT = (bool, int, float, str, type(None))

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
                self._choices[name] = _labelled(given)
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
        """Return the highest number that a parameter can be, `default` if not varied.

        "auto" where it need not be a number.
        """
        if name in self._choices:
            values = self._choices[name].values()
            return max(values) if all(isinstance(v, Real) for v in values) else "auto"
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


def _labelled(values):
    """Return values to choose from, by what Optuna's storages can keep for each."""
    values = [v.item() if isinstance(v, np.generic) else v for v in values]
    kept = [value for value in values if isinstance(value, _KEPT)]
    # Optuna takes True for 1.
    alike = len(set(kept)) < len({(type(value), value) for value in kept})
    choices: dict[Any, Any] = {}
    for value in values:
        is_kept = isinstance(value, _KEPT)
        label = words = value if is_kept and not alike else describe(value)
        n = 1
        while label in choices and not is_kept:
            n += 1
            label = f"{words} ({n})"
        choices[label] = value
    return choices


def describe(value):
    """Return what a value is in words that are the same in each process."""
    said = jsonable(value)
    plain = isinstance(value, str) or not isinstance(said, str)
    return f"{said!r}" if plain else said


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
            warnings.simplefilter("ignore", ExperimentalWarning)
            return RDBStorage(
                url,
                # Of a computer that slept the server knows nothing any more.
                engine_kwargs={"pool_pre_ping": True},
                heartbeat_interval=_HEARTBEAT,
            )
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


class _Watched:
    """An objective that keeps what it raised, which Optuna loses with a lost trial.

    Parameters
    ----------
    objective : callable
        Called with each trial.
    begun : callable
        Called without arguments as soon as a trial is signed.
    """

    def __init__(self, objective, begun):
        self._objective = objective
        self._begun = begun
        self.number: int | None = None
        self.error: BaseException | None = None

    def __call__(self, trial):
        self.number, self.error = trial.number, None
        try:
            _sign(trial)
            self._begun()
            return self._objective(trial)
        except BaseException as error:
            self.error = error
            raise


def optimize(study, objective, *, n_trials, timeout, callbacks, turn):
    """Try parameters until a study has its trials, whatever becomes of one of them.

    Other processes fail a trial whose process gives no sign of life, such as that of a
    computer that slept. Where it lives after all, Optuna's own loop would end.

    Parameters
    ----------
    study : optuna.Study
        The study.
    objective : callable
        Called with each trial.
    n_trials : int
        Trials that the study has in the end, see `n_taken`.
    timeout : float or None
        Seconds after which no trial is begun any more.
    callbacks : list of callable
        Called with the study and the trial after each trial.
    turn : context manager
        Held from the count of the trials until the next is begun: a lock that other
        workers have, too, or they would count as many and begin one more.
    """
    end = math.inf if timeout is None else time.monotonic() + timeout
    with ExitStack() as held:

        def is_done():
            held.enter_context(turn)
            return n_taken(study) >= n_trials

        def stop(study, trial):
            if is_done():
                study.stop()

        watched = _Watched(objective, begun=held.close)
        # A worker that was slow to start may find that others have done them all.
        while not is_done() and (left := end - time.monotonic()) > 0:
            try:
                study.optimize(watched, timeout=left, callbacks=[*callbacks, stop])
                return
            except (UpdateFinishedTrialError, ValueError) as error:
                if not _is_of_lost_trial(error):
                    raise
            _warn_of_lost_trial(watched)


def _warn_of_lost_trial(watched):
    if not isinstance(watched.error, (NoneType, TrialPruned, UpdateFinishedTrialError)):
        raise watched.error
    warnings.warn(
        f"trial {watched.number} is lost: another process failed it, since this "
        "one gave no sign of life for some time. The search goes on with the next.",
        stacklevel=3,
    )


def _is_of_lost_trial(error):
    """Say whether Optuna means that a trial was ended by another process."""
    return isinstance(error, UpdateFinishedTrialError) or bool(
        re.fullmatch(r"Cannot tell a \w+ trial\.", str(error))
    )


def _sign(trial):
    """Write down which process works at a trial."""
    pid = os.getpid()
    trial.set_user_attr(_PROCESS, {**_here(), "pid": pid, "start": _start_of(pid)})


def _here():
    """Return where a process id means the same process as here.

    Copies of a virtual machine may have one name, and containers one kernel.
    """
    boot = namespace = None
    # Linux has them, if not in all containers.
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    return {"host": platform.node(), "boot": boot, "pid_namespace": namespace}


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


def _is_alive(process, beats):
    """Say whether a process runs: yes, no, or None for what cannot be known here.

    Parameters
    ----------
    process : dict or None
        What `_sign` wrote.
    beats : bool
        Whether the storage has signs of life, and the trials without one were failed.
    """
    if process is None:
        return None
    here = _here()
    if os.name == "nt" or any(process.get(name) != here[name] for name in here):
        if beats:
            return True
        # A journal is of one machine: that was started anew since.
        boots = {process.get("boot"), here["boot"]}
        restarted = process["host"] == here["host"] and len(boots - {None}) == 2
        return False if restarted else None
    if sys.platform == "linux":
        return _start_of(process["pid"]) == process["start"]
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def fail_ended(study):
    """Fail the trials of processes that have ended.

    Parameters
    ----------
    study : optuna.Study
        The study.

    Returns
    -------
    set of int
        Numbers of the trials that are in work.
    """
    beats = _has_signs_of_life(study)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        fail_stale_trials(study)
    in_work = set()
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        alive = _is_alive(trial.user_attrs.get(_PROCESS), beats)
        if alive:
            in_work.add(trial.number)
        elif alive is False:
            # Another process may be quicker.
            with suppress(UpdateFinishedTrialError):
                study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    return in_work


def _has_signs_of_life(study):
    interval = getattr(study._storage, "get_heartbeat_interval", lambda: None)
    return interval() is not None


def n_taken(study):
    """Return how many trials are finished or in work.

    Finished are those that were completed or pruned or that failed by themselves. Trials
    of processes that have ended are failed first; they do not count.
    """
    in_work = fail_ended(study)
    trials = study.get_trials(deepcopy=False)
    return sum(trial.number in in_work or counts(trial) for trial in trials)


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
