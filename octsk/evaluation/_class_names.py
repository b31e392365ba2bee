"""Matching of the classes of a data set to those of a classifier by name."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from octsk.metrics.scores import encode_labels
from octsk.published import labels_of
from octsk.utils.untrusted import printable


class ClassMatch(NamedTuple):
    """The evaluated classes, and how images and scores are assigned to them.

    Attributes
    ----------
    names : list of str
        Names of the evaluated classes.
    codes : ndarray of shape (n_samples,), int
        Class of each image as an index into `names`; -1 for images that are left out.
    members : list of list of int
        For each evaluated class, the score columns of the classifier that are summed.
    labels : list
        Labels or names of the evaluated classes in the data set, in the order of `names`.
        The list is empty if a `class_map` was used.
    left_out : dict of int
        Number of images of each class that has no counterpart.
    remarks : list of str
        Remarks for readers of the results.
    """

    names: list[str]
    codes: np.ndarray
    members: list[list[int]]
    labels: list
    left_out: dict[str, int]
    remarks: list[str]

    def scores(self, score: np.ndarray) -> np.ndarray:
        """Convert the scores of the classifier to those of the evaluated classes."""
        if self.members == [[k] for k in range(score.shape[1])]:
            return score
        score = np.asarray(score, dtype=np.float64)
        return np.column_stack([score[:, columns].sum(axis=1) for columns in self.members])


def last_step(estimator):
    """Return the last step of a pipeline, or the estimator itself."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def names_of_classifier(estimator, classes) -> list[str] | None:
    """Return the class names with which a classifier was saved or trained, or None."""
    names = getattr(last_step(estimator), "class_names_", None)
    if names is None and all(isinstance(label, str) for label in classes.tolist()):
        names = classes.tolist()
    return None if names is None else [printable(name) for name in names]


def names_of_labels(labels: Sequence, target_names) -> list[str] | None:
    """Return the name of each label in a data set, or None if any label has no name."""
    if all(isinstance(label, str) for label in labels):
        return [printable(label) for label in labels]
    if target_names is None:
        return None
    indices = labels_of({"target_names": target_names}, labels)
    return None if indices is None else [printable(target_names[i]) for i in indices]


def display_names(estimator, classes, target_names) -> list[str]:
    """Return names for the classes of a classifier without comparing them with labels."""
    known = names_of_labels(classes.tolist(), target_names)
    known = known or names_of_classifier(estimator, classes)
    return known or [str(label) for label in classes.tolist()]


def match_classes(
    estimator, classes, y, target_names, class_map: Mapping | None = None
) -> ClassMatch:
    """Match the classes of images to the score columns of a classifier.

    Parameters
    ----------
    estimator : classifier
        The fitted classifier.
    classes : ndarray of shape (n_classes,)
        The ``classes_`` of the classifier.
    y : ndarray of shape (n_samples,)
        Classes of the images.
    target_names : sequence of str or None
        Names of the labels 0, 1, ... in `y`.
    class_map : mapping or None
        The corresponding classes of the classifier for each class of the data set.

    Returns
    -------
    ClassMatch
        The evaluated classes.

    Raises
    ------
    ValueError
        If a class of an image is not known to the classifier, or `class_map` is invalid.
    """
    values, index = np.unique(y, return_inverse=True)
    labels = values.tolist()
    ours = names_of_classifier(estimator, classes)
    theirs = names_of_labels(labels, target_names)
    if class_map is not None:
        return _mapped(classes, index, labels, ours, theirs, target_names, class_map)
    are_columns = set(labels) <= set(classes.tolist())
    texts = classes.dtype.kind in "OUS" and are_columns
    if texts or ours is None or theirs is None:
        return _by_label(classes, y, ours, theirs, target_names)
    columns = _columns(theirs, ours)
    if None in columns:
        # If a name occurs twice, the classes still match if both lists of names are equal.
        all_theirs = names_of_labels(classes.tolist(), target_names)
        if not are_columns or all_theirs != ours:
            raise _refusal(labels, theirs, target_names, ours)
        columns = encode_labels(np.array(labels), len(classes), classes).tolist()
    codes = np.array(columns, dtype=np.intp)[index]
    return ClassMatch(ours, codes, _each(ours), ours, {}, [])


def _each(names) -> list[list[int]]:
    return [[k] for k in range(len(names))]


def _columns(theirs, ours) -> list[int | None]:
    """Return the column of each name, or None if the classifier has not exactly one."""
    return [ours.index(name) if ours.count(name) == 1 else None for name in theirs]


def _by_label(classes, y, ours, theirs, target_names) -> ClassMatch:
    """Match classes by label, because they cannot be matched by name."""
    unknown = sorted(set(y.tolist()) - set(classes.tolist()), key=str)
    if unknown:
        raise ValueError(
            f"y holds classes {unknown} that the estimator was not trained on; its classes "
            f"are {classes.tolist()}."
        )
    codes = encode_labels(y, len(classes), classes)
    labels = classes.tolist()
    all_theirs = names_of_labels(labels, target_names)
    names = all_theirs if ours is None else ours
    remarks = []
    if ours is None or theirs is None:
        who = (
            "neither the classifier nor the data set has any"
            if ours is theirs
            else "the classifier has none"
            if ours is None
            else "the data set has none"
        )
        order = ", ".join(f"{label}" for label in labels[:10])
        remarks = [
            f"Class names were not compared: {who}. The labels ({order}"
            f"{', ...' if labels[10:] else ''}) were taken to mean the same classes."
        ]
    names = names or [str(label) for label in labels]
    return ClassMatch(names, codes, _each(names), labels, {}, remarks)


def _refusal(labels, theirs, target_names, ours) -> ValueError:
    named = theirs if target_names is None else [printable(name) for name in target_names]
    unknown = [name for name in theirs if ours.count(name) != 1]
    return ValueError(
        f"the classes of the data set and of the classifier have different names: the data "
        f"set has {named}, the classifier has {ours}, without {unknown}. Correct the "
        "names, or say which classes correspond: class_map={...} in Python, --map "
        "THEIRS=OURS on the command line."
    )


# --------------------------------------------------------------------------------------
# Data sets with other classes
# --------------------------------------------------------------------------------------


def _mapped(classes, index, labels, ours, theirs, target_names, class_map) -> ClassMatch:
    ours = ours or [str(label) for label in classes.tolist()]
    theirs = theirs or [str(label) for label in labels]
    known = {*theirs, *(map(printable, () if target_names is None else target_names))}
    sets = _column_sets(class_map, ours, known)
    for name in theirs:
        if name not in sets and ours.count(name) == 1:
            sets[name] = (ours.index(name),)
    parts = _disjoint(sets, ours)
    unused = sorted(set(range(len(ours))) - {k for part in parts for k in part})
    # A class of the data set with the same name may be mapped to other classes.
    taken = {*parts.values()}
    evaluated = dict(parts)
    for k in unused:
        evaluated[(k,)] = f"{ours[k]} (unmapped)" if ours[k] in taken else ours[k]
    order = sorted(evaluated)
    names = [evaluated[part] for part in order]
    place = {part: k for k, part in enumerate(order)}
    found = [place[sets[name]] if name in sets else -1 for name in theirs]
    codes = np.array(found, dtype=np.intp)[index]
    if (codes < 0).all():
        raise ValueError(
            f"class_map maps none of the classes of the images, {theirs}, to classes of "
            f"the classifier, {ours}."
        )
    counts = np.bincount(index, minlength=len(labels)).tolist()
    left_out = {name: n for name, n in zip(theirs, counts, strict=True) if name not in sets}
    remarks = [f"Classes were mapped: {_words(sets, ours)}."]
    if unused:
        without = ", ".join(ours[k] for k in unused)
        remarks.append(
            f"No class of the data set is mapped to {without}: predictions of it are wrong."
        )
    if left_out:
        which = ", ".join(f"{name} ({n:,} images)" for name, n in left_out.items())
        remarks.append(
            f"LEFT OUT of all results, because the classifier has no such class: {which}."
        )
        warnings.warn(remarks[-1], UserWarning, stacklevel=5)
    members = [list(part) for part in order]
    return ClassMatch(names, codes, members, [], left_out, remarks)


def _column_sets(class_map, ours, known) -> dict[str, tuple[int, ...]]:
    """Return the score columns that correspond to each class in `class_map`."""
    if not isinstance(class_map, Mapping) or not class_map:
        raise ValueError(
            "class_map must map classes of the data set to classes of the classifier, such "
            f"as {{'AMD': ['CNV', 'drusen']}}, got {class_map!r}."
        )
    sets = {}
    for theirs, wanted in class_map.items():
        name = printable(theirs)
        if name not in known:
            raise ValueError(
                f"class_map maps {name!r}, which the data set does not have; it has "
                f"{sorted(known)}."
            )
        is_one = isinstance(wanted, str) or not isinstance(wanted, Iterable)
        wanted = [wanted] if is_one else [*wanted]
        columns = _columns([printable(one) for one in wanted], ours)
        if not columns or None in columns or len(set(columns)) < len(columns):
            raise ValueError(
                f"class_map maps {name!r} to {wanted!r}, which must be one or more "
                f"different classes of the classifier, {ours}."
            )
        sets[name] = tuple(sorted(k for k in columns if k is not None))
    return sets


def _disjoint(sets, ours) -> dict[tuple[int, ...], str]:
    """Return the name of each distinct set of columns, and check that none overlap."""
    parts: dict[tuple[int, ...], list[str]] = {}
    for name, columns in sets.items():
        parts.setdefault(columns, []).append(name)
    taken: dict[int, str] = {}
    for columns, names in parts.items():
        for k in columns:
            if k in taken:
                raise ValueError(
                    f"class_map must not give a class of the classifier to several "
                    f"different classes: {ours[k]!r} stands for {taken[k]!r} and for "
                    f"{names[0]!r}, but not with the same other classes."
                )
            taken[k] = names[0]
    # Classes of the data set that are mapped to the same classes are named after these.
    return {
        columns: names[0] if len(names) == 1 else "+".join(ours[k] for k in columns)
        for columns, names in parts.items()
    }


def _words(sets, ours) -> str:
    return "; ".join(
        f"{name} = {' + '.join(ours[k] for k in columns)}" for name, columns in sets.items()
    )
