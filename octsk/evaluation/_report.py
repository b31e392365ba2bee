"""Report of the evaluation of one classifier, with its tables and files."""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octsk.evaluation._doubt_reports import AbstentionReport
from octsk.evaluation._operating_point import OperatingPoint
from octsk.evaluation._report_file import (
    LEVEL_FIELDS,
    MAX_BYTES,
    OF_EACH_IMAGE,
    REPORT_FORMAT,
    parsed,
)
from octsk.evaluation._report_tables import ReportTables
from octsk.evaluation._score_files import write_medmnist_csv, write_scores_csv
from octsk.evaluation.params import resolve
from octsk.evaluation.wording import format_split
from octsk.published import published_results
from octsk.utils.formatting import as_word, format_score
from octsk.utils.json import jsonable, read_json, write_json
from octsk.utils.untrusted import printable


@dataclass(eq=False, repr=False)
class BenchmarkReport(ReportTables):
    """Results of a fitted classifier on a set of images.

    It is returned by `evaluate`. `print` and notebooks show it as tables.

    Attributes
    ----------
    name : str
        Name of the classifier in tables: its class, or its key in `run_benchmark`.
    metrics : dict of float
        ``acc`` and ``auc`` as MedMNIST defines them, ``balanced_accuracy``,
        ``log_loss`` (in nats) and ``ece`` (expected calibration error, 15 bins). Undefined
        values are nan.
    intervals : dict of (float, float)
        Bootstrap intervals of all metrics except ``ece``.
    confidence_level : float
        Confidence level of the intervals.
    n_resamples : int
        Number of bootstrap resamples.
    resampled : {'images', 'groups'}
        Whether images (within their class) or whole patients were resampled.
    class_names : list of str
        Class names in the order of the columns of `y_score`.
    recall : dict of float
        Recall of each class, which is nan for a class without images.
    confusion_matrix : ndarray of shape (n_classes, n_classes), int
        Number of images of each true class (rows) that were predicted as each class
        (columns).
    n_samples : int
        Number of images.
    data : dict
        ``name``, ``size`` (pixels), ``split``, ``synthetic``, ``sha256`` of the file
        (None if there is no file), ``arrays_sha256`` of the evaluated images and classes,
        and ``shared_groups``, the number of patients that each other split has in common.
    not_comparable : str or None
        Reason why published results are not comparable, or None if they are.
    estimator : str
        Class of the classifier.
    params : dict
        Its ``get_params()``, as far as JSON can represent them.
    resolved_params : dict
        Values that were used for None and "auto" in `params`, if octsk knows them: the
        learning rate and weight decay of the optimizer, and the number of epochs.
    seed : int or None
        Seed with which it was trained, if known.
    history : dict of list, or None
        Its training history, if it has one.
    fit_seconds : float or None
        Duration of the training, if `run_benchmark` measured it.
    predict_seconds : float
        Duration of the prediction.
    environment : dict
        Versions of Python and of the packages, platform, number of CPUs.
    y_true : ndarray of shape (n_samples,), int
        True class of each image, as an index into `class_names`.
    y_score : ndarray of shape (n_samples, n_classes), float
        Predicted probabilities (``predict_proba``).
    corruptions : list of dict or None
        After ``run_benchmark(corruptions=True)``, the balanced errors on the original and
        the corrupted images, as rows for `octsk.CorruptionDisplay`.
    interval_caveat : str or None
        Result of `octsk.metrics.interval_caveat` for the test set.
    trained_on : dict of int or None
        Number of training images of each class, without those that had no weight or were
        held out. None if the classifier does not know it, such as after loading it.
    label_columns : list of (int or None), or None
        Column in `y_score` of each label of the data set, 0 to n - 1, or None for a class
        that the classifier does not know. The attribute is None if the classes are neither
        labels of the data set nor in its ``target_names``.
    filenames : list of str, or None
        File of each image, if the data set contains file names.
    groups : list, or None
        Group (patient) of each image, if known.
    image_index : list of int, or None
        Index of each evaluated image in the data set; None if all were evaluated.
    left_out : dict of int
        Number of images of each class that has no counterpart in `class_map`.
    operating_point : OperatingPoint or None
        Sensitivity, specificity and predictive values of the ``positive`` classes at a
        threshold, and their intervals, in its attributes ``threshold``, ``figures`` and
        ``intervals``.
    by_group : BenchmarkReport or None
        With ``level="group"``, a report of the same results by group (patient).
    subgroups : list of dict or None
        For each column of `by`, its name (``by``), the results of each subgroup
        (``rows``), and the largest gap in each metric (``gaps``).
    abstention : AbstentionReport or None
        With ``max_error``, the proportion of predictions on which the classifier abstains,
        and the error of the rest.
    level : {'image', 'group'}
        Whether `y_true` and `y_score` have one entry for each image or for each group.
    aggregate : str or None
        How the scores of the images of a group were combined.
    unfamiliar : list of bool or None
        Whether each image is unlike the training images, if a gate was applied.
    n_unfamiliar : int or None
        Number of these images.
    remarks : list of str
        Remarks on how to read the results, for instance that class names could not be
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
    abstention: AbstentionReport | None = None
    level: str = "image"
    aggregate: str | None = None
    unfamiliar: list[bool] | None = None
    n_unfamiliar: int | None = None
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
            Rank, where 1 is the best and equal results share a rank. None if the results
            are not comparable, for the reason in `not_comparable`.

        Raises
        ------
        ValueError
            If `by` or `version` is invalid.
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
            Whether to include the values of each image: `y_true`, `y_score`, `filenames`,
            `groups`, `image_index` and `unfamiliar`.

        Returns
        -------
        dict
            The attributes, with None instead of nan.
        """
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if not scores:
            for name in OF_EACH_IMAGE:
                del values[name]
        if self.operating_point is not None:
            values["operating_point"] = self.operating_point.to_dict(scores=scores)
        if self.abstention is not None:
            values["abstention"] = self.abstention.to_dict()
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
            If the file is damaged, or is not a report of this format.
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
                merged |= {"abstention": None, "unfamiliar": None}
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
