"""Figures by patient and of subgroups."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from test_operating_point import NAMES, NET, POSITIVE, _dataset, _evaluate

from octsk.evaluation import BenchmarkReport, evaluate
from octsk.evaluation._by_group import scores_of_groups
from octsk.evaluation._subgroups import difference_interval
from octsk.reporting import html_report


def _patients(n=150, mixed=0):
    """Three images of each patient, of one class but of the first `mixed` patients."""
    dataset = _dataset(n, groups=True)
    for part in (dataset.val, dataset.test):
        of_patient = np.repeat(part.target[::3], 3)
        of_patient[1 : 3 * mixed : 3] = (of_patient[1 : 3 * mixed : 3] + 2) % 4
        part.target = part.data[:, 0, 0] = of_patient
        order = np.random.default_rng(0).permutation(n)
        for name in ("data", "target", "groups"):
            part[name] = part[name][order]
    return dataset


AGGREGATES = {
    "mean": lambda rows: rows.mean(axis=0),
    "max": lambda rows: rows.max(axis=0),
    "noisy-or": lambda rows: 1 - (1 - rows).prod(axis=0),
}


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_figures_by_patient_agree_with_pandas(aggregate):
    dataset = _patients()
    report = _evaluate(dataset, level="group", aggregate=aggregate)
    frame = pd.DataFrame(NET.predict_proba(dataset.test.data))
    by_patient = frame.groupby(dataset.test.groups)
    score = by_patient.agg(lambda column: AGGREGATES[aggregate](column.to_numpy()))
    score = score.div(score.sum(axis=1), axis=0)
    target = pd.Series(dataset.test.target).groupby(dataset.test.groups).first()
    of_groups = report.by_group
    np.testing.assert_allclose(of_groups.y_score, score)
    assert of_groups.groups == target.index.tolist()
    assert of_groups.y_true.tolist() == target.tolist()
    assert (of_groups.n_samples, of_groups.level, of_groups.aggregate) == (
        *(50, "group"),
        aggregate,
    )
    assert of_groups.metrics["acc"] == accuracy_score(target, score.to_numpy().argmax(1))
    area = roc_auc_score(target, score, multi_class="ovr")
    assert of_groups.metrics["auc"] == pytest.approx(area)
    n_right = round(50 * of_groups.metrics["acc"])
    wilson = proportion_confint(n_right, 50, method="wilson")
    np.testing.assert_allclose(of_groups.intervals["acc"], wilson, atol=0.03)
    # The figures by image are what they are without.
    assert report.metrics == _evaluate(dataset).metrics


def test_accuracy_of_one_predicted_class_varies_with_the_patients():
    dataset = _patients()
    constant = DummyClassifier(strategy="prior").fit(np.zeros((4, 1)), [0, 0, 1, 2])
    constant.classes_ = NET.classes_
    constant.predict_proba = lambda X: np.tile([0.7, 0.1, 0.1, 0.1], (len(X), 1))
    test = dataset.test
    report = evaluate(constant, test.data, test.target, dataset=dataset, level="group")
    low, high = report.by_group.intervals["acc"]
    n_right = round(50 * report.by_group.metrics["acc"])
    wilson = proportion_confint(n_right, 50, method="wilson")
    np.testing.assert_allclose((low, high), wilson, atol=0.03)


def test_a_callable_gets_the_images_of_one_patient():
    dataset = _patients()
    shapes = set()

    def middle(rows):
        shapes.add(rows.shape)
        return np.median(rows, axis=0)

    report = _evaluate(
        dataset, level="group", aggregate=middle, positive=POSITIVE, specificity=0.9
    )
    assert shapes == {(3, 4), (3, 1)}
    assert "By patient: the middle of the scores" in str(report)
    for wrong in (lambda rows: rows, lambda rows: np.nan * rows[0], lambda rows: -rows[0]):
        with pytest.raises(ValueError, match="aggregate must return 4 numbers that are"):
            _evaluate(dataset, level="group", aggregate=wrong)


@pytest.mark.pictures
def test_both_levels_stand_side_by_side_and_outlast_a_file(tmp_path):
    dataset = _patients()
    report = _evaluate(
        dataset, level="group", aggregate="max", positive=POSITIVE, sensitivity=0.9
    )
    text = str(report)
    header = next(line for line in text.splitlines() if line.startswith("  metric"))
    words = re.split("  +", header.strip())
    assert words == ["metric", "by image", "95% interval", "by patient", "95% interval"]
    row = next(line for line in text.splitlines() if line.startswith("  ACC "))
    assert f"{report.metrics['acc']:.3f}" in row
    assert f"{report.by_group.metrics['acc']:.3f}" in row
    words = " ".join(text.split())
    assert "By patient: 50 patients." in words
    assert "By patient: positive if the probability is at least" in words
    assert "chosen on 50 validation patients for a sensitivity of at least 0.9" in words
    report.to_json(tmp_path / "r.json")
    again = BenchmarkReport.from_json(tmp_path / "r.json")
    assert str(again) == text
    assert again.by_group.y_score.shape == (50, 4)
    assert "y_true" not in report.to_dict(scores=False)["by_group"]
    page = html_report(report, dataset=dataset)
    assert "Operating point by patient, with its intervals" in page
    assert "Recall and confusion of the patients of each class" in page


def test_patients_of_several_classes_are_counted_and_positive_if_any_image_is():
    dataset = _patients(mixed=4)
    report = _evaluate(dataset, level="group", positive=POSITIVE, threshold=0.6)
    n_mixed = (
        pd.Series(dataset.test.target).groupby(dataset.test.groups).nunique() > 1
    ).sum()
    assert n_mixed == 4
    assert report.by_group.n_samples == 46
    words = " ".join(str(report).split())
    assert "4 of 50 patients have images of several classes and are LEFT OUT" in words
    assert "A patient is positive if any image is." in words
    point = report.by_group.operating_point
    expected = pd.Series(dataset.test.target < 2).groupby(dataset.test.groups).any()
    assert point.y_true.tolist() == expected.tolist()
    scores = pd.Series(NET.predict_proba(dataset.test.data)[:, :2].sum(axis=1))
    np.testing.assert_allclose(
        point.y_score, scores.groupby(dataset.test.groups).mean(), rtol=1e-6
    )


def test_only_patients_of_several_classes():
    dataset = _dataset(40)
    groups = np.arange(40) % 2
    with pytest.raises(ValueError, match="all groups have images of several classes"):
        _evaluate(dataset, groups=groups, level="group")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"level": "patient"}, "level must be 'image' or 'group', got 'patient'"),
        (
            {"level": "group", "aggregate": "median"},
            "aggregate must be one of 'mean', 'max'",
        ),
        ({"level": "group"}, "requires the group .patient. of each image"),
    ],
)
def test_impossible_levels(settings, message):
    with pytest.raises(ValueError, match=message):
        _evaluate(_dataset(30), **settings)


def test_a_threshold_by_patient_needs_validation_patients():
    dataset = _patients()
    settings = dict(level="group", positive=POSITIVE, specificity=0.9)
    val = dataset.val
    with pytest.raises(ValueError, match="of each validation image, too: pass groups_val"):
        _evaluate(dataset, X_val=val.data, y_val=val.target, **settings)
    given = _evaluate(
        dataset, X_val=val.data, y_val=val.target, groups_val=val.groups, **settings
    )
    found = _evaluate(dataset, **settings)
    assert given.by_group.operating_point.threshold == (
        found.by_group.operating_point.threshold
    )


def test_a_group_without_any_probability_is_undecided():
    score = np.array([[0.0, 0.0], [0.0, 0.0], [0.2, 0.8]])
    found = scores_of_groups(score, np.array([0, 0, 1]), "max")
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.2, 0.8]])


# -- subgroups --------------------------------------------------------------------------


def test_subgroups_have_the_figures_of_their_images(tmp_path):
    dataset = _dataset(200)
    device = np.array(["A", "B", None, "B"])[np.arange(200) % 4].astype(object)
    device[device == None] = np.array([np.nan] * 50)  # noqa: E711
    device[:3] = "small"
    dataset.test.device = device
    report = _evaluate(dataset, by="device", positive=POSITIVE, threshold=0.6)
    [found] = report.subgroups
    rows = {row["value"]: row for row in found["rows"]}
    assert list(rows) == ["(unknown)", "A", "B", "small"]
    assert [row["small"] for row in found["rows"]] == [False, False, False, True]
    part = device == "B"
    alone = evaluate(
        *(NET, dataset.test.data[part], dataset.test.target[part]),
        n_resamples=200,
        positive=POSITIVE,
        threshold=0.6,
    )
    for name in ("acc", "auc", "balanced_accuracy", "log_loss"):
        assert rows["B"]["metrics"][name] == pytest.approx(alone.metrics[name])
        np.testing.assert_allclose(rows["B"]["intervals"][name], alone.intervals[name])
    point = alone.operating_point
    assert rows["B"]["metrics"]["sensitivity"] == pytest.approx(
        point.figures["sensitivity"]
    )
    gap = found["gaps"][0]
    accs = {value: rows[value]["metrics"]["acc"] for value in ("(unknown)", "A", "B")}
    assert gap["gap"] == pytest.approx(max(accs.values()) - min(accs.values()))
    assert accs[gap["highest"]] == max(accs.values())
    low, high = gap["interval"]
    assert low < gap["gap"] < high
    words = " ".join(str(report).split())
    assert "Subgroups by device" in words
    assert "small (few)" in words
    assert "The largest of several gaps is larger than the true one on average" in words
    assert "several subgroups" not in words
    frame = (
        report.to_frame().query("by == 'device' and subgroup == 'B'").set_index("metric")
    )
    assert frame["value"].to_dict() == rows["B"]["metrics"]
    assert frame[["low", "high"]].loc["acc"].tolist() == rows["B"]["intervals"]["acc"]
    assert set(frame["images"]) == {rows["B"]["n_samples"]}
    report.to_json(tmp_path / "r.json")
    assert str(BenchmarkReport.from_json(tmp_path / "r.json")) == str(report)
    assert "Largest gap by device" in html_report(report, dataset=dataset)


def test_interval_of_a_gap_is_newcombes():
    counts = (45, 60, 30, 55)
    one, other = (proportion_confint(*c, method="wilson") for c in (counts[:2], counts[2:]))
    found = difference_interval(45 / 60, one, 30 / 55, other)
    expected = confint_proportions_2indep(*counts, compare="diff", method="newcomb")
    np.testing.assert_allclose(found, expected)


def test_patients_of_subgroups_are_counted():
    dataset = _patients()
    eye = np.array(["left", "right"])[dataset.test.groups % 2]
    report = _evaluate(dataset, by={"eye": eye})
    rows = report.subgroups[0]["rows"]
    assert [(row["value"], row["n_samples"], row["n_groups"]) for row in rows] == [
        ("left", 75, 25),
        ("right", 75, 25),
    ]
    assert "several gaps" not in str(report)
    assert "several subgroups" not in str(report)
    eye[0] = {"left": "right", "right": "left"}[eye[0]]
    report = _evaluate(dataset, by={"eye": eye})
    assert "images in several subgroups: 1." in " ".join(str(report).split())


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("site", "has no column 'site'; it has target"),
        (np.zeros(7), r"by must have shape \(200,\), one value for each image; got \(7,\)"),
        ({"age": np.arange(200)}, "age has 200 different values"),
    ],
)
def test_impossible_subgroups(by, message):
    with pytest.raises(ValueError, match=message):
        _evaluate(_dataset(200), by=by)


def test_no_gap_of_one_subgroup():
    report = _evaluate(_dataset(40), by=["x"] * 40)
    assert report.subgroups[0]["gaps"] == []
    assert "No gap: fewer than two subgroups are large enough." in str(report)


def test_classes_left_out_are_left_out_of_all_levels():
    dataset = _patients()
    dataset.test.target_names = dataset.val.target_names = ["CNV", "DME", "x", "normal"]
    dataset.target_names = dataset.val.target_names
    with pytest.warns(UserWarning, match="LEFT OUT"):
        report = _evaluate(
            dataset,
            class_map={"CNV": ["CNV", "drusen"]},
            level="group",
            positive="CNV",
            specificity=0.8,
            by={"half": np.arange(150) % 2},
        )
    kept = dataset.test.target != 2
    assert report.n_samples == kept.sum() == len(report.operating_point.y_true)
    assert report.by_group.n_samples == len(set(dataset.test.groups[kept]))
    assert sum(row["n_samples"] for row in report.subgroups[0]["rows"]) == kept.sum()
    assert report.class_names == ["CNV", "DME", "normal"]
    assert NAMES[2] not in report.operating_point.negative
