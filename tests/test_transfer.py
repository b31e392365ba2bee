"""Networks that start from others, frozen layers, and features for other estimators."""

import pickle

import keras
import numpy as np
import pytest
from helpers import TINY, toy_images
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import octsk
from octsk import MediumOCTNet, OCTSearchCV, ResidualOCTNet, SmallOCTNet
from octsk.benchmark import record
from octsk.classifiers import BaseOCTNet, describe_source
from octsk.evaluation.params import resolved_params

X, y = toy_images()
RESIDUAL = dict(filters=(4, 8), epochs=1, random_state=0)


def net(**params):
    return SmallOCTNet(**{**TINY, "augmentation": None, **params})


@pytest.fixture(scope="module")
def source():
    """A fitted network; not to be changed."""
    return net(random_state=7).fit(X, y)


@pytest.fixture(scope="module")
def residual():
    """A fitted residual network; not to be changed."""
    return ResidualOCTNet(**{**RESIDUAL, "random_state": 7}).fit(X, y)


@pytest.fixture(scope="module")
def saved(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "source.octsk"
    source.save(path)
    return path


def weights(clf):
    return clf.model_.get_weights()


def same(ours, theirs):
    return [np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True)]


# --- init_from --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["network", "path", "text"])
def test_network_starts_from_all_weights(kind, source, saved):
    given = {"network": source, "path": saved, "text": str(saved)}[kind]
    clf = net(init_from=given).initialize(X, y)
    assert all(same(weights(clf), weights(source)))
    assert clf.n_weights_transferred_ == source.model_.count_params()
    assert net().initialize(X, y).n_weights_transferred_ == 0
    # partial_fit goes on from its own weights.
    before = weights(clf)
    clf.partial_fit(X, y)
    assert not any(same(weights(clf), before))


def test_weights_that_do_not_fit_are_new(source):
    fresh = net().initialize(X, y == 1)
    clf = net(init_from=source).initialize(X, y == 1)
    assert same(weights(clf), weights(source)[:4] + weights(fresh)[4:]) == [True] * 6
    assert clf.n_weights_transferred_ == clf.model_.count_params() - (8 * 2 + 2)
    colour = net(init_from=source).initialize(np.stack([X] * 3, axis=-1), y)
    assert same(weights(colour), weights(source))[2:] == [True] * 4
    assert colour.n_weights_transferred_ == source.model_.count_params() - (9 * 4 + 4)


def test_images_of_another_size(residual):
    larger, labels = toy_images(side=20)
    clf = ResidualOCTNet(**RESIDUAL, init_from=residual).initialize(larger, labels)
    assert all(same(weights(clf), weights(residual)))
    # Small's dense layer depends on the size, its convolution does not.
    small = net(init_from=net().fit(X, y)).initialize(larger, labels)
    assert small.n_weights_transferred_ == (9 * 4 + 4) + (8 * 3 + 3)


def test_names_of_layers_do_not_depend_on_earlier_networks(source):
    for _ in range(3):
        keras.layers.Conv2D(1, 3)
    clf = net(init_from=source, freeze=["conv2d", "dense_1"]).initialize(X, y)
    assert [layer.name for layer in clf.model_.layers if not layer.trainable]
    assert clf.n_weights_transferred_ == source.model_.count_params()


def test_deeper_network_starts_from_the_layers_that_fit(residual):
    deeper = ResidualOCTNet(**{**RESIDUAL, "filters": (4, 8, 16)}, init_from=residual)
    deeper.initialize(X, y)
    # All but the head, which has other features.
    n = sum(w.size for w in weights(residual)[:-2])
    assert deeper.n_weights_transferred_ == n


def test_verbose_network_says_what_was_transferred(source, saved, capsys):
    net(init_from=saved, verbose=2).initialize(X, y == 1)
    total = net().initialize(X, y == 1).model_.count_params()
    text = f"{total - 18:,} of {total:,} weights were transferred from the SmallOCTNet in"
    assert text in capsys.readouterr().out
    net(init_from=source).initialize(X, y)
    assert capsys.readouterr().out == ""


def test_same_seed_gives_the_same_network(source):
    one, two = (net(init_from=source).fit(X, y) for _ in range(2))
    assert all(same(weights(one), weights(two)))


def test_network_of_which_nothing_fits(residual, source):
    with pytest.raises(
        ValueError, match=r"init_from: no layer of the given ResidualOCTNet"
    ):
        net(init_from=residual).fit(X, y == 1)
    with pytest.raises(
        ValueError, match=r"no layer of the given SmallOCTNet.*same `filters`"
    ):
        net(init_from=source, filters=(5,), dense_units=(9,)).fit(X, y)


def test_medium_starts_from_large(source):
    shape = dict(filters=(4,), dense_units=(8,), epochs=1)
    assert MediumOCTNet(**shape, init_from=source).initialize(X, y).n_weights_transferred_


def test_files_that_are_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"init_from: .*none\.octsk"):
        net(init_from=tmp_path / "none.octsk").fit(X, y)
    with pytest.raises(IsADirectoryError, match="init_from"):
        net(init_from=tmp_path).fit(X, y)
    (tmp_path / "text.octsk").write_text("no model")
    with pytest.raises(ValueError, match=r"init_from: .*text\.octsk' cannot be loaded"):
        net(init_from=str(tmp_path / "text.octsk")).fit(X, y)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (3, ValueError, r"init_from must be None, the path of a saved network.*; got 3\."),
        (SmallOCTNet, ValueError, "init_from must be None"),
        (LogisticRegression(), ValueError, r"got LogisticRegression\(\)"),
        (net(), NotFittedError, "init_from: this SmallOCTNet instance is not fitted yet"),
    ],
)
def test_other_values_of_init_from(given, error, words):
    with pytest.raises(error, match=words):
        net(init_from=given).fit(X, y)


def test_network_cannot_start_from_itself():
    clf = net().fit(X, y)
    clf.set_params(init_from=clf)
    with pytest.raises(ValueError, match="init_from is this network itself"):
        clf.fit(X, y)


def test_failed_start_leaves_the_fitted_network(source):
    clf = net(random_state=3).fit(X, y)
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match="init_from must be"):
        clf.set_params(init_from=3).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_network_of_an_unregistered_class(tmp_path):
    def architecture(input_shape, n_classes, **_):
        return keras.Sequential(
            [
                keras.Input(input_shape),
                keras.layers.Flatten(),
                keras.layers.Dense(n_classes, name="head"),
            ]
        )

    class Gone(BaseOCTNet, architecture=architecture, defaults=dict(epochs=1)):
        pass

    first = Gone().fit(X, y)
    first.save(tmp_path / "gone.octsk")
    again = Gone(init_from=tmp_path / "gone.octsk").initialize(X, y)
    assert all(same(weights(again), weights(first)))


# --- As a parameter ---------------------------------------------------------------------


def test_clones_share_the_fitted_source(source):
    clf = net(init_from=source, freeze="features")
    other = clone(make_pipeline(clf))[-1]
    assert other.init_from is source
    assert other.freeze == "features"
    assert clone(net(init_from="a.octsk")).init_from == "a.octsk"
    assert pickle.loads(pickle.dumps(clf)).initialize(X, y).n_weights_transferred_


def test_parameters_of_the_source_are_no_parameters(source):
    clf = net(init_from=source)
    assert not [name for name in clf.get_params() if name.startswith("init_from__")]
    assert clf.get_params()["init_from"] is source
    with pytest.raises(ValueError, match="init_from is SmallOCTNet"):
        clf.set_params(init_from__epochs=3)
    assert source.epochs == 1


def test_grid_search_over_sources_and_frozen_layers(source):
    grid = {"init_from": [None, FrozenEstimator(source)], "freeze": [None, "features"]}
    search = GridSearchCV(net(), grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    params = {"init_from": [FrozenEstimator(source)]}
    best = GridSearchCV(net(), params, cv=2).fit(X, y).best_estimator_
    assert best.n_weights_transferred_ == source.model_.count_params()
    with pytest.raises(
        ValueError, match=r"pass sklearn\.frozen\.FrozenEstimator\(network\)"
    ):
        GridSearchCV(net(), {"init_from": [source]}, cv=2).fit(X, y)


def test_saved_network_does_not_need_its_source(source, tmp_path):
    source.save(tmp_path / "source.octsk")
    clf = net(init_from=tmp_path / "source.octsk", freeze="features").fit(X, y)
    clf.save(tmp_path / "net.octsk")
    (tmp_path / "source.octsk").unlink()
    loaded = octsk.load(tmp_path / "net.octsk")
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    assert loaded.n_weights_transferred_ == clf.n_weights_transferred_
    assert (loaded.init_from, loaded.freeze) == (None, "features")
    loaded.partial_fit(X, y)
    assert same(weights(loaded), weights(source)) == [True] * 4 + [False] * 2
    net(init_from=source).fit(X, y).save(tmp_path / "net.octsk")  # no warning


def test_checkpoint_belongs_to_the_weights_of_the_source(source, tmp_path):
    def fit(init_from):
        params = dict(init_from=init_from, checkpoint_dir=tmp_path / "checkpoints")
        return net(**params).fit(X, y)

    first = fit(source)
    source.save(tmp_path / "a.octsk")
    assert all(same(weights(fit(tmp_path / "a.octsk")), weights(first)))
    assert len(list((tmp_path / "checkpoints").glob("*.npz"))) == 1
    net(random_state=9).fit(X, y).save(tmp_path / "a.octsk")
    assert not any(same(weights(fit(tmp_path / "a.octsk")), weights(first)))
    assert len(list((tmp_path / "checkpoints").glob("*.npz"))) == 2


def test_sources_are_told_apart_by_their_contents(source, saved, tmp_path):
    other = net(random_state=9).fit(X, y)
    assert describe_source(source) != describe_source(other)
    assert describe_source(source) == describe_source(octsk.load(saved))
    assert describe_source(saved) == describe_source(str(saved))
    assert describe_source(FrozenEstimator(source)) == describe_source(source)
    assert describe_source(None) is None
    assert describe_source("none.octsk") == "none.octsk"


def test_search_with_another_source_is_another_search(source, tmp_path):
    def search(init_from):
        return OCTSearchCV(
            net(init_from=init_from),
            {"learning_rate": [0.001, 0.01]},
            n_trials=1,
            cv=2,
            refit=False,
            storage=tmp_path / "study.log",
            study_name="transfer",
            random_state=0,
        )

    search(source).fit(X, y)
    with pytest.raises(ValueError, match="init_from"):
        search(net(random_state=9).fit(X, y)).fit(X, y)


def test_benchmark_describes_the_contents_of_a_source(source, saved):
    plan = record._describe_estimator(net(init_from=saved))
    assert plan["init_from"] == describe_source(saved)
    given = (net(init_from=source), make_pipeline(net(init_from=source)))
    for estimator, name in zip(given, ("", "smalloctnet__"), strict=True):
        params = record._describe_estimator(estimator)["params"]
        assert params[f"{name}init_from"] == describe_source(source)


def test_source_is_not_taken_for_a_network_to_train(source, tmp_path):
    clf = net(init_from=source)
    assert record.set_checkpoint_dir(make_pipeline(clf), tmp_path) == [clf]
    assert source.checkpoint_dir is None
    assert not [name for name in resolved_params(clf) if "init_from" in name]


# --- freeze -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {},
        dict(ema_momentum=0.5, mixup=0.2, weight_decay=0.1),
        dict(early_stopping=True, epochs=3, learning_rate_schedule="cosine"),
    ],
    ids=["plain", "averaged", "stopped"],
)
def test_frozen_layers_keep_their_weights(residual, params):
    clf = ResidualOCTNet(**{**RESIDUAL, **params}, init_from=residual, freeze="features")
    clf.fit(X, y)
    names = [w.path for w in clf.model_.weights]
    assert any("moving_mean" in name for name in names)
    changed = [not equal for equal in same(weights(clf), weights(residual))]
    assert changed == [False] * (len(names) - 2) + [True] * 2
    clf.partial_fit(X, y)
    assert not any(np.logical_not(same(weights(clf), weights(residual)))[:-2])


def test_named_layers_are_frozen(source):
    clf = net(init_from=source, freeze=("conv2d", "dense_1")).fit(X, y)
    assert same(weights(clf), weights(source)) == [True, True, False, False, True, True]
    # Without a source, layers keep their random weights.
    start = weights(net(freeze=["dense"]).initialize(X, y))
    clf = net(freeze=np.array(["dense"])).fit(X, y)
    assert same(weights(clf), start) == [False, False, True, True, False, False]


@pytest.mark.parametrize(
    ("freeze", "words"),
    [
        (["conv2d_9"], r"\['conv2d_9'\]\. The .* are \['conv2d', 'dense', 'dense_1'\]"),
        (["flatten"], r"freeze names layers .*no weights: \['flatten'\]"),
        (["conv2d", "dense", "dense_1"], "leaves no layer to train"),
        ("conv2d", "freeze must be None, 'features'.*; got 'conv2d'"),
        ([], "freeze must be None"),
        ([1], "freeze must be None"),
        (True, "freeze must be None"),
        ({"conv2d": 1}, "freeze must be None"),
    ],
)
def test_bad_values_of_freeze(freeze, words):
    with pytest.raises(ValueError, match=words):
        net(freeze=freeze).fit(X, y)


def test_frozen_layers_cannot_change_in_further_training():
    clf = net(freeze="features", warm_start=True).fit(X, y).fit(X, y)
    with pytest.raises(
        ValueError, match=r"'freeze': 'features'.* cannot be trained further with"
    ):
        clf.set_params(freeze=None).fit(X, y)
    thawed = net(init_from=clf).fit(X, y)
    assert not any(same(weights(thawed), weights(clf)))


# --- transform --------------------------------------------------------------------------


def test_features_are_what_the_last_layer_sees(source, residual):
    for clf, n in ((source, 8), (residual, 8)):
        features = clf.transform(X)
        assert features.shape == (60, n)
        assert features.dtype == np.float32
        kernel, bias = weights(clf)[-2:]
        # Of the residual network, also the mean over the mirror images.
        np.testing.assert_allclose(
            features @ kernel + bias, clf.decision_function(X), rtol=1e-3, atol=1e-4
        )


def test_pipeline_ends_in_a_logistic_regression():
    pipeline = make_pipeline(net(epochs=2), LogisticRegression()).fit(X, y)
    assert pipeline.predict(X).shape == (60,)
    assert list(pipeline[:-1].get_feature_names_out()) == [
        f"smalloctnet{i}" for i in range(8)
    ]
    assert is_classifier(net())


def test_features_as_a_data_frame(source):
    frame = clone(net()).set_output(transform="pandas").fit(X, y).transform(X)
    assert list(frame.columns)[:2] == ["smalloctnet0", "smalloctnet1"]
    assert isinstance(source.transform(X), np.ndarray)


def test_features_follow_a_further_fit():
    clf = net().fit(X, y)
    first = clf.transform(X)
    clf.partial_fit(X, y)
    second = clf.transform(X)
    assert not np.array_equal(first, second)
    other = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(other.transform(X), second)
    assert clf.fit(X[:, 1:], y).transform(X[:, 1:]).shape == (60, 8)


def test_feature_maps_are_averaged():
    def architecture(input_shape, n_classes, **_):
        layers = keras.layers
        return keras.Sequential(
            [
                keras.Input(input_shape),
                layers.Conv2D(5, 3),
                layers.Conv2D(n_classes, 1),
                layers.GlobalAveragePooling2D(),
            ]
        )

    class Convolutions(BaseOCTNet, architecture=architecture, defaults=dict(epochs=1)):
        pass

    clf = Convolutions(random_state=0, augmentation=None).fit(X, y)
    kernel, bias = weights(clf)[-2:]
    logits = clf.transform(X) @ kernel[0, 0] + bias
    np.testing.assert_allclose(logits, clf.decision_function(X), rtol=1e-3, atol=1e-4)


def test_transform_refuses_bad_input(source):
    with pytest.raises(NotFittedError):
        net().transform(X)
    with pytest.raises(NotFittedError):
        net().get_feature_names_out()
    with pytest.raises(ValueError, match="images of shape 12 x 12 x 1 are expected"):
        source.transform(X[:, 1:])
