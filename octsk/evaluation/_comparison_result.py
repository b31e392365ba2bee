"""Result of a comparison of classifiers, with its tables and files."""

import dataclasses
import os
from dataclasses import dataclass
from typing import Any

from octsk.evaluation._report_file import REPORT_FORMAT
from octsk.evaluation.wording import format_split, synthetic_banner
from octsk.metrics import TITLES
from octsk.utils.formatting import (
    format_interval,
    format_p,
    format_score,
    format_signed,
)
from octsk.utils.json import jsonable, write_json
from octsk.utils.tables import Table, Tabular

_INDEPENDENT = (
    "This test takes all images as independent. If patients have several images, its "
    "p-values are too small: rely on the paired bootstrap over patients."
)


@dataclass(eq=False, repr=False)
class Comparison(Tabular):
    """Differences between one classifier and others on the same images.

    `compare` returns it. It prints as tables, which a notebook shows formatted.

    Attributes
    ----------
    metric : str
        The metric that was compared.
    names : list of str
        Names of the classifiers. The first is compared with each of the others.
    rows : list of dict
        One row for each other classifier, with these keys:

        - ``first``, ``other`` : names of the two classifiers
        - ``value_first``, ``value_other`` : means over the trainings
        - ``difference`` : first minus other
        - ``low``, ``high`` : interval of the difference
        - ``p_value``, ``p_holm`` : p-value, and p-value corrected for the number of rows
        - ``n_trainings_first``, ``n_trainings_other`` : numbers of trainings
        - ``training_error`` : standard error of the difference over the trainings
        - ``training_low``, ``training_high``, ``training_p`` : Welch's t-test

        The last two items are None unless both classifiers were trained at least twice.
    tests : list of dict
        For the accuracy, the exact McNemar test of each other classifier. For the AUC,
        DeLong's test of each other classifier and class, one versus rest. Each test has
        the keys ``method``, ``first``, ``other``, ``p_value`` and ``p_holm``. McNemar's
        test also has ``only_first`` and ``only_other`` (number of images that only this
        classifier predicted correctly). DeLong's test also has ``class``, ``value_first``,
        ``value_other``, ``difference``, ``low`` and ``high``. The list is empty for other
        metrics, or if a classifier was trained several times.
    confidence_level : float
        Confidence level of the intervals.
    n_resamples : int
        Number of resamples of the paired bootstrap.
    resampled : {'groups', 'images'}
        Whether whole patients or single images were resampled.
    n_samples : int
        Number of images.
    n_groups : int or None
        Number of patients; None if they are not known.
    data : dict
        Description of the images, as in `BenchmarkReport`.
    notes : list of str
        Notes on the limitations of the results.
    """

    metric: str
    names: list[str]
    rows: list[dict[str, Any]]
    tests: list[dict[str, Any]]
    confidence_level: float
    n_resamples: int
    resampled: str
    n_samples: int
    n_groups: int | None
    data: dict[str, Any]
    notes: list[str]

    def __repr__(self):
        row = self.rows[0]
        more = f" and {len(self.rows) - 1} more" if len(self.rows) > 1 else ""
        difference, p = format_signed(row["difference"]), format_p(row["p_value"])
        words = f"{_pair(row)}: {difference}, p = {p}"
        return f"<Comparison of {self._title()}, {words}{more}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain Python values for JSON, with None for nan."""
        return jsonable({f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    def to_json(self, path: str | os.PathLike) -> None:
        """Write the comparison to a JSON file. An existing file is replaced."""
        write_json(path, {"octsk_comparison": REPORT_FORMAT, **self.to_dict()})

    def _title(self) -> str:
        return TITLES.get(self.metric, self.metric)

    def _records(self) -> list[dict[str, Any]]:
        rows = [{"method": "paired bootstrap", **row} for row in self.rows]
        keys = dict.fromkeys(key for row in [*rows, *self.tests] for key in row)
        about = {"metric": self.metric, "confidence_level": self.confidence_level}
        return [
            {**about, **{key: row.get(key) for key in keys}} for row in [*rows, *self.tests]
        ]

    def _tables(self) -> list[Table]:
        return [
            *synthetic_banner(self.data),
            self._differences_table(),
            *self._trainings_table(),
            *self._tests_table(),
        ]

    def _differences_table(self) -> Table:
        rows = [
            (
                _pair(row),
                format_score(row["value_first"]),
                format_score(row["value_other"]),
                format_signed(row["difference"]),
                format_interval((row["low"], row["high"])),
                *_p_cells(row, self.rows),
            )
            for row in self.rows
        ]
        header = (
            "comparison",
            "first",
            "other",
            "difference",
            f"{self.confidence_level:.0%} interval",
            *_p_header(self.rows),
        )
        title = f"Difference in {self._title()} on {format_split(self.data)}"
        return Table(title, header, rows, self.notes)

    def _trainings_table(self) -> list[Table]:
        rows = [
            (
                _pair(row),
                f"{row['n_trainings_first']}, {row['n_trainings_other']}",
                f"{format_signed(row['difference'])} "
                f"± {format_score(row['training_error'])}",
                format_interval((row["training_low"], row["training_high"])),
                format_p(row["training_p"]),
            )
            for row in self.rows
            if row["training_error"] is not None
        ]
        if not rows:
            return []
        level = f"{self.confidence_level:.0%} interval"
        header = ("comparison", "trainings", "mean difference ± error", level, "p")
        note = (
            "± is the standard error of the mean difference over trainings with different "
            "seeds, evaluated on the same images. Interval and p are from Welch's t-test. "
            "They do not cover the variation between test sets."
        )
        title = f"Difference in {self._title()} between trainings"
        return [Table(title, header, rows, [note])]

    def _tests_table(self) -> list[Table]:
        if not self.tests:
            return []
        of_auc = self.metric == "auc"
        rows = [
            (
                _pair(test),
                *(_delong_cells(test) if of_auc else _mcnemar_cells(test)),
                *_p_cells(test, self.tests),
            )
            for test in self.tests
        ]
        columns: tuple[str, ...]
        if of_auc:
            level = f"{self.confidence_level:.0%} interval"
            columns = ("class", "first", "other", "difference", level)
            title = "DeLong's test of the AUC of each class, one versus rest"
        else:
            columns = ("only first right", "only other right")
            title = "Exact McNemar test of the accuracy"
        notes = [f"{_INDEPENDENT}{self._images_words()}"]
        return [Table(title, ("comparison", *columns, *_p_header(self.tests)), rows, notes)]

    def _images_words(self) -> str:
        if self.n_groups in (None, self.n_samples):
            return ""
        return f" Here, the {self.n_samples} images are of {self.n_groups} patients."


def _pair(row) -> str:
    return f"{row['first']} minus {row['other']}"


def _p_header(rows) -> tuple[str, ...]:
    return ("p", "p (Holm)") if len(rows) > 1 else ("p",)


def _p_cells(row, rows) -> tuple[str, ...]:
    cells = (format_p(row["p_value"]), format_p(row["p_holm"]))
    return cells if len(rows) > 1 else cells[:1]


def _mcnemar_cells(test) -> tuple[str, ...]:
    return str(test["only_first"]), str(test["only_other"])


def _delong_cells(test) -> tuple[str, ...]:
    return (
        test["class"],
        format_score(test["value_first"]),
        format_score(test["value_other"]),
        format_signed(test["difference"]),
        format_interval((test["low"], test["high"])),
    )
