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

    `evaluate` returns it. It prints as tables, which a notebook shows formatted.

    Attributes
    ----------
    name : str
        Name of the classifier in tables: its class, or its key in `run_benchmark`.
    metrics : dict of float
        ``acc`` and ``auc`` as MedMNIST defines them, ``balanced_accuracy``, ``log_loss``
        (in nats) and ``ece`` (expected calibration error with 15 bins). A metric that is
        not defined is nan.
    intervals : dict of (float, float)
        Bootstrap intervals of all metrics except ``ece``.
    confidence_level : float
        Confidence level of the intervals.
    n_resamples : int
        Number of resamples for the intervals.
    resampled : {'images', 'groups'}
        Whether images (within their class) or whole patients were resampled.
    class_names : list of str
        Names of the classes, in the order of the columns of `y_score`.
    recall : dict of float
        Recall of each class, or nan for a class without images.
    confusion_matrix : ndarray of shape (n_classes, n_classes), int
        Number of images of each true class (rows) predicted as each class (columns).
    n_samples : int
        Number of images.
    data : dict
        Description of the data: ``name``, ``size`` (in pixels), ``split``, ``synthetic``,
        ``sha256`` of the file (None if there is no file), ``arrays_sha256`` of the
        evaluated images and classes, and ``shared_groups`` and ``shared_images``, the
        numbers of patients and of images that each other split shares with this one.
    not_comparable : str or None
        Why this result must not be compared with published results, or None if it may be.
    estimator : str
        Name of the class of the classifier.
    params : dict
        The ``get_params()`` of the classifier, converted to JSON types.
    resolved_params : dict
        The values that octsk used for None and "auto" in `params`, where known: the
        learning rate and weight decay of the optimizer, and the number of epochs.
    seed : int or None
        Seed with which the classifier was trained, if known.
    history : dict of list, or None
        Training history of the classifier, if it has one.
    fit_seconds : float or None
        Training time in seconds, if `run_benchmark` trained the classifier.
    predict_seconds : float
        Prediction time in seconds.
    environment : dict
        Versions of Python and of the packages, platform, and number of CPUs.
    y_true : ndarray of shape (n_samples,), int
        True class of each image, as an index into `class_names`.
    y_score : ndarray of shape (n_samples, n_classes), float
        Predicted probabilities of each image.
    corruptions : list of dict or None
        With ``run_benchmark(corruptions=True)``, the balanced errors on the original and
        on the corrupted images, as rows for `octsk.CorruptionDisplay`.
    interval_caveat : str or None
        Caveat of `octsk.metrics.interval_caveat` for this test set.
    trained_on : dict of int or None
        Number of images of each class on which the classifier was trained, without those
        that had no weight or were held out. None if it is not known, for example after
        loading the classifier from a file.
    label_columns : list of (int or None), or None
        Column in `y_score` of each label 0 to n - 1 of the data set, with None for a class
        that the classifier does not have. None instead of a list if the classes are
        neither labels of the data set nor named in its ``target_names``.
    filenames : list of str, or None
        File name of each image, if the data set contains them.
    groups : list, or None
        Group (patient) of each image, if known.
    image_index : list of int, or None
        Index of each evaluated image in the data set, or None if all were evaluated.
    left_out : dict of int
        Number of images of each class that has no counterpart under `class_map`.
    operating_point : OperatingPoint or None
        Sensitivity, specificity and predictive values of the ``positive`` classes at a
        threshold. See its attributes ``threshold``, ``figures`` and ``intervals``.
    by_group : BenchmarkReport or None
        With ``level="group"``, the same results by group (patient).
    subgroups : list of dict or None
        One dict for each column of `by`, with its name in ``by``, the results of each
        subgroup in ``rows`` and the largest gap of each metric in ``gaps``.
    abstention : AbstentionReport or None
        With ``max_error``, the rate of abstention and the error of the other predictions.
    level : {'image', 'group'}
        Whether the entries of `y_true` and `y_score` are images or groups.
    aggregate : str or None
        How the scores of images were aggregated to those of groups.
    unfamiliar : list of bool or None
        Whether each image is unlike the training images, if a gate was used.
    n_unfamiliar : int or None
        Number of images that are unlike the training images, if a gate was used.
    remarks : list of str
        Remarks for readers of the results, for example that class names could not be
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
        """Name and seed, in a form that is valid in file names."""
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
            Metric by which to rank, rounded to three decimals like the published results.
        version : {'v1', 'v2'}, default='v2'
            Edition of the benchmark.

        Returns
        -------
        int or None
            The rank, where 1 is best and equal results have the same rank. None if the
            results are not comparable; `not_comparable` states why.

        Raises
        ------
        ValueError
            If `by` or `version` has another value.
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
            Whether to include the attributes with an entry for each image: `y_true`,
            `y_score`, `filenames`, `groups`, `image_index` and `unfamiliar`.

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
            If the file does not exist.
        ValueError
            If the file is damaged, is not a report, or has another format.
        """
        try:
            values = read_json(path, MAX_BYTES)
        except ValueError as error:
            raise ValueError(f"{path} is damaged or not a JSON file: {error}.") from None
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

        The name of the file is ``{flag}{_size}_{split}_[AUC]x.xxx_[ACC]x.xxx@{run}.csv``,
        without the size if it is 28 pixels. The file has no header. Its first column is the
        index of the image. The other columns are the scores of the classes of the data set,
        in the order of the labels. The scores of classes that the classifier does not have
        are 0. MedMNIST's ``Evaluator.parse_and_evaluate`` reads the file and computes from
        it the two metrics in its name. The AUC is nan if a class of the data set has no
        images.

        Parameters
        ----------
        folder : path-like
            Folder of the file, which is created if it does not exist. A file of the same
            name is replaced.
        run : str, default=None
            Name of the run. If None, it is `run_name`.

        Returns
        -------
        Path
            The file that was written.

        Raises
        ------
        ValueError
            If the labels of the classes in the data set are not known (`label_columns` is
            None).
        OSError
            If `folder` cannot be created or written to.
        """
        return write_medmnist_csv(self, folder, run or self.run_name)

    def to_csv(self, path: str | os.PathLike) -> None:
        """Write the scores to a CSV file with a header and one row for each image.

        The columns are ``image`` (index in the data set), ``file`` and ``group`` (if
        known), ``true`` and ``predicted`` (names of classes), ``unfamiliar`` (if a gate was
        used), and ``p_`` followed by the name of each class. An existing file is replaced.

        Parameters
        ----------
        path : path-like
            The file.
        """
        write_scores_csv(self, path)
