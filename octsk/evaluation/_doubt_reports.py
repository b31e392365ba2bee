"""Reports of prediction sets and of abstention, with their tables."""

import dataclasses
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
        The coverage that was asked for.
    by_patient : bool
        Whether the intervals are over patients.
    rows : list of dict
        One for all images and one for each class: ``images``, ``n``, ``coverage``, ``low``
        and ``high`` (its 95 % interval), ``mean_size`` (classes in a set), ``one_class``
        and ``empty`` (shares of sets of one class and of none).
    """

    confidence_level: float
    by_patient: bool
    rows: list[dict[str, Any]]

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
            "95 % interval",
            "mean size",
            "one class",
            "empty",
        )
        title = f"Prediction sets at a confidence level of {self.confidence_level:g}"
        return [Table(title, header, cells, _notes(self.by_patient))]


@dataclass(eq=False)
class AbstentionReport(Tabular):
    """Share of predictions that are not kept, and the error of those that are.

    Attributes
    ----------
    asked : float
        The error that was asked for.
    threshold : float
        Least probability of a prediction that is kept.
    by_patient : bool
        Whether the intervals are over patients.
    rows : list of dict
        One for all images and one for each class: ``images``, ``n``, ``abstained`` with
        ``abstained_low`` and ``abstained_high`` (its 95 % interval), ``error`` among the
        predictions that are kept, with ``error_low`` and ``error_high``, and
        ``error_of_all`` without abstention.
    """

    asked: float
    threshold: float
    by_patient: bool
    rows: list[dict[str, Any]]

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
        header = ["", "images", "abstained", "95 % interval", "error of the rest"]
        header += ["95 % interval", "error without abstention"]
        title = (
            f"Abstention, for an error of {self.asked:g} (threshold {self.threshold:.3f})"
        )
        return [Table(title, header, cells, _notes(self.by_patient))]


def _notes(by_patient) -> list[str]:
    if by_patient:
        return []
    return ["The intervals take images as independent, because no patients were given."]
