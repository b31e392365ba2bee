"""Search for settings: the report's grid, search spaces and Optuna studies."""

import json
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
from typing import Any

import joblib
import numpy as np
from filelock import FileLock
from sklearn.base import clone, is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import _insert_error_scores
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params

from octsk.model_selection._folds import Folds, fit_fold
from octsk.utils.json import describe, read_json
from octsk.utils.processes import starting_processes
from octsk.utils.tensorflow import start_tensorflow
from octsk.utils.urls import Address

# The epochs of the report's list of results, net by net.
_REPORT_EPOCHS = {"SmallOCTNet": [5, 10], "MediumOCTNet": [5, 7]}

# Sizes beside a net's own, as factors.
_SIZES = (0.25, 0.5, 1, 2)

# People write search spaces by hand.
_MAX_SPACE_BYTES = 2**20

_COST_WORDS = {"n_parameters": "parameters", "fit_time": "time of a fit (s)"}

# Of Okabe and Ito's colours, which the colour-blind tell apart.
_TRIALS, _FRONT = "#0072B2", "#D55E00"

# Parameters that change no score, and one that holds others.
_IDLE = {"verbose", "callbacks", "checkpoint_dir", "n_jobs", "steps"}


def report_grid_search(*, random_state=None, **params):
    """Make the search over the report's grid: nets, optimizers, epochs and augmentation.

    Small with 5 or 10 epochs and Medium with 5 or 7, each with Adam or Nadam and with or
    without augmentation: 16 candidates, among them the 12 of the report's list of
    results.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Seed of the nets.
    **params : dict
        Parameters of :class:`~sklearn.model_selection.GridSearchCV`, such as `cv` and
        `n_jobs`. `scoring` is "balanced_accuracy" if not given.

    Returns
    -------
    sklearn.model_selection.GridSearchCV
        The search, not fitted. Its estimator is a pipeline with one step, "net".

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021.

    Examples
    --------
    >>> from sklearn.model_selection import ParameterGrid
    >>> from octsk import report_grid_search
    >>> search = report_grid_search(cv=3, random_state=0)
    >>> len(ParameterGrid(search.param_grid))
    16
    """
    from octsk import classifiers

    grid = [
        {
            "net": [getattr(classifiers, net)(random_state=random_state)],
            "net__optimizer": ["adam", "nadam"],
            "net__epochs": epochs,
            "net__augmentation": [True, None],
        }
        for net, epochs in _REPORT_EPOCHS.items()
    ]
    pipeline = Pipeline([("net", classifiers.SmallOCTNet(random_state=random_state))])
    return GridSearchCV(pipeline, grid, **{"scoring": "balanced_accuracy"} | params)


def search_space(estimator, *, sizes=False):
    """Return what to vary of an estimator, as Optuna distributions.

    Of each octsk net in it: the learning rate, the optimizer, the batch size, half to
    twice its epochs (unless they are "auto"), the dropout, the label smoothing, the class
    weights, and the ranges of its augmentation if it has any. Of each
    :class:`~octsk.OCTAugmenter` in it: the ranges.

    Parameters
    ----------
    estimator : estimator instance
        A net, or a pipeline or other estimator that holds nets or augmenters.
    sizes : bool, default=False
        Whether to vary `filters` and `dense_units` as well, from a quarter to twice the
        net's own. Each size of a network is compiled anew, which takes seconds.

    Returns
    -------
    dict of str to optuna distribution or list
        By name of parameter; a list holds values to choose from. To change one, put
        another in its place: ``search_space(net) | {"epochs": [4, 8]}``.

    Raises
    ------
    ValueError
        If there is no net and no augmenter in the estimator.

    Examples
    --------
    >>> from octsk import SmallOCTNet, search_space
    >>> space = search_space(SmallOCTNet())
    >>> space["learning_rate"]
    FloatDistribution(high=0.01, log=True, low=0.0001, step=None)
    >>> space["augmentation__rotation_range"].high
    15.0
    """
    _import_study()
    from octsk.augmentation import OCTAugmenter
    from octsk.classifiers._base import BaseOCTNet

    space: dict[str, Any] = {}
    for name, part in {"": estimator, **estimator.get_params(deep=True)}.items():
        prefix = f"{name}__" if name else ""
        if isinstance(part, BaseOCTNet):
            space |= _prefixed(prefix, _net_space(part, sizes))
            if part.augmentation is True:
                space |= _prefixed(f"{prefix}augmentation__", _augmenter_space())
        elif isinstance(part, OCTAugmenter):
            space |= _prefixed(prefix, _augmenter_space())
    if not space:
        raise ValueError(f"no octsk net or augmenter to vary in estimator={estimator!r}.")
    return space


def _prefixed(prefix, space):
    return {prefix + name: drawn_from for name, drawn_from in space.items()}


def _net_space(net, sizes):
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    space: dict[str, Any] = {
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        # Of a kind: their learning rates can be compared.
        "optimizer": CategoricalDistribution(("adam", "adamw", "nadam")),
        "batch_size": IntDistribution(16, 128, log=True),
        # In steps, since the network is compiled anew for each value of these two.
        "dropout": FloatDistribution(0.0, 0.5, step=0.125),
        "label_smoothing": FloatDistribution(0.0, 0.1, step=0.05),
        "class_weight": CategoricalDistribution((None, "balanced")),
    }
    if net.epochs != "auto":
        space["epochs"] = IntDistribution(max(1, net.epochs // 2), 2 * net.epochs)
    for name in ("filters", "dense_units") if sizes else ():
        own = getattr(net, name)
        if len(own):
            space[name] = [tuple(max(1, int(n * size)) for n in own) for size in _SIZES]
    return space


def _augmenter_space():
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    highest = {
        "rotation_range": 15.0,
        "width_shift_range": 0.3,
        "height_shift_range": 0.3,
        "shear_range": 10.0,
        "zoom_range": 0.3,
        "brightness_range": 0.2,
        "contrast_range": 0.3,
    }
    ranges = {name: FloatDistribution(0.0, high) for name, high in highest.items()}
    return ranges | {"horizontal_flip": CategoricalDistribution((False, True))}


def read_search_space(path):
    """Read a search space from a JSON file.

    The file holds an object with one entry for each parameter: a list of values to
    choose from, or a distribution in Optuna's short form, an object of "type" ("float"
    or "int"), "low", "high" and if need be "log" and "step".

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    dict of str to optuna distribution or list
        The space, as :class:`~octsk.OCTSearchCV` takes it.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it holds no search space.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from octsk.model_selection import read_search_space
    >>> text = '''{
    ...     "optimizer": ["adam", "sgd"],
    ...     "learning_rate": {"type": "float", "low": 0.0001, "high": 0.1, "log": true}
    ... }'''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "space.json")
    ...     _ = path.write_text(text)
    ...     space = read_search_space(path)
    >>> space["optimizer"], space["learning_rate"].high
    (['adam', 'sgd'], 0.1)
    """
    _import_study()
    from optuna.distributions import json_to_distribution

    try:
        entries = read_json(path, _MAX_SPACE_BYTES)
        if not entries:
            raise ValueError("it is empty")
        return {
            name: entry
            if isinstance(entry, list)
            else json_to_distribution(json.dumps(entry))
            for name, entry in entries.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(
            f"{str(path)!r} holds no search space ({type(error).__name__}: {error}). It is "
            "a JSON object of lists of values and of objects such as "
            '{"type": "float", "low": 0.0001, "high": 0.01, "log": true}.'
        ) from error


class OCTSearchCV(BaseSearchCV):
    """Search by an Optuna study, each trial cross-validated.

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
        """Refuse scikit-learn's callbacks, which know nothing of trials: see `callbacks`.

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
        """Where the study lives; a ``repr()`` of it shows no password."""
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
        optuna_side = _import_study()
        from octsk.model_selection._space import Space

        if y is None and get_tags(self.estimator).target_tags.required:
            raise ValueError(
                f"y is None, but {type(self.estimator).__name__} learns from labels: pass "
                "them as fit(X, y)."
            )
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        scorer, refit_metric = self._get_scorers()
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        folds = Folds(
            X,
            y,
            splits=list(cv.split(X, y, **routed.splitter.split)),
            cost=_n_parameters if self.cost == "n_parameters" else self.cost,
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
        with optuna_side.quiet(silent=not self.verbose):
            self.study_ = self._open_study(space)
            with optuna_side.secrets_hidden(self.study_._storage):
                self._run_study(space, folds)
                results = self._read_results(space)
        self._select_best(results, refit_metric)
        if self.refit:
            self._refit(X, y, routed.estimator.fit)
        self.scorer_ = getattr(scorer, "_scorers", scorer)
        self.cv_results_ = results
        return self

    def _open_study(self, space):
        optuna_side = _import_study()
        max_epochs = None
        if self.pruner is not None:
            prefix, net = _final_net(self.estimator)
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
            sampler = optuna_side.TrialSeededSampler(int(seed))
        study = optuna_side.open_study(
            self.storage,
            self.study_name,
            sampler=sampler,
            pruner=optuna_side.make_pruner(self.pruner, max_epochs),
            directions=["maximize"] if self.cost is None else ["maximize", "minimize"],
        )
        if self.n_workers > 1 and not optuna_side.is_shared(study):
            raise ValueError(
                f"n_workers={self.n_workers} need a study that they can share: give a "
                "storage or a study_name."
            )
        return study

    def _question(self, space, folds):
        """Return what the scores of a study depend on besides what it varies."""
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
                question[f"estimator__{name}"] = words
        return question

    def _run_study(self, space, folds):
        optuna_side = _import_study()
        optuna_side.check_question(self.study_, self._question(space, folds))
        optuna_side.check_space(self.study_, space)
        left = self.n_trials - optuna_side.n_taken(self.study_)
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
            optuna_side.fail_ended(self.study_)
            raise ChildProcessError(
                "a process of the search was killed, perhaps for want of memory. The "
                "finished trials are in study_; where it has a storage, the same search, "
                "started again, goes on from them, with fewer processes if need be."
            ) from None
        except KeyboardInterrupt:
            # By now the workers are killed.
            optuna_side.fail_ended(self.study_)
            if not any(map(optuna_side.is_evaluated, self.study_.get_trials())):
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
        """Try parameters until the study has its trials."""
        optuna_side = _import_study()

        def objective(trial):
            params = space.suggest(trial)
            candidate = clone(self.estimator).set_params(**clone(params, safe=False))
            results = self._evaluate(trial, candidate, folds, parallel)
            scores = [float(self._objective(one["test_scores"])) for one in results]
            score = np.mean(scores)
            trial.set_user_attr(optuna_side.FOLDS, results)
            if not np.isnan(score):
                optuna_side.report_scores(trial, scores)
            else:
                errors = [one["fit_error"] for one in results if one["fit_error"]]
                trial.set_user_attr(
                    optuna_side.ERROR, (errors or ["its score is nan on a fold"])[0]
                )
            if self.cost is None:
                return score
            cost = np.mean([one["cost"] for one in results])
            if np.isnan(cost) and not np.isnan(score):
                # Optuna fails it; it counts as one that failed by itself.
                trial.set_user_attr(optuna_side.ERROR, "its cost is nan")
            return score, cost

        with Parallel(n_jobs=self.n_jobs) as parallel:
            optuna_side.optimize(
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

        from octsk.training._fitting import EpochCallback

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

        _, net = _final_net(candidate)
        net.set_params(callbacks=[*net._given_callbacks(), EpochCallback(net, report)])
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
        optuna_side = _import_study()
        trials = [t for t in self.study_.get_trials() if optuna_side.is_evaluated(t)]
        outcomes = [fold for t in trials for fold in t.user_attrs[optuna_side.FOLDS]]
        if callable(self.scoring):
            _insert_error_scores(outcomes, self.error_score)
        if not any(trial.values for trial in trials):
            errors = [trial.user_attrs[optuna_side.ERROR] for trial in trials]
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
    _import_study().end_with(parent)
    start_tensorflow()


def _work_apart(search, space, folds, lock):
    """Work at the study of a search in a worker process."""
    # Or samplers without a seed for each trial would all suggest the same.
    search.study_.sampler.reseed_rng()
    optuna_side = _import_study()
    with (
        optuna_side.quiet(silent=not search.verbose),
        optuna_side.secrets_hidden(search.study_._storage),
    ):
        search._work(space, folds, turn=FileLock(lock))


def _n_parameters(estimator):
    """Return the number of weights of the network in a fitted estimator."""
    _, net = _final_net(estimator)
    if net is None:
        raise ValueError(
            "cost='n_parameters' needs an octsk net, or a pipeline that ends in one; got "
            f"{estimator!r}."
        )
    return net.model_.count_params()


def _final_net(estimator):
    """Return the octsk net at the end of an estimator and what its parameters begin with.

    The net is None where there is none.
    """
    from octsk.classifiers._base import BaseOCTNet

    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return prefix, estimator if isinstance(estimator, BaseOCTNet) else None


def _import_study():
    with warnings.catch_warnings():
        # Of Optuna's own bar, in notebooks without ipywidgets; it is not used here.
        warnings.filterwarnings("ignore", "IProgress not found")
        from octsk.model_selection import _study
    return _study


def plot_pareto_front(search, *, ax=None):
    """Plot the scores of a search against their costs, and the Pareto front.

    Parameters
    ----------
    search : OCTSearchCV
        Fitted search with a `cost`.
    ax : matplotlib.axes.Axes, default=None
        Where to plot; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ValueError
        If the search has no cost.
    """
    if not hasattr(search, "pareto_front_"):
        raise ValueError(
            "search must be a fitted OCTSearchCV with a cost, such as cost='n_parameters'; "
            f"got {search!r}."
        )
    from matplotlib import pyplot

    ax = pyplot.subplots()[1] if ax is None else ax
    results, front, metric = search.cv_results_, search.pareto_front_, search._metric()
    cost, score = results["cost"], results[f"mean_test_{metric}"]
    spread = results[f"std_test_{metric}"]
    ax.errorbar(
        *(cost, score, spread),
        fmt="o",
        color=_TRIALS,
        elinewidth=0.8,
        label="trial, ± SD of its folds",
    )
    ax.step(
        *(cost[front], score[front], "D-"),
        where="post",
        color=_FRONT,
        zorder=3,
        label="Pareto front",
    )
    if np.nanmax(cost) > 30 * np.nanmin(cost) > 0:
        ax.set_xscale("log")
    scoring = search.scoring if isinstance(search.scoring, str) else metric
    ax.set(
        xlabel=_COST_WORDS.get(search.cost, "cost"),
        ylabel=f"mean test {scoring.replace('_', ' ')}",
    )
    ax.legend(loc="lower right")
    return ax
