"""Validation of true classes and scores, and encoding of classes as column indices."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from octsk.utils.columns import check_known


def count_classes(score) -> int:
    """Return the number of classes. A single column of scores stands for two classes."""
    return max(2, score.shape[1])


def predict_indices(score) -> np.ndarray:
    """Return the index of the predicted class of each sample, as in `medmnist_accuracy`."""
    if score.shape[1] > 2:
        return score.argmax(axis=1)
    return (score[:, -1] > 0.5).astype(np.intp)


def get_classes(estimator) -> np.ndarray:
    """Return the classes of a fitted classifier that has ``predict_proba``."""
    check_is_fitted(estimator)
    classes = getattr(estimator, "classes_", None)
    if classes is None or not hasattr(estimator, "predict_proba"):
        raise TypeError(
            "estimator must be a classifier with predict_proba and classes_, got "
            f"{type(estimator).__name__}."
        )
    if len(classes) < 2:
        raise ValueError(f"estimator must know two classes or more, got {list(classes)}.")
    return np.asarray(classes)


def check_predicted(estimator, score, n_samples, n_classes) -> None:
    """Raise an error if an array is not what ``predict_proba`` must return."""
    name = f"predict_proba of {type(estimator).__name__} must return"
    if score.shape != (n_samples, n_classes):
        raise ValueError(
            f"{name} an array of shape ({n_samples}, {n_classes}), one row for each image "
            f"and one column for each class; got shape {score.shape}."
        )
    if score.dtype.kind not in "biuf" or not np.isfinite(score).all():
        raise ValueError(f"{name} finite numbers, got others, such as NaN or infinity.")


def check_scores(y_true, y_score, labels) -> tuple[np.ndarray, np.ndarray]:
    """Check true classes and scores.

    Returns
    -------
    codes : ndarray of shape (n_samples,), int
        Column index of the class of each sample.
    score : ndarray of shape (n_samples, 1) or (n_samples, n_classes), float64
        The scores.

    Raises
    ------
    ValueError
        If a shape, class or score is invalid.
    """
    score = np.asarray(y_score)
    if score.ndim == 1:
        score = score[:, None]
    if score.ndim != 2 or 0 in score.shape or score.dtype.kind not in "biuf":
        raise ValueError(
            "y_score must hold numbers, have shape (n_samples, n_classes) or (n_samples,) "
            f"and not be empty, got shape {np.shape(y_score)}, dtype {score.dtype}."
        )
    if not np.isfinite(score).all():
        raise ValueError("y_score must be finite, got NaN or infinity.")
    check_known(y_true, "y_true", "Leave these samples out.")
    y_true = np.asarray(y_true)
    if y_true.shape not in [(len(score),), (len(score), 1)]:
        raise ValueError(
            f"y_true must have shape ({len(score)},), one class for each row of y_score, "
            f"got {y_true.shape}."
        )
    return encode_labels(y_true.ravel(), count_classes(score), labels), score.astype(
        np.float64
    )


def encode_labels(y_true, n_classes, labels) -> np.ndarray:
    """Return the column index of each class in `y_true`, or raise a ValueError."""
    if labels is None:
        known = y_true.dtype.kind in "biuf" and np.isin(y_true, np.arange(n_classes))
        if not np.all(known):
            raise ValueError(
                f"y_true must hold column indices 0 to {n_classes - 1} without labels, got "
                f"{_some(np.unique(y_true))}; pass the classes in the order of the columns "
                "of y_score as labels."
            )
        return y_true.astype(np.intp)
    labels = np.asarray(labels).tolist()
    column = {label: index for index, label in enumerate(labels)}
    if len(labels) != n_classes or len(column) != n_classes:
        raise ValueError(
            f"labels must hold {n_classes} different classes, one for each column of "
            f"y_score, got {_some(labels)}."
        )
    unknown = sorted(set(y_true.tolist()) - set(column), key=str)
    if unknown:
        raise ValueError(
            f"y_true holds {_some(unknown)}, which are not among labels {_some(labels)}."
        )
    return np.array([column[value] for value in y_true.tolist()], dtype=np.intp)


def _some(values, limit=8) -> str:
    """Format the first few of `values`."""
    values = np.asarray(values).tolist()
    return str(values[:limit])[:-1] + (", ...]" if len(values) > limit else "]")
