import subprocess
import sys

import keras
import numpy as np
import pytest

from octsk import architectures
from octsk.architectures import (
    FillWhiteCorners,
    FusedBatchNormalization,
    large,
    medium,
    residual,
    small,
)
from octsk.training._checkpoint import describe_network

# Layer for layer as the report prints them: kind and parameters.
SMALL = [
    ("Conv2D", 320),
    ("MaxPooling2D", 0),
    ("Conv2D", 9_248),
    ("Flatten", 0),
    ("Dense", 247_872),
    ("Dense", 260),
]
MEDIUM = [
    ("Conv2D", 1_280),
    ("MaxPooling2D", 0),
    ("Conv2D", 590_336),
    ("MaxPooling2D", 0),
    ("Conv2D", 4_719_616),
    ("Flatten", 0),
    ("Dense", 2_359_552),
    ("Dense", 32_896),
    ("Dense", 516),
]
CONVOLUTIONS = sum(n for kind, n in MEDIUM if kind == "Conv2D")


@pytest.fixture(scope="module", params=["small", "medium", "large"])
def report_net(request):
    return request.param, getattr(architectures, request.param)((28, 28, 1), 4)


def test_layers_and_parameters_of_the_report(report_net):
    name, model = report_net
    expected, total = {
        "small": (SMALL, 257_700),
        "medium": (MEDIUM, 7_704_196),
        "large": (MEDIUM, 7_704_196),
    }[name]
    assert [(type(x).__name__, x.count_params()) for x in model.layers] == expected
    assert model.count_params() == total


def test_report_net_in_detail(report_net):
    _, model = report_net
    by_kind = {kind: [] for kind in ("Conv2D", "MaxPooling2D", "Dense", "Flatten")}
    for layer in model.layers:
        by_kind[type(layer).__name__].append(layer)
    for conv in by_kind["Conv2D"]:
        assert (conv.kernel_size, conv.strides, conv.padding) == ((3, 3), (1, 1), "valid")
        assert conv.activation.__name__ == "relu"
    for pool in by_kind["MaxPooling2D"]:
        assert (pool.pool_size, pool.strides, pool.padding) == ((2, 2), (2, 2), "valid")
    *hidden, logits = by_kind["Dense"]
    assert {dense.activation.__name__ for dense in hidden} == {"relu"}
    # Logits: the loss takes the softmax.
    assert logits.activation.__name__ == "linear"


def test_input_shape_is_declared(report_net):
    _, model = report_net
    assert model.built
    assert model.input_shape == (None, 28, 28, 1)
    assert model.output_shape == (None, 4)


def test_gives_logits():
    model = small((8, 8, 1), 3, filters=(4,), dense_units=())
    *_, bias = model.get_weights()
    model.layers[-1].bias.assign([-5.0, 0.0, 7.0])
    black = np.zeros((2, 8, 8, 1), np.float32)
    np.testing.assert_allclose(model(black), [[-5, 0, 7]] * 2)
    assert bias.shape == (3,)


@pytest.mark.parametrize(
    ("build", "input_shape", "n_classes", "arguments", "parameters"),
    [
        # 64 -> conv 62 -> pool 31 -> conv 29
        (small, (64, 64, 1), 4, {}, 320 + 9_248 + (29 * 29 * 32 + 1) * 64 + 65 * 4),
        (small, (28, 28, 3), 4, {}, 257_700 + 2 * 9 * 32),
        (small, (28, 28, 1), 2, {}, 257_700 - 2 * 65),
        # Neither square nor even: 20 x 31 -> 18 x 29 -> 9 x 14 -> 7 x 12
        (small, (20, 31, 1), 4, {}, 320 + 9_248 + (7 * 12 * 32 + 1) * 64 + 65 * 4),
        (small, (9, 9, 1), 2, dict(filters=(5,), dense_units=()), 50 + 2 * (7 * 7 * 5 + 1)),
        (
            medium,
            (28, 28, 1),
            4,
            dict(filters=(8, 16), dense_units=(10, 6, 5)),
            80 + (8 * 9 + 1) * 16 + (11 * 11 * 16 + 1) * 10 + 11 * 6 + 7 * 5 + 6 * 4,
        ),
        (large, (28, 28, 1), 4, dict(dense_units=[64]), CONVOLUTIONS + 9_217 * 64 + 260),
        # 64 -> 62 -> 31 -> 29 -> 14 -> 12
        (
            medium,
            (64, 64, 3),
            4,
            dict(dense_units=(2,)),
            CONVOLUTIONS + 2 * 9 * 128 + (12 * 12 * 1024 + 1) * 2 + 3 * 4,
        ),
    ],
)
def test_parameters_of_other_shapes_and_sizes(
    build, input_shape, n_classes, arguments, parameters
):
    model = build(input_shape, n_classes, **arguments)
    assert model.count_params() == parameters
    assert model.input_shape == (None, *input_shape)
    assert model.output_shape == (None, n_classes)


def test_dropout_follows_each_hidden_dense_layer():
    layers = medium((28, 28, 1), 4, filters=(4,), dense_units=(8, 4), dropout=0.25).layers
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds[-5:] == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert kinds.count("Dropout") == 2
    assert layers[-2].rate == layers[-4].rate == 0.25


@pytest.mark.parametrize("n_convolutions", [1, 2, 3, 4])
def test_smallest_image(n_convolutions):
    filters = (2,) * n_convolutions
    side = {1: 3, 2: 8, 3: 18, 4: 38}[n_convolutions]
    assert small((side, side + 1, 1), 2, filters=filters).built
    for shape in [(side - 1, 50, 1), (50, side - 1, 1)]:
        with pytest.raises(ValueError, match=f"at least {side} x {side} are needed"):
            small(shape, 2, filters=filters)


@pytest.mark.parametrize("name", ["filters", "dense_units"])
@pytest.mark.parametrize("sizes", [(0,), (8, -1), (2.5,), ("8",), (None,)])
def test_sizes_that_are_none(name, sizes):
    with pytest.raises(ValueError, match=f"{name} must be positive integers, got"):
        small((12, 12, 1), 2, **{name: sizes})


def test_input_shape_without_channels():
    with pytest.raises(ValueError, match=r"input_shape must be .*channels.*got \(28, 28\)"):
        small((28, 28), 4)


def test_numpy_numbers_as_sizes():
    # As a search draws them; Keras could not write them into a file.
    model = small((12, 12, 1), 2, filters=np.array([4]), dense_units=np.array([3, 2]))
    assert (
        model.count_params()
        == small((12, 12, 1), 2, filters=(4,), dense_units=(3, 2)).count_params()
    )
    assert '"filters": 4' in model.to_json()


@pytest.mark.parametrize("training", [False, True])
def test_fused_batch_normalization_is_keras_s(training):
    ours = FusedBatchNormalization(momentum=0.9)
    theirs = keras.layers.BatchNormalization(momentum=0.9)
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (64, 5, 5, 4)).astype(np.float32)
    weights = [rng.uniform(0.5, 2, 4) for _ in range(4)]
    outputs = []
    for layer in (ours, theirs):
        layer.build(x.shape)
        layer.set_weights(weights)
        outputs.append(layer(x, training=training).numpy())
    np.testing.assert_allclose(*outputs, atol=1e-5)
    # The moving variance is of the population here, of the batch there.
    for own, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-3)


def with_corner(channels=1):
    """A scan of values up to 0.6, and the same one with a white triangle above it."""
    rng = np.random.default_rng(0)
    scan = rng.uniform(0.1, 0.6, (20, 16, channels)).astype(np.float32)
    row, column = np.ogrid[:20, :16]
    turned = scan.copy()
    turned[row + column < 8] = 1
    turned[row + column == 8] = 0.8  # mixed by resizing
    return scan, turned


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("turn", [(1, 1), (-1, 1), (1, -1), (-1, -1)], ids=str)
def test_white_corners_are_filled(channels, turn):
    _, turned = with_corner(channels)
    filled = FillWhiteCorners()(turned[None])[0].numpy()
    assert filled.max() < 0.7
    far = np.add.outer(np.arange(20), np.arange(16)) > 10
    np.testing.assert_array_equal(filled[far], turned[far])
    assert (filled[0, :8] == turned.min()).all()
    flipped = turned[:: turn[0], :: turn[1]]
    again = FillWhiteCorners()(flipped[None])[0].numpy()
    np.testing.assert_array_equal(again, filled[:: turn[0], :: turn[1]])


def test_bright_pixels_that_are_no_corners_stay():
    scan, _ = with_corner()
    scan[5:8] = 1  # a bright layer of the retina
    scan[0, 3] = scan[-1, 4] = 0.9  # bright, but not white
    scan[:9, 8:11] = 1  # white from the first row on, but between darker columns
    np.testing.assert_array_equal(FillWhiteCorners()(scan[None])[0], scan)
    white = np.ones((1, 20, 16, 1), np.float32)
    np.testing.assert_array_equal(FillWhiteCorners()(white), white)


@pytest.mark.parametrize("shape", [(1, 2, 1), (7, 28, 1), (28, 7, 3)])
def test_tiny_images_have_no_corners(shape):
    layers = residual(shape, 2, filters=(4,)).layers
    assert not any(isinstance(layer, FillWhiteCorners) for layer in layers)


def test_residual_network_ignores_white_corners():
    scan, _ = with_corner()
    scan[:11, :11] = 0.1  # the darkest value
    turned = scan.copy()
    turned[np.add.outer(np.arange(20), np.arange(16)) < 6] = 1
    logits = residual(scan.shape, 3, filters=(4, 8))(np.stack([scan, turned])).numpy()
    np.testing.assert_allclose(logits[1], logits[0], atol=1e-5)


@pytest.mark.parametrize("name", ["small", "medium", "large", "residual"])
def test_networks_do_not_depend_on_keras_s_settings(name):
    config = keras.config
    before = config.floatx(), config.image_data_format(), config.dtype_policy()
    arguments = dict(filters=(4, 8), dense_units=(8,), dropout=0.1)
    plain = getattr(architectures, name)((12, 16, 1), 3, **arguments)
    try:
        config.set_floatx("float16")
        config.set_image_data_format("channels_first")
        config.set_dtype_policy("mixed_bfloat16")
        other = getattr(architectures, name)((12, 16, 1), 3, **arguments)
        x = np.linspace(0, 1, 2 * 12 * 16, dtype=np.float32).reshape(2, 12, 16, 1)
        other.set_weights(plain.get_weights())
        np.testing.assert_array_equal(other(x), plain(x))
    finally:
        config.set_floatx(before[0])
        config.set_image_data_format(before[1])
        config.set_dtype_policy(before[2])
    assert describe_network(other) == describe_network(plain)
    assert {layer.compute_dtype for layer in other.layers} == {"float32"}
    assert other.dtype_policy.name == "float32"


# --- Size of the images ----------------------------------------------------------------


def multiply_adds(model):
    total = 0
    for layer in model.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            positions = np.prod(layer.output.shape[1:-1], dtype=int)
            total += positions * np.prod(layer.kernel.shape)
    return total


def last_maps(model):
    (pooling,) = (x for x in model.layers if type(x).__name__ == "GlobalAveragePooling2D")
    return pooling.input.shape[1:]


@pytest.mark.parametrize(
    ("side", "parameters", "millions", "maps"),
    [
        (28, 604_580, 51.6, 7),
        (55, 604_580, 204.3, 14),
        (56, 917_412, 221.7, 7),
        (64, 917_412, 289.5, 8),
        (128, 917_412, 289.5, 8),
        (224, 917_412, 224.4, 7),
        (448, 917_412, 235.2, 7),
    ],
)
def test_residual_network_follows_the_size_of_the_images(side, parameters, millions, maps):
    for shape in ((side, side, 1), (side, side + 1, 1)):
        model = residual(shape, 4)
        assert model.count_params() == parameters
        assert last_maps(model)[::2] == (maps, 128)
    assert multiply_adds(residual((side, side, 1), 4)) / 1e6 == pytest.approx(
        millions, abs=0.1
    )
    # The shorter side counts.
    assert residual((28, side, 1), 4).count_params() == 604_580


def test_weights_of_small_images_fit_networks_for_larger_ones():
    source = residual((8, 8, 1), 4, filters=(2, 4))
    for side in (64, 224):
        target = residual((side, side, 1), 4, filters=(2, 4))
        convolutions = [
            [x.kernel.shape for x in model.layers if isinstance(x, keras.layers.Conv2D)]
            for model in (source, target)
        ]
        assert convolutions[1][: len(convolutions[0])] == convolutions[0]
        assert len(convolutions[1]) == len(convolutions[0]) + 3  # one block


@pytest.mark.slow
def test_two_batches_of_224_pixels_fit_in_memory():
    # In a process of its own, whose peak is that of the fit.
    code = """
import resource
import numpy as np
from octsk import ResidualOCTNet
X = np.random.default_rng(0).integers(0, 256, (64, 224, 224), dtype=np.uint8)
ResidualOCTNet(epochs=1, batch_size=32).fit(X, np.arange(64) % 4)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 3e6  # kB
