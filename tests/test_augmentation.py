import itertools
import random
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
import tensorflow as tf
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline as ImblearnPipeline
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

from octsk import OCTAugmenter, ResidualOCTNet, SmallOCTNet
from octsk.augmentation import _acquisition, _augmenter, _changes, _warp
from octsk.augmentation._warp import affine_transforms
from octsk.training._batches import Batches
from octsk.utils.validation import check_images

STILL = dict(
    rotation_range=0,
    width_shift_range=0,
    height_shift_range=0,
    shear_range=0,
    zoom_range=0,
)
STRONG = dict(
    rotation_range=40,
    width_shift_range=0.3,
    height_shift_range=0.3,
    shear_range=25,
    zoom_range=0.4,
    horizontal_flip=True,
)


# Parameters that are off by default, with strong values.
ACQUISITION = dict(
    amplitude_mix=1,
    gamma_range=0.5,
    gaussian_blur=1.5,
    random_erasing=0.5,
    speckle_noise=0.3,
    gaussian_noise=0.2,
)


def noise(n=40, height=12, width=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, height, width), dtype=np.uint8)


ARRAYS = {
    "uint8": noise(),
    "int64": noise().astype(np.int64),
    "uint16": noise().astype(np.uint16),
    "float32": (noise() / 255).astype(np.float32),
    "float64": noise() / 255,
    "float16": (noise() / 255).astype(np.float16),
    "flattened": noise().reshape(40, -1),
    "channel axis": noise()[..., None],
    "colour": np.stack([noise(seed=i) for i in range(3)], axis=-1),
    "not square": noise(40, 9, 14),
    "Fortran order": np.asfortranarray(noise()),
    "black and white": (noise() > 127).astype(np.uint8) * 255,
    "ones": np.ones((40, 12, 12), np.float32),
}


# --- Geometry --------------------------------------------------------------------------


def drawn(n, side, rng):
    """Draw strong parameters, in the words of Keras's ImageDataGenerator."""
    return dict(
        theta=rng.uniform(-60, 60, n),
        tx=rng.uniform(-0.4, 0.4, n) * side,
        ty=rng.uniform(-0.4, 0.4, n) * side,
        shear=rng.uniform(-40, 40, n),
        zx=rng.uniform(0.5, 1.5, n),
        zy=rng.uniform(0.5, 1.5, n),
        flip_horizontal=rng.random(n) < 0.5,
    )


def warp(images, affine, fill_mode):
    still = np.tile([1, 0], (len(images), 1))
    draws = np.column_stack([affine, still]).astype(np.float32)
    return OCTAugmenter(fill_mode=fill_mode).warp(images, draws).numpy()


# Keras asks SciPy for a function under its old name.
@pytest.mark.filterwarnings("ignore:.*scipy.ndimage.interpolation:DeprecationWarning")
@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "constant"])
@pytest.mark.parametrize("source", ["octmnist", "colour noise", "odd size"])
def test_geometry_is_that_of_image_data_generator(source, fill_mode, request):
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    if source == "octmnist":
        folder = request.getfixturevalue("data_folder")
        tiles = np.load(folder / "octmnist_tiles_unlabelled.npz")["images"]
        images = (tiles[:150, :, :, None] / 255).astype(np.float32)
    else:
        shape = (40, 28, 28, 3) if source == "colour noise" else (40, 17, 17, 1)
        images = np.random.default_rng(0).random(shape, dtype=np.float32)

    parameters = drawn(len(images), images.shape[1], np.random.default_rng(1))
    affine = affine_transforms(
        images.shape[1:],
        parameters["theta"],
        parameters["tx"],
        parameters["ty"],
        parameters["shear"],
        parameters["zx"],
        parameters["zy"],
        parameters["flip_horizontal"],
    )
    ours = warp(images, affine, fill_mode)

    generator = ImageDataGenerator(fill_mode=fill_mode, cval=0.0)
    theirs = np.stack(
        [
            generator.apply_transform(image, {k: v[i] for k, v in parameters.items()})
            for i, image in enumerate(images)
        ]
    )
    # A thousandth of a grey level on scans; noise has steeper edges.
    tolerance = 1e-3 if source == "octmnist" else 1e-2
    assert np.abs(ours - theirs).max() * 255 < tolerance
    # The test would tell: the images did change.
    assert np.abs(ours - images).mean() > 0.05


def one_affine(image_shape, *, rotation=0, right=0, down=0, zoom=(1, 1), flip=False):
    return affine_transforms(
        image_shape, [rotation], [right], [down], [0], [zoom[0]], [zoom[1]], [flip]
    )


def test_half_turn_of_an_image_that_is_not_square():
    # Keras turns it about a point elsewhere: it takes the height for the width.
    image = noise(1, 5, 9)[..., None] / np.float32(255)
    turned = warp(image, one_affine((5, 9), rotation=180), "nearest")
    np.testing.assert_allclose(turned, image[:, ::-1, ::-1], atol=1e-5)


def test_shifts_look_up_right_and_down():
    image = noise(1, 5, 9)[..., None] / np.float32(255)
    for fill_mode in ("nearest", "reflect", "constant"):
        right = warp(image, one_affine((5, 9), right=2), fill_mode)
        np.testing.assert_array_equal(right[:, :, :-2], image[:, :, 2:])
        down = warp(image, one_affine((5, 9), down=1), fill_mode)
        np.testing.assert_array_equal(down[:, :-1], image[:, 1:])


@pytest.mark.parametrize(
    ("fill_mode", "expected"),
    [
        ("nearest", [1, 1, 1, 2, 3]),
        ("reflect", [2, 1, 1, 2, 3]),
        ("constant", [0, 0, 1, 2, 3]),
    ],
)
def test_fill_modes(fill_mode, expected):
    row = np.array([1, 2, 3, 4, 5], np.float32).reshape(1, 1, 5, 1) / 5
    shifted = warp(row, one_affine((1, 5), right=-2), fill_mode)
    np.testing.assert_allclose(shifted.ravel() * 5, expected, rtol=1e-6)


def test_zoom_above_one_shrinks():
    image = np.zeros((1, 9, 9, 1), np.float32)
    image[:, 2:7, 2:7] = 1
    shrunk = warp(image, one_affine((9, 9), zoom=(2, 1)), "constant")[0, :, :, 0]
    np.testing.assert_array_equal(shrunk[4], [0, 0, 0, 1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(shrunk[:, 4], [0, 0, 1, 1, 1, 1, 1, 0, 0])


# --- What is drawn ---------------------------------------------------------------------


def draws(n=4_000, image_shape=(20, 30, 1), **ranges):
    augmenter = OCTAugmenter(**{**STILL, **ranges})
    return augmenter.draw(n, image_shape, np.random.default_rng(0)).T


def assert_fills(values, low, high):
    """Check that values are spread evenly over a range."""
    edges = np.linspace(low, high, 11)
    counts, _ = np.histogram(values, edges)
    assert counts.sum() == len(values)
    np.testing.assert_allclose(counts / len(values), 0.1, atol=0.03)


def test_nothing_is_drawn_without_ranges():
    identity = np.tile([[1], [0], [0], [0], [1], [0], [1], [0]], 50)
    np.testing.assert_array_equal(draws(50), identity)


def test_rotation_is_drawn_from_its_range():
    a, b, _, d, e, _, _, _ = draws(rotation_range=8)
    assert_fills(np.rad2deg(np.arctan2(d, a)), -8, 8)
    np.testing.assert_allclose([a, b], [e, -d], atol=1e-6)
    np.testing.assert_allclose(a * a + d * d, 1, atol=1e-6)


def test_width_shift_is_drawn_from_its_range():
    a, b, right, d, e, down, _, _ = draws(width_shift_range=0.2)
    assert_fills(right, -6, 6)  # of 30 pixels
    np.testing.assert_array_equal(
        [a, b, d, e, down], np.tile([[1], [0], [0], [1], [0]], 4000)
    )


def test_height_shift_is_drawn_from_its_range():
    a, b, right, d, e, down, _, _ = draws(height_shift_range=0.2)
    assert_fills(down, -4, 4)  # of 20 pixels
    np.testing.assert_array_equal(
        [a, b, right, d, e], np.tile([[1], [0], [0], [0], [1]], 4000)
    )


def test_shear_is_drawn_from_its_range():
    a, b, _, d, e, _, _, _ = draws(shear_range=30)
    assert_fills(np.rad2deg(np.arcsin(-b)), -30, 30)
    np.testing.assert_allclose(b * b + e * e, 1, atol=1e-6)
    np.testing.assert_array_equal([a, d], np.tile([[1], [0]], 4000))


def test_zooms_are_drawn_apart_from_each_other():
    a, b, _, d, e, _, _, _ = draws(zoom_range=0.25)
    assert_fills(a, 0.75, 1.25)
    assert_fills(e, 0.75, 1.25)
    assert abs(np.corrcoef(a, e)[0, 1]) < 0.05
    assert not b.any()
    assert not d.any()


def test_every_second_image_is_flipped():
    a, b, c, d, e, f, _, _ = draws(horizontal_flip=True)
    assert set(a) == {-1, 1}
    assert abs((a < 0).mean() - 0.5) < 0.03
    np.testing.assert_array_equal(c, np.where(a < 0, 29, 0))
    np.testing.assert_array_equal([b, d, e, f], np.tile([[0], [0], [1], [0]], 4000))


def test_contrast_and_brightness_are_drawn_from_their_ranges():
    *_, factor, offset = draws(contrast_range=0.5, brightness_range=0.1)
    assert_fills(factor, 0.5, 1.5)
    assert_fills(offset, -0.1, 0.1)
    assert abs(np.corrcoef(factor, offset)[0, 1]) < 0.05


@pytest.mark.parametrize("make_rng", [np.random.default_rng, np.random.RandomState])
def test_draws_of_an_image_depend_on_its_place_alone(make_rng):
    augmenter = OCTAugmenter(**STRONG, contrast_range=0.2, brightness_range=0.2)
    many = augmenter.draw(50, (12, 12, 1), make_rng(3))
    few = augmenter.draw(7, (12, 12, 1), make_rng(3))
    np.testing.assert_array_equal(many[:7], few)
    rng = make_rng(3)
    parts = [augmenter.draw(n, (12, 12, 1), rng) for n in (20, 1, 29)]
    np.testing.assert_array_equal(np.concatenate(parts), many)


def test_draws_of_a_seed_stay_as_they_are(monkeypatch):
    # Or a run repeated from its seed by a later octsk would see other images.
    given = []

    def affine_transforms(image_shape, *parameters):
        given.extend(parameters)
        return np.zeros((5, 6))

    monkeypatch.setattr(_changes, "affine_transforms", affine_transforms)
    augmenter = OCTAugmenter(**STRONG, contrast_range=0.5, brightness_range=0.1)
    drawn = augmenter.draw(5, (20, 30, 1), np.random.default_rng(0))
    u = 2 * np.random.default_rng(0).random((5, 9)).T - 1
    expected = [40 * u[0], 9 * u[1], 6 * u[2], 25 * u[3], 1 + 0.4 * u[4], 1 + 0.4 * u[5]]
    np.testing.assert_allclose(given[:6], expected)
    np.testing.assert_array_equal(given[6], u[8] < 0)
    np.testing.assert_allclose(drawn[:, 6:].T, [1 + u[6] / 2, u[7] / 10], rtol=1e-6)


def test_variants_do_not_depend_on_how_many_there_are():
    # 2,500 images are warped in parts.
    X = noise(2_500)
    augmenter = OCTAugmenter(**STRONG, random_state=4)
    varied = augmenter.fit_transform(X)
    np.testing.assert_array_equal(varied[:30], augmenter.fit_transform(X[:30]))
    assert (varied[1_500:] != X[1_500:]).any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((28, 28, 1), 1024), ((28, 56, 1), 512), ((224, 224, 1), 16), ((5000, 5000, 3), 1)],
)
def test_images_warped_at_a_time_are_few_where_large(shape, expected):
    n = _warp.images_at_a_time(shape)
    assert n == expected
    # Places of pixels are numbers of 32 bits.
    assert n * shape[0] * shape[1] < 2**31


@pytest.mark.parametrize(
    ("n", "side", "expected"),
    [
        (1, 28, 32),
        (32, 28, 32),
        (33, 28, 64),
        (64, 28, 64),
        (65, 28, 128),
        (16, 224, 16),
        (17, 224, 32),
        (1, 900, 1),
        (2, 900, 2),
        (3, 900, 4),
        (2**19 + 1, 1, 2**20),  # whose logarithm float32 takes for that of 2**19
    ],
)
def test_numbers_of_images_are_rounded_up_to_few(n, side, expected, monkeypatch):
    seen = []

    def warp(images, affine, fill_mode):
        seen.append((len(images), len(affine)))
        return images

    monkeypatch.setattr(_warp, "_compiled_warp", lambda: warp)
    images = np.ones((n, side, side, 1), np.float32)
    warped = _warp.warp_affine(images, np.zeros((n, 6), np.float32), "nearest")
    assert seen == [(expected, expected)]
    np.testing.assert_array_equal(warped, images)


def test_warp_is_on_the_cpu_and_keeps_the_shape(monkeypatch):
    places = []

    def warp(images, affine, fill_mode):
        places.append(tf.identity(images).device)
        return tf.compat.v1.placeholder_with_default(images, None)

    monkeypatch.setattr(_warp, "_compiled_warp", lambda: warp)
    # A graph may name a device that is not there.
    with tf.Graph().as_default(), tf.device("GPU:0"):
        warped = OCTAugmenter().warp(tf.zeros((3, 4, 5, 1)), tf.zeros((3, 8)))
    assert places == ["/device:CPU:0"]
    assert warped.shape == (3, 4, 5, 1)


def test_large_images_are_warped_like_small_ones(monkeypatch):
    X = noise(5)
    augmenter = OCTAugmenter(**STRONG, random_state=0)
    expected = augmenter.fit_transform(X)
    seen = []
    warp = OCTAugmenter.warp

    def spy(self, images, *arguments):
        seen.append(len(images))
        return warp(self, images, *arguments)

    monkeypatch.setattr(OCTAugmenter, "warp", spy)
    monkeypatch.setattr(_warp, "_CHUNK_PIXELS", 300)  # two images
    np.testing.assert_array_equal(augmenter.fit_transform(X), expected)
    assert seen == [2, 2, 1]


# --- Without XLA -------------------------------------------------------------------------


@pytest.fixture
def fresh_warp():
    """Let the warp be made anew, and again afterwards."""
    caches = _warp._has_xla, _warp._compiled_warp
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "constant"])
def test_without_xla_the_warp_is_the_same(fill_mode, monkeypatch, fresh_warp):
    X = (noise() / 255).astype(np.float32)
    augmenter = OCTAugmenter(**STRONG, fill_mode=fill_mode, random_state=0)
    expected = augmenter.fit_transform(X)
    _warp._compiled_warp.cache_clear()
    monkeypatch.setattr(_warp, "_has_xla", lambda: False)
    np.testing.assert_allclose(augmenter.fit_transform(X), expected, atol=1e-5)
    assert not _warp._compiled_warp()._jit_compile


def test_new_shapes_bring_no_warning_of_retracing(caplog, monkeypatch):
    traced = _warp._compiled_warp().python_function
    logger = tf.get_logger()

    def warp(images, affine, fill_mode):
        # TensorFlow itself says so no more than twice in a process.
        logger.warning("5 of 5 calls to %s triggered retracing", traced)
        return images

    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setattr(_warp, "_compiled_warp", lambda: warp)
    OCTAugmenter().fit_transform(noise(1))
    # Other tests make functions anew, of which TensorFlow warns.
    assert "5 of 5 calls" not in caplog.text
    warp(None, None, None)
    assert "5 of 5 calls" in caplog.text


def test_nothing_behind_the_last_pixel_is_looked_up(monkeypatch, fresh_warp):
    # As many images as are warped at a time, none of them padding. XLA would not mind.
    monkeypatch.setattr(_warp, "_has_xla", lambda: False)
    X = noise(32)
    np.testing.assert_array_equal(OCTAugmenter(**STILL).fit_transform(X), X)


def test_xla_is_tried_once(monkeypatch, fresh_warp):
    tried = []
    real = tf.function

    def without_xla(function=None, *, jit_compile=None, **params):
        if not jit_compile:
            return real(function, **params)

        def fails(*arguments):
            tried.append(1)
            raise tf.errors.UnimplementedError(None, None, "no XLA on this platform")

        return fails

    monkeypatch.setattr(tf, "function", without_xla)
    augmenter = OCTAugmenter(**STRONG, random_state=0)
    for _ in range(2):
        assert augmenter.fit_transform(noise()).shape == (40, 12, 12)
    assert len(tried) == 1


def test_xla_is_tried_from_within_a_graph_too(fresh_warp):
    augmenter = OCTAugmenter(**STRONG)
    images = (noise()[..., None] / 255).astype(np.float32)
    draws = augmenter.draw(40, (12, 12, 1), np.random.default_rng(0))
    expected = augmenter.warp(images, draws).numpy()
    _warp._has_xla.cache_clear()
    _warp._compiled_warp.cache_clear()
    batches = tf.data.Dataset.from_tensors((images, draws)).map(augmenter.warp)
    np.testing.assert_array_equal(next(iter(batches)).numpy(), expected)


# --- Acquisition -----------------------------------------------------------------------


def vary(X, seed=0, **params):
    return OCTAugmenter(**{**STILL, **params}, random_state=seed).fit_transform(X)


@pytest.mark.parametrize("name", ACQUISITION)
def test_acquisition_is_repeated_by_its_seed_and_keeps_the_geometry(name):
    X, params = noise(), {name: ACQUISITION[name]}
    first = vary(X, **params)
    np.testing.assert_array_equal(first, vary(X, **params))
    assert (first != vary(X, seed=1, **params)).any()
    assert (first != X).any(axis=(1, 2)).mean() > 0.3
    # Others keep their draws, and the affine maps are still identities.
    drawn = OCTAugmenter(**STILL, **params).draw(9, (12, 12, 1), np.random.default_rng(0))
    np.testing.assert_array_equal(drawn[:, :8], np.tile([1, 0, 0, 0, 1, 0, 1, 0], (9, 1)))


@pytest.mark.parametrize("name", ACQUISITION)
def test_zero_acquisition_leaves_the_variants_as_they_were(name):
    expected = OCTAugmenter(**STRONG, random_state=0).fit_transform(noise())
    off = OCTAugmenter(**STRONG, **{name: 0.0}, noise_fraction=0.5, random_state=0)
    np.testing.assert_array_equal(off.fit_transform(noise()), expected)


@pytest.mark.parametrize("X", ARRAYS.values(), ids=ARRAYS)
def test_acquisition_keeps_shape_dtype_and_range(X):
    varied = OCTAugmenter(**STRONG, **ACQUISITION, random_state=0).fit_transform(X)
    assert varied.shape == X.shape
    assert varied.dtype == X.dtype
    assert varied.min() >= 0
    assert varied.max() <= (1 if X.dtype.kind == "f" else 255)
    assert np.isfinite(varied).all()
    assert (varied != X).mean() > 0.5


@pytest.mark.parametrize("height", [1, 2, 9])
@pytest.mark.parametrize("width", [1, 3, 8])
def test_acquisition_of_any_size(height, width):
    assert vary(noise(5, height, width), **ACQUISITION).shape == (5, height, width)


@pytest.mark.parametrize("name", ACQUISITION)
def test_acquisition_does_not_depend_on_parts(name, monkeypatch):
    X, params = noise(), {name: ACQUISITION[name]}
    expected = vary(X, **params)
    monkeypatch.setattr(_warp, "_CHUNK_PIXELS", 7 * 144)
    # Fourier transforms of other numbers of images differ by rounding.
    difference = np.abs(vary(X, **params).astype(int) - expected)
    assert difference.max() <= (1 if name == "amplitude_mix" else 0)
    assert (difference > 0).mean() < 0.01


def test_acquisition_in_a_graph_is_that_of_the_transformer():
    X = (noise()[..., None] / 255).astype(np.float32)
    augmenter = OCTAugmenter(**STRONG, **ACQUISITION)
    rng = np.random.RandomState(3)
    draws = augmenter.draw(40, (12, 12, 1), np.random.RandomState(3))
    batches = tf.data.Dataset.from_tensors((X, draws)).map(augmenter.warp)
    transformed = clone(augmenter).set_params(random_state=rng).fit_transform(X)
    np.testing.assert_allclose(next(iter(batches)).numpy(), transformed, atol=1e-5)


def test_amplitude_mix_takes_amplitudes_of_another_image_and_keeps_phases():
    rng = np.random.default_rng(0)
    # No pixel needs to be clipped.
    X = (0.5 + 0.02 * rng.standard_normal((2, 9, 12, 1))).astype(np.float32)
    augmenter = OCTAugmenter(**STILL, amplitude_mix=1)
    draws = augmenter.draw(2, X.shape[1:], rng)
    draws[:, 8], draws[:, 9] = [0.9, 0.2], [1.0, 0.25]  # partner and share
    mixed = np.fft.fft2(augmenter.warp(X, draws).numpy()[..., 0])
    own = np.fft.fft2(X[..., 0])
    np.testing.assert_allclose(abs(mixed[0]), abs(own[1]), atol=1e-3)
    np.testing.assert_allclose(
        abs(mixed[1]), 0.75 * abs(own[1]) + 0.25 * abs(own[0]), atol=1e-3
    )
    phase = np.angle(mixed / own)[(abs(mixed) > 0.05) & (abs(own) > 0.05)]
    assert len(phase) > 100
    np.testing.assert_allclose(phase, 0, atol=0.05)


def test_amplitude_mix_has_partners_among_all_images(monkeypatch):
    # All images but the last are constant, in parts of ten images.
    monkeypatch.setattr(_warp, "_CHUNK_PIXELS", 10 * 144)
    X = np.full((200, 12, 12), 0.5)
    X[-1] = noise(1)[0] / 255
    np.testing.assert_allclose(vary(X[:-1], amplitude_mix=1), 0.5, atol=1e-6)
    X[:-1] += np.linspace(0, 0.1, 199)[:, None, None]
    means = vary(X, amplitude_mix=1)[:-1].mean(axis=(1, 2))
    towards = np.sign(means - X[:-1].mean(axis=(1, 2)))
    assert abs(towards.mean()) < 0.3
    # An image alone has no other to mix with.
    np.testing.assert_allclose(vary(X[-1:], amplitude_mix=1), X[-1:], atol=1e-5)


def test_gamma_is_drawn_from_its_range():
    varied = vary(np.full((2000, 3, 3), 0.5), gamma_range=0.7)[:, 0, 0]
    assert_fills(np.log(np.log(varied) / np.log(0.5)), -0.7001, 0.7001)


def test_gaussian_blur_is_that_of_scipy():
    from scipy.ndimage import gaussian_filter

    X = np.zeros((300, 25, 25))
    X[:, 12, 12] = 1
    varied = vary(X, gaussian_blur=2)
    np.testing.assert_allclose(varied.sum(axis=(1, 2)), 1, atol=1e-3)
    augmenter = OCTAugmenter(**STILL, gaussian_blur=2)
    deviation = augmenter.draw(300, (25, 25, 1), np.random.RandomState(0))[:, 11]
    assert_fills(deviation, 0, 2)
    for i in np.argsort(deviation)[[0, 150, 299]]:
        expected = gaussian_filter(X[i], max(deviation[i], 1e-3), truncate=8)
        np.testing.assert_allclose(varied[i], expected, atol=1e-3)
    # The border is not darkened.
    plain = np.full((9, 6, 7), 0.3)
    np.testing.assert_allclose(vary(plain, gaussian_blur=2), plain, atol=1e-6)


def test_erased_boxes():
    X = np.zeros((3000, 40, 60))
    varied = vary(X, random_erasing=0.4)
    erased = varied > 0
    has_box = erased.any(axis=(1, 2))
    assert abs(has_box.mean() - 0.4) < 0.04
    boxed, erased = varied[has_box], erased[has_box]
    grey = boxed.max(axis=(1, 2))
    assert_fills(grey, 0, 1)
    # Each box is a full rectangle of one grey value.
    rows, columns = erased.any(axis=2), erased.any(axis=1)
    np.testing.assert_array_equal(erased, rows[:, :, None] & columns[:, None])
    np.testing.assert_allclose(boxed.sum(axis=(1, 2)), grey * erased.sum(axis=(1, 2)))
    for sides, size in ((rows, 40), (columns, 60)):
        length = sides.sum(axis=1)
        assert length.max() == pytest.approx(0.3 * size, abs=1.1)
        assert np.median(length) == pytest.approx(0.19 * size, abs=1.1)
        assert sides.any(axis=0).all()  # boxes lie anywhere


@pytest.mark.parametrize("grey", [0.3, 0.5])
def test_noises_are_normal_and_independent(grey):
    X = np.full((1500, 16, 16), grey, np.float32)
    speckle = vary(X, speckle_noise=0.2) - grey
    gaussian = vary(X, gaussian_noise=0.1) - grey
    for varied, largest in ((speckle, 0.2 * grey), (gaussian, 0.1)):
        deviation = varied.std(axis=(1, 2))
        # Deviations of 256 pixels are accurate to 4 %.
        assert_fills(np.minimum(deviation, 0.999 * largest), 0, largest)
        standard = varied / deviation[:, None, None]
        assert abs(standard.mean()) < 0.01
        assert abs((standard**4).mean() - 3) < 0.1
        assert abs((standard[:, :, 1:] * standard[:, :, :-1]).mean()) < 0.01
        assert abs((standard[:, 1:] * standard[:, :-1]).mean()) < 0.01
        assert abs((standard[1:] * standard[:-1]).mean()) < 0.01
    both = vary(X, speckle_noise=0.2, gaussian_noise=0.1) - grey
    sum_of_both = np.hypot(speckle.std(axis=(1, 2)), gaussian.std(axis=(1, 2)))
    np.testing.assert_allclose(both.std(axis=(1, 2)), sum_of_both, rtol=0.35, atol=0.01)


def test_speckle_noise_grows_with_the_pixel():
    X = np.tile([0.0, 0.2, 0.4], (500, 8, 1))
    deviation = (vary(X, speckle_noise=0.3) - X).std(axis=(0, 1))
    assert deviation[0] == 0
    assert deviation[2] / deviation[1] == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("fraction", [0.0, 0.2, 1.0])
def test_noise_is_added_to_its_share_of_images(fraction):
    X = np.full((2000, 5, 5), 0.5)
    varied = vary(X, gaussian_noise=0.1, noise_fraction=fraction)
    noisy = (varied != X).any(axis=(1, 2))
    assert abs(noisy.mean() - fraction) < 0.03
    # A few images may have none.
    few = vary(X[:3], gaussian_noise=0.1, noise_fraction=fraction)
    np.testing.assert_array_equal(few, varied[:3])


def test_acquisition_without_xla(monkeypatch, fresh_warp):
    X = (noise() / 255).astype(np.float32)
    expected = vary(X, **ACQUISITION)
    caches = _acquisition._compiled_blur_and_erase, _acquisition._compiled_noise
    for cache in caches:
        cache.cache_clear()
    _warp._compiled_warp.cache_clear()
    monkeypatch.setattr(_warp, "_has_xla", lambda: False)
    np.testing.assert_allclose(vary(X, **ACQUISITION), expected, atol=1e-4)
    assert not any(cache()._jit_compile for cache in caches)
    for cache in caches:
        cache.cache_clear()


def test_net_augments_as_the_augmenter_does():
    X, y = noise(8), np.arange(8) % 2
    augmenter = OCTAugmenter(**STILL, **ACQUISITION)
    batches = Batches(
        X[..., None], y, None, index=np.arange(8), batch_size=8, seed=5, augmenter=augmenter
    )
    x, labels = next(iter(batches.dataset()))
    rng = np.random.default_rng([5, 0])
    order = rng.permutation(8)
    draws = augmenter.draw(8, (12, 12, 1), rng)
    expected = augmenter.warp((X[order, ..., None] / 255).astype(np.float32), draws)
    np.testing.assert_array_equal(labels, y[order])
    np.testing.assert_allclose(x, expected, atol=1e-6)


# --- The transformer -------------------------------------------------------------------


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "constant"])
@pytest.mark.parametrize("X", ARRAYS.values(), ids=ARRAYS)
def test_shape_dtype_and_range_are_kept(X, fill_mode):
    before = X.copy()
    varied = OCTAugmenter(
        **STRONG,
        contrast_range=1,
        brightness_range=0.5,
        fill_mode=fill_mode,
        random_state=0,
    ).fit_transform(X)
    assert varied.shape == X.shape
    assert varied.dtype == X.dtype
    assert varied.min() >= 0
    assert varied.max() <= (1 if X.dtype.kind == "f" else 255)
    assert (varied != X).mean() > 0.5
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "constant"])
@pytest.mark.parametrize("X", ARRAYS.values(), ids=ARRAYS)
def test_nothing_changes_without_ranges(X, fill_mode):
    varied = OCTAugmenter(**STILL, fill_mode=fill_mode).fit_transform(X)
    # Images are warped in float32.
    np.testing.assert_allclose(varied, X, rtol=0, atol=1e-7 if X.dtype == "f8" else 0)
    assert not np.shares_memory(varied, X)


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "constant"])
def test_flips_are_exact(fill_mode):
    X = noise(60)
    varied = OCTAugmenter(
        **STILL, horizontal_flip=True, fill_mode=fill_mode, random_state=0
    ).fit_transform(X)
    same = (varied == X).all(axis=(1, 2))
    mirrored = (varied == X[:, :, ::-1]).all(axis=(1, 2))
    assert (same ^ mirrored).all()
    assert 15 < mirrored.sum() < 45


def test_geometry_of_flattened_images_is_that_of_the_images():
    X = noise()
    augmenter = OCTAugmenter(**STRONG, random_state=0)
    flat = augmenter.fit_transform(X.reshape(40, -1))
    np.testing.assert_array_equal(flat.reshape(X.shape), augmenter.fit_transform(X))


def test_channels_move_together():
    X = np.repeat(noise()[..., None], 3, axis=-1)
    varied = OCTAugmenter(**STRONG, random_state=0).fit_transform(X)
    np.testing.assert_array_equal(varied[..., 0], varied[..., 1])
    np.testing.assert_array_equal(varied[..., 0], varied[..., 2])


def test_integers_and_floats_are_varied_alike():
    X = noise()
    augmenter = OCTAugmenter(**STRONG, random_state=0)
    integers = augmenter.fit_transform(X)
    floats = augmenter.fit_transform(X / 255)
    np.testing.assert_array_equal(integers, np.rint(floats * 255))


def test_brightness_is_added():
    X = np.full((500, 4, 4), 0.5) + np.linspace(-0.1, 0.1, 16).reshape(4, 4)
    varied = OCTAugmenter(**STILL, brightness_range=0.3, random_state=0).fit_transform(X)
    difference = varied - X
    np.testing.assert_allclose(difference.std(axis=(1, 2)), 0, atol=1e-6)
    assert_fills(difference[:, 0, 0], -0.3, 0.3)


def test_contrast_spreads_about_the_mean():
    X = np.linspace(0.3, 0.7, 500)[:, None, None]  # that of each image, not of a batch
    X = X + np.linspace(-0.1, 0.1, 16).reshape(4, 4)
    varied = OCTAugmenter(**STILL, contrast_range=0.5, random_state=0).fit_transform(X)
    np.testing.assert_allclose(varied.mean(axis=(1, 2)), X.mean(axis=(1, 2)), atol=1e-6)
    assert_fills(varied.std(axis=(1, 2)) / X.std(axis=(1, 2)), 0.5, 1.5)


def test_integer_seed_repeats_and_none_does_not():
    X = noise()
    seeded = OCTAugmenter(random_state=0)
    first = seeded.fit_transform(X)
    np.testing.assert_array_equal(first, seeded.fit_transform(X))
    np.testing.assert_array_equal(first, clone(seeded).fit_transform(X))
    assert (first != OCTAugmenter(random_state=1).fit_transform(X)).any()
    unseeded = OCTAugmenter()
    assert (unseeded.fit_transform(X) != unseeded.fit_transform(X)).any()


def test_random_state_instance_goes_on():
    X = noise()
    augmenter = OCTAugmenter(random_state=np.random.RandomState(0))
    first, second = augmenter.fit_transform(X), augmenter.fit_transform(X)
    np.testing.assert_array_equal(first, OCTAugmenter(random_state=0).fit_transform(X))
    assert (first != second).any()


def test_global_random_states_are_left_alone():
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    OCTAugmenter(random_state=0).fit_transform(noise())
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
    assert np.random.get_state()[2] == numpy_state[2]  # noqa: NPY002
    assert random.getstate() == python_state


@pytest.mark.parametrize("X", ARRAYS.values(), ids=ARRAYS)
def test_transform_leaves_images_alone(X):
    augmenter = OCTAugmenter(**STRONG, random_state=0).fit(X)
    out = augmenter.transform(X)
    np.testing.assert_array_equal(out, X)
    assert out.dtype == X.dtype


def test_transform_checks_images():
    augmenter = OCTAugmenter()
    with pytest.raises(NotFittedError):
        augmenter.transform(noise())
    augmenter.fit(noise())
    with pytest.raises(
        ValueError, match=r"shape 12 x 13 x 1, but .* 12 x 12 x 1 are expected"
    ):
        augmenter.transform(noise(width=13))
    with pytest.raises(ValueError, match="must lie in"):
        augmenter.transform(noise() * 1.0)


def test_data_frame_of_flattened_images():
    frame = pd.DataFrame(noise().reshape(40, -1))
    augmenter = OCTAugmenter(random_state=0)
    varied = augmenter.fit_transform(frame)
    np.testing.assert_array_equal(varied, augmenter.fit_transform(frame.to_numpy()))


@pytest.mark.parametrize("method", ["fit", "fit_transform", "fit_resample"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rotation_range", -1),
        ("rotation_range", 181),
        ("rotation_range", (-3, 3)),
        ("width_shift_range", 1.1),
        ("height_shift_range", -0.1),
        ("shear_range", 90),
        ("zoom_range", 1),
        ("zoom_range", "0.1"),
        ("horizontal_flip", "yes"),
        ("brightness_range", 1.5),
        ("contrast_range", -0.5),
        ("fill_mode", "wrap"),
        ("random_state", "seed"),
        *[(name, -0.1) for name in (*ACQUISITION, "noise_fraction")],
        *[(name, "0.1") for name in (*ACQUISITION, "noise_fraction")],
        ("amplitude_mix", 1.1),
        ("gamma_range", 3.1),
        ("gaussian_blur", 11),
        ("random_erasing", 2),
        ("speckle_noise", 1.5),
        ("gaussian_noise", 1.5),
        ("noise_fraction", 1.5),
    ],
)
def test_wrong_parameters(method, name, value):
    augmenter = OCTAugmenter(n_copies=1 if method == "fit_resample" else None)
    augmenter.set_params(**{name: value})
    arguments = (noise(4), [0, 1, 0, 1]) if method == "fit_resample" else (noise(4),)
    with pytest.raises(ValueError, match=f"The '{name}' parameter of OCTAugmenter must be"):
        getattr(augmenter, method)(*arguments)


@pytest.mark.parametrize("n_copies", [0, -1, 1.5])
def test_wrong_number_of_copies(n_copies):
    with pytest.raises(ValueError, match="'n_copies' parameter of OCTAugmenter must be"):
        OCTAugmenter(n_copies=n_copies).fit(noise(4))


# --- The report's settings -------------------------------------------------------------

REPORT = {
    "training": dict(
        rotation_range=3,
        width_shift_range=0.2,
        height_shift_range=0.2,
        shear_range=0.001,
        zoom_range=0.1,
        horizontal_flip=False,
        fill_mode="nearest",
    ),
    "demonstration": dict(
        rotation_range=10,
        width_shift_range=0.1,
        height_shift_range=0.1,
        shear_range=0.1,
        zoom_range=0.2,
        horizontal_flip=True,
        fill_mode="nearest",
    ),
}


@pytest.mark.parametrize("name", REPORT)
def test_presets_are_the_settings_of_the_report(name):
    others = dict(brightness_range=0, contrast_range=0, random_state=None)
    others |= dict.fromkeys(ACQUISITION, 0) | {"noise_fraction": 1}
    transformer = dict(n_copies=None, sampling_strategy=None)
    params = OCTAugmenter.from_preset(name).get_params()
    assert params == {**REPORT[name], **others, **transformer}


def test_residual_net_augments_by_its_preset():
    params = OCTAugmenter.from_preset("residual").get_params()
    assert ResidualOCTNet()._augmenter().get_params() == params
    varied = OCTAugmenter(**params | {"random_state": 0}).fit_transform(noise())
    assert (varied != noise()).any(axis=(1, 2)).all()


def test_defaults_are_the_training_preset():
    assert OCTAugmenter().get_params() == OCTAugmenter.from_preset("training").get_params()


def test_preset_with_other_parameters():
    augmenter = OCTAugmenter.from_preset("demonstration", zoom_range=0, n_copies=3)
    assert (augmenter.zoom_range, augmenter.n_copies) == (0, 3)
    assert augmenter.rotation_range == 10


def test_unknown_preset():
    with pytest.raises(ValueError, match=r"one of \['demonstration', .*\], got 'none'"):
        OCTAugmenter.from_preset("none")


# --- The resampler ---------------------------------------------------------------------


@pytest.mark.parametrize("param", [{"n_copies": 1}, {"sampling_strategy": "all"}], ids=str)
def test_transformer_or_resampler_never_both(param):
    transformer, resampler = OCTAugmenter(), OCTAugmenter(**param)
    for method in ("transform", "fit_transform"):
        assert hasattr(transformer, method)
        assert not hasattr(resampler, method)
    assert hasattr(resampler, "fit_resample")
    assert not hasattr(transformer, "fit_resample")


@pytest.mark.parametrize(
    ("n_copies", "method", "reason"),
    [
        (1, "transform", "is a resampler.* leave n_copies and sampling_strategy at"),
        (1, "fit_transform", "is a resampler.* leave n_copies and sampling_strategy at"),
        (None, "fit_resample", "is a transformer.* set n_copies or sampling_strategy"),
    ],
)
def test_why_a_method_is_absent_is_said(n_copies, method, reason):
    with pytest.raises(AttributeError) as caught:
        getattr(OCTAugmenter(n_copies=n_copies), method)
    assert re.search(reason, str(caught.value.__cause__))


def test_scikit_learn_is_told_of_images_and_chance():
    tags = get_tags(OCTAugmenter())
    assert tags.input_tags.three_d_array
    assert tags.non_deterministic


@pytest.mark.parametrize("X", ARRAYS.values(), ids=ARRAYS)
def test_copies_follow_the_images(X):
    y = np.arange(40) % 3
    augmenter = OCTAugmenter(**STRONG, n_copies=2, random_state=0)
    more, labels = augmenter.fit_resample(X, y)
    assert more.shape == (120, *X.shape[1:])
    assert more.dtype == X.dtype
    np.testing.assert_array_equal(labels, np.concatenate([y, y, y]))
    np.testing.assert_array_equal(more[:40], X)
    again, _ = augmenter.fit_resample(X, y)
    np.testing.assert_array_equal(more, again)


def test_copies_differ():
    more, _ = OCTAugmenter(**STRONG, n_copies=2).fit_resample(noise(), np.zeros(40))
    for a, b in itertools.combinations(np.split(more, 3), 2):
        assert (a != b).any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    "y",
    [
        ["CNV", "DRUSEN"] * 20,
        np.array([True, False] * 20),
        np.array(["CNV", "NORMAL"] * 20, dtype=object),
        pd.Series(["CNV", "DRUSEN"] * 20, index=range(40, 80)),
    ],
)
def test_labels_of_any_kind_are_repeated(y):
    _, labels = OCTAugmenter(n_copies=1).fit_resample(noise(), y)
    assert list(labels) == 2 * list(y)


# 20 images of the class "a", 12 of "b" and 8 of "c", in no order.
Y = np.random.default_rng(0).permutation(np.repeat(["a", "b", "c"], [20, 12, 8]))


def resample(y=Y, n=40, **params):
    """Return the labels of a resampler and how often it varied each image."""
    X = noise(n)
    augmenter = OCTAugmenter(**STRONG, random_state=0, **params)
    more, labels = augmenter.fit_resample(X, y)
    np.testing.assert_array_equal(more[:n], X)
    np.testing.assert_array_equal(labels, np.asarray(y)[augmenter.sample_indices_])
    varied = more[n:] != X[augmenter.sample_indices_[n:]]
    assert varied.any(axis=(1, 2)).all()
    return labels, np.bincount(augmenter.sample_indices_) - 1


@pytest.mark.parametrize(
    ("n_copies", "expected"),
    [
        ({"c": 3}, {"a": 0, "b": 0, "c": 3}),
        ({"b": 1, "c": np.int64(4)}, {"a": 0, "b": 1, "c": 4}),
        ({"a": 0, "b": 2}, {"a": 0, "b": 2, "c": 0}),
        ({}, {"a": 0, "b": 0, "c": 0}),
    ],
)
def test_copies_by_class(n_copies, expected):
    _, n_variants = resample(n_copies=n_copies)
    np.testing.assert_array_equal(n_variants, [expected[label] for label in Y])


def test_copies_by_class_follow_in_rounds():
    X, y = noise(3), [0, 1, 2]
    augmenter = OCTAugmenter(n_copies={2: 3, 0: 1})
    _, labels = augmenter.fit_resample(X, y)
    assert labels.tolist() == [0, 1, 2, 0, 2, 2, 2]
    assert augmenter.sample_indices_.tolist() == [0, 1, 2, 0, 2, 2, 2]


def test_same_copies_of_all_classes_are_those_of_a_number():
    X = noise()
    number = OCTAugmenter(n_copies=2, random_state=0).fit_resample(X, Y)
    by_class = dict.fromkeys("abc", 2)
    named = OCTAugmenter(n_copies=by_class, random_state=0).fit_resample(X, Y)
    np.testing.assert_array_equal(number[0], named[0])
    np.testing.assert_array_equal(number[1], named[1])


TWO = np.repeat([False, True], [30, 10])


@pytest.mark.parametrize(
    ("strategy", "y"),
    [
        *[
            (word, Y)
            for word in ("auto", "all", "minority", "not minority", "not majority")
        ],
        ("minority", np.repeat([0, 1, 2, 3], 10)),  # none is the smallest
        ("not minority", np.repeat([0, 1, 2, 3], [16, 12, 6, 6])),
        (0.5, TWO),
        (1.0, TWO),
        (0.77, ~TWO),
        ({"c": 21}, Y),
        ({"a": 20, "c": 8, "b": 16}, Y),
        (lambda y: {label: 20 for label in y if label != "c"}, Y),
    ],
    ids=lambda value: "" if callable(value) else str(value),
)
def test_sampling_strategy_is_that_of_imbalanced_learn(strategy, y):
    labels, n_variants = resample(y, sampling_strategy=strategy)
    X = np.zeros((40, 1))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "After over-sampling, the number of samples")
        _, theirs = RandomOverSampler(sampling_strategy=strategy).fit_resample(X, y)
    np.testing.assert_array_equal(np.sort(labels), np.sort(theirs))
    # The images of a class are varied equally often.
    for label in np.unique(y):
        assert np.ptp(n_variants[y == label]) <= 1


def test_images_that_get_one_variant_more_are_drawn():
    X = noise()
    seeds = [
        OCTAugmenter(sampling_strategy={"c": 12}, random_state=seed).fit(X)
        for seed in (0, 0, 1)
    ]
    for augmenter in seeds:
        augmenter.fit_resample(X, Y)
    first, again, other = (augmenter.sample_indices_.tolist() for augmenter in seeds)
    assert first == again != other


@pytest.mark.parametrize("method", ["fit", "fit_resample"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_copies", [1, 2]),
        ("n_copies", "all"),
        ("sampling_strategy", "majority"),
        ("sampling_strategy", 0),
        ("sampling_strategy", 1.5),
        ("sampling_strategy", ["c"]),
    ],
)
def test_resampler_of_wrong_kind(method, name, value):
    arguments = [noise(), Y][: 1 if method == "fit" else 2]
    with pytest.raises(ValueError, match=f"The '{name}' parameter of OCTAugmenter must be"):
        getattr(OCTAugmenter(**{name: value}), method)(*arguments)


@pytest.mark.parametrize(
    ("params", "y", "message"),
    [
        (dict(n_copies={"d": 1}), Y, r"n_copies names the class 'd', .* \['a', 'b', 'c'\]"),
        (dict(n_copies={2: 1}), TWO, r"n_copies names the class 2, .* \[False, True\]"),
        (dict(n_copies={"c": -1}), Y, r"n_copies\['c'\] must be .* at least 0, got -1"),
        (dict(n_copies={"c": 1.5}), Y, r"n_copies\['c'\] must be an int .*, got 1.5"),
        (dict(n_copies={"c": None}), Y, r"n_copies\['c'\] must be an int .*, got None"),
        (dict(sampling_strategy={"d": 9}), Y, "sampling_strategy names the class 'd'"),
        (
            dict(sampling_strategy={"c": 7}),
            Y,
            r"sampling_strategy\['c'\] must be an int of at least 8, got 7\. .* only adds",
        ),
        (dict(sampling_strategy={"c": "9"}), Y, r"\['c'\] must be an int .*, got '9'"),
        (
            dict(sampling_strategy=lambda y: {"c": 7}),
            Y,
            r"sampling_strategy\['c'\] must be an int of at least 8",
        ),
        (dict(sampling_strategy=lambda y: 7), Y, "sampling_strategy must return .* got 7"),
        (dict(sampling_strategy=0.5), Y, "is a ratio of two classes, but y has 3"),
        (dict(sampling_strategy=0.5), np.zeros(40), "of two classes, but y has 1"),
        (dict(sampling_strategy=0.2), TWO, "asks for 6 .* True.* must be at least 0.333"),
        (
            dict(n_copies=1, sampling_strategy="all"),
            Y,
            "n_copies=1 and sampling_strategy='all' are both set",
        ),
    ],
)
def test_resampler_that_does_not_fit_the_labels(params, y, message):
    with pytest.raises(ValueError, match=message):
        OCTAugmenter(**params).fit_resample(noise(), y)


def test_column_of_labels_is_flattened():
    y = np.arange(40)[:, None]
    with pytest.warns(DataConversionWarning, match="column-vector"):
        _, labels = OCTAugmenter(n_copies=1).fit_resample(noise(), y)
    np.testing.assert_array_equal(labels, np.tile(np.arange(40), 2))


def test_labels_of_wrong_length():
    with pytest.raises(ValueError, match="X has 40 images and y 39 entries"):
        OCTAugmenter(n_copies=1).fit_resample(noise(), np.zeros(39))


# --- Pipelines -------------------------------------------------------------------------


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what a pipeline passes to it."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.fitted_on_ = X, y
        return self

    def predict(self, X):
        self.predicted_on_ = X
        return np.repeat(self.classes_[0], len(X))


def test_pipeline_varies_training_images_alone():
    X, y = noise(), np.arange(40) % 2
    augmenter = OCTAugmenter(**STRONG, random_state=0)
    pipeline = Pipeline([("augment", augmenter), ("net", Recorder())]).fit(X, y)
    recorder = pipeline["net"]
    np.testing.assert_array_equal(recorder.fitted_on_[0], augmenter.fit_transform(X))
    np.testing.assert_array_equal(recorder.fitted_on_[1], y)
    pipeline.predict(X[:5])
    np.testing.assert_array_equal(recorder.predicted_on_, X[:5])
    pipeline.set_params(augment="passthrough").fit(X, y)
    np.testing.assert_array_equal(pipeline["net"].fitted_on_[0], X)


def test_imblearn_pipeline_adds_copies_in_training_alone():
    X, y = noise(), np.arange(40) % 2
    augmenter = OCTAugmenter(**STRONG, n_copies=2, random_state=0)
    pipeline = ImblearnPipeline([("augment", augmenter), ("net", Recorder())]).fit(X, y)
    recorder = pipeline["net"]
    expected = augmenter.fit_resample(X, y)
    np.testing.assert_array_equal(recorder.fitted_on_[0], expected[0])
    np.testing.assert_array_equal(recorder.fitted_on_[1], expected[1])
    assert len(pipeline.predict(X[:5])) == 5
    np.testing.assert_array_equal(recorder.predicted_on_, X[:5])


def test_imblearn_pipeline_takes_it_as_transformer_too():
    X, y = noise(), np.arange(40) % 2
    augmenter = OCTAugmenter(**STRONG, random_state=0)
    pipeline = ImblearnPipeline([("augment", augmenter), ("net", Recorder())]).fit(X, y)
    np.testing.assert_array_equal(pipeline["net"].fitted_on_[0], augmenter.fit_transform(X))


def test_imblearn_pipeline_varies_rare_classes_alone():
    augmenter = OCTAugmenter(sampling_strategy="not majority", random_state=0)
    pipeline = ImblearnPipeline([("augment", augmenter), ("net", Recorder())])
    pipeline.fit(noise(), Y)
    labels, counts = np.unique(pipeline["net"].fitted_on_[1], return_counts=True)
    assert dict(zip(labels, counts, strict=True)) == {"a": 20, "b": 20, "c": 20}


# --- Data frames -----------------------------------------------------------------------


def frame_of(library, X, **columns):
    """Return images as the data frame of a library, one column a pixel."""
    names = columns.get("names", [f"pixel {i}" for i in range(X[0].size)])
    flat = X.reshape(len(X), -1)
    if library == "pandas":
        return pd.DataFrame(flat, columns=names)
    return pytest.importorskip("polars").DataFrame(flat, schema=names)


def test_names_of_features_are_those_of_the_columns():
    X = noise()
    augmenter = OCTAugmenter().fit(frame_of("pandas", X))
    assert augmenter.get_feature_names_out().tolist() == [f"pixel {i}" for i in range(144)]
    with pytest.raises(
        ValueError, match="input_features is not equal to feature_names_in_"
    ):
        augmenter.get_feature_names_out([f"x{i}" for i in range(144)])
    names = OCTAugmenter().fit(X).get_feature_names_out()
    assert names.tolist() == [f"x{i}" for i in range(144)]
    with pytest.raises(NotFittedError):
        OCTAugmenter().get_feature_names_out()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_pipeline_gives_data_frames_of_flattened_images(library):
    X, y = noise(), np.arange(40) % 2
    frame = frame_of(library, X)
    augmenter = OCTAugmenter(**STRONG, random_state=0)
    pipeline = Pipeline([("augment", augmenter), ("net", Recorder())])
    pipeline.set_output(transform=library).fit(frame, y)
    varied = pipeline["net"].fitted_on_[0]
    assert type(varied) is type(frame)
    assert list(varied.columns) == list(pipeline["augment"].get_feature_names_out())
    expected = OCTAugmenter(**STRONG, random_state=0).fit_transform(X)
    np.testing.assert_array_equal(varied.to_numpy(), expected.reshape(40, -1))
    pipeline.predict(frame[:5])
    assert type(pipeline["net"].predicted_on_) is type(frame)


@pytest.mark.parametrize("X", [noise(), noise()[..., None]], ids=["3-D", "4-D"])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_images_stay_arrays_whatever_the_output(library, X):
    pytest.importorskip(library)
    augmenter = OCTAugmenter(random_state=0)
    expected = augmenter.fit_transform(X)
    with sklearn.config_context(transform_output=library):
        np.testing.assert_array_equal(augmenter.fit_transform(X), expected)
    augmenter.set_output(transform=library)
    np.testing.assert_array_equal(augmenter.fit_transform(X), expected)
    np.testing.assert_array_equal(augmenter.transform(X), X)


@pytest.mark.parametrize("names", [None, range(144)], ids=["text", "numbers"])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_resampled_data_frame_is_one(library, names):
    if names and library == "polars":
        pytest.skip("polars names its columns by text only")
    X, y = noise(), np.arange(40) % 2
    frame = frame_of(library, X, **({"names": list(names)} if names else {}))
    augmenter = OCTAugmenter(n_copies={1: 2}, random_state=0)
    more, labels = augmenter.fit_resample(frame, y)
    assert type(more) is type(frame)
    assert list(more.columns) == list(frame.columns)
    expected, _ = augmenter.fit_resample(X, y)
    np.testing.assert_array_equal(more.to_numpy(), expected.reshape(80, -1))
    assert len(labels) == 80
    # The names that a net has seen in training are those of the images to predict.
    net = SmallOCTNet(filters=(2,), dense_units=(), epochs=1, augmentation=None)
    pipeline = ImblearnPipeline([("augment", augmenter), ("net", net)]).fit(frame, y)
    assert pipeline.predict(frame).shape == (40,)


def test_resampler_has_no_output_to_set():
    augmenter = OCTAugmenter(n_copies=1, random_state=0)
    pipeline = ImblearnPipeline([("augment", augmenter), ("net", Recorder())])
    pipeline.set_output(transform="pandas").fit(noise(), Y)
    assert pipeline["net"].fitted_on_[0].shape == (80, 12, 12)


# --- scikit-learn's suite --------------------------------------------------------------


def vectors_to_images(estimator, X, *, reset):
    """Lay each of the suite's short vectors out as an image of one row."""
    X = validate_data(estimator, X, reset=reset, dtype="numeric")
    unit = 1 / (1 + np.exp(-np.asarray(X, dtype=np.float64)))
    images = check_images(unit[:, None, :])
    estimator.image_shape_ = images.shape[1:]
    return images


# scikit-learn runs these on its own transformers and leaves them out of the suite. They
# mix data frames and arrays on purpose.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_transformer_get_feature_names_out,
        estimator_checks.check_transformer_get_feature_names_out_pandas,
        estimator_checks.check_set_output_transform,
        estimator_checks.check_set_output_transform_pandas,
        estimator_checks.check_global_output_transform_pandas,
        estimator_checks.check_set_output_transform_polars,
        estimator_checks.check_global_set_output_transform_polars,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learn_checks_of_output(check, monkeypatch):
    monkeypatch.setattr(_augmenter, "validate_images", vectors_to_images)
    check("OCTAugmenter", OCTAugmenter(random_state=0))


@parametrize_with_checks([OCTAugmenter(random_state=0)])
def test_scikit_learn_suite(estimator, check, monkeypatch):
    monkeypatch.setattr(_augmenter, "validate_images", vectors_to_images)
    check(estimator)
