"""Comparison of classifiers on the same images."""

import csv
import json

import numpy as np
import pytest
from scipy.stats import norm, ttest_ind
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.utils import Bunch
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

import octsk
from octsk.benchmark import run_benchmark
from octsk.cli import app
from octsk.evaluation import read_reports
from octsk.evaluation._paired_tests import delong_test, holm, mcnemar_test
from octsk.metrics import medmnist_accuracy, paired_bootstrap
from octsk.reporting import html_report

NAMES = ["CNV", "DME", "normal"]


class Given(ClassifierMixin, BaseEstimator):
    """Return the probabilities that it is given, of images that are their own index."""

    def fit(self, score, classes):
        self.score_, self.classes_ = score, np.asarray(classes)
        return self

    def predict_proba(self, X):
        return self.score_[X[:, 0].astype(int)]


def _scores(y, noise, seed, n_classes=3):
    rng = np.random.default_rng(seed)
    logits = np.eye(n_classes)[y] + noise * rng.normal(size=(len(y), n_classes))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def _report(y, score, names=NAMES, name=None, X=None, seed=None, **dataset):
    """Report of scores, whose columns are the classes of `names` in their order."""
    X = np.arange(len(y))[:, None] if X is None else X
    dataset = Bunch(**{"name": "made-up", "size": 1, "synthetic": False, **dataset})
    report = octsk.evaluate(
        Given().fit(score, names),
        X,
        np.array(NAMES)[y],
        dataset=dataset,
        seed=seed,
        n_resamples=10,
    )
    report.name = name or report.name
    return report


@pytest.fixture(scope="module")
def y():
    return np.random.default_rng(0).integers(0, 3, 150)


@pytest.fixture(scope="module")
def nets(y):
    return [
        _report(y, _scores(y, noise, seed), name=name)
        for seed, (name, noise) in enumerate([("a", 0.4), ("b", 0.9), ("c", 0.5)])
    ]


# -- tests of two classifiers -------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_mcnemar_is_that_of_statsmodels(seed):
    rng = np.random.default_rng(seed)
    first, other = rng.random((2, 80)) < [[0.8], [0.65]]
    table = [[np.sum((first == i) & (other == j)) for j in (1, 0)] for i in (1, 0)]
    expected = mcnemar(table, exact=True)
    found = mcnemar_test(first, other)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    assert (found.only_first, found.only_other) == (table[0][1], table[1][0])


def test_mcnemar_of_equal_classifiers_tells_nothing():
    right = np.array([True, False, True])
    assert mcnemar_test(right, right) == (0, 0, 1.0)


@pytest.mark.parametrize(
    "p", [[0.01, 0.04, 0.03, 0.5], [0.02, 0.02], [0.9, 0.001, 0.9], [0.2]]
)
def test_holm_is_that_of_statsmodels(p):
    expected = multipletests(p, method="holm")[1]
    np.testing.assert_allclose(holm(p), expected, rtol=1e-12)
    # An undefined comparison does not count.
    found = holm([p[0], np.nan, *p[1:]])
    assert np.isnan(found[1])
    np.testing.assert_allclose(np.delete(found, 1), expected, rtol=1e-12)


# Patients with ovarian cancer and a blocked bowel, of DeLong et al. (1988), table 1, as in
# the example "Comparing Receiver Operating Characteristic Curves" of SAS/STAT's LOGISTIC:
# albumin, total protein, K-G score, and whether surgery helped (0).
OVARIAN = """
3.0 5.8 10 0 3.2 6.3 5 1 3.9 6.8 3 1 2.8 4.8 6 0 3.2 5.8 3 1 0.9 4.0 5 0 2.5 5.7 8 0
1.6 5.6 5 1 3.8 5.7 5 1 3.7 6.7 6 1 3.2 5.4 4 1 3.8 6.6 6 1 4.1 6.6 5 1 3.6 5.7 5 1
4.3 7.0 4 1 3.6 6.7 4 0 2.3 4.4 6 1 4.2 7.6 4 0 4.0 6.6 6 0 3.5 5.8 6 1 3.8 6.8 7 1
3.0 4.7 8 0 4.5 7.4 5 1 3.7 7.4 5 1 3.1 6.6 6 1 4.1 8.2 6 1 4.3 7.0 5 1 4.3 6.5 4 1
3.2 5.1 5 1 2.6 4.7 6 1 3.3 6.8 6 0 1.7 4.0 7 0 3.7 6.1 5 1 3.3 6.3 7 1 4.2 7.7 6 1
3.5 6.2 5 1 2.9 5.7 9 0 2.1 4.8 7 1 2.8 6.2 8 0 4.0 7.0 7 1 3.3 5.7 6 1 3.7 6.9 5 1
3.6 6.6 5 1
"""


def _slow_delong(positive, a, b):
    """The definition: the mean over pairs, and covariances of the means of rows."""
    parts = []
    for score in (a, b):
        x, y = score[positive][:, None], score[~positive][None]
        parts.append((x > y) + 0.5 * (x == y))
    areas = [part.mean() for part in parts]
    positives = np.cov([part.mean(axis=1) for part in parts]) / parts[0].shape[0]
    negatives = np.cov([part.mean(axis=0) for part in parts]) / parts[0].shape[1]
    variance = np.array([1, -1]) @ (positives + negatives) @ np.array([1, -1])
    z = (areas[0] - areas[1]) / np.sqrt(variance)
    return (*areas, np.sqrt(variance), 2 * norm.sf(abs(z)))


def test_delong_on_the_data_of_delong():
    albumin, protein, kg, benefit = np.array(OVARIAN.split(), float).reshape(-1, 4).T
    positive = benefit == 0
    found = delong_test(positive, kg, -protein)
    assert np.round(found, 4).tolist() == [0.7258, 0.6478, 0.1046, 0.4561]
    found = delong_test(positive, kg, -albumin)
    assert np.round(found, 4).tolist() == [0.7258, 0.7366, 0.0953, 0.9102]


@pytest.mark.parametrize("seed", range(3))
def test_delong_is_its_definition_with_equal_scores(seed):
    rng = np.random.default_rng(seed)
    positive = rng.random(70) < 0.3
    a, b = np.round(rng.normal(size=(2, 70)) + positive * [[1.0], [0.6]], 1)
    found = delong_test(positive, a, b)
    assert found == pytest.approx(_slow_delong(positive, a, b), rel=1e-9)
    assert found.first == pytest.approx(roc_auc_score(positive, a))


def test_delong_where_nothing_can_be_said():
    positive = np.array([True, False, False, True])
    score = np.array([0.9, 0.1, 0.2, 0.8])
    assert delong_test(positive, score, score) == (1.0, 1.0, 0.0, 1.0)
    assert np.isnan(delong_test(np.arange(4) == 0, score, -score)).all()


# -- compare ------------------------------------------------------------------------------


def test_two_nets(nets, y):
    a, b, _ = nets
    found = octsk.compare(a, b)
    [row] = found.rows
    expected = paired_bootstrap("acc", a.y_true, a.y_score, b.y_score, random_state=0)
    assert (row["difference"], row["low"], row["high"], row["p_value"]) == expected
    right = [net.y_score.argmax(axis=1) == y for net in (a, b)]
    assert row["value_first"] == pytest.approx(right[0].mean())
    assert row["difference"] == pytest.approx(right[0].mean() - right[1].mean())
    assert row["p_holm"] == row["p_value"]
    [test] = found.tests
    assert test["only_first"] == np.sum(right[0] & ~right[1])
    assert test["p_value"] == mcnemar_test(*right).p_value
    # The other way round, the sign changes alone.
    [back] = octsk.compare(b, a).rows
    assert back["difference"] == -row["difference"]
    assert (back["low"], back["high"]) == pytest.approx((-row["high"], -row["low"]))
    text = str(found)
    assert "a minus b" in text
    assert "Patients are not known" in text
    assert "all images as independent" in text
    assert "Holm" not in text
    assert "One training of each net" in text


def test_several_nets_are_corrected(nets):
    found = octsk.compare(*nets, n_resamples=200)
    p = [row["p_value"] for row in found.rows]
    np.testing.assert_allclose(
        [row["p_holm"] for row in found.rows], multipletests(p, method="holm")[1]
    )
    p = [test["p_value"] for test in found.tests]
    np.testing.assert_allclose(
        [test["p_holm"] for test in found.tests], multipletests(p, method="holm")[1]
    )
    assert "p (Holm) is corrected for 2 comparisons" in str(found)
    assert [row["other"] for row in found.rows] == ["b", "c"]


def test_auc_has_delong_of_each_class(nets, y):
    found = octsk.compare(*nets[:2], metric="auc", n_resamples=100)
    assert [test["class"] for test in found.tests] == NAMES
    for c, test in enumerate(found.tests):
        areas = [roc_auc_score(y == c, net.y_score[:, c]) for net in nets[:2]]
        assert [test["value_first"], test["value_other"]] == pytest.approx(areas)
        assert (test["low"] > 0 or test["high"] < 0) == (test["p_value"] < 0.05)
        assert test["low"] < test["difference"] < test["high"]
    [row] = found.rows
    assert row["value_first"] == nets[0].metrics["auc"]


def test_two_classes_have_one_delong_test():
    y = np.tile([0, 1], 30)
    a, b = (_report(y, _scores(y, 1, seed, 2), NAMES[:2]) for seed in range(2))
    found = octsk.compare(a, b, metric="auc", n_resamples=20)
    assert [test["class"] for test in found.tests] == ["DME"]
    assert found.names == ["Given (1)", "Given (2)"]


def test_patients_widen_the_interval(nets, y):
    patients = np.repeat(np.arange(15), 10)
    score = np.repeat(_scores(y[::10], 1, 5), 10, axis=0)
    images = [_report(np.repeat(y[::10], 10), s) for s in (score, _scores(y, 2, 1))]
    alone, together = (octsk.compare(*images, groups=g) for g in (None, patients))
    widths = [one.rows[0]["high"] - one.rows[0]["low"] for one in (alone, together)]
    assert widths[1] > 1.5 * widths[0]
    assert (alone.resampled, together.resampled) == ("images", "groups")
    assert together.n_groups == 15
    assert "150 images are of 15 patients" in together.to_markdown()
    assert "over 15 patients" in str(together)


@pytest.mark.parametrize("metric", ["accuracy", "auc", "balanced_accuracy", "log_loss"])
def test_classes_are_matched_by_name(nets, y, metric):
    order = [2, 0, 1]
    b = _report(y, nets[1].y_score[:, order], [NAMES[c] for c in order])
    assert b.class_names != nets[0].class_names
    settings = {"metric": metric, "names": ["a", "b"], "n_resamples": 50}
    straight = octsk.compare(nets[0], nets[1], **settings)
    turned = octsk.compare(nets[0], b, **settings)
    for key in ("difference", "low", "high", "p_value"):
        assert turned.rows[0][key] == pytest.approx(straight.rows[0][key], abs=1e-12)
    assert any("Neither file names nor hashes" in note for note in turned.notes)


def test_callable_metric(nets):
    by_name = octsk.compare(*nets[:2], n_resamples=30)
    by_call = octsk.compare(*nets[:2], metric=medmnist_accuracy, n_resamples=30)
    assert by_call.rows == by_name.rows
    assert by_call.tests == []

    def error(y_true, y_score):
        return 1 - accuracy_score(y_true, y_score.argmax(axis=1))

    own = octsk.compare(*nets[:2], metric=error, n_resamples=30)
    assert own.rows[0]["difference"] == pytest.approx(-by_name.rows[0]["difference"])
    assert "Difference in error" in str(own)


def test_trainings_have_a_mean_difference_and_its_error(y):
    a, b = (
        [_report(y, _scores(y, noise, seed), seed=seed) for seed in range(3)]
        for noise in (0.4, 0.7)
    )
    found = octsk.compare(a, b, names=["a", "b"])
    [row] = found.rows
    values = [[report.metrics["acc"] for report in net] for net in (a, b)]
    expected = ttest_ind(*values, equal_var=False)
    assert row["difference"] == pytest.approx(np.mean(values[0]) - np.mean(values[1]))
    assert row["training_p"] == pytest.approx(expected.pvalue)
    ends = expected.confidence_interval()
    assert (row["training_low"], row["training_high"]) == pytest.approx(tuple(ends))
    assert row["training_error"] == pytest.approx(row["difference"] / expected.statistic)
    # The bootstrap is of the mean of the trainings: narrower than that of one of them.
    single = octsk.compare(a[0], b[0]).rows[0]
    assert row["high"] - row["low"] < single["high"] - single["low"]
    assert found.tests == []
    assert "between trainings" in str(found)
    assert single["training_error"] is None


def test_trainings_that_do_not_depend_on_the_seed(y, nets):
    [row] = octsk.compare([nets[0]] * 2, [nets[1]] * 2, n_resamples=20).rows
    assert row["training_error"] == 0
    assert row["training_p"] == 0
    [row] = octsk.compare([nets[0]] * 2, nets[1], n_resamples=20).rows
    assert row["training_error"] is None


def test_undefined_metric_is_a_dash(y):
    y = np.where(y == 2, 0, y)
    reports = [_report(y, _scores(y, 1, seed)) for seed in range(2)]
    found = octsk.compare(*reports, metric="auc", n_resamples=20)
    assert np.isnan(found.rows[0]["difference"])
    assert found.to_dict()["rows"][0]["difference"] is None
    json.dumps(found.to_dict(), allow_nan=False)


# -- reports of other images --------------------------------------------------------------


def test_other_images_are_refused(y, nets, tmp_path):
    a = nets[0]
    score = nets[1].y_score
    turned = np.roll(np.arange(len(y)), 1)
    cases = {
        r"'a' is of 150 images, and 'b' of 149": _report(y[1:], score[1:]),
        r"labels differ, the first at position \d+: '\w+' in 'a', '\w+' in 'b'": _report(
            y[turned], score[turned]
        ),
        r"only 'b' \['drusen'\]": _report(
            np.zeros(150, int), score, ["CNV", "DME", "drusen"]
        ),
        r"different hashes": _report(y, score, X=np.arange(150)[:, None] + 0.5),
    }
    for message, other in cases.items():
        with pytest.raises(ValueError, match=rf"same images in the same order.*{message}"):
            octsk.compare(a, other, names=["a", "b"])
        with pytest.raises(ValueError, match="same images"):
            octsk.compare(a, [nets[1], other])


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ("filenames", "file names differ, the first at position 3: 'x' in 'a', 'y' in 'b'"),
        ("groups", "patients differ, the first at position 5: '5' in 'a', '3' in 'b'"),
    ],
)
def test_other_files_and_patients_are_refused(y, nets, known, message):
    a, b = ([*"012", name, *map(str, range(4, 150))] for name in ("x", "y"))
    if known == "groups":
        b[5] = "y"
    reports = [_report(y, nets[0].y_score, **{known: one}) for one in (a, b)]
    with pytest.raises(ValueError, match=f"same images.* of 150 {message}"):
        octsk.compare(*reports, names=["a", "b"])


def test_files_may_lie_elsewhere_and_patients_have_other_names(y, nets):
    patients = np.arange(150) // 2
    a, b = (
        _report(
            y,
            net.y_score,
            X=np.arange(150)[:, None] + shift,
            filenames=[f"{folder}/{i}.png" for i in range(150)],
            groups=groups,
        )
        for net, shift, folder, groups in [
            (nets[0], 0, "/a", patients),
            (nets[1], 0.5, "/b/c", [f"p{99 - i}" for i in patients]),
        ]
    )
    found = octsk.compare(a, b, names=["a", "b"], n_resamples=50)
    assert (found.resampled, found.n_groups) == ("groups", 75)
    assert not any("file names" in note for note in found.notes)
    assert found.rows == octsk.compare(*nets[:2], groups=patients, n_resamples=50).rows
    # Patients that only one report knows are those of the others, too.
    known = _report(y, nets[1].y_score, groups=patients, name="b")
    assert octsk.compare(nets[0], known, n_resamples=50).rows == found.rows


def test_the_same_images_at_another_size_are_compared_with_a_note(y, nets):
    larger = _report(y, nets[1].y_score, X=np.tile(np.arange(150)[:, None], 4), size=2)
    found = octsk.compare(nets[0], larger, n_resamples=20)
    assert "Neither file names nor hashes" in found.notes[-1]
    assert "Neither file names" not in str(octsk.compare(*nets[:2], n_resamples=20))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"metric": "f1"}, ValueError, "metric must be one of .*'accuracy'.*got 'f1'"),
        ({"metric": None}, ValueError, "metric must be one of"),
        ({"names": ["a"]}, ValueError, "names must hold 2 different names"),
        ({"names": ["a", "a"]}, ValueError, "names must hold 2 different names"),
        ({"groups": [1, 2]}, ValueError, r"groups must have shape \(150,\)"),
        ({"groups": [1] * 150}, ValueError, "two different groups"),
        ({"confidence_level": 95}, ValueError, "confidence_level"),
        ({"n_resamples": 1}, ValueError, "n_resamples"),
    ],
)
def test_bad_arguments(nets, changes, error, message):
    with pytest.raises(error, match=message):
        octsk.compare(*nets[:2], **changes)


@pytest.mark.parametrize("other", ["report.json", None, {}, [1]])
def test_what_is_no_report_is_refused(nets, other):
    with pytest.raises(TypeError, match=r"compare takes reports of octsk.evaluate"):
        octsk.compare(nets[0], other)
    with pytest.raises(ValueError, match="at least one report"):
        octsk.compare(nets[0], [])


# -- documents ----------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["accuracy", "auc", "log_loss"])
def test_documents_hold_the_same_figures(nets, tmp_path, metric):
    nets = [*nets[:2], _report(nets[2].y_true, nets[2].y_score, name="<c>_&%")]
    found = octsk.compare(*nets, metric=metric, n_resamples=50)
    difference = f"{found.rows[0]['difference']:+.3f}"
    for text in (str(found), found.to_markdown(), found.to_latex(), found._repr_html_()):
        assert difference in text
    assert r"\textless{}c\textgreater{}\_\&\%" in found.to_latex()
    assert r"&lt;c&gt;\_&amp;%" in found.to_markdown()
    assert repr(found).startswith(
        f"<Comparison of {found._title()}, a minus b: {difference}"
    )
    frame = found.to_frame()
    assert len(frame) == len(found.rows) + len(found.tests)
    assert frame["difference"][0] == found.rows[0]["difference"]
    assert {"low", "high", "p_value", "p_holm", "method", "metric"} <= set(frame)
    found.to_figures_csv(tmp_path / "a.csv")
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(frame)
    assert float(rows[0]["low"]) == found.rows[0]["low"]
    found.to_json(tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["octsk_comparison"] == 1
    assert document["rows"] == json.loads(json.dumps(found.to_dict()["rows"]))


def test_synthetic_and_leaking_images_are_marked(y, nets):
    groups = np.arange(150)
    facts = {"name": "made-up", "size": 1, "synthetic": True}
    split = Bunch(data=np.arange(150)[:, None], target=y, groups=groups, **facts)
    dataset = Bunch(train=split, val=None, test=split, **facts)
    with pytest.warns(UserWarning, match="patients"):
        reports = [
            octsk.evaluate(
                Given().fit(net.y_score, [0, 1, 2]),
                split.data,
                y,
                dataset=dataset,
                n_resamples=10,
            )
            for net in nets[:2]
        ]
    text = str(octsk.compare(*reports, n_resamples=20))
    assert "SYNTHETIC" in text
    assert "NOT INDEPENDENT" in text


# -- from files ---------------------------------------------------------------------------


def _command(*words, code=0):
    result = CliRunner().invoke(app, ["compare", *map(str, words)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def saved(nets, tmp_path):
    """Two folders of evaluations, and that of a run with two nets and two seeds."""
    for net in nets[:2]:
        (tmp_path / net.name).mkdir()
        net.to_json(tmp_path / net.name / "report.json")
    (tmp_path / "run" / "reports").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_text("{}")
    for net in nets[1:]:
        for seed in range(2):
            net.to_json(tmp_path / "run" / "reports" / f"{net.name}-seed{seed}.json")
    return tmp_path


def test_reports_from_files_folders_and_runs(saved, nets):
    assert list(read_reports([saved / "a" / "report.json", saved / "b"])) == ["a", "b"]
    for place in ("run", "run/run.json", "run/reports"):
        found = read_reports([saved / place])
        assert {name: len(reports) for name, reports in found.items()} == {"b": 2, "c": 2}
    found = read_reports([saved / "b" / "report.json", saved / "run"])
    assert list(found) == ["b (b)", "b (run)", "c"]
    with pytest.raises(ValueError, match=r"different classifiers.*b.report\.json"):
        read_reports([saved / "b", saved / "b" / "report.json"])
    with pytest.raises(FileNotFoundError, match=r"holds no report: neither report\.json"):
        read_reports([saved])
    with pytest.raises(FileNotFoundError):
        read_reports([saved / "absent.json"])


def test_command_prints_what_compare_returns(saved, nets):
    text = _command(saved / "a", saved / "b" / "report.json").stdout
    assert text.strip() == str(octsk.compare(*nets[:2]))
    document = json.loads(_command(saved / "run", "--metric", "auc", "--json").stdout)
    assert document["metric"] == "auc"
    assert document["rows"][0]["n_trainings_first"] == 2


def test_command_writes_tables(saved):
    for suffix, start in [
        (".tex", "% Requires"),
        (".md", "**Difference in ACC"),
        (".csv", "metric,"),
        (".json", "{"),
    ]:
        output = saved / f"comparison{suffix}"
        _command(saved / "a", saved / "b", "--output", output)
        assert output.read_text(encoding="utf-8").startswith(start)
        error = _command(saved / "a", saved / "b", "--output", output, code=1).stderr
        assert "--overwrite" in error
    _command(saved / "a", saved / "b", "--output", output, "--overwrite")


def test_command_refuses(saved):
    report = saved / "a" / "report.json"
    before = report.read_bytes()
    error = _command(
        saved / "a", saved / "b", "--output", report, "--overwrite", code=1
    ).stderr
    assert "never replaced" in error
    assert report.read_bytes() == before
    assert "only one net" in _command(saved / "a", code=2).stderr
    assert ".csv" in _command(saved / "a", saved / "b", "-o", "x.pdf", code=2).stderr
    (saved / "scores.json").write_text('{"acc": 1}')
    error = _command(saved / "a", saved / "scores.json", code=1).stderr
    assert "not a benchmark report" in " ".join(error.split())


# -- of a run -----------------------------------------------------------------------------


def _run(n_seeds=1, nets=("linear", "bayes"), **facts):
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    X = rng.normal(size=(160, 3)) + y[:, None]
    groups = np.repeat(np.arange(40), 4)
    train, test = (
        Bunch(data=X[part], target=y[part], groups=groups[part])
        for part in (slice(80), slice(80, None))
    )
    facts = {"name": "blobs", "size": None, "synthetic": False, **facts}
    dataset = Bunch(train=train, val=None, test=test, **facts)
    known = {"linear": SGDClassifier(loss="log_loss"), "bayes": GaussianNB()}
    estimators = {net: known[net] for net in nets}
    return run_benchmark(estimators, dataset, seeds=range(n_seeds))


def test_run_of_two_nets_is_compared():
    run = _run()
    found = run.compare()
    assert found.rows == octsk.compare(*run.reports.values(), names=[*run.reports]).rows
    assert (found.n_groups, found.names) == (20, ["linear", "bayes"])
    text = run.to_text()
    for title in ("Difference in ACC", "Difference in AUC", "McNemar", "DeLong"):
        assert text.count(f"\n{title}") + text.count(f" {title} test") == 1
    # What both metrics' tables say is said once.
    assert " ".join(text.split()).count("One training of each net") == 1
    assert [one["metric"] for one in run.to_dict()["comparisons"]] == ["acc", "auc"]
    json.dumps(run.to_dict(), allow_nan=False)
    page = html_report(run)
    assert "<h2>Comparison of the nets</h2>" in page
    assert "Exact McNemar test" in page


def test_run_of_one_net_has_nothing_to_compare():
    run = _run(nets=["linear"])
    assert "Difference in" not in run.to_text()
    assert run.to_dict()["comparisons"] == []
    assert "Comparison of the nets" not in html_report(run)
    with pytest.raises(
        ValueError, match=r"two classifiers, but this run only has \['linear'\]"
    ):
        run.compare()


def test_run_over_seeds_is_compared_by_the_means():
    run = _run(n_seeds=3, synthetic=True)
    [row] = run.compare("auc").rows
    means = [
        np.mean([r.metrics["auc"] for r in reports]) for reports in run.reports.values()
    ]
    assert row["difference"] == pytest.approx(means[0] - means[1])
    assert row["n_trainings_first"] == 3
    text = run.to_text()
    assert "between trainings" in text
    assert text.count("*** SYNTHETIC DATA") == 1


def test_run_and_report_have_documents(tmp_path):
    run = _run(n_seeds=2)
    frame = run.to_frame()
    # Five metrics and two recalls of each training.
    assert len(frame) == 4 * 7
    assert set(frame["net"]) == {"linear", "bayes"}
    assert frame["patients"].eq(20).all()
    report = run.reports["linear"][1]
    row = frame.query("net == 'linear' and seed == 1 and metric == 'acc'").iloc[0]
    assert (row["value"], row["low"], row["high"]) == (
        report.metrics["acc"],
        *report.intervals["acc"],
    )
    assert report.to_frame()["class"].dropna().tolist() == report.class_names
    for one in (run, report):
        one.to_figures_csv(tmp_path / "figures.csv")
        with open(tmp_path / "figures.csv", newline="", encoding="utf-8") as file:
            assert len(list(csv.DictReader(file))) == len(one.to_frame())
        markdown, latex = one.to_markdown(), one.to_latex()
        assert "| loss | log\\_loss |" in markdown
        assert r"\caption{Settings}" in latex
        for text in (markdown, latex, str(one)):
            words = "measured on 80 images" if one is run else "80 images"
            assert f"{words} of 20 patients" in " ".join(text.split())
            assert f"{report.metrics['acc']:.3f}" in text or one is run
    assert "Trained on 80 images of 20 patients" in run.to_text()


def test_settings_show_the_learning_rate_of_the_optimizer():
    scans = octsk.make_oct_phantoms(24, random_state=0)
    net = octsk.SmallOCTNet(epochs=1, filters=(2,), dense_units=(2,), random_state=0)
    assert net.learning_rate is None
    report = octsk.evaluate(net.fit(scans.data, scans.target), scans.data, scans.target)
    assert "| learning\\_rate | 0.001 |" in report.to_markdown()
    assert r"learning\_rate & 0.001 \\" in report.to_latex()


# -- operating points of a run ------------------------------------------------------------


def _clinic(groups=True, val=True):
    rng = np.random.default_rng(1)
    parts = {}
    for k, split in enumerate(("train", "val", "test")):
        y = np.repeat(np.arange(3), 40)
        X = rng.normal(size=(120, 3)) + 1.5 * np.eye(3)[y]
        patients = 1000 * k + np.arange(120) // 2
        parts[split] = Bunch(data=X, target=y, groups=patients if groups else None)
    facts = dict(name="clinic", size=None, synthetic=False, target_names=NAMES)
    dataset = Bunch(**parts, **facts)
    if not val:
        dataset.val = None
    return dataset


def test_run_is_measured_at_an_operating_point_and_by_patient(tmp_path):
    dataset = _clinic()
    nets = {"bayes": GaussianNB(), "linear": SGDClassifier(loss="log_loss")}
    request = {"positive": ["CNV", "DME"], "specificity": 0.9}
    folder = tmp_path / "run"
    run = run_benchmark(nets, dataset, seeds=[0], output_dir=folder, **request)
    expected = octsk.evaluate(
        run.estimators["bayes"],
        dataset.test.data,
        dataset.test.target,
        dataset=dataset,
        level="group",
        **request,
    )
    [report] = run.reports["bayes"]
    assert report.operating_point.to_dict() == expected.operating_point.to_dict()
    assert report.by_group.metrics == expected.by_group.metrics
    text = run.to_text()
    assert "Operating point: CNV or DME is positive" in text
    assert "sensitivity at a specificity of 0.9" in text
    sensitivity = report.operating_point.figures["sensitivity"]
    low, high = report.operating_point.intervals["sensitivity"]
    assert f"{sensitivity:.3f} [{low:.3f}, {high:.3f}]" in text
    for net in nets:  # among the figures, and at the operating point
        assert text.count(f"\n  {net}, by patient ") == 2
    assert "Operating point: CNV or DME is positive" in html_report(run)
    frame = run.to_frame().query("net == 'bayes' and metric == 'sensitivity'")
    assert frame["value"].tolist() == [
        sensitivity,
        report.by_group.operating_point.figures["sensitivity"],
    ]
    assert frame["level"].tolist() == ["image", "group"]
    assert run.plan["operating_point"] == request
    again = run_benchmark(
        nets, dataset, seeds=[0], output_dir=folder, resume=True, **request
    )
    assert again.to_text() == text
    changed = {**request, "specificity": 0.8}
    with pytest.raises(ValueError, match=r"another run: operating_point\.specificity"):
        run_benchmark(nets, dataset, seeds=[0], output_dir=folder, resume=True, **changed)


@pytest.mark.parametrize(
    ("changes", "request_", "message"),
    [
        ({}, {"positive": "AMD"}, r"positive must hold classes among .*'CNV'.*got 'AMD'"),
        ({}, {"positive": NAMES}, "but not all"),
        ({}, {"specificity": 0.9}, "specificity requires positive"),
        ({}, {"positive": "CNV", "specificity": 95}, "specificity must be a number"),
        ({}, {"positive": "CNV", "specificity": 0.9, "sensitivity": 0.9}, "only one of"),
        ({"val": False}, {"positive": "CNV", "specificity": 0.9}, "val split"),
    ],
)
def test_operating_points_are_checked_before_training(changes, request_, message):
    class Untrained(GaussianNB):
        def fit(self, X, y):
            raise AssertionError("trained")

    with pytest.raises(ValueError, match=message):
        run_benchmark({"a": Untrained()}, _clinic(**changes), **request_)


def test_run_without_patients_is_measured_by_image():
    run = run_benchmark({"a": GaussianNB()}, _clinic(groups=False), positive="CNV")
    [report] = run.reports["a"]
    assert report.by_group is None
    assert report.operating_point.threshold == 0.5
    assert "by patient" not in run.to_text()
