"""What has no weight in a training is not there."""

import numpy as np
import pytest
from helpers import TINY, toy_images
from sklearn.utils.class_weight import compute_class_weight

from octsk import SmallOCTNet
from octsk.training._loss_weights import balance, class_shares, without_ones

# Twenty images of class 0, ten of class 1 and ten of class 2; of class 0 few have weight.
X, y = toy_images(60)
X, y = (a[(y == 0) | (np.arange(60) % 2 == 0)] for a in (X, y))
WEIGHTED = (y > 0) | (np.cumsum(y == 0) % 3 == 0)
X_VAL, Y_VAL = toy_images(15, seed=1)
GROUPS = np.arange(len(y)) // 2


def net(**params):
    return SmallOCTNet(**{**TINY, "epochs": 2, **params})


def outcome(net):
    """Return all that a fit leaves."""
    variables = [*net.model_.weights, *net.model_.optimizer.variables]
    arrays = [v.numpy().tobytes() for v in variables]
    return arrays, net.history_, net.class_prior_.tolist(), net.n_iter_


SETTINGS = {
    "balanced": dict(class_weight="balanced"),
    "plain": {},
    "dict": dict(class_weight={0: 2, 2: 0.5}),
    "held out": dict(class_weight="balanced", early_stopping=True, validation_fraction=0.3),
    "mixed": dict(class_weight="balanced", mixup=0.2, label_smoothing=0.1),
    "auto": dict(epochs="auto", class_weight="balanced", batch_size=64),
}


@pytest.mark.parametrize("weights", ["ones", "unequal"])
@pytest.mark.parametrize("name", SETTINGS)
def test_images_of_weight_0_are_not_there(name, weights, monkeypatch):
    monkeypatch.setattr("octsk.training._fit_estimator._AUTO_EPOCHS", 10)
    weight = np.ones(len(y)) if weights == "ones" else np.linspace(0.5, 2, len(y))
    fitted = net(**SETTINGS[name]).fit(X, y, sample_weight=weight * WEIGHTED)
    given = {} if weights == "ones" else {"sample_weight": weight[WEIGHTED]}
    without = net(**SETTINGS[name]).fit(X[WEIGHTED], y[WEIGHTED], **given)
    assert outcome(fitted) == outcome(without)


def test_patients_are_held_out_as_if_images_of_weight_0_were_not_there():
    params = dict(class_weight="balanced", early_stopping=True, validation_fraction=0.3)
    fitted = net(**params).fit(X, y, sample_weight=WEIGHTED * 1.0, groups=GROUPS)
    without = net(**params).fit(X[WEIGHTED], y[WEIGHTED], groups=GROUPS[WEIGHTED])
    assert outcome(fitted) == outcome(without)


def test_further_training_without_images_of_weight_0():
    first = net(class_weight="balanced").fit(X, y, sample_weight=WEIGHTED * 1.0)
    second = net(class_weight="balanced").fit(X[WEIGHTED], y[WEIGHTED])
    first.partial_fit(X, y, sample_weight=WEIGHTED * 1.0)
    second.partial_fit(X[WEIGHTED], y[WEIGHTED])
    assert outcome(first) == outcome(second)
    weighted = dict(sample_weight=WEIGHTED * 1.0)
    first.set_params(warm_start=True, epochs=1).fit(X, y, **weighted)
    second.set_params(warm_start=True, epochs=1).fit(X[WEIGHTED], y[WEIGHTED])
    assert outcome(first) == outcome(second)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("groups", [None, GROUPS])
def test_classes_are_balanced_among_the_images_that_train(early_stopping, groups):
    weight = np.linspace(0, 3, len(y))
    params = dict(early_stopping=early_stopping, validation_fraction=0.3, epochs=1)
    fitted = net(class_weight="balanced", **params)
    fitted.fit(X, y, sample_weight=weight, groups=groups)
    np.testing.assert_allclose(fitted.class_prior_, 1 / 3, rtol=1e-6)


def test_balance_is_scikit_learns():
    weight = np.linspace(0.5, 2, len(y)).astype(np.float32)
    index = np.flatnonzero(WEIGHTED)
    by_class = compute_class_weight(
        "balanced", classes=np.arange(3), y=y[index], sample_weight=weight[index]
    )
    expected = weight[index] * by_class[y[index]]
    np.testing.assert_allclose(balance(y, weight, index)[index], expected, rtol=1e-6)
    assert balance(y, None, index)[index].sum() == pytest.approx(len(index))
    assert not balance(y, weight, index)[~WEIGHTED].any()


def test_a_class_without_weight_keeps_its_place_and_has_no_share():
    weight = (y != 1) * 1.0
    for params in ({"class_weight": "balanced"}, {"class_weight": {1: 0}}):
        fitted = net(epochs=1, **params).fit(X, y, sample_weight=weight)
        assert fitted.classes_.tolist() == [0, 1, 2]
        assert fitted.class_prior_[1] == 0
    np.testing.assert_allclose(
        net(class_weight="balanced").fit(X, y, sample_weight=weight).class_prior_,
        [0.5, 0, 0.5],
        rtol=1e-6,
    )


def test_validation_images_of_weight_0_are_not_there():
    class_weight = {1: 0, 2: 3}
    fitted = net(class_weight=class_weight).fit(X, y, X_val=X_VAL, y_val=Y_VAL)
    seen = Y_VAL != 1
    without = net(class_weight=class_weight)
    without.fit(X, y, X_val=X_VAL[seen], y_val=Y_VAL[seen])
    assert fitted.history_ == without.history_
    with pytest.raises(
        ValueError, match="class_weight gives weight 0 to all images of X_val"
    ):
        net(class_weight=class_weight).fit(X, y, X_val=X_VAL[~seen], y_val=Y_VAL[~seen])


def test_validation_loss_is_balanced_among_the_validation_images():
    fitted = net(class_weight="balanced", epochs=1).fit(
        X, y, X_val=X_VAL[4:], y_val=Y_VAL[4:]
    )
    losses = -np.log(fitted.predict_proba(X_VAL[4:])[np.arange(11), Y_VAL[4:]])
    by_class = [losses[Y_VAL[4:] == k].mean() for k in range(3)]
    assert fitted.history_["val_loss"][0] == pytest.approx(np.mean(by_class), abs=1e-5)


def test_weights_of_1_are_no_weights():
    weight = np.array([1, 0, 1, 2], np.float32)
    assert without_ones(weight, np.array([0, 2])) is None
    assert without_ones(weight, np.array([0, 3])) is weight
    assert without_ones(None, np.array([0])) is None
    shares = class_shares(np.array([0, 1, 2, 2]), weight, np.array([0, 2, 3]), 4)
    assert shares.tolist() == [0.25, 0, 0.75, 0]
