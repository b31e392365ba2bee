"""Results for clinical studies: operating point, patients, subgroups and abstention."""

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_consistent_length

from octsk.evaluation._by_group import (
    aggregate_name,
    any_of_groups,
    check_level,
    classes_of_groups,
    scores_of_groups,
)
from octsk.evaluation._class_names import ClassMatch, match_classes
from octsk.evaluation._doubt import (
    abstention_threshold,
    measure_abstention,
)
from octsk.evaluation._doubt_reports import AbstentionReport
from octsk.evaluation._figures import measure
from octsk.evaluation._images_apart import check_apart
from octsk.evaluation._operating_point import operating_point
from octsk.evaluation._subgroups import check_by, measure_subgroups
from octsk.evaluation._threshold import PointRequest, Scored
from octsk.evaluation.wording import of_patients
from octsk.metrics.scores import check_predicted
from octsk.utils.columns import check_column, check_groups
from octsk.utils.json import jsonable
from octsk.utils.validation import check_share


class Study(NamedTuple):
    """The arguments of `evaluate` for clinical studies."""

    point: PointRequest = PointRequest(None)
    X_val: Any = None
    y_val: Any = None
    groups_val: Any = None
    level: str = "image"
    aggregate: str | Callable = "mean"
    by: Any = None
    max_error: float | None = None

    @property
    def needs_validation(self) -> bool:
        return self.point.needs_validation or self.max_error is not None

    def check(self, dataset, split, part, n) -> "Study":
        """Check the arguments, and add the validation images and columns of the data set.

        Raises
        ------
        ValueError
            If an argument is invalid or missing.
        """
        self.point.check()
        if self.max_error is not None:
            check_share("max_error", self.max_error)
        check_level(self.level, self.aggregate, part["groups"])
        own = (dataset or {}).get(split)
        own = own if isinstance(own, Mapping) else dataset or {}
        study = self._replace(by=check_by(self.by, own, n))
        if not self.needs_validation:
            return study._replace(X_val=None, y_val=None)
        if (self.X_val is None) != (self.y_val is None):
            raise ValueError("X_val and y_val must be given together.")
        if self.X_val is None:
            val = None if split == "val" else (dataset or {}).get("val")
            study = study._with_split(val)
        check_consistent_length(study.X_val, study.y_val)
        by_group = self.level == "group" and self.point.needs_validation
        if by_group and study.groups_val is None:
            raise ValueError(
                "level='group' requires the group (patient) of each validation image, too: "
                "pass groups_val."
            )
        return study

    def _with_split(self, val) -> "Study":
        if not isinstance(val, Mapping) or val.get("data") is None:
            raise ValueError(
                "the threshold must be chosen on images that are not evaluated: pass X_val "
                "and y_val, a dataset with a val split, or a threshold."
            )
        groups = val.get("groups") if self.groups_val is None else self.groups_val
        return self._replace(X_val=val["data"], y_val=val["target"], groups_val=groups)


class Evaluated(NamedTuple):
    """Images with their matched classes and scores.

    `kept` contains the indices of the images whose classes have a counterpart.
    """

    match: ClassMatch
    score: np.ndarray
    groups: np.ndarray | None

    @property
    def kept(self) -> np.ndarray:
        return np.flatnonzero(self.match.codes >= 0)

    @property
    def codes(self) -> np.ndarray:
        return self.match.codes[self.kept]

    @property
    def scores(self) -> np.ndarray:
        return self.match.scores(self.score)[self.kept]

    @property
    def groups_of_kept(self) -> np.ndarray | None:
        """Groups of the kept images, numbered from 0."""
        if self.groups is None:
            return None
        return np.unique(self.groups[self.kept], return_inverse=True)[1]

    def collapsed(self, positive: list[str]) -> Scored:
        """Return whether each image is positive, and the summed scores."""
        columns = [k for k, name in enumerate(self.match.names) if name in positive]
        score = np.asarray(self.scores[:, columns], dtype=np.float64).sum(axis=1)
        return Scored(np.isin(self.codes, columns), score, self.groups_of_kept)


def add_study(
    report, study: Study, test: Evaluated, estimator, info, X, class_map, resampling
):
    """Return a copy of a report with the results that `study` requests."""
    points: list = [None, None]
    classes = np.asarray(estimator.classes_)
    val, remarks = None, []
    if study.needs_validation:
        val = _validation(study, estimator, classes, info, class_map)
        remarks = check_apart(study.X_val, X, study.groups_val, info["groups"])
    if study.point.positive is not None:
        # Labels do not identify classes that a class map has merged.
        labels = classes[:0] if class_map is not None else classes
        columns = study.point.columns(report.class_names, labels)
        points = _points(study, report, columns, test, val, remarks, resampling)
    by = {name: values[test.kept] for name, values in study.by.items()}
    subgroups = measure_subgroups(
        by, test.codes, test.scores, test.groups_of_kept, points[0], resampling
    )
    report = dataclasses.replace(
        report,
        operating_point=points[0],
        subgroups=subgroups or None,
        abstention=None
        if val is None or study.max_error is None
        else _abstention(study.max_error, report, test, val, remarks, resampling),
    )
    if study.level == "group":
        report.by_group = _by_group(report, study, test, points[1], resampling)
    return report


def _abstention(error, report, test, val, remarks, resampling) -> AbstentionReport:
    n_groups = None if val.groups is None else len(np.unique(val.groups[val.kept]))
    chosen = (
        "The classifier abstains if the probability of its predicted class is below the "
        f"threshold, which was chosen on {len(val.codes):,} validation images"
    )
    return measure_abstention(
        test.scores,
        test.codes,
        report.class_names,
        error=float(error),
        threshold=abstention_threshold(val.scores, val.codes, error),
        groups=test.groups_of_kept,
        random_state=resampling.random_state,
        remarks=[f"{chosen}{of_patients(n_groups)}.", *remarks],
    )


def _validation(study, estimator, classes, info, class_map) -> Evaluated:
    y = check_column(study.y_val, "y_val", warn=False)
    groups = study.groups_val
    with warnings.catch_warnings():
        # match_classes has already warned about these classes for the evaluated images.
        warnings.simplefilter("ignore", UserWarning)
        match = match_classes(estimator, classes, y, info["target_names"], class_map)
    score = np.asarray(estimator.predict_proba(study.X_val))
    check_predicted(estimator, score, len(y), len(classes))
    numbers = None if groups is None else check_groups(groups, len(y), "groups_val")
    return Evaluated(match, score, numbers)


def _points(study, report, columns, test, val, remarks, resampling) -> list:
    """Return the operating point by image, and the one by group or None."""
    positive = [report.class_names[k] for k in columns]
    of_test = test.collapsed(positive)
    of_val = None if val is None else val.collapsed(positive)
    points = [
        operating_point(
            *(study.point, report.class_names, columns, of_test, of_val, resampling),
            remarks=remarks,
        )
    ]
    if study.level != "group":
        return [*points, None]
    of_groups = [
        None
        if part is None
        else Scored(
            any_of_groups(part.y_true, part.groups),
            scores_of_groups(part.y_score, part.groups, study.aggregate),
            None,
        )
        for part in (of_test, of_val)
    ]
    remark = "A patient is positive if any image is."
    points.append(
        operating_point(
            *(study.point, report.class_names, columns, *of_groups, resampling),
            unit="patients",
            remarks=[*remarks, remark],
        )
    )
    return points


def _by_group(report, study, test, point, resampling):
    """Return the report by group."""
    groups = test.groups_of_kept
    codes = classes_of_groups(test.codes, groups)
    one_class = codes >= 0
    name = aggregate_name(study.aggregate)
    remarks = [f"By patient: the {name} of the scores of the patient's images."]
    n_mixed = int((~one_class).sum())
    if n_mixed == len(codes):
        raise ValueError(
            "level='group' requires groups whose images have one class, but all groups "
            "have images of several classes. Give each eye a group of its own, or pass "
            "positive instead of level."
        )
    if n_mixed:
        remarks.append(
            f"{n_mixed} of {len(codes)} patients have images of several classes and are "
            "LEFT OUT of the results by patient (but not of an operating point)."
        )
    score = scores_of_groups(test.scores, groups, study.aggregate)
    names = np.unique(np.asarray(report.groups))
    # Each patient is a group of its own, so that the class frequencies vary between
    # resamples as they do if images are resampled by patient.
    units = np.arange(one_class.sum())
    codes, score = codes[one_class], score[one_class]
    return dataclasses.replace(
        report,
        **measure(codes, score, report.class_names, units, resampling),
        level="group",
        aggregate=name,
        operating_point=point,
        subgroups=None,
        abstention=None,
        unfamiliar=None,
        filenames=None,
        image_index=None,
        groups=jsonable(names[one_class]),
        remarks=remarks,
    )
