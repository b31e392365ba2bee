"""Measure classifiers on a test set, and hold them beside published results.

Everything here uses estimators through scikit-learn's interface alone, so it works
with any classifier that has ``predict_proba``. Models are never chosen by test
score: every training run is reported.
"""

import dataclasses
import inspect
import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import confusion_matrix, log_loss, recall_score
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array

from octsk.benchmark._record import (
    arrays_sha256,
    begun,
    environment,
    make_plan,
    set_checkpoint_dir,
)
from octsk.datasets._splits import shared_groups, warn_of_shared_groups
from octsk.evaluation._report import (
    REPORT_FORMAT,
    WITH_INTERVAL,
    BenchmarkReport,
    data_words,
    interval_note,
    leak_notes,
    published_tables,
    resolved_params,
    synthetic_banner,
)
from octsk.metrics import (
    TITLES,
    bootstrap_interval,
    expected_calibration_error,
    interval_caveat,
    medmnist_accuracy,
    medmnist_auc,
)
from octsk.metrics.scores import encode_labels, get_classes, predict_indices
from octsk.published import labels_of, published_results, why_not_comparable
from octsk.utils.columns import check_column, check_groups
from octsk.utils.files import (
    atomic_folder,
    atomic_write,
    check_new_folder,
    leftovers_of,
    remove_temporaries,
    write_text,
)
from octsk.utils.formatting import as_word, decimals, interval_words
from octsk.utils.json import jsonable, write_json
from octsk.utils.tables import Table, tables_to_html, tables_to_text
from octsk.utils.untrusted import printable
from octsk.utils.validation import check_lengths


def evaluate(
    estimator,
    X,
    y: ArrayLike,
    *,
    dataset: Mapping | None = None,
    split: str = "test",
    groups: ArrayLike | None = None,
    seed: int | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    random_state=0,
) -> BenchmarkReport:
    """Measure a fitted classifier on images that it has not seen.

    Parameters
    ----------
    estimator : classifier
        Fitted, with ``predict_proba`` and ``classes_``.
    X : array-like
        Images, in any layout that the classifier takes.
    y : array-like of shape (n_samples,)
        Their classes, all known to the classifier; a class of which there is no
        image leaves the AUC undefined (nan).
    dataset : Bunch, default=None
        Where the images come from: a data set of `octsk.datasets`, whole or the split
        itself, for its name, size, hash, class names, groups and whether it is
        synthetic. Without it, no published results stand beside the report.
    split : {'train', 'val', 'test'}, default='test'
        Split that the images are.
    groups : array-like of shape (n_samples,), default=None
        Patient of each image, for the intervals; none may be missing. None: those of
        `dataset`, if any. A warning names patients that have images in other splits of
        `dataset`, too.
    seed : int, default=None
        Seed that the classifier was trained with, for the record.
    confidence_level : float, default=0.95
        Of the intervals, between 0 and 1.
    n_resamples : int, default=2000
        Of the intervals.
    random_state : int, RandomState instance or None, default=0
        Of the intervals.

    Returns
    -------
    BenchmarkReport
        Metrics with their intervals, recall and confusion of the classes, and what is
        needed to say where the figures come from.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.
    TypeError
        If it has no ``predict_proba`` or no ``classes_``, or `dataset` is not a Bunch.
    ValueError
        If `X` and `y` differ in length, a label or group is missing, `y` holds a class
        that the classifier has not been trained on, or `split` is not one of those
        accepted or not `dataset`'s own.

    See Also
    --------
    octsk.benchmark.run_benchmark : Train several classifiers and evaluate each.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.naive_bayes import GaussianNB
    >>> y = np.repeat(["DME", "drusen", "normal"], 20)
    >>> X = np.random.RandomState(0).normal(size=(60, 4))
    >>> X += np.repeat([0, 1, 2], 20)[:, None]
    >>> report = evaluate(GaussianNB().fit(X[::2], y[::2]), X[1::2], y[1::2])
    >>> report
    <BenchmarkReport of GaussianNB on unnamed data, test split: ACC 0.667, AUC 0.780>
    >>> low, high = report.intervals["acc"]
    >>> print(f"{low:.2f} {high:.2f}")
    0.48 0.81
    >>> report.rank() is None, report.not_comparable
    (True, 'the data set is not named')
    """
    info = _describe(dataset, split)
    if groups is not None:
        dataset = {**(dataset or {}), split: {**info, "groups": groups}}
    warn_of_shared_groups(dataset)
    intervals = {
        "confidence_level": confidence_level,
        "n_resamples": n_resamples,
        "random_state": random_state,
    }
    return _evaluate(estimator, X, y, dataset, split, seed=seed, **intervals)


def _evaluate(
    estimator,
    X,
    y,
    dataset,
    split="test",
    *,
    seed,
    confidence_level=0.95,
    n_resamples=2000,
    random_state=0,
) -> BenchmarkReport:
    info = _describe(dataset, split)
    groups = info["groups"]
    classes = get_classes(estimator)
    y_true = check_column(y, warn=False)
    check_lengths(X, y_true)
    check_array(y_true, ensure_2d=False, dtype=None, input_name="y")
    codes = _codes(y_true, classes)
    if groups is not None:
        groups = check_groups(groups, len(codes))
    score, predict_seconds = _timed_scores(estimator, X, len(classes))
    names = _class_names(estimator, classes, info["target_names"])
    columns = np.arange(len(classes))
    recall = recall_score(
        codes, predict_indices(score), labels=columns, average=None, zero_division=np.nan
    )
    intervals = {
        metric: bootstrap_interval(
            metric,
            codes,
            score,
            groups=groups,
            n_resamples=n_resamples,
            confidence_level=confidence_level,
            random_state=random_state,
        )
        for metric in WITH_INTERVAL
    }
    with warnings.catch_warnings():
        # The report says in words that the AUC is not defined.
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        auc = medmnist_auc(codes, score)
    return BenchmarkReport(
        name=type(estimator).__name__,
        metrics={
            "acc": medmnist_accuracy(codes, score),
            "auc": auc,
            "balanced_accuracy": float(np.nanmean(recall)),
            "log_loss": float(log_loss(codes, score, labels=columns)),
            "ece": expected_calibration_error(codes, score),
        },
        intervals=intervals,
        confidence_level=confidence_level,
        n_resamples=n_resamples,
        resampled="images" if groups is None else "groups",
        class_names=names,
        recall=dict(zip(names, recall.tolist(), strict=True)),
        confusion_matrix=confusion_matrix(codes, predict_indices(score), labels=columns),
        n_samples=len(codes),
        data={
            "name": info["name"],
            "size": info["size"],
            "split": split,
            "synthetic": bool(info["synthetic"]),
            "sha256": info["sha256"],
            "arrays_sha256": arrays_sha256(X, codes),
            "shared_groups": {
                other: len(both)
                for pair, both in shared_groups(dataset).items()
                for other in {*pair} - {split}
                if split in pair
            },
        },
        not_comparable=why_not_comparable(info, y_true, split=split),
        estimator=type(estimator).__name__,
        params=jsonable(estimator.get_params()),
        seed=seed,
        history=_history(estimator),
        fit_seconds=None,
        predict_seconds=predict_seconds,
        environment=environment(),
        y_true=codes,
        y_score=score,
        interval_caveat=interval_caveat(np.array(names)[codes], groups),
        label_columns=_label_columns(dataset or {}, info, classes),
        resolved_params=resolved_params(estimator),
        trained_on=trained_on(estimator, names),
    )


def _describe(dataset, split) -> dict[str, Any]:
    """Facts about the evaluated split, given it or the whole data set."""
    if split not in ("train", "val", "test"):
        raise ValueError(f"split must be 'train', 'val' or 'test', got {split!r}.")
    dataset = {} if dataset is None else dataset
    _check_mapping(dataset)
    if dataset.get("split") not in (None, split):
        raise ValueError(
            f"dataset is the {dataset['split']!r} split, and split={split!r} was asked for."
        )
    own = dataset.get(split)
    own = own if isinstance(own, Mapping) else {}
    names = ("name", "size", "synthetic", "sha256", "official", "target_names", "groups")
    return {name: own.get(name, dataset.get(name)) for name in (*names, "target")}


def _check_mapping(dataset) -> None:
    if not isinstance(dataset, Mapping):
        raise TypeError(
            "dataset must be a Bunch, as octsk.fetch_octmnist and octsk.load_medmnist "
            f"return it, got {type(dataset).__name__}."
        )


def _codes(y, classes) -> np.ndarray:
    unknown = sorted(set(y.tolist()) - set(classes.tolist()), key=str)
    if unknown:
        raise ValueError(
            f"y holds classes {unknown} that the estimator was not trained on; its classes "
            f"are {classes.tolist()}."
        )
    return encode_labels(y, len(classes), classes)


def _timed_scores(estimator, X, n_classes) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    score = np.asarray(estimator.predict_proba(X))
    seconds = time.perf_counter() - start
    if score.ndim != 2 or score.shape[1] != n_classes:
        raise ValueError(
            f"predict_proba of {type(estimator).__name__} must give {n_classes} columns, "
            f"one for each of its classes, got shape {score.shape}."
        )
    return score, seconds


def _class_names(estimator, classes, target_names) -> list[str]:
    if target_names is not None and classes.dtype.kind in "iu":
        in_range = classes.min() >= 0 and classes.max() < len(target_names)
        if in_range:
            return [printable(target_names[index]) for index in classes]
    # A net remembers what the classes were called where it was trained.
    names = getattr(estimator, "class_names_", None) or classes.tolist()
    return [str(name) for name in names]


def _label_columns(dataset, info, classes) -> list[int | None] | None:
    """Return the score column of each label of the data set; see `BenchmarkReport`."""
    labels = labels_of(info, classes)
    if labels is None or len(set(labels)) < len(labels):
        return None
    if info["target_names"] is not None:
        n_labels = len(info["target_names"])
    else:
        splits = [dataset.get(name) for name in ("train", "val", "test")]
        targets = [info["target"], *(s["target"] for s in splits if s is not None)]
        known = [labels_of(info, np.unique(y)) or [] for y in targets if y is not None]
        n_labels = 1 + max(label for each in (labels, *known) for label in each)
    columns = {label: column for column, label in enumerate(labels)}
    return [columns.get(label) for label in range(n_labels)]


def trained_on(estimator, class_names) -> dict[str, int] | None:
    """Return how many images of each class trained an estimator, if it tells."""
    counts = getattr(_last_step(estimator), "_trained_on", None)
    return None if counts is None else dict(zip(class_names, counts.tolist(), strict=True))


def _last_step(estimator):
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def _history(estimator) -> dict[str, list] | None:
    history = getattr(_last_step(estimator), "history_", None)
    return jsonable(history) if isinstance(history, dict) else None


# --------------------------------------------------------------------------------------
# Several classifiers over several seeds
# --------------------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class BenchmarkRun:
    """What several classifiers do on one test set, each trained over several seeds.

    Made by `run_benchmark`. Printing it gives tables, and a notebook shows them.

    Attributes
    ----------
    reports : dict of list of BenchmarkReport
        One report for each seed, under each classifier's name.
    estimators : dict of estimator
        Each classifier as fitted with the first seed.
    seeds : tuple of int
        The seeds.
    training : dict
        ``n_train`` and ``n_val`` images, and ``sha256`` of the training arrays where
        the data come from no file.
    dataset : Bunch or None
        The data set, for pictures of its images on the page.
    plan : dict
        What ``octsk benchmark --from run.json`` repeats the run by: nets, seeds, data.

    Examples
    --------
    >>> import octsk
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.utils import Bunch
    >>> train, test = (octsk.make_oct_phantoms(40, random_state=k) for k in range(2))
    >>> dataset = Bunch(name="phantoms", synthetic=True, train=train, test=test)
    >>> run = octsk.benchmark.run_benchmark({"guess": DummyClassifier()}, dataset)
    >>> run.reports["guess"][0].metrics["acc"]
    0.25
    >>> [row["net"] for row in run.summary()]
    ['guess']
    """

    reports: dict[str, list[BenchmarkReport]] = field(default_factory=dict)
    estimators: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)
    dataset: Mapping | None = None
    plan: dict[str, Any] = field(default_factory=dict)

    @property
    def first(self) -> BenchmarkReport:
        """Report of the first classifier's first seed."""
        return next(iter(self.reports.values()))[0]

    def __repr__(self):
        nets = printable(", ".join(self.reports))
        return (
            f"<BenchmarkRun of {nets} on {data_words(self.first.data)}, "
            f"seeds {', '.join(map(str, self.seeds))}>"
        )

    def __str__(self):
        return self.to_text()

    def summary(self) -> list[dict[str, Any]]:
        """Mean and spread over the seeds.

        Returns
        -------
        list of dict
            For each classifier: ``net``, ``n_seeds``, and of each metric and of
            ``fit_seconds`` and ``predict_seconds`` the ``<metric>_mean`` and
            ``<metric>_std`` (standard deviation with n - 1; None for one seed).
        """
        rows = []
        for net, reports in self.reports.items():
            row: dict[str, Any] = {"net": net, "n_seeds": len(reports)}
            for name in TITLES:
                row |= _mean_and_std(name, [report.metrics[name] for report in reports])
            for name in ("fit_seconds", "predict_seconds"):
                row |= _mean_and_std(name, [getattr(report, name) for report in reports])
            rows.append(row)
        return rows

    def corruptions(self) -> list[dict[str, Any]]:
        """Balanced errors on corrupted images, of all classifiers and seeds.

        Returns
        -------
        list of dict
            Rows with ``net``, ``corruption``, ``severity``, ``balanced_error`` and
            ``seed``, which `octsk.CorruptionDisplay` draws; severity 0 is the images as
            they are. Empty without ``run_benchmark(corruptions=True)``.
        """
        return [
            row
            for reports in self.reports.values()
            for report in reports
            for row in report.corruptions or ()
        ]

    def to_text(self) -> str:
        """Tables as plain text: measured, then published where comparable."""
        return tables_to_text(self._tables())

    def _repr_html_(self) -> str:
        return tables_to_html(self._tables())

    def to_dict(self) -> dict[str, Any]:
        """Everything needed to repeat the run, and its results without the scores."""
        comparable = self.first.not_comparable is None
        rows = published_results(self.first.data["name"]) if comparable else []
        return {
            "octsk_run": REPORT_FORMAT,
            "plan": self.plan,
            "data": self.first.data,
            "training": self.training,
            "seeds": list(self.seeds),
            "environment": self.first.environment,
            "summary": jsonable(self.summary()),
            "reports": [
                report.to_dict(scores=False)
                for reports in self.reports.values()
                for report in reports
            ],
            "not_comparable": self.first.not_comparable,
            "published": [asdict(row) for row in rows if row.size == 28],
        }

    def save(self, folder: str | os.PathLike) -> Path:
        """Write the run to a new folder.

        ``run.json``
            Parameters, seeds, data, hashes, versions and results.
        ``report.html``
            One page with all of it, pictures too; see `octsk.reporting.html_report`.
        ``report.txt``, ``benchmark.png``
            The tables and the figure.
        ``reports/``, ``scores/``
            For each training run its report as JSON, and MedMNIST's evaluation file,
            unless the data set has no label for a class.
        ``models/``
            Those of the `estimators` that are octsk's, for `octsk.load`, and a model card
            of each net. With ``run_benchmark(output_dir=...)`` models of every seed.

        Parameters
        ----------
        folder : path-like
            Must not exist, or be empty.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        FileExistsError
            If `folder` holds files already, or is a file.
        """
        with atomic_folder(folder) as new:
            self._save_results(new)
            self._save_page(new)
        return Path(folder)

    def _save_results(self, folder) -> Path:
        folder = _new_folder(folder)
        for net, reports in self.reports.items():
            _save_model(folder, reports[0], self.estimators.get(net))
            for report in reports:
                _save_report(folder, report)
        self._save_overview(folder)
        return folder

    def _save_page(self, folder: Path) -> None:
        from octsk.reporting import html_report

        write_text(folder / "report.html", html_report(self))

    def _save_overview(self, folder: Path) -> None:
        from octsk.reporting import model_card
        from octsk.reporting._benchmark_figure import benchmark_figure

        write_json(folder / "run.json", self.to_dict())
        write_text(folder / "report.txt", self.to_text() + "\n")
        for net, estimator in self.estimators.items():
            if _is_saved(estimator):
                write_text(folder / "models" / f"{as_word(net)}.md", model_card(self, net))
        with atomic_write(folder / "benchmark.png") as temporary:
            benchmark_figure(self).savefig(temporary, dpi=150)

    def _tables(self) -> list[Table]:
        data = self.first.data
        return [
            *synthetic_banner(data),
            self._measured_table(),
            *self._corruption_tables(),
            *published_tables(data, self.first.not_comparable),
        ]

    def _measured_table(self) -> Table:
        first = self.first
        shown = ("acc", "auc", "balanced_accuracy")
        single = len(self.seeds) == 1
        rows = [
            (
                row["net"],
                *(self._mean_words(row, name) for name in shown),
                f"{row['fit_seconds_mean']:.1f} s",
            )
            for row in self.summary()
        ]
        header = ("net", *(TITLES[name] for name in shown), "training")
        seeds = ", ".join(map(str, self.seeds))
        notes = [f"{self._trained_words()}, measured on {first.n_samples}."]
        if single:
            notes += [
                f"One seed ({seeds}): how far another would fall from it is not known.",
                f"In brackets: {first.confidence_level:.0%} intervals. "
                + interval_note(first),
            ]
        else:
            notes += [f"Mean ± standard deviation over {len(self.seeds)} seeds ({seeds})."]
        notes += leak_notes(first)
        return Table(f"Measured on {data_words(first.data)}", header, rows, notes)

    def _trained_words(self) -> str:
        n_train = self.training["n_train"]
        words = f"Trained on {n_train} images"
        fewer = [
            f"{net} on {sum(counts.values())}"
            for net, counts in self._trained_on().items()
            if sum(counts.values()) != n_train
        ]
        if not fewer:
            return words
        return f"{words} ({', '.join(fewer)}, the others without weight or held out)"

    def _trained_on(self) -> dict[str, dict[str, int]]:
        """Images of each class that trained the nets that tell, by net."""
        first = {net: reports[0].trained_on for net, reports in self.reports.items()}
        return {net: counts for net, counts in first.items() if counts is not None}

    def _corruption_tables(self) -> list[Table]:
        rows = self.corruptions()
        if not rows:
            return []
        from octsk.corruptions import CLEAN, errors_by_seed

        names = dict.fromkeys(row["corruption"] for row in rows)
        errors = {
            net: {name: errors_by_seed(rows, net, name) for name in names}
            for net in self.reports
        }
        for of_net in errors.values():
            corrupted = [of_net[name] for name in names if name != CLEAN]
            of_net["mean of corrupted"] = np.mean(corrupted, axis=0).tolist()
        shown = [
            (
                "as they are" if name == CLEAN else name.replace("_", " "),
                *(_error_words(of_net[name]) for of_net in errors.values()),
            )
            for name in [*names, "mean of corrupted"]
        ]
        notes = [
            "1 - balanced accuracy on the test images as they are and under each kind of "
            "octsk.corrupt, the mean of its five severities. Nothing was chosen by it."
        ]
        if len(self.seeds) > 1:
            notes.append(f"Mean ± standard deviation over {len(self.seeds)} seeds.")
        header = ("images", *self.reports)
        return [Table("Balanced error on corrupted images", header, shown, notes)]

    def _mean_words(self, row, name) -> str:
        mean = decimals(row[f"{name}_mean"])
        if row["n_seeds"] == 1:
            return f"{mean} {interval_words(self.reports[row['net']][0].intervals[name])}"
        return f"{mean} ± {decimals(row[f'{name}_std'])}"


def _error_words(errors) -> str:
    words = decimals(np.mean(errors))
    return words if len(errors) == 1 else f"{words} ± {decimals(np.std(errors, ddof=1))}"


def run_benchmark(
    estimators: Mapping[str, Any],
    dataset: Mapping,
    *,
    seeds: Sequence[int] = (0,),
    corruptions: bool = False,
    output_dir: str | os.PathLike | None = None,
    resume: bool = False,
    on_event: Callable[..., None] | None = None,
) -> BenchmarkRun:
    """Train each classifier with each seed, and measure it on the test split.

    Each training starts from a clone whose ``random_state`` parameters (nested ones
    too) are all set to the seed. The validation split goes to ``fit`` as ``X_val`` and
    ``y_val`` where it takes them. The test split is only ever predicted.

    Parameters
    ----------
    estimators : dict of classifier
        Classifiers by name; they are cloned, not fitted.
    dataset : Bunch
        With ``train``, ``test`` and, if there is one, ``val``, each a Bunch with
        ``data`` and ``target``: what `octsk.datasets.load_medmnist` returns. A warning
        names patients (``groups``) that have images in more than one split.
    seeds : sequence of int, default=(0,)
        One training of each classifier for each. Several show the spread between
        trainings, which is large for small nets.
    corruptions : bool, default=False
        Whether to measure the balanced error under each corruption and severity of
        `octsk.corrupt` too: 50 more predictions of the test split after each training.
        Nothing is chosen by it. Needs scikit-image (``octsk[corruptions]``) and uint8
        images.
    output_dir : path-like, default=None
        New or empty folder. Each training's report, scores and model are written when
        it ends, so that they outlast an interruption; see `BenchmarkRun.save` for the
        rest. octsk's nets without callbacks keep a checkpoint of the training under way.
    resume : bool, default=False
        Whether `output_dir` may hold the same run, not finished: trainings that are done
        are not repeated, and that under way goes on from its last epoch.
    on_event : callable, default=None
        Called as ``on_event(kind, net=..., seed=..., index=..., total=..., ...)`` for
        a progress display. ``index`` counts trainings from 0 to ``total`` - 1. Kinds:
        ``"fit_start"`` and ``"fit_end"`` (with ``estimator``, which may be given a
        callback at the first and must lose it at the second to keep it out of the
        record) and ``"evaluated"`` (with ``report``), the only one for trainings that
        had been done.

    Returns
    -------
    BenchmarkRun
        The reports and the classifiers fitted with the first seed; of those resumed,
        octsk's alone.

    Raises
    ------
    ImportError
        If scikit-image is not installed, with `corruptions`.
    TypeError
        If `dataset` is not a Bunch.
    ValueError
        If there is no classifier or seed, one comes twice, two names give the same
        file name, `dataset` lacks its training or test split, a group of the test split
        is missing, its images cannot be corrupted, or `output_dir` holds a run of other
        classifiers, seeds or data.
    FileExistsError
        If `output_dir` holds files already, with `resume` other than those of a run.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import SGDClassifier
    >>> from sklearn.utils import Bunch
    >>> rng = np.random.RandomState(0)
    >>> y = np.arange(120) % 2
    >>> X = rng.normal(size=(120, 5)) + y[:, None]
    >>> dataset = Bunch(
    ...     name="two blobs", size=None, synthetic=True,
    ...     train=Bunch(data=X[:80], target=y[:80]),
    ...     val=None,
    ...     test=Bunch(data=X[80:], target=y[80:]),
    ... )
    >>> run = run_benchmark(
    ...     {"linear": SGDClassifier(loss="log_loss")}, dataset, seeds=[0, 1, 2]
    ... )
    >>> run
    <BenchmarkRun of linear on two blobs (SYNTHETIC), test split, seeds 0, 1, 2>
    >>> [row] = run.summary()
    >>> print(row["n_seeds"], 0 < row["acc_std"] < 0.1)
    3 True
    """
    seeds = tuple(int(seed) for seed in seeds)
    _check_run(estimators, dataset, seeds)
    warn_of_shared_groups(dataset)
    if corruptions:
        _check_test_corruptible(dataset)
    run = BenchmarkRun(
        seeds=seeds,
        training=_training_info(dataset),
        dataset=dataset,
        plan=make_plan(estimators, dataset, seeds, corruptions=corruptions),
    )
    if output_dir is None:
        _train_all(run, estimators, dataset, None, on_event)
        return run
    folder = Path(output_dir)
    record, checkpoints = folder / "run.json", folder / "checkpoints"
    if not (resume and record.exists()) and not _holds_only(folder, leftovers_of(record)):
        _new_folder(folder)
    with begun(record, run.plan, checkpoints, resume=resume):
        _train_all(run, estimators, dataset, folder, on_event)
        run._save_overview(folder)
        run._save_page(folder)
        for file in [path for path in folder.rglob("*") if path.is_file()]:
            # Of processes that were killed while they wrote it.
            remove_temporaries(file)
    return run


def _train_all(run, estimators, dataset, folder, on_event) -> None:
    """Put the report of each training into the run, and into the folder if there is one."""
    trainings = [(net, seed) for net in estimators for seed in run.seeds]
    corruptions = run.plan.get("corruptions", False)
    for index, (net, seed) in enumerate(trainings):
        tell = partial(
            on_event or _ignore, net=net, seed=seed, index=index, total=len(trainings)
        )
        report, estimator = _done_before(folder, net, seed, corruptions)
        if report is None:
            report, estimator = _train(
                _seeded(estimators[net], seed),
                net,
                seed,
                dataset,
                folder,
                tell,
                corruptions,
            )
        run.reports.setdefault(net, []).append(report)
        if estimator is not None:
            run.estimators.setdefault(net, estimator)
        tell("evaluated", report=report)


def _train(estimator, net, seed, dataset, folder, tell, corruptions):
    tell("fit_start", estimator=estimator)
    checkpointed = []
    if folder is not None:
        checkpointed = set_checkpoint_dir(estimator, folder / "checkpoints")
    fit_seconds = _fit(estimator, dataset)
    for one in checkpointed:
        one.set_params(checkpoint_dir=None)
        fit_seconds += getattr(one, "_seconds_before", 0.0)
    tell("fit_end", estimator=estimator)
    test = dataset["test"]
    report = _evaluate(estimator, test["data"], test["target"], dataset, seed=seed)
    rows = _corruption_rows(estimator, net, seed, test) if corruptions else None
    report = dataclasses.replace(
        report, name=net, fit_seconds=fit_seconds, corruptions=rows
    )
    if folder is not None:
        _save_model(folder, report, estimator)
        # Last, since it says that this training is done.
        _save_report(folder, report)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return report, estimator


def _corruption_rows(estimator, net, seed, test) -> list[dict[str, Any]]:
    from octsk.corruptions import error_rows, image_sets

    return error_rows(net, seed, estimator, image_sets(test["data"], test["target"]))


def _done_before(folder, net, seed, corruptions):
    """Give report and net of a training that a run did before it was ended, or None."""
    if folder is None:
        return None, None
    name = f"{as_word(net)}-seed{seed}"
    path = folder / "reports" / f"{name}.json"
    if not path.exists():
        return None, None
    model = folder / "models" / f"{name}.octsk"
    estimator = None
    if model.exists():
        from octsk.classifiers import load

        estimator = load(model)
    report = BenchmarkReport.from_json(path)
    if corruptions:
        _check_whole(report.corruptions or [], net, seed, path)
    return report, estimator


def _check_whole(rows, net, seed, path) -> None:
    from octsk.corruptions import CLEAN, CORRUPTIONS, SEVERITIES

    kinds = [(CLEAN, 0), *((name, k) for name in CORRUPTIONS for k in SEVERITIES)]
    found = [(r["net"], r["seed"], r["corruption"], r["severity"]) for r in rows]
    if found != [(net, seed, *kind) for kind in kinds]:
        raise ValueError(
            f"{path} lacks errors on corrupted images, or has others than octsk writes: "
            "remove it, and that training is done again."
        )


def _ignore(kind, **info) -> None:
    """Stand in for an absent `on_event`."""


def _check_run(estimators, dataset, seeds) -> None:
    _check_mapping(dataset)
    if not estimators:
        raise ValueError("estimators must name at least one classifier, got none.")
    words = [as_word(net) for net in estimators]
    if len(set(words)) < len(words):
        raise ValueError(
            f"estimators must have names that differ as file names, got {list(estimators)}."
        )
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be one or more different integers, got {seeds!r}.")
    for split in ("train", "test"):
        if dataset.get(split) is None:
            raise ValueError(
                f"dataset must have a {split} split, and {dataset.get('name')!r} has none."
            )
    test = dataset["test"]
    if test.get("groups") is not None:
        # Now, not when the first training has ended.
        check_groups(test["groups"], len(test["target"]), "groups of the test split")


def _check_test_corruptible(dataset) -> None:
    if dataset.get("test") is None:
        raise ValueError(
            f"corruptions=True needs a test split, and {dataset.get('name')!r} has none."
        )
    from octsk.corruptions import check_corruptible

    check_corruptible(dataset["test"]["data"], "dataset.test.data")


def _seeded(estimator, seed):
    """Clone, with every random_state in it set to the seed."""
    estimator = clone(estimator)
    names = [
        name for name in estimator.get_params() if name.split("__")[-1] == "random_state"
    ]
    return estimator.set_params(**dict.fromkeys(names, seed))


def _fit(estimator, dataset) -> float:
    """Fit on the training split; the seconds it took."""
    train, val = dataset["train"], dataset.get("val")
    validation = {}
    if val is not None and _takes(estimator.fit, "X_val"):
        validation = {"X_val": val["data"], "y_val": val["target"]}
    start = time.perf_counter()
    estimator.fit(train["data"], train["target"], **validation)
    return time.perf_counter() - start


def _takes(function, name) -> bool:
    return name in inspect.signature(function).parameters


def _training_info(dataset) -> dict[str, Any]:
    train, val = dataset["train"], dataset.get("val")
    return {
        "n_train": len(train["target"]),
        "n_val": 0 if val is None else len(val["target"]),
        # A file's hash covers all its splits.
        "sha256": None
        if dataset.get("sha256")
        else arrays_sha256(train["data"], train["target"]),
    }


def _mean_and_std(name, values) -> dict[str, float | None]:
    return {
        f"{name}_mean": float(np.mean(values)),
        f"{name}_std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }


def _holds_only(folder, files) -> bool:
    return folder.is_dir() and {*folder.iterdir()} <= files


def _new_folder(folder) -> Path:
    folder = check_new_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _save_report(folder, report) -> None:
    if report.label_columns is not None:
        report.to_medmnist_csv(folder / "scores")
    (folder / "reports").mkdir(exist_ok=True)
    report.to_json(folder / "reports" / f"{report.run_name}.json")


def _is_saved(estimator) -> bool:
    # Other libraries' classifiers may have a save of another kind.
    return hasattr(estimator, "save") and _takes(estimator.save, "class_names")


def _save_model(folder, report, estimator) -> None:
    if _is_saved(estimator):
        (folder / "models").mkdir(exist_ok=True)
        path = folder / "models" / f"{report.run_name}.octsk"
        estimator.save(path, class_names=report.class_names)
