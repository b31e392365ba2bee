"""Execution of an Optuna study in one or several processes, and counting of its trials."""

import math
import os
import platform
import re
import tempfile
import threading
import time
import uuid
import warnings
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import NoneType

import optuna
from optuna.exceptions import ExperimentalWarning, TrialPruned, UpdateFinishedTrialError
from optuna.storages import (
    InMemoryStorage,
    fail_stale_trials,
)
from optuna.trial import TrialState

from octsk.model_selection.storage import secrets_hidden
from octsk.utils.files import acquire_lock, is_locked

# User attributes of trials, which store what Optuna itself does not record.
FOLDS = "folds"
ERROR = "error"
_PROCESS = "process"


def is_shared(study):
    """Return whether other processes can share a study because it is not in memory."""
    return not isinstance(study._storage, InMemoryStorage)


def end_with(parent):
    """End this process as soon as its parent ends, even if the parent is killed.

    Otherwise the worker of a killed search would still run trials when the search is
    started again.

    Parameters
    ----------
    parent : int
        Process id of the parent.
    """

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Watched:
    """Objective that keeps its last error, which Optuna discards if the trial is lost.

    Parameters
    ----------
    objective : callable
        Function called with each trial.
    worker : str
        Name of the lock that this worker holds, which shows other processes that the
        worker is alive.
    begun : callable
        Function called without arguments as soon as the name is stored in a trial.
    """

    def __init__(self, objective, worker, begun):
        self._objective = objective
        self._process = {"host": platform.node(), "pid": os.getpid(), "lock": worker}
        self._begun = begun
        self.number: int | None = None
        self.error: BaseException | None = None

    def __call__(self, trial):
        self.number, self.error = trial.number, None
        try:
            with secrets_hidden(trial.storage):
                trial.set_user_attr(_PROCESS, self._process)
                self._begun()
                return self._objective(trial)
        except BaseException as error:
            self.error = error
            raise


def optimize(study, objective, *, n_trials, timeout, callbacks, turn):
    """Run trials until a study has all of them, even if some are lost.

    Other processes mark a trial as failed if its process does not respond, for example
    because the computer slept. If that process is still alive, its trial is lost, and
    Optuna's own loop would end with an error.

    Parameters
    ----------
    study : optuna.Study
        The study.
    objective : callable
        Function called with each trial.
    n_trials : int
        Number of trials that the study should have at the end; see `n_taken`.
    timeout : float or None
        Time in seconds after which no new trial starts.
    callbacks : list of callable
        Functions called with the study and the trial after each trial.
    turn : context manager
        Lock that the workers share. It is held from counting the trials to starting the
        next one. Otherwise two workers could count the same number and start one trial too
        many.
    """
    end = math.inf if timeout is None else time.monotonic() + timeout
    worker = uuid.uuid4().hex
    with acquire_lock(_lock_of(study, worker)), ExitStack() as held:

        def is_done():
            held.enter_context(turn)
            return n_taken(study) >= n_trials

        def stop(study, trial):
            if is_done():
                study.stop()

        watched = _Watched(objective, worker, begun=held.close)
        # A worker that started slowly may find that the others have run all trials.
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
        f"trial {watched.number} is lost: another process marked it as failed, since this "
        "process did not respond for some time. The search continues with the next trial.",
        stacklevel=3,
    )


def _is_of_lost_trial(error):
    """Return whether an error of Optuna means that another process ended the trial."""
    return isinstance(error, UpdateFinishedTrialError) or bool(
        re.fullmatch(r"Cannot tell a \w+ trial\.", str(error))
    )


def _lock_of(study, worker):
    """Return the path that a worker locks while it runs trials of a study.

    If the study is in a journal, the lock is in the same folder, so that it is visible to
    all machines that share the folder. For any other storage, the lock is only visible to
    processes on this machine.
    """
    journal = _journal_of(study)
    if journal is None:
        return Path(tempfile.gettempdir(), f"octsk-{worker}")
    return Path(f"{journal}-{worker}")


def _journal_of(study):
    return getattr(getattr(study._storage, "_backend", None), "_file_path", None)


def _is_in_work(study, trial):
    """Return whether the process of a running trial is alive, or None if unknown."""
    worker = trial.user_attrs.get(_PROCESS, {}).get("lock")
    if worker is None:
        return None
    with suppress(PermissionError):  # if the lock belongs to another user
        held = is_locked(_lock_of(study, worker))
        if held is not None or _journal_of(study):
            return bool(held)
    # The process is on another machine. If the storage has heartbeats, trials of dead
    # processes are no longer marked as running.
    interval = getattr(study._storage, "get_heartbeat_interval", lambda: None)
    return True if interval() is not None else None


def fail_ended(study):
    """Mark running trials as failed if their processes have ended.

    Parameters
    ----------
    study : optuna.Study
        The study.

    Returns
    -------
    set of int
        Numbers of the trials that are still running.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        fail_stale_trials(study)
    in_work = set()
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        is_in_work = _is_in_work(study, trial)
        if is_in_work:
            in_work.add(trial.number)
        elif is_in_work is False:
            # Another process may have marked it already.
            with suppress(UpdateFinishedTrialError):
                study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    return in_work


def n_taken(study):
    """Return how many trials of a study count towards `n_trials`.

    These are the trials that are running, completed or pruned, or that failed because of an
    error in their fit. Trials of processes that have ended are first marked as failed, and
    do not count.
    """
    in_work = fail_ended(study)
    trials = study.get_trials(deepcopy=False)
    return sum(trial.number in in_work or counts(trial) for trial in trials)


def report_scores(trial, scores):
    """Report the scores of the folds of a trial for Optuna's terminators, if available."""
    try:
        from optuna.terminator import report_cross_validation_scores
    except ImportError:  # Optuna 6 will remove terminators
        return
    if len(scores) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            report_cross_validation_scores(trial, scores)


def ended_trials(study):
    """Return the trials that have ended, in the order in which they ended."""
    trials = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
    return sorted(trials, key=lambda trial: trial.datetime_complete)


def counts(trial):
    """Return whether a finished trial counts towards `n_trials`; a killed one does not."""
    return is_evaluated(trial) or trial.state == TrialState.PRUNED


def is_evaluated(trial):
    """Return whether a trial was tried on all folds, even if it failed on some."""
    by_itself = trial.state == TrialState.COMPLETE or ERROR in trial.user_attrs
    return trial.state.is_finished() and by_itself and FOLDS in trial.user_attrs


@contextmanager
def quiet(silent):
    """Suppress Optuna's log messages below errors within the block, if `silent`."""
    before = optuna.logging.get_verbosity()
    if silent:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
