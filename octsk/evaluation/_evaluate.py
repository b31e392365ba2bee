"""Evaluation of a fitted classifier on a set of images."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array
from sklearn.utils.validation import _num_samples

from octsk.datasets import shared_groups, shared_images, warn_of_shared_groups
from octsk.evaluation._class_names import display_names, last_step, match_classes
from octsk.evaluation._figures import Resampling, measure
from octsk.evaluation._report import BenchmarkReport
from octsk.evaluation._study import Evaluated, Study, add_study
from octsk.evaluation._threshold import PointRequest
from octsk.evaluation.params import resolved_params
from octsk.metrics.scores import check_predicted, get_classes
from octsk.published import labels_of, why_not_comparable
from octsk.utils.columns import check_column, check_groups
from octsk.utils.environment import environment
from octsk.utils.hashing import arrays_sha256
from octsk.utils.json import jsonable
from octsk.utils.validation import check_lengths

_DEFAULT = Resampling()
_NO_STUDY = Study()
# Entries that are read from the evaluated split or, if missing there, from the data set.
_DESCRIPTION = (
    *("name", "size", "synthetic", "sha256", "official"),
    *("target", "target_names", "groups", "filenames"),
)


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
    class_map: Mapping | None = None,
    positive=None,
    specificity: float | None = None,
    sensitivity: float | None = None,
    threshold: float | None = None,
    prevalence: float | None = None,
    X_val=None,
    y_val: ArrayLike | None = None,
    groups_val: ArrayLike | None = None,
    level: str = "image",
    aggregate: str | Callable = "mean",
    by=None,
    max_error: float | None = None,
    gate=None,
) -> BenchmarkReport:
    """Evaluate a fitted classifier on images that it was not trained on.

    Parameters
    ----------
    estimator : classifier
        A fitted classifier with ``predict_proba`` and ``classes_``.
    X : array-like
        Images, in any layout that the classifier accepts.
    y : array-like of shape (n_samples,)
        Classes of the images: labels of `dataset`, or class names. If both the classifier
        and the data set have class names, classes are matched by name, in any order.
        Otherwise they are matched by label, and the report says so. If a class has no
        images, the AUC is undefined (nan).
    dataset : Bunch, default=None
        The data set to which the images belong, for example from `octsk.fetch_octmnist`,
        or the split alone. The report includes its name, size, hash, class names, groups
        and whether it is synthetic. Without a data set, the report is not compared with
        published results.
    split : {'train', 'val', 'test'}, default='test'
        Split of `dataset` to which the images belong.
    groups : array-like of shape (n_samples,), default=None
        Patient of each image, for the intervals. No value may be missing. If None, the
        groups of `dataset` are used, if it has any. A warning names patients that also
        have images in other splits of `dataset`.
    seed : int, default=None
        Seed with which the classifier was trained, to be included in the report.
    confidence_level : float, default=0.95
        Confidence level of the intervals, between 0 and 1.
    n_resamples : int, default=2000
        Number of bootstrap resamples for the intervals.
    random_state : int, RandomState instance or None, default=0
        Controls the random resamples for the intervals.
    class_map : mapping, default=None
        For a data set with other classes than the classifier: maps the name of a class of
        the data set to the name or names of the corresponding classes of the classifier,
        such as ``{"AMD": ["CNV", "drusen"]}``. The probabilities of these are summed.
        Classes that are not mentioned are matched by name. Images of all other classes are
        left out with a warning, and counted in the report.
    positive : str or sequence, default=None
        Positive classes (names or labels), such as those for which a patient is referred.
        Their probabilities are summed, and all other classes are negative. The report then
        has an ``operating_point``. If none of `specificity`, `sensitivity` and `threshold`
        is given, the threshold is 0.5: an image with at least this sum is called positive.
    specificity, sensitivity : float, default=None
        Choose the threshold on validation images so that the given rate is at least this
        value, and the other rate is as high as possible. The report contains the rates of
        `X` at this threshold. At most one of the two can be given.
    threshold : float, default=None
        The threshold itself. It must not have been chosen on `X`.
    prevalence : float, default=None
        Proportion of positives for which the predictive values are computed. If None, it is
        the proportion among the evaluated images.
    X_val, y_val : array-like, default=None
        Validation images and their classes, in the same form as `X` and `y`. If None, the
        ``val`` split of `dataset` is used.
    groups_val : array-like, default=None
        Patients of the validation images. If None and the ``val`` split is used, its groups
        are used.
    level : {'image', 'group'}, default='image'
        ``'group'`` adds ``by_group``, with the results by group (patient, eye or volume),
        to the report. Tables show them next to the results by image. Groups whose images
        have several classes are left out and counted. At an operating point, a group is
        positive if any of its images is.
    aggregate : {'mean', 'max', 'noisy-or'} or callable, default='mean'
        How to compute the probabilities of a group from those of its images: their mean,
        their maximum, or the probability that at least one image shows the class if the
        images are independent. A callable takes an array of shape (n_images, n_columns)
        and returns one of shape (n_columns,). The result is scaled to sum to 1.
    by : str, sequence of str, mapping or array-like of shape (n_samples,), default=None
        Subgroups, such as devices or sites. ``subgroups`` of the report contains the
        results of each subgroup and the largest gaps between them. Pass the name or names
        of columns of `dataset`, a column, or a mapping of names to columns.
    max_error : float, default=None
        Largest acceptable proportion of wrong predictions. The classifier abstains if the
        probability of its prediction is below a threshold, the lowest one at which the
        other predictions for the validation images reach this goal. ``abstention`` of the
        report contains the proportion of the images of `X` on which the classifier
        abstains, and the error on the others.
    gate : NoveltyGate, default=None
        Gate that counts the images that are unlike the training images. They are included
        in all results. If None, the gate with which the classifier was saved is used, if
        there is one.

    Returns
    -------
    BenchmarkReport
        Metrics with their intervals, recall of each class, confusion matrix, and a
        description of the data, the classifier and the environment.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.
    TypeError
        If the classifier has no ``predict_proba`` or no ``classes_``, or if `dataset` is
        not a Bunch.
    ValueError
        If `X` and `y` differ in length, a label or group is missing, the classifier does
        not have the class of an image, `split` is invalid or not that of `dataset`, a
        threshold must be chosen and there are no validation images or they are the
        evaluated images, or another argument is invalid.

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

    The proportion of DME and drusen that is detected, and of normal images that is called
    negative:

    >>> report = evaluate(
    ...     GaussianNB().fit(X[::2], y[::2]),
    ...     X[1::2],
    ...     y[1::2],
    ...     positive=["DME", "drusen"],
    ...     threshold=0.6,
    ... )
    >>> point = report.operating_point
    >>> print(f"{point.figures['sensitivity']:.2f} {point.figures['specificity']:.2f}")
    0.90 0.50
    """
    study = Study(
        PointRequest(positive, specificity, sensitivity, threshold, prevalence),
        *(X_val, y_val, groups_val, level, aggregate, by, max_error),
    )
    info = describe_split(dataset, split)
    if groups is not None:
        own = (dataset or {}).get(split)
        own = own if isinstance(own, Mapping) else dataset or {}
        dataset = {**(dataset or {}), split: {**own, **info, "groups": groups}}
    warn_of_shared_groups(dataset)
    dataset = dataset or {}
    if isinstance(dataset.get(split), Mapping) and "shared_images" not in dataset:
        # The report contains a remark if images are also in another split.
        dataset = {**dataset, "shared_images": shared_images(dataset)}
    return evaluate_split(
        estimator,
        X,
        y,
        dataset,
        split,
        seed=seed,
        class_map=class_map,
        study=study,
        resampling=Resampling(confidence_level, n_resamples, random_state),
        tell_names=True,
        gate=gate,
    )


def evaluate_split(
    estimator,
    X,
    y,
    dataset,
    split="test",
    *,
    seed,
    class_map=None,
    study=_NO_STUDY,
    resampling=_DEFAULT,
    tell_names=False,
    gate=None,
) -> BenchmarkReport:
    info = describe_split(dataset, split)
    classes = get_classes(estimator)
    y_true = check_column(y, warn=False)
    check_lengths(X, y_true)
    check_array(y_true, ensure_2d=False, dtype=None, input_name="y")
    groups = info["groups"]
    numbers = None if groups is None else check_groups(groups, len(y_true))
    study = study.check(dataset, split, info, len(y_true))
    match = match_classes(estimator, classes, y_true, info["target_names"], class_map)
    if len(set(match.names)) < len(match.names):
        raise ValueError(
            f"the class names must differ from one another, because reports identify the "
            f"classes by them; got {match.names}."
        )
    score, found, predict_seconds = _predicted(estimator, gate, X, len(classes))
    test = Evaluated(match, score, numbers)
    kept = test.kept
    unfamiliar, about_gate = _unfamiliar(found, kept)
    figures = measure(test.codes, test.scores, match.names, test.groups_of_kept, resampling)
    report = BenchmarkReport(
        name=type(estimator).__name__,
        **figures,
        confidence_level=resampling.confidence_level,
        n_resamples=resampling.n_resamples,
        class_names=match.names,
        data={
            "name": info["name"],
            "size": info["size"],
            "split": split,
            "synthetic": bool(info["synthetic"]),
            "sha256": info["sha256"],
            "arrays_sha256": arrays_sha256(X, match.codes),
            "shared_groups": _shared_with(
                split, {pair: len(both) for pair, both in shared_groups(dataset).items()}
            ),
            "shared_images": _shared_with(split, (dataset or {}).get("shared_images")),
        },
        not_comparable="the classes were mapped to others"
        if class_map is not None
        else why_not_comparable(info, y_true, split=split),
        estimator=type(estimator).__name__,
        params=jsonable(estimator.get_params()),
        seed=seed,
        history=_history(estimator),
        fit_seconds=None,
        predict_seconds=predict_seconds,
        environment=environment(),
        label_columns=_label_columns(dataset or {}, info, match.labels),
        resolved_params=resolved_params(estimator),
        trained_on=trained_on(
            estimator, display_names(estimator, classes, info["target_names"])
        ),
        filenames=_of_kept(info["filenames"], kept, "filenames", len(y_true)),
        groups=_of_kept(groups, kept, "groups", len(y_true)),
        image_index=None if len(kept) == len(y_true) else kept.tolist(),
        left_out=match.left_out,
        remarks=[*(match.remarks if tell_names else []), *about_gate],
        **unfamiliar,
    )
    return add_study(report, study, test, estimator, info, X, class_map, resampling)


def _predicted(estimator, gate, X, n_classes):
    """Return the scores, a gate with what it predicts (None without one), and the time."""
    gate = getattr(estimator, "gate_", None) if gate is None else gate
    found = None
    start = time.perf_counter()
    if gate is not None and getattr(gate, "estimator", None) is estimator:
        accepted, score = gate.predict_with_proba(X)
        found = gate, accepted
    else:
        score = np.asarray(estimator.predict_proba(X))
    seconds = time.perf_counter() - start
    check_predicted(estimator, score, _num_samples(X), n_classes)
    if gate is not None and found is None:
        found = gate, gate.predict(X)
    return score, found, seconds


def _unfamiliar(found, kept) -> tuple[dict[str, Any], list[str]]:
    """Return the result of a gate as attributes of a report, and as remarks."""
    if found is None:
        return {}, []
    gate, accepted = found
    refused = accepted[kept] < 0
    attributes = {"unfamiliar": refused.tolist(), "n_unfamiliar": int(refused.sum())}
    return attributes, [gate.describe(refused)]


def _of_kept(values, kept, name, n) -> list | None:
    """Return the entries of a column of the data set that belong to evaluated images."""
    if values is None:
        return None
    values = np.asarray(values).ravel()
    if len(values) != n:
        raise ValueError(
            f"{name} must have one entry for each of the {n} images; got {len(values)}."
        )
    return jsonable(values[kept])


def _shared_with(split, shared) -> dict[str, int]:
    """Return how many groups or images `split` shares with each of the other splits."""
    return {
        other: n
        for pair, n in (shared or {}).items()
        for other in {*pair} - {split}
        if split in pair
    }


def describe_split(dataset, split) -> dict[str, Any]:
    """Return the entries of a data set that describe the evaluated split."""
    if split not in ("train", "val", "test"):
        raise ValueError(f"split must be 'train', 'val' or 'test', got {split!r}.")
    dataset = {} if dataset is None else dataset
    check_dataset(dataset)
    if dataset.get("split") not in (None, split):
        raise ValueError(
            f"dataset is the {dataset['split']!r} split, and split={split!r} was asked for."
        )
    own = dataset.get(split)
    own = own if isinstance(own, Mapping) else {}
    return {name: own.get(name, dataset.get(name)) for name in _DESCRIPTION}


def check_dataset(dataset) -> None:
    if not isinstance(dataset, Mapping):
        raise TypeError(
            "dataset must be a Bunch, such as octsk.fetch_octmnist and octsk.load_medmnist "
            f"return, got {type(dataset).__name__}."
        )


def _label_columns(dataset, info, classes) -> list[int | None] | None:
    """Return the score column of each label of the data set; see `BenchmarkReport`."""
    labels = labels_of(info, classes) if classes else None
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
    """Return the number of training images of each class if the estimator stores it."""
    counts = getattr(last_step(estimator), "_trained_on", None)
    return None if counts is None else dict(zip(class_names, counts.tolist(), strict=True))


def _history(estimator) -> dict[str, list] | None:
    history = getattr(last_step(estimator), "history_", None)
    return jsonable(history) if isinstance(history, dict) else None
