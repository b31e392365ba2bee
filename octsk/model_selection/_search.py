"""OCTSearchCV, a scikit-learn estimator for hyperparameter search by an Optuna study."""

import time
from copy import copy
from numbers import Integral, Real
from os import PathLike

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import _insert_error_scores
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_method_params, _num_samples, check_is_fitted

from octsk.model_selection._continuation import check_settings, check_space, study_settings
from octsk.model_selection._distributions import Space
from octsk.model_selection._folds import Folds, check_splits, count_parameters, find_net
from octsk.model_selection._samplers_and_pruners import TrialSeededSampler, make_pruner
from octsk.model_selection._spaces import search_space
from octsk.model_selection._trials import TrialRunner
from octsk.model_selection.storage import open_study, secrets_hidden
from octsk.model_selection.study import ERROR, FOLDS, is_evaluated, is_shared, quiet
from octsk.utils.columns import check_groups
from octsk.utils.tables import data_frame
from octsk.utils.urls import Address
from octsk.utils.validation import check_is_array


class OCTSearchCV(BaseSearchCV):
    """Hyperparameter search by an Optuna study with cross-validated trials.

    It is used like :class:`~sklearn.model_selection.RandomizedSearchCV`, and differs in
    three ways. The parameters of each trial are chosen by the results of earlier ones. With
    a `pruner`, bad trials are stopped after a few epochs. A study with a name or a storage
    is kept in a file or a database, so that a killed search can be continued and several
    processes can share it.

    Parameters
    ----------
    estimator : estimator instance
        An octsk net, a pipeline or any other scikit-learn estimator.
    param_distributions : dict of str to optuna distribution or list, default=None
        Parameters to vary and their distributions; a list contains the values to choose
        from. None means ``search_space(estimator)``.
    n_trials : int, default=30
        Number of trials in the study when the search ends, including those of other
        processes and earlier runs. Trials count if they are completed, pruned, still
        running, or failed because of an error in their fit. Trials of a killed process do
        not count.
    timeout : float, default=None
        Time in seconds after which no new trial starts. None means no limit.
    scoring : str, callable, list, tuple or dict, default="balanced_accuracy"
        As in :class:`~sklearn.model_selection.GridSearchCV`; "roc_auc_ovr" is the macro
        average of the one-vs-rest AUC. Plain accuracy is misleading for classes as
        imbalanced as those of OCT data. With several metrics, trials are ranked by the
        one that `refit` names, or else by the first.
    n_jobs : int, default=None
        Number of processes for the folds of a trial.
    n_workers : int, default=1
        Number of processes that share the study. Each process runs its own trials on its
        share of the cores. More than one process requires a study with a storage or a
        name. The processes never start more than `n_trials`. Searches that were started
        separately, in several terminals or on several machines, may start the last trial at
        the same moment, and thus one trial too many.
    refit : bool, str or callable, default=True
        As in :class:`~sklearn.model_selection.GridSearchCV`.
    cv : int, cross-validation generator or iterable, default=None
        As in :class:`~sklearn.model_selection.GridSearchCV`. All trials have the same
        folds. To continue a study, a splitter that shuffles needs a `random_state`. An
        iterator of folds can be used for one fit only.
    verbose : int, default=0
        With 0, nothing is printed. With 1 or more, Optuna prints one line per trial.
    random_state : int, RandomState instance or None, default=None
        Seed of the parameters that are tried. It is combined with the number of the trial,
        so that a continued study does not try the same parameters again. It is ignored if
        `sampler` is set. The estimator has its own `random_state`.
    error_score : "raise" or float, default=nan
        Score of a fold on which the fit fails. With nan, the trial fails and the search
        continues. With "raise", the error is raised.
    return_train_score : bool, default=False
        Whether `cv_results_` contains scores on the training folds.
    storage : str, path-like or optuna.storages.BaseStorage, default=None
        Where to keep the study: the path of a journal file, the URL of a database such as
        ``"postgresql+psycopg://..."``, or an Optuna storage. With None, a study with a
        name is kept in a journal file in the folder ``studies`` of octsk's data home (see
        :func:`octsk.datasets.get_data_home`), and a study without a name in memory.
        Messages and the ``repr()`` of the search hide the user name, password and query
        of a URL.
    study_name : str, default=None
        Name of the study. `fit` continues the study of this name in the storage.
    sampler : optuna.samplers.BaseSampler, default=None
        Sampler that suggests the parameters of each trial. None means Optuna's TPE sampler.
    pruner : {"median", "hyperband"} or optuna.pruners.BasePruner, default=None
        Pruner that stops bad trials early. With a pruner, the first fold is trained first,
        in this process, and scored on its test images after each epoch. If the pruner stops
        the trial, this training ends and the other folds are not trained. The estimator
        must be an octsk net or a pipeline that ends in one, and `cost` must be None.
    cost : {"n_parameters", "fit_time"} or callable, default=None
        Second objective, which is minimized: the number of weights of the network, the time
        of a fit in seconds, or the number that a function returns for a fitted estimator.
        See `pareto_front_`.
    callbacks : list of callable, default=None
        Functions that are called with the study and the trial after each trial, as in
        ``optuna.study.Study.optimize``. With several workers, they are called in the
        process of the worker. A clone of the search shares the callbacks and the storage
        instead of copying them. Optuna's ``TerminatorCallback`` is supported: the scores of
        the folds that it needs are reported.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        As in :class:`~sklearn.model_selection.GridSearchCV`, with one row for each trial
        that was fitted on all folds, including those of other processes and runs. The
        column "trial" contains the number of the trial in the study, and "cost" its mean
        cost over the folds. Pruned trials are only in `study_`.
    best_index_, best_params_, best_score_, best_estimator_, refit_time_
        As in :class:`~sklearn.model_selection.GridSearchCV`. The best trial is the one
        with the highest score, regardless of its cost; a callable `refit` can choose
        another one.
    pareto_front_ : ndarray of int
        Rows of `cv_results_` for which no other row has both a higher score and a lower
        cost, in increasing order of cost. Only available if `cost` is set.
    study_ : optuna.Study
        The study, for example for Optuna's plots and importances.
    n_splits_ : int
        Number of folds.
    scorer_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in :class:`~sklearn.model_selection.GridSearchCV`.

    See Also
    --------
    search_space : Returns the parameters that are varied by default.
    report_grid_search : Creates a search over the grid of the report.

    Notes
    -----
    Ctrl-C ends the search but not `fit`, which issues a warning and refits the estimator
    with the parameters of the best finished trial. A second Ctrl-C ends `fit`.

    A study can only be continued with the data and settings that it was begun with. `fit`
    compares the images, labels, weights, folds, scoring and `error_score`, and the
    parameters of the estimator that are not varied.

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
        """Raise an error, since scikit-learn's callbacks are not supported.

        The parameter `callbacks` takes Optuna's callbacks instead.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(
            "OCTSearchCV does not support scikit-learn's callbacks; its parameter "
            "callbacks= takes functions of the study and the trial."
        )

    @property
    def storage(self):
        """Storage of the study. If it is a URL, its ``repr()`` hides the password."""
        return self.__dict__["storage"]

    @storage.setter
    def storage(self, storage):
        is_address = isinstance(storage, str) and "://" in storage
        if is_address and not isinstance(storage, Address):
            storage = Address(storage)
        self.__dict__["storage"] = storage

    def __sklearn_clone__(self):
        # Share the storage and the callbacks: copies would be useless or impossible.
        unlinked = copy(self).set_params(storage=None, callbacks=None)
        cloned = super(OCTSearchCV, unlinked).__sklearn_clone__()
        return cloned.set_params(storage=self.storage, callbacks=self.callbacks)

    def fit(self, X, y=None, **params):
        """Run the search, and fit the estimator with the best parameters on all images.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images, or whatever input the estimator accepts.
        y : array-like of shape (n,), default=None
            Labels. They may only be None if the estimator is unsupervised.
        **params : dict
            Arguments of the `fit` method of the estimator, such as `sample_weight`, and of
            the splitter, such as `groups`.

        Returns
        -------
        OCTSearchCV
            The search itself.

        Raises
        ------
        ChildProcessError
            If a process of the search was killed. The study contains the finished trials.
        ConnectionError
            If the database of the study cannot be used.
        ValueError
            If a parameter is invalid, if the study was begun with other data or settings,
            or if no trial has a score.
        """
        self._validate_params()
        check_is_array(X, "X")
        if y is None and get_tags(self.estimator).target_tags.required:
            raise ValueError(
                f"y is None, but {type(self.estimator).__name__} requires labels: call "
                "fit(X, y)."
            )
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        if params.get("groups") is not None:
            check_groups(params["groups"], _num_samples(X))
        routed = self._get_routed_params_for_fit(params)
        scorer, refit_metric = self._get_scorers()
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(cv.split(X, y, **routed.splitter.split))
        check_splits(splits, _num_samples(X))
        folds = Folds(
            X,
            y,
            splits=splits,
            cost=count_parameters if self.cost == "n_parameters" else self.cost,
            scorer=scorer,
            fit_params=routed.estimator.fit,
            score_params=routed.scorer.score,
            error_score=self.error_score,
            return_train_score=self.return_train_score,
        )
        self.n_splits_ = len(splits)
        if self.param_distributions == {}:
            raise ValueError(
                "param_distributions is empty, so there is nothing to vary; None means "
                "search_space(estimator)."
            )
        space = Space(
            search_space(self.estimator)
            if self.param_distributions is None
            else self.param_distributions
        )
        # Raise the error for unknown parameters before the study begins.
        clone(self.estimator).set_params(**clone(space.example(), safe=False))
        with quiet(silent=not self.verbose):
            self.study_ = self._open_study(space)
            with secrets_hidden(self.study_._storage):
                check_settings(self.study_, study_settings(self, space, folds))
                check_space(self.study_, space)
                TrialRunner(self, space, folds).run()
                results = self._read_results(space)
        self._select_best(results, refit_metric)
        # They are set before the refit, which may be interrupted.
        self.scorer_ = getattr(scorer, "_scorers", scorer)
        self.cv_results_ = results
        if self.refit:
            self._refit(X, y, routed.estimator.fit)
        return self

    def to_frame(self):
        """Return ``cv_results_`` as a data frame with one row for each trial.

        Returns
        -------
        pandas.DataFrame
            The scores and parameters of the trials, the best one first.

        Raises
        ------
        ImportError
            If pandas is not installed.
        sklearn.exceptions.NotFittedError
            If the search was not fitted.
        """
        check_is_fitted(self, "cv_results_")
        frame = data_frame(self.cv_results_, "cv_results_, a dict of columns")
        rank = f"rank_test_{self._metric()}"
        return frame.sort_values(rank, kind="stable", ignore_index=True)

    def _open_study(self, space):
        max_epochs = None
        if self.pruner is not None:
            prefix, net = find_net(self.estimator)
            if net is None:
                raise ValueError(
                    "pruner requires an octsk net or a pipeline that ends in one, since it "
                    f"needs scores after each epoch; got estimator={self.estimator!r}."
                )
            max_epochs = space.highest(f"{prefix}epochs", net.epochs)
        if self.pruner is not None and self.cost is not None:
            raise ValueError(
                f"pruner={self.pruner!r} and cost={self.cost!r} are both set, but Optuna "
                "only prunes studies with one objective. Set only one of them."
            )
        if self.n_workers > 1 and self.n_jobs not in (None, 1):
            raise ValueError(
                f"n_workers={self.n_workers} and n_jobs={self.n_jobs} are both set, so "
                "each worker would start processes. Set only one of them."
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
                f"n_workers={self.n_workers} requires a study that processes can share: "
                "set storage or study_name."
            )
        return study

    def _ranking_score(self, scores):
        """Return the score by which trials are ranked."""
        if not isinstance(scores, dict):
            return scores
        self._check_refit_for_multimetric(scores)
        return scores[self.refit if isinstance(self.refit, str) else next(iter(scores))]

    def _metric(self):
        """Return the name in `cv_results_` of the score by which trials are ranked."""
        if not self.multimetric_ or isinstance(self.refit, str):
            return self.refit if self.multimetric_ else "score"
        names = (name for name in self.cv_results_ if name.startswith("mean_test_"))
        return next(names).removeprefix("mean_test_")

    def _read_results(self, space):
        """Return `cv_results_` for all trials that were fitted on all folds."""
        trials = [t for t in self.study_.get_trials() if is_evaluated(t)]
        outcomes = [fold for t in trials for fold in t.user_attrs[FOLDS]]
        if callable(self.scoring):
            _insert_error_scores(outcomes, self.error_score)
        if not any(trial.values for trial in trials):
            errors = [trial.user_attrs[ERROR] for trial in trials]
            raise ValueError(
                f"no trial of the study {self.study_.study_name!r} has a score; "
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
