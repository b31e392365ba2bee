"""Sensitivity and specificity at a threshold, with oracles that are not ours."""

import json
import warnings

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve
from sklearn.utils import Bunch
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

import octsk
from octsk.evaluation import BenchmarkReport, evaluate
from octsk.evaluation._operating_point import predictive_value
from octsk.evaluation._threshold import choose_threshold
from octsk.metrics import draw_counts
from octsk.reporting import html_report
from octsk.utils.json import jsonable

NAMES = ["CNV", "DME", "drusen", "normal"]
POSITIVE = ["CNV", "DME"]


class Noisy(ClassifierMixin, BaseEstimator):
    """Its scores follow the first pixel, with noise that the second pixel holds."""

    def fit(self, X=None, y=None):
        self.classes_ = np.arange(4)
        self.class_names_ = NAMES
        return self

    def predict_proba(self, X):
        X = np.asarray(X, dtype=float)
        logits = 1.5 * np.eye(4)[X[:, 0, 0].astype(int)]
        logits[:, :2] += (X[:, 0, 1, None] - 128) / 64
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def _split(n, seed, **facts):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 4, n)
    data = rng.integers(0, 256, (n, 4, 4)).astype(np.uint8)
    data[:, 0, 0] = target
    return Bunch(data=data, target=target, **facts)


def _dataset(n=120, groups=False):
    facts = {"target_names": NAMES}
    parts = {name: _split(n, k) for k, name in enumerate(("train", "val", "test"))}
    if groups:
        for k, part in enumerate(parts.values()):
            part.groups = 1000 * k + np.arange(n) // 3
    return Bunch(name="made-up", size=4, synthetic=True, **facts, **parts)


NET = Noisy().fit()


def _evaluate(dataset, **settings):
    test = dataset.test
    return evaluate(
        *(NET, test.data, test.target), dataset=dataset, n_resamples=200, **settings
    )


def _collapsed(part):
    return np.isin(part.target, [0, 1]), NET.predict_proba(part.data)[:, :2].sum(axis=1)


@pytest.mark.parametrize(
    ("goal", "value"),
    [("specificity", v) for v in (0.5, 0.8, 0.95, 0.999)]
    + [("sensitivity", v) for v in (0.5, 0.9, 0.999)],
)
def test_threshold_is_the_best_on_validation_images_and_figures_are_of_test(goal, value):
    dataset = _dataset()
    point = _evaluate(dataset, positive=POSITIVE, **{goal: value}).operating_point
    positive, score = _collapsed(dataset.val)
    rates = {}
    for threshold in [*np.unique(score), score.max() + 1]:  # an exhaustive search
        tn, fp, fn, tp = confusion_matrix(positive, score >= threshold).ravel()
        rates[threshold] = {"sensitivity": tp / (tp + fn), "specificity": tn / (tn + fp)}
    other = "sensitivity" if goal == "specificity" else "specificity"
    best = max(rate[other] for rate in rates.values() if rate[goal] >= value)
    tn, fp, fn, tp = confusion_matrix(positive, score >= point.threshold).ravel()
    chosen = {"sensitivity": tp / (tp + fn), "specificity": tn / (tn + fp)}
    assert chosen[goal] >= value
    assert chosen[other] == pytest.approx(best)

    positive, score = _collapsed(dataset.test)
    tn, fp, fn, tp = confusion_matrix(positive, score >= point.threshold).ravel()
    assert [*point.counts.values()] == [tp, fn, tn, fp]
    assert point.figures["sensitivity"] == pytest.approx(tp / (tp + fn))
    assert point.figures["specificity"] == pytest.approx(tn / (tn + fp))
    if tp + fp:
        assert point.figures["ppv"] == pytest.approx(tp / (tp + fp))
    assert point.figures["npv"] == pytest.approx(tn / (tn + fn))
    assert point.figures["auc"] == pytest.approx(roc_auc_score(positive, score))


def test_test_labels_do_not_move_the_threshold():
    dataset = _dataset()
    first = _evaluate(dataset, positive=POSITIVE, specificity=0.9).operating_point
    dataset.test = _split(80, 77)
    again = _evaluate(dataset, positive=POSITIVE, specificity=0.9).operating_point
    assert first.threshold == again.threshold
    assert first.figures != again.figures


def test_a_threshold_of_the_roc_curve():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200).astype(bool)
    score = np.round(rng.normal(size=200) + y, 1)  # with ties
    fpr, tpr, thresholds = roc_curve(y, score)
    threshold = choose_threshold(y, score, specificity=0.8)
    assert tpr[thresholds >= threshold].max() == tpr[fpr <= 0.2].max()
    # Nothing above the greatest negative: no image is called positive.
    assert (
        choose_threshold(np.array([True, False]), np.array([0.2, 0.4]), specificity=0.9)
        > 0.4
    )


@pytest.mark.parametrize("groups", [True, False])
@pytest.mark.parametrize("goal", ["specificity", "sensitivity"])
def test_interval_at_the_goal_has_the_spread_of_the_threshold(goal, groups, tmp_path):
    dataset = _dataset(groups=groups)
    report = _evaluate(dataset, positive=POSITIVE, **{goal: 0.8})
    point = report.operating_point
    other = "sensitivity" if goal == "specificity" else "specificity"
    assert (point.at_goal["rate"], point.at_goal["goal"]) == (other, f"a {goal} of 0.8")
    val = dataset.val
    y_true, score = _collapsed(val)
    # Repeat the images as often as the resamples draw them.
    order = np.argsort(-score, kind="stable")
    numbers = None
    if groups:
        numbers = np.unique(val.groups, return_inverse=True)[1][order]
    y_true, score = y_true[order], score[order]
    drawn = draw_counts(
        *(y_true.astype(int), numbers, report.n_resamples, np.random.RandomState(0))
    )
    thresholds = []
    for counts in np.concatenate([*drawn]).astype(int):
        resample = np.repeat(y_true, counts), np.repeat(score, counts)
        thresholds.append(choose_threshold(*resample, **{goal: 0.8}))
    of_class = point.y_score[point.y_true == (other == "sensitivity")]
    called = of_class >= np.array(thresholds)[:, None]
    rates = (called if other == "sensitivity" else ~called).mean(axis=1)
    value, fixed = point.figures[other], point.intervals[other]
    ends = np.quantile(rates, [0.025, 0.975])
    low = value - np.hypot(value - fixed[0], max(0, value - ends[0]))
    high = value + np.hypot(fixed[1] - value, max(0, ends[1] - value))
    assert point.at_goal["interval"] == pytest.approx((max(0, low), min(1, high)))
    assert high - low > 1.1 * (fixed[1] - fixed[0])
    words = f"{other} at a {goal} of 0.8"
    assert words in str(report)
    assert words in html_report(report)
    frame = report.to_frame().set_index("metric")
    assert tuple(frame.loc[words, ["low", "high"]]) == point.at_goal["interval"]
    report.to_json(tmp_path / "report.json")
    again = BenchmarkReport.from_json(tmp_path / "report.json")
    assert again.operating_point.at_goal == point.at_goal
    fixed = _evaluate(dataset, positive=POSITIVE, threshold=0.5).operating_point
    assert fixed.at_goal is None


def test_figures_follow_the_prevalence():
    dataset = _dataset()
    found = {
        prevalence: _evaluate(
            dataset, positive=POSITIVE, threshold=0.6, prevalence=prevalence
        ).operating_point
        for prevalence in (0.01, 0.3)
    }
    for prevalence, point in found.items():
        se, sp = point.figures["sensitivity"], point.figures["specificity"]
        ppv = se * prevalence / (se * prevalence + (1 - sp) * (1 - prevalence))
        npv = sp * (1 - prevalence) / (sp * (1 - prevalence) + (1 - se) * prevalence)
        assert point.figures["ppv"] == pytest.approx(ppv)
        assert point.figures["npv"] == pytest.approx(npv)
        for name in ("ppv", "npv"):
            low, high = point.intervals[name]
            assert low < point.figures[name] < high
    assert found[0.01].figures["ppv"] < found[0.3].figures["ppv"]


def test_intervals_of_independent_images_are_wilsons():
    dataset = _dataset(400)
    point = _evaluate(dataset, positive=POSITIVE, threshold=0.6).operating_point
    counts = point.counts
    for name, right, wrong in [
        ("sensitivity", "true positive", "false negative"),
        ("specificity", "true negative", "false positive"),
    ]:
        total = counts[right] + counts[wrong]
        expected = proportion_confint(counts[right], total, method="wilson")
        np.testing.assert_allclose(point.intervals[name], expected, atol=0.012)


def test_intervals_of_patients_are_wider_than_those_of_images():
    dataset = _dataset(240)
    # Ten copies of each image, as of one patient.
    for part in (dataset.val, dataset.test):
        part.update(
            data=np.repeat(part.data[:24], 10, 0), target=np.repeat(part.target[:24], 10)
        )
    images = _evaluate(dataset, positive=POSITIVE, threshold=0.6)
    dataset.test.groups = np.arange(240) // 10
    patients = _evaluate(dataset, positive=POSITIVE, threshold=0.6)
    for name in ("sensitivity", "specificity", "ppv", "auc"):
        a, b = (r.operating_point.intervals[name] for r in (images, patients))
        assert b[1] - b[0] > 1.5 * (a[1] - a[0])
        assert images.operating_point.figures == patients.operating_point.figures


@pytest.mark.parametrize(("x", "n1", "y", "n2"), [(9, 90, 40, 50), (1, 60, 20, 80)])
def test_interval_of_a_predictive_value_is_that_of_a_ratio(x, n1, y, n2):
    error, rate = x / n1, y / n2
    of_error, of_rate = (
        proportion_confint(k, n, method="wilson") for k, n in [(x, n1), (y, n2)]
    )
    other = (1 - error, (1 - of_error[1], 1 - of_error[0]))
    value, (low, high) = predictive_value(0.5, (rate, of_rate), other)
    assert value == pytest.approx(rate / (rate + error))
    # Of even odds, the value is 1 / (1 + ratio).
    ends = confint_proportions_2indep(x, n1, y, n2, compare="ratio", method="score")
    np.testing.assert_allclose(
        [1 / (1 + ends[1]), 1 / (1 + ends[0])], [low, high], atol=0.02
    )


def test_interval_of_a_predictive_value_where_no_negative_is_mistaken():
    # 100 negatives without a mistake do not make rare positives certain.
    of_sp = proportion_confint(100, 100, method="wilson")
    of_se = proportion_confint(80, 100, method="wilson")
    value, (low, high) = predictive_value(0.01, (0.8, of_se), (1.0, of_sp))
    assert (value, high) == (1, 1)
    assert low == pytest.approx(0.008 / (0.008 + 0.99 * (1 - of_sp[0])), rel=0.1)
    assert np.isnan(predictive_value(0.1, (0.0, (0, 0.1)), (1.0, (0.9, 1)))[0])
    low, high = predictive_value(0.1, (0.0, (0, 0.1)), (0.9, (0.8, 0.95)))[1]
    assert low == 0 < high < 0.3


@pytest.mark.slow
def test_intervals_of_predictive_values_cover():
    rng = np.random.default_rng(0)
    se, sp, n1, n0, share = 0.9, 0.97, 60, 120, 0.05
    true = se * share / (se * share + (1 - sp) * (1 - share))
    inside = 0
    for k1, k0 in zip(rng.binomial(n1, se, 2000), rng.binomial(n0, sp, 2000), strict=True):
        rates = [
            (k / n, proportion_confint(k, n, method="wilson"))
            for k, n in [(k1, n1), (k0, n0)]
        ]
        low, high = predictive_value(share, *rates)[1]
        inside += low <= true <= high
    assert 0.93 < inside / 2000 < 0.98


# -- where the threshold comes from -----------------------------------------------------


@pytest.mark.pictures
def test_reports_say_where_the_threshold_comes_from(tmp_path):
    dataset = _dataset(groups=True)
    report = _evaluate(dataset, positive=POSITIVE, specificity=0.9, prevalence=0.1)
    text = " ".join(str(report).split())
    assert "Operating point" in text
    assert "chosen on 120 validation images for a specificity of at least 0.9" in text
    assert "prevalence of 0.1 (as stated)" in text
    assert "THRESHOLD" not in text
    given = " ".join(str(_evaluate(dataset, positive="CNV", threshold=0.4)).split())
    assert "THRESHOLD GIVEN: if it was chosen on these images" in given
    default = " ".join(str(_evaluate(dataset, positive=[0])).split())
    assert "by default (no goal was given)" in default
    report.to_json(tmp_path / "report.json")
    again = BenchmarkReport.from_json(tmp_path / "report.json")
    assert str(again) == str(report)
    np.testing.assert_array_equal(
        again.operating_point.y_score, report.operating_point.y_score
    )
    assert "y_score" not in report.to_dict(scores=False)["operating_point"]
    page = html_report(report, dataset=dataset)
    assert "Operating point by image, with its intervals" in page


def test_a_threshold_is_not_chosen_on_the_evaluated_images():
    dataset = _dataset(groups=True)
    test = dataset.test
    settings = {"positive": POSITIVE, "specificity": 0.9}
    with pytest.raises(ValueError, match="must not be chosen on the images that are"):
        _evaluate(dataset, X_val=test.data, y_val=test.target, **settings)
    part = np.concatenate([dataset.val.data, test.data[:5]])
    target = np.concatenate([dataset.val.target, test.target[:5]])
    mixed = _evaluate(dataset, X_val=part, y_val=target, **settings)
    assert "THRESHOLD CHOSEN ON TEST IMAGES: 5 of" in " ".join(str(mixed).split())
    same = _evaluate(
        *(dataset,),
        X_val=dataset.val.data,
        y_val=dataset.val.target,
        **settings,
        groups_val=test.groups,
    )
    assert "THRESHOLD CHOSEN ON TEST PATIENTS: 40 of" in " ".join(str(same).split())
    with pytest.raises(ValueError, match="must be chosen on images that are not evaluated"):
        evaluate(
            *(NET, dataset.val.data, dataset.val.target),
            dataset=dataset,
            split="val",
            **settings,
        )
    with pytest.raises(ValueError, match="must be chosen on images that are not evaluated"):
        evaluate(NET, test.data, test.target, dataset=test, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"specificity": 0.9}, "specificity requires positive"),
        ({"prevalence": 0.9}, "prevalence requires positive"),
        ({"positive": "AMD"}, r"positive must hold classes among .*got 'AMD'"),
        ({"positive": NAMES}, "one or more, but not all"),
        ({"positive": []}, "one or more, but not all"),
        ({"positive": "CNV", "specificity": 95}, "specificity must be a number between 0"),
        ({"positive": "CNV", "sensitivity": "1"}, "sensitivity must be a number between 0"),
        ({"positive": "CNV", "prevalence": 1.0}, "prevalence must be a number between 0"),
        (
            {"positive": "CNV", "specificity": 0.9, "threshold": 0.1},
            "only one of .* got specificity and threshold",
        ),
        ({"positive": "CNV", "specificity": 0.9, "X_val": [[1]]}, "must be given together"),
    ],
)
def test_impossible_operating_points(settings, message):
    with pytest.raises(ValueError, match=message):
        _evaluate(_dataset(30), **settings)


def test_positives_may_be_absent():
    dataset = _dataset()
    dataset.val.target[dataset.val.target == 1] = 2
    with pytest.raises(ValueError, match="none of the 120 validation images is positive"):
        _evaluate(dataset, positive="DME", specificity=0.9)
    dataset.test.target[dataset.test.target == 1] = 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = _evaluate(dataset, positive="DME")
    point = report.operating_point
    assert np.isnan([point.figures["sensitivity"], point.figures["auc"]]).all()
    assert "None of the evaluated images is positive." in str(report)
    assert "Operating point by image" not in html_report(report, dataset=dataset)


def test_display_draws_the_point_and_its_interval():
    report = _evaluate(_dataset(), positive=POSITIVE, threshold=0.6)
    display = octsk.OperatingPointDisplay.from_report(report)
    point = report.operating_point
    assert display.sensitivity == pytest.approx(point.figures["sensitivity"])
    assert display.specificity == pytest.approx(point.figures["specificity"])
    [bars] = display.ax_.containers
    x, y = bars.lines[0].get_data()
    np.testing.assert_allclose([x[0], y[0]], [1 - display.specificity, display.sensitivity])
    across, upright = (part.get_segments()[0] for part in bars.lines[2])
    low, high = point.intervals["specificity"]
    np.testing.assert_allclose(across[:, 0], [1 - high, 1 - low])
    np.testing.assert_allclose(upright[:, 1], point.intervals["sensitivity"])
    with pytest.raises(ValueError, match=r"pass positive to octsk\.evaluate"):
        octsk.OperatingPointDisplay.from_report(_evaluate(_dataset(30)))
    with pytest.raises(ValueError, match="got 2 positive among 2"):
        octsk.OperatingPointDisplay([1, 1], [0.1, 0.2], 0.5)


def test_a_damaged_operating_point(tmp_path):
    report = _evaluate(_dataset(30), positive=POSITIVE)
    report.to_json(tmp_path / "r.json")
    values = json.loads((tmp_path / "r.json").read_text())
    for name, value in [("y_true", [1]), ("figures", None), ("unknown", 3)]:
        spoilt = {**values["operating_point"], name: value}
        (tmp_path / "r.json").write_text(json.dumps({**values, "operating_point": spoilt}))
        with pytest.raises(ValueError, match="damaged benchmark report"):
            BenchmarkReport.from_json(tmp_path / "r.json")


def test_the_binormal_curve_is_met():
    # Normal scores have closed forms for both rates at a threshold.
    rng = np.random.default_rng(0)
    y = np.repeat([True, False], 20_000)
    score = rng.normal(size=40_000) + 2 * y
    threshold = choose_threshold(y, score, specificity=0.95)
    assert threshold == pytest.approx(norm.ppf(0.95), abs=0.05)
    assert (score >= threshold)[y].mean() == pytest.approx(norm.sf(threshold - 2), abs=0.01)


@pytest.mark.parametrize("groups", [False, True])
def test_abstention_is_that_of_a_selective_classifier(groups, tmp_path):
    dataset = _dataset(groups=groups)
    report = _evaluate(dataset, max_error=0.2)
    selective = octsk.SelectiveClassifier(NET, error=0.2)
    selective.calibrate(dataset.val.data, dataset.val.target)
    test = dataset.test
    expected = selective.evaluate(
        test.data, test.target, groups=test.get("groups"), random_state=0
    )
    assert 0 < expected.rows[0]["abstained"] < 1
    assert report.abstention.threshold == selective.threshold_
    figures = [{**row, "images": None} for row in report.abstention.rows]
    assert figures == [{**row, "images": None} for row in expected.rows]
    assert [row["images"] for row in report.abstention.rows] == ["all", *NAMES]
    frame = report.to_frame().set_index(["metric", "class"])
    of_class = report.abstention.rows[2]
    columns = ["abstained", "abstained_low", "abstained_high"]
    assert frame.loc[("abstained", NAMES[1]), ["value", "low", "high"]].tolist() == (
        [of_class[column] for column in columns]
    )
    chosen = "below the threshold, which was chosen on 120 validation images"
    where = " of 40 patients." if groups else "."
    assert chosen + where in " ".join(str(report).split())
    report.to_json(tmp_path / "report.json")
    again = BenchmarkReport.from_json(tmp_path / "report.json")
    found, written = (jsonable(one.abstention.to_dict()) for one in (again, report))
    assert found == written
    assert "error of the rest" in html_report(report)


def test_abstention_from_all_predictions_and_bad_errors(tmp_path):
    dataset = _dataset()
    val = dataset.val
    report = _evaluate(dataset, max_error=0.1, X_val=val.data, y_val=(val.target + 1) % 4)
    assert "No threshold is good enough" in " ".join(str(report).split())
    report.to_json(tmp_path / "report.json")
    again = BenchmarkReport.from_json(tmp_path / "report.json").abstention
    assert again.threshold == np.inf
    assert again.rows[0]["abstained"] == 1
    assert np.isnan(again.rows[0]["error"])
    with pytest.raises(ValueError, match="max_error must be a number between 0 and 1"):
        _evaluate(dataset, max_error=5)
    with pytest.raises(ValueError, match="must be chosen on images that are not evaluated"):
        evaluate(NET, dataset.test.data, dataset.test.target, max_error=0.1)


def test_model_card_has_the_operating_point_and_the_abstention():
    dataset = _dataset(groups=True)
    settings = dict(positive=POSITIVE, specificity=0.9, max_error=0.2, level="group")
    half = np.arange(len(dataset.test.target)) % 2
    report = _evaluate(dataset, **settings, by={"half": half})
    card = octsk.reporting.model_card(report, dataset=dataset)
    sensitivity = report.operating_point.figures["sensitivity"]
    assert f", sensitivity {sensitivity:.3f} " in card
    assert "An image is called positive (CNV, DME) if the sum of the probabilities" in card
    assert "Figures by half, with the largest gaps, are in the report." in card
    assert "### Operating point\n\n| figure | value, by image | 95% interval |" in card
    assert "### Abstention, for an error of 0.2 (threshold " in card
    assert "Positive: CNV, DME; negative: drusen, normal." in card
