"""scikit-learn's searches, ensembles and pipelines over the estimators, on images."""

import numpy as np
import pytest
import sklearn
from helpers import TINY, toy_images
from imblearn.pipeline import Pipeline as ImblearnPipeline
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, log_loss, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.multiclass import (
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.semi_supervised import SelfTrainingClassifier

from octsk import MediumOCTNet, OCTAugmenter, SmallOCTNet

GREY, y = toy_images(n=60)
GREY_TEST, Y_TEST = toy_images(n=30, seed=1)
NAMES = np.array(["CNV", "DME", "NORMAL"])
LABELS, LABELS_TEST = NAMES[y], NAMES[Y_TEST]

# Learns the toy images in a few steps.
QUICK = dict(
    TINY, filters=(8,), epochs=5, batch_size=4, learning_rate=0.01, augmentation=None
)


def net(**params):
    return SmallOCTNet(**{**QUICK, **params})


@pytest.fixture(params=["grey", "colour"])
def images(request):
    """Return training and test images of one layout."""
    layout = {
        "grey": lambda X: X,
        "colour": lambda X: np.stack([X, X // 2, 255 - X], axis=-1) / 255,
    }[request.param]
    return layout(GREY), layout(GREY_TEST)


def assert_good(estimator, X):
    assert list(estimator.classes_) == list(NAMES)
    proba = estimator.predict_proba(X)
    assert proba.shape == (len(X), 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert estimator.score(X, LABELS_TEST) > 0.9


def test_voting(images):
    X, X_test = images
    medium = MediumOCTNet(**{**QUICK, "dense_units": (16, 16)})
    vote = VotingClassifier([("small", net()), ("medium", medium)], voting="soft")
    assert_good(vote.fit(X, LABELS), X_test)
    members = [estimator.predict_proba(X_test) for estimator in vote.estimators_]
    np.testing.assert_allclose(vote.predict_proba(X_test), np.mean(members, axis=0))


def test_stacking():
    stack = StackingClassifier([("net", net())], LogisticRegression(), cv=2)
    assert_good(stack.fit(GREY, LABELS), GREY_TEST)
    assert stack.final_estimator_.coef_.shape == (3, 3)


@pytest.mark.parametrize(("method", "ensemble"), [("sigmoid", True), ("isotonic", False)])
def test_calibration(method, ensemble):
    calibrated = CalibratedClassifierCV(net(), method=method, ensemble=ensemble, cv=2)
    calibrated.fit(GREY[..., None], LABELS)
    assert_good(calibrated, GREY_TEST[..., None])


@pytest.mark.parametrize("method", ["temperature", "sigmoid", "isotonic"])
def test_calibration_of_a_net_that_stays_as_it_is(method):
    fitted = net().fit(GREY[:40], LABELS[:40])
    calibrated = CalibratedClassifierCV(FrozenEstimator(fitted), method=method)
    calibrated.fit(GREY[40:], LABELS[40:])
    assert_good(calibrated, GREY_TEST)
    kept = calibrated.calibrated_classifiers_[0].estimator.estimator
    assert kept is fitted


def test_temperature_divides_the_logits():
    # Trained for too long on labels of which a fifth is wrong: far too sure.
    noisy = np.where(np.arange(60) % 5 == 0, np.roll(LABELS, 1), LABELS)
    fitted = net(epochs=15).fit(GREY, noisy)
    wrong = np.where(np.arange(30) % 5 == 0, np.roll(LABELS_TEST, 1), LABELS_TEST)
    calibrated = CalibratedClassifierCV(FrozenEstimator(fitted), method="temperature")
    calibrated.fit(GREY_TEST, wrong)
    inverse = calibrated.calibrated_classifiers_[0].calibrators[0].beta_
    assert 0 < inverse < 1
    np.testing.assert_allclose(
        calibrated.predict_proba(GREY_TEST),
        softmax(inverse * fitted.decision_function(GREY_TEST), axis=1),
        rtol=1e-4,
    )
    before, after = (
        log_loss(wrong, estimator.predict_proba(GREY_TEST).astype(float))
        for estimator in (fitted, calibrated)
    )
    assert after < before


def test_temperature_of_two_classes():
    labels, labels_test = y == 1, Y_TEST == 1
    fitted = net().fit(GREY[:40], labels[:40])
    calibrated = CalibratedClassifierCV(FrozenEstimator(fitted), method="temperature")
    calibrated.fit(GREY[40:], labels[40:])
    assert (calibrated.predict(GREY_TEST) == labels_test).mean() > 0.9
    assert calibrated.predict_proba(GREY_TEST).shape == (30, 2)


def test_temperature_by_folds_of_patients():
    patients = np.arange(60) // 3
    folds = list(StratifiedGroupKFold(3).split(GREY, LABELS, patients))
    calibrated = CalibratedClassifierCV(
        net(), method="temperature", cv=folds, ensemble=False
    )
    assert_good(calibrated.fit(GREY, LABELS), GREY_TEST)


def test_ensemble_of_seeds():
    members = [(f"seed{seed}", net(random_state=seed)) for seed in range(3)]
    vote = VotingClassifier(members, voting="soft").fit(GREY, LABELS)
    assert_good(vote, GREY_TEST)
    first, second, third = (
        estimator.predict_proba(GREY_TEST) for estimator in vote.estimators_
    )
    assert not np.allclose(first, second)
    mean = (first + second + third) / 3
    np.testing.assert_allclose(vote.predict_proba(GREY_TEST), mean)
    # The average of probabilities is at least as good as they are on average.
    losses = [log_loss(LABELS_TEST, proba) for proba in (first, second, third)]
    assert log_loss(LABELS_TEST, mean) <= np.mean(losses) + 1e-9


def test_ensemble_and_calibration_of_fitted_nets():
    nets = [net(random_state=seed).fit(GREY, LABELS) for seed in range(2)]
    members = [(f"net{i}", FrozenEstimator(fitted)) for i, fitted in enumerate(nets)]
    vote = VotingClassifier(members, voting="soft").fit(GREY, LABELS)
    mean = np.mean([fitted.predict_proba(GREY_TEST) for fitted in nets], axis=0)
    np.testing.assert_allclose(vote.predict_proba(GREY_TEST), mean)
    calibrated = CalibratedClassifierCV(FrozenEstimator(vote), method="temperature")
    assert_good(calibrated.fit(GREY, LABELS), GREY_TEST)


def test_calibration_with_sample_weights():
    weight = np.where(y == 0, 0.0, 1.0)
    weight[:9] = 1
    calibrated = CalibratedClassifierCV(net(), cv=2).fit(GREY, LABELS, sample_weight=weight)
    assert set(calibrated.predict(GREY_TEST)) == {"DME", "NORMAL"}


@pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
def test_cross_val_predict(method):
    out = cross_val_predict(net(), GREY, LABELS, cv=2, method=method)
    assert out.shape == (60, 3)
    assert (NAMES[out.argmax(axis=1)] == LABELS).mean() > 0.9


SCORERS = ["accuracy", "balanced_accuracy", "roc_auc_ovr", "neg_log_loss"]


def test_scorers():
    scores = cross_validate(net(), GREY, LABELS, cv=2, scoring=SCORERS, error_score="raise")
    for name in SCORERS:
        assert scores[f"test_{name}"].shape == (2,)
    for name in SCORERS[:3]:
        assert (scores[f"test_{name}"] > 0.9).all()
    assert (scores["test_neg_log_loss"] > -0.5).all()
    estimator = net().fit(GREY, LABELS)
    proba = estimator.predict_proba(GREY_TEST)
    assert get_scorer("roc_auc_ovr")(estimator, GREY_TEST, LABELS_TEST) == pytest.approx(
        roc_auc_score(LABELS_TEST, proba, multi_class="ovr")
    )
    assert get_scorer("neg_log_loss")(estimator, GREY_TEST, LABELS_TEST) == pytest.approx(
        -log_loss(LABELS_TEST, proba)
    )


def test_scorers_of_two_classes():
    labels = np.where(y == 1, "yes", "no")
    scores = cross_validate(
        net(),
        GREY,
        labels,
        cv=2,
        scoring=["roc_auc", "neg_log_loss"],
        error_score="raise",
    )
    assert (scores["test_roc_auc"] > 0.9).all()
    assert (scores["test_neg_log_loss"] > -0.5).all()


# --- Stratified folds ------------------------------------------------------------------


def test_folds_are_stratified():
    # Sorted labels: folds that are not stratified lack whole classes.
    order = np.argsort(y, kind="stable")
    assert isinstance(check_cv(4, y, classifier=True), StratifiedKFold)
    result = cross_validate(net(), GREY[order], LABELS[order], cv=4, return_indices=True)
    for test in result["indices"]["test"]:
        assert list(np.bincount(y[order][test])) == [5, 5, 5]
    assert (result["test_score"] > 0.9).all()


def test_folds_of_searches_and_pipelines_are_stratified():
    order = np.argsort(y, kind="stable")
    pipeline = Pipeline([("augment", "passthrough"), ("net", net())])
    search = GridSearchCV(pipeline, {"net__batch_size": [4]}, cv=4, error_score="raise")
    search.fit(GREY[order], LABELS[order])
    splits = [search.cv_results_[f"split{i}_test_score"][0] for i in range(4)]
    assert min(splits) > 0.9


# --- Searches --------------------------------------------------------------------------


def test_grid_search(images):
    X, X_test = images
    grids = [
        {"learning_rate": [1e-6, 0.01]},
        {"augmentation": [True], "augmentation__height_shift_range": [0, 1]},
    ]
    search = GridSearchCV(net(), grids, cv=2, scoring="neg_log_loss", error_score="raise")
    search.fit(X, LABELS)
    slow, fast, still, shifted = search.cv_results_["mean_test_score"]
    assert fast > -0.3
    assert still > -0.3
    assert slow < -0.9
    assert shifted < -0.6
    assert_good(search.best_estimator_, X_test)


def test_the_grid_of_an_augmenting_pipeline_on_real_scans(data_folder):
    with np.load(data_folder / "octdl_dev.npz") as file:
        images, labels = file["train_images"], file["train_labels"].ravel()
    few = np.sort(np.concatenate([np.flatnonzero(labels == k)[:24] for k in range(4)]))
    X, target = images[few], labels[few]
    assert X.shape == (96, 28, 28)

    net = SmallOCTNet(filters=(4,), dense_units=())
    pipeline = Pipeline([("augment", OCTAugmenter()), ("net", net)])
    search = GridSearchCV(
        pipeline,
        {
            "net__optimizer": ["adam", "nadam"],
            "net__epochs": [1, 2],
            "augment": [OCTAugmenter(), "passthrough"],
        },
        cv=2,
        error_score="raise",
    ).fit(X, target)

    assert len(search.cv_results_["params"]) == 8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_estimator_["net"]
    assert best.n_iter_ == search.best_params_["net__epochs"]
    assert (
        type(best.model_.optimizer).__name__.lower()
        == search.best_params_["net__optimizer"]
    )
    assert best.image_shape_ == (28, 28, 1)
    assert set(search.predict(X)) <= {0, 1, 2, 3}
    # What is predicted is the images as they are.
    np.testing.assert_array_equal(search.predict_proba(X), best.predict_proba(X))


def test_groups_on_real_scans(data_folder):
    with np.load(data_folder / "octdl_dev.npz") as file:
        X, target = file["val_images"], file["val_labels"].ravel()
        groups = file["val_groups"]
    result = cross_validate(
        SmallOCTNet(filters=(4, 4), dense_units=(8,), epochs=1, class_weight="balanced"),
        X,
        target,
        groups=groups,
        cv=StratifiedGroupKFold(2),
        scoring=["balanced_accuracy", "neg_log_loss"],
        error_score="raise",
        return_indices=True,
    )
    assert np.isfinite(result["test_neg_log_loss"]).all()
    first, second = (set(groups[test]) for test in result["indices"]["test"])
    assert first
    assert not first & second


def test_halving_search_over_epochs():
    search = HalvingGridSearchCV(
        net(),
        {"learning_rate": [1e-6, 0.01], "class_weight": ["balanced"]},
        resource="epochs",
        min_resources=2,
        factor=2,
        max_resources=4,
        cv=2,
        error_score="raise",
    ).fit(GREY, LABELS)
    assert list(search.n_resources_) == [2, 4]
    best = {"learning_rate": 0.01, "class_weight": "balanced", "epochs": 4}
    assert search.best_params_ == best
    assert search.best_estimator_.n_iter_ == 4
    assert_good(search.best_estimator_, GREY_TEST)


@pytest.mark.slow
def test_search_inside_cross_validation():
    search = GridSearchCV(net(), {"learning_rate": [1e-6, 0.01]}, cv=2, error_score="raise")
    scores = cross_val_score(
        search, GREY, LABELS, cv=2, scoring="roc_auc_ovr", error_score="raise"
    )
    assert (scores > 0.9).all()


def test_early_stopping_inside_a_search():
    grid = {"n_iter_no_change": [1, 2]}
    search = GridSearchCV(
        net(early_stopping=True, epochs=3), grid, cv=2, error_score="raise"
    )
    search.fit(GREY, LABELS)
    assert "val_loss" in search.best_estimator_.history_
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.slow
def test_parallel_search_gives_the_scores_of_a_serial_one():
    def search(n_jobs):
        return GridSearchCV(
            net(epochs=3, augmentation=True, dropout=0.2),
            {"optimizer": ["adam", "nadam"]},
            scoring=["accuracy", "neg_log_loss"],
            refit=False,
            cv=2,
            n_jobs=n_jobs,
            error_score="raise",
        ).fit(GREY, LABELS)

    serial, parallel = search(None), search(2)
    for name in ("accuracy", "neg_log_loss"):
        for split in range(2):
            column = f"split{split}_test_{name}"
            scores = serial.cv_results_[column]
            np.testing.assert_allclose(parallel.cv_results_[column], scores, rtol=1e-6)
    assert len(set(scores)) == 2


# --- Pipelines -------------------------------------------------------------------------


def test_validation_set_and_weights_through_a_pipeline():
    pipeline = Pipeline([("augment", OCTAugmenter(random_state=0)), ("net", net(epochs=2))])
    weight = np.linspace(0, 1, 60)
    pipeline.fit(
        GREY,
        LABELS,
        net__X_val=GREY_TEST,
        net__y_val=LABELS_TEST,
        net__sample_weight=weight,
    )
    history = pipeline["net"].history_
    assert history["val_loss"][-1] == pytest.approx(
        log_loss(LABELS_TEST, pipeline.predict_proba(GREY_TEST)), abs=1e-5
    )


def test_resampling_pipeline_in_a_search():
    pipeline = ImblearnPipeline(
        [("augment", OCTAugmenter(n_copies=1, random_state=0)), ("net", net())]
    )
    search = GridSearchCV(
        pipeline,
        {"augment__n_copies": [1, 2], "augment__height_shift_range": [0]},
        cv=2,
        error_score="raise",
    ).fit(GREY, LABELS)
    assert search.cv_results_["mean_test_score"].min() > 0.9
    assert_good(search.best_estimator_, GREY_TEST)


def test_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = net(epochs=1).set_fit_request(sample_weight=True)
        weight = np.where(y == 0, 1.0, 0.0)
        weight[:6] = 1
        result = cross_validate(
            estimator.set_score_request(sample_weight=False),
            GREY,
            LABELS,
            cv=2,
            params={"sample_weight": weight},
            error_score="raise",
            return_estimator=True,
        )
    unweighted = net(epochs=1).fit(GREY[30:], LABELS[30:])
    weighted = result["estimator"][0]
    assert weighted.history_["loss"] != unweighted.history_["loss"]


# --- Which take images as they are, and which only flattened ones -------------------------

AS_THEY_ARE = {
    "AdaBoost": lambda net: AdaBoostClassifier(net, n_estimators=2),
    "one-vs-rest": OneVsRestClassifier,
    "multi-output": MultiOutputClassifier,
}
FLATTENED = {
    "bagging": lambda net: BaggingClassifier(net, n_estimators=2, random_state=0),
    "one-vs-one": OneVsOneClassifier,
    "output code": lambda net: OutputCodeClassifier(net, random_state=0),
    "self-training": SelfTrainingClassifier,
    "stacking with pixels": lambda net: StackingClassifier(
        [("net", net)], LogisticRegression(max_iter=9), cv=2, passthrough=True
    ),
}


def labels_for(name):
    """Return the labels that a tool takes: a column of them, or some unknown ones."""
    if name == "multi-output":
        return y[:, None]
    return np.where(np.arange(60) % 7 == 0, -1, y) if name == "self-training" else y


def share_right(fitted, X):
    return (np.ravel(fitted.predict(X)) == Y_TEST).mean()


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_takes_images_as_they_are(name):
    fitted = AS_THEY_ARE[name](net()).fit(GREY, labels_for(name))
    assert share_right(fitted, GREY_TEST) > 0.9


@pytest.mark.parametrize("name", FLATTENED)
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_takes_flattened_images(name):
    meta, labels = FLATTENED[name](net()), labels_for(name)
    with pytest.raises(ValueError, match=r"dim 3|same number of dimensions"):
        meta.fit(GREY, labels)
    meta.fit(GREY.reshape(len(GREY), -1), labels)
    assert share_right(meta, GREY_TEST.reshape(len(GREY_TEST), -1)) > 0.7


def test_flattened_images_that_are_not_square():
    oblong, oblong_test = GREY[:, :, 2:], GREY_TEST[:, :, 2:]
    with pytest.raises(
        ValueError, match=r"not those of a flattened square.*kw_args={'shape': "
    ):
        net().fit(oblong.reshape(60, -1), y)
    reshape = FunctionTransformer(np.reshape, kw_args={"shape": (-1, 12, 10)})
    bagging = BaggingClassifier(
        make_pipeline(reshape, net()), n_estimators=2, random_state=0
    )
    bagging.fit(oblong.reshape(60, -1), y)
    assert bagging.estimators_[0][-1].image_shape_ == (12, 10, 1)
    assert share_right(bagging, oblong_test.reshape(30, -1)) > 0.7
