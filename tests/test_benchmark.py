import csv
import json
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    log_loss,
    roc_auc_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from sklearn.utils import Bunch

from octsk.benchmark import (
    published_results,
    run_benchmark,
    why_not_comparable,
)
from octsk.datasets import load_medmnist
from octsk.datasets._shared_groups import shared_groups
from octsk.evaluation import BenchmarkReport, evaluate

OCT_CLASSES = ["choroidal neovascularization", "diabetic macular edema", "drusen", "normal"]


def _flatten(X):
    return X.reshape(len(X), -1) / 255


def _linear(**params):
    """A classifier of 3-D images that has nothing to do with octsk."""
    sgd = SGDClassifier(loss="log_loss", alpha=1e-2, max_iter=20, tol=None, **params)
    return make_pipeline(FunctionTransformer(_flatten), sgd)


class Net(ClassifierMixin, BaseEstimator):
    """Like an octsk net: it takes validation data, keeps a history and saves itself.

    Its scores name the class that the first pixel holds, with noise by its seed.
    """

    def __init__(self, noise=0.8, random_state=None):
        self.noise = noise
        self.random_state = random_state

    def fit(self, X, y, X_val=None, y_val=None):
        self.classes_ = np.unique(y)
        self.n_val_ = 0 if X_val is None else len(X_val)
        self.history_ = {"loss": [1.0, 0.5], "accuracy": [0.5, 0.7], "val_loss": [1.1, 0.6]}
        return self

    def predict_proba(self, X):
        rng = np.random.default_rng(self.random_state)
        logits = rng.normal(0, self.noise, size=(len(X), len(self.classes_)))
        logits += np.eye(len(self.classes_))[X[:, 0, 0].astype(int)]
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def save(self, path, *, class_names=None):
        path.write_text(f"{class_names[2]}: noise {self.noise}, seed {self.random_state}")


def _split(counts, **facts):
    target = np.repeat(np.arange(len(counts)), counts)
    # Those of a split, so that no image is in two.
    rng = np.random.default_rng(("train", "val", "test").index(facts["split"]))
    data = rng.integers(0, 2, (len(target), 28, 28), dtype=np.uint8)
    data[:, 0, 0] = target
    return Bunch(data=data, target=target, **facts)


def _dataset(counts=(30, 30, 30, 30), **facts):
    """Whole data set of noise images that give their class away."""
    facts = {
        "name": "made-up",
        "size": 28,
        "sha256": "5ha",
        "official": False,
        "synthetic": False,
        "target_names": OCT_CLASSES[: len(counts)],
        **facts,
    }
    splits = {
        name: _split(counts, split=name, **facts) for name in ("train", "val", "test")
    }
    return Bunch(**splits, **facts)


def _official_octmnist():
    return _dataset((250,) * 4, name="octmnist", official=True)


def _report(dataset=None, seed=0, **changes):
    dataset = _dataset() if dataset is None else dataset
    net = Net(random_state=seed, **changes).fit(dataset.train.data, dataset.train.target)
    test = dataset.test
    return evaluate(net, test.data, test.target, dataset=dataset, seed=seed, n_resamples=50)


# -- published results ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "version", "method", "auc", "acc"),
    [
        ("octmnist", "v1", "ResNet-50 (28)", 0.939, 0.745),
        ("octmnist", "v2", "Google AutoML Vision", 0.963, 0.771),
        ("octmnist", "v2", "ResNet-50 (224)", 0.958, 0.776),
        ("pneumoniamnist", "v1", "auto-sklearn", 0.947, 0.865),
        ("pneumoniamnist", "v2", "AutoKeras", 0.947, 0.878),
    ],
)
def test_published_benchmark_rows(dataset, version, method, auc, acc):
    rows = published_results(dataset, kind="benchmark", version=version)
    assert len(rows) == 7
    [row] = [row for row in rows if row.method == method]
    assert (row.auc, row.acc, row.version) == (auc, acc, version)
    assert ("2021" if version == "v1" else "2023") in row.source


def test_224_means_enlarged_and_is_said_so():
    rows = [row for row in published_results(kind="benchmark") if "(224)" in row.method]
    assert len(rows) == 4
    assert all(row.size == 28 and "enlarged" in row.note for row in rows)


def test_the_reports_rows():
    rows = published_results("octmnist", kind="report")
    listed = [row for row in rows if row.note == "list of results"]
    printed = [row for row in rows if row.note == "printed run"]
    assert (len(listed), len(printed), len(rows)) == (12, 5, 17)
    best = max(listed, key=lambda row: row.acc)
    assert best.settings == {
        "net": "Medium",
        "optimizer": "Nadam",
        "epochs": 5,
        "augmentation": True,
    }
    assert [row.loss for row in printed] == [0.7486, 0.7658, 0.8046, 0.5922, 0.5723]
    assert sum(row.acc for row in listed) == pytest.approx(8.372)


def test_kinds_do_not_mix():
    assert [row.acc for row in published_results(kind="notebook")] == [
        0.826,
        0.821,
        0.790,
        0.804,
    ]
    assert {row.size for row in published_results(kind="native")} == {224}
    others = ("benchmark", "report", "notebook")
    assert {row.size for row in published_results() if row.kind in others} == {28}
    assert published_results("pneumoniamnist", kind="report") == []


@pytest.mark.parametrize(
    ("dataset", "size", "best"),
    [
        ("octmnist", 28, ("VGG16", 0.775, 0.029, 0.958)),
        ("octmnist", 64, ("DenseNet-121", 0.844, 0.019, 0.980)),
        ("octmnist", 128, ("VGG16", 0.905, 0.009, 0.987)),
        ("octmnist", 224, ("VGG16", 0.903, 0.026, 0.992)),
        ("pneumoniamnist", 28, ("DINO, linear probe", 0.866, 0.005, 0.973)),
        ("pneumoniamnist", 224, ("DINO, linear probe", 0.916, None, 0.989)),
    ],
)
def test_medmnist_plus_at_each_size(dataset, size, best):
    rows = published_results(dataset, kind="medmnist+", size=size)
    first = max(rows, key=lambda row: row.acc)
    assert (first.method, first.acc, first.acc_std, first.auc) == best
    assert {row.size for row in rows} == {size}
    assert "Scientific Reports 15:7669, 2025" in first.source


def test_rows_chosen_on_the_test_split_say_so():
    rows = [row for row in published_results(kind="native") if row.method == "MedViTV2"]
    assert len(rows) == 2
    for row in rows:
        assert "best test result" in row.note
        assert ".890" in row.note
        assert "10.1016/j.asoc.2025.114045" in row.source


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 32}, "size must be one of .28, 64, 128, 224"),
        ({"dataset": "octdl"}, "dataset must be one of .*octmnist"),
        ({"kind": "best"}, "kind must be one of"),
        ({"version": "v3"}, "version must be one of"),
    ],
)
def test_published_results_refuses_what_it_has_not(arguments, message):
    with pytest.raises(ValueError, match=message):
        published_results(**arguments)


# -- comparability ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "split", "message"),
    [
        ({"synthetic": True}, "test", "synthetic"),
        ({"name": None}, "test", "not named"),
        ({"name": "octdl"}, "test", "octsk lists no published results for 'octdl'"),
        ({}, "val", "test split"),
        ({"size": 64}, "test", "images of 28 pixels"),
        ({"official": False}, "test", "byte-for-byte copy"),
        ({"name": "pneumoniamnist"}, "test", "624"),
    ],
)
def test_each_reason_not_to_compare(changes, split, message):
    dataset = Bunch(**{"name": "octmnist", "size": 28, "official": True, **changes})
    y = np.repeat(np.arange(4), 250)
    assert message in why_not_comparable(dataset, y, split=split)


def test_class_counts_must_be_the_official_ones():
    dataset = Bunch(name="octmnist", size=28, official=True)
    assert why_not_comparable(dataset, np.repeat(np.arange(4), 250)) is None
    y = np.repeat(np.arange(4), [251, 249, 250, 250])
    assert "classes hold" in why_not_comparable(dataset, y)


def test_permuted_labels_are_not_comparable():
    official = _official_octmnist()
    y = official.test.target
    assert why_not_comparable(official, y) is None
    assert why_not_comparable(official.test, y) is None
    names = np.array(OCT_CLASSES)
    assert why_not_comparable(official, names[y]) is None
    for permuted in (3 - y, np.roll(y, 1), y[::-1], names[[1, 0, 2, 3]][y]):
        assert "image by image" in why_not_comparable(official, permuted)
        assert "image by image" in why_not_comparable(official.test, permuted)
    # Where the data set does not hold its labels, by the number of each class.
    x_rays = Bunch(name="pneumoniamnist", size=28, official=True)
    y = np.repeat([0, 1], [234, 390])
    assert why_not_comparable(x_rays, y) is None
    assert "classes hold [390, 234] images" in why_not_comparable(x_rays, 1 - y)
    unknown = np.repeat(["a", "b"], [234, 390])
    assert "neither pneumoniamnist's labels" in why_not_comparable(x_rays, unknown)


def test_real_development_sets_are_not_comparable(data_folder):
    for file in ("pneumoniamnist_dev.npz", "octdl_dev.npz", "octdl_64_dev.npz"):
        dataset = load_medmnist(data_folder / file)
        assert why_not_comparable(dataset, dataset.test.target)
        # Not even under the name of the official set.
        dataset.name = "pneumoniamnist" if "pneumonia" in file else "octmnist"
        assert why_not_comparable(dataset, dataset.test.target)


# -- evaluate ---------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["pneumoniamnist_dev.npz", "octdl_dev.npz"])
def test_figures_agree_with_scikit_learn_on_real_images(data_folder, file):
    dataset = load_medmnist(data_folder / file)
    model = _linear(random_state=0).fit(dataset.val.data, dataset.val.target)
    X, y = dataset.test.data, dataset.test.target
    report = evaluate(model, X, y, dataset=dataset, seed=0)
    proba, predicted = model.predict_proba(X), model.predict(X)
    if proba.shape[1] == 2:
        auc = roc_auc_score(y, proba[:, 1])
    else:
        auc = roc_auc_score(y, proba, multi_class="ovr")
    assert report.metrics["acc"] == pytest.approx(accuracy_score(y, predicted))
    assert report.metrics["auc"] == pytest.approx(auc)
    assert report.metrics["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(y, predicted)
    )
    assert report.metrics["log_loss"] == pytest.approx(log_loss(y, proba))
    np.testing.assert_array_equal(report.confusion_matrix, confusion_matrix(y, predicted))
    np.testing.assert_array_equal(report.y_score, proba)
    for low_high, metric in zip(
        report.intervals.values(), report.metrics.values(), strict=False
    ):
        assert low_high[0] < metric < low_high[1]
    assert report.data["sha256"] == dataset.sha256
    assert report.resampled == ("groups" if "octdl" in file else "images")
    assert "ResNet" not in str(report)
    assert f"Reason: {report.not_comparable}." in str(report)
    assert report.rank() is None


def test_labels_may_be_strings_and_columns_fewer_than_names():
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = np.array(["normal", "drusen", "DME"])[np.arange(60) % 3]
    report = evaluate(LogisticRegression().fit(X, y), X, y[:, None].ravel(), n_resamples=20)
    assert report.class_names == ["DME", "drusen", "normal"]
    assert set(report.recall) == {"DME", "drusen", "normal"}
    assert report.metrics["acc"] == LogisticRegression().fit(X, y).score(X, y)


def test_class_names_follow_the_trained_classes():
    dataset = _dataset()
    kept = dataset.train.target > 1
    net = DummyClassifier().fit(dataset.train.data[kept], dataset.train.target[kept])
    report = evaluate(
        net,
        dataset.train.data[kept],
        dataset.train.target[kept],
        dataset=dataset,
        split="train",
    )
    assert report.class_names == ["drusen", "normal"]


def test_a_class_without_images_leaves_only_the_auc_undefined():
    dataset = _dataset()
    net = Net(random_state=0).fit(dataset.train.data, dataset.train.target)
    kept = dataset.test.target != 2
    report = evaluate(
        net, dataset.test.data[kept], dataset.test.target[kept], dataset=dataset
    )
    assert np.isnan(report.metrics["auc"])
    assert np.isnan(report.recall["drusen"])
    right = report.confusion_matrix.diagonal().sum() / 90
    assert report.metrics["acc"] == pytest.approx(right)
    assert report.metrics["balanced_accuracy"] == pytest.approx(right)
    assert "AUC is not defined: no image of drusen." in str(report)


def test_evaluate_refuses_what_it_cannot_measure():
    dataset = _dataset()
    X, y = dataset.test.data, dataset.test.target
    net = Net().fit(X, y)
    with pytest.raises(NotFittedError):
        evaluate(Net(), X, y)
    with pytest.raises(TypeError, match="LinearSVC"):
        evaluate(LinearSVC().fit(_flatten(X), y), _flatten(X), y)
    with pytest.raises(
        ValueError, match=r"classes \[7\] that the estimator was not trained"
    ):
        evaluate(net, X, np.where(y == 1, 7, y))
    with pytest.raises(ValueError, match=r"images and y .* entries"):
        evaluate(net, X[1:], y)
    with pytest.raises(ValueError, match="'val' split, and split='test'"):
        evaluate(net, X, y, dataset=dataset.val)
    with pytest.raises(ValueError, match="split must be 'train', 'val' or 'test', got 'fo"):
        evaluate(net, X, y, split="foo")
    with pytest.raises(TypeError, match=r"dataset must be a Bunch, .*got str"):
        evaluate(net, X, y, dataset="octmnist")
    with pytest.raises(TypeError, match=r"dataset must be a Bunch, .*got ndarray"):
        run_benchmark({"net": Net()}, X)


def test_groups_come_from_the_data_set_or_the_caller():
    dataset = _dataset()
    X, y = dataset.test.data, dataset.test.target
    net = Net(random_state=0).fit(X, y)
    groups = np.arange(len(y)) // 5
    given = evaluate(net, X, y, groups=groups)
    dataset.test["groups"] = groups
    found = evaluate(net, X, y, dataset=dataset)
    alone = evaluate(net, X, y, dataset=dataset.test)
    assert given.resampled == found.resampled == "groups"
    assert given.intervals == found.intervals == alone.intervals
    assert given.intervals != evaluate(net, X, y).intervals
    assert "patients" in str(found)


def test_report_says_when_patients_are_too_few_for_its_intervals(tmp_path):
    dataset = _dataset()
    X, y = dataset.test.data, dataset.test.target
    net = Net(random_state=0).fit(X, y)
    few = evaluate(net, X, y, groups=np.arange(len(y)) % 7)
    assert few.interval_caveat.startswith("Few patients: 7 in all. Intervals from fewer")
    text = " ".join(str(few).split())
    assert f"between trainings. {few.interval_caveat}" in text
    few.to_json(tmp_path / "few.json")
    again = BenchmarkReport.from_json(tmp_path / "few.json")
    assert again.interval_caveat == few.interval_caveat
    enough = evaluate(net, X, y)
    assert enough.interval_caveat is None
    assert "Few" not in str(enough)


def test_report_says_what_is_needed_to_repeat_it():
    report = _report(seed=3)
    assert report.params == {"noise": 0.8, "random_state": 3}
    assert report.seed == 3
    assert report.environment["numpy"] == np.__version__
    assert {"python", "octsk", "scikit-learn", "keras", "tensorflow"} <= set(
        report.environment
    )
    assert report.history["loss"] == [1.0, 0.5]
    assert report.data["arrays_sha256"] == _report(seed=4).data["arrays_sha256"]
    other = _dataset()
    other.test.data[5, 9, 9] = 1
    assert report.data["arrays_sha256"] != _report(other).data["arrays_sha256"]


def test_parameters_are_recorded_without_memory_addresses():
    class Optimizer:
        def get_config(self):
            return {"learning_rate": np.float32(0.5)}

    test = _dataset().test
    net = Net().fit(test.data, test.target)
    net.get_params = lambda deep=True: {
        "optimizer": Optimizer(),
        "function": _flatten,
        "object": object(),
        "limit": np.inf,
        "weights": {0: np.float64(2)},
    }
    params = evaluate(net, test.data, test.target, n_resamples=10).params
    assert params == {
        "optimizer": {"Optimizer": {"learning_rate": 0.5}},
        "function": f"{__name__}._flatten",
        "object": "<object object>",
        "limit": "inf",
        "weights": {"0": 2.0},
    }
    json.dumps(params, allow_nan=False)


# -- report: rank, text, files ----------------------------------------------------------


def test_rank_counts_the_published_rows_above():
    report = _report(_official_octmnist())
    for acc, v1, v2 in [
        (0.9, 1, 1),
        (0.763, 1, 3),
        (0.7629, 1, 3),
        (0.75, 3, 6),
        (0.1, 8, 8),
    ]:
        report.metrics["acc"] = acc
        assert (report.rank(version="v1"), report.rank("acc")) == (v1, v2)
    report.metrics["auc"] = 0.959
    assert report.rank("auc") == 2
    with pytest.raises(ValueError, match="by must be"):
        report.rank("balanced_accuracy")


def test_rank_refuses_other_editions_even_where_nothing_is_comparable():
    with pytest.raises(ValueError, match="version must be 'v1' or 'v2', got 'v9'"):
        _report().rank(version="v9")


def test_comparable_text_keeps_published_apart():
    text = str(_report(_official_octmnist()))
    assert text.index("Measured") < text.index(
        "Published: MedMNIST's benchmark of octmnist"
    )
    assert "ResNet-18 (224) 28 0.752 0.960 0.763 0.958" in " ".join(text.split())
    assert "the 28-pixel images were enlarged" in " ".join(text.split())
    assert "Scientific Data 10(1):41, 2023" in text
    assert "2021 report" in text
    assert "MedMamba" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_synthetic_data_are_shouted_and_never_compared():
    dataset = _dataset((250,) * 4, name="octmnist", official=True, synthetic=True)
    report = _report(dataset)
    run = run_benchmark({"net": Net()}, dataset)
    for text in (str(report), str(run), report._repr_html_(), run._repr_html_()):
        assert "*** SYNTHETIC DATA ***" in text
        assert "ResNet" not in text
    assert str(run).startswith("*** SYNTHETIC DATA ***")
    assert "SYNTHETIC" in repr(report)
    assert run.to_dict()["published"] == []


def test_html_is_escaped_and_holds_the_same_figures():
    dataset = _dataset(name="<script>alert(1)</script>")
    report = _report(dataset)
    html = report._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert f"{report.metrics['acc']:.3f}" in html
    assert html.count("<table>") == html.count("</table>") == 3


@pytest.mark.parametrize("missing", [False, True])
def test_json_round_trip(tmp_path, missing):
    dataset = _dataset()
    if missing:
        dataset.test = Bunch(**_split((30, 30, 0, 30), split="test"))
    report = _report(dataset)
    report.to_json(tmp_path / "report.json")
    again = BenchmarkReport.from_json(tmp_path / "report.json")
    assert str(again) == str(report)
    assert again.to_dict() == report.to_dict()
    np.testing.assert_array_equal(again.y_score, report.y_score)
    assert np.isnan(again.metrics["auc"]) == missing
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_foreign_json_is_refused(tmp_path):
    path = tmp_path / "other.json"
    for text in ('{"acc": 1}', "[1]"):
        path.write_text(text)
        with pytest.raises(ValueError, match="not a benchmark report"):
            BenchmarkReport.from_json(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"metrics"', '"metrik"'),
        lambda text: text.replace('"y_true": [', '"y_true": ["x", '),
        lambda text: text.replace('"octsk_report"', '"more": 1, "octsk_report"'),
    ],
)
def test_damaged_report_is_told_by_its_file(tmp_path, damage):
    path = tmp_path / "report.json"
    _report().to_json(path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(ValueError, match=r"report\.json is (a )?damaged"):
        BenchmarkReport.from_json(path)


def test_medmnist_file(tmp_path):
    report = _report(_official_octmnist())
    path = report.to_medmnist_csv(tmp_path / "new" / "folder", run="my run.1")
    acc, auc = report.metrics["acc"], report.metrics["auc"]
    assert path.name == f"octmnist_test_[AUC]{auc:.3f}_[ACC]{acc:.3f}@my-run-1.csv"
    # As the evaluator takes the name apart.
    flag, split, *_ = path.name.split("_")
    assert (flag, split) == ("octmnist", "test")
    assert path.name.split("@")[-1].split(".")[0] == "my-run-1"
    with open(path, newline="") as file:
        rows = np.array(list(csv.reader(file)), dtype=float)
    np.testing.assert_array_equal(rows[:, 0], np.arange(1000))
    np.testing.assert_array_equal(rows[:, 1:], report.y_score)


@pytest.mark.parametrize(
    ("name", "size", "start"),
    [
        ("octmnist", 64, "octmnist_64_test_[AUC]"),
        ("octdl_dev", 28, "octdl-dev_test_[AUC]"),
        (None, None, "unnamed_test_[AUC]"),
        ("odd", (28, 30), "odd_28x30_test_[AUC]"),
        ("M\udcfcller/\x1b", 28, "M-ller_test_[AUC]"),
    ],
)
def test_medmnist_file_names(tmp_path, name, size, start):
    report = _report(_dataset(name=name, size=size))
    assert report.to_medmnist_csv(tmp_path).name.startswith(start)


class Named(ClassifierMixin, BaseEstimator):
    """Knows the label of an image from its first pixel, and calls it as it was trained."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.name_of_ = dict(zip(X[:, 0, 0].tolist(), y, strict=True))
        return self

    def predict_proba(self, X):
        columns = [np.flatnonzero(self.classes_ == self.name_of_[p]) for p in X[:, 0, 0]]
        return np.eye(len(self.classes_))[np.ravel(columns)] * 0.9 + 0.1 / len(
            self.classes_
        )


def _medmnist_evaluator(path, y_true):
    """AUC and ACC as MedMNIST's evaluator computes them from a file."""
    with open(path, newline="") as file:
        rows = np.array(list(csv.reader(file)), dtype=float)
    scores = rows[np.argsort(rows[:, 0]), 1:]
    if scores.shape[1] == 2:
        right = (scores[:, -1] > 0.5) == y_true
        return roc_auc_score(y_true, scores[:, -1]), right.mean()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a class without images
        areas = [roc_auc_score(y_true == k, column) for k, column in enumerate(scores.T)]
    return np.mean(areas), (scores.argmax(axis=1) == y_true).mean()


@pytest.mark.parametrize(
    ("names", "counts", "kind"),
    [
        (["normal", "drusen", "CNV"], (9, 8, 7), "names"),
        (["sick", "healthy"], (9, 8), "names"),
        (["normal", "drusen", "CNV"], (9, 8, 7), float),
        (["healthy", "sick"], (9, 8), bool),
        (["a", "b", "c", "d"], (9, 0, 7, 8), int),
        (["d", "c", "b", "a"], (9, 0, 7, 8), "names"),
        (None, (9, 0, 7, 8), int),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_medmnists_evaluator_computes_the_figures_of_the_files_name(
    tmp_path, names, counts, kind, whole
):
    dataset = _dataset(counts)
    for part in (dataset, *(dataset[split] for split in ("train", "val", "test"))):
        part.target_names = names
    X, labels = dataset.test.data, dataset.test.target
    y = np.array(names)[labels] if kind == "names" else labels.astype(kind)
    given = dataset if whole else dataset.test
    report = evaluate(Named().fit(X, y), X, y, dataset=given, n_resamples=10)
    assert report.metrics["acc"] == 1
    path = report.to_medmnist_csv(tmp_path)
    with open(path, newline="") as file:
        assert len(next(csv.reader(file))) == 1 + len(counts)
    auc, acc = _medmnist_evaluator(path, labels)
    # A class of the data set without images has no AUC.
    assert np.isnan(auc) == (0 in counts)
    assert np.isnan(auc) or auc == 1
    assert f"[AUC]{auc:.3f}_[ACC]{acc:.3f}@" in path.name
    again = tmp_path / "report.json"
    report.to_json(again)
    assert BenchmarkReport.from_json(again).to_medmnist_csv(tmp_path) == path


@pytest.mark.parametrize("counts", [(30, 20, 25, 15), (30, 20)])
def test_medmnists_evaluator_on_an_uncertain_net(tmp_path, counts):
    dataset = _dataset(counts)
    report = _report(dataset)
    path = report.to_medmnist_csv(tmp_path)
    auc, acc = _medmnist_evaluator(path, dataset.test.target)
    assert 0.5 < auc < 1
    assert f"[AUC]{auc:.3f}_[ACC]{acc:.3f}@" in path.name


def test_classes_without_a_label_have_no_evaluation_file(tmp_path):
    dataset = _dataset((9, 8))
    y = np.array(["x", "y"])[dataset.test.target]
    report = evaluate(Named().fit(dataset.test.data, y), dataset.test.data, y)
    assert report.label_columns is None
    with pytest.raises(ValueError, match=r"classes \['x', 'y'\] are not labels"):
        report.to_medmnist_csv(tmp_path)
    assert list(tmp_path.iterdir()) == []
    for part in (dataset.train, dataset.val, dataset.test, dataset):
        part.target_names = None
        if "target" in part:
            part.target = y
    run_benchmark({"named": Named()}, dataset, output_dir=tmp_path / "run")
    assert [*(tmp_path / "run" / "scores").iterdir()] == [
        tmp_path / "run" / "scores" / "named-seed0.csv"
    ]
    assert (tmp_path / "run" / "reports" / "named-seed0.json").exists()


OBEYED = "caf\udce9\x1b[2J\n/.."


def test_names_do_no_harm_to_terminals_pages_and_pictures(tmp_path):
    dataset = _dataset(name=OBEYED, target_names=np.array(["a", "b\udce9", OBEYED, "<d>"]))
    run = run_benchmark({OBEYED: Net()}, dataset, output_dir=tmp_path / "run")
    for text in (str(run), repr(run), str(run.first), repr(run.first)):
        assert not {"\x1b", "\udce9"} & set(text)
        assert r"caf\udce9\x1b[2J\n/.." in text
    assert run.first.class_names[2] == r"caf\udce9\x1b[2J\n/.."
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"report.html", "report.txt", "benchmark.png", "run.json"} <= names
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "&lt;d&gt;" in page
    assert "<d>" not in page


def test_text_labels_that_the_data_set_names_have_a_page(tmp_path):
    dataset = _dataset((9, 8, 7))
    names = ["normal", "drusen", "CNV"]
    for part in (dataset.train, dataset.val, dataset.test, dataset):
        part.target_names = names
        if "target" in part:
            part.target = np.array(names)[part.target]
    run = run_benchmark({"named": Named()}, dataset, output_dir=tmp_path / "run")
    assert run.first.label_columns == [2, 1, 0]
    [path] = (tmp_path / "run" / "scores" / "medmnist").iterdir()
    assert _medmnist_evaluator(path, np.repeat([0, 1, 2], [9, 8, 7])) == (1, 1)
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize("columns", [[0, 0, 1, 2], [0, 1, 2], [0, 1, 2, 9], "0123", 3])
def test_columns_that_a_file_cannot_mean(tmp_path, columns):
    path = tmp_path / "report.json"
    _report().to_json(path)
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "label_columns": columns}))
    with pytest.raises(ValueError, match="damaged benchmark report"):
        BenchmarkReport.from_json(path)


# -- patients in several splits ---------------------------------------------------------


def _with_patients(**groups):
    """A data set whose splits have patients, 120 entries each or one a name."""
    dataset = _dataset()
    for split, patients in groups.items():
        dataset[split].groups = np.resize(np.array(patients), 120)
    return dataset


LEAK = "made-up has images of the same patients .* train and test share 2 \\(1, 2\\)"


def test_patients_on_both_sides_are_warned_of_and_noted(tmp_path):
    dataset = _with_patients(train=[1, 2, 3], val=[5, 6], test=[2, 1, 4])
    note = "NOT INDEPENDENT: 2 of the patients in the test split have images in the train"
    X, y = dataset.test.data, dataset.test.target
    net = Net().fit(X, y)
    with pytest.warns(UserWarning, match=LEAK):
        report = evaluate(net, X, y, dataset=dataset, n_resamples=10)
    assert report.data["shared_groups"] == {"train": 2}
    with pytest.warns(UserWarning, match=LEAK):
        run = run_benchmark({"net": Net()}, dataset, seeds=[0, 1])
    for shown in (report, run):
        assert note in " ".join(str(shown).split())
    with pytest.warns(UserWarning, match=r"share 1 \(3\)"):
        evaluate(net, X, y, dataset=dataset, groups=np.resize([3, 8], 120), n_resamples=10)


def test_patients_of_one_split_or_unknown_are_no_leak():
    apart = _with_patients(train=["a", "b"], test=["c", "d"])
    alone = _with_patients(test=[1, 2])
    unknown = _with_patients(
        train=np.array([None, np.nan, 1, np.datetime64("NaT")], object),
        test=np.array([None, np.nan, 2, np.datetime64("NaT")], object),
    )
    X, y = apart.test.data, apart.test.target
    net = Net().fit(X, y)
    for dataset in (apart, alone):
        report = evaluate(net, X, y, dataset=dataset, n_resamples=10)
        assert report.data["shared_groups"] == {}
        assert "NOT INDEPENDENT" not in str(report)
    assert shared_groups(unknown) == {}


# -- run_benchmark ----------------------------------------------------------------------


def test_every_training_has_its_seed_and_the_validation_split():
    dataset = _dataset()
    estimators = {"net": Net(), "linear": _linear()}
    run = run_benchmark(estimators, dataset, seeds=np.array([5, 7]))
    assert [report.seed for report in run.reports["net"]] == [5, 7]
    assert [r.params["random_state"] for r in run.reports["net"]] == [5, 7]
    assert [r.params["sgdclassifier__random_state"] for r in run.reports["linear"]] == [
        5,
        7,
    ]
    assert run.estimators["net"].random_state == 5
    assert run.estimators["net"].n_val_ == 120
    assert not hasattr(estimators["net"], "classes_")
    assert estimators["net"].random_state is None
    by_hand = _report(dataset, seed=7)
    np.testing.assert_array_equal(run.reports["net"][1].y_score, by_hand.y_score)


def test_a_missing_validation_split_is_no_error():
    dataset = _dataset()
    dataset.val = None
    run = run_benchmark({"net": Net()}, dataset)
    assert run.estimators["net"].n_val_ == 0
    assert run.training["n_val"] == 0


def test_summary_is_mean_and_sample_deviation():
    run = run_benchmark({"net": Net(), "loud": Net(noise=2)}, _dataset(), seeds=[0, 1, 2])
    accs = [report.metrics["acc"] for report in run.reports["loud"]]
    _, row = run.summary()
    assert row["net"] == "loud"
    assert row["acc_mean"] == pytest.approx(sum(accs) / 3)
    spread = (sum((acc - sum(accs) / 3) ** 2 for acc in accs) / 2) ** 0.5
    assert row["acc_std"] == pytest.approx(spread)
    assert f"{row['acc_mean']:.3f} ± {spread:.3f}" in str(run)
    assert "3 seeds (0, 1, 2)" in str(run)


def test_one_seed_has_an_interval_and_no_spread():
    run = run_benchmark({"net": Net()}, _dataset())
    [row] = run.summary()
    assert row["acc_std"] is None
    low, high = run.first.intervals["acc"]
    assert f"{row['acc_mean']:.3f} [{low:.3f}, {high:.3f}]" in str(run)
    assert "One seed (0)" in str(run)
    assert "±" not in str(run)


def test_published_rows_stand_apart_in_a_run():
    run = run_benchmark({"net": Net()}, _official_octmnist())
    measured, published, *_ = str(run).split("\n\n")
    assert "net" in measured
    assert "ResNet" not in measured
    assert published.startswith("Published: MedMNIST's benchmark of octmnist")
    values = run.to_dict()
    assert {row["size"] for row in values["published"]} == {28}
    assert values["not_comparable"] is None


def test_events_tell_where_the_run_is():
    events = []
    run_benchmark(
        {"a": Net(), "b": Net()},
        _dataset(),
        seeds=[0, 1],
        on_event=lambda kind, **info: events.append((kind, info)),
    )
    assert [kind for kind, _ in events] == ["fit_start", "fit_end", "evaluated"] * 4
    assert [(i["net"], i["seed"], i["index"], i["total"]) for _, i in events[::3]] == [
        ("a", 0, 0, 4),
        ("a", 1, 1, 4),
        ("b", 0, 2, 4),
        ("b", 1, 3, 4),
    ]
    assert events[0][1]["estimator"] is events[1][1]["estimator"]
    assert events[2][1]["report"].name == "a"


def test_run_folder(tmp_path):
    folder = tmp_path / "runs" / "one"
    estimators = {"my net": Net(), "linear": _linear()}
    run = run_benchmark(estimators, _dataset(sha256=None), seeds=[0, 1], output_dir=folder)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    scores = {file for file in files if file.startswith("scores/")}
    named = {f"scores/{n}-seed{seed}.csv" for n in ("my-net", "linear") for seed in (0, 1)}
    assert named < scores
    assert sum(file.startswith("scores/medmnist/") for file in scores - named) == 4
    assert len(scores) == 8
    assert files - scores == {
        "run.json",
        "report.html",
        "report.txt",
        "benchmark.png",
        *(
            f"reports/{net}-seed{seed}.json"
            for net in ("my-net", "linear")
            for seed in (0, 1)
        ),
        "models/my-net-seed0.octsk",
        "models/my-net-seed1.octsk",
        "models/my-net.md",
    }
    assert (folder / "models/my-net-seed1.octsk").read_text() == "drusen: noise 0.8, seed 1"
    assert (folder / "report.txt").read_text(encoding="utf-8") == f"{run}\n"
    values = json.loads((folder / "run.json").read_text())
    assert values["seeds"] == [0, 1]
    assert values["training"]["n_train"] == 120
    assert len(values["training"]["sha256"]) == 64
    assert [report["name"] for report in values["reports"]] == ["my net"] * 2 + [
        "linear"
    ] * 2
    assert str(tmp_path) not in (folder / "run.json").read_text()
    again = BenchmarkReport.from_json(folder / "reports" / "linear-seed1.json")
    assert again.metrics == run.reports["linear"][1].metrics


def test_save_afterwards_keeps_the_first_seeds_models(tmp_path):
    run = run_benchmark({"net": Net()}, _dataset(), seeds=[4, 2])
    folder = run.save(tmp_path / "run")
    assert {path.name for path in (folder / "models").iterdir()} == {
        "net-seed4.octsk",
        "net.md",
    }
    assert len(list((folder / "reports").iterdir())) == 2
    assert (folder / "run.json").is_file()


def test_a_foreign_save_is_left_alone(tmp_path):
    class Foreign(Net):
        def save(self):
            raise AssertionError

    run = run_benchmark({"net": Foreign()}, _dataset(), output_dir=tmp_path)
    assert not (tmp_path / "models").exists()
    assert run.first.name == "net"


def test_a_used_folder_is_refused_before_training(tmp_path):
    (tmp_path / "old.txt").write_text("")
    events = []
    with pytest.raises(FileExistsError, match="already contains files"):
        run_benchmark(
            {"net": Net()},
            _dataset(),
            output_dir=tmp_path,
            on_event=lambda kind, **info: events.append(kind),
        )
    assert events == []
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]


def test_finished_trainings_outlast_an_interruption(tmp_path):
    def stop_at_second(kind, **info):
        if kind == "fit_start" and info["index"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_benchmark(
            {"net": Net()},
            _dataset(),
            seeds=[0, 1],
            output_dir=tmp_path,
            on_event=stop_at_second,
        )
    report = BenchmarkReport.from_json(tmp_path / "reports" / "net-seed0.json")
    assert report.seed == 0
    assert (tmp_path / "models" / "net-seed0.octsk").is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"estimators": {}}, "at least one classifier"),
        ({"estimators": {"a b": Net(), "a-b": Net()}}, "differ as file names"),
        ({"seeds": []}, "seeds must be one or more"),
        ({"seeds": [1, 1]}, "seeds must be one or more"),
        (
            {"dataset": Bunch(name="x", train=None, test=None)},
            "train split, and 'x' has none",
        ),
        ({"dataset": _dataset().train}, "must have a train split"),
    ],
)
def test_run_benchmark_refuses_bad_input(changes, message):
    arguments = {
        "estimators": {"net": Net()},
        "dataset": _dataset(),
        "seeds": [0],
        **changes,
    }
    with pytest.raises(ValueError, match=message):
        run_benchmark(
            arguments["estimators"], arguments["dataset"], seeds=arguments["seeds"]
        )


# -- figure and imports -----------------------------------------------------------------


def _words(figure):
    from matplotlib.text import Text

    return "\n".join(text.get_text().replace("\n", " ") for text in figure.findobj(Text))


def _visible_axes(figure):
    axes = [artist for artist in figure.findobj() if type(artist).__name__ == "Axes"]
    return [one for one in axes if one.axison]


def test_figure_shows_published_rows_only_where_comparable():
    from octsk.reporting.benchmark_figure import benchmark_figure

    comparable = run_benchmark({"net": Net()}, _official_octmnist(), seeds=[0, 1])
    words = _words(benchmark_figure(comparable))
    assert "ResNet-50 (224)" in words
    assert "enlarged" in words
    other = run_benchmark({"net": Net()}, _dataset(synthetic=True))
    words = _words(benchmark_figure(other))
    assert "ResNet" not in words
    assert "SYNTHETIC DATA" in words
    assert "Not comparable with published results: the images are synthetic." in words


def test_figure_draws_each_seed_where_it_belongs():
    from octsk.reporting.benchmark_figure import benchmark_figure

    run = run_benchmark({"net": Net()}, _dataset(), seeds=[0, 1, 2])
    figure = benchmark_figure(run)
    accuracies, confusion, loss, _ = _visible_axes(figure)
    dots = [line for line in accuracies.lines if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == [
        report.metrics["acc"] for report in run.reports["net"]
    ]
    first = run.first.confusion_matrix[0]
    assert confusion.texts[0].get_text() == f"{first[0] / 30:.0%}\n({first[0]})"
    assert list(loss.lines[0].get_ydata()) == [1.0, 0.5]


def test_figure_of_many_classes_and_one_epoch():
    from octsk.reporting.benchmark_figure import benchmark_figure

    run = run_benchmark({"net": Net()}, _dataset(counts=(9,) * 8))
    run.first.history = {"loss": [1.0], "accuracy": [0.5]}
    figure = benchmark_figure(run)
    assert "share of each true class" in _words(figure)
    _, _, *histories = _visible_axes(figure)
    for axes in histories:
        assert all(tick == round(tick) for tick in axes.get_xticks())


@pytest.mark.filterwarnings("ignore:the checks of made-up found. test has no images of 2")
def test_figure_without_history_or_with_an_empty_class():
    from octsk.reporting.benchmark_figure import benchmark_figure

    dataset = _dataset()
    dataset.test = _split((30, 30, 0, 30), split="test")
    figure = benchmark_figure(run_benchmark({"linear": _linear()}, dataset))
    figure.canvas.draw()
    assert "- (0)" in _words(figure).split("\n")
