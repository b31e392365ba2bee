"""Evaluate a fitted classifier on a set of images."""

import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import confusion_matrix, log_loss, recall_score
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array

from octsk.datasets._splits import shared_groups, warn_of_shared_groups
from octsk.evaluation._report import WITH_INTERVAL, BenchmarkReport
from octsk.evaluation.params import resolved_params
from octsk.metrics import (
    bootstrap_interval,
    expected_calibration_error,
    interval_caveat,
    medmnist_accuracy,
    medmnist_auc,
)
from octsk.metrics.scores import encode_labels, get_classes, predict_indices
from octsk.published import labels_of, why_not_comparable
from octsk.utils.columns import check_column, check_groups
from octsk.utils.environment import environment
from octsk.utils.hashing import arrays_sha256
from octsk.utils.json import jsonable
from octsk.utils.untrusted import printable
from octsk.utils.validation import check_lengths


def evaluate(
    estimator,
    X,
    y: ArrayLike,
    *,
    dataset: Mapping | None = None,
    split: str = "test",
    groups: ArrayLike | None = None,
    seed: int | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    random_state=0,
) -> BenchmarkReport:
    """Evaluate a fitted classifier on images that it was not trained on.

    Parameters
    ----------
    estimator : classifier
        Fitted, with ``predict_proba`` and ``classes_``.
    X : array-like
        Images, in any layout that the classifier takes.
    y : array-like of shape (n_samples,)
        Their classes, all known to the classifier; a class of which there is no
        image leaves the AUC undefined (nan).
    dataset : Bunch, default=None
        Where the images come from: a data set of `octsk.datasets`, whole or the split
        itself, for its name, size, hash, class names, groups and whether it is
        synthetic. Without it, no published results stand beside the report.
    split : {'train', 'val', 'test'}, default='test'
        Split that the images are.
    groups : array-like of shape (n_samples,), default=None
        Patient of each image, for the intervals; none may be missing. None: those of
        `dataset`, if any. A warning names patients that have images in other splits of
        `dataset`, too.
    seed : int, default=None
        Seed that the classifier was trained with, for the record.
    confidence_level : float, default=0.95
        Of the intervals, between 0 and 1.
    n_resamples : int, default=2000
        Of the intervals.
    random_state : int, RandomState instance or None, default=0
        Of the intervals.

    Returns
    -------
    BenchmarkReport
        Metrics with their intervals, recall and confusion of the classes, and what is
        needed to say where the figures come from.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.
    TypeError
        If it has no ``predict_proba`` or no ``classes_``, or `dataset` is not a Bunch.
    ValueError
        If `X` and `y` differ in length, a label or group is missing, `y` holds a class
        that the classifier has not been trained on, or `split` is not one of those
        accepted or not `dataset`'s own.

    See Also
    --------
    octsk.benchmark.run_benchmark : Train several classifiers and evaluate each.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.naive_bayes import GaussianNB
    >>> y = np.repeat(["DME", "drusen", "normal"], 20)
    >>> X = np.random.RandomState(0).normal(size=(60, 4))
    >>> X += np.repeat([0, 1, 2], 20)[:, None]
    >>> report = evaluate(GaussianNB().fit(X[::2], y[::2]), X[1::2], y[1::2])
    >>> report
    <BenchmarkReport of GaussianNB on unnamed data, test split: ACC 0.667, AUC 0.780>
    >>> low, high = report.intervals["acc"]
    >>> print(f"{low:.2f} {high:.2f}")
    0.48 0.81
    >>> report.rank() is None, report.not_comparable
    (True, 'the data set is not named')
    """
    info = _describe(dataset, split)
    if groups is not None:
        dataset = {**(dataset or {}), split: {**info, "groups": groups}}
    warn_of_shared_groups(dataset)
    intervals = {
        "confidence_level": confidence_level,
        "n_resamples": n_resamples,
        "random_state": random_state,
    }
    return _evaluate(estimator, X, y, dataset, split, seed=seed, **intervals)


def _evaluate(
    estimator,
    X,
    y,
    dataset,
    split="test",
    *,
    seed,
    confidence_level=0.95,
    n_resamples=2000,
    random_state=0,
) -> BenchmarkReport:
    info = _describe(dataset, split)
    classes = get_classes(estimator)
    y_true = check_column(y, warn=False)
    check_lengths(X, y_true)
    check_array(y_true, ensure_2d=False, dtype=None, input_name="y")
    codes = _codes(y_true, classes)
    groups = None if info["groups"] is None else check_groups(info["groups"], len(codes))
    score, predict_seconds = _timed_scores(estimator, X, len(classes))
    names = _class_names(estimator, classes, info["target_names"])
    columns = np.arange(len(classes))
    recall = recall_score(
        codes, predict_indices(score), labels=columns, average=None, zero_division=np.nan
    )
    intervals = {
        metric: bootstrap_interval(
            metric,
            codes,
            score,
            groups=groups,
            n_resamples=n_resamples,
            confidence_level=confidence_level,
            random_state=random_state,
        )
        for metric in WITH_INTERVAL
    }
    return BenchmarkReport(
        name=type(estimator).__name__,
        metrics=_metrics(codes, score, recall),
        intervals=intervals,
        confidence_level=confidence_level,
        n_resamples=n_resamples,
        resampled="images" if groups is None else "groups",
        class_names=names,
        recall=dict(zip(names, recall.tolist(), strict=True)),
        confusion_matrix=confusion_matrix(codes, predict_indices(score), labels=columns),
        n_samples=len(codes),
        data={
            "name": info["name"],
            "size": info["size"],
            "split": split,
            "synthetic": bool(info["synthetic"]),
            "sha256": info["sha256"],
            "arrays_sha256": arrays_sha256(X, codes),
            "shared_groups": _shared_with(
                split, {pair: len(both) for pair, both in shared_groups(dataset).items()}
            ),
            # What the checks of the whole data set have found.
            "shared_images": _shared_with(split, (dataset or {}).get("shared_images")),
        },
        not_comparable=why_not_comparable(info, y_true, split=split),
        estimator=type(estimator).__name__,
        params=jsonable(estimator.get_params()),
        seed=seed,
        history=_history(estimator),
        fit_seconds=None,
        predict_seconds=predict_seconds,
        environment=environment(),
        y_true=codes,
        y_score=score,
        interval_caveat=interval_caveat(np.array(names)[codes], groups),
        label_columns=_label_columns(dataset or {}, info, classes),
        resolved_params=resolved_params(estimator),
        trained_on=trained_on(estimator, names),
    )


def _metrics(codes, score, recall) -> dict[str, float]:
    """Return the metrics of a report by name."""
    with warnings.catch_warnings():
        # The report says in words that the AUC is not defined.
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        auc = medmnist_auc(codes, score)
    return {
        "acc": medmnist_accuracy(codes, score),
        "auc": auc,
        "balanced_accuracy": float(np.nanmean(recall)),
        "log_loss": float(log_loss(codes, score, labels=np.arange(score.shape[1]))),
        "ece": expected_calibration_error(codes, score),
    }


def _shared_with(split, shared) -> dict[str, int]:
    """Return how much of `split` another split has too, by that split."""
    return {
        other: n
        for pair, n in (shared or {}).items()
        for other in {*pair} - {split}
        if split in pair
    }


def _describe(dataset, split) -> dict[str, Any]:
    """Return the description of the evaluated split from it or the whole data set."""
    if split not in ("train", "val", "test"):
        raise ValueError(f"split must be 'train', 'val' or 'test', got {split!r}.")
    dataset = {} if dataset is None else dataset
    _check_mapping(dataset)
    if dataset.get("split") not in (None, split):
        raise ValueError(
            f"dataset is the {dataset['split']!r} split, and split={split!r} was asked for."
        )
    own = dataset.get(split)
    own = own if isinstance(own, Mapping) else {}
    names = ("name", "size", "synthetic", "sha256", "official", "target_names", "groups")
    return {name: own.get(name, dataset.get(name)) for name in (*names, "target")}


def _check_mapping(dataset) -> None:
    if not isinstance(dataset, Mapping):
        raise TypeError(
            "dataset must be a Bunch, as octsk.fetch_octmnist and octsk.load_medmnist "
            f"return it, got {type(dataset).__name__}."
        )


def _codes(y, classes) -> np.ndarray:
    unknown = sorted(set(y.tolist()) - set(classes.tolist()), key=str)
    if unknown:
        raise ValueError(
            f"y holds classes {unknown} that the estimator was not trained on; its classes "
            f"are {classes.tolist()}."
        )
    return encode_labels(y, len(classes), classes)


def _timed_scores(estimator, X, n_classes) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    score = np.asarray(estimator.predict_proba(X))
    seconds = time.perf_counter() - start
    if score.ndim != 2 or score.shape[1] != n_classes:
        raise ValueError(
            f"predict_proba of {type(estimator).__name__} must give {n_classes} columns, "
            f"one for each of its classes, got shape {score.shape}."
        )
    return score, seconds


def _class_names(estimator, classes, target_names) -> list[str]:
    if target_names is not None and classes.dtype.kind in "iu":
        in_range = classes.min() >= 0 and classes.max() < len(target_names)
        if in_range:
            return [printable(target_names[index]) for index in classes]
    # A net remembers what the classes were called where it was trained.
    names = getattr(estimator, "class_names_", None) or classes.tolist()
    return [str(name) for name in names]


def _label_columns(dataset, info, classes) -> list[int | None] | None:
    """Return the score column of each label of the data set; see `BenchmarkReport`."""
    labels = labels_of(info, classes)
    if labels is None or len(set(labels)) < len(labels):
        return None
    if info["target_names"] is not None:
        n_labels = len(info["target_names"])
    else:
        splits = [dataset.get(name) for name in ("train", "val", "test")]
        targets = [info["target"], *(s["target"] for s in splits if s is not None)]
        known = [labels_of(info, np.unique(y)) or [] for y in targets if y is not None]
        n_labels = 1 + max(label for each in (labels, *known) for label in each)
    columns = {label: column for column, label in enumerate(labels)}
    return [columns.get(label) for label in range(n_labels)]


def trained_on(estimator, class_names) -> dict[str, int] | None:
    """Return the number of training images of each class, if the estimator has it."""
    counts = getattr(_last_step(estimator), "_trained_on", None)
    return None if counts is None else dict(zip(class_names, counts.tolist(), strict=True))


def _last_step(estimator):
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def _history(estimator) -> dict[str, list] | None:
    history = getattr(_last_step(estimator), "history_", None)
    return jsonable(history) if isinstance(history, dict) else None
