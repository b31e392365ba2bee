"""Execution of the trials of a search, in this process or in several workers."""

import os
import signal
import warnings
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from copy import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
from filelock import FileLock
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.utils.parallel import Parallel, delayed

from octsk.model_selection._folds import find_net, fit_fold
from octsk.model_selection.storage import secrets_hidden
from octsk.model_selection.study import (
    ERROR,
    FOLDS,
    end_with,
    fail_ended,
    is_evaluated,
    n_taken,
    optimize,
    quiet,
    report_scores,
)
from octsk.utils.processes import starting_processes
from octsk.utils.tensorflow import start_tensorflow


class TrialRunner:
    """Runner of the trials of a search.

    Parameters
    ----------
    search : OCTSearchCV
        The search, whose study is open.
    space : Space
        The parameters to vary.
    folds : Folds
        The folds on which each candidate is fitted and scored.
    """

    def __init__(self, search, space, folds):
        self.search = search
        self.space = space
        self.folds = folds

    def run(self):
        """Run trials until the study has `n_trials` of them.

        Raises
        ------
        ChildProcessError
            If a process of the search was killed.
        KeyboardInterrupt
            If the search was interrupted before any trial was evaluated. Later, an
            interrupt only ends the search and issues a warning.
        """
        search = self.search
        left = search.n_trials - n_taken(search.study_)
        if left < 1:
            return
        n_workers = min(search.n_workers, left)
        is_parallel = n_workers > 1 or joblib.effective_n_jobs(search.n_jobs) > 1
        try:
            with starting_processes() if is_parallel else nullcontext():
                if n_workers == 1:
                    self.work(turn=nullcontext())
                else:
                    self._run_workers(n_workers)
        except BrokenProcessPool:
            fail_ended(search.study_)
            raise ChildProcessError(
                "a process of the search was killed, perhaps because memory ran out. The "
                "finished trials are in study_. If the study has a storage, run the same "
                "search again to continue it, if necessary with fewer processes."
            ) from None
        except KeyboardInterrupt:
            # joblib has killed the workers by now.
            fail_ended(search.study_)
            if not any(map(is_evaluated, search.study_.get_trials())):
                raise
            warnings.warn(
                "the search was interrupted; it continues with the best trial so far.",
                stacklevel=3,
            )

    def _run_workers(self, n_workers):
        # The folds are in self.folds, and a generator of folds cannot be sent to a process.
        search = copy(self.search).set_params(cv=None)
        runner = TrialRunner(search, self.space, self.folds)
        with TemporaryDirectory(prefix="octsk-", ignore_cleanup_errors=True) as folder:
            lock = Path(folder) / "turn"
            Parallel(
                n_jobs=n_workers,
                backend="loky",
                initializer=_start_worker,
                initargs=(os.getpid(),),
            )(delayed(_work_in_worker)(runner, lock) for _ in range(n_workers))

    def work(self, turn):
        """Evaluate candidates in this process until the study has all its trials.

        Parameters
        ----------
        turn : context manager
            Lock that is shared by the workers of a search; see `optimize`.
        """
        search = self.search
        with Parallel(n_jobs=search.n_jobs) as parallel:
            optimize(
                search.study_,
                lambda trial: self._evaluate(trial, parallel),
                n_trials=search.n_trials,
                timeout=search.timeout,
                callbacks=list(search.callbacks or []),
                turn=turn,
            )

    def _evaluate(self, trial, parallel):
        """Evaluate a trial, and return its score, or its score and cost if there is one.

        The results of its folds are stored as an attribute of the trial.
        """
        search = self.search
        params = self.space.suggest(trial)
        candidate = clone(search.estimator).set_params(**clone(params, safe=False))
        results = self._fit_folds(trial, candidate, parallel)
        scores = [float(search._ranking_score(one["test_scores"])) for one in results]
        score = np.mean(scores)
        trial.set_user_attr(FOLDS, results)
        if not np.isnan(score):
            report_scores(trial, scores)
        else:
            errors = [one["fit_error"] for one in results if one["fit_error"]]
            trial.set_user_attr(ERROR, (errors or ["its score is nan on a fold"])[0])
        if search.cost is None:
            return score
        cost = np.mean([one["cost"] for one in results])
        if np.isnan(cost) and not np.isnan(score):
            # Optuna marks this trial as failed. Store a reason, as for errors of a fit.
            trial.set_user_attr(ERROR, "its cost is nan")
        return score, cost

    def _fit_folds(self, trial, candidate, parallel):
        """Return the results of a trial's folds, or raise ``optuna.TrialPruned``."""
        first = []
        if self.search.pruner is not None:
            first = [self._fit_first_fold(trial, clone(candidate))]
        results = first + parallel(
            delayed(fit_fold)(clone(candidate), **self.folds.arguments(i))
            for i in range(len(first), len(self.folds.splits))
        )
        errors = [one["fit_error"] for one in results if one["fit_error"]]
        if errors:
            warnings.warn(
                f"{len(errors)} of {len(results)} fits of trial {trial.number} failed with "
                f"{trial.params}. The first error: {errors[0]}",
                FitFailedWarning,
                stacklevel=2,
            )
        return results

    def _fit_first_fold(self, trial, candidate):
        """Fit the first fold, and stop as soon as the pruner requests it."""
        from optuna.exceptions import TrialPruned, UpdateFinishedTrialError

        from octsk.training import EpochCallback, given_callbacks

        stops: list[Exception] = []

        def report(n_epochs):
            score = self.search._ranking_score(self.folds.score(candidate, 0))
            try:
                trial.report(score, n_epochs)
                if trial.should_prune():
                    stops.append(TrialPruned(f"after {n_epochs} epochs"))
            except UpdateFinishedTrialError as error:
                # If this were raised here, it would count as an error of the fit.
                stops.append(error)
            return bool(stops)

        _, net = find_net(candidate)
        callbacks = [*given_callbacks(net.callbacks), EpochCallback(net, report)]
        net.set_params(callbacks=callbacks)
        result = fit_fold(candidate, **self.folds.arguments(0))
        if stops:
            raise stops[0]
        return result


def _start_worker(parent):
    """Prepare a worker process before it receives a search."""
    # Ctrl-C reaches all processes of a terminal, but only the parent acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)
    start_tensorflow()


def _work_in_worker(runner, lock):
    """Run trials in a worker process."""
    search = runner.search
    # Otherwise a sampler that does not have a seed for each trial would suggest the same
    # parameters in all workers.
    search.study_.sampler.reseed_rng()
    with quiet(silent=not search.verbose), secrets_hidden(search.study_._storage):
        runner.work(turn=FileLock(lock))
