"""Report of the evaluation of one classifier, with its tables and files."""

import dataclasses
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octsk.evaluation._operating_point import OperatingPoint
from octsk.evaluation._report_file import (
    LEVEL_FIELDS,
    MAX_BYTES,
    OF_EACH_IMAGE,
    REPORT_FORMAT,
    parsed,
)
from octsk.evaluation._score_files import write_medmnist_csv, write_scores_csv
from octsk.evaluation._subgroups import subgroup_tables
from octsk.evaluation.params import resolve, settings_table
from octsk.evaluation.wording import (
    format_interval_note,
    format_seconds,
    format_split,
    leak_notes,
    of_patients,
    published_tables,
    synthetic_banner,
)
from octsk.metrics import TITLES
from octsk.published import published_results
from octsk.utils.formatting import as_word, format_interval, format_score
from octsk.utils.json import jsonable, read_json, write_json
from octsk.utils.tables import Table, Tabular
from octsk.utils.untrusted import printable


@dataclass(eq=False, repr=False)
class BenchmarkReport(Tabular):
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
    filenames : list of str, or None
        File of each image, if the data set knows them.
    groups : list, or None
        Group (patient) of each image, if known.
    image_index : list of int, or None
        Index of each evaluated image in the data set; None if all were evaluated.
    left_out : dict of int
        Number of images of each class that `class_map` leaves without a counterpart.
    operating_point : OperatingPoint or None
        Sensitivity, specificity and predictive values of the ``positive`` classes at a
        threshold, and their intervals, in its attributes ``threshold``, ``figures`` and
        ``intervals``.
    by_group : BenchmarkReport or None
        With ``level="group"``, the report of the same figures by group (patient).
    subgroups : list of dict or None
        For each column of `by`: its name ``by``, the figures of each subgroup in ``rows``,
        and the largest gap of each figure in ``gaps``.
    level : {'image', 'group'}
        What `y_true` and `y_score` have an entry for.
    aggregate : str or None
        How the scores of images became those of a group.
    remarks : list of str
        What a reader of the figures has to know, such as that class names could not be
        compared.

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
    filenames: list[str] | None = None
    groups: list[Any] | None = None
    image_index: list[int] | None = None
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)
    operating_point: OperatingPoint | None = None
    by_group: "BenchmarkReport | None" = None
    subgroups: list[dict[str, Any]] | None = None
    level: str = "image"
    aggregate: str | None = None
    remarks: list[str] = dataclasses.field(default_factory=list)

    @property
    def n_groups(self) -> int | None:
        """Number of groups (patients), or None if they are not known."""
        return None if self.groups is None else len(np.unique(self.groups))

    @property
    def image_numbers(self) -> Sequence[int]:
        """Index of each evaluated image in the data set."""
        return range(self.n_samples) if self.image_index is None else self.image_index

    @property
    def shown_params(self) -> dict[str, Any]:
        """Parameters for display, with None and "auto" replaced by resolved values."""
        return resolve(self.params, self.resolved_params)

    @property
    def run_name(self) -> str:
        """Name and seed as a part of file names."""
        return as_word(self.name) + ("" if self.seed is None else f"-seed{self.seed}")

    def __repr__(self):
        acc, auc = (format_score(self.metrics[name]) for name in ("acc", "auc"))
        about = f"{printable(self.name)} on {format_split(self.data)}"
        return f"<BenchmarkReport of {about}: ACC {acc}, AUC {auc}>"

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
            Whether to include what is known of each image: `y_true`, `y_score`,
            `filenames`, `groups` and `image_index`.

        Returns
        -------
        dict
            The attributes; nan as None.
        """
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if not scores:
            for name in OF_EACH_IMAGE:
                del values[name]
        if self.operating_point is not None:
            values["operating_point"] = self.operating_point.to_dict(scores=scores)
        if self.by_group is not None:
            of_groups = self.by_group.to_dict(scores=scores)
            names = [name for name in LEVEL_FIELDS if name in of_groups]
            values["by_group"] = {name: of_groups[name] for name in names}
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
            of_groups = values.pop("by_group", None)
            report = cls(**parsed(values))
            if of_groups is not None:
                merged = {**values, **{name: of_groups[name] for name in LEVEL_FIELDS}}
                report.by_group = cls(**parsed(merged))
            return report
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
        return write_medmnist_csv(self, folder, run or self.run_name)

    def to_csv(self, path: str | os.PathLike) -> None:
        """Write the scores with a header, one row for each image.

        The columns are ``image`` (index in the data set), ``file`` and ``group`` (where
        they are known), ``true`` and ``predicted`` (names of classes), and ``p_`` with the
        name of each class. An existing file is replaced.

        Parameters
        ----------
        path : path-like
            The file.
        """
        write_scores_csv(self, path)

    def _records(self) -> list[dict[str, Any]]:
        about = {
            "net": self.name,
            "seed": self.seed,
            "data": self.data["name"],
            "split": self.data["split"],
            "level": self.level,
            "images": self.n_samples if self.level == "image" else None,
            "patients": self.n_groups,
        }
        point = self.operating_point
        known = {**self.intervals, **(point.intervals if point else {})}
        values: dict[str, float] = dict(self.metrics)
        if point is not None:
            # The AUC of the positive classes is another than that of all classes.
            values |= {k: v for k, v in point.figures.items() if k != "auc"}
            known["auc"] = self.intervals["auc"]
        figures: list[tuple[str, str | None, float]]
        figures = [(metric, None, value) for metric, value in values.items()]
        figures += [("recall", name, value) for name, value in self.recall.items()]
        records = []
        for metric, of_class, value in figures:
            low, high = known.get(metric, (math.nan, math.nan))
            figure = {"metric": metric, "class": of_class, "value": value}
            ends = {"low": low, "high": high, "confidence_level": self.confidence_level}
            records.append(about | figure | ends)
        return records + ([] if self.by_group is None else self.by_group._records())

    def _document_tables(self) -> list[Table]:
        return [*self._tables(), settings_table([self])]

    def _tables(self) -> list[Table]:
        about = [self.estimator] if self.estimator != self.name else []
        about += [f"seed {self.seed}"] if self.seed is not None else []
        words = f" ({', '.join(about)})" if about else ""
        facts = [
            ("classifier", f"{self.name}{words}"),
            (
                "data",
                f"{format_split(self.data)}, {self.n_samples} images"
                f"{of_patients(self.n_groups)}",
            ),
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
            *self._study_tables(),
            *self._rank_table(),
            *published_tables(self.data, self.not_comparable),
        ]

    def _metrics_table(self) -> Table:
        reports = [self] if self.by_group is None else [self, self.by_group]
        rows = [
            (
                title,
                *(
                    cell
                    for report in reports
                    for cell in (
                        format_score(report.metrics[name]),
                        format_interval(report.intervals.get(name)),
                    )
                ),
            )
            for name, title in TITLES.items()
        ]
        notes = [format_interval_note(self), *leak_notes(self), *self.remarks]
        if math.isnan(self.metrics["auc"]):
            empty = [name for name, value in self.recall.items() if math.isnan(value)]
            notes.append(f"AUC is not defined: no image of {', '.join(empty)}.")
        level = f"{self.confidence_level:.0%} interval"
        header = ["metric", "value", level]
        if self.by_group is not None:
            header = ["metric", "by image", level, "by patient", level]
            few = self.by_group.interval_caveat
            notes += [
                f"By patient: {self.by_group.n_samples:,} patients.",
                *self.by_group.remarks,
                *([f"By patient: {few}"] if few else []),
            ]
        return Table("Measured", header, rows, notes)

    def _study_tables(self) -> list[Table]:
        """Return the tables by patient, at the operating point and of subgroups."""
        tables = []
        if self.by_group is not None:
            tables.append(self.by_group._classes_table())
        if self.operating_point is not None:
            of_groups = self.by_group
            by_group = None if of_groups is None else of_groups.operating_point
            tables.append(self.operating_point.table(self.confidence_level, by_group))
        return tables + subgroup_tables(self.subgroups or [], self.confidence_level)

    def _classes_table(self) -> Table:
        numbers = [str(i) for i in range(len(self.class_names))]
        rows = [
            (
                name if name == str(i) else f"{i} {name}",
                str(sum(row)),
                format_score(self.recall[name]),
                *map(str, row),
            )
            for i, (name, row) in enumerate(
                zip(self.class_names, self.confusion_matrix.tolist(), strict=True)
            )
        ]
        what = "patients" if self.level == "group" else "images"
        header = ("true class", what, "recall", *(f"as {number}" for number in numbers))
        return Table(f"Classes, and what their {what} were predicted as", header, rows)

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
