import itertools
import time

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score

from octsk.metrics import (
    _intervals,
    _resampled,
    bootstrap_interval,
    expected_calibration_error,
    interval_caveat,
    medmnist_accuracy,
    medmnist_auc,
    paired_bootstrap,
)

NAMES = np.array(["CNV", "DME", "drusen", "normal"])


def _four_classes(n=400, seed=0):
    """True classes, and probabilities with many ties that favour them."""
    rng = np.random.default_rng(seed)
    y_true = rng.choice(4, size=n, p=[0.4, 0.1, 0.2, 0.3])
    y_score = rng.dirichlet(np.ones(4), size=n) + 0.5 * np.eye(4)[y_true]
    y_score = np.maximum(np.round(y_score, 1), 0.1)
    return y_true, y_score / y_score.sum(axis=1, keepdims=True)


def _two_classes(n=300, seed=0):
    rng = np.random.default_rng(seed)
    y_true = (rng.random(n) < 0.6).astype(int)
    return y_true, np.round(np.clip(rng.normal(0.35 + 0.3 * y_true, 0.2), 0, 1), 2)


# -- accuracy and AUC -------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_multi_class_metrics_agree_with_scikit_learn(seed):
    y_true, y_score = _four_classes(seed=seed)
    assert medmnist_accuracy(y_true, y_score) == accuracy_score(y_true, y_score.argmax(1))
    expected = roc_auc_score(y_true, y_score, multi_class="ovr", average="macro")
    assert medmnist_auc(y_true, y_score) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_binary_metrics_agree_with_scikit_learn(seed):
    y_true, y_score = _two_classes(seed=seed)
    for scores in (y_score, y_score[:, None], np.column_stack([1 - y_score, y_score])):
        assert medmnist_accuracy(y_true, scores) == accuracy_score(y_true, y_score > 0.5)
        expected = roc_auc_score(y_true, y_score)
        assert medmnist_auc(y_true, scores) == pytest.approx(expected, abs=1e-12)


def test_a_binary_score_of_one_half_is_the_first_class():
    assert medmnist_accuracy([0, 1], [0.5, 0.5]) == 0.5
    assert medmnist_accuracy([0, 0], [[0.5, 0.5], [0.2, 0.5]]) == 1


def test_binary_scores_need_not_sum_to_one():
    # The evaluator looks at the last column alone, so these are two right answers.
    assert medmnist_accuracy([1, 0], [[0.9, 0.6], [0.1, 0.4]]) == 1


def test_auc_is_a_mean_over_classes_not_over_samples():
    # Class 2, a tenth of the samples, is ranked as badly as can be.
    y_true = np.array([0] * 9 + [1] * 9 + [2] * 2)
    y_score = np.eye(3)[y_true]
    y_score[:, 2] = y_true != 2
    assert medmnist_auc(y_true, y_score) == pytest.approx(2 / 3)


def test_auc_of_constant_scores_is_one_half():
    assert medmnist_auc([0, 1, 2, 0], np.ones((4, 3))) == 0.5
    assert medmnist_auc([0, 1, 1], [0.3, 0.3, 0.3]) == 0.5


def test_auc_counts_pairs():
    y_true, y_score = _two_classes(n=60)
    positives, negatives = y_score[y_true == 1], y_score[y_true == 0]
    pairs = [(p > q) + (p == q) / 2 for p, q in itertools.product(positives, negatives)]
    assert medmnist_auc(y_true, y_score) == pytest.approx(np.mean(pairs), abs=1e-12)


@pytest.mark.parametrize("metric", [medmnist_accuracy, medmnist_auc])
def test_labels_in_any_order_and_kind(metric):
    y_true, y_score = _four_classes()
    # Without ties, of which the first column's would count.
    y_score = y_score + np.random.default_rng(1).normal(0, 1e-3, y_score.shape)
    expected = metric(y_true, y_score)
    assert metric(NAMES[y_true], y_score, labels=NAMES) == expected
    order = [2, 0, 3, 1]
    assert metric(NAMES[y_true], y_score[:, order], labels=NAMES[order]) == pytest.approx(
        expected
    )
    assert metric(y_true[:, None].astype(np.uint8), y_score.astype(np.float64)) == expected


def test_auc_without_a_class_is_nan_and_names_it():
    y_true, y_score = _four_classes()
    kept = y_true != 1
    with pytest.warns(UndefinedMetricWarning, match=r"\[1\]"):
        assert np.isnan(medmnist_auc(y_true[kept], y_score[kept]))
    with pytest.warns(UndefinedMetricWarning, match="DME"):
        medmnist_auc(NAMES[y_true[kept]], y_score[kept], labels=NAMES)
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(medmnist_auc([1, 1], [0.2, 0.3]))


def test_accuracy_without_a_class_is_defined():
    assert medmnist_accuracy([0, 0], [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]) == 0.5


@pytest.mark.parametrize(
    ("y_true", "y_score", "labels", "message"),
    [
        ([0, 1], [[0.1, 0.9]], None, "y_true must have shape"),
        ([0, 4], np.eye(4)[:2], None, r"column indices 0 to 3 .* got \[0, 4\]"),
        ([-1, 0], np.eye(4)[:2], None, "column indices"),
        ([0.5, 1], np.eye(4)[:2], None, "column indices"),
        (["DME", "CNV"], np.eye(4)[:2], None, "as labels"),
        (range(4, 12), np.eye(8), None, r"got \[4, 5, 6, 7, 8, 9, 10, 11\];"),
        (range(4, 13), np.eye(9), None, r"got \[4, 5, 6, 7, 8, 9, 10, 11, \.\.\.\];"),
        (["DME", "AMD"], np.eye(4)[:2], NAMES, r"\['AMD'\], not among labels"),
        ([0, 1], np.eye(4)[:2], [0, 1, 2], "labels must hold 4 different"),
        ([0, 1], np.eye(4)[:2], [0, 1, 2, 2], "labels must hold 4 different"),
        ([0, 1], [[0.1, np.nan], [0.2, 0.8]], None, "finite"),
        ([0, 1], [["a", "b"], ["c", "d"]], None, "numbers"),
        ([], np.empty((0, 3)), None, "not be empty"),
        ([0], np.zeros((1, 2, 2)), None, "y_score must .* shape"),
    ],
)
def test_bad_input_gives_one_clear_error(y_true, y_score, labels, message):
    for metric in (medmnist_accuracy, medmnist_auc):
        with pytest.raises(ValueError, match=message):
            metric(y_true, y_score, labels=labels)


# -- calibration error ------------------------------------------------------------------


def test_calibration_error_by_hand():
    # Two bins of ten: (0.6, 0.7] holds 0.65 and 0.7, (0.9, 1] the rest.
    y_prob = np.array([[0.65, 0.35], [0.30, 0.70], [0.05, 0.95], [0.0, 1.0]])
    y_true = [0, 0, 1, 1]
    # Bin one: confidence 0.675, accuracy 0.5; bin two: 0.975 and 1.
    expected = 0.5 * 0.175 + 0.5 * 0.025
    assert expected_calibration_error(y_true, y_prob, n_bins=10) == pytest.approx(expected)
    assert expected_calibration_error(y_true, y_prob[:, 1], n_bins=10) == pytest.approx(
        expected
    )


@pytest.mark.parametrize("n_bins", [1, 2, 15, None])
def test_calibration_error_agrees_with_a_loop_over_bins(n_bins):
    # Too sure in every other bin of 15, too modest in the rest: gaps of one sign would
    # have the same sum whatever the bins.
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, size=900)
    right = rng.random(900) < np.where((confidence * 15).astype(int) % 2, 0.95, 0.4)
    y_prob = np.column_stack([confidence, 1 - confidence])
    expected = 0
    for low, high in itertools.pairwise(np.linspace(0, 1, (n_bins or 15) + 1)):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            expected += inside.mean() * abs(
                confidence[inside].mean() - right[inside].mean()
            )
    params = {} if n_bins is None else {"n_bins": n_bins}
    error = expected_calibration_error(1 - right, y_prob, **params)
    assert error == pytest.approx(expected)


def test_calibration_error_of_a_bin_goes_with_its_upper_edge():
    # 0.5 falls into (0, 0.5], alone and right; 0.75 into (0.5, 1], and is wrong.
    y_prob = [[0.5, 0.5], [0.25, 0.75]]
    assert expected_calibration_error([0, 0], y_prob, n_bins=2) == 0.5 * 0.5 + 0.5 * 0.75
    assert expected_calibration_error([0, 0], y_prob, n_bins=1) == 0.625 - 0.5


def test_calibration_error_of_perfect_and_of_wrong_certainty():
    y_true, y_prob = [0, 1, 2], np.eye(3)
    assert expected_calibration_error(y_true, y_prob) == 0
    assert expected_calibration_error(y_true, y_prob[[1, 2, 0]]) == 1
    assert expected_calibration_error(NAMES[:3], y_prob, labels=NAMES[:3]) == 0


def test_calibration_error_is_small_for_honest_probabilities():
    rng = np.random.default_rng(0)
    y_prob = rng.dirichlet(np.ones(3), size=20_000)
    y_true = (rng.random(20_000)[:, None] > y_prob.cumsum(axis=1)).sum(axis=1)
    assert expected_calibration_error(y_true, y_prob.astype(np.float32)) < 0.015


@pytest.mark.parametrize("y_prob", [[[2.0, -1.0]], [[0.9, 0.9]], [[60, 40]], [1.2]])
def test_calibration_error_wants_probabilities(y_prob):
    with pytest.raises(ValueError, match="predict_proba"):
        expected_calibration_error([0], y_prob)
    with pytest.raises(ValueError, match="n_bins"):
        expected_calibration_error([0], [0.5], n_bins=0)


# -- intervals --------------------------------------------------------------------------

RESAMPLED = {
    "acc": (_resampled.resampled_accuracy, medmnist_accuracy),
    "auc": (_resampled.resampled_auc, medmnist_auc),
    "balanced_accuracy": (
        _resampled.resampled_balanced_accuracy,
        lambda y, s: balanced_accuracy_score(
            y, s.argmax(axis=1) if s.ndim == 2 else s > 0.5
        ),
    ),
    "log_loss": (
        _resampled.resampled_log_loss,
        lambda y, s: log_loss(y, s, labels=range(s.shape[1] if s.ndim == 2 else 2)),
    ),
}


@pytest.mark.parametrize("groups", [None, np.arange(400) // 3])
@pytest.mark.parametrize("name", RESAMPLED)
def test_fast_and_plain_resampling_agree(name, groups):
    """The same resamples, once as counts and once as drawn samples."""
    fast, plain = RESAMPLED[name]
    y_true, y_score = _four_classes()
    slow = _resampled.resampled_by_calls(plain, y_true, y_score)
    [counts] = _resampled.draw_counts(y_true, groups, 60, np.random.RandomState(3))
    np.testing.assert_allclose(fast(y_true, y_score)(counts), slow(counts), atol=1e-12)


@pytest.mark.parametrize("name", RESAMPLED)
def test_fast_and_plain_resampling_agree_for_two_classes(name):
    fast, plain = RESAMPLED[name]
    y_true, y_score = _two_classes()
    slow = _resampled.resampled_by_calls(plain, y_true, y_score)
    [counts] = _resampled.draw_counts(y_true, None, 40, np.random.RandomState(0))
    for scores in (y_score[:, None], np.column_stack([1 - y_score, y_score])):
        np.testing.assert_allclose(fast(y_true, scores)(counts), slow(counts), atol=1e-12)


@pytest.mark.parametrize("groups", [None, np.arange(400) // 3])
def test_a_rate_of_the_callers_own_has_the_interval_of_a_named_one(groups):
    y_true, y_score = _four_classes()
    settings = {"n_resamples": 60, "random_state": 3, "groups": groups}
    ends = bootstrap_interval(
        lambda y, s: balanced_accuracy_score(y, s.argmax(axis=1)),
        y_true,
        y_score,
        bounds=(0, 1),
        **settings,
    )
    named = bootstrap_interval("balanced_accuracy", y_true, y_score, **settings)
    np.testing.assert_allclose(ends, named, atol=1e-12)


def _score_interval(value, variance, df, variance_at):
    """Solve ``|value - x| = t * sd(x)``, sd(x) known up to the factor that fits `value`."""
    t = stats.t.ppf(0.975, df)

    def beyond(x):
        sd = np.sqrt(variance * variance_at(x) / variance_at(value))
        return abs(value - x) - t * sd

    upper = 1 if variance_at(1) == 0 else 100 * value
    return brentq(beyond, 1e-9, value), brentq(beyond, value, upper)


@pytest.mark.parametrize(("n_right", "n"), [(47, 50), (170, 200), (30, 60)])
def test_accuracy_of_independent_images_has_wilson_s_interval(n_right, n):
    y_score = np.where(np.arange(n) < n_right, 0.9, 0.1)
    ends = bootstrap_interval(
        "acc",
        np.ones(n, int),
        y_score,
        n_resamples=20_000,
        random_state=0,
        confidence_level=2 * stats.t.cdf(1.959964, n - 1) - 1,
    )
    # SciPy's is for a variance of p (1 - p) / n, ours for that over n - 1.
    wilson = stats.binomtest(n_right, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(ends, wilson, atol=0.05 * (wilson.high - wilson.low))


def test_accuracy_by_patient_agrees_with_the_jackknife():
    """Leave out each patient in turn; then Wilson's interval, found by root finding."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), rng.integers(1, 11, size=40))
    hard = rng.normal(size=40)[groups]
    y_true = np.ones(len(groups), int)
    y_score = np.where(rng.normal(size=len(groups)) + hard < 1.2, 0.9, 0.1)
    right = y_score > 0.5
    left_out = [right[groups != g].mean() for g in range(40)]
    variance = 39 / 40 * np.sum((left_out - np.mean(left_out)) ** 2)
    expected = _score_interval(right.mean(), variance, 39, lambda x: x * (1 - x))
    ends = bootstrap_interval(
        "acc", y_true, y_score, groups=groups, n_resamples=20_000, random_state=0
    )
    np.testing.assert_allclose(ends, expected, atol=0.04 * np.diff(expected)[0])
    # Much wider than if they were independent.
    independent = stats.binomtest(right.sum(), len(right)).proportion_ci(method="wilson")
    assert np.diff(ends)[0] > 1.5 * (independent.high - independent.low)


def test_auc_of_many_images_has_delong_s_interval():
    """On the logit scale, and with the few degrees of freedom that rare errors leave."""
    y_true, y_score = _two_classes(n=1500)
    positives, negatives = y_score[y_true == 1], y_score[y_true == 0]
    wins = (positives[:, None] > negatives) + (positives[:, None] == negatives) / 2
    auc = wins.mean()
    variance = sum(wins.mean(axis=i).var(ddof=1) / wins.shape[1 - i] for i in (0, 1))
    half = 1.96 * np.sqrt(variance) / (auc * (1 - auc))
    expected = expit(logit(auc) + half * np.array([-1, 1]))
    ends = bootstrap_interval("auc", y_true, y_score, n_resamples=4000, random_state=0)
    np.testing.assert_allclose(ends, expected, atol=0.02 * np.diff(expected)[0])
    # Near 1, too, where Wilson's interval would be much narrower.
    near = _intervals.Estimate(0.97, 0.02**2, 30, 0.1, _intervals.Scale(0, 1, "logit"))
    half = stats.t.ppf(0.975, 30) * 0.02 / (0.97 * 0.03)
    expected = expit(logit(0.97) + half * np.array([-1, 1]))
    np.testing.assert_allclose(_intervals.ends(near, 0.95), expected)


def test_log_loss_agrees_with_scipy_s_bootstrap():
    rng = np.random.default_rng(1)
    y_score = rng.beta(4, 1, size=300)
    losses = -np.log(y_score)
    error = stats.bootstrap(
        (losses,), np.mean, n_resamples=10_000, rng=np.random.default_rng(0)
    ).standard_error
    # Degrees of freedom of the variance of 300 values with this kurtosis.
    df = 1 / (1 / 299 + (stats.kurtosis(losses, fisher=False) - 1) / 2 / 300)
    expected = _score_interval(losses.mean(), error**2, df, lambda x: x)
    ends = bootstrap_interval(
        "log_loss", np.ones(300, int), y_score, n_resamples=10_000, random_state=0
    )
    np.testing.assert_allclose(ends, expected, atol=0.02 * np.diff(expected)[0])
    # As a callable: the same with its range, symmetric without.
    settings = {"n_resamples": 300, "random_state": 0}
    mean_loss = lambda y, s: -np.log(s).mean()  # noqa: E731
    bounded = bootstrap_interval(
        mean_loss, np.ones(300, int), y_score, bounds=(0, np.inf), **settings
    )
    named = bootstrap_interval("log_loss", np.ones(300, int), y_score, **settings)
    np.testing.assert_allclose(bounded, named, rtol=1e-9)
    free = bootstrap_interval(mean_loss, np.ones(300, int), y_score, **settings)
    assert np.mean(free) == pytest.approx(losses.mean())
    assert np.diff(free) == pytest.approx(np.diff(named), rel=0.01)


@pytest.mark.parametrize("by_patient", [False, True])
def test_variance_of_few_is_not_too_small(by_patient):
    """Of a mean of two class means: that of the samples, over n - 1 as usual."""
    y_true = np.repeat([0, 1], [5, 8])
    values = np.random.default_rng(0).normal(size=13)
    parts = [values[y_true == code] for code in (0, 1)]
    expected = sum(part.var(ddof=1) / len(part) for part in parts) / 4
    members = np.eye(2)[y_true]
    found = _intervals.estimate(
        lambda counts: (counts @ (members * values[:, None]) / (counts @ members)).mean(1),
        y_true,
        np.arange(13) if by_patient else None,
        20_000,
        np.random.RandomState(0),
        by_class=True,
        scale=_intervals.Scale(),
    )
    # Class sizes that vary between resamples of patients add something.
    low, high = (1, 1.3) if by_patient else (0.96, 1.04)
    assert low < found.variance / expected < high


def test_degrees_of_freedom_are_welch_s():
    """Satterthwaite's, for two classes with equal variances, but few in one of them."""
    y_true = np.repeat([0, 1], [4, 30])
    _, df, _ = _intervals._design(np.arange(34), y_true, by_class=True)
    a, b = stats.zscore(np.arange(4.0), ddof=1), stats.zscore(np.arange(30.0), ddof=1)
    assert df == pytest.approx(stats.ttest_ind(a, b, equal_var=False).df)
    # Not by class, and never more than there are patients less one.
    assert _intervals._design(np.arange(34), np.zeros(34, int), by_class=False)[1] == 33
    groups = np.arange(34) % 6
    assert _intervals._design(groups, y_true, by_class=True)[1] == 5


def test_perfect_predictions_count_each_patient_once():
    y_true = np.repeat([0, 1], 100)
    groups = np.arange(200) // 10
    # By class, there are twice ten patients less one.
    for metric, df in (("balanced_accuracy", 18), ("auc", 18), ("acc", 19)):
        t = stats.t.ppf(0.975, df)
        low, high = bootstrap_interval(
            metric, y_true, y_true, groups=groups, n_resamples=50
        )
        assert (low, high) == (pytest.approx(20 / (20 + t**2)), 1)
    low, high = bootstrap_interval("acc", y_true, 1 - y_true, groups=groups, n_resamples=50)
    assert (low, high) == pytest.approx((0, t**2 / (20 + t**2)))
    assert bootstrap_interval("log_loss", y_true, y_true, n_resamples=50)[1] < 1e-12
    low, _ = bootstrap_interval("acc", y_true, y_true, n_resamples=50)
    assert low == pytest.approx(200 / (200 + stats.t.ppf(0.975, 198) ** 2))


def _few_patients(n_patients, rng, lead=1.0):
    """Five images of each patient, all of a class, that resemble each other."""
    y_true = np.arange(n_patients) % 2
    hard = rng.normal(size=n_patients) + lead * (2 * y_true - 1)
    logits = np.repeat(hard, 5) + rng.normal(size=5 * n_patients)
    return np.repeat(y_true, 5), expit(1.5 * logits), np.repeat(np.arange(n_patients), 5)


@pytest.mark.parametrize("n_patients", [10, 30])
@pytest.mark.parametrize("metric", ["acc", "balanced_accuracy", "auc", "log_loss"])
def test_intervals_by_patient_cover_the_truth_where_patients_are_few(metric, n_patients):
    """Percentiles of the resamples would do so in 74 to 85 % of studies of 10 patients."""
    rng = np.random.default_rng(0)
    y_true, y_score, _ = _few_patients(100_000, rng)
    fast, _ = RESAMPLED[metric]
    [truth] = fast(y_true, y_score[:, None])(np.ones((1, len(y_true))))
    covered = []
    for seed in range(300):
        y_true, y_score, groups = _few_patients(n_patients, rng)
        low, high = bootstrap_interval(
            metric, y_true, y_score, groups=groups, n_resamples=200, random_state=seed
        )
        covered.append(low <= truth <= high)
    assert 0.92 <= np.mean(covered) <= 0.99


# -- paired differences -----------------------------------------------------------------


def test_paired_difference_of_a_mean_has_the_p_value_of_a_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.4, 1, size=(2, 500))
    b = np.clip(b + 0.03, None, 1)
    found = paired_bootstrap(
        "log_loss", np.ones(500, int), a, b, n_resamples=20_000, random_state=0
    )
    expected = stats.ttest_rel(-np.log(a), -np.log(b))
    assert found.difference == pytest.approx(np.log(b).mean() - np.log(a).mean())
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.1)
    interval = expected.confidence_interval(0.95)
    np.testing.assert_allclose(found[1:3], interval, atol=0.02 * np.diff(interval)[0])
    # By patients of three images: the test of their means.
    groups = np.arange(498) % 166
    found = paired_bootstrap(
        "log_loss",
        np.ones(498, int),
        a[:498],
        b[:498],
        groups=groups,
        n_resamples=20_000,
        random_state=0,
    )
    means = [-np.log(x[:498]).reshape(3, 166).mean(axis=0) for x in (a, b)]
    expected = stats.ttest_rel(*means)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.1)


def test_paired_difference_of_accuracies_agrees_with_mcnemar_s_test():
    # 24 images are right by the first alone, 9 by the second alone.
    right = np.zeros((2, 200))
    right[:, 33:150] = 1
    right[0, :24] = right[1, 24:33] = 1
    found = paired_bootstrap("acc", np.ones(200, int), *right, random_state=0)
    assert found.difference == pytest.approx(15 / 200)
    z = 15 / np.sqrt(33 - 15**2 / 200)  # Wald's form of the statistic
    assert found.p_value == pytest.approx(2 * stats.norm.sf(z), rel=0.3)
    assert found.p_value < stats.binomtest(9, 33).pvalue < 0.02


@pytest.mark.parametrize("metric", ["acc", "auc", "balanced_accuracy", "log_loss"])
def test_paired_difference_is_antisymmetric_and_its_p_value_fits_its_interval(metric):
    y_true, a, groups = _few_patients(20, np.random.default_rng(0), lead=2)
    b = _few_patients(20, np.random.default_rng(1))[1]
    settings = {"groups": groups, "n_resamples": 300, "random_state": 0}
    found = paired_bootstrap(metric, y_true, a, b, **settings)
    plain = {m: RESAMPLED[m][1] for m in RESAMPLED}[metric]
    assert found.difference == pytest.approx(plain(y_true, a) - plain(y_true, b))
    swapped = paired_bootstrap(metric, y_true, b, a, **settings)
    np.testing.assert_allclose(swapped[:3], [-found[0], -found[2], -found[1]])
    assert swapped.p_value == pytest.approx(found.p_value)
    for level, inside in (
        (1 - found.p_value * 1.01, False),
        (1 - found.p_value / 1.01, True),
    ):
        _, low, high, _ = paired_bootstrap(
            metric, y_true, a, b, confidence_level=level, **settings
        )
        assert (low < 0 < high) == inside
    by_call = paired_bootstrap(plain, y_true, a, b, groups=groups, n_resamples=10)
    assert by_call.difference == pytest.approx(found.difference)


def test_a_classifier_does_not_differ_from_itself():
    y_true, y_score = _four_classes()
    found = paired_bootstrap("auc", y_true, y_score, y_score, n_resamples=20)
    assert found == (0, 0, 0, 1)
    kept = y_true != 1
    found = paired_bootstrap("auc", y_true[kept], y_score[kept], y_score[kept])
    assert np.isnan(found).all()


def test_paired_difference_stays_in_its_range():
    y_true, groups = np.arange(12) % 2, np.arange(12) // 4
    wrong = np.where(np.arange(12) == 0, y_true, 1 - y_true)
    found = paired_bootstrap("acc", y_true, y_true, wrong, groups=groups, random_state=0)
    assert 0 < found.low < 11 / 12 < found.high == 1


def test_paired_difference_covers_the_truth_and_keeps_its_level():
    """Nets of the same accuracy, by patients: p below 0.05 in about 5 % of studies."""
    rng = np.random.default_rng(0)
    rejected = []
    for seed in range(400):
        y_true, a, groups = _few_patients(20, rng)
        hard = np.log(a / (1 - a))
        b = expit(hard + rng.normal(size=len(a)))
        a = expit(hard + rng.normal(size=len(a)))
        found = paired_bootstrap(
            "acc", y_true, a, b, groups=groups, n_resamples=200, random_state=seed
        )
        assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high)
        rejected.append(found.p_value < 0.05)
    assert 0.02 <= np.mean(rejected) <= 0.07


# -- small test sets --------------------------------------------------------------------


def test_caveat_names_what_is_few():
    y_true = NAMES[np.repeat([0, 1], [60, 40])]
    assert interval_caveat(y_true) is None
    assert interval_caveat(y_true, np.arange(100) // 10) == (
        "Few patients: 4 with DME. Intervals from fewer than 10 patients, or fewer than 5 "
        "of a class, are imprecise."
    )
    # One patient has images of both classes, and then counts for both.
    groups = np.arange(100) // 10
    groups[59] = 9
    assert "4 with DME" in interval_caveat(y_true, groups)
    groups[99] = 0
    assert interval_caveat(y_true, groups) is None
    assert interval_caveat(y_true, np.arange(100) % 9).startswith("Few patients: 9 in all.")
    assert interval_caveat(NAMES[[0, 1, 0, 1]]).startswith(
        "Few images: 4 in all, 2 with CNV, 2 with DME. Intervals from fewer than 10 images"
    )
    assert interval_caveat([0] * 4 + [1] * 6) is not None
    assert interval_caveat([0] * 5 + [1] * 5) is None
    with pytest.raises(ValueError, match="groups must have shape"):
        interval_caveat(y_true, [0, 1])


# -- how resamples are drawn ------------------------------------------------------------


def test_metric_functions_are_as_fast_as_their_names():
    y_true, y_score = _four_classes(n=1000)
    start = time.perf_counter()
    by_function = bootstrap_interval(medmnist_auc, y_true, y_score, random_state=0)
    assert time.perf_counter() - start < 4
    assert by_function == bootstrap_interval("auc", y_true, y_score, random_state=0)
    assert by_function != bootstrap_interval("auc", y_true, y_score, random_state=1)


def test_accuracy_interval_is_the_binomial_one():
    # 1,000 images at accuracy 0.8: 1.96 * sqrt(0.8 * 0.2 / 1000) = 0.0248.
    y_true = np.repeat(np.arange(4), 250)
    right = np.arange(1000) % 5 > 0
    y_score = np.eye(4)[np.where(right, y_true, (y_true + 1) % 4)]
    low, high = bootstrap_interval("acc", y_true, y_score, random_state=0)
    assert low == pytest.approx(0.8 - 0.0248, abs=0.002)
    assert high == pytest.approx(0.8 + 0.0248, abs=0.002)
    narrow = bootstrap_interval(
        "acc", y_true, y_score, confidence_level=0.5, random_state=0
    )
    assert high - low > 2 * (narrow[1] - narrow[0])


def test_intervals_cover_the_truth_at_their_level():
    """Of many test sets, about nine in ten 90 % intervals hold the true accuracy."""
    rng = np.random.default_rng(0)
    covered = []
    for seed in range(300):
        y_score = rng.random(150)
        y_true = (rng.random(150) < 0.75) == (y_score > 0.5)
        low, high = bootstrap_interval(
            "acc",
            y_true,
            y_score,
            n_resamples=300,
            confidence_level=0.9,
            random_state=seed,
        )
        covered.append(low <= 0.75 <= high)
    assert 0.84 <= np.mean(covered) <= 0.96


def test_no_resample_misses_a_rare_class():
    y_true = np.array([0] * 50 + [1] * 50 + [2])
    y_score = np.random.default_rng(0).dirichlet(np.ones(3), size=101)
    groups = np.concatenate([np.repeat(np.arange(10), 10), [10]])
    for given in (None, groups):
        low, high = bootstrap_interval(
            "auc", y_true, y_score, groups=given, n_resamples=500, random_state=0
        )
        assert 0 < low < high < 1


def test_counts_come_in_blocks_that_keep_each_class(monkeypatch):
    codes = np.array([0, 1, 0, 2, 1, 0])
    monkeypatch.setattr(_resampled, "_BLOCK", 3 * len(codes) + 1)
    blocks = list(_resampled.draw_counts(codes, None, 7, np.random.RandomState(0)))
    assert [block.shape for block in blocks] == [(3, 6), (3, 6), (1, 6)]
    counts = np.vstack(blocks)
    np.testing.assert_array_equal(counts @ np.eye(3)[codes], np.tile([3, 2, 1], (7, 1)))
    assert len(np.unique(counts, axis=0)) > 1
    # A block holds one resample at least, however many samples there are.
    monkeypatch.setattr(_resampled, "_BLOCK", 1)
    blocks = list(_resampled.draw_counts(codes, None, 2, np.random.RandomState(0)))
    assert [block.shape for block in blocks] == [(1, 6), (1, 6)]


def test_groups_are_drawn_whole_until_each_class_is_there():
    # Class 3 is not among them, class 2 in one group alone.
    codes = np.array([0, 0, 1, 1, 0, 4, 2, 0])
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    counts = _resampled._group_counts(codes, groups, 200, np.random.RandomState(0))
    assert counts.shape == (200, 8)
    np.testing.assert_array_equal(counts[:, ::2], counts[:, 1::2])
    np.testing.assert_array_equal(counts[:, ::2].sum(axis=1), np.full(200, 4))
    for code in (0, 1, 2, 4):
        assert (counts[:, codes == code].sum(axis=1) > 0).all()
    # Groups 1, 2 and 3 must be drawn; the fourth draw is any.
    assert set(np.unique(counts)) == {0, 1, 2}


def test_two_groups_are_enough():
    y_true, y_score = _four_classes()
    ends = bootstrap_interval("acc", y_true, y_score, groups=np.arange(400) % 2)
    assert ends[0] < ends[1]


def test_groups_widen_the_interval():
    """Ten copies of each of 40 images are worth 40 images, not 400."""
    y_true, y_score = _four_classes(n=40)
    copies = np.repeat(np.arange(40), 10)
    alone = bootstrap_interval(
        "log_loss", y_true, y_score, groups=np.arange(40), random_state=0
    )
    as_images = bootstrap_interval(
        "log_loss", y_true[copies], y_score[copies], random_state=0
    )
    as_groups = bootstrap_interval(
        "log_loss", y_true[copies], y_score[copies], groups=copies, random_state=0
    )
    np.testing.assert_allclose(as_groups, alone)
    assert np.diff(as_groups) > 2.5 * np.diff(as_images)


def test_interval_of_an_undefined_metric_is_nan():
    y_true, y_score = _four_classes()
    for missing in (0, 1, 3):
        kept = y_true != missing
        ends = bootstrap_interval("auc", y_true[kept], y_score[kept], n_resamples=10)
        assert np.isnan(ends).all()


def test_interval_with_labels_and_large_samples():
    # 97,477 samples need several blocks of counts.
    y_true, y_score = _four_classes(n=97_477)
    low, high = bootstrap_interval(
        "acc", NAMES[y_true], y_score, labels=NAMES, n_resamples=90, random_state=0
    )
    assert low < medmnist_accuracy(y_true, y_score) < high
    assert high - low < 0.01


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "f1"}, "metric must be one of .*'acc'"),
        ({"n_resamples": 1}, "n_resamples must be at least 2, got 1"),
        ({"n_resamples": 10.5}, "n_resamples must be a whole number, got 10.5"),
        ({"confidence_level": 95}, "confidence_level"),
        ({"groups": [0, 1]}, "groups must have shape"),
        ({"groups": np.zeros(400)}, "two different groups"),
        ({"bounds": (0, 1)}, "those of named metrics are known"),
        (
            {"metric": lambda y, s: 0.5, "bounds": (1, 0)},
            r"two numbers in ascending order.*got \(1, 0\)",
        ),
        ({"metric": lambda y, s: 0.5, "bounds": (-np.inf, 0)}, "in ascending order"),
        ({"metric": lambda y, s: 0.5, "bounds": 1}, "bounds must be two numbers"),
        (
            {"metric": lambda y, s: 0.5, "bounds": (0, 0.1)},
            r"contain the metric, .*got \(0, 0.1\)",
        ),
    ],
)
def test_interval_refuses_bad_settings(changes, message):
    y_true, y_score = _four_classes()
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(
            **{"metric": "acc", "y_true": y_true, "y_score": y_score, **changes}
        )


@pytest.mark.parametrize("metric", ["acc", "auc", lambda y, score: np.mean(score[y == 1])])
def test_several_trainings_are_compared_by_their_mean(metric):
    rng = np.random.default_rng(0)
    y_true = np.arange(40) % 2
    a, b = rng.random((2, 3, 40, 2))
    settings = {"n_resamples": 20, "random_state": 0}
    found = paired_bootstrap(metric, y_true, a, b[0], **settings)
    single = [paired_bootstrap(metric, y_true, one, b[0], **settings) for one in a]
    assert found.difference == pytest.approx(np.mean([one.difference for one in single]))
    repeated = paired_bootstrap(metric, y_true, [a[0], a[0]], b[0], **settings)
    assert repeated == pytest.approx(single[0])
    with pytest.raises(ValueError, match="y_score must"):
        paired_bootstrap("acc", y_true, np.empty((0, 40, 2)), b[0])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n", "n_resamples"), [(5, 50), (120, 10), (120, 2)])
def test_interval_of_equal_losses_has_no_width(seed, n, n_resamples):
    # The resampled means of equal values differ by rounding, or not at all.
    low, high = bootstrap_interval(
        "log_loss",
        np.arange(n) % 4,
        np.full((n, 4), 0.25),
        n_resamples=n_resamples,
        random_state=seed,
    )
    assert (low, high) == pytest.approx((np.log(4), np.log(4)))
