"""Properties that hold whatever the input, on inputs drawn by Hypothesis.

Each is tried on a few inputs, always the same, and on many in the slow tests.
"""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from helpers import TINY, toy_images
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    roc_auc_score,
)

import octsk
from octsk import OCTAugmenter, SmallOCTNet
from octsk.metrics import bootstrap_interval, medmnist_accuracy, medmnist_auc
from octsk.metrics._bootstrap import _METRICS

NOTHING = dict(
    rotation_range=0,
    width_shift_range=0,
    height_shift_range=0,
    shear_range=0,
    zoom_range=0,
)


def numbers(few, many):
    """Run a test on so many inputs, the many in the slow tests alone."""
    return pytest.mark.parametrize(
        "n_inputs", [few, pytest.param(many, marks=pytest.mark.slow)]
    )


def on(n_inputs):
    """Give settings for so many inputs: the first few are the same in each run."""
    return settings(
        max_examples=n_inputs, deadline=None, derandomize=n_inputs < 50, database=None
    )


# --- Augmenter -------------------------------------------------------------------------

# Three sizes, since each new shape costs TensorFlow some time.
SHAPES = st.sampled_from([(3, 8, 8), (1, 5, 9), (4, 6, 7, 3)])
# TensorFlow takes float32 numbers below 1e-38 for 0.
UNIT = st.floats(0, 1, width=32, allow_subnormal=False)
IMAGES = SHAPES.flatmap(
    lambda shape: st.one_of(
        arrays.arrays(np.uint8, shape),
        arrays.arrays(np.float32, shape, elements=UNIT),
        arrays.arrays(np.float64, shape, elements=UNIT),
    )
)
SEEDS = st.integers(0, 2**32 - 1)
AUGMENTERS = st.builds(
    OCTAugmenter,
    rotation_range=st.floats(0, 180),
    width_shift_range=st.floats(0, 1),
    height_shift_range=st.floats(0, 1),
    shear_range=st.floats(0, 89),
    zoom_range=st.floats(0, 0.99),
    horizontal_flip=st.booleans(),
    brightness_range=st.sampled_from([0, 0.3, 1]),
    contrast_range=st.sampled_from([0, 0.3, 1]),
    fill_mode=st.sampled_from(["nearest", "reflect", "constant"]),
    random_state=SEEDS,
)


@numbers(5, 200)
def test_nothing_changes_without_ranges(n_inputs):
    @on(n_inputs)
    @given(IMAGES, SEEDS, st.sampled_from(["nearest", "reflect", "constant"]))
    def holds(X, seed, fill_mode):
        augmenter = OCTAugmenter(**NOTHING, fill_mode=fill_mode, random_state=seed)
        np.testing.assert_array_equal(augmenter.fit_transform(X), X)

    holds()


@numbers(5, 200)
def test_shape_dtype_and_range_are_kept(n_inputs):
    @on(n_inputs)
    @given(AUGMENTERS, IMAGES)
    def holds(augmenter, X):
        varied = augmenter.fit_transform(X)
        assert (varied.shape, varied.dtype) == (X.shape, X.dtype)
        if X.dtype.kind == "f":
            assert varied.min() >= 0
            assert varied.max() <= 1
        # Interpolation gives no value beyond those that there are.
        if not (augmenter.brightness_range or augmenter.contrast_range):
            low = 0 if augmenter.fill_mode == "constant" else X.min()
            assert varied.min() >= low - 1e-6
            assert varied.max() <= X.max() + 1e-6

    holds()


@numbers(5, 200)
def test_flips_are_involutions(n_inputs):
    @on(n_inputs)
    @given(IMAGES, SEEDS)
    def holds(X, seed):
        augmenter = OCTAugmenter(**NOTHING, horizontal_flip=True, random_state=seed)
        once = augmenter.fit_transform(X)
        for before, after in zip(X, once, strict=True):
            kept = np.array_equal(after, before)
            assert kept or np.array_equal(after, before[:, ::-1])
        # The same seed flips the same images back.
        np.testing.assert_array_equal(augmenter.fit_transform(once), X)

    holds()


@numbers(5, 200)
def test_variants_do_not_depend_on_the_batches(n_inputs):
    @on(n_inputs)
    @given(AUGMENTERS, IMAGES, st.data())
    def holds(augmenter, X, data):
        whole = augmenter.fit_transform(X)
        again = augmenter.fit_transform(X)
        np.testing.assert_array_equal(again, whole)
        at = data.draw(st.integers(0, len(X)))
        rng = np.random.RandomState(augmenter.random_state)
        parts = OCTAugmenter(**{**augmenter.get_params(), "random_state": rng})
        split = [parts.fit_transform(part) for part in (X[:at], X[at:]) if len(part)]
        np.testing.assert_array_equal(np.concatenate(split), whole)

    holds()


# --- Metrics ---------------------------------------------------------------------------


@st.composite
def scored(draw, least=3, most=5):
    """Draw classes that are all there, and probabilities with ties."""
    k = draw(st.integers(least, most))
    rest = draw(st.lists(st.integers(0, k - 1), max_size=20))
    y = np.array(draw(st.permutations([*range(k), *rest])))
    # Of few values, so that there are ties.
    score = draw(arrays.arrays(np.float64, (len(y), k), elements=st.integers(0, 8)))
    return y, (score + 0.5) / (score + 0.5).sum(axis=1, keepdims=True)


def area(positives, negatives):
    """Area under the ROC curve: share of pairs in the right order, ties one half."""
    difference = positives[:, None] - negatives[None]
    return np.mean((difference > 0) + (difference == 0) / 2)


@numbers(30, 2000)
def test_metrics_are_those_of_medmnist(n_inputs):
    @on(n_inputs)
    @given(scored())
    def holds(drawn):
        y, score = drawn
        acc = np.mean([max(range(len(s)), key=s.__getitem__) for s in score] == y)
        assert medmnist_accuracy(y, score) == acc
        areas = [area(s[y == c], s[y != c]) for c, s in enumerate(score.T)]
        assert medmnist_auc(y, score) == pytest.approx(np.mean(areas), abs=1e-12)

    holds()


@numbers(30, 2000)
def test_metrics_of_two_classes_are_those_of_medmnist(n_inputs):
    @on(n_inputs)
    @given(scored(2, 2))
    def holds(drawn):
        y, score = drawn
        second = score[:, 1]
        assert medmnist_accuracy(y, second) == np.mean((second > 0.5) == y)
        expected = area(second[y == 1], second[y == 0])
        for given_as in (score, second, second[:, None]):
            assert medmnist_auc(y, given_as) == pytest.approx(expected, abs=1e-12)

    holds()


@numbers(30, 200)
def test_metrics_agree_with_scikit_learn(n_inputs):
    @on(n_inputs)
    @given(scored())
    def holds(drawn):
        y, score = drawn
        predicted = score.argmax(axis=1)
        assert medmnist_accuracy(y, score) == accuracy_score(y, predicted)
        expected = roc_auc_score(y, score, multi_class="ovr", average="macro")
        assert medmnist_auc(y, score) == pytest.approx(expected, abs=1e-12)
        once = np.ones((1, len(y)))
        for name, expected in [
            ("balanced_accuracy", balanced_accuracy_score(y, predicted)),
            ("log_loss", log_loss(y, score)),
        ]:
            assert _METRICS[name].resampled(y, score)(once)[0] == pytest.approx(expected)

    holds()


@numbers(20, 500)
def test_metrics_do_not_depend_on_order_names_or_scale(n_inputs):
    @on(n_inputs)
    @given(scored(), st.randoms(use_true_random=False))
    def holds(drawn, random):
        y, score = drawn
        order = random.sample(range(len(y)), len(y))
        columns = random.sample(range(score.shape[1]), score.shape[1])
        names = np.array(list("edcba"))[: score.shape[1]]
        auc = medmnist_auc(y, score)
        shuffled = score[order][:, columns]
        again = medmnist_auc(names[y][order], shuffled, labels=names[columns])
        assert again == pytest.approx(auc, abs=1e-12)
        assert medmnist_auc(y, 3 * score - 7) == pytest.approx(auc, abs=1e-12)

    holds()


@numbers(10, 300)
def test_intervals_lie_in_order_and_in_range(n_inputs):
    @on(n_inputs)
    @given(scored(), SEEDS, st.sampled_from([None, 2, 3]), st.sampled_from(list(_METRICS)))
    def holds(drawn, seed, n_groups, metric):
        y, score = drawn
        groups = None if n_groups is None else np.arange(len(y)) % n_groups
        draw = dict(n_resamples=50, random_state=seed, groups=groups)
        low, high = bootstrap_interval(metric, y, score, **draw)
        [value] = _METRICS[metric].resampled(y, score)(np.ones((1, len(y))))
        assert 0 <= low <= value <= high <= (np.inf if metric == "log_loss" else 1)
        assert (low, high) == bootstrap_interval(metric, y, score, **draw)
        wide = bootstrap_interval(metric, y, score, **draw, confidence_level=0.99)
        assert wide[0] <= low
        assert wide[1] >= high

    holds()


# --- Files -----------------------------------------------------------------------------

X, Y = toy_images()
LABELS = st.sampled_from(
    [Y, Y.astype(float) - 1, np.array(["CNV", "DME", "né"])[Y], Y.astype(np.uint8) + 7]
)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "filters": st.sampled_from([(3,), [3], np.array([3])]),
        "dense_units": st.sampled_from([(), (2, 5), [4]]),
        "dropout": st.sampled_from([0, 0.25, np.float32(0.5)]),
        "epochs": st.integers(0, 10**9) | st.sampled_from([np.int64(3)]),
        "batch_size": st.integers(1, 10**6),
        "optimizer": st.sampled_from(["adam", "sgd", "nadam"]),
        "learning_rate": st.none() | st.floats(1e-300, 1e300),
        "label_smoothing": st.sampled_from([0.0, 0.1]),
        "class_weight": st.none()
        | st.just("balanced")
        | st.dictionaries(st.sampled_from(["CNV", "DME", "né"]), st.floats(0, 9)),
        "augmentation": st.none() | AUGMENTERS,
        "test_time_augmentation": st.booleans(),
        "random_state": SEEDS,
    },
)


@numbers(2, 25)
def test_saved_and_loaded_estimators_are_the_same(n_inputs):
    @on(n_inputs)
    @given(PARAMETERS, LABELS)
    def holds(params, labels):
        made = SmallOCTNet(**{**TINY, **params}).initialize(X, labels)
        with tempfile.TemporaryDirectory() as folder:
            made.save(Path(folder, "net.octsk"))
            loaded = octsk.load(Path(folder, "net.octsk"))
        for name, value in made.get_params(deep=False).items():
            again = getattr(loaded, name)
            if isinstance(value, OCTAugmenter):
                value, again = value.get_params(), again.get_params()
            assert np.array_equal(value, again) or value == again
        np.testing.assert_array_equal(loaded.classes_, made.classes_)
        assert loaded.classes_.dtype == made.classes_.dtype
        np.testing.assert_array_equal(loaded.predict(X), made.predict(X))
        np.testing.assert_array_equal(loaded.predict_proba(X), made.predict_proba(X))

    holds()
