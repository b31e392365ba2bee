"""Tables of the report of one classifier."""

import math
from typing import Any

from octsk.evaluation._subgroups import subgroup_tables
from octsk.evaluation.params import settings_table
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
from octsk.utils.formatting import format_interval, format_score
from octsk.utils.tables import Table, Tabular


class ReportTables(Tabular):
    """Mixin of `BenchmarkReport` for its tables."""

    def _records(self: Any) -> list[dict[str, Any]]:
        point = self.operating_point
        known = {**self.intervals, **(point.intervals if point else {})}
        values: dict[str, float] = dict(self.metrics)
        if point is not None:
            # The AUC of the positive classes must not replace that of all classes.
            values |= {k: v for k, v in point.figures.items() if k != "auc"}
            known["auc"] = self.intervals["auc"]
            if point.at_goal is not None:
                name = f"{point.at_goal['rate']} at {point.at_goal['goal']}"
                values[name] = point.figures[point.at_goal["rate"]]
                known[name] = point.at_goal["interval"]
        figures: list[tuple[str, str | None, float]]
        figures = [(metric, None, value) for metric, value in values.items()]
        figures += [("recall", name, value) for name, value in self.recall.items()]
        records = [
            self._record(metric, of_class, value, known.get(metric))
            for metric, of_class, value in figures
        ]
        records += self._subgroup_records()
        if self.abstention is not None:
            records += self._abstention_records()
        return records + ([] if self.by_group is None else self.by_group._records())

    def _record(self: Any, metric, of_class, value, ends, **more) -> dict[str, Any]:
        low, high = ends or (math.nan, math.nan)
        about = {
            "net": self.name,
            "seed": self.seed,
            "data": self.data["name"],
            "split": self.data["split"],
            "level": self.level,
            "images": self.n_samples if self.level == "image" else None,
            "patients": self.n_groups,
            "by": None,
            "subgroup": None,
        }
        figure = {"metric": metric, "class": of_class, "value": value}
        ends = {"low": low, "high": high, "confidence_level": self.confidence_level}
        return about | figure | ends | more

    def _subgroup_records(self: Any) -> list[dict[str, Any]]:
        return [
            self._record(
                *(metric, None, value, row["intervals"][metric]),
                images=row["n_samples"],
                patients=row["n_groups"],
                by=found["by"],
                subgroup=row["value"],
            )
            for found in self.subgroups or []
            for row in found["rows"]
            for metric, value in row["metrics"].items()
        ]

    def _abstention_records(self: Any) -> list[dict[str, Any]]:
        return [
            self._record(
                *(metric, row["images"] if i else None),
                row[key],
                (row[f"{key}_low"], row[f"{key}_high"]),
                confidence_level=0.95,
            )
            for i, row in enumerate(self.abstention.rows)
            for key, metric in (("abstained", "abstained"), ("error", "error_of_kept"))
        ]

    def _document_tables(self: Any) -> list[Table]:
        return [*self._tables(), settings_table([self])]

    def _tables(self: Any) -> list[Table]:
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

    def _metrics_table(self: Any) -> Table:
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

    def _study_tables(self: Any) -> list[Table]:
        """Return the tables by patient, of operating point, subgroups and abstention."""
        tables = []
        if self.by_group is not None:
            tables.append(self.by_group._classes_table())
        if self.operating_point is not None:
            of_groups = self.by_group
            by_group = None if of_groups is None else of_groups.operating_point
            tables.append(self.operating_point.table(self.confidence_level, by_group))
        tables += subgroup_tables(self.subgroups or [], self.confidence_level)
        return tables + (self.abstention._tables() if self.abstention else [])

    def _classes_table(self: Any) -> Table:
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
        return Table(f"Recall and confusion of the {what} of each class", header, rows)

    def _rank_table(self: Any) -> list[Table]:
        if self.not_comparable:
            return []
        rows = [
            (version, *(str(self.rank(by, version=version)) for by in ("acc", "auc")))
            for version in ("v1", "v2")
        ]
        n_rows = len(published_results(self.data["name"], kind="benchmark", version="v2"))
        note = f"Rank among {n_rows + 1} results: the {n_rows} published ones and this one."
        return [
            Table(
                "Rank in MedMNIST's benchmark",
                ("edition", "by ACC", "by AUC"),
                rows,
                [note],
            )
        ]
