"""Results of a benchmark as tables, files and a page."""

import inspect
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from octsk.evaluation import REPORT_FORMAT, BenchmarkReport
from octsk.evaluation.wording import (
    format_interval_note,
    format_split,
    leak_notes,
    published_tables,
    synthetic_banner,
)
from octsk.metrics import (
    TITLES,
)
from octsk.published import published_results
from octsk.utils.files import (
    atomic_folder,
    atomic_write,
    check_new_folder,
    write_text,
)
from octsk.utils.formatting import as_word, decimals, format_time, interval_words
from octsk.utils.json import jsonable, write_json
from octsk.utils.tables import Table, tables_to_html, tables_to_text
from octsk.utils.untrusted import printable


@dataclass(eq=False, repr=False)
class BenchmarkRun:
    """Results of several classifiers on one test set, each trained with several seeds.

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
            f"<BenchmarkRun of {nets} on {format_split(self.first.data)}, "
            f"seeds {', '.join(map(str, self.seeds))}>"
        )

    def __str__(self):
        return self.to_text()

    def summary(self) -> list[dict[str, Any]]:
        """Return the mean and the spread over the seeds.

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
        """Return the balanced errors on corrupted images for all classifiers and seeds.

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
        """Return the measured results, and comparable published ones, as plain text."""
        return tables_to_text(self._tables())

    def _repr_html_(self) -> str:
        return tables_to_html(self._tables())

    def to_dict(self) -> dict[str, Any]:
        """Return all that is needed to repeat the run, and its results without scores."""
        comparable = self.first.not_comparable is None
        rows = published_results(self.first.data["name"], size=28) if comparable else []
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
            "published": [asdict(row) for row in rows],
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
        from octsk.reporting.benchmark_figure import benchmark_figure

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
                format_time(row["fit_seconds_mean"]),
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
                + format_interval_note(first),
            ]
        else:
            notes += [f"Mean ± standard deviation over {len(self.seeds)} seeds ({seeds})."]
        notes += leak_notes(first)
        return Table(f"Measured on {format_split(first.data)}", header, rows, notes)

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
        """Return the number of training images of each class by net, where known."""
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


def _mean_and_std(name, values) -> dict[str, float | None]:
    return {
        f"{name}_mean": float(np.mean(values)),
        f"{name}_std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }


def _holds_only(folder, files) -> bool:
    return folder.is_dir() and {*folder.iterdir()} <= files


def _save_report(folder, report) -> None:
    if report.label_columns is not None:
        report.to_medmnist_csv(folder / "scores" / "medmnist")
    (folder / "scores").mkdir(exist_ok=True)
    report.to_csv(folder / "scores" / f"{report.run_name}.csv")
    (folder / "reports").mkdir(exist_ok=True)
    report.to_json(folder / "reports" / f"{report.run_name}.json")


def _new_folder(folder) -> Path:
    folder = check_new_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_saved(estimator) -> bool:
    # Other libraries' classifiers may have a save of another kind.
    return hasattr(estimator, "save") and _takes(estimator.save, "class_names")


def _save_model(folder, report, estimator) -> None:
    if _is_saved(estimator):
        (folder / "models").mkdir(exist_ok=True)
        path = folder / "models" / f"{report.run_name}.octsk"
        estimator.save(path, class_names=report.class_names)


def _takes(function, name) -> bool:
    return name in inspect.signature(function).parameters
