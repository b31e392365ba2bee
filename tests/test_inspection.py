import keras
import numpy as np
import pytest
from helpers import TINY, toy_images
from keras import layers
from scipy.ndimage import maximum_filter
from scipy.stats import spearmanr
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError

import octsk
from octsk import ExplanationDisplay, architectures, grad_cam, occlusion_sensitivity
from octsk.classifiers import BaseOCTNet
from octsk.inspection._grad_cam import (
    _features,
    _graph,
    _places,
    has_convolutions,
)
from octsk.training._process_checks import seeded_layers

METHODS = [grad_cam, occlusion_sensitivity]
NETS = {
    "small": octsk.SmallOCTNet,
    "medium": octsk.MediumOCTNet,
    "residual": octsk.ResidualOCTNet,
}


@pytest.fixture(scope="module")
def tiny():
    X, y = toy_images()
    return octsk.SmallOCTNet(**TINY).fit(X, y), X, y


@pytest.fixture(scope="module")
def phantoms():
    train = octsk.make_oct_phantoms(2000, random_state=0)
    return train, octsk.make_oct_phantoms(120, random_state=1)


@pytest.fixture(scope="module")
def two_trainings(phantoms):
    train, _ = phantoms
    nets = [octsk.SmallOCTNet(augmentation=None, random_state=seed) for seed in (0, 1)]
    return [net.fit(train.data, train.target) for net in nets]


def lesions(net, scans):
    """Images with a lesion that the net names rightly, their classes and lesion masks."""
    named = net.predict(scans.data) == scans.target
    seen = named & scans.lesion_mask.any(axis=(1, 2))
    return scans.data[seen], scans.target[seen], scans.lesion_mask[seen]


def rank_correlation(maps, others):
    """Mean rank correlation of maps, those left out that are the same all over."""
    pairs = zip(maps, others, strict=True)
    uneven = [(a.ravel(), b.ravel()) for a, b in pairs if np.ptp(a) and np.ptp(b)]
    return np.mean([spearmanr(a, b)[0] for a, b in uneven])


def pointing(maps, masks):
    """Share of maps whose greatest pixel is within a pixel of the lesion; by chance."""
    near = maximum_filter(masks, size=(1, 3, 3)).reshape(len(masks), -1)
    greatest = maps.reshape(len(maps), -1).argmax(axis=1)
    return near[np.arange(len(near)), greatest].mean(), near.mean()


def inside(maps, masks):
    """Mean of the maps in lesions over that outside; 1 by chance."""
    maps = np.maximum(maps, 0)
    return maps[masks].mean() / maps[~masks].mean()


# -- do they explain? -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("explain", METHODS)
def test_maps_point_at_lesions(explain, two_trainings, phantoms):
    for net in two_trainings:
        X, y, masks = lesions(net, phantoms[1])
        maps = explain(net, X, target=y)
        hits, chance = pointing(maps, masks)
        # Measured over four seeds: Grad-CAM 0.29 to 0.40, occlusion 0.38 to 0.59; chance
        # 0.07 and 0.08.
        assert hits > 3 * chance
        assert inside(maps, masks) > 1.7


@pytest.mark.slow
@pytest.mark.parametrize("explain", METHODS)
def test_maps_change_when_the_weights_are_randomised(explain, two_trainings, phantoms):
    """The sanity check of Adebayo et al. 2018, by rank correlation.

    Maps of random weights must be much less alike those of the trained net than those of
    another training are: what two trainings have in common is what was learned.
    """
    net, another = two_trainings
    train, test = phantoms
    X, y = test.data[:20], test.target[:20]
    maps = explain(net, X, target=y)
    trained = rank_correlation(maps, explain(another, X, target=y))
    untrained = [
        octsk.SmallOCTNet(random_state=seed).initialize(train.data, train.target)
        for seed in (10, 11, 12)
    ]
    randomised = [rank_correlation(maps, explain(n, X, target=y)) for n in untrained]
    # Measured: 0.64 against 0.16 (Grad-CAM), 0.74 against 0 (occlusion).
    assert trained > 0.4
    assert np.mean(randomised) < trained - 0.3


@pytest.mark.slow
@pytest.mark.parametrize("explain", METHODS)
def test_maps_of_classes_differ(explain, two_trainings, phantoms):
    net, X = two_trainings[0], phantoms[1].data[:12]
    maps = [explain(net, X, target=k) for k in range(4)]
    assert rank_correlation(maps[1], maps[3]) < 0.3


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("small", 0.2), ("residual", 0.45)])
def test_figures_of_the_user_guide(name, least):
    train = octsk.make_oct_phantoms(4000, random_state=0)
    net = NETS[name](epochs=6, augmentation=None, random_state=0)
    net.fit(train.data, train.target)
    X, y, masks = lesions(net, octsk.make_oct_phantoms(400, random_state=1))
    hits, chance = pointing(grad_cam(net, X, target=y), masks)
    assert hits > max(least, 3 * chance)
    # Of the residual net as many as the guide says, for it takes its time.
    some = slice(100 if name == "residual" else None)
    maps = occlusion_sensitivity(net, X[some], target=y[some])
    hits, chance = pointing(maps, masks[some])
    assert hits > 0.5
    assert inside(maps, masks[some]) > 4


# -- occlusion --------------------------------------------------------------------------


def test_occlusion_is_the_fall_of_the_probability(tiny):
    net, X, _ = tiny
    [map_] = occlusion_sensitivity(net, X[:1], target=1, patch_size=4, stride=4)
    covered = X[:1].copy()
    covered[0, 4:8, 8:12] = 0
    fall = net.predict_proba(X[:1])[0, 1] - net.predict_proba(covered)[0, 1]
    np.testing.assert_allclose(map_[4:8, 8:12], fall, atol=1e-6)


def test_occlusion_covers_every_pixel(tiny):
    net, X, _ = tiny
    for patch_size, stride in [(5, 5), (5, 2), (12, 1), (1, 1)]:
        maps = occlusion_sensitivity(net, X[:2], patch_size=patch_size, stride=stride)
        assert maps.shape == (2, 12, 12)
        assert np.isfinite(maps).all()


@pytest.mark.parametrize(
    ("sizes", "error", "message"),
    [
        ({"patch_size": 13}, ValueError, "patch_size == 13, must be <= 12"),
        ({"patch_size": 0}, ValueError, "patch_size == 0, must be >= 1"),
        ({"patch_size": 4, "stride": 5}, ValueError, "stride == 5, must be <= 4"),
        ({"stride": 1.5}, TypeError, "stride must be an instance of int"),
    ],
)
def test_occlusion_refuses_sizes_that_do_not_fit(tiny, sizes, error, message):
    net, X, _ = tiny
    with pytest.raises(error, match=message):
        occlusion_sensitivity(net, X, **sizes)


# -- Grad-CAM ---------------------------------------------------------------------------


def test_grad_cam_of_a_linear_net_is_its_class_maps():
    """With a mean over places before the logits, Grad-CAM is the CAM of Zhou et al."""

    def architecture(input_shape, n_classes, **_):
        image = keras.Input(input_shape)
        x = layers.Conv2D(6, 3, padding="same", activation="relu", name="last")(image)
        x = layers.GlobalAveragePooling2D()(x)
        return keras.Model(image, layers.Dense(n_classes)(x))

    class Linear(BaseOCTNet, architecture=architecture):
        pass

    X, y = toy_images()
    net = Linear(random_state=0).initialize(X, y)
    features = keras.Model(net.model_.inputs, net.model_.get_layer("last").output)
    weights = net.model_.layers[-1].kernel.numpy()[:, 2]
    expected = features.predict(X[:5, ..., None] / 255, verbose=0) @ weights / 144
    np.testing.assert_allclose(
        grad_cam(net, X[:5], target=2), np.maximum(expected, 0), atol=1e-6
    )


@pytest.mark.parametrize("name", NETS)
def test_cells_lie_where_they_look(name):
    """A cell's gradient with respect to the image has its middle where the cell lies."""
    tf = pytest.importorskip("tensorflow")
    with seeded_layers(0):
        model = getattr(architectures, name)((33, 28, 1), 4)
    graph = _graph(model)
    features = _features(graph, None)
    places = _places(graph, features)
    part = keras.Model(model.inputs, features)
    # The mean over random images, for one alone has its own bright places.
    batch = tf.constant(np.random.default_rng(0).random((40, 33, 28, 1)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(batch)
        row, column = (n // 2 for n in features.shape[1:3])
        cell = tf.reduce_sum(part(batch)[:, row, column])
    gradient = np.abs(tape.gradient(cell, batch).numpy()).sum(axis=(0, 3))
    gradient /= gradient.sum()
    middle = gradient.sum(axis=1) @ np.arange(33), gradient.sum(axis=0) @ np.arange(28)
    expected = [
        first + step * k for (first, step), k in zip(places, (row, column), strict=True)
    ]
    # The ways through two blocks that halve the image, by the convolutions and by the
    # means, differ by 1.5 pixels in all.
    np.testing.assert_allclose(middle, expected, atol=1.5 if name == "residual" else 0.3)


def test_small_sees_less_of_the_border():
    graph = _graph(architectures.small((28, 28, 1), 4))
    # The 11 cells of the second convolution look at pixels 0 to 7, 2 to 9, ... 20 to 27.
    assert _places(graph, _features(graph, None)) == [(3.5, 2), (3.5, 2)]


def test_the_features_of_a_residual_net_are_those_behind_the_last_sum():
    model = architectures.residual((28, 28, 1), 4)
    features = _features(_graph(model), None)
    assert features is model.layers[-2].input
    assert features.shape[1:3] == (7, 7)


def test_a_layer_can_be_chosen(tiny):
    _, X, y = tiny
    net = octsk.SmallOCTNet(**TINY | {"filters": (4, 4)}).initialize(X, y)
    first, _, last, *_ = net.model_.layers
    maps = grad_cam(net, X, layer=first.name)
    assert maps.shape == X.shape
    assert not np.allclose(maps, grad_cam(net, X))
    np.testing.assert_allclose(grad_cam(net, X, layer=last.name), grad_cam(net, X))
    with pytest.raises(ValueError, match=f"layer must name one of .*{first.name}.*'x'"):
        grad_cam(net, X, layer="x")


def test_a_net_without_convolution_is_refused(tiny):
    def architecture(input_shape, n_classes, **_):
        stack = [keras.Input(input_shape), layers.Flatten(), layers.Dense(n_classes)]
        return keras.Sequential(stack)

    class Dense(BaseOCTNet, architecture=architecture):
        pass

    _, X, y = tiny
    net = Dense(random_state=0).initialize(X, y)
    with pytest.raises(ValueError, match="needs a network with a convolution"):
        grad_cam(net, X)
    assert occlusion_sensitivity(net, X[:2]).shape == (2, 12, 12)
    # So that a page shows the one and not the other.
    assert not has_convolutions(net)
    assert has_convolutions(tiny[0])


# -- what both take ---------------------------------------------------------------------


@pytest.mark.parametrize("explain", METHODS)
def test_the_class_is_given_by_label_and_is_the_predicted_one_by_default(explain, tiny):
    _, X, y = tiny
    labels = np.array(["CNV", "DME", "normal"])
    net = octsk.SmallOCTNet(**TINY).initialize(X, labels[y])
    default = explain(net, X[:9])
    np.testing.assert_array_equal(default, explain(net, X[:9], target=net.predict(X[:9])))
    one = explain(net, X[:9], target="DME")
    np.testing.assert_array_equal(one, explain(net, X[:9], target=["DME"] * 9))
    each = explain(net, X[:2], target=["DME", "normal"])
    np.testing.assert_allclose(each[0], one[0], atol=1e-6)
    with pytest.raises(ValueError, match=r"target contains labels .*'drusen'"):
        explain(net, X[:9], target="drusen")
    with pytest.raises(ValueError, match="must hold one class for each of 9 images, got 2"):
        explain(net, X[:9], target=["DME", "CNV"])


@pytest.mark.parametrize("explain", METHODS)
@pytest.mark.parametrize(
    ("shape", "net"),
    [
        ((12, 12, 3), octsk.SmallOCTNet),
        ((64, 64), octsk.SmallOCTNet),
        ((16, 12), octsk.ResidualOCTNet),
    ],
)
def test_images_of_other_shapes_and_two_classes(explain, shape, net):
    rng = np.random.default_rng(0)
    X, y = rng.random((16, *shape)), np.arange(16) % 2
    net = net(filters=(4, 4), random_state=0).initialize(X, y)
    maps = explain(net, X[:3])
    assert maps.shape == (3, *shape[:2])
    assert maps.dtype == np.float32
    np.testing.assert_allclose(explain(net, X[:3].reshape(3, -1)), maps, atol=1e-6)


@pytest.mark.parametrize("explain", METHODS)
def test_more_images_than_fit_into_memory_at_a_time(explain, tiny):
    net, X, y = tiny
    many = np.concatenate([X] * 3)
    maps = explain(net, many, target=np.tile(y, 3))
    np.testing.assert_allclose(maps[120:], explain(net, X, target=y), atol=1e-5)


@pytest.mark.parametrize("explain", METHODS)
def test_what_cannot_be_explained_is_refused(explain, tiny):
    net, X, _ = tiny
    with pytest.raises(NotFittedError):
        explain(octsk.SmallOCTNet(), X)
    with pytest.raises(TypeError, match="estimator must be a network of octsk, got Dummy"):
        explain(DummyClassifier(), X)
    with pytest.raises(ValueError, match="12 x 12"):
        explain(net, X[:, :10])


@pytest.mark.parametrize("explain", METHODS)
def test_test_time_augmentation_and_class_prior_decide_what_is_explained(explain, tiny):
    net, X, _ = tiny
    before = net.get_params()
    try:
        net.set_params(class_prior=[1e-6, 1e-6, 1 - 2e-6], test_time_augmentation=True)
        assert set(net.predict(X[:6])) == {2}
        np.testing.assert_array_equal(explain(net, X[:6]), explain(net, X[:6], target=2))
    finally:
        net.set_params(**before)


# -- the display ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["grad_cam", "occlusion"])
def test_display_shows_images_and_maps(method, tiny):
    net, X, y = tiny
    display = ExplanationDisplay.from_estimator(
        net, X[:3], y[:3], method=method, class_names=["a", "b", "c"]
    )
    above, below = display.ax_
    for k in range(3):
        np.testing.assert_allclose(above[k].images[0].get_array() * 255, X[k])
        assert above[k].get_title().startswith(f"true: {'abc'[y[k]]}\npredicted: ")
        np.testing.assert_array_equal(below[k].images[1].get_array(), display.maps[k])
    scales = {axes.images[1].get_clim() for axes in below}
    assert scales == {(display.colorbar_.vmin, display.colorbar_.vmax)}
    if method == "grad_cam":
        assert set(display.maps.max(axis=(1, 2)).round(5)) <= {0, 1}
    else:
        assert display.colorbar_.vmin == -display.colorbar_.vmax


def test_display_shows_colour_images_in_grey():
    rng = np.random.default_rng(0)
    X, y = rng.random((8, 12, 12, 3)), np.arange(8) % 2
    net = octsk.SmallOCTNet(**TINY).initialize(X, y)
    display = ExplanationDisplay.from_estimator(net, X[:2])
    np.testing.assert_allclose(display.ax_[0, 0].images[0].get_array(), X[0].mean(axis=2))


def test_display_refuses_other_methods(tiny):
    net, X, _ = tiny
    with pytest.raises(ValueError, match=r"one of \['grad_cam', 'occlusion'\], got 'x'"):
        ExplanationDisplay.from_estimator(net, X, method="x")
