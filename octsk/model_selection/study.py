"""What Optuna does for a search: suggests, and keeps the trials."""

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
from optuna.distributions import (
    check_distribution_compatibility,
)
from optuna.exceptions import ExperimentalWarning, TrialPruned, UpdateFinishedTrialError
from optuna.storages import (
    InMemoryStorage,
    fail_stale_trials,
)
from optuna.trial import TrialState

from octsk.model_selection.storage import secrets_hidden
from octsk.utils.files import acquire_lock, is_locked

# What a trial keeps beside Optuna's own record.
FOLDS = "folds"
ERROR = "error"
_PROCESS = "process"
_QUESTION = "question"


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
    worker : str
        Name of the lock that this worker holds, for other processes to look at.
    begun : callable
        Called without arguments as soon as a trial is signed.
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
    worker = uuid.uuid4().hex
    with acquire_lock(_lock_of(study, worker)), ExitStack() as held:

        def is_done():
            held.enter_context(turn)
            return n_taken(study) >= n_trials

        def stop(study, trial):
            if is_done():
                study.stop()

        watched = _Watched(objective, worker, begun=held.close)
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


def _lock_of(study, worker):
    """Return the path that a worker locks while it works at a study.

    All machines that share the folder of a journal see the lock beside it. With any other
    storage it is one of this machine.
    """
    journal = _journal_of(study)
    if journal is None:
        return Path(tempfile.gettempdir(), f"octsk-{worker}")
    return Path(f"{journal}-{worker}")


def _journal_of(study):
    return getattr(getattr(study._storage, "_backend", None), "_file_path", None)


def _is_in_work(study, trial):
    """Say whether a process works at a running trial: yes, no, or None if unknown."""
    worker = trial.user_attrs.get(_PROCESS, {}).get("lock")
    if worker is None:
        return None
    with suppress(PermissionError):  # of another user's lock
        held = is_locked(_lock_of(study, worker))
        if held is not None or _journal_of(study):
            return bool(held)
    # On another machine: of a database, trials without a sign of life have been failed.
    interval = getattr(study._storage, "get_heartbeat_interval", lambda: None)
    return True if interval() is not None else None


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        fail_stale_trials(study)
    in_work = set()
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        is_in_work = _is_in_work(study, trial)
        if is_in_work:
            in_work.add(trial.number)
        elif is_in_work is False:
            # Another process may be quicker.
            with suppress(UpdateFinishedTrialError):
                study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    return in_work


def n_taken(study):
    """Return how many trials are finished or in work.

    Finished are those that were completed or pruned or that failed by themselves. Trials
    of processes that have ended are failed first; they do not count.
    """
    in_work = fail_ended(study)
    trials = study.get_trials(deepcopy=False)
    return sum(trial.number in in_work or counts(trial) for trial in trials)


def report_scores(trial, scores):
    """Tell Optuna's terminators the scores of a trial's folds, where Optuna has them."""
    try:
        from optuna.terminator import report_cross_validation_scores
    except ImportError:  # to go in Optuna 6
        return
    if len(scores) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            report_cross_validation_scores(trial, scores)


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
