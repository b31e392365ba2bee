"""Reports of prediction sets and of abstention, with their tables."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from octsk.utils.formatting import format_interval, format_score
from octsk.utils.tables import Table, Tabular


@dataclass(eq=False)
class PredictionSetReport(Tabular):
    """Coverage and size of prediction sets on a test set.

    Attributes
    ----------
    confidence_level : float
        The requested coverage.
    by_patient : bool
        Whether the intervals are over patients.
    rows : list of dict
        One row for all images and one for each class, with the keys ``images``, ``n``,
        ``coverage``, ``low`` and ``high`` (95 % interval of the coverage), ``mean_size``
        (number of classes in a set), ``one_class`` and ``empty`` (proportions of sets with
        one class and without classes).
    remarks : list of str
        Notes of the table, such as that test images were used for the calibration.
    """

    confidence_level: float
    by_patient: bool
    rows: list[dict[str, Any]]
    remarks: list[str] = dataclasses.field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain Python values."""
        return dataclasses.asdict(self)

    def _records(self) -> list[dict[str, Any]]:
        return self.rows

    def _tables(self) -> list[Table]:
        cells = [
            (
                row["images"],
                str(row["n"]),
                format_score(row["coverage"]),
                format_interval((row["low"], row["high"])),
                format_score(row["mean_size"]),
                format_score(row["one_class"]),
                format_score(row["empty"]),
            )
            for row in self.rows
        ]
        header = (
            "",
            "images",
            "coverage",
            "95% interval",
            "mean size",
            "one class",
            "empty",
        )
        title = f"Prediction sets at a confidence level of {self.confidence_level:g}"
        return [Table(title, header, cells, [*self.remarks, *_notes(self.by_patient)])]


@dataclass(eq=False)
class AbstentionReport(Tabular):
    """Rate of abstention, and error of the predictions that are kept.

    Attributes
    ----------
    asked : float
        The requested error.
    threshold : float
        Lowest probability at which a prediction is kept.
    by_patient : bool
        Whether the intervals are over patients.
    rows : list of dict
        One row for all images and one for each class, with the keys ``images``, ``n``,
        ``abstained`` with ``abstained_low`` and ``abstained_high`` (95 % interval),
        ``error`` of the kept predictions with ``error_low`` and ``error_high``, and
        ``error_of_all`` (error without abstention).
    remarks : list of str
        Notes of the table, such as how the threshold was chosen.
    """

    asked: float
    threshold: float
    by_patient: bool
    rows: list[dict[str, Any]]
    remarks: list[str] = dataclasses.field(default_factory=list)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "AbstentionReport":
        """Restore a report from the dict that `to_dict` returned or its JSON form."""
        rows = [
            {k: math.nan if v is None else v for k, v in row.items()}
            for row in values["rows"]
        ]
        return cls(**{**values, "threshold": float(values["threshold"]), "rows": rows})

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain Python values."""
        return dataclasses.asdict(self)

    def _records(self) -> list[dict[str, Any]]:
        return self.rows

    def _tables(self) -> list[Table]:
        cells = [
            (
                row["images"],
                str(row["n"]),
                format_score(row["abstained"]),
                format_interval((row["abstained_low"], row["abstained_high"])),
                format_score(row["error"]),
                format_interval((row["error_low"], row["error_high"])),
                format_score(row["error_of_all"]),
            )
            for row in self.rows
        ]
        header = ["", "images", "abstained", "95% interval", "error of the rest"]
        header += ["95% interval", "error without abstention"]
        title = (
            f"Abstention, for an error of {self.asked:g} (threshold {self.threshold:.3f})"
        )
        notes = [*self.remarks, *_notes(self.by_patient)]
        if math.isinf(self.threshold):
            notes.insert(0, "No threshold is good enough, so no prediction is kept.")
        return [Table(title, header, cells, notes)]


def _notes(by_patient) -> list[str]:
    if by_patient:
        return []
    return ["The intervals take images as independent, because no patients were given."]
