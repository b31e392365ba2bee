import itertools
import time

import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score

from octsk import metrics
from octsk.metrics import (
    bootstrap_interval,
    expected_calibration_error,
    medmnist_accuracy,
    medmnist_auc,
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

METRICS = {
    "acc": medmnist_accuracy,
    "auc": medmnist_auc,
    "balanced_accuracy": lambda y, s: balanced_accuracy_score(y, s.argmax(axis=1)),
    "log_loss": lambda y, s: log_loss(y, s, labels=[0, 1, 2, 3]),
}


@pytest.mark.parametrize("groups", [None, np.arange(400) // 3])
@pytest.mark.parametrize("name", METRICS)
def test_fast_and_plain_resampling_agree(name, groups):
    """The same resamples, once as counts and once as drawn samples."""
    y_true, y_score = _four_classes()
    plain = METRICS[name]
    settings = {"n_resamples": 60, "random_state": 3, "groups": groups}
    fast = bootstrap_interval(name, y_true, y_score, **settings)
    slow = bootstrap_interval(lambda y, s: plain(y, s), y_true, y_score, **settings)
    np.testing.assert_allclose(fast, slow, atol=1e-12)
    assert fast[0] < plain(y_true, y_score) < fast[1]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("acc", medmnist_accuracy),
        ("auc", medmnist_auc),
        ("log_loss", log_loss),
        ("balanced_accuracy", lambda y, s: balanced_accuracy_score(y, s > 0.5)),
    ],
)
def test_fast_and_plain_resampling_agree_for_two_classes(name, plain):
    y_true, y_score = _two_classes()
    settings = {"n_resamples": 40, "random_state": 0}
    for scores in (y_score, np.column_stack([1 - y_score, y_score])):
        fast = bootstrap_interval(name, y_true, scores, **settings)
        slow = bootstrap_interval(lambda y, s: plain(y, s), y_true, y_score, **settings)
        np.testing.assert_allclose(fast, slow, atol=1e-12)


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
    monkeypatch.setattr(metrics, "_BLOCK", 3 * len(codes) + 1)
    blocks = list(metrics._draw_counts(codes, None, 7, np.random.RandomState(0)))
    assert [block.shape for block in blocks] == [(3, 6), (3, 6), (1, 6)]
    counts = np.vstack(blocks)
    np.testing.assert_array_equal(counts @ np.eye(3)[codes], np.tile([3, 2, 1], (7, 1)))
    assert len(np.unique(counts, axis=0)) > 1
    # A block holds one resample at least, however many samples there are.
    monkeypatch.setattr(metrics, "_BLOCK", 1)
    blocks = list(metrics._draw_counts(codes, None, 2, np.random.RandomState(0)))
    assert [block.shape for block in blocks] == [(1, 6), (1, 6)]


def test_groups_are_drawn_whole_until_each_class_is_there():
    # Class 3 is not among them, class 2 in one group alone.
    codes = np.array([0, 0, 1, 1, 0, 4, 2, 0])
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    counts = metrics._group_counts(codes, groups, 200, np.random.RandomState(0))
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
        ({"n_resamples": 0}, "n_resamples"),
        ({"confidence_level": 95}, "confidence_level"),
        ({"groups": [0, 1]}, "groups must have shape"),
        ({"groups": np.zeros(400)}, "two different groups"),
    ],
)
def test_interval_refuses_bad_settings(changes, message):
    y_true, y_score = _four_classes()
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(
            **{"metric": "acc", "y_true": y_true, "y_score": y_score, **changes}
        )
