"""Prediction sets, abstention and doubtful labels."""

import json
import warnings
import zipfile

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

import octsk
from octsk.evaluation import ConformalClassifier, SelectiveClassifier
from octsk.inspection import find_label_issues
from octsk.reporting import html_report


@pytest.fixture(scope="module")
def classifier():
    """A fitted classifier with images to calibrate it and to test it."""
    X, y = make_classification(
        3000, n_informative=5, n_classes=3, class_sep=1.0, flip_y=0.02, random_state=0
    )
    y = np.array(["CNV", "DME", "normal"])[y]
    net = LogisticRegression(max_iter=1000).fit(X[:500], y[:500])
    return net, (X[500:1500], y[500:1500]), (X[1500:], y[1500:])


# --- Prediction sets --------------------------------------------------------------------


def test_prediction_sets_are_those_of_mapie(classifier):
    mapie = pytest.importorskip("mapie.classification")
    net, (X, y), (X_test, _) = classifier
    sets = ConformalClassifier(net, confidence_level=0.9).conformalize(X, y)
    found = sets.predict_set(X_test)
    for k, name in enumerate(net.classes_):
        # MAPIE's sets are not by class, but those of the images of one class are.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of their being of one class
            theirs = mapie.SplitConformalClassifier(
                net, confidence_level=0.9, conformity_score="lac", prefit=True
            ).conformalize(X[y == name], y[y == name])
        expected = theirs.predict_set(X_test)[1][:, k, 0]
        assert (found[:, k] == expected).mean() > 0.999
        assert 0 < expected.mean() < 1


def test_prediction_sets_cover_each_class(classifier):
    net, _, (X, y) = classifier
    rng = np.random.default_rng(0)
    coverages = []
    for _ in range(60):
        order = rng.permutation(len(y))
        some, others = order[:300], order[300:]
        sets = ConformalClassifier(net, confidence_level=0.9).conformalize(X[some], y[some])
        report = sets.evaluate(X[others][:300], y[others][:300])
        coverages.append([row["coverage"] for row in report.rows])
    # On average over calibration sets, and at most 1 / (n + 1) above.
    assert np.mean(coverages, axis=0) == pytest.approx([0.905] * 4, abs=0.02)


def test_report_of_prediction_sets(classifier):
    net, calibration, (X, y) = classifier
    sets = ConformalClassifier(net).conformalize(*calibration)
    report = sets.evaluate(X, y, groups=np.arange(len(y)) // 3, random_state=0)
    member = sets.predict_set(X)
    of_class = y == "DME"
    row = report.rows[2]
    assert (row["images"], row["n"]) == ("DME", of_class.sum())
    assert row["coverage"] == member[of_class, 1].mean()
    assert row["low"] < row["coverage"] < row["high"]
    assert row["mean_size"] == member[of_class].sum(axis=1).mean()
    assert row["empty"] == np.mean(~member[of_class].any(axis=1))
    assert report.by_patient
    assert "as independent" not in str(report)
    assert "as independent" in str(sets.evaluate(X, y))


def test_class_with_too_few_images_is_in_every_set(classifier):
    net, (X, y), (X_test, _) = classifier
    few = np.r_[np.flatnonzero(y == "DME")[:18], np.flatnonzero(y != "DME")]
    with pytest.warns(
        UserWarning, match="at least 19 calibration images.* images of DME, so"
    ):
        sets = ConformalClassifier(net).conformalize(X[few], y[few])
    assert sets.predict_set(X_test)[:, 1].all()
    enough = np.r_[np.flatnonzero(y == "DME")[:19], np.flatnonzero(y != "DME")]
    sets = ConformalClassifier(net).conformalize(X[enough], y[enough])
    assert sets.thresholds_[1] == net.predict_proba(X[enough[:19]])[:, 1].min()


def test_only_classes_with_too_few_images_are_named():
    X, y = np.zeros((18, 1)), np.repeat([0, 1], 9)
    tree = DummyClassifier(strategy="constant", constant=0).fit(X, y)
    # The probability of class 1 is 0 for all of its images, of which there are enough.
    sets = ConformalClassifier(tree, confidence_level=0.9).conformalize(X, y)
    assert sets.thresholds_.tolist() == [1, 0]
    with pytest.warns(
        UserWarning, match="at least 9 calibration images.* fewer images of 1, so"
    ):
        ConformalClassifier(tree, confidence_level=0.9).conformalize(X[:-1], y[:-1])


# --- Abstention -------------------------------------------------------------------------


def test_no_lower_threshold_would_be_good_enough(classifier):
    net, (X, y), _ = classifier
    selective = SelectiveClassifier(net, error=0.1).calibrate(X, y)
    confidence = net.predict_proba(X).max(axis=1)
    wrong = net.predict(X) != y
    assert wrong.mean() > 0.2
    assert wrong[selective.keeps(X)].mean() <= 0.1
    lower = np.unique(confidence[confidence < selective.threshold_])
    assert all(wrong[confidence >= one].mean() > 0.1 for one in lower)


def test_images_of_equal_probability_are_kept_or_not_together():
    X, y = np.zeros((4, 1)), np.array([1, 1, 1, 0])
    net = DummyClassifier().fit(X, y)
    with pytest.warns(UserWarning, match="No threshold keeps the error at 0.2"):
        selective = SelectiveClassifier(net, error=0.2).calibrate(X, y)
    assert not selective.keeps(X).any()
    assert SelectiveClassifier(net, error=0.25).calibrate(X, y).keeps(X).all()
    report = selective.evaluate(X, y)
    assert report.rows[0]["abstained"] == 1
    assert np.isnan(report.rows[0]["error"])


@pytest.mark.parametrize("n_shared", [0, 1, 60])
def test_calibration_on_test_images_is_marked(classifier, n_shared):
    net, (X, y), (X_test, y_test) = classifier
    X, y = (np.concatenate([a[:n_shared], b[:60]]) for a, b in ((X_test, X), (y_test, y)))
    mark = f"CALIBRATED ON TEST IMAGES: {n_shared} of the evaluated images"
    for one in (
        ConformalClassifier(net, confidence_level=0.8).conformalize(X, y),
        SelectiveClassifier(net, error=0.3).calibrate(X, y),
    ):
        report = one.evaluate(X_test[:100], y_test[:100], random_state=0)
        assert (mark in " ".join(str(report).split())) == bool(n_shared)


def test_report_of_abstention(classifier):
    net, calibration, (X, y) = classifier
    selective = SelectiveClassifier(net, error=0.1).calibrate(*calibration)
    report = selective.evaluate(X, y, groups=np.arange(len(y)) // 3, random_state=0)
    kept = selective.keeps(X)
    row = report.rows[0]
    assert row["abstained"] == 1 - kept.mean()
    assert row["error"] == np.mean(net.predict(X)[kept] != y[kept])
    assert row["error_low"] < row["error"] < row["error_high"]
    assert row["error_low"] < 0.1 < row["error_high"]
    assert row["error_of_all"] == np.mean(net.predict(X) != y)
    assert f"threshold {selective.threshold_:.3f}" in str(report)


@pytest.mark.parametrize(
    ("cls", "name"),
    [(ConformalClassifier, "confidence_level"), (SelectiveClassifier, "error")],
)
@pytest.mark.parametrize("value", [0, 1, 95, "0.9"])
def test_share_outside_its_range(classifier, cls, name, value):
    net, (X, y), _ = classifier
    doubtful = cls(net, **{name: value})
    calibrate = getattr(doubtful, "conformalize", None) or doubtful.calibrate
    with pytest.raises(ValueError, match=f"{name} must be a number between 0 and 1"):
        calibrate(X, y)


@pytest.mark.parametrize("cls", [ConformalClassifier, SelectiveClassifier])
@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([None, *range(59)], "groups has missing values"),
        (["N/A", *map(str, range(59))], "groups has missing values"),
        ([1, "1"] * 30, "groups mixes groups of several kinds"),
        ([1, 2], r"groups must have shape \(60,\)"),
        (np.zeros((60, 2)), r"groups must have shape \(60,\)"),
        ("patient", r"groups must have shape \(60,\)"),
    ],
)
def test_groups_are_checked(classifier, cls, groups, message):
    net, (X, y), _ = classifier
    doubtful = cls(net)
    calibrate = getattr(doubtful, "conformalize", None) or doubtful.calibrate
    with pytest.raises(ValueError, match=message):
        calibrate(X, y).evaluate(X[:60], y[:60], groups=groups)


def test_probabilities_that_are_no_numbers_are_refused(classifier):
    class Lost(LogisticRegression):
        def predict_proba(self, X):
            return super().predict_proba(X) * np.nan

    _, (X, y), _ = classifier
    lost = Lost(max_iter=1000).fit(X, y)
    for calibrate in (
        ConformalClassifier(lost).conformalize,
        SelectiveClassifier(lost).calibrate,
    ):
        with pytest.raises(ValueError, match="predict_proba of Lost must return finite"):
            calibrate(X, y)


def test_labels_that_the_classifier_does_not_know(classifier):
    net, (X, _), _ = classifier
    with pytest.raises(ValueError, match=r"y_true holds \['AMD'\], which are not among"):
        SelectiveClassifier(net).calibrate(X[:2], ["AMD", "DME"])
    with pytest.raises(ValueError, match="one label for each of the 2 images, got 1"):
        ConformalClassifier(net).conformalize(X[:2], ["DME"])


# --- Labels in doubt --------------------------------------------------------------------


def _blobs(n_wrong):
    X, y = make_classification(
        600, n_informative=8, n_classes=3, class_sep=2.5, flip_y=0, random_state=3
    )
    wrong = np.random.default_rng(0).choice(len(y), n_wrong, replace=False)
    given = y.copy()
    given[wrong] = (y[wrong] + 1) % 3
    return X, y, given, wrong


def test_mislabelled_images_come_first():
    X, y, given, wrong = _blobs(30)
    issues = find_label_issues(LogisticRegression(max_iter=1000), X, given)
    assert np.isin(wrong, issues.ranking[:60]).mean() > 0.8
    assert issues.is_issue[wrong].mean() > 0.7 > 0.2 > issues.is_issue.mean()
    found = wrong[issues.is_issue[wrong]]
    assert (issues.suggested[found] == y[found]).mean() > 0.9


def test_label_issues_are_those_of_cleanlab():
    cleanlab = pytest.importorskip("cleanlab")
    X, _, given, _ = _blobs(30)
    issues = find_label_issues(LogisticRegression(max_iter=1000), X, given)
    margin = cleanlab.rank.get_label_quality_scores(
        given, issues.probabilities, method="normalized_margin"
    )
    # cleanlab's margin lies between 0 and 1.
    np.testing.assert_allclose((issues.quality + 1) / 2, margin, atol=1e-12)
    _, indices = cleanlab.count.compute_confident_joint(
        given, issues.probabilities, calibrate=False, return_indices_of_off_diagonals=True
    )
    assert sorted(indices) == np.flatnonzero(issues.is_issue).tolist()


@pytest.mark.parametrize("cv", [3, np.int64(3)])
def test_no_patient_is_in_training_and_in_prediction(cv):
    seen = []

    class Recorder(LogisticRegression):
        def fit(self, X, y):
            seen.append(set(X[:, 0]))
            return super().fit(X, y)

    groups = np.repeat(np.arange(30), 4)
    X = np.c_[groups, np.random.default_rng(0).normal(size=(120, 2))].astype(float)
    y = np.tile([0, 1], 60)
    find_label_issues(Recorder(max_iter=1000), X, y, groups=groups, cv=cv)
    assert len(seen) == 3
    # Each patient is left out of one of the three trainings, whole.
    assert sorted(g for one in seen for g in set(range(30)) - one) == list(range(30))


def test_table_of_label_issues_names_files():
    X, _, given, _ = _blobs(30)
    names = [f"scan{i}.png" for i in range(len(X))]
    issues = find_label_issues(
        LogisticRegression(max_iter=1000),
        X,
        given,
        class_names=["CNV", "DME", "normal"],
        filenames=names,
    )
    first = issues.ranking[0]
    text = str(issues)
    assert names[first] in text
    assert f"{issues.is_issue.sum()} of 600 labels" in text
    record = issues._records()[0]
    assert record["given"] == ["CNV", "DME", "normal"][given[first]]
    assert len(issues._records()) == 600
    assert issues.to_latex().count(r"\begin{table}") == 1


def test_picture_of_label_issues_shows_the_most_doubtful():
    X, y = octsk.make_oct_phantoms(60, random_state=0, return_X_y=True)
    files = [f"a/scan{i}.png" for i in range(60)]
    issues = find_label_issues(GaussianNB(), X.reshape(60, -1), y, filenames=files)
    display = issues.plot(X, n_images=3)
    first = issues.ranking[0]
    np.testing.assert_array_equal(np.squeeze(display.images[0]), X[first])
    lines = display.titles[0].split("\n")
    assert lines[0] == f"scan{first}.png"
    assert lines[1].startswith(f"label: {y[first]} (")
    assert lines[2].startswith(f"suggested: {issues.suggested[first]} (")
    assert len(display.titles) == 3
    with pytest.raises(ValueError, match="X must hold the 60 images"):
        issues.plot(X[:5])


@pytest.mark.pictures
def test_label_issues_have_a_page():
    scans = octsk.make_oct_phantoms(60, random_state=0)
    given = scans.target.copy()
    given[:3] = (given[:3] + 1) % 4
    issues = find_label_issues(GaussianNB(), scans.data.reshape(60, -1), given)
    page = html_report(issues, dataset=scans)
    assert "<h1>Labels in doubt</h1>" in page
    assert "SYNTHETIC DATA" in page
    [table] = issues._tables()
    assert len(table.rows) == 20
    for row in table.rows:
        assert f'<th scope="row">{row[0]}</th><td>{row[1]}</td>' in page
    assert 'alt="12 images with their labels and the suggested classes."' in page
    assert "<img" not in html_report(issues)
    with pytest.raises(ValueError, match="X must hold the 60 images whose labels were"):
        html_report(issues, dataset=octsk.make_oct_phantoms(8, random_state=0))
    with pytest.raises(ValueError, match="estimator is only allowed with the report"):
        html_report(issues, estimator=GaussianNB())


def test_bad_arguments_of_find_label_issues():
    X, y = np.zeros((6, 2)), np.arange(6) % 2
    net = LogisticRegression()
    with pytest.raises(ValueError, match="y must contain two classes or more"):
        find_label_issues(net, X, np.zeros(6))
    with pytest.raises(ValueError, match="a name for each of the 6 images, got 1"):
        find_label_issues(net, X, y, filenames=["a"])
    with pytest.raises(ValueError, match="groups must have shape"):
        find_label_issues(net, X, y, groups=[1])


@pytest.mark.slow
def test_flipped_labels_of_real_scans_are_found(data_folder):
    scans = octsk.load_medmnist(data_folder / "octdl_dev.npz").train
    X, y, groups = scans.data, scans.target, scans.groups
    wrong = np.random.default_rng(0).choice(len(y), len(y) // 20, replace=False)
    given = y.copy()
    given[wrong] = (y[wrong] + 1) % 4
    net = octsk.ResidualOCTNet(epochs=20, random_state=0)
    issues = find_label_issues(net, X, given, groups=groups, cv=3)
    first = issues.ranking[: len(y) // 10]
    assert np.isin(wrong, first).mean() >= 0.5


# --- Estimators of others ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda score: score[:-2], r"shape \(60, 3\), one row for .* got shape \(58, 3\)"),
        (lambda score: np.vstack([score, score]), r"got shape \(120, 3\)"),
        (lambda score: score[:, 1:], r"got shape \(60, 2\)"),
        (lambda score: score[:, 0], r"got shape \(60,\)"),
        (lambda score: np.full_like(score, np.nan), "finite numbers"),
        (lambda score: score.astype(object), "finite numbers"),
    ],
)
def test_what_predict_proba_returns_is_checked(classifier, change, message):
    X, y = (part[:60] for part in classifier[1])

    class Odd(LogisticRegression):
        def predict_proba(self, X):
            return change(super().predict_proba(X))

    odd = Odd(max_iter=1000).fit(X, y)
    calls = [
        lambda: octsk.evaluate(odd, X, y),
        lambda: ConformalClassifier(odd, confidence_level=0.5).conformalize(X, y),
        lambda: SelectiveClassifier(odd).calibrate(X, y),
        lambda: octsk.corruptions.balanced_error(odd, X, y),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=f"predict_proba of Odd must .*{message}"):
            call()


# --- Images unlike those of the training set --------------------------------------------


@pytest.fixture(scope="module")
def gate():
    train = octsk.make_oct_phantoms(200, random_state=0)
    val = octsk.make_oct_phantoms(400, random_state=1)
    net = octsk.SmallOCTNet(filters=(8,), epochs=4, random_state=0)
    net.fit(train.data, train.target)
    return octsk.NoveltyGate(net).fit(train.data, val.data)


def test_gate_keeps_scans_and_refuses_other_images(gate):
    scans = octsk.make_oct_phantoms(400, random_state=2).data
    assert (gate.predict(scans) == 1).mean() == pytest.approx(0.95, abs=0.04)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (50, 28, 28)).astype(np.uint8)
    for others in (255 - scans[:50], noise, np.full((3, 28, 28), 255, np.uint8)):
        assert (gate.predict(others) == -1).mean() > 0.95


def test_scores_of_the_gate_are_mahalanobis_distances(gate):
    scans = octsk.make_oct_phantoms(5, random_state=2).data
    features = gate.estimator.transform(scans)
    expected = [mahalanobis(one, gate.mean_, gate.precision_) for one in features]
    np.testing.assert_allclose(-gate.score_samples(scans), expected, rtol=1e-6)
    decisions = gate.decision_function(scans)
    np.testing.assert_array_equal(decisions < 0, gate.predict(scans) == -1)


def test_gate_in_the_file_of_a_network(gate, tmp_path):
    net, path = gate.estimator, tmp_path / "net.octsk"
    scans = octsk.make_oct_phantoms(40, random_state=2).data
    images = np.concatenate([scans, 255 - scans])
    net.save(path)
    assert octsk.load(path).gate_ is None
    net.save(path, gate=gate)
    loaded = octsk.load(path)
    assert loaded.gate_.estimator is loaded
    np.testing.assert_array_equal(loaded.gate_.predict(images), gate.predict(images))
    for name in ("kept", "n_train_", "n_val_"):
        assert getattr(loaded.gate_, name) == getattr(gate, name)
    # It goes on with the network, and ends with its weights.
    loaded.save(path)
    assert octsk.load(path).gate_ is not None
    loaded.partial_fit(scans, np.arange(40) % 4)
    assert loaded.gate_ is None
    with pytest.raises(ValueError, match="gate must be a NoveltyGate of this estimator"):
        loaded.save(path, gate=gate)
    with pytest.raises(NotFittedError, match="gate must be fitted"):
        net.save(path, gate=octsk.NoveltyGate(net))


@pytest.mark.parametrize(
    "change",
    [
        {"numbers": ""},
        {"numbers": "AAAA"},
        {"numbers": 3},
        {"offset": "nan"},
        {"kept": None},
        {"n_val": []},
    ],
    ids=str,
)
def test_damaged_gate_in_a_file(gate, tmp_path, change):
    path = tmp_path / "net.octsk"
    gate.estimator.save(path, gate=gate)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    state = json.loads(members["estimator.json"])
    state["gate"] |= change
    members["estimator.json"] = json.dumps(state).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="cannot be loaded as an octsk model"):
        octsk.load(path)


def test_report_counts_unfamiliar_images(gate, tmp_path):
    scans = octsk.make_oct_phantoms(60, random_state=3)
    images = np.concatenate([scans.data, 255 - scans.data[:20]])
    labels = np.concatenate([scans.target, scans.target[:20]])
    settings = dict(groups=np.arange(80) // 2, level="group", n_resamples=50)
    report = octsk.evaluate(gate.estimator, images, labels, gate=gate, **settings)
    refused = gate.predict(images) < 0
    assert report.unfamiliar == refused.tolist()
    assert report.n_unfamiliar == refused.sum() >= 20
    words = f"UNFAMILIAR IMAGES: {refused.sum()} of 80 images"
    assert words in " ".join(str(report).split())
    report.to_json(tmp_path / "report.json")
    again = octsk.evaluation.BenchmarkReport.from_json(tmp_path / "report.json")
    assert again.unfamiliar == report.unfamiliar
    assert again.by_group.unfamiliar is None
    assert "unfamiliar" not in report.to_dict(scores=False)
    report.to_csv(tmp_path / "scores.csv")
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert lines[0].split(",")[:5] == ["image", "group", "true", "predicted", "unfamiliar"]
    assert [line.split(",")[4] == "yes" for line in lines[1:]] == report.unfamiliar
    plain = octsk.evaluate(gate.estimator, images, labels, **settings)
    assert plain.unfamiliar is plain.n_unfamiliar is None
    assert gate.describe([False] * 3).startswith("0 of 3 images (0%) are unlike")


@pytest.mark.parametrize("mirrored", [True, False])
def test_one_forward_pass_gives_probabilities_and_features(gate, mirrored, monkeypatch):
    scans = octsk.make_oct_phantoms(30, random_state=4)
    net = gate.estimator
    monkeypatch.setattr(net, "test_time_augmentation", mirrored)
    expected = net.predict_proba(scans.data), gate.predict(scans.data)
    monkeypatch.setattr(type(net), "predict_proba", None)
    monkeypatch.setattr(type(net), "transform", None)
    accepted, probabilities = gate.predict_with_proba(scans.data)
    np.testing.assert_allclose(probabilities, expected[0], atol=1e-6)
    np.testing.assert_array_equal(accepted, expected[1])
    report = octsk.evaluate(net, scans.data, scans.target, gate=gate, n_resamples=9)
    np.testing.assert_array_equal(report.y_score, probabilities)
    assert report.unfamiliar == (accepted < 0).tolist()


def test_gate_of_another_network(gate):
    scans = octsk.make_oct_phantoms(30, random_state=4)
    features = gate.estimator.transform(scans.data)
    other = LogisticRegression().fit(features, scans.target)
    pipeline = make_pipeline(FrozenEstimator(gate.estimator), other)
    report = octsk.evaluate(pipeline, scans.data, scans.target, gate=gate, n_resamples=9)
    np.testing.assert_array_equal(report.y_score, pipeline.predict_proba(scans.data))
    assert report.unfamiliar == (gate.predict(scans.data) < 0).tolist()


def test_bad_arguments_of_the_gate(gate):
    scans = octsk.make_oct_phantoms(19, random_state=2).data
    with pytest.raises(ValueError, match="X_val must contain 20 images or more"):
        octsk.NoveltyGate(gate.estimator).fit(scans, scans)
    with pytest.raises(ValueError, match="X_val must contain 10 images or more"):
        octsk.NoveltyGate(gate.estimator, kept=0.9).fit(scans, scans[:9])
    with pytest.raises(ValueError, match="kept must be a number between 0 and 1, got 95"):
        octsk.NoveltyGate(gate.estimator, kept=95).fit(scans, scans)
    with pytest.raises(TypeError, match=r"with transform.*got LogisticRegression"):
        octsk.NoveltyGate(LogisticRegression()).fit(scans, scans)
