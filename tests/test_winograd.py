"""Winograd's convolutions, which only the copy of a network that is trained uses."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import TINY, toy_images

import octsk
from octsk import MediumOCTNet, ResidualOCTNet, SmallOCTNet
from octsk.training import Onlooker, _winograd
from octsk.training._layers import named_layers
from octsk.training._network import compile_network
from octsk.training._winograd import has_fast_convolutions, one_product, winograd

X, y = toy_images(24, side=28)
# The second and third convolution have just enough channels for the faster algorithm.
NET = {**TINY, "filters": (128, 128, 128), "epochs": 2, "batch_size": 8}


def weights(estimator):
    return np.concatenate([w.ravel() for w in estimator.model_.get_weights()])


def bits(estimator):
    variables = estimator.model_.variables + estimator.model_.optimizer.variables
    return [variable.numpy().tobytes() for variable in variables]


def images_and_kernels(n, height, width, channels, filters, dtype="float64"):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, height, width, channels))
    kernel = rng.normal(size=(3, 3, channels, filters)) / np.sqrt(9 * channels)
    dy = rng.normal(size=(n, height - 2, width - 2, filters))
    return [tf.constant(values, dtype) for values in (x, kernel, dy)]


def value_and_gradients(convolve, x, kernel, dy):
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        out = convolve(x, kernel)
    return [out, *tape.gradient(out, [x, kernel], dy)]


@pytest.mark.parametrize(
    ("tile", "n", "height", "width", "channels", "filters", "tolerance"),
    [
        (2, 3, 6, 8, 5, 4, 1e-5),
        (3, 1, 5, 5, 64, 96, 1e-4),
        (3, 4, 8, 5, 7, 2, 1e-4),
        (5, 3, 12, 12, 16, 24, 3e-4),
        (5, 2, 7, 17, 1, 1, 3e-4),
    ],
)
def test_values_and_gradients_are_those_of_a_convolution(
    tile, n, height, width, channels, filters, tolerance
):
    exact = images_and_kernels(n, height, width, channels, filters)
    expected = value_and_gradients(lambda x, k: tf.nn.conv2d(x, k, 1, "VALID"), *exact)
    given = [tf.cast(values, tf.float32) for values in exact]
    found = value_and_gradients(lambda x, k: winograd(x, k, tile), *given)
    assert_near(found, expected, tolerance)
    assert_near(value_and_gradients(one_product, *given), expected, 1e-5)


def test_kernels_are_transformed_in_parts(monkeypatch):
    x, kernel, dy = images_and_kernels(2, 5, 5, 3, 7, dtype="float32")
    whole = value_and_gradients(lambda x, k: winograd(x, k, 3), x, kernel, dy)
    for size in (25 * 3 * 4 * 3, 1):  # three filters, and less than one
        monkeypatch.setattr(_winograd, "_PART_BYTES", size)
        found = value_and_gradients(lambda x, k: winograd(x, k, 3), x, kernel, dy)
        assert_near(found, whole, 1e-5)


def assert_near(found, expected, tolerance):
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == tf.float32
        assert ours.shape == theirs.shape
        scale = float(tf.math.reduce_std(theirs)) or 1.0
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize(
    ("estimator", "side", "expected"),
    [
        (MediumOCTNet(), 28, [("conv2d_1", 5, 10), ("conv2d_2", 3, 3)]),
        (MediumOCTNet(), 64, []),
        (MediumOCTNet(filters=(128, 512, 100)), 28, [("conv2d_1", 5, 10)]),
        (SmallOCTNet(), 28, []),
        (ResidualOCTNet(), 28, []),
    ],
)
def test_layers_that_are_computed_faster(estimator, side, expected):
    images = np.zeros((4, side, side), np.uint8)
    model = estimator.initialize(images, np.arange(4)).model_
    names = {layer: name for name, layer in named_layers(model).items()}
    fast = [(names[layer], *rest) for layer, *rest in _winograd._fast_layers(model)]
    assert fast == expected
    assert has_fast_convolutions(model) == bool(expected)


@pytest.mark.parametrize(
    ("side", "options"),
    [
        (3, {"padding": "same"}),
        (7, {"strides": 2}),
        (7, {"dilation_rate": 2}),
        (5, {"groups": 2}),
        (7, {"kernel_size": 5}),
    ],
)
def test_other_convolutions_stay_as_they_are(side, options):
    layer = keras.layers.Conv2D(128, **{"kernel_size": 3, **options})
    model = keras.Sequential(
        [keras.Input((side, side, 256)), layer, keras.layers.Flatten()]
    )
    assert layer.output.shape[1:3] == (3, 3)
    assert not has_fast_convolutions(model)


def test_a_convolution_that_has_no_symbolic_output_stays_as_it_is():
    class Eager(keras.Sequential):
        def build(self, input_shape=None):
            for layer in self.layers:
                layer.build((None, 5, 5, 256))

    model = Eager([keras.layers.Conv2D(128, 3), keras.layers.Flatten()])
    model.build()
    assert not has_fast_convolutions(model)


def test_the_twin_computes_what_the_network_does():
    clf = MediumOCTNet(**NET).initialize(X, y)
    twin = compile_network(clf, is_twin=True)
    twin.set_weights(clf.model_.get_weights())
    images = X[..., None] / np.float32(255)
    expected = clf.model_(images).numpy()
    found = twin(images).numpy()
    assert not np.array_equal(found, expected)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.std(expected))


def test_bfloat16_rounds_as_much_as_without_the_faster_layers():
    clf = MediumOCTNet(**NET).initialize(X, y)
    images = X[..., None] / np.float32(255)
    exact = clf.model_(images).numpy()

    def error(is_twin):
        twin = compile_network(clf, is_twin=is_twin, reduced=True)
        twin.set_weights(clf.model_.get_weights())
        return np.sqrt(np.mean((twin(images).numpy() - exact) ** 2))

    assert 0 < error(is_twin=True) < 1.5 * error(is_twin=False)


def test_training_differs_by_rounding_only(monkeypatch):
    # Without a network of this kind in the pool: its steps would be the faster ones.
    params = {**NET, "optimizer": keras.optimizers.SGD(0.1), "augmentation": None}
    params |= {"callbacks": keras.callbacks.Callback(), "epochs": 1}
    initial = weights(MediumOCTNet(**params).initialize(X, y))
    fast = MediumOCTNet(**params).fit(X, y)
    monkeypatch.setattr(_winograd, "_TILES", {})
    exact = weights(MediumOCTNet(**params).fit(X, y))
    # Rounding may change which of two nearly equal pixels is the maximum of a pooling.
    difference = np.linalg.norm(weights(fast) - exact)
    assert 0 < difference < 0.05 * np.linalg.norm(exact - initial)
    for layer in fast.model_.layers:
        assert "convolution_op" not in vars(layer)


@pytest.mark.slow
def test_repeated_watched_and_resumed_trainings_are_bit_equal(tmp_path):
    class Ended(Exception):  # noqa: N818
        pass

    class EndAfterFirst(Onlooker):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise Ended

    first = MediumOCTNet(**NET).fit(X, y)
    assert bits(MediumOCTNet(**NET).fit(X, y)) == bits(first)
    watched = MediumOCTNet(**NET, callbacks=keras.callbacks.Callback()).fit(X, y)
    assert bits(watched) == bits(first)
    interrupted = MediumOCTNet(**NET, checkpoint_dir=tmp_path, callbacks=EndAfterFirst())
    with pytest.raises(Ended):
        interrupted.fit(X, y)
    resumed = MediumOCTNet(**NET, checkpoint_dir=tmp_path).fit(X, y)
    assert bits(resumed) == bits(first)


def test_training_goes_on_after_loading_bit_equal(tmp_path):
    clf = MediumOCTNet(**NET).fit(X, y)
    clf.save(tmp_path / "net.octsk")
    loaded = octsk.load(tmp_path / "net.octsk")
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    assert bits(loaded.partial_fit(X, y)) == bits(clf.partial_fit(X, y))
