import tracemalloc

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from sklearn.ensemble import ExtraTreesClassifier

from octsk.datasets import make_oct_phantoms

CNV, DME, DRUSEN, NORMAL = range(4)
# Shares of the classes among OCTMNIST's training images.
OCTMNIST_SHARES = (0.34, 0.11, 0.08, 0.47)


@pytest.fixture(scope="module")
def phantoms():
    return make_oct_phantoms(1200, random_state=0)


def test_contents(phantoms):
    assert phantoms.data.shape == phantoms.lesion_mask.shape == (1200, 28, 28)
    assert phantoms.data.dtype == np.uint8
    assert phantoms.lesion_mask.dtype == bool
    assert phantoms.target.shape == (1200,)
    assert phantoms.target.dtype == np.int64
    assert phantoms.target_names == [
        "choroidal neovascularization",
        "diabetic macular edema",
        "drusen",
        "normal",
    ]
    assert (phantoms.name, phantoms.size, phantoms.synthetic) == ("oct-phantoms", 28, True)
    for name in ("split", "groups", "filename", "sha256"):
        assert phantoms[name] is None
    for words in ("Synthetic", "not for clinical use", "compared with published results"):
        assert words in phantoms.DESCR


def test_data_and_target_alone(phantoms):
    X, y = make_oct_phantoms(1200, random_state=0, return_X_y=True)
    assert np.array_equal(X, phantoms.data)
    assert np.array_equal(y, phantoms.target)


@pytest.mark.parametrize(
    ("n_samples", "weights", "expected"),
    [
        (20, None, [5, 5, 5, 5]),
        (21, None, [6, 5, 5, 5]),
        (1, None, [1, 0, 0, 0]),
        (100, OCTMNIST_SHARES, [34, 11, 8, 47]),
        (10, (1, 0, 0, 1), [5, 0, 0, 5]),
        (7, (30, 30, 30, 10), [2, 2, 2, 1]),
    ],
)
def test_class_shares(n_samples, weights, expected):
    phantoms = make_oct_phantoms(n_samples, weights=weights, size=8, random_state=0)
    assert np.bincount(phantoms.target, minlength=4).tolist() == expected


def test_classes_come_shuffled(phantoms):
    for quarter in np.split(phantoms.target, 4):
        assert np.bincount(quarter).min() > 40


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"n_samples": 0}, ValueError, ("n_samples", "0", "1")),
        ({"n_samples": 2.5}, TypeError, ("n_samples", "float", "int")),
        ({"size": 7}, ValueError, ("size", "7", "8")),
        ({"size": "28"}, TypeError, ("size", "str", "int")),
        (
            {"weights": (1, 2, 3)},
            ValueError,
            ("weights", "(1, 2, 3)", "4 non-negative"),
        ),
        ({"weights": (1, 2, 3, -1)}, ValueError, ("weights", "-1", "non-negative")),
        ({"weights": (0, 0, 0, 0)}, ValueError, ("weights", "0, 0, 0, 0", "not all 0")),
        (
            {"weights": (1, 1, 1, np.nan)},
            ValueError,
            ("weights", "nan", "4 non-negative"),
        ),
        (
            {"weights": (1, 1, 1, np.inf)},
            ValueError,
            ("weights", "inf", "4 non-negative"),
        ),
        (
            {"weights": "balanced"},
            ValueError,
            ("weights", "'balanced'", "4 non-negative"),
        ),
        ({"random_state": "seed"}, ValueError, ("seed",)),
    ],
)
def test_bad_arguments_are_named(arguments, error, words):
    with pytest.raises(error) as raised:
        make_oct_phantoms(**arguments)
    for word in words:
        assert word in str(raised.value)


def test_same_seed_same_images_and_global_state_untouched():
    np.random.seed(0)  # noqa: NPY002 - the global state is what is tested
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    first = make_oct_phantoms(40, random_state=3)
    again = make_oct_phantoms(40, random_state=np.random.RandomState(3))
    other = make_oct_phantoms(40, random_state=4)
    assert np.array_equal(np.random.random(3), expected)  # noqa: NPY002
    for name in ("data", "target", "lesion_mask"):
        assert np.array_equal(first[name], again[name])
    assert not np.array_equal(first.data, other.data)


def test_no_two_images_alike(phantoms):
    assert len(np.unique(phantoms.data.reshape(1200, -1), axis=0)) == 1200


def test_a_generator_passed_twice_goes_on():
    rng = np.random.RandomState(0)
    first, second = (make_oct_phantoms(8, random_state=rng) for _ in range(2))
    assert not np.array_equal(first.data, second.data)


@pytest.mark.parametrize("size", [14, 64, 128, 224])
def test_same_eyes_at_every_size(size):
    small = make_oct_phantoms(12, random_state=1)
    other = make_oct_phantoms(12, size=size, random_state=1)
    assert other.data.shape == other.lesion_mask.shape == (12, size, size)
    assert np.array_equal(small.target, other.target)
    step = np.gcd(28, size)
    blocks = (
        images.data.reshape(12, step, images.size // step, step, -1).mean(axis=(2, 4))
        for images in (small, other)
    )
    for a, b in zip(*blocks, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97


def test_lesions_are_marked_in_all_but_normal_eyes(phantoms):
    area = phantoms.lesion_mask.mean(axis=(1, 2))
    normal = phantoms.target == NORMAL
    assert not area[normal].any()
    assert (area[~normal] > 0).all()
    assert area.max() < 0.3
    medians = [np.median(area[phantoms.target == k]) for k in (CNV, DME, DRUSEN)]
    assert np.argmax(medians) == 0  # neovascularization is the largest of the three


def test_lesions_are_seen_where_they_are_marked(phantoms):
    """Against what surrounds them, cysts are dark and drusen displace the bright band."""
    contrast = np.array(
        [
            image[mask].mean() - image[binary_dilation(mask, iterations=2) & ~mask].mean()
            for image, mask in zip(phantoms.data, phantoms.lesion_mask, strict=True)
            if mask.any()
        ]
    )
    target = phantoms.target[phantoms.target != NORMAL]
    assert np.median(contrast[target == DME]) < -3
    assert np.median(contrast[target == CNV]) > 8
    assert np.median(contrast[target == DRUSEN]) > 8


def test_memory_does_not_grow_with_the_number_of_images():
    tracemalloc.start()
    for n_samples in (64, 640):
        tracemalloc.reset_peak()
        phantoms = make_oct_phantoms(n_samples, random_state=0)
        held = phantoms.data.nbytes + phantoms.lesion_mask.nbytes
        peak = tracemalloc.get_traced_memory()[1]
        assert peak - held < 24 * 2**20
        del phantoms
    tracemalloc.stop()


def test_classes_can_be_learned_but_overlap(phantoms):
    """Trees on raw pixels do better than chance and far from perfectly."""
    X, y = phantoms.data.reshape(1200, -1), phantoms.target
    trees = ExtraTreesClassifier(100, random_state=0).fit(X[:900], y[:900])
    assert 0.4 < trees.score(X[900:], y[900:]) < 0.8


@pytest.mark.slow
def test_small_network_learns_them_imperfectly():
    from octsk import SmallOCTNet

    X, y = make_oct_phantoms(4000, random_state=0, return_X_y=True)
    X_test, y_test = make_oct_phantoms(1000, random_state=1, return_X_y=True)
    net = SmallOCTNet(epochs=6, augmentation=None, random_state=0).fit(X, y)
    assert 0.65 < net.score(X_test, y_test) < 0.95


# Beside real tiles. Every statistic is of uint8 images (n, 28, 28); the tolerance is the
# greatest difference allowed in any of its entries, in the statistic's own unit.

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def quantiles_over_images(reduce):
    return lambda images: np.quantile(reduce(images, axis=(1, 2)), QUANTILES)


def row_profile(images):
    return images.mean(axis=(0, 2))


def column_profile(images):
    return images.mean(axis=(0, 1))


def reaching_white(images):
    return [(images.max(axis=(1, 2)) == 255).mean()]


def white_at_edge(images):
    """Shares of images with white fill in the top and in the bottom row."""
    return [(images[:, row].max(axis=1) >= 235).mean() for row in (0, -1)]


def gradients(images):
    images = images.astype(float)
    return [np.abs(np.diff(images, axis=axis)).mean() for axis in (1, 2)]


def neighbour_correlation(axis):
    def quantiles(images):
        centred = np.moveaxis(images - images.mean(axis=(1, 2), keepdims=True), axis, 1)
        covariance = (centred[:, 1:] * centred[:, :-1]).mean(axis=(1, 2))
        return np.quantile(covariance / centred.var(axis=(1, 2)), QUANTILES)

    return quantiles


def log_power_spectrum(images):
    """Mean log10 power in rings of 1 to 14 cycles per image."""
    power = np.abs(np.fft.fft2(images - images.mean(axis=(1, 2), keepdims=True))) ** 2
    cycles = np.fft.fftfreq(28) * 28
    ring = np.rint(np.hypot(cycles[:, None], cycles)).astype(int)
    return [np.log10(power[:, ring == r].mean(axis=1)).mean() for r in range(1, 15)]


def histogram(images):
    edges = [0, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 140, 160, 200, 250, 256]
    return np.histogram(images, bins=edges)[0] / images.size


STATISTICS = {
    "overall mean": (lambda images: [images.mean()], 3),
    "image mean": (quantiles_over_images(np.mean), 4),
    "image spread": (quantiles_over_images(np.std), 5),
    "image maximum": (quantiles_over_images(np.max), 12),
    "share of images reaching 255": (reaching_white, 0.05),
    "shares of images with white fill": (white_at_edge, 0.05),
    "row profile": (row_profile, 7),
    "column profile": (column_profile, 5),
    "gradient down and across": (gradients, 1.2),
    "correlation of pixels below each other": (neighbour_correlation(1), 0.06),
    "correlation of pixels side by side": (neighbour_correlation(2), 0.02),
    "power spectrum": (log_power_spectrum, 0.12),
    "histogram": (histogram, 0.02),
}


@pytest.fixture(scope="module")
def compared(data_folder):
    with np.load(data_folder / "octmnist_tiles_unlabelled.npz") as file:
        real = file["images"]
    return real, make_oct_phantoms(3000, weights=OCTMNIST_SHARES, random_state=0).data


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_are_those_of_real_tiles(compared, name):
    statistic, tolerance = STATISTICS[name]
    real, synthetic = (np.asarray(statistic(images)) for images in compared)
    np.testing.assert_allclose(synthetic, real, rtol=0, atol=tolerance)
