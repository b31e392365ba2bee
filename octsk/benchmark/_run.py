"""Results of a benchmark, with their tables, files and page."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from octsk.evaluation import REPORT_FORMAT, BenchmarkReport, Comparison, compare
from octsk.evaluation.params import settings_table
from octsk.evaluation.wording import (
    format_interval_note,
    format_split,
    leak_notes,
    of_patients,
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
from octsk.utils.formatting import as_word, format_interval, format_score, format_time
from octsk.utils.json import jsonable, write_json
from octsk.utils.tables import Table, Tabular
from octsk.utils.untrusted import printable


@dataclass(eq=False, repr=False)
class BenchmarkRun(Tabular):
    """Results of several classifiers on one test set, each trained with several seeds.

    `run_benchmark` returns it. It prints as tables, which a notebook shows formatted.

    Attributes
    ----------
    reports : dict of list of BenchmarkReport
        The reports of each classifier, one for each seed, by its name.
    estimators : dict of estimator
        The classifiers that were fitted with the first seed, by name.
    seeds : tuple of int
        The seeds.
    training : dict
        Numbers of images ``n_train`` and ``n_val``, numbers of patients ``n_train_groups``
        and ``n_val_groups`` (None if they are not known), ``sha256`` of the training arrays
        (None if the data were loaded from a file), and ``findings``, the problems that
        `octsk.datasets.check_splits` found.
    dataset : Bunch or None
        The data set, whose images are shown on the page.
    plan : dict
        Nets, seeds and data, by which ``octsk benchmark --from run.json`` repeats the run.

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
        """Report of the first classifier and the first seed."""
        return next(iter(self.reports.values()))[0]

    def __repr__(self):
        nets = printable(", ".join(self.reports))
        return (
            f"<BenchmarkRun of {nets} on {format_split(self.first.data)}, "
            f"seeds {', '.join(map(str, self.seeds))}>"
        )

    def summary(self) -> list[dict[str, Any]]:
        """Return means and standard deviations over the seeds.

        Returns
        -------
        list of dict
            One dict for each classifier, with ``net``, ``n_seeds``, and ``<metric>_mean``
            and ``<metric>_std`` for each metric, ``fit_seconds`` and ``predict_seconds``.
            The standard deviation has the divisor n - 1, and is None if there is only one
            seed.
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
            ``seed``, which `octsk.CorruptionDisplay` draws. Severity 0 means the original
            images. The list is empty unless ``run_benchmark(corruptions=True)`` was called.
        """
        return [
            row
            for reports in self.reports.values()
            for report in reports
            for row in report.corruptions or ()
        ]

    def compare(self, metric: str | Callable = "accuracy", **settings) -> Comparison:
        """Compare the first classifier with each of the others on the test set.

        Parameters
        ----------
        metric : str or callable, default='accuracy'
            Metric to compare, as for `octsk.compare`.
        **settings : object
            Other arguments of `octsk.compare`: ``groups``, ``confidence_level``,
            ``n_resamples`` and ``random_state``.

        Returns
        -------
        Comparison
            Differences (first minus other) with intervals and p-values.

        Raises
        ------
        ValueError
            If there is only one classifier, or if an argument is invalid.
        """
        if len(self.reports) < 2:
            raise ValueError(
                f"a comparison needs two classifiers, but this run only has "
                f"{[*self.reports]}."
            )
        names = [*self.reports]
        return compare(*self.reports.values(), metric=metric, names=names, **settings)

    def _comparisons(self) -> list[Comparison]:
        """Return the comparisons of accuracy and AUC, as far as these are defined."""
        if len(self.reports) < 2:
            return []
        found = [self.compare(metric) for metric in ("accuracy", "auc")]
        return [one for one in found if not np.isnan(one.rows[0]["difference"])]

    def _comparison_tables(self) -> list[Table]:
        banner = synthetic_banner(self.first.data)
        tables: list[Table] = []
        for comparison in self._comparisons():
            said = {note for table in tables for note in table.notes}
            tables += [
                table._replace(notes=[note for note in table.notes if note not in said])
                for table in comparison._tables()[len(banner) :]
            ]
        return tables

    def _records(self) -> list[dict[str, Any]]:
        return [
            record
            for reports in self.reports.values()
            for report in reports
            for record in report._records()
        ]

    def _document_tables(self) -> list[Table]:
        first = [reports[0] for reports in self.reports.values()]
        return [*self._tables(), settings_table(first)]

    def to_dict(self) -> dict[str, Any]:
        """Return the plan and environment of the run, and its results without scores."""
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
            "comparisons": [one.to_dict() for one in self._comparisons()],
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
            A page with all results and plots; see `octsk.reporting.html_report`.
        ``report.txt``, ``benchmark.png``
            The tables, and a figure of the results.
        ``reports/``, ``scores/``
            The report of each training run as JSON, its scores as CSV, and MedMNIST's
            evaluation file, unless the data set has no label for a class.
        ``models/``
            The octsk networks among `estimators`, which `octsk.load` can load, with a model
            card each. With ``run_benchmark(output_dir=...)``, the models of all seeds.

        Parameters
        ----------
        folder : path-like
            The folder, which must not exist or must be empty.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        FileExistsError
            If `folder` contains files, or is a file.
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
            *self._points_table(),
            *self._abstention_table(),
            *self._comparison_tables(),
            *self._corruption_tables(),
            *published_tables(data, self.first.not_comparable),
        ]

    def _measured_table(self) -> Table:
        first = self.first
        shown = ("acc", "auc", "balanced_accuracy")
        single = len(self.seeds) == 1
        rows = [
            (
                name,
                *(
                    _mean_words([(r.metrics[key], r.intervals[key]) for r in reports])
                    for key in shown
                ),
                ""
                if by_patient
                else format_time(np.mean([r.fit_seconds for r in reports])),
            )
            for name, reports, by_patient in self._by_level()
        ]
        header = ("net", *(TITLES[name] for name in shown), "training")
        seeds = ", ".join(map(str, self.seeds))
        notes = [
            f"{self._trained_words()}, measured on {first.n_samples} images"
            f"{of_patients(first.n_groups)}."
        ]
        if single:
            notes += [
                f"One seed ({seeds}): the variation between trainings is not known.",
                f"In brackets: {first.confidence_level:.0%} intervals. "
                + format_interval_note(first),
            ]
        else:
            notes += [f"Mean ± standard deviation over {len(self.seeds)} seeds ({seeds})."]
        notes += leak_notes(first)
        return Table(f"Measured on {format_split(first.data)}", header, rows, notes)

    def _by_level(self) -> Iterator[tuple[str, list[BenchmarkReport], bool]]:
        """Yield the reports of each classifier, followed by those by patient if any."""
        for net, reports in self.reports.items():
            yield net, reports, False
            by_group = [one.by_group for one in reports if one.by_group is not None]
            if by_group:
                yield f"{net}, by patient", by_group, True

    def _points_table(self) -> list[Table]:
        """Return the table of the operating points, if there are any."""
        shown = ("sensitivity", "specificity", "ppv", "npv")
        rows, origins, notes, point, at_goal = [], [], [], None, None
        for name, reports, by_patient in self._by_level():
            points = [one.operating_point for one in reports if one.operating_point]
            if not points:
                continue
            cells = (
                _mean_words([(p.figures[key], p.intervals[key]) for p in points])
                for key in shown
            )
            thresholds = ", ".join(format_score(point.threshold) for point in points)
            point = points[0]
            at_goal = point.at_goal if len(self.seeds) == 1 else None
            exact = [] if at_goal is None else [format_interval(at_goal["interval"])]
            rows.append((name, thresholds, *cells, *exact))
            level = "by patient" if by_patient else "by image"
            origins.append(f"{name}: threshold {point.threshold_from}.")
            notes += [
                *point.remarks,
                f"Predictive values {level} are for a prevalence of "
                f"{point.prevalence:.3g}.",
            ]
        if point is None:
            return []
        title = f"Operating point: {' or '.join(point.positive)} is positive"
        header = ["net", "threshold", "sensitivity", "specificity", "PPV", "NPV"]
        if at_goal is not None:
            header.append(f"{at_goal['rate']} at {at_goal['goal']}")
        return [Table(title, header, rows, [*origins, *dict.fromkeys(notes)])]

    def _abstention_table(self) -> list[Table]:
        """Return the table of abstention, if it was measured."""
        found = {
            net: [one.abstention for one in reports if one.abstention is not None]
            for net, reports in self.reports.items()
        }
        found = {net: reports for net, reports in found.items() if reports}
        if not found:
            return []
        rows = []
        for net, reports in found.items():
            of_all = [report.rows[0] for report in reports]
            shares = (
                _mean_words(
                    [(row[k], (row[f"{k}_low"], row[f"{k}_high"])) for row in of_all]
                )
                for k in ("abstained", "error")
            )
            whole = np.mean([row["error_of_all"] for row in of_all])
            rows.append((net, *shares, format_score(whole)))
        first = next(iter(found.values()))[0]
        notes = [
            *first.remarks,
            f"The threshold of each net is the lowest one at which at most "
            f"{first.asked:.0%} of its kept predictions for validation images are wrong.",
        ]
        header = ("net", "abstained", "error of the rest", "error without abstention")
        title = f"Abstention, for an error of {first.asked:g}"
        return [Table(title, header, rows, notes)]

    def _trained_words(self) -> str:
        n_train = self.training["n_train"]
        n_groups = self.training.get("n_train_groups")
        words = f"Trained on {n_train} images{of_patients(n_groups)}"
        fewer = [
            f"{net} on {sum(counts.values())}"
            for net, counts in self._trained_on().items()
            if sum(counts.values()) != n_train
        ]
        if not fewer:
            return words
        return f"{words} ({', '.join(fewer)}; the others had no weight or were held out)"

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
                "original" if name == CLEAN else name.replace("_", " "),
                *(_error_words(of_net[name]) for of_net in errors.values()),
            )
            for name in [*names, "mean of corrupted"]
        ]
        notes = [
            "1 - balanced accuracy on the original test images and on those corrupted by "
            "octsk.corrupt, averaged over its five severities. Nothing was chosen by it."
        ]
        if len(self.seeds) > 1:
            notes.append(f"Mean ± standard deviation over {len(self.seeds)} seeds.")
        header = ("images", *self.reports)
        return [Table("Balanced error on corrupted images", header, shown, notes)]


def _mean_words(figures) -> str:
    """Format the value of one training with its interval, or the mean of several."""
    values, intervals = zip(*figures, strict=True)
    if np.isnan(values).any():
        return "-"
    if len(values) == 1:
        return f"{format_score(values[0])} {format_interval(intervals[0])}"
    return f"{format_score(np.mean(values))} ± {format_score(np.std(values, ddof=1))}"


def _error_words(errors) -> str:
    words = format_score(np.mean(errors))
    return (
        words if len(errors) == 1 else f"{words} ± {format_score(np.std(errors, ddof=1))}"
    )


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
    # Classifiers of other libraries may have a different `save` method.
    return hasattr(estimator, "save") and _takes(estimator.save, "class_names")


def _save_model(folder, report, estimator) -> None:
    if _is_saved(estimator):
        (folder / "models").mkdir(exist_ok=True)
        path = folder / "models" / f"{report.run_name}.octsk"
        estimator.save(path, class_names=report.class_names)


def _takes(function, name) -> bool:
    return name in inspect.signature(function).parameters
