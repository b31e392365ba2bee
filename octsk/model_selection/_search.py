"""Search for settings: the report's grid, search spaces and Optuna studies."""

import os
import signal
import time
import warnings
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from copy import copy
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
from filelock import FileLock
from sklearn.base import clone, is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import _insert_error_scores
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params, _num_samples

from octsk.model_selection._distributions import Space
from octsk.model_selection._folds import Folds, count_parameters, find_net, fit_fold
from octsk.model_selection._samplers_and_pruners import TrialSeededSampler, make_pruner
from octsk.model_selection._spaces import search_space
from octsk.model_selection.storage import open_study, secrets_hidden
from octsk.model_selection.study import (
    ERROR,
    FOLDS,
    check_question,
    check_space,
    end_with,
    fail_ended,
    is_evaluated,
    is_shared,
    n_taken,
    optimize,
    quiet,
    report_scores,
)
from octsk.utils.columns import check_groups
from octsk.utils.json import describe
from octsk.utils.processes import starting_processes
from octsk.utils.tensorflow import start_tensorflow
from octsk.utils.urls import Address

# Parameters that change no score, and one that holds others.
_IDLE = {"verbose", "callbacks", "checkpoint_dir", "n_jobs", "steps"}


class OCTSearchCV(BaseSearchCV):
    """Hyperparameter search by an Optuna study with cross-validated trials.

    What :class:`~sklearn.model_selection.RandomizedSearchCV` is, with three things more:
    each trial learns from those before; bad trials are stopped after a few epochs, with
    `pruner`; and a study with a name or a storage lives in a file or a database, so that
    it can be killed and continued, and several processes can work at it.

    Parameters
    ----------
    estimator : estimator instance
        An octsk net, a pipeline or any other scikit-learn estimator.
    param_distributions : dict of str to optuna distribution or list, default=None
        What to vary; a list holds values to choose from. None takes
        ``search_space(estimator)``.
    n_trials : int, default=30
        Trials in the study when the search ends. Those count that were completed or
        pruned or that failed by an error of their own, in whatever process and run, and
        those that other processes are at; those of a process that was killed do not.
    timeout : float, default=None
        Seconds after which no trial is begun any more.
    scoring : str, callable, list, tuple or dict, default="balanced_accuracy"
        As in :class:`~sklearn.model_selection.GridSearchCV`; "roc_auc_ovr" is the macro
        average of the one-vs-rest AUC. Plain accuracy misleads on classes as unequal as
        OCT data have. With several metrics, trials are judged by the one that `refit`
        names, or else by the first.
    n_jobs : int, default=None
        Processes for the folds of a trial.
    n_workers : int, default=1
        Processes at the study, each with a trial of its own and its share of the cores.
        With more than one, the study needs a storage or a name. They begin trials one
        after the other; searches begun apart, in several terminals or on several
        machines, may begin the last trial at the same moment, and one too many.
    refit : bool, str or callable, default=True
        As in :class:`~sklearn.model_selection.GridSearchCV`.
    cv : int, cross-validation generator or iterable, default=None
        As in :class:`~sklearn.model_selection.GridSearchCV`. All trials have the same
        folds. A splitter that shuffles needs a `random_state` in a study that is to be
        continued, and an iterator serves a single fit.
    verbose : int, default=0
        0 for silence, 1 or more for Optuna's line on each trial.
    random_state : int, RandomState instance or None, default=None
        Seed of what is tried, trial by trial: a continued study does not try the same
        again. Not used with `sampler`. The estimator has a `random_state` of its own.
    error_score : "raise" or float, default=nan
        Score of a fold on which the fit fails. At nan the trial fails and the search goes
        on.
    return_train_score : bool, default=False
        Whether `cv_results_` holds scores on the training folds.
    storage : str, path-like or optuna.storages.BaseStorage, default=None
        Where the study lives: the path of a journal file, the URL of a database such as
        ``"postgresql+psycopg://..."``, or an Optuna storage. None means a journal file
        in the folder ``studies`` of octsk's data home (see
        :func:`octsk.datasets.get_data_home`) for a study with a name, and the memory of
        the process for one without. No message and no ``repr()`` of the search shows the
        user name, password or query of a URL.
    study_name : str, default=None
        Name of the study. `fit` continues the study of this name in the storage.
    sampler : optuna.samplers.BaseSampler, default=None
        What suggests parameters; None is Optuna's TPE.
    pruner : {"median", "hyperband"} or optuna.pruners.BasePruner, default=None
        What stops trials. With one, the first fold is trained first, in this process, and
        scored on its test images after each epoch; where the pruner says so, this
        training ends and the other folds are never begun. For octsk nets and pipelines
        that end in one; not with `cost`.
    cost : {"n_parameters", "fit_time"} or callable, default=None
        A second objective, to be kept low: the size of the network, the seconds of a fit,
        or a number that a function gives for a fitted estimator. See `pareto_front_`.
    callbacks : list of callable, default=None
        Called with the study and the trial after each trial, as in
        ``optuna.study.Study.optimize``; with several workers, in the worker's process. A
        clone of the search has the same callbacks and storage, not copies of them.
        Optuna's ``TerminatorCallback`` finds the scores of the folds that it needs.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        As in :class:`~sklearn.model_selection.GridSearchCV`, one row for each trial that
        was fitted on all folds, those of other processes and runs included. "trial" is
        its number in the study, "cost" the mean of its costs. Pruned trials are in
        `study_`.
    best_index_, best_params_, best_score_, best_estimator_, refit_time_
        As in :class:`~sklearn.model_selection.GridSearchCV`. The best trial is the one
        with the highest score, whatever its cost; a callable `refit` can choose another.
    pareto_front_ : ndarray of int
        Rows of `cv_results_` for which no other has both a higher score and a lower cost,
        by rising cost. Only with `cost`.
    study_ : optuna.Study
        The study, for Optuna's plots and importances.
    n_splits_ : int
        Number of folds.
    scorer_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in :class:`~sklearn.model_selection.GridSearchCV`.

    See Also
    --------
    search_space : What is varied by default.
    report_grid_search : The report's own grid.

    Notes
    -----
    Ctrl-C ends the search, not the fit: with a warning it goes on with the best of the
    finished trials, which is refitted. A second Ctrl-C ends that.

    A study that is continued must be the same one: `fit` compares the images, labels,
    weights, folds, scoring, `error_score` and the estimator's other parameters with those
    that the study was begun with.

    Examples
    --------
    >>> from octsk import OCTSearchCV, SmallOCTNet, make_oct_phantoms
    >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
    >>> search = OCTSearchCV(
    ...     SmallOCTNet(epochs=1, filters=(4,), random_state=0),
    ...     {"optimizer": ["adam", "nadam"]},
    ...     n_trials=2,
    ...     cv=2,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> search.cv_results_["mean_test_score"].shape
    (2,)
    >>> search.predict(X[:3]).shape
    (3,)
    """

    _parameter_constraints: dict = {
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [None, dict],
        "n_trials": [Interval(Integral, 1, None, closed="left")],
        "timeout": [None, Interval(Real, 0, None, closed="neither")],
        "n_workers": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "storage": [None, str, PathLike, HasMethods(["create_new_study"])],
        "study_name": [None, str],
        "sampler": [None, HasMethods(["sample_relative"])],
        "pruner": [None, StrOptions({"median", "hyperband"}), HasMethods(["prune"])],
        "cost": [None, StrOptions({"n_parameters", "fit_time"}), callable],
        "callbacks": [None, list, tuple],
    }
    del _parameter_constraints["pre_dispatch"]

    def __init__(
        self,
        estimator,
        param_distributions=None,
        *,
        n_trials=30,
        timeout=None,
        scoring="balanced_accuracy",
        n_jobs=None,
        n_workers=1,
        refit=True,
        cv=None,
        verbose=0,
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
        storage=None,
        study_name=None,
        sampler=None,
        pruner=None,
        cost=None,
        callbacks=None,
    ):
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.n_trials = n_trials
        self.timeout = timeout
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.n_workers = n_workers
        self.refit = refit
        self.cv = cv
        self.verbose = verbose
        self.random_state = random_state
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.storage = storage
        self.study_name = study_name
        self.sampler = sampler
        self.pruner = pruner
        self.cost = cost
        self.callbacks = callbacks

    def set_callbacks(self, *callbacks):
        """Raise an error, since scikit-learn's callbacks know no trials; see `callbacks`.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(
            "OCTSearchCV does not call scikit-learn's callbacks; its parameter callbacks= "
            "takes functions of the study and the trial."
        )

    @property
    def storage(self):
        """Storage of the study, whose ``repr()`` shows no password."""
        return self.__dict__["storage"]

    @storage.setter
    def storage(self, storage):
        is_address = isinstance(storage, str) and "://" in storage
        if is_address and not isinstance(storage, Address):
            storage = Address(storage)
        self.__dict__["storage"] = storage

    def __sklearn_clone__(self):
        # A copy of these would speak to nobody, and some cannot be copied.
        unlinked = copy(self).set_params(storage=None, callbacks=None)
        cloned = super(OCTSearchCV, unlinked).__sklearn_clone__()
        return cloned.set_params(storage=self.storage, callbacks=self.callbacks)

    def fit(self, X, y=None, **params):
        """Search, and fit the estimator with the best parameters on all images.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images, or whatever the estimator takes.
        y : array-like of shape (n,), default=None
            Labels. Only estimators that learn without labels do without.
        **params : dict
            Parameters for the estimator's `fit`, such as `sample_weight`, and for the
            splitter, such as `groups`.

        Returns
        -------
        OCTSearchCV
            The search itself.

        Raises
        ------
        ChildProcessError
            If one of its processes was killed. The study keeps what was finished.
        ConnectionError
            If the database of the study cannot be used.
        ValueError
            If a parameter is not as described, if the study in the storage is another
            one, or if no trial got a score.
        """
        self._validate_params()
        if y is None and get_tags(self.estimator).target_tags.required:
            raise ValueError(
                f"y is None, but {type(self.estimator).__name__} learns from labels: pass "
                "them as fit(X, y)."
            )
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        if params.get("groups") is not None:
            check_groups(params["groups"], _num_samples(X))
        routed = self._get_routed_params_for_fit(params)
        scorer, refit_metric = self._get_scorers()
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        folds = Folds(
            X,
            y,
            splits=list(cv.split(X, y, **routed.splitter.split)),
            cost=count_parameters if self.cost == "n_parameters" else self.cost,
            scorer=scorer,
            fit_params=routed.estimator.fit,
            score_params=routed.scorer.score,
            error_score=self.error_score,
            return_train_score=self.return_train_score,
        )
        self.n_splits_ = len(folds.splits)
        if not folds.splits:
            raise ValueError(
                f"cv={self.cv!r} gives no folds. An iterator, which is empty after its "
                "first use, must be made anew for each fit, or turned into a list."
            )
        if self.param_distributions == {}:
            raise ValueError(
                "param_distributions is empty, so there is nothing to vary; None takes "
                "search_space(estimator)."
            )
        space = Space(
            search_space(self.estimator)
            if self.param_distributions is None
            else self.param_distributions
        )
        # Unknown parameters are found before the study begins.
        clone(self.estimator).set_params(**clone(space.example(), safe=False))
        with quiet(silent=not self.verbose):
            self.study_ = self._open_study(space)
            with secrets_hidden(self.study_._storage):
                self._run_study(space, folds)
                results = self._read_results(space)
        self._select_best(results, refit_metric)
        if self.refit:
            self._refit(X, y, routed.estimator.fit)
        self.scorer_ = getattr(scorer, "_scorers", scorer)
        self.cv_results_ = results
        return self

    def _open_study(self, space):
        max_epochs = None
        if self.pruner is not None:
            prefix, net = find_net(self.estimator)
            if net is None:
                raise ValueError(
                    "pruner needs an octsk net, or a pipeline that ends in one, to see its "
                    f"epochs; estimator={self.estimator!r} is none."
                )
            max_epochs = space.highest(f"{prefix}epochs", net.epochs)
        if self.pruner is not None and self.cost is not None:
            raise ValueError(
                f"pruner={self.pruner!r} and cost={self.cost!r}: Optuna prunes by one "
                "objective. Give one of them."
            )
        if self.n_workers > 1 and self.n_jobs not in (None, 1):
            raise ValueError(
                f"n_workers={self.n_workers} and n_jobs={self.n_jobs}: the processes would "
                "start processes. Give one of them."
            )
        sampler = self.sampler
        if sampler is None and self.random_state is not None:
            seed = check_random_state(self.random_state).randint(2**31 - 1)
            sampler = TrialSeededSampler(int(seed))
        study = open_study(
            self.storage,
            self.study_name,
            sampler=sampler,
            pruner=make_pruner(self.pruner, max_epochs),
            directions=["maximize"] if self.cost is None else ["maximize", "minimize"],
        )
        if self.n_workers > 1 and not is_shared(study):
            raise ValueError(
                f"n_workers={self.n_workers} need a study that they can share: give a "
                "storage or a study_name."
            )
        return study

    def _question(self, space, folds):
        """Return what the scores of a study depend on besides the varied parameters."""
        # A search that an error ended can go on without such an end.
        error_score = np.nan if self.error_score == "raise" else self.error_score
        question = {
            "images, labels and folds": folds.fingerprint(),
            "scoring": describe(self.scoring),
            "metric": self.refit if isinstance(self.refit, str) else "",
            "cost": describe(self.cost),
            "return_train_score": f"{self.return_train_score!r}",
            "error_score": f"{float(error_score)}",
            "parameters of fit and scorers": folds.hash_of_parameters(),
            "estimator": type(self.estimator).__name__,
        }
        for name, value in self.estimator.get_params(deep=True).items():
            if name not in space.distributions and name.rpartition("__")[2] not in _IDLE:
                # What a part of the estimator is made of has names of its own.
                part = hasattr(value, "get_params")
                words = type(value).__name__ if part else describe(value)
                if value is not None and name.rpartition("__")[2] == "init_from":
                    from octsk.classifiers import describe_source

                    words = describe_source(value)
                question[f"estimator__{name}"] = words
        return question

    def _run_study(self, space, folds):
        check_question(self.study_, self._question(space, folds))
        check_space(self.study_, space)
        left = self.n_trials - n_taken(self.study_)
        if left < 1:
            return
        n_workers = min(self.n_workers, left)
        is_parallel = n_workers > 1 or joblib.effective_n_jobs(self.n_jobs) > 1
        try:
            with starting_processes() if is_parallel else nullcontext():
                if n_workers == 1:
                    self._work(space, folds, turn=nullcontext())
                else:
                    self._run_workers(n_workers, space, folds)
        except BrokenProcessPool:
            fail_ended(self.study_)
            raise ChildProcessError(
                "a process of the search was killed, perhaps for want of memory. The "
                "finished trials are in study_; where it has a storage, the same search, "
                "started again, goes on from them, with fewer processes if need be."
            ) from None
        except KeyboardInterrupt:
            # By now the workers are killed.
            fail_ended(self.study_)
            if not any(map(is_evaluated, self.study_.get_trials())):
                raise
            warnings.warn(
                "the search was interrupted; it goes on with the best trial so far.",
                stacklevel=3,
            )

    def _run_workers(self, n_workers, space, folds):
        with TemporaryDirectory(prefix="octsk-", ignore_cleanup_errors=True) as folder:
            lock = Path(folder) / "turn"
            # The folds are known by now, and a generator of folds cannot be sent.
            search = copy(self).set_params(cv=None)
            Parallel(
                n_jobs=n_workers,
                backend="loky",
                initializer=_start_worker,
                initargs=(os.getpid(),),
            )(delayed(_work_apart)(search, space, folds, lock) for _ in range(n_workers))

    def _work(self, space, folds, turn):
        """Evaluate parameters until the study has all its trials."""

        def objective(trial):
            params = space.suggest(trial)
            candidate = clone(self.estimator).set_params(**clone(params, safe=False))
            results = self._evaluate(trial, candidate, folds, parallel)
            scores = [float(self._objective(one["test_scores"])) for one in results]
            score = np.mean(scores)
            trial.set_user_attr(FOLDS, results)
            if not np.isnan(score):
                report_scores(trial, scores)
            else:
                errors = [one["fit_error"] for one in results if one["fit_error"]]
                trial.set_user_attr(ERROR, (errors or ["its score is nan on a fold"])[0])
            if self.cost is None:
                return score
            cost = np.mean([one["cost"] for one in results])
            if np.isnan(cost) and not np.isnan(score):
                # Optuna fails it; it counts as one that failed by itself.
                trial.set_user_attr(ERROR, "its cost is nan")
            return score, cost

        with Parallel(n_jobs=self.n_jobs) as parallel:
            optimize(
                self.study_,
                objective,
                n_trials=self.n_trials,
                timeout=self.timeout,
                callbacks=list(self.callbacks or []),
                turn=turn,
            )

    def _evaluate(self, trial, candidate, folds, parallel):
        """Return the results of a trial's folds, or raise ``optuna.TrialPruned``."""
        first = []
        if self.pruner is not None:
            first = [self._fit_reporting(trial, clone(candidate), folds)]
        results = first + parallel(
            delayed(fit_fold)(clone(candidate), **folds.arguments(i))
            for i in range(len(first), self.n_splits_)
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

    def _fit_reporting(self, trial, candidate, folds):
        """Fit the first fold, stopping as soon as Optuna says so."""
        from optuna.exceptions import TrialPruned, UpdateFinishedTrialError

        from octsk.training import EpochCallback, given_callbacks

        stops: list[Exception] = []

        def report(n_epochs):
            score = self._objective(folds.score(candidate, 0))
            try:
                trial.report(score, n_epochs)
                if trial.should_prune():
                    stops.append(TrialPruned(f"after {n_epochs} epochs"))
            except UpdateFinishedTrialError as error:
                # Or the fit would be taken for one that failed.
                stops.append(error)
            return bool(stops)

        _, net = find_net(candidate)
        callbacks = [*given_callbacks(net.callbacks), EpochCallback(net, report)]
        net.set_params(callbacks=callbacks)
        result = fit_fold(candidate, **folds.arguments(0))
        if stops:
            raise stops[0]
        return result

    def _objective(self, scores):
        """Return the score that trials are judged by."""
        if not isinstance(scores, dict):
            return scores
        self._check_refit_for_multimetric(scores)
        return scores[self.refit if isinstance(self.refit, str) else next(iter(scores))]

    def _metric(self):
        """Return the name in `cv_results_` of the score that trials are judged by."""
        if not self.multimetric_ or isinstance(self.refit, str):
            return self.refit if self.multimetric_ else "score"
        names = (name for name in self.cv_results_ if name.startswith("mean_test_"))
        return next(names).removeprefix("mean_test_")

    def _read_results(self, space):
        """Return `cv_results_` of all trials in the study that were fitted on all folds."""
        trials = [t for t in self.study_.get_trials() if is_evaluated(t)]
        outcomes = [fold for t in trials for fold in t.user_attrs[FOLDS]]
        if callable(self.scoring):
            _insert_error_scores(outcomes, self.error_score)
        if not any(trial.values for trial in trials):
            errors = [trial.user_attrs[ERROR] for trial in trials]
            raise ValueError(
                f"no trial of the study {self.study_.study_name!r} got a score; "
                + (f"the first failed: {errors[0]}" if errors else "none was finished.")
            )
        more = {"trial": np.array([trial.number for trial in trials])}
        if self.cost is not None:
            costs = np.reshape([o["cost"] for o in outcomes], (len(trials), -1))
            more["cost"] = costs.mean(axis=1)
            front = {trial.number for trial in self.study_.best_trials}
            rows = [row for row, trial in enumerate(trials) if trial.number in front]
            self.pareto_front_ = np.array(sorted(rows, key=more["cost"].__getitem__))
        self.multimetric_ = isinstance(outcomes[0]["test_scores"], dict)
        candidates = [space.values(trial.params) for trial in trials]
        return self._format_results(candidates, self.n_splits_, outcomes, more)

    def _select_best(self, results, refit_metric):
        if callable(self.scoring) and self.multimetric_:
            names = [k.removeprefix("mean_test_") for k in results if "mean_test_" in k]
            self._check_refit_for_multimetric(dict.fromkeys(names))
            refit_metric = self.refit
        if not self.refit and self.multimetric_:
            return
        self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
        if not callable(self.refit):
            self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
        self.best_params_ = results["params"][self.best_index_]

    def _refit(self, X, y, fit_params):
        self.best_estimator_ = clone(self.estimator).set_params(
            **clone(self.best_params_, safe=False)
        )
        start = time.perf_counter()
        self.best_estimator_.fit(X, *([] if y is None else [y]), **fit_params)
        self.refit_time_ = time.perf_counter() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_


def _start_worker(parent):
    """Prepare a worker process, before it is given a search."""
    # Ctrl-C reaches all processes of a terminal; what follows is for the parent to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)
    start_tensorflow()


def _work_apart(search, space, folds, lock):
    """Work at the study of a search in a worker process."""
    # Or samplers without a seed for each trial would all suggest the same.
    search.study_.sampler.reseed_rng()
    with (
        quiet(silent=not search.verbose),
        secrets_hidden(search.study_._storage),
    ):
        search._work(space, folds, turn=FileLock(lock))
