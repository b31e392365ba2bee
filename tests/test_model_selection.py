"""Searches: what is tried, what is kept, and what survives."""

import contextlib
import json
import logging
import os
import pickle
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import warnings
from pathlib import Path

import keras
import matplotlib as mpl
import numpy as np
import optuna
import pandas as pd
import pytest
import sklearn
from filelock import FileLock
from helpers import TINY, toy_images
from joblib.externals.loky import get_reusable_executor
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.cluster import KMeans
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import balanced_accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    ParameterGrid,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

import octsk
from octsk import (
    MediumOCTNet,
    OCTAugmenter,
    OCTSearchCV,
    SmallOCTNet,
    report_grid_search,
    search_space,
)
from octsk.architectures import small
from octsk.model_selection import plot_pareto_front, read_search_space
from octsk.training._callbacks import Onlooker
from octsk.utils import cores
from octsk.utils.hashing import stable_hash

mpl.use("agg")

X, Y = toy_images(n=48)
FLAT = X[:, :, 0] / 255
QUICK = dict(TINY, augmentation=None, learning_rate=0.01)
# For what any estimator will do: a search takes milliseconds.
TREE = DecisionTreeClassifier(max_depth=5, random_state=0)
PRUNING = {"ccp_alpha": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True)}

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*non-finite:UserWarning", "ignore:y_pred contains classes:UserWarning"
)


def net(**params):
    return SmallOCTNet(**{**QUICK, **params})


def tree_search(**params):
    search = OCTSearchCV(clone(TREE), PRUNING, n_trials=4, cv=3)
    return search.set_params(**params)


class Listed(optuna.samplers.RandomSampler):
    """Suggests given values of one parameter, one after the other."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def sample_independent(self, study, trial, param_name, param_distribution):
        return self.values[trial.number]


class Fragile(ClassifierMixin, BaseEstimator):
    """Fails where it is told to."""

    def __init__(self, share=0.5, fails=False):
        self.share = share
        self.fails = fails

    def fit(self, X, y):
        if self.fails == "interrupted":
            raise KeyboardInterrupt
        if self.fails == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fails:
            raise RuntimeError("out of memory")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[(np.arange(len(X)) < self.share * len(X)).astype(int)]


class Together(DecisionTreeClassifier):
    """Waits until another process is at it too, a minute at most."""

    def __init__(self, folder=None, ccp_alpha=0.0):
        super().__init__(max_depth=5, random_state=0, ccp_alpha=ccp_alpha)
        self.folder = folder

    def fit(self, X, y):
        if self.folder is not None:
            (self.folder / f"{os.getpid()}.here").touch()
            end = time.monotonic() + 60
            while len([*self.folder.glob("*.here")]) < 2 and time.monotonic() < end:
                time.sleep(0.05)
        return super().fit(X, y)


class Counter(Onlooker):
    """Counts the epochs of all fits."""

    n_epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.n_epochs += 1


# --- Search spaces ---------------------------------------------------------------------


@pytest.mark.parametrize("cls", [SmallOCTNet, MediumOCTNet])
def test_search_space_of_a_net(cls):
    space = search_space(cls())
    assert space["learning_rate"].log
    assert space["epochs"].low < cls().epochs < space["epochs"].high
    assert set(space["class_weight"].choices) == {None, "balanced"}
    assert 0 == space["label_smoothing"].low < space["label_smoothing"].high < 0.5
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        params = study.ask(space).params
        estimator = cls().set_params(**params)
        estimator._validate_params()
        estimator.augmentation._validate_params()
        assert estimator.augmentation.zoom_range == params["augmentation__zoom_range"]


def test_search_space_of_epochs_that_depend_on_the_images():
    space = search_space(octsk.ResidualOCTNet(), sizes=True)
    assert "epochs" not in space
    assert len(space["filters"]) == 4
    # It has no dense layers whose size could vary.
    assert "dense_units" not in space
    assert "augmentation__rotation_range" in space


def test_search_space_varies_every_augmentation_range():
    ranges = {name for name in OCTAugmenter().get_params() if name.endswith("_range")}
    varied = {name.removeprefix("augmentation__") for name in search_space(SmallOCTNet())}
    assert ranges | {"horizontal_flip"} <= varied
    given = search_space(SmallOCTNet(augmentation=OCTAugmenter()))
    assert set(given) == set(search_space(SmallOCTNet()))
    assert not any("range" in name for name in search_space(SmallOCTNet(augmentation=None)))


def test_search_space_of_a_pipeline():
    pipeline = Pipeline([("augment", OCTAugmenter()), ("net", net())])
    space = search_space(pipeline)
    assert {"augment__rotation_range", "net__learning_rate"} <= set(space)
    assert "learning_rate" not in space
    pipeline.set_params(
        **{
            name: d.choices[0] if hasattr(d, "choices") else d.high
            for name, d in space.items()
        }
    )


def test_search_space_of_sizes():
    space = search_space(SmallOCTNet(), sizes=True)
    assert space["filters"] == [(8, 8), (16, 16), (32, 32), (64, 64)]
    assert space["dense_units"] == [(16,), (32,), (64,), (128,)]


def test_search_space_of_nothing():
    with pytest.raises(ValueError, match="must contain an octsk net or augmenter"):
        search_space(TREE)


def test_read_search_space(tmp_path):
    path = tmp_path / "space.json"
    path.write_text(
        json.dumps(
            {
                "class_weight": [None, "balanced"],
                "ccp_alpha": {"type": "float", "low": 0.1, "high": 10, "log": True},
                "max_depth": {"type": "int", "low": 1, "high": 9, "step": 2},
            }
        )
    )
    space = read_search_space(path)
    assert space["ccp_alpha"] == optuna.distributions.FloatDistribution(0.1, 10, log=True)
    assert space["max_depth"] == optuna.distributions.IntDistribution(1, 9, step=2)
    search = OCTSearchCV(TREE, space, n_trials=3, cv=2).fit(FLAT, Y)
    assert set(search.best_params_) == set(space)


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "{}",
        "[1]",
        '{"C": 1}',
        '{"C": {"low": 1}}',
        '{"C": {"type": "complex"}}',
        '{"C": {"type": "float", "low": 2, "high": 1}}',
        '{"C": {"type": "int"}}',
    ],
)
def test_read_search_space_refuses(tmp_path, text):
    path = tmp_path / "space.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"space\.json' does not contain a search space"):
        read_search_space(path)


# --- The report's grid -----------------------------------------------------------------


def test_report_grid_holds_the_list_of_results():
    candidates = [
        (
            type(p["net"]).__name__,
            p["net__optimizer"],
            p["net__epochs"],
            p["net__augmentation"],
        )
        for p in ParameterGrid(report_grid_search().param_grid)
    ]
    assert len(candidates) == len(set(candidates)) == 16
    # As printed: net, optimizer, epochs, augmentation.
    printed = {
        *(
            (SmallOCTNet, optimizer, epochs, True)
            for optimizer in ("adam", "nadam")
            for epochs in (5, 10)
        ),
        (SmallOCTNet, "nadam", 5, None),
        (SmallOCTNet, "nadam", 10, None),
        *(
            (MediumOCTNet, optimizer, epochs, True)
            for optimizer in ("adam", "nadam")
            for epochs in (5, 7)
        ),
        (MediumOCTNet, "nadam", 7, None),
        (MediumOCTNet, "nadam", 5, None),
    }
    assert len(printed) == 12
    assert {(cls.__name__, *rest) for cls, *rest in printed} <= set(candidates)


def test_report_grid_search_runs():
    search = report_grid_search(cv=2, random_state=0)
    for grid in search.param_grid:
        grid["net"] = [net()]
        grid["net__epochs"] = [1]
        grid["net__optimizer"] = grid["net__optimizer"][:1]
    search.fit(X, Y)
    assert search.best_estimator_["net"].random_state == 0
    assert search.score(X, Y) == pytest.approx(
        balanced_accuracy_score(Y, search.predict(X))
    )


# --- A scikit-learn search -------------------------------------------------------------


def test_results_are_those_of_grid_search():
    values = ["adam", "nadam"]
    params = dict(scoring="neg_log_loss", cv=2, return_train_score=True)
    grid = GridSearchCV(net(), {"optimizer": values}, **params).fit(X, Y)
    search = OCTSearchCV(
        net(), {"optimizer": values}, n_trials=2, sampler=Listed(values), **params
    ).fit(X, Y)
    ours, theirs = search.cv_results_, grid.cv_results_
    assert set(ours) == {*theirs, "trial"}
    assert isinstance(ours["trial"], np.ndarray)
    for name in theirs:
        if "time" not in name:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
            assert ours[name].dtype == theirs[name].dtype if name != "params" else True
    assert ours["params"] == theirs["params"]
    assert search.best_index_ == grid.best_index_
    assert search.best_params_ == grid.best_params_
    assert search.best_score_ == grid.best_score_
    assert search.n_splits_ == grid.n_splits_
    np.testing.assert_array_equal(search.predict_proba(X), grid.predict_proba(X))
    np.testing.assert_array_equal(search.classes_, grid.classes_)
    assert search.score(X, Y) == grid.score(X, Y)
    assert search.n_features_in_ == grid.n_features_in_


def test_is_a_classifier_inside_others():
    search = OCTSearchCV(net(), {"optimizer": ["adam", "nadam"]}, n_trials=1, cv=2)
    assert is_classifier(search)
    scores = cross_val_score(search, X, Y, scoring="roc_auc_ovr", cv=2)
    assert np.isfinite(scores).all()
    pipeline = Pipeline([("augment", OCTAugmenter(random_state=0)), ("search", search)])
    assert pipeline.fit(X, Y).predict(X).shape == Y.shape
    assert not is_classifier(clone(search).set_params(estimator=BaseEstimator()))


def test_copies():
    search = tree_search(random_state=0)
    assert (
        clone(search).get_params(deep=False).keys() == search.get_params(deep=False).keys()
    )
    assert "n_trials=4" in repr(search)
    assert "DecisionTreeClassifier" in search._repr_html_()
    search.fit(FLAT, Y)
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict(FLAT), search.predict(FLAT))
    assert again.study_.best_params == search.study_.best_params


def test_patients_stay_together():
    seen = []

    class Watched(StratifiedGroupKFold):
        def split(self, X, y=None, groups=None):
            for train, test in super().split(X, y, groups):
                seen.append(set(groups[train]) & set(groups[test]))
                yield train, test

    patients = np.arange(len(Y)) // 3
    tree_search(n_trials=2, cv=Watched(3)).fit(FLAT, Y, groups=patients)
    assert seen == [set()] * 3


def test_all_trials_have_the_same_folds():
    shuffled = StratifiedKFold(3, shuffle=True)
    search = OCTSearchCV(TREE, {"ccp_alpha": [0.1]}, n_trials=3, cv=shuffled).fit(FLAT, Y)
    assert np.ptp(search.cv_results_["split0_test_score"]) == 0


def test_default_metric_sees_rare_classes():
    labels = np.r_[np.zeros(40), np.ones(8)].astype(int)
    search = OCTSearchCV(Fragile(share=0), {"fails": [False]}, n_trials=1, cv=2)
    assert search.fit(FLAT, labels).best_score_ == 0.5


def test_several_metrics():
    metrics = ["balanced_accuracy", "neg_log_loss"]
    search = tree_search(scoring=metrics, refit="neg_log_loss").fit(FLAT, Y)
    results = search.cv_results_
    assert {f"mean_test_{m}" for m in metrics} <= set(results)
    assert search.best_score_ == results["mean_test_neg_log_loss"].max()
    assert search.study_.best_value == pytest.approx(search.best_score_)
    assert search.multimetric_
    assert set(search.scorer_) == set(metrics)

    frame = search.to_frame()
    assert frame["trial"].iloc[0] == results["trial"][search.best_index_]
    assert frame["mean_test_neg_log_loss"].is_monotonic_decreasing
    assert {*frame} == {*results}
    with pytest.raises(NotFittedError):
        tree_search().to_frame()

    search = tree_search(scoring=metrics, refit=False).fit(FLAT, Y)
    assert not hasattr(search, "best_estimator_")
    assert not hasattr(search, "best_params_")
    assert not hasattr(search, "predict")
    best = search.cv_results_["mean_test_balanced_accuracy"].max()
    assert search.study_.best_value == pytest.approx(best)

    with pytest.raises(ValueError, match="refit must be set to a scorer key"):
        tree_search(scoring=metrics).fit(FLAT, Y)


def test_function_of_several_metrics():
    def scoring(estimator, X, y):
        accuracy = estimator.score(X, y)
        return {"accuracy": accuracy, "error": 1 - accuracy}

    search = tree_search(scoring=scoring, refit="accuracy").fit(FLAT, Y)
    assert search.best_score_ == search.cv_results_["mean_test_accuracy"].max()
    assert search.study_.best_value == pytest.approx(search.best_score_)
    for refit in (True, "unknown"):
        search = tree_search(scoring=scoring, refit=refit)
        with pytest.raises(ValueError, match="refit must be set to a scorer key"):
            search.fit(FLAT, Y)
        # Not after the whole search.
        assert len(search.study_.trials) == 1


def test_refit():
    search = tree_search(refit=False).fit(FLAT, Y)
    assert search.best_params_ == search.study_.best_params
    with pytest.raises(AttributeError):
        search.predict(FLAT)
    last = tree_search(refit=lambda results: len(results["params"]) - 1).fit(FLAT, Y)
    assert last.best_index_ == 3
    assert last.cv_results_["params"][3]["ccp_alpha"] == last.best_estimator_.ccp_alpha


def test_failed_fits():
    space = {"fails": [False, True]}
    search = OCTSearchCV(
        Fragile(), space, n_trials=3, cv=2, sampler=Listed([True, False, True])
    )
    with pytest.warns(FitFailedWarning, match="out of memory"):
        search.fit(FLAT, Y)
    scores = search.cv_results_["mean_test_score"]
    np.testing.assert_array_equal(np.isnan(scores), [True, False, True])
    assert search.best_params_ == {"fails": False}
    assert [t.state.name for t in search.study_.trials] == ["FAIL", "COMPLETE", "FAIL"]

    search.set_params(error_score=0.0)
    with pytest.warns(FitFailedWarning):
        search.fit(FLAT, Y)
    assert search.cv_results_["mean_test_score"][0] == 0
    with pytest.raises(RuntimeError, match="out of memory"):
        search.set_params(error_score="raise").fit(FLAT, Y)


def test_no_trial_got_a_score():
    search = OCTSearchCV(Fragile(), {"fails": [True]}, n_trials=2, cv=2)
    with (
        pytest.warns(FitFailedWarning),
        pytest.raises(ValueError, match=r"no trial .* has a score.*out of memory"),
    ):
        search.fit(FLAT, Y)


def test_sample_weight_reaches_fit_and_score():
    weight = np.where(Y == 0, 1.0, 0.0)
    search = tree_search(scoring="accuracy").fit(FLAT, Y, sample_weight=weight)
    assert search.best_score_ == 1
    assert set(search.predict(FLAT)) == {0}
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(balanced_accuracy_score)
        routed = tree_search(
            scoring=scorer.set_score_request(sample_weight=True),
            estimator=clone(TREE).set_fit_request(sample_weight=True),
            cv=StratifiedGroupKFold(3),
        )
        routed.fit(FLAT, Y, sample_weight=weight, groups=np.arange(len(Y)))
        assert set(routed.predict(FLAT)) == {0}


class Ragged(DecisionTreeClassifier):
    """Takes whatever else it is fitted with."""

    def fit(self, X, y, sample_weight=None, eval_set=None):
        self.eval_set_ = eval_set
        return super().fit(X, y, sample_weight)


EVAL_SETS = {
    "list of pairs": [(FLAT, Y)],
    "pair": (FLAT, Y),
    "nested lists": [[(FLAT, Y)], [(FLAT[:3], Y[:3]), None]],
    "dict": {"first": (FLAT, Y), "second": {"X": FLAT[:2]}},
    "None": None,
    "sparse": (sparse.coo_matrix(FLAT), Y),
    "frames": [(pd.DataFrame(FLAT), pd.Series(Y))],
    "frame of several kinds": pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
    "words": ["a", "bc"],
    "function": np.mean,
    "iterator": iter([1]),
}


@pytest.mark.parametrize("kind", EVAL_SETS)
def test_parameters_of_fit_of_any_kind(kind, tmp_path):
    search = tree_search(estimator=Ragged(), n_trials=1, storage=tmp_path / "journal")
    for _ in range(2):
        search.fit(FLAT, Y, eval_set=EVAL_SETS[kind])
        assert search.best_estimator_.eval_set_ is EVAL_SETS[kind]
    with pytest.raises(ValueError, match="parameters of fit and scorers was"):
        search.fit(FLAT, Y, eval_set=[(FLAT, Y[::-1])])


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_parameters_of_fit_from_other_libraries(library):
    module = pytest.importorskip(library)
    make = module.table if library == "pyarrow" else module.DataFrame
    one, same, other = (stable_hash([make({n: [1, 2]}), "words"]) for n in ("a", "a", "b"))
    assert one == same != other


def test_equal_values_have_equal_hashes_in_all_processes():
    code = (
        "import numpy as np\n"
        "from octsk.utils.hashing import stable_hash\n"
        "a = np.arange(6.0).reshape(2, 3)\n"
        "print(stable_hash([{'b': [(a, 'x')], 'a': None}, [a, a], list('ab')]))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    ).stdout
    a, again = (np.arange(6.0).reshape(2, 3) for _ in range(2))
    value = [{"a": None, "b": [(np.asfortranarray(a), "x")]}, [a, again], ("a", "b")]
    assert elsewhere == stable_hash(value) + "\n"
    assert (
        len({stable_hash(v) for v in ([a], [[a]], [a, a], {"a": a}, [a.astype(int)], "a")})
        == 6
    )


@pytest.mark.parametrize("kind", [list, tuple, pd.Series, lambda y: [f"c{i}" for i in y]])
def test_labels_of_any_kind(kind):
    plain = tree_search(random_state=0).fit(FLAT, Y)
    search = tree_search(random_state=0).fit(pd.DataFrame(FLAT), kind(Y))
    assert search.best_score_ == plain.best_score_
    assert len(search.classes_) == len(search.predict(pd.DataFrame(FLAT))) // 16


def test_without_labels():
    with pytest.raises(
        ValueError, match=r"y is None, but SmallOCTNet requires labels.*fit\(X, y\)"
    ):
        OCTSearchCV(net(), {"epochs": [1]}).fit(X)
    params = dict(scoring=None, cv=2)
    grid = GridSearchCV(KMeans(random_state=0), {"n_clusters": [2, 3]}, **params).fit(FLAT)
    search = OCTSearchCV(KMeans(random_state=0), {"n_clusters": [2, 3]}, **params)
    search.set_params(n_trials=2, sampler=OneAfterTheOther()).fit(FLAT)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], grid.cv_results_["mean_test_score"]
    )
    assert search.best_params_ == grid.best_params_
    np.testing.assert_array_equal(search.predict(FLAT), grid.predict(FLAT))


def test_data_sets_of_other_libraries_are_refused():
    class Images:
        __module__ = "torch.utils.data.dataset"

    search = OCTSearchCV(clone(TREE), PRUNING)
    for labels in ([], [[0, 1]]):
        with pytest.raises(ValueError, match=r"X must be an array .* Make arrays of its"):
            search.fit(Images(), *labels)


def test_folds_from_an_iterator():
    splits = list(StratifiedKFold(3).split(FLAT, Y))
    expected = tree_search(cv=splits, random_state=0).fit(FLAT, Y).cv_results_
    search = tree_search(cv=iter(splits), random_state=0).fit(FLAT, Y)
    np.testing.assert_array_equal(
        search.cv_results_["split2_test_score"], expected["split2_test_score"]
    )
    for empty in (search.cv, []):
        with pytest.raises(ValueError, match="gives no folds"):
            search.set_params(cv=empty).fit(FLAT, Y)


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (([], [1, 2]), "without training images, fold 1"),
        (([1, 2], np.zeros(len(Y), bool)), "without test images, fold 1"),
        ((range(9), [9, len(Y)]), "test images of fold 1"),
        ((np.ones(3, bool), [9]), "training images of fold 1"),
        (([0.0, 1.0], [9]), "training images of fold 1"),
        (([[0, 1]], [9]), "training images of fold 1"),
    ],
)
def test_folds_that_cannot_be_fitted_are_refused(fold, message):
    good = next(StratifiedKFold(3).split(FLAT, Y))
    with pytest.raises(ValueError, match=f"^cv .*{message}"):
        tree_search(cv=[good, fold]).fit(FLAT, Y)


def test_an_interrupted_refit_keeps_the_results():
    class Interrupted(DecisionTreeClassifier):
        def fit(self, X, y):
            if len(X) == len(FLAT):
                raise KeyboardInterrupt
            return super().fit(X, y)

    search = tree_search(estimator=Interrupted(random_state=0), n_trials=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(FLAT, Y)
    assert len(search.to_frame()) == len(search.cv_results_["params"]) == 2
    with pytest.raises(NotFittedError):
        search.predict(FLAT)


def test_folds_as_masks():
    splits = list(StratifiedKFold(3).split(FLAT, Y))
    masks = [[np.isin(range(len(Y)), part) for part in fold] for fold in splits]
    scores = [
        tree_search(cv=cv, random_state=0).fit(FLAT, Y).cv_results_["mean_test_score"]
        for cv in (splits, masks)
    ]
    np.testing.assert_array_equal(*scores)


@pytest.mark.slow
def test_folds_from_a_generator_with_workers(tmp_path):
    folds = ((train, test) for train, test in StratifiedKFold(3).split(FLAT, Y))
    search = tree_search(cv=folds, n_workers=2, storage=tmp_path / "search.journal")
    assert search.fit(FLAT, Y).n_splits_ == 3
    assert search.cv is folds


@pytest.mark.parametrize("values", [range(1, 4), pd.Series([1, 2, 3]), np.arange(1, 4)])
def test_choices_from_sequences_of_any_kind(values):
    search = OCTSearchCV(TREE, {"max_depth": values}, n_trials=9, cv=2, random_state=0)
    tried = {params["max_depth"] for params in search.fit(FLAT, Y).cv_results_["params"]}
    assert tried == {1, 2, 3}
    assert {type(depth) for depth in tried} == {int}


def test_terminator_of_optuna():
    terminator = pytest.importorskip("optuna.terminator")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        callback = terminator.TerminatorCallback(
            terminator.Terminator(
                terminator.BestValueStagnationEvaluator(max_stagnation_trials=0),
                terminator.CrossValidationErrorEvaluator(),
                min_n_trials=3,
            )
        )
        search = tree_search(n_trials=30, callbacks=[callback], random_state=0).fit(FLAT, Y)
    trials = search.study_.trials
    assert 3 <= len(trials) < 30
    kept = trials[0].system_attrs["terminator:cv_scores"]
    assert kept == [search.cv_results_[f"split{i}_test_score"][0] for i in range(3)]
    # One fold says nothing of an error.
    alone = tree_search(cv=[(np.arange(40), np.arange(40, 48))]).fit(FLAT, Y)
    assert "terminator:cv_scores" not in alone.study_.trials[0].system_attrs


def test_clones_speak_to_the_same_world():
    storage = optuna.storages.InMemoryStorage()  # which cannot be copied
    lock, told = threading.Lock(), []

    def follow(study, trial):
        with lock:
            told.append(trial.number)

    search = tree_search(n_trials=2, storage=storage, callbacks=[follow])
    scores = cross_val_score(search, FLAT, Y, cv=[(np.arange(48), np.arange(48))])
    assert np.isfinite(scores).all()
    assert told == [0, 1]
    assert storage.get_all_studies()
    copied = clone(search)
    assert copied.callbacks is search.callbacks
    assert copied.estimator is not search.estimator


def test_choices_of_any_kind():
    steps = [OCTAugmenter(random_state=0), "passthrough"]
    pipeline = Pipeline([("augment", "passthrough"), ("net", net())])
    space = {"augment": steps, "net__filters": [(2,), (4,)]}
    search = OCTSearchCV(pipeline, space, n_trials=4, cv=2, random_state=0).fit(X, Y)
    for params in search.cv_results_["params"]:
        assert isinstance(params["net__filters"], tuple)
        assert params["augment"] == "passthrough" or isinstance(
            params["augment"], OCTAugmenter
        )
    assert search.best_estimator_["net"].filters == search.best_params_["net__filters"]


def test_choices_that_are_equal_but_not_the_same():
    search = OCTSearchCV(Fragile(), {"share": [True, 1, 1.0, 1]}, n_trials=20, cv=2)
    results = search.set_params(random_state=0).fit(FLAT, Y).cv_results_
    assert {type(params["share"]) for params in results["params"]} == {bool, int, float}
    # What they print as says nothing of these.
    shares = [Share(0.1), Share(0.9)]
    search.set_params(param_distributions={"share": shares}, n_trials=9)
    tried = search.fit(FLAT, Y).cv_results_["params"]
    assert {float(params["share"]) for params in tried} == {0.1, 0.9}


class Share(float):
    """Prints as where it lies in memory."""

    __repr__ = object.__repr__


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_trials": 0}, "n_trials"),
        ({"n_workers": 0}, "n_workers"),
        ({"n_workers": 2}, "n_workers=2 requires a study that processes can share"),
        ({"n_workers": 2, "n_jobs": 2}, "n_workers=2 and n_jobs=2"),
        ({"pruner": "best"}, "pruner"),
        ({"cost": "money"}, "cost"),
        ({"storage": 3}, "storage"),
        ({"param_distributions": {"ccp_alpha": 3}}, r"\['ccp_alpha'\] must.*got 3"),
        ({"param_distributions": {"ccp_alpha": []}}, r"\['ccp_alpha'\] must.*got \[\]"),
        ({"param_distributions": {"depth": [1]}}, "Invalid parameter 'depth'"),
        ({"param_distributions": None}, "must contain an octsk net or augmenter"),
        ({"pruner": "median"}, "pruner requires an octsk net"),
        ({"cost": "n_parameters"}, "n_parameters' requires an octsk net"),
    ],
)
def test_wrong_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        tree_search(error_score="raise", **params).fit(FLAT, Y)


def test_pruner_and_cost_exclude_each_other():
    search = OCTSearchCV(net(), {"epochs": [1]}, pruner="median", cost="fit_time")
    with pytest.raises(ValueError, match="Set only one of them"):
        search.fit(X, Y)


def test_scikit_learn_callbacks_are_refused():
    with pytest.raises(NotImplementedError, match="callbacks="):
        tree_search().set_callbacks()


# --- The study -------------------------------------------------------------------------


def test_random_state():
    def tried(**params):
        return list(tree_search(**params).fit(FLAT, Y).cv_results_["param_ccp_alpha"])

    assert tried(random_state=0) == tried(random_state=0)
    assert tried(random_state=0) != tried(random_state=1)
    # Later trials too, which TPE draws from what it has learned.
    assert tried(random_state=0, n_trials=14) == tried(random_state=0, n_trials=14)


def test_silent_unless_verbose(capfd, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("optuna"), "propagate", True)
    tree_search().fit(FLAT, Y)
    assert capfd.readouterr() == ("", "")
    assert not caplog.messages
    before = optuna.logging.get_verbosity()
    tree_search(verbose=1).fit(FLAT, Y)
    assert "Trial 3 finished" in caplog.messages[-1]
    assert optuna.logging.get_verbosity() == before


def test_callbacks_follow_and_can_stop():
    told = []

    def follow(study, trial):
        told.append(trial.value)
        if len(told) == 2:
            study.stop()

    search = tree_search(callbacks=[follow], n_trials=9).fit(FLAT, Y)
    assert told == [trial.value for trial in search.study_.trials]
    assert len(told) == 2


def test_timeout():
    search = tree_search(n_trials=10**6, timeout=0.3).fit(FLAT, Y)
    assert 1 <= len(search.cv_results_["params"]) < 1000


def test_ctrl_c_goes_on_with_the_best():
    search = OCTSearchCV(
        Fragile(),
        {"fails": [False, "interrupted"], "share": [0.2, 0.5]},
        n_trials=5,
        cv=2,
    )
    search.sampler = Sequence(
        [(False, 0.2), (False, 0.5), ("interrupted", 0.5)], ("fails", "share")
    )
    with pytest.warns(UserWarning, match="interrupted"):
        search.fit(FLAT, Y % 2)
    assert len(search.cv_results_["params"]) == 2
    assert search.predict(FLAT).shape == Y.shape
    assert [t.state.name for t in search.study_.trials][2] == "FAIL"

    search.sampler = Sequence([("interrupted", 0.5)], ("fails", "share"))
    with pytest.raises(KeyboardInterrupt):
        search.fit(FLAT, Y % 2)


class Sequence(optuna.samplers.RandomSampler):
    """Suggests given values of several parameters, one trial after the other."""

    def __init__(self, values, names):
        super().__init__()
        self.values = values
        self.names = names

    def sample_independent(self, study, trial, param_name, param_distribution):
        return self.values[trial.number][self.names.index(param_name)]


# --- Pruning ---------------------------------------------------------------------------


class PruneAll(optuna.pruners.BasePruner):
    """Prunes each trial but the first, after its second epoch."""

    def prune(self, study, trial):
        return trial.number > 0 and trial.last_step == 2


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_pruned_trial_costs_little(in_pipeline):
    counter = Counter()
    estimator = net(epochs=6, callbacks=counter)
    if in_pipeline:
        estimator = Pipeline(
            [("augment", OCTAugmenter(random_state=0)), ("net", estimator)]
        )
    name = "net__learning_rate" if in_pipeline else "learning_rate"
    search = OCTSearchCV(
        estimator,
        {name: optuna.distributions.FloatDistribution(1e-3, 1e-2)},
        n_trials=3,
        cv=3,
        refit=False,
        pruner=PruneAll(),
        random_state=0,
    ).fit(X, Y)
    states = [trial.state.name for trial in search.study_.trials]
    assert states == ["COMPLETE", "PRUNED", "PRUNED"]
    # 3 folds of 6 epochs, then twice 2 epochs of one fold.
    assert counter.n_epochs == 18 + 2 + 2
    assert list(search.cv_results_["trial"]) == [0]


def test_pruner_changes_no_score():
    space = {"learning_rate": [0.001, 0.01]}
    params = dict(n_trials=2, cv=2, scoring="neg_log_loss", sampler=None, random_state=0)
    searches = [
        OCTSearchCV(net(epochs=3, dropout=0.5), space, pruner=pruner, **params).fit(X, Y)
        for pruner in (None, optuna.pruners.NopPruner())
    ]
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(*(s.cv_results_[name] for s in searches))
    trial = searches[1].study_.trials[0]
    assert sorted(trial.intermediate_values) == [1, 2, 3]
    # The last epoch's score is the fold's.
    assert trial.intermediate_values[3] == searches[1].cv_results_["split0_test_score"][0]


def test_pruners_by_name(monkeypatch):
    def pruner(name, **params):
        search = OCTSearchCV(
            net(epochs=1), params or {"optimizer": ["adam"]}, n_trials=1, cv=2, pruner=name
        )
        return search.fit(X, Y).study_.pruner

    assert isinstance(pruner("median"), optuna.pruners.MedianPruner)
    hyperband = pruner("hyperband", epochs=optuna.distributions.IntDistribution(1, 2))
    assert isinstance(hyperband, optuna.pruners.HyperbandPruner)
    assert hyperband._max_resource == 2
    assert pruner("hyperband", epochs=[1, 3])._max_resource == 3
    # It waits for the first trial to know them.
    monkeypatch.setattr("octsk.training._fit_estimator._AUTO_EPOCHS", 1)
    assert pruner("hyperband", epochs=["auto", 1])._max_resource == "auto"


@pytest.mark.slow
@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_pruners_end_bad_trials(pruner):
    good, bad = 0.05, 1e-6
    counter = Counter()
    search = OCTSearchCV(
        net(epochs=4, callbacks=counter),
        {"learning_rate": [good, bad]},
        n_trials=8,
        cv=2,
        scoring="neg_log_loss",
        # The median pruner lets the first five be.
        sampler=Listed([good] * 5 + [bad] * 3),
        pruner=pruner,
        refit=False,
    ).fit(X, Y)
    pruned = [t for t in search.study_.trials if t.state.name == "PRUNED"]
    assert bad in {trial.params["learning_rate"] for trial in pruned}
    epochs = [len(trial.intermediate_values) for trial in pruned]
    assert max(epochs) < 4
    assert counter.n_epochs == sum(epochs) + 8 * (8 - len(pruned))
    assert search.best_params_ == {"learning_rate": good}


# --- Cost ------------------------------------------------------------------------------


def test_pareto_front_of_sizes(tmp_path):
    sizes = [(2,), (8,), (4,)]
    search = OCTSearchCV(
        net(epochs=2),
        {"filters": sizes},
        n_trials=3,
        cv=2,
        cost="n_parameters",
        sampler=Listed([str(list(size)) for size in sizes]),
    ).fit(X, Y)
    results = search.cv_results_
    expected = [
        small((12, 12, 1), 3, filters=size, dense_units=(8,)).count_params()
        for size in sizes
    ]
    assert list(results["cost"]) == expected
    score = results["mean_test_score"]
    front = [
        i
        for i in np.argsort(expected)
        if not any(
            (score[j] >= score[i] and expected[j] < expected[i])
            or (score[j] > score[i] and expected[j] <= expected[i])
            for j in range(3)
        )
    ]
    assert list(search.pareto_front_) == front
    assert search.best_score_ == score.max()
    ax = plot_pareto_front(search)
    ax.figure.savefig(tmp_path / "front.png")
    assert ax.get_xlabel() == "parameters"
    np.testing.assert_array_equal(ax.lines[-1].get_xdata(), results["cost"][front])
    assert plot_pareto_front(search, ax=ax) is ax


def test_trials_with_a_cost_of_nan_count():
    given = iter([np.nan, np.nan])  # of the two folds of the first trial
    search = tree_search(n_trials=2, cv=2, cost=lambda _: next(given, 1.0)).fit(FLAT, Y)
    assert len(search.study_.trials) == 2
    assert len(search.cv_results_["trial"]) >= 1


def test_no_more_trials_than_asked_for_with_workers(tmp_path):
    search = tree_search(n_trials=1, n_workers=2, storage=tmp_path / "search.journal")
    search.fit(FLAT, Y)
    assert len(search.study_.trials) == 1


def test_cost_by_function_and_by_time():
    search = tree_search(cost=lambda estimator: estimator.ccp_alpha).fit(FLAT, Y)
    np.testing.assert_allclose(
        search.cv_results_["cost"], search.cv_results_["param_ccp_alpha"]
    )
    search = tree_search(cost="fit_time").fit(FLAT, Y)
    np.testing.assert_allclose(
        search.cv_results_["cost"], search.cv_results_["mean_fit_time"]
    )
    assert plot_pareto_front(search).get_xlabel() == "time of a fit (s)"
    with pytest.raises(ValueError, match="with a cost"):
        plot_pareto_front(tree_search().fit(FLAT, Y))


# --- Surviving -------------------------------------------------------------------------


def test_study_in_a_journal_goes_on(tmp_path):
    params = dict(storage=tmp_path / "new" / "search.journal", random_state=0)
    first = tree_search(n_trials=3, **params).fit(FLAT, Y)
    second = tree_search(n_trials=5, **params).fit(FLAT, Y)
    assert list(second.cv_results_["trial"]) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(
        second.cv_results_["split1_test_score"][:3], first.cv_results_["split1_test_score"]
    )
    # What it would have tried without the break, and nothing twice.
    whole = tree_search(n_trials=5, random_state=0).fit(FLAT, Y)
    assert list(second.cv_results_["param_ccp_alpha"]) == list(
        whole.cv_results_["param_ccp_alpha"]
    )
    # All is done: nothing is fitted but the best.
    third = tree_search(n_trials=5, **params).fit(FLAT, Y)
    assert len(third.study_.trials) == 5
    assert third.best_params_ == second.best_params_
    assert third.predict(FLAT).shape == Y.shape


def test_study_with_a_name_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("OCTSK_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tree_search(study_name="mine", n_trials=2).fit(FLAT, Y)
    tree_search(n_trials=2).fit(FLAT, Y)
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()] == [
        "studies/mine.journal"
    ]
    search = tree_search(study_name="mine", n_trials=3).fit(FLAT, Y)
    assert len(search.study_.trials) == 3


def test_studies_in_a_database_and_in_an_optuna_storage(tmp_path):
    storage = f"sqlite:///{tmp_path}/search.db"
    tree_search(storage=storage, n_trials=2).fit(FLAT, Y)
    search = tree_search(storage=storage, n_trials=3).fit(FLAT, Y)
    assert len(search.cv_results_["params"]) == 3
    storage = optuna.storages.InMemoryStorage()
    tree_search(storage=storage, n_trials=2).fit(FLAT, Y)
    search = tree_search(storage=storage, n_trials=3).fit(FLAT, Y)
    assert len(search.cv_results_["params"]) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": FLAT[:, :6]}, "images, labels and folds was"),
        ({"X": np.vstack([FLAT[:-1], FLAT[:1]])}, "images, labels and folds was"),
        ({"y": Y[::-1]}, "images, labels and folds was"),
        ({"cv": 4}, "images, labels and folds was"),
        ({"scoring": "accuracy"}, "scoring was 'balanced_accuracy' and is now 'accuracy'"),
        ({"estimator__max_depth": 6}, "estimator__max_depth was 5 and is now 6"),
        ({"error_score": 0}, r"error_score was nan and is now 0\.0"),
        ({"sample_weight": Y + 1.0}, "parameters of fit and scorers was"),
        (
            {"estimator": Fragile(), "param_distributions": {"share": [0.5]}},
            "estimator was",
        ),
        ({"cost": "fit_time"}, "directions"),
    ],
)
def test_only_the_same_study_goes_on(tmp_path, change, message):
    params = dict(storage=tmp_path / "search.journal", n_trials=2)
    change = dict(change)
    tree_search(**params).fit(FLAT, Y)
    data = {"X": FLAT, "y": Y}
    data |= {
        name: change.pop(name) for name in ("X", "y", "sample_weight") if name in change
    }
    search = tree_search(**params).set_params(**change)
    with pytest.raises(ValueError, match=message):
        search.fit(**data)


def test_choices_of_a_study_stay_the_same(tmp_path):
    params = dict(storage=tmp_path / "search.journal", cv=3)
    OCTSearchCV(TREE, {"criterion": ["gini"]}, n_trials=1, **params).fit(FLAT, Y)
    search = OCTSearchCV(TREE, {"criterion": ["gini", "entropy"]}, n_trials=2, **params)
    with pytest.raises(ValueError, match=r"begun with 'criterion' from.*Pass another"):
        search.fit(FLAT, Y)


def test_what_changes_no_score_may_differ(tmp_path):
    pipeline = Pipeline([("tree", TREE)])
    space = {f"tree__{name}": drawn_from for name, drawn_from in PRUNING.items()}
    params = dict(storage=tmp_path / "search.journal", cv=3)
    OCTSearchCV(pipeline, space, n_trials=2, **params).fit(FLAT, Y)
    np.save(tmp_path / "images.npy", FLAT)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    search = OCTSearchCV(clone(pipeline).set_params(verbose=True), space, **params)
    search.set_params(n_trials=3, refit=False, verbose=1, n_jobs=1, error_score="raise")
    search.fit(mapped, Y)
    assert len(search.cv_results_["params"]) == 3


def test_choices_that_are_objects_can_be_continued(tmp_path):
    def search(n_trials, rates):
        optimizers = [keras.optimizers.Adam(rate) for rate in rates]
        return OCTSearchCV(
            net(learning_rate=None),
            {"optimizer": optimizers},
            n_trials=n_trials,
            cv=2,
            sampler=OneAfterTheOther(),
            storage=tmp_path / "search.journal",
            refit=False,
        ).fit(X[:24], Y[:24])

    search(1, [0.001, 0.1])
    results = search(2, [0.001, 0.1]).cv_results_
    rates = [float(params["optimizer"].learning_rate) for params in results["params"]]
    assert rates == pytest.approx([0.001, 0.1])
    with pytest.raises(ValueError, match="begun with 'optimizer' from"):
        search(3, [0.001, 0.2])


class OneAfterTheOther(optuna.samplers.RandomSampler):
    """Suggests each choice of a list in turn."""

    def sample_independent(self, study, trial, param_name, param_distribution):
        return param_distribution.choices[trial.number]


def storage_of(kind, tmp_path):
    """Return where a study lives, and a study that another process has opened there."""
    path = tmp_path / "study"
    backend = optuna.storages.journal.JournalFileBackend
    if kind == "sqlite":
        return f"sqlite:///{path}", lambda: f"sqlite:///{path}"
    return path, lambda: optuna.storages.JournalStorage(backend(str(path)))


def fail_from_outside(storage, number):
    """Do to a running trial what a process does that takes its owner for dead."""
    study = optuna.load_study(study_name="octsk", storage=storage())
    running = [trial.number for trial in study.trials if trial.state.name == "RUNNING"]
    if running == [number]:
        study.tell(number, state=optuna.trial.TrialState.FAIL)
    return running == [number]


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_search_goes_on_after_a_trial_that_another_process_failed(tmp_path, kind):
    path, storage = storage_of(kind, tmp_path)

    def scoring(estimator, X, y):
        fail_from_outside(storage, 1)
        return estimator.score(X, y)

    search = tree_search(storage=path, scoring=scoring, random_state=0)
    with pytest.warns(UserWarning, match="trial 1 is lost") as told:
        search.fit(FLAT, Y)
    assert len(told) == 1
    assert list(search.cv_results_["trial"]) == [0, 2, 3, 4]
    assert [trial.state.name for trial in search.study_.trials][1] == "FAIL"


def test_lost_trial_is_no_failed_fit(tmp_path):
    path, storage = storage_of("journal", tmp_path)

    def scoring(estimator, X, y):
        fail_from_outside(storage, 0)
        return estimator.score(X, y)

    counter = Counter()
    search = OCTSearchCV(
        net(epochs=5, callbacks=counter), {"learning_rate": [0.01]}, n_trials=1, cv=2
    )
    search.set_params(scoring=scoring, storage=path, refit=False)
    search.set_params(pruner=optuna.pruners.NopPruner())
    with pytest.warns(UserWarning, match="trial 0 is lost") as told:
        search.fit(X, Y)
    assert not any(warning.category is FitFailedWarning for warning in told)
    # One epoch of the lost trial; two folds of the next.
    assert counter.n_epochs == 1 + 2 * 5


def test_ctrl_c_in_a_lost_trial(tmp_path):
    path, storage = storage_of("journal", tmp_path)

    def scoring(estimator, X, y):
        if fail_from_outside(storage, 2):
            raise KeyboardInterrupt
        return estimator.score(X, y)

    with pytest.warns(UserWarning, match="interrupted"):
        search = tree_search(storage=path, scoring=scoring).fit(FLAT, Y)
    assert list(search.cv_results_["trial"]) == [0, 1]


@pytest.mark.parametrize(
    ("kind", "process", "state", "n_more"),
    [
        # A process has the lock, on whatever machine.
        ("journal", "works", "RUNNING", 1),
        ("sqlite", "works", "RUNNING", 1),
        # It was killed, or the machine was started anew.
        ("journal", "was killed", "FAIL", 2),
        ("sqlite", "was killed", "FAIL", 2),
        # Somebody has removed what it left.
        ("journal", "left no lock", "FAIL", 2),
        # It works on another machine: of a database, it gives signs of life.
        ("sqlite", "left no lock", "RUNNING", 1),
        # Nobody knows.
        ("journal", "is unknown", "RUNNING", 2),
        ("sqlite", "is unknown", "RUNNING", 2),
        # Another user's, whose lock cannot be looked at.
        ("journal", "is another's", "RUNNING", 2),
        ("sqlite", "is another's", "RUNNING", 1),
    ],
)
def test_trials_in_work_elsewhere(tmp_path, monkeypatch, kind, process, state, n_more):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path, storage = storage_of(kind, tmp_path)
    tree_search(storage=path, n_trials=1).fit(FLAT, Y)
    running = optuna.load_study(study_name="octsk", storage=storage()).ask()
    if process != "is unknown":
        running.set_user_attr("process", {"pid": os.getpid(), "lock": "its-lock"})
    name = ".study-its-lock.lock" if kind == "journal" else ".octsk-its-lock.lock"
    lock = FileLock(tmp_path / name)
    if process == "works":
        lock.acquire()
    elif process != "left no lock":
        (tmp_path / name).touch()
    if process == "is another's":

        def refuse(path):
            raise PermissionError(path)

        monkeypatch.setattr("octsk.utils.files.acquire_lock", refuse)
    search = tree_search(storage=path, n_trials=3).fit(FLAT, Y)
    lock.release()
    assert len(search.cv_results_["trial"]) == 1 + n_more
    assert search.study_.trials[1].state.name == state
    left = process in ("works", "is unknown", "is another's")
    assert [p.name for p in tmp_path.glob(".*")] == [name] * left


def test_workers_hold_locks_only_while_they_work(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    seen = []

    def look(study, trial):
        lock = trial.user_attrs["process"]["lock"]
        assert trial.user_attrs["process"]["pid"] == os.getpid()
        seen.extend(path.name for path in tmp_path.rglob(".*.lock") if lock in path.name)

    for storage in ("new/search.journal", f"sqlite:///{tmp_path}/study", None):
        tree_search(storage=storage, n_trials=1, callbacks=[look]).fit(FLAT, Y)
    assert [name[: name.index("-")] for name in seen] == [".search.journal"] + [
        ".octsk"
    ] * 2
    assert not [*tmp_path.rglob(".*")]


def test_images_of_later_folds_are_compared(tmp_path):
    how = {"storage": storage_of("journal", tmp_path)[0], "cv": TimeSeriesSplit(3)}
    tree_search(n_trials=1, **how).fit(FLAT, Y)
    changed = np.vstack([FLAT[:-1], FLAT[:1]])
    with pytest.raises(ValueError, match="images, labels and folds was"):
        tree_search(n_trials=2, **how).fit(changed, Y)


def test_machine_that_gives_no_sign_of_life(tmp_path):
    path, storage = storage_of("sqlite", tmp_path)
    tree_search(storage=path, n_trials=1).fit(FLAT, Y)
    study = optuna.load_study(study_name="octsk", storage=storage())
    running = study.ask()
    running.set_user_attr("process", {"host": "other", "lock": "of-the-other"})
    with contextlib.closing(sqlite3.connect(tmp_path / "study")) as database:
        database.execute(
            "INSERT INTO trial_heartbeats (trial_id, heartbeat) "
            "VALUES (?, datetime('now', '-3 minutes'))",
            [running._trial_id],
        )
        database.commit()
    search = tree_search(storage=path, n_trials=2).fit(FLAT, Y)
    assert [t.state.name for t in search.study_.trials] == ["COMPLETE", "FAIL", "COMPLETE"]


def test_trials_of_others_are_left_alone(tmp_path):
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="octsk", direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=2.0))
    search = tree_search(storage=storage, n_trials=3).fit(FLAT, Y)
    assert list(search.cv_results_["trial"]) == [1, 2, 3]


def test_torn_journal(tmp_path):
    path = tmp_path / "search.journal"
    tree_search(storage=path, n_trials=2).fit(FLAT, Y)
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:20])
    search = tree_search(storage=path, n_trials=3).fit(FLAT, Y)
    assert len(search.cv_results_["params"]) == 3
    path.write_bytes(b'{"op_c')
    assert len(tree_search(storage=path, n_trials=3).fit(FLAT, Y).study_.trials) == 3


def test_record_torn_by_another_process_while_the_search_goes_on(tmp_path):
    path = tmp_path / "search.journal"

    def tear(study, trial):
        with open(path, "ab") as file:
            file.write(b'{"op_code":6,"wor')

    search = tree_search(storage=path, n_trials=4, callbacks=[tear]).fit(FLAT, Y)
    assert len(search.cv_results_["params"]) == 4
    assert len(tree_search(storage=path, n_trials=5).fit(FLAT, Y).study_.trials) == 5


def test_journal_is_found_from_another_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    search = tree_search(
        storage="search.journal",
        n_trials=2,
        callbacks=[lambda study, trial: os.chdir("/")],
    ).fit(FLAT, Y)
    assert len(search.study_.trials) == 2
    assert os.listdir(tmp_path) == ["search.journal"]


def test_other_files_are_no_journals(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, X)
    before = path.read_bytes()
    with pytest.raises(
        ValueError, match=r"images\.npz' is a file, but not an Optuna journal"
    ):
        tree_search(storage=str(path)).fit(FLAT, Y)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["images.npz"]


# A script as users have it: killed, it is started again.
SCRIPT = """
import time
import numpy as np
from optuna.distributions import FloatDistribution
import octsk
from sklearn.base import ClassifierMixin, BaseEstimator

class Slow(ClassifierMixin, BaseEstimator):
    def __init__(self, learning_rate=0.1):
        self.learning_rate = learning_rate

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        time.sleep(0.2)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

rng = np.random.default_rng(0)
X, y = rng.integers(0, 256, (24, 12, 12), dtype=np.uint8), np.arange(24) % 3
search = octsk.OCTSearchCV(
    {estimator},
    {{"learning_rate": FloatDistribution(1e-3, 1e-2)}},
    storage={storage!r},
    n_trials={n_trials},
    n_workers={n_workers},
    cv=2,
    random_state=0,
    callbacks=[lambda study, trial: print(trial.number, flush=True)],
)
search.fit(X, y)
print("done", *search.cv_results_["trial"])
"""


def start(tmp_path, n_trials=6, estimator="Slow()", n_workers=1, storage=None):
    script = SCRIPT.format(
        storage=storage or str(tmp_path / "search.journal"),
        n_trials=n_trials,
        estimator=estimator,
        n_workers=n_workers,
    )
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        # A shell may hand Ctrl-C as ignored to what it runs in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        start_new_session=True,
    )


def load_study(tmp_path):
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "search.journal"))
    storage = optuna.storages.JournalStorage(backend)
    return optuna.load_study(study_name="octsk", storage=storage)


@pytest.mark.parametrize(
    "estimator",
    ["Slow()", pytest.param(f"octsk.SmallOCTNet(**{QUICK})", marks=pytest.mark.slow)],
)
def test_killed_search_goes_on(tmp_path, estimator):
    first = start(tmp_path, estimator=estimator)
    while first.stdout.readline().strip() != "2":
        assert first.poll() is None
    # In the middle of the fourth trial, and not in the moment of writing.
    while len(trials := load_study(tmp_path).trials) < 4 or not trials[3].params:
        time.sleep(0.02)
    while (tmp_path / "search.journal.lock").is_symlink():
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    states = [trial.state.name for trial in load_study(tmp_path).trials]
    assert states == ["COMPLETE"] * 3 + ["RUNNING"]

    second = start(tmp_path, estimator=estimator)
    output, _ = second.communicate(timeout=100)
    assert second.returncode == 0
    # The killed trial does not count; there are six others.
    assert output.splitlines() == ["4", "5", "6", "done 0 1 2 4 5 6"]
    study = load_study(tmp_path)
    assert [t.state.name for t in study.trials] == [
        *["COMPLETE"] * 3,
        "FAIL",
        *["COMPLETE"] * 3,
    ]
    assert len({trial.params["learning_rate"] for trial in study.trials}) == 7


@pytest.mark.slow
def test_search_killed_at_any_moment_goes_on(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(3):
        process = start(tmp_path, n_trials=12)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.communicate()
    # A process killed in the moment of writing leaves Optuna's lock behind for 30 s.
    output, _ = start(tmp_path, n_trials=12).communicate(timeout=100)
    done = output.splitlines()[-1].split()
    assert done[0] == "done"
    assert len(done) == 13
    states = [trial.state.name for trial in load_study(tmp_path).trials]
    assert states.count("COMPLETE") == 12


@pytest.mark.slow
def test_workers_share_a_study(tmp_path):
    params = dict(random_state=0, n_trials=8)
    storage = tmp_path / "search.journal"
    search = tree_search(n_workers=2, storage=storage, **params)
    search.set_params(estimator=Together(tmp_path)).fit(FLAT, Y)
    study = load_study(tmp_path)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 8
    processes = {trial.user_attrs["process"]["pid"] for trial in study.trials}
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert search.predict(FLAT).shape == Y.shape
    # All of the first ten are random, so that two processes try what one does.
    alone = tree_search(**params).set_params(estimator=Together()).fit(FLAT, Y)
    assert search.cv_results_["params"] == alone.cv_results_["params"]
    # And with a sampler that has one seed for all trials, not the same twice.
    search.set_params(sampler=optuna.samplers.RandomSampler(seed=0), study_name="other")
    tried = search.fit(FLAT, Y).cv_results_["param_ccp_alpha"]
    assert len(set(tried)) == len(tried) == 8


def test_workers_that_ask_at_once_begin_no_trial_too_many(tmp_path, monkeypatch):
    from octsk.model_selection import storage
    from octsk.model_selection import study as _study

    n_taken = _study.n_taken

    def slowly(study):
        n = n_taken(study)
        # Time for the other to count as many.
        time.sleep(0.3)
        return n

    monkeypatch.setattr(_study, "n_taken", slowly)
    plan = dict(sampler=None, pruner=None, directions=["maximize"])
    study = storage.open_study(tmp_path / "search.journal", None, **plan)
    both = threading.Barrier(2)

    def meet(study, trial):
        if trial.number < 2:
            both.wait(60)

    def objective(trial):
        trial.set_user_attr(_study.FOLDS, [])
        return 0.0

    def work():
        _study.optimize(
            load_study(tmp_path),
            objective,
            n_trials=3,
            timeout=None,
            callbacks=[meet],
            turn=FileLock(tmp_path / "turn"),
        )

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [trial.number for trial in study.trials] == [0, 1, 2]


def test_killed_search_in_a_database_goes_on_at_once(tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    first = start(tmp_path, storage=storage)
    while first.stdout.readline().strip() != "0":
        assert first.poll() is None
    time.sleep(0.1)
    first.kill()
    first.communicate()
    # Without waiting for the signs of life that it gives no more.
    output, _ = start(tmp_path, n_trials=3, storage=storage).communicate(timeout=100)
    study = optuna.load_study(study_name="octsk", storage=storage)
    assert [t.state.name for t in study.trials].count("RUNNING") == 0
    assert len(output.splitlines()[-1].split()) == 4


def finished(tmp_path):
    return [t.number for t in load_study(tmp_path).trials if t.state.is_finished()]


@pytest.fixture
def workers(tmp_path):
    """A search by two workers that goes on for ever and has finished some trials."""
    process = start(tmp_path, n_trials=10**6, n_workers=2)
    for _ in range(3):
        assert process.stdout.readline().strip().isdigit()
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them(workers, tmp_path):
    workers.kill()
    workers.wait()
    time.sleep(2)
    before = finished(tmp_path)
    time.sleep(2)
    assert finished(tmp_path) == before
    # Their trials are lost, and the search goes on.
    n = len(before) + 2
    output, _ = start(tmp_path, n_trials=n).communicate(timeout=100)
    assert len(output.splitlines()[-1].split()) == n + 1


@pytest.mark.slow
def test_ctrl_c_ends_all_workers(workers, tmp_path):
    # Into the midst of trials: one that has just begun has not said yet whose it is.
    time.sleep(0.15)
    # As a terminal does it: to all of them.
    os.killpg(workers.pid, signal.SIGINT)
    output, _ = workers.communicate(timeout=60)
    assert workers.returncode == 0
    assert output.splitlines()[-1].startswith("done 0 ")
    # Those that were killed are told.
    states = [trial.state.name for trial in load_study(tmp_path).trials]
    assert set(states) == {"COMPLETE", "FAIL"}
    time.sleep(2)
    assert [trial.state.name for trial in load_study(tmp_path).trials] == states


@pytest.mark.slow
def test_killed_worker_ends_the_search_with_one_sentence(workers, tmp_path):
    # One that has just begun has not said yet whose it is.
    while not (
        pids := [
            trial.user_attrs["process"]["pid"]
            for trial in load_study(tmp_path).trials
            if trial.state.name == "RUNNING" and trial.user_attrs
        ]
    ):
        time.sleep(0.01)
    os.kill(pids[0], signal.SIGKILL)
    _, errors = workers.communicate(timeout=100)
    assert workers.returncode == 1
    assert (
        "ChildProcessError: a process of the search was killed" in errors.splitlines()[-1]
    )
    assert "Terminated" not in errors
    assert {t.state.name for t in load_study(tmp_path).trials} == {"COMPLETE", "FAIL"}
    n = len(finished(tmp_path))
    output, _ = start(tmp_path, n_trials=n).communicate(timeout=100)
    assert output.splitlines()[-1].startswith("done 0 ")


@pytest.mark.slow
def test_killed_process_of_a_fold(tmp_path):
    search = OCTSearchCV(Fragile(), {"fails": [False, "killed"]}, n_trials=2, cv=2)
    search.set_params(sampler=Listed([False, "killed"]), n_jobs=2)
    with pytest.raises(
        ChildProcessError, match="was killed, perhaps because memory ran out"
    ):
        search.fit(FLAT, Y)
    assert [trial.state.name for trial in search.study_.trials] == ["COMPLETE", "FAIL"]


def test_two_processes_share_a_study(tmp_path):
    workers = [start(tmp_path, n_trials=12) for _ in range(2)]
    told = [worker.communicate(timeout=100)[0].splitlines() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    done = [{int(number) for number in lines[:-1]} for lines in told]
    assert all(done)
    assert not done[0] & done[1]
    study = load_study(tmp_path)
    # Two that begin at the same moment may both take the last place.
    assert 12 <= len(study.trials) <= 13
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}
    assert len({trial.params["learning_rate"] for trial in study.trials}) == len(
        study.trials
    )


# --- Real images -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "scoring"),
    [("octdl_dev", "balanced_accuracy"), ("pneumoniamnist_dev", "roc_auc_ovr")],
)
def test_search_on_real_images(data_folder, tmp_path, name, scoring):
    scans = octsk.load_medmnist(data_folder / f"{name}.npz", split="train")
    few = np.arange(0, len(scans.target), len(scans.target) // 150)
    groups = few if scans.groups is None else scans.groups[few]
    search = OCTSearchCV(
        SmallOCTNet(filters=(4,), epochs=2, random_state=0),
        n_trials=2,
        cv=StratifiedGroupKFold(2),
        scoring=scoring,
        pruner="median",
        random_state=0,
        storage=tmp_path / "search.journal",
    ).fit(scans.data[few], scans.target[few], groups=groups)
    assert 0 < search.best_score_ < 1
    n_classes = len(np.unique(scans.target))
    assert search.predict_proba(scans.data[:3]).shape == (3, n_classes)


@pytest.mark.slow
def test_grids_on_real_images(real_images):
    images, labels, groups, cv = real_images
    grid = report_grid_search(cv=cv, random_state=0, n_jobs=2)
    for candidates in grid.param_grid:
        candidates["net"][0].set_params(filters=(4,), dense_units=(8,))
        candidates["net__epochs"] = [1]
        candidates["net__optimizer"] = candidates["net__optimizer"][:1]
    halving = HalvingGridSearchCV(
        net(epochs=1),
        {"class_weight": [None, "balanced"]},
        resource="epochs",
        max_resources=2,
        factor=2,
        cv=cv,
        scoring="balanced_accuracy",
        n_jobs=2,
    )
    for search in (grid, halving):
        search.fit(images, labels, **groups)
        assert 0 < search.best_score_ <= 1
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert search.predict_proba(images[:3]).shape == (3, len(np.unique(labels)))
    assert len(grid.cv_results_["params"]) == 4
    assert halving.n_resources_ == [1, 2]


@pytest.mark.slow
def test_cost_and_workers_on_real_images(real_images, tmp_path):
    images, labels, groups, cv = real_images
    search = OCTSearchCV(
        net(),
        {"filters": [(2,), (4,), (8,)], "learning_rate": [0.001, 0.01]},
        n_trials=4,
        cv=cv,
        cost="n_parameters",
        n_workers=2,
        storage=tmp_path / "search.journal",
        random_state=0,
    ).fit(images, labels, **groups)
    processes = {t.user_attrs["process"]["pid"] for t in search.study_.trials}
    assert len(processes) == 2
    assert 0 < search.best_score_ <= 1
    costs = search.cv_results_["cost"][search.pareto_front_]
    assert (np.diff(costs) > 0).all()
    assert search.predict_proba(images[:3]).shape == (3, len(np.unique(labels)))


# --- Several processes -----------------------------------------------------------------


def grid_search(estimator, **params):
    return GridSearchCV(estimator, {"optimizer": ["adam"]}, cv=4, **params)


def halving_search(estimator, **params):
    space = {"optimizer": ["adam", "nadam"]}
    params |= dict(resource="epochs", min_resources=1, max_resources=2, factor=2, cv=2)
    return HalvingGridSearchCV(estimator, space, **params)


def study(estimator, **params):
    return OCTSearchCV(estimator, {"optimizer": ["adam"]}, n_trials=1, cv=4, **params)


def wait_for_free_cores():
    """End idle workers, and wait for those of other tests, which end after 300 s."""
    get_reusable_executor().shutdown()
    for _ in range(400):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for core in os.sched_getaffinity(0):
                claim = stack.enter_context(socket.socket(socket.AF_UNIX))
                claim.bind(cores._CLAIM.format(core))
            return
        time.sleep(1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [grid_search, halving_search, study])
def test_parallel_scores_are_serial_ones_and_cores_are_shared(kind, tmp_path):
    def scoring(estimator, X, y):
        maps = Path("/proc/self/maps").read_text().count("joblib_memmapping")
        bound_to = sorted(os.sched_getaffinity(0))
        (tmp_path / f"{os.getpid()}").write_text(json.dumps([maps, bound_to]))
        loss = keras.losses.SparseCategoricalCrossentropy()
        return -float(loss(y, estimator.predict_proba(X)))

    # More than the megabyte from which on joblib maps arrays.
    images, labels = octsk.make_oct_phantoms(1500, random_state=0, return_X_y=True)
    estimator = SmallOCTNet(filters=(8, 8), epochs=1, random_state=0)
    params = dict(scoring=scoring, refit=False)
    serial = kind(estimator, **params).fit(images, labels).cv_results_
    (tmp_path / f"{os.getpid()}").unlink()
    wait_for_free_cores()
    parallel = kind(estimator, n_jobs=2, **params).fit(images, labels).cv_results_
    scores = [name for name in serial if name.startswith("split")]
    assert len(scores) >= 2
    for name in scores:
        np.testing.assert_array_equal(serial[name], parallel[name])
    found = [json.loads(p.read_text()) for p in tmp_path.iterdir()]
    maps, bound_to = zip(*found, strict=True)
    assert len(maps) == 2
    # The images were not copied to the workers.
    assert min(maps) >= 1
    if len(os.sched_getaffinity(0)) >= 2:
        assert not set(bound_to[0]) & set(bound_to[1])
