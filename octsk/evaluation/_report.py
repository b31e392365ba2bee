"""Report of the evaluation of one classifier, with its tables and files."""

import csv
import dataclasses
import math
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning

from octsk.evaluation.params import resolve
from octsk.evaluation.wording import (
    _format_size,
    format_interval_note,
    format_seconds,
    format_split,
    leak_notes,
    published_tables,
    synthetic_banner,
)
from octsk.metrics import TITLES, medmnist_accuracy, medmnist_auc
from octsk.published import published_results
from octsk.utils.files import atomic_write
from octsk.utils.formatting import as_word, decimals, interval_words
from octsk.utils.json import jsonable, read_json, write_json
from octsk.utils.tables import Table, tables_to_html, tables_to_text
from octsk.utils.untrusted import printable

# No interval suits the calibration error: see bootstrap_interval.
WITH_INTERVAL = ("acc", "auc", "balanced_accuracy", "log_loss")
REPORT_FORMAT = 1
# The name of an evaluation file in MedMNIST's format, as to_medmnist_csv gives it.
EVALUATION_FILE = re.compile(
    r"[^_]+(_\w+)?_(train|val|test)_\[AUC\](nan|[01]\.\d{3})_\[ACC\][01]\.\d{3}@[^_]+\.csv"
)
# The scores of 100,000 images of ten classes take a third of it.
MAX_BYTES = 64 * 2**20
# What a balanced error on corrupted images is kept with.
_ROW = {
    "net": str,
    "corruption": str,
    "severity": int,
    "balanced_error": float,
    "seed": int,
}


@dataclass(eq=False, repr=False)
class BenchmarkReport:
    """Results of a fitted classifier on a set of images.

    Made by `evaluate`. Printing it gives a table, and a notebook shows it as one.

    Attributes
    ----------
    name : str
        What the classifier is called in tables: its class, or its key in
        `run_benchmark`.
    metrics : dict of float
        ``acc`` and ``auc`` as MedMNIST defines them, ``balanced_accuracy``,
        ``log_loss`` (in nats) and ``ece`` (expected calibration error, 15 bins); nan
        where not defined.
    intervals : dict of (float, float)
        Bootstrap intervals of all but ``ece``.
    confidence_level : float
        That of the intervals.
    n_resamples : int
        Resamples behind the intervals.
    resampled : {'images', 'groups'}
        Whether images (within their class) or whole patients were resampled.
    class_names : list of str
        In the order of the score columns.
    recall : dict of float
        Recall of each class; nan for a class without images.
    confusion_matrix : ndarray of shape (n_classes, n_classes), int
        Images of each true class (rows) predicted as each class (columns).
    n_samples : int
        Number of images.
    data : dict
        ``name``, ``size`` (pixels), ``split``, ``synthetic``, ``sha256`` of the file
        (None without one), ``arrays_sha256`` of the images and classes evaluated, and
        ``shared_groups``: how many of the split's patients each other split has, too.
    not_comparable : str or None
        Why published results may not stand beside this one; None when they may.
    estimator : str
        Class of the classifier.
    params : dict
        Its ``get_params()``, as far as JSON can say it.
    resolved_params : dict
        What None and "auto" in `params` stood for, where octsk knows it: the learning rate
        and weight decay of the optimizer, and the epochs that were trained.
    seed : int or None
        Seed it was trained with, if told.
    history : dict of list, or None
        Its training history, if it keeps one.
    fit_seconds : float or None
        Time of the training, if `run_benchmark` did it.
    predict_seconds : float
        Time of the prediction.
    environment : dict
        Versions of Python and of the packages, platform, number of CPUs.
    y_true : ndarray of shape (n_samples,), int
        True class of each image, as an index into `class_names`.
    y_score : ndarray of shape (n_samples, n_classes), float
        Its ``predict_proba``.
    corruptions : list of dict or None
        Of ``run_benchmark(corruptions=True)``: its balanced error on the images as they
        are and corrupted, rows that `octsk.CorruptionDisplay` takes.
    interval_caveat : str or None
        What `octsk.metrics.interval_caveat` says of the test set.
    trained_on : dict of int or None
        Images of each class that the classifier was trained on, without those that had
        no weight or were held out. None where it does not tell, as after loading it.
    label_columns : list of (int or None), or None
        For each label of the data set, 0 to n - 1, its column in `y_score`; None for a
        class that the classifier does not know. None as a whole where the classes are
        neither labels of the data set nor named in its ``target_names``.

    Examples
    --------
    >>> import octsk
    >>> from sklearn.dummy import DummyClassifier
    >>> scans = octsk.make_oct_phantoms(40, random_state=0)
    >>> clf = DummyClassifier().fit(scans.data, scans.target)
    >>> report = octsk.evaluate(clf, scans.data, scans.target, dataset=scans)
    >>> report.metrics["acc"], report.recall["drusen"]
    (0.25, 0.0)
    >>> report.not_comparable
    'the images are synthetic'
    """

    name: str
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    confidence_level: float
    n_resamples: int
    resampled: str
    class_names: list[str]
    recall: dict[str, float]
    confusion_matrix: np.ndarray
    n_samples: int
    data: dict[str, Any]
    not_comparable: str | None
    estimator: str
    params: dict[str, Any]
    seed: int | None
    history: dict[str, list] | None
    fit_seconds: float | None
    predict_seconds: float
    environment: dict[str, Any]
    y_true: np.ndarray
    y_score: np.ndarray
    corruptions: list[dict[str, Any]] | None = None
    interval_caveat: str | None = None
    label_columns: list[int | None] | None = None
    resolved_params: dict[str, Any] = dataclasses.field(default_factory=dict)
    trained_on: dict[str, int] | None = None

    @property
    def shown_params(self) -> dict[str, Any]:
        """Parameters for display, with None and "auto" replaced by resolved values."""
        return resolve(self.params, self.resolved_params)

    @property
    def run_name(self) -> str:
        """Name and seed as a part of file names."""
        return as_word(self.name) + ("" if self.seed is None else f"-seed{self.seed}")

    def __repr__(self):
        return (
            f"<BenchmarkReport of {printable(self.name)} on {format_split(self.data)}: "
            f"ACC {decimals(self.metrics['acc'])}, AUC {decimals(self.metrics['auc'])}>"
        )

    def __str__(self):
        return self.to_text()

    def to_text(self) -> str:
        """Return the report as plain text."""
        return tables_to_text(self._tables())

    def _repr_html_(self) -> str:
        return tables_to_html(self._tables())

    def rank(self, by: str = "acc", *, version: str = "v2") -> int | None:
        """Return the rank of this result among the rows of MedMNIST's benchmark.

        Parameters
        ----------
        by : {'acc', 'auc'}, default='acc'
            Metric to rank by, rounded to the three decimals that are published.
        version : {'v1', 'v2'}, default='v2'
            Edition of the benchmark.

        Returns
        -------
        int or None
            1 is best; equals share a place. None where the results are not
            comparable, for the reason in `not_comparable`.

        Raises
        ------
        ValueError
            For another metric or edition.
        """
        if by not in ("acc", "auc"):
            raise ValueError(f"by must be 'acc' or 'auc', got {by!r}.")
        if version not in ("v1", "v2"):
            raise ValueError(f"version must be 'v1' or 'v2', got {version!r}.")
        if self.not_comparable:
            return None
        rows = published_results(self.data["name"], kind="benchmark", version=version)
        measured = round(self.metrics[by], 3)
        return 1 + sum(getattr(row, by) > measured for row in rows)

    def to_dict(self, *, scores: bool = True) -> dict[str, Any]:
        """Return the report as plain Python values for JSON.

        Parameters
        ----------
        scores : bool, default=True
            Whether to give `y_true` and `y_score` too.

        Returns
        -------
        dict
            The attributes; nan as None.
        """
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if not scores:
            del values["y_true"], values["y_score"]
        return jsonable(values)

    def to_json(self, path: str | os.PathLike) -> None:
        """Write the report to a JSON file that `from_json` can read.

        An existing file is replaced.
        """
        write_json(path, {"octsk_report": REPORT_FORMAT, **self.to_dict()})

    @classmethod
    def from_json(cls, path: str | os.PathLike) -> "BenchmarkReport":
        """Read a report that `to_json` wrote.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        BenchmarkReport
            The report.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged, or no report, or one of another format.
        """
        try:
            values = read_json(path, MAX_BYTES)
        except ValueError as error:
            raise ValueError(f"{path} is damaged or no JSON file: {error}.") from None
        if (
            not isinstance(values, dict)
            or values.pop("octsk_report", None) != REPORT_FORMAT
        ):
            raise ValueError(
                f"{path} is not a benchmark report of format {REPORT_FORMAT}, which "
                "BenchmarkReport.to_json writes."
            )
        try:
            return cls(**_parsed(values))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is a damaged benchmark report ({type(error).__name__}: {error})."
            ) from None

    def to_medmnist_csv(self, folder: str | os.PathLike, run: str | None = None) -> Path:
        """Write the scores as MedMNIST's evaluation file.

        Its name is ``{flag}{_size}_{split}_[AUC]x.xxx_[ACC]x.xxx@{run}.csv`` (no size
        at 28 pixels). It has no header. Column 0 is the image's index, and a column for
        each class of the data set follows, in the order of its labels; classes that the
        classifier does not know have scores of 0. MedMNIST's
        ``Evaluator.parse_and_evaluate`` reads it and computes the two figures of the name
        from it. (The AUC is nan where a class of the data set has no image.)

        Parameters
        ----------
        folder : path-like
            Where to write; made if it is not there. A file of the same name is replaced.
        run : str, default=None
            Name of the run; None for `run_name`.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        ValueError
            If the labels that the data set has for the classes are not known
            (`label_columns` is None).
        OSError
            If `folder` cannot be made or written to.
        """
        y_true, y_score = self._by_label()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            auc = medmnist_auc(y_true, y_score)
        acc = medmnist_accuracy(y_true, y_score)
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        # The evaluator splits the name at underscores, and the run at a full stop.
        flag = as_word(self.data["name"] or "unnamed")
        size = self.data["size"]
        if size not in (28, None):
            flag += f"_{_format_size(size)}"
        path = folder / (
            f"{flag}_{self.data['split']}_[AUC]{auc:.3f}_[ACC]{acc:.3f}"
            f"@{as_word(run or self.run_name)}.csv"
        )
        with atomic_write(path) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([i, *row] for i, row in enumerate(y_score.tolist()))
        return path

    def _by_label(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the true labels, and the scores in the order of the data set's labels."""
        if self.label_columns is None:
            raise ValueError(
                f"the classes {self.class_names} are not labels of the data set, 0 to n - "
                "1, by which MedMNIST's evaluator tells them apart: give evaluate a "
                "dataset whose target_names name them."
            )
        labels = np.empty(len(self.class_names), dtype=int)
        y_score = np.zeros((len(self.y_score), len(self.label_columns)))
        for label, column in enumerate(self.label_columns):
            if column is not None:
                labels[column] = label
                y_score[:, label] = self.y_score[:, column]
        return labels[self.y_true], y_score

    def _tables(self) -> list[Table]:
        about = [self.estimator] if self.estimator != self.name else []
        about += [f"seed {self.seed}"] if self.seed is not None else []
        words = f" ({', '.join(about)})" if about else ""
        facts = [
            ("classifier", f"{self.name}{words}"),
            ("data", f"{format_split(self.data)}, {self.n_samples} images"),
            (
                "sha256",
                self.data["sha256"] or f"{self.data['arrays_sha256']} (of the arrays)",
            ),
            ("time", format_seconds(self.fit_seconds, self.predict_seconds)),
        ]
        return [
            *synthetic_banner(self.data),
            Table("Benchmark report", rows=facts),
            self._metrics_table(),
            self._classes_table(),
            *self._rank_table(),
            *published_tables(self.data, self.not_comparable),
        ]

    def _metrics_table(self) -> Table:
        rows = [
            (title, decimals(self.metrics[name]), interval_words(self.intervals.get(name)))
            for name, title in TITLES.items()
        ]
        notes = [format_interval_note(self), *leak_notes(self)]
        if math.isnan(self.metrics["auc"]):
            empty = [name for name, value in self.recall.items() if math.isnan(value)]
            notes.append(f"AUC is not defined: no image of {', '.join(empty)}.")
        level = f"{self.confidence_level:.0%} interval"
        return Table("Measured", ("metric", "value", level), rows, notes)

    def _classes_table(self) -> Table:
        numbers = [str(i) for i in range(len(self.class_names))]
        rows = [
            (
                name if name == str(i) else f"{i} {name}",
                str(sum(row)),
                decimals(self.recall[name]),
                *map(str, row),
            )
            for i, (name, row) in enumerate(
                zip(self.class_names, self.confusion_matrix.tolist(), strict=True)
            )
        ]
        header = ("true class", "images", "recall", *(f"as {number}" for number in numbers))
        return Table("Classes, and what their images were predicted as", header, rows)

    def _rank_table(self) -> list[Table]:
        if self.not_comparable:
            return []
        rows = [
            (version, *(str(self.rank(by, version=version)) for by in ("acc", "auc")))
            for version in ("v1", "v2")
        ]
        n_rows = len(published_results(self.data["name"], kind="benchmark", version="v2"))
        note = f"Place among {n_rows + 1}: the {n_rows} published rows and this one."
        return [
            Table(
                "Rank in MedMNIST's benchmark",
                ("edition", "by ACC", "by AUC"),
                rows,
                [note],
            )
        ]


# --------------------------------------------------------------------------------------
# Tables and words
# --------------------------------------------------------------------------------------


def _checked_columns(columns, n_classes) -> list[int | None] | None:
    """Check and return `label_columns` from a file."""
    if columns is not None:
        known = [column for column in columns if column is not None]
        if sorted(known) != list(range(n_classes)):
            raise ValueError("its label_columns do not hold each column once")
    return columns


def checked_rows(rows) -> list[dict[str, Any]] | None:
    """Check and return the rows of errors on corrupted images from a file.

    Raises
    ------
    ValueError
        If they are no such rows.
    """
    if rows is not None and not (isinstance(rows, list) and all(map(_is_row, rows))):
        raise ValueError("its corruptions are no rows of errors on corrupted images")
    return rows


def _is_row(row) -> bool:
    return (
        isinstance(row, dict)
        and {name: type(value) for name, value in row.items()} == _ROW
        and row["corruption"].isprintable()
        and 0 <= row["severity"] <= 5
        and 0 <= row["balanced_error"] <= 1
    )


def _or_nan(value) -> float:
    return float("nan") if value is None else value


def _parsed(values) -> dict[str, Any]:
    """Convert the JSON values of a report to its attributes."""
    arrays = {"confusion_matrix": int, "y_true": int, "y_score": float}
    return {
        **values,
        **{
            name: {key: _or_nan(value) for key, value in values[name].items()}
            for name in ("metrics", "recall")
        },
        "intervals": {
            key: (_or_nan(low), _or_nan(high))
            for key, (low, high) in values["intervals"].items()
        },
        **{name: np.array(values[name], dtype) for name, dtype in arrays.items()},
        # Reports of older versions have none.
        "corruptions": checked_rows(values.get("corruptions")),
        "label_columns": _checked_columns(
            values.get("label_columns"), len(values["class_names"])
        ),
    }
