"""What the recipe of a training adds to the report's: each ingredient by itself."""

import random
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import TINY, toy_images
from sklearn.base import clone

import octsk
from octsk import OCTAugmenter, ResidualOCTNet, SmallOCTNet
from octsk.evaluation.params import resolved_params
from octsk.training import _precision
from octsk.training._batches import Batches
from octsk.training._image_sets import hold_out
from octsk.training._precision import has_fast_bfloat16
from octsk.training._process_checks import seeded_layers

X, y = toy_images()
NET = {**TINY, "augmentation": None}


def net(**params):
    return SmallOCTNet(**{**NET, **params})


def weights(estimator):
    return np.concatenate([w.ravel() for w in estimator.model_.get_weights()])


class Rates(keras.callbacks.Callback):
    """Keeps the learning rate of each step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(float(self.model.optimizer.learning_rate.value))


# --- Learning rate ----------------------------------------------------------------------


def rates(**params):
    clf = net(batch_size=1, learning_rate_schedule="cosine", callbacks=Rates(), **params)
    images = np.concatenate([X] * 6)[:320]
    clf.fit(images, np.arange(320) % 3)
    return clf, np.array(clf.callbacks_[0].seen)


def test_cosine_schedule_falls_to_zero_in_spans_of_32_steps():
    clf, seen = rates(epochs=2, learning_rate=0.01)
    middles = (np.arange(20) + 0.5) / 20
    expected = 0.01 * 0.5 * (1 + np.cos(np.pi * middles))
    np.testing.assert_allclose(seen, np.repeat(expected, 32), rtol=1e-5)
    # For partial_fit.
    assert float(clf.model_.optimizer.learning_rate.value) == pytest.approx(0.01)


def test_warm_up_rises_to_the_learning_rate():
    _, seen = rates(epochs=2, learning_rate=0.01, warmup_fraction=0.5)
    spans = seen[::32]
    np.testing.assert_allclose(spans[:10], 0.01 * (np.arange(10) + 0.5) / 10, rtol=1e-5)
    assert (np.diff(spans[10:]) < 0).all()


def test_a_callback_changes_nothing_of_a_scheduled_training():
    recipe = dict(
        learning_rate_schedule="cosine", batch_size=1, epochs=2, ema_momentum=0.9, mixup=0.3
    )
    alone = net(**recipe).fit(X, y)
    watched = net(**recipe, callbacks=Rates()).fit(X, y)
    np.testing.assert_array_equal(weights(watched), weights(alone))


def test_partial_fit_trains_at_the_learning_rate():
    plain = net(learning_rate=0.01).fit(X, y)
    scheduled = net(learning_rate=0.01).fit(X, y)
    scheduled.set_params(learning_rate_schedule="cosine", warmup_fraction=0.2)
    for clf in (plain, scheduled):
        clf.partial_fit(X, y)
    np.testing.assert_array_equal(weights(scheduled), weights(plain))


def test_schedule_needs_a_plain_learning_rate():
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    clf = net(optimizer=keras.optimizers.SGD(rate), learning_rate_schedule="cosine")
    with pytest.raises(ValueError, match="learning_rate_schedule='cosine' needs an opt"):
        clf.fit(X, y)


# --- Weights ----------------------------------------------------------------------------


def test_weight_decay_takes_its_share_of_each_weight():
    # Without a gradient (all labels equally wrong) only the decay is left.
    params = dict(optimizer="sgd", learning_rate=1e-9, batch_size=60)
    before = weights(net(**params).fit(X, y))
    after = weights(net(**params, weight_decay=1e8).fit(X, y))
    np.testing.assert_allclose(after, 0.9 * before, rtol=1e-4, atol=1e-7)


class StepWeights(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append([w.copy() for w in self.model.get_weights()])


def moving_average(steps, momentum):
    average = steps[0]
    for step in steps[1:]:
        average = [
            momentum * a + (1 - momentum) * w for a, w in zip(average, step, strict=True)
        ]
    return np.concatenate([w.ravel() for w in average])


def test_moving_average_takes_the_place_of_the_weights():
    params = dict(epochs=3, batch_size=16, learning_rate=0.01)
    plain = net(**params, callbacks=StepWeights()).fit(X, y)
    averaged = net(**params, ema_momentum=0.8).fit(X, y, X_val=X, y_val=y)
    expected = moving_average(plain.callbacks_[0].seen, 0.8)
    np.testing.assert_allclose(weights(averaged), expected, atol=1e-5)
    # Training went on from the weights, validation saw the averages.
    assert averaged.history_["loss"] == pytest.approx(plain.history_["loss"], rel=1e-5)
    y_pred = averaged.predict(X)
    assert averaged.history_["val_accuracy"][-1] == pytest.approx((y_pred == y).mean())


def test_moving_average_stays_where_training_stops_early():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    params = dict(batch_size=16, learning_rate=0.01, ema_momentum=0.8)
    whole = net(epochs=2, **params).fit(X, y)
    stopped = net(epochs=9, callbacks=Stop(), **params).fit(X, y)
    assert stopped.n_iter_ == 2
    np.testing.assert_array_equal(weights(stopped), weights(whole))


# --- Labels -----------------------------------------------------------------------------


def test_label_smoothing_spreads_the_labels():
    params = dict(optimizer="sgd", learning_rate=1e-9, batch_size=60)
    clf = net(**params, label_smoothing=0.3).fit(X, y)
    log_p = np.log(clf.predict_proba(X))
    target = np.full((len(y), 3), 0.1) + 0.7 * np.eye(3)[y]
    expected = -(target * log_p).sum(axis=1).mean()
    assert clf.history_["loss"][0] == pytest.approx(expected, rel=1e-4)


def batches(**params):
    given = dict(
        index=np.arange(len(X)), batch_size=60, seed=0, n_classes=3, mixup=0.4, epoch=0
    )
    given.update(params)
    epoch, weight = given.pop("epoch"), given.pop("weight", None)
    made = Batches(X[..., None], y, weight, **given)
    made.epoch = epoch
    return [tuple(part.numpy() for part in batch) for batch in made.dataset()]


def test_mixup_mixes_images_and_labels_alike():
    [(mixed, labels)] = batches()
    [(plain, plain_labels)] = batches(mixup=0.0)
    share = np.random.default_rng([0, 0])
    share.permutation(60)
    share = share.beta(0.4, 0.4, 60)
    for whole, result in ((plain, mixed), (plain_labels, labels)):
        column = share.reshape(-1, *[1] * (whole.ndim - 1))
        expected = column * whole + (1 - column) * np.roll(whole, 1, axis=0)
        np.testing.assert_allclose(result, expected, atol=1e-6)


def test_mixup_weighs_both_images():
    weight = np.linspace(0.5, 2, 60).astype(np.float32)
    [(_, labels, mixed_weight)] = batches(weight=weight)
    [(_, plain, plain_weight)] = batches(weight=weight, mixup=0.0)
    share = np.random.default_rng([0, 0])
    share.permutation(60)
    share = share.beta(0.4, 0.4, 60)[:, None]
    both = plain * plain_weight[:, None]
    expected = share * both + (1 - share) * np.roll(both, 1, axis=0)
    np.testing.assert_allclose(labels * mixed_weight[:, None], expected, atol=1e-6)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)


def test_mixup_of_another_epoch_is_another():
    [(first, _)], [(second, _)] = batches(), batches(epoch=1)
    assert not np.array_equal(np.sort(first, axis=0), np.sort(second, axis=0))


# --- Classes ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def imbalanced():
    """Fitted on shares of 4/7, 2/7 and 1/7; and its images."""
    keep = np.concatenate([np.flatnonzero(y == k)[: 20 // 2**k] for k in range(3)])
    return net(epochs=3).fit(X[keep], y[keep]), X[keep], y[keep]


def test_class_prior_is_what_training_saw(imbalanced):
    clf, images, labels = imbalanced
    np.testing.assert_allclose(clf.class_prior_, np.array([4, 2, 1]) / 7)
    balanced = clone(clf).set_params(class_weight="balanced").fit(images, labels)
    np.testing.assert_allclose(balanced.class_prior_, 1 / 3, rtol=1e-6)
    weighted = clone(clf).fit(images, labels, sample_weight=labels + 1.0)
    np.testing.assert_allclose(weighted.class_prior_, np.array([4, 4, 3]) / 11, rtol=1e-6)


def test_class_prior_over_several_trainings(imbalanced):
    _, images, labels = imbalanced
    clf = net().fit(X, y)
    clf.partial_fit(images, labels)
    expected = (np.full(3, 1 / 3) + np.array([4, 2, 1]) / 7) / 2
    np.testing.assert_allclose(clf.class_prior_, expected)


def test_class_prior_moves_probabilities_by_bayes_rule(imbalanced):
    clf, images, _ = imbalanced
    before = clf.predict_proba(images)
    prior = np.array([0.2, 0.3, 0.5])
    moved = before * prior / clf.class_prior_
    moved /= moved.sum(axis=1, keepdims=True)
    clf.set_params(class_prior=prior)
    try:
        np.testing.assert_allclose(clf.predict_proba(images), moved, rtol=1e-5)
        np.testing.assert_array_equal(clf.predict(images), moved.argmax(axis=1))
    finally:
        clf.set_params(class_prior=None)


def test_uniform_class_prior_changes_nothing_after_balanced_training():
    clf = net(class_weight="balanced").fit(X[:50], y[:50])
    before = clf.predict_proba(X)
    clf.set_params(class_prior="uniform")
    np.testing.assert_allclose(clf.predict_proba(X), before, rtol=1e-5)


@pytest.mark.parametrize(
    "prior", [[0.5, 0.5], [0.2, 0.2, 0.2], [1.0, 0.0, 0.0], [[0.2, 0.3, 0.5]], "even"]
)
def test_bad_class_prior_is_named(imbalanced, prior):
    clf, images, labels = imbalanced
    bad = clone(clf).set_params(class_prior=prior)
    with pytest.raises(ValueError, match="class_prior"):
        bad.fit(images, labels).predict(images)


def test_class_prior_without_a_training():
    clf = net(class_prior="uniform").initialize(X, y)
    assert clf.class_prior_ is None
    with pytest.raises(ValueError, match="octsk has not trained"):
        clf.predict(X)


# --- Prediction -------------------------------------------------------------------------


def test_test_time_augmentation_averages_an_image_and_its_mirror_image():
    clf = net(epochs=2).fit(X, y)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (7, 12, 12), dtype=np.uint8)
    mirrored = images[:, :, ::-1]
    expected = (clf.decision_function(images) + clf.decision_function(mirrored)) / 2
    clf.set_params(test_time_augmentation=True)
    np.testing.assert_allclose(clf.decision_function(images), expected, rtol=1e-6)
    np.testing.assert_array_equal(
        clf.decision_function(images), clf.decision_function(mirrored)
    )


# --- Epochs -----------------------------------------------------------------------------


def pretend_to_fit(monkeypatch, see):
    """Let `see` have the arguments of each training, which only notes a loss."""

    def fit_model(model, *sets, **given):
        see(*sets, **given)
        epochs = given["callbacks"][-1]
        epochs.set_model(model)
        epochs.on_epoch_end(0, {"loss": 0.0})

    monkeypatch.setattr("octsk.training._fit_estimator.fit_model", fit_model)


@pytest.mark.parametrize(("n", "expected"), [(60, 388), (59, 391)])
def test_automatic_epochs(monkeypatch, n, expected):
    epochs = []
    pretend_to_fit(monkeypatch, lambda *_, **given: epochs.append(given["epochs"]))
    net(epochs="auto").fit(X[:n], y[:n])
    assert epochs == [expected]


# --- All together -----------------------------------------------------------------------

RECIPE = dict(
    learning_rate=0.01,
    learning_rate_schedule="cosine",
    warmup_fraction=0.1,
    weight_decay=0.01,
    optimizer="adamw",
    mixup=0.2,
    label_smoothing=0.1,
    ema_momentum=0.9,
    class_weight="balanced",
    class_prior=(0.5, 0.25, 0.25),
    test_time_augmentation=True,
    batch_size=16,
    epochs=2,
    augmentation=OCTAugmenter(horizontal_flip=True),
)


@pytest.mark.parametrize("cls", [SmallOCTNet, ResidualOCTNet])
def test_a_saved_recipe_predicts_and_goes_on_as_it_did(cls, tmp_path):
    clf = cls(filters=(4,), dense_units=(8,), random_state=0, **RECIPE).fit(X, y)
    clf.save(tmp_path / "net.octsk")
    again = octsk.load(tmp_path / "net.octsk")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(again.class_prior_, clf.class_prior_)
    for each in (clf, again):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(weights(again), weights(clf))


def test_the_recipe_repeats_itself():
    clf = net(**RECIPE).fit(X, y)
    again = clone(clf).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate_schedule", "linear"),
        ("warmup_fraction", 1.0),
        ("weight_decay", -0.1),
        ("mixup", -1),
        ("label_smoothing", 1.0),
        ("ema_momentum", 1.0),
        ("epochs", "many"),
        ("test_time_augmentation", 3),
    ],
)
def test_bad_parameters_are_named(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of SmallOCTNet must be"):
        net(**{name: value}).fit(X, y)


# --- The residual network ---------------------------------------------------------------


def multiply_adds(model):
    """Count those of the convolutions and dense layers for one image."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            *_, height, width, _ = (None, *layer.output.shape)
            total += height * width * int(tf.size(layer.kernel))
        elif isinstance(layer, keras.layers.Dense):
            total += int(tf.size(layer.kernel))
    return total


def test_residual_net_is_within_its_budget():
    clf = ResidualOCTNet().initialize(np.zeros((4, 28, 28), np.uint8), np.arange(4))
    assert clf.model_.count_params() <= 1_500_000
    medium = octsk.MediumOCTNet().initialize(np.zeros((4, 28, 28), np.uint8), np.arange(4))
    assert 110e6 < multiply_adds(medium.model_) < 120e6
    assert multiply_adds(clf.model_) <= multiply_adds(medium.model_) / 2


@pytest.mark.parametrize(
    "shape",
    [(17, 30, 3), *(pytest.param(s, marks=pytest.mark.slow) for s in [(64, 64), (1, 1)])],
)
def test_residual_net_takes_images_of_any_size(shape):
    images = np.random.default_rng(0).integers(0, 256, (6, *shape), dtype=np.uint8)
    clf = ResidualOCTNet(filters=(4, 8), epochs=1, random_state=0)
    assert clf.fit(images, [0, 1] * 3).predict_proba(images).shape == (6, 2)


def test_residual_net_needs_filters():
    with pytest.raises(ValueError, match="filters must contain at least one number"):
        ResidualOCTNet(filters=()).fit(X, y)


# --- Precision --------------------------------------------------------------------------


def test_bfloat16_trains_nearly_the_same_and_leaves_float32(monkeypatch, tmp_path):
    # Slower where the processor has no such products, but the same.
    monkeypatch.setattr("octsk.training._network.has_fast_bfloat16", lambda: True)
    params = dict(filters=(8,), epochs=8, batch_size=8, learning_rate=0.01)
    exact = net(**params).fit(X, y)
    reduced = net(**params, precision="bfloat16").fit(X, y)
    watched = net(**params, precision="bfloat16", callbacks=Rates()).fit(X, y)
    for clf in (reduced, watched):
        assert clf.model_.dtype_policy.name == "float32"
        assert {layer.dtype_policy.name for layer in clf.model_.layers} == {"float32"}
        assert not np.array_equal(weights(clf), weights(exact))
        assert clf.history_["loss"] == pytest.approx(
            exact.history_["loss"], rel=0.05, abs=5e-3
        )
    reduced.save(tmp_path / "net.octsk")
    again = octsk.load(tmp_path / "net.octsk")
    np.testing.assert_array_equal(again.predict_proba(X), reduced.predict_proba(X))


def test_the_precision_that_was_used_is_reported(monkeypatch):
    clf = net(filters=(4,), epochs=1, precision="bfloat16")
    assert "precision" not in resolved_params(clf)
    monkeypatch.setattr("octsk.training._network.has_fast_bfloat16", lambda: False)
    with pytest.warns(RuntimeWarning, match="float32 is used"):
        clf.fit(X, y)
    assert resolved_params(clf)["precision"] == "float32"
    report = octsk.evaluate(clf, X, y)
    assert report.shown_params["precision"] == "float32"
    monkeypatch.setattr("octsk.training._network.has_fast_bfloat16", lambda: True)
    assert "precision" not in resolved_params(clf.fit(X, y))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags: fma avx512f avx512_bf16", True),  # AMD's EPYC of Zen 4
        ("flags: fma avx512f avx512_vnni", False),
        ("flags: fma avx512_bf16 amx_bf16 amx_tile", True),
        ("Features: fp asimd bf16 i8mm", True),  # ARM
        ("Features: fp asimd", False),
        (None, False),  # no Linux
    ],
)
def test_processors_that_are_fast_in_bfloat16(flags, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    file = tmp_path / "cpuinfo"
    if flags:
        file.write_text(flags)
    monkeypatch.setattr(_precision, "Path", lambda path: file)
    assert has_fast_bfloat16() is expected


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), False), ((8, 0), True)])
def test_graphics_cards_that_are_fast_in_bfloat16(
    capability, expected, monkeypatch, tmp_path
):
    monkeypatch.setattr(_precision, "Path", lambda path: tmp_path / "none")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a card"])
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda card: {"compute_capability": capability},
    )
    assert has_fast_bfloat16() is expected


def test_bfloat16_where_the_machine_has_it_not(monkeypatch):
    monkeypatch.setattr("octsk.training._network.has_fast_bfloat16", lambda: False)
    exact = net().fit(X, y)
    with pytest.warns(RuntimeWarning, match="precision='bfloat16'.*float32 is used"):
        other = net(precision="bfloat16").fit(X, y)
    np.testing.assert_array_equal(weights(other), weights(exact))


# --- The residual net's own augmentation ------------------------------------------------


def test_true_means_the_net_s_own_augmentation(monkeypatch):
    seen = []
    pretend_to_fit(monkeypatch, lambda train, *_, **given: seen.append(train.augmenter))
    images, labels = X[:8], y[:8]
    SmallOCTNet(**TINY).fit(images, labels)
    ResidualOCTNet(filters=(4,), epochs=1).fit(images, labels)
    assert repr(seen[0]) == repr(OCTAugmenter())
    assert repr(seen[1]) == repr(OCTAugmenter.from_preset("residual"))
    changed = ResidualOCTNet().set_params(augmentation__rotation_range=3)
    expected = OCTAugmenter.from_preset("residual", rotation_range=3)
    assert repr(changed.augmentation) == repr(expected)


# --- Patients ---------------------------------------------------------------------------


def held_out_by(monkeypatch, **given):
    """Return the indices trained on, and those held out for early stopping."""
    seen = []
    pretend_to_fit(monkeypatch, lambda *sets, **_: seen.extend(s.index for s in sets))
    net(early_stopping=True, validation_fraction=0.25).fit(X, y, **given)
    return seen


def test_early_stopping_keeps_patients_together(monkeypatch):
    patients = np.arange(60) // 3
    train, held_out = held_out_by(monkeypatch, groups=patients)
    assert sorted([*train, *held_out]) == list(range(60))
    assert 12 <= len(held_out) <= 18
    assert not set(patients[train]) & set(patients[held_out])
    mixed, others = held_out_by(monkeypatch)
    assert set(patients[mixed]) & set(patients[others])


@pytest.mark.parametrize(
    ("groups", "message"),
    [(np.arange(59), r"groups must have shape \(60,\)"), (np.zeros(60), "early_stopping")],
)
def test_bad_groups_are_named(groups, message):
    with pytest.raises(ValueError, match=message):
        net(early_stopping=True).fit(X, y, groups=groups)


@pytest.mark.parametrize("groups", [7, np.arange(59), [None, *range(59)]])
@pytest.mark.parametrize("held_out", [{}, {"X_val": X[:9], "y_val": y[:9]}])
@pytest.mark.parametrize("checkpoint_dir", [None, "checkpoints"])
def test_bad_groups_are_refused_in_any_fit(groups, held_out, checkpoint_dir, tmp_path):
    folder = checkpoint_dir and tmp_path / checkpoint_dir
    clf = net(checkpoint_dir=folder)
    for early_stopping in (False, True):
        clf.set_params(early_stopping=early_stopping)
        with pytest.raises(ValueError, match=r"^groups (must have shape|has missing)"):
            clf.fit(X, y, groups=groups, **held_out)
    assert not any(tmp_path.iterdir())


def test_groups_are_routed_through_a_cross_validation(monkeypatch):
    from sklearn import config_context
    from sklearn.model_selection import GroupKFold, cross_validate

    patients, seen = np.arange(60) // 3, []
    monkeypatch.setattr(
        "octsk.training._image_sets.hold_out",
        lambda net, index, labels, groups: (
            seen.append(groups) or hold_out(net, index, labels, groups)
        ),
    )
    with config_context(enable_metadata_routing=True):
        clf = net(early_stopping=True, validation_fraction=0.25)
        clf.set_fit_request(groups=True)
        cross_validate(clf, X, y, cv=GroupKFold(2), params={"groups": patients})
    assert [len(groups) for groups in seen] == [30, 30]


# --- Training on ------------------------------------------------------------------------


def test_another_loss_needs_a_fresh_fit():
    clf = net().fit(X, y)
    clf.set_params(mixup=0.2)
    with pytest.raises(ValueError, match=r"mixup=0\.2 require another loss"):
        clf.partial_fit(X, y)
    assert clf.fit(X, y).n_iter_ == 1


@pytest.mark.parametrize(
    "change", [{"optimizer": "sgd"}, {"ema_momentum": 0.9}, {"weight_decay": 0.1}], ids=str
)
def test_what_the_optimizer_is_made_of_waits_for_a_fresh_fit(monkeypatch, change):
    monkeypatch.setattr("octsk.training._network.has_fast_bfloat16", lambda: True)
    for precision in ("float32", "bfloat16"):
        plain, changed = (net(precision=precision).fit(X, y) for _ in range(2))
        changed.set_params(**change)
        for clf in (plain, changed):
            clf.partial_fit(X, y)
        np.testing.assert_array_equal(weights(changed), weights(plain))


def test_class_prior_counts_the_epochs_that_were(imbalanced):
    _, images, labels = imbalanced
    clf = net(early_stopping=True, n_iter_no_change=1, learning_rate=1.0, epochs=50)
    clf.fit(X, y).set_params(warm_start=True)
    first = clf.n_iter_
    clf.fit(images, labels, X_val=X, y_val=y)
    further = clf.n_iter_ - first
    assert further < 50
    shares = np.array([4, 2, 1]) / 7
    expected = (first / 3 + further * shares) / clf.n_iter_
    np.testing.assert_allclose(clf.class_prior_, expected, rtol=0.02)


def test_class_prior_of_a_class_without_weight(imbalanced):
    clf = net(epochs=2).partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    before = clf.predict_proba(X)
    after = clf.set_params(class_prior=[0.05, 0.05, 0.9]).predict_proba(X)
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_bad_class_prior_is_told_before_training(fit_is_an_error):
    with pytest.raises(ValueError, match="class_prior must be"):
        net(class_prior=[0.5, 0.5]).fit(X, y)


@pytest.fixture
def fit_is_an_error(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("trained")

    monkeypatch.setattr("octsk.training._fit_estimator.fit_model", fail)


def test_seeds_of_layers_are_a_thread_s_own():
    original, inside, drawn = random.randint, threading.Event(), []
    done = threading.Event()

    def first():
        with seeded_layers(0):
            inside.set()
            done.wait(5)

    def second():
        inside.wait(5)
        with seeded_layers(0):
            drawn.append([random.randint(1, 10**9) for _ in range(3)])

    threads = [threading.Thread(target=each) for each in (first, second)]
    for thread in threads:
        thread.start()
    inside.wait(5)
    random.seed(3)
    theirs = [random.randint(a=1, b=6) for _ in range(5)]
    done.set()
    for thread in threads:
        thread.join()
    assert random.randint is original
    random.seed(3)
    assert theirs == [random.randint(1, 6) for _ in range(5)]
    assert drawn == [[random.Random(0).randint(1, 10**9), *drawn[0][1:]]]


def test_seeds_of_a_network_that_an_architecture_loads():
    original = random.randint
    outer, inner = random.Random(0), random.Random(1)
    with seeded_layers(0):
        assert random.randint(0, 10**9) == outer.randint(0, 10**9)
        with seeded_layers(1):
            assert random.randint(0, 10**9) == inner.randint(0, 10**9)
        assert random.randint(0, 10**9) == outer.randint(0, 10**9)
    assert random.randint is original
