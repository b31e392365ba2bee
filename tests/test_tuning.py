"""Tuning: the search on the training split, what comes of it, and its report."""

import csv
import json

import matplotlib.image
import numpy as np
import optuna
import pytest
from helpers import TINY, toy_images
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import Bunch

import octsk
from octsk import OCTSearchCV, SmallOCTNet
from octsk.model_selection import read_search_space
from octsk.reporting.tuning_figures import tuning_figures
from octsk.tuning import tune

SPACE = {
    "ccp_alpha": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
    "max_depth": optuna.distributions.IntDistribution(1, 30),
    "criterion": ["gini", "entropy"],
}


def flat(seed, n=48):
    X, y = toy_images(n=n, seed=seed)
    return Bunch(data=X[:, :, 0] / 255, target=y, groups=100 * seed + np.arange(n) // 4)


def dataset(**splits):
    given = {"train": flat(0), "val": None, "test": flat(1)} | splits
    return Bunch(name="toys", size=12, synthetic=True, target_names=list("abc"), **given)


def tree_search(n_trials=6, **params):
    search = OCTSearchCV(DecisionTreeClassifier(random_state=0), SPACE, random_state=0)
    return search.set_params(**{"n_trials": n_trials, "cv": 3} | params)


@pytest.fixture(scope="module")
def run():
    return tune(tree_search(), dataset(), seeds=[0, 1])


def test_what_tune_gives(run):
    assert (
        run.search.best_params_ == run.search.cv_results_["params"][run.search.best_index_]
    )
    tuned = DecisionTreeClassifier(random_state=0, **run.search.best_params_)
    train, test = dataset().train, dataset().test
    tuned.fit(train.data, train.target)
    np.testing.assert_array_equal(
        run.estimator.predict_proba(test.data), tuned.predict_proba(test.data)
    )
    default, tuned = run.benchmark.reports["default"], run.benchmark.reports["tuned"]
    assert [report.seed for report in default] == [0, 1]
    assert tuned[0].metrics["acc"] == run.estimator.score(test.data, test.target)
    assert default[0].params["criterion"] == "gini"
    assert default[0].params["max_depth"] is None
    assert tuned[0].data["split"] == "test"


def test_search_sees_the_training_split_alone():
    train = dataset(val=None, test=None)
    alone = tune(tree_search(), train)
    assert alone.benchmark is None
    assert alone.estimator.get_params() == (
        DecisionTreeClassifier(random_state=0, **alone.search.best_params_).get_params()
    )
    assert "Measured on" not in alone.to_text()
    both = tune(tree_search(), dataset())
    np.testing.assert_array_equal(
        alone.search.cv_results_["mean_test_score"],
        both.search.cv_results_["mean_test_score"],
    )


def test_patients_are_kept_together(run):
    assert isinstance(run.search.cv, StratifiedGroupKFold)
    assert "48 images, 12 patients kept together" in run.to_text()
    train = flat(0)
    train.groups = None
    strangers = tune(tree_search(n_trials=1), dataset(train=train, test=None))
    assert isinstance(strangers.search.cv, StratifiedKFold)
    assert "patients" not in strangers.to_text()
    with pytest.warns(UserWarning, match="groups parameter is ignored"):
        mixed = tune(tree_search(n_trials=1, cv=StratifiedKFold(2)), dataset(test=None))
    assert "48 images, 12 patients " not in mixed.to_text()
    assert "kept together" not in mixed.to_text()
    own = StratifiedGroupKFold(2)
    assert tune(tree_search(n_trials=1, cv=own), dataset(test=None)).search.n_splits_ == 2


def test_text(run):
    text = str(run)
    assert text.startswith("*** SYNTHETIC DATA ***")
    assert text.count("*** SYNTHETIC DATA ***") == 1
    assert "trials     6: 6 completed" in text
    best = run.search.best_index_
    results = run.search.cv_results_
    score, spread = results["mean_test_score"][best], results["std_test_score"][best]
    assert f"best       {score:.3f} ± {spread:.3f} (trial {best})" in text
    assert "Published results: none are comparable" in text
    assert run._repr_html_().count("<table>") >= 4
    assert repr(run) == (
        "<TuningRun of DecisionTreeClassifier on toys (SYNTHETIC), train split, 12 px: "
        "6 trials>"
    )


def test_trials_and_importances(run):
    trials = run.trials()
    assert [trial["trial"] for trial in trials] == list(range(6))
    scores = run.search.cv_results_["mean_test_score"]
    assert [trial["score"] for trial in trials] == list(scores)
    shares = run.importances()
    assert set(shares) == set(SPACE)
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    few = tune(tree_search(n_trials=3), dataset(test=None))
    assert few.importances() == {}
    assert "importance" in few.to_text()


def test_important_is_what_the_score_depends_on():
    def scoring(estimator, X, y):
        return estimator.max_depth / 30 + estimator.ccp_alpha / 1e6

    search = tree_search(n_trials=60, scoring=scoring)
    search.set_params(sampler=optuna.samplers.RandomSampler(seed=0))
    run = tune(search, dataset(test=None))
    assert next(iter(run.importances())) == "max_depth"
    assert run.importances()["max_depth"] > 0.7


def test_report_folder(run, tmp_path):
    folder = run.save(tmp_path / "new" / "report")
    figures = {"history.png", "parallel.png", "importances.png"}
    assert {path.name for path in folder.iterdir()} == figures | {
        *("report.html", "report.txt", "tuning.json", "trials.csv"),
        *("search_space.json", "benchmark"),
    }
    for name in figures:
        # Ink, and not in one colour.
        assert np.ptp(matplotlib.image.imread(folder / name)[..., :3]) > 0.5
    assert (folder / "report.txt").read_text(encoding="utf-8") == f"{run}\n"
    assert (folder / "benchmark" / "run.json").exists()
    record = json.loads((folder / "tuning.json").read_text())
    assert record["best_params"] == run.search.best_params_
    assert record["default_params"]["max_depth"] is None
    assert len(record["trials"]) == 6
    assert record["data"]["n_groups"] == 12
    with open(folder / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["max_depth"]) for row in rows] == list(
        run.search.cv_results_["param_max_depth"]
    )
    # What was searched can be changed, and searched again.
    again = read_search_space(folder / "search_space.json")
    assert again["max_depth"] == SPACE["max_depth"]
    assert again["ccp_alpha"] == SPACE["ccp_alpha"]
    assert again["criterion"] == SPACE["criterion"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report"]
    with pytest.raises(FileExistsError, match="already contains files"):
        run.save(folder)


def test_report_folder_is_whole_or_not_there(run, tmp_path, monkeypatch):
    def broken(*args):
        raise OSError("disk full")

    monkeypatch.setattr("octsk.tuning._run.write_json", broken)
    with pytest.raises(OSError, match="disk full"):
        run.save(tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


def test_model_is_saved_with_names(tmp_path):
    splits = {}
    for seed, split in enumerate(("train", "test")):
        X, y = toy_images(n=36, seed=seed)
        splits[split] = Bunch(data=X, target=y)
    search = OCTSearchCV(
        SmallOCTNet(**TINY, augmentation=None),
        {"learning_rate": [0.001, 0.01]},
        n_trials=2,
        cv=2,
        cost="n_parameters",
        random_state=0,
    )
    run = tune(search, dataset(**splits), output_dir=tmp_path / "report")
    loaded = octsk.load(tmp_path / "report" / "model.octsk")
    assert loaded.class_names_ == ["a", "b", "c"]
    assert loaded.learning_rate == run.search.best_params_["learning_rate"]
    X = splits["test"].data
    np.testing.assert_array_equal(loaded.predict_proba(X), run.estimator.predict_proba(X))
    assert (tmp_path / "report" / "pareto.png").exists()
    assert "cost" in run.to_text()


def test_tables_show_the_settings_that_the_trainings_had(tmp_path):
    X, y = toy_images(n=36)
    search = OCTSearchCV(
        SmallOCTNet(**TINY, augmentation=None),
        {"learning_rate": [None], "optimizer": ["sgd"], "weight_decay": [None]},
        n_trials=1,
        cv=2,
    )
    other, _ = toy_images(n=36, seed=1)
    train, test = Bunch(data=X, target=y), Bunch(data=other, target=y)
    run = tune(search, dataset(train=train, test=test))
    rows = [line.split()[:3] for line in run.to_text().splitlines()]
    assert ["learning_rate", "0.01", "0.001"] in rows
    assert ["weight_decay", "0", "0"] in rows
    run.to_figures_csv(tmp_path / "trials.csv")
    with open(tmp_path / "trials.csv", newline="") as file:
        [trial] = csv.DictReader(file)
    assert (trial["learning_rate"], trial["weight_decay"]) == ("0.01", "0.0")
    assert run.trials()[0]["params"]["learning_rate"] is None
    assert run.shown_params["learning_rate"] == 0.01


class Wordy(DecisionTreeClassifier):
    """A tree with a word that a spreadsheet would compute."""

    def __init__(self, word="", max_depth=None):
        super().__init__(max_depth=max_depth)
        self.word = word


def test_a_spreadsheet_computes_no_word_of_the_trials(tmp_path):
    space = {"word": ["=cmd()"], "max_depth": [2]}
    run = tune(OCTSearchCV(Wordy(), space, n_trials=1, cv=2), dataset(test=None))
    run.to_figures_csv(tmp_path / "trials.csv")
    with open(tmp_path / "trials.csv", newline="") as file:
        [trial] = csv.DictReader(file)
    assert (trial["word"], trial["max_depth"]) == ("'=cmd()", "2")


def test_patients_on_both_sides_are_warned_of_before_the_search():
    test, val = flat(1), flat(1)
    test.groups = val.groups = flat(0).groups
    both = dataset(test=test)
    with pytest.warns(UserWarning, match="train and test share 12"):
        run = tune(tree_search(n_trials=1), both)
    assert "NOT INDEPENDENT: 12 of the patients" in run.to_text()
    with (
        pytest.warns(UserWarning, match="train and val share 12"),
        pytest.raises(ValueError, match="n_trials"),
    ):
        tune(tree_search(n_trials=0), dataset(test=None, val=val))


def test_pruned_and_failed_trials_are_listed(tmp_path):
    class PruneOdd(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return trial.number % 2 == 1

    class Listed(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, param_name, param_distribution):
            # A negative one fails.
            return [0.001, 0.01, -1.0][trial.number]

    X, y = toy_images(n=36)
    search = OCTSearchCV(
        SmallOCTNet(**TINY, augmentation=None),
        {"learning_rate": [0.001, 0.01, -1.0]},
        n_trials=3,
        cv=2,
        pruner=PruneOdd(),
        sampler=Listed(),
    )
    with (
        pytest.warns(UserWarning, match="scores are non-finite"),
        pytest.warns(FitFailedWarning, match="learning_rate"),
    ):
        run = tune(search, dataset(train=Bunch(data=X, target=y), test=None))
    trials = run.trials()
    assert [trial["state"] for trial in trials] == ["completed", "pruned", "failed"]
    assert trials[1]["score"] is None
    assert np.isnan(trials[2]["score"])
    assert [trial["params"]["learning_rate"] for trial in trials] == [0.001, 0.01, -1.0]
    assert "3: 1 completed, 1 pruned, 1 failed" in run.to_text()
    assert "Best trial\n" in run.to_text()
    run.save(tmp_path / "report")
    with open(tmp_path / "report" / "trials.csv", newline="") as file:
        states = [row["state"] for row in csv.DictReader(file)]
    assert states == ["completed", "pruned", "failed"]


def test_goes_on_and_tells_of_trials(tmp_path):
    told = []

    def look(search):
        told.append(len(search.study_.trials))

    params = dict(storage=tmp_path / "study.journal")
    tune(tree_search(n_trials=2, **params), dataset(test=None), on_trials=look)
    run = tune(tree_search(n_trials=5, **params), dataset(test=None), on_trials=look)
    assert len(run.trials()) == 5
    assert told[-1] == 5


def test_parameters_with_one_value_are_no_axes(tmp_path):
    search = tree_search(param_distributions={"max_depth": [3], "criterion": ["gini"]})
    run = tune(search, dataset(test=None), output_dir=tmp_path / "report")
    assert run.importances() == {}
    assert not (tmp_path / "report" / "parallel.png").exists()
    search.set_params(param_distributions={"max_depth": [3], "ccp_alpha": [0.0, 0.1]})
    assert set(tune(search, dataset(test=None)).importances()) == {"ccp_alpha"}


class Note:
    """Prints as where it lies in memory, and has a configuration, as Keras's objects do."""

    def __init__(self, words):
        self.words = words

    def get_config(self):
        return {"name": f"note_{id(self)}", "words": self.words}


class NotedTree(DecisionTreeClassifier):
    def __init__(self, note=None, max_depth=None, random_state=None):
        super().__init__(max_depth=max_depth, random_state=random_state)
        self.note = note


def test_choices_that_are_objects_are_told(tmp_path):
    notes = [Note("short"), Note("rather long, since it has much to say")]
    search = tree_search(param_distributions={"note": notes, "max_depth": [1, 2]})
    search.estimator = NotedTree()
    run = tune(search, dataset(test=None), output_dir=tmp_path / "report")
    record = json.loads((tmp_path / "report" / "tuning.json").read_text())
    assert {"Note": {"words": "short"}} in [t["params"]["note"] for t in record["trials"]]
    drawn = tuning_figures(run)["parallel"].axes[0]
    assert not any(np.isnan(line.get_ydata()).any() for line in drawn.lines)
    words = [text.get_text() for text in drawn.texts]
    assert all(len(word) <= 24 for word in words)
    assert any(word.endswith("…") for word in words)
    text = run.to_text() + (tmp_path / "report" / "trials.csv").read_text()
    assert " at 0x" not in text
    assert "{'Note': {'words': 'short'}}" in text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the checks of pneumoniamnist_dev")  # equal X-rays
@pytest.mark.parametrize("name", ["octdl_dev", "pneumoniamnist_dev"])
def test_real_images(data_folder, tmp_path, name):
    images = octsk.load_medmnist(data_folder / f"{name}.npz")
    search = OCTSearchCV(
        SmallOCTNet(filters=(4,), epochs=1, random_state=0),
        n_trials=4,
        cv=2,
        random_state=0,
        pruner="median",
        storage=tmp_path / "study.journal",
    )
    run = tune(search, images, output_dir=tmp_path / "report")
    patients = " patients kept together" in run.to_text()
    assert patients == (images.train.groups is not None)
    assert run.benchmark.first.resampled == ("groups" if patients else "images")
    assert "Published results: none are comparable" in run.to_text()
    names = octsk.load(tmp_path / "report" / "model.octsk").class_names_
    assert names is None or names == list(images.target_names)


def test_figures_of_a_study_whose_space_was_changed(tmp_path):
    params = dict(storage=tmp_path / "study.journal")
    tune(tree_search(n_trials=4, **params), dataset(test=None))
    search = tree_search(n_trials=8, **params)
    depth = optuna.distributions.IntDistribution(1, 3)
    search.param_distributions = SPACE | {"max_depth": depth}
    tune(search, dataset(test=None), output_dir=tmp_path / "report")
    assert (tmp_path / "report" / "parallel.png").exists()


@pytest.mark.parametrize(
    ("search", "data", "error", "message"),
    [
        (tree_search(), dataset(train=None), ValueError, "'toys' has none"),
        (tree_search(), [1], TypeError, "must be a Bunch"),
        (tree_search(scoring=["accuracy"]), dataset(), ValueError, "one metric"),
    ],
)
def test_wrong_arguments(search, data, error, message):
    with pytest.raises(error, match=message):
        tune(search, data)


def test_folder_with_files_is_told_before_the_search(tmp_path):
    (tmp_path / "mine.txt").touch()
    search = tree_search(callbacks=[lambda study, trial: pytest.fail("was begun")])
    with pytest.raises(FileExistsError, match="already contains files"):
        tune(search, dataset(), output_dir=tmp_path)
