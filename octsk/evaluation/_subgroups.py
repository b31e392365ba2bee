"""Results of subgroups, such as devices or sites, and the largest gap between them."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from octsk.evaluation._figures import WITH_INTERVAL, Resampling, metrics_of
from octsk.evaluation._operating_point import OperatingPoint
from octsk.metrics import TITLES
from octsk.utils.columns import MISSING_TEXT, is_missing
from octsk.utils.formatting import format_interval, format_score
from octsk.utils.json import jsonable
from octsk.utils.tables import Table
from octsk.utils.untrusted import printable

# Subgroups with fewer patients (or images) are marked and not used for the gaps.
_FEW = 10
# A column with more values than this hardly contains devices, sites or eyes.
_MAX_VALUES = 30
_UNKNOWN = "(unknown)"


def check_by(by, split: Mapping, n: int) -> dict[str, np.ndarray]:
    """Return columns with the subgroup of each image, as text.

    Parameters
    ----------
    by : str, sequence of str, mapping, array-like of shape (n,) or None
        Names of columns of the data set, or columns, as for `evaluate`.
    split : mapping
        The evaluated split.
    n : int
        Number of images.

    Returns
    -------
    dict of ndarray of shape (n,)
        The columns by name.

    Raises
    ------
    ValueError
        If a column is missing, or has another length or too many values.
    """
    if by is None:
        return {}
    if isinstance(by, str):
        by = [by]
    if not isinstance(by, Mapping):
        are_names = (
            isinstance(by, list | tuple)
            and len(by) != n
            and all(isinstance(name, str) for name in by)
        )
        by = {name: _column_of(split, name, n) for name in by} if are_names else {"by": by}
    columns = {}
    for name, values in by.items():
        title = printable(name)
        if np.shape(values) not in [(n,), (n, 1)]:
            raise ValueError(
                f"by: {title} must have shape ({n},), one value for each image; got "
                f"{np.shape(values)}."
            )
        kind = object if isinstance(values, list | tuple) else None
        words = [_word(value) for value in np.asarray(values, kind).ravel().tolist()]
        columns[title] = np.array(words)
        n_values = len(set(words))
        if n_values > _MAX_VALUES:
            raise ValueError(
                f"by: {title} has {n_values} different values; subgroups need "
                f"{_MAX_VALUES} or fewer. Put the values into ranges first."
            )
    return columns


def _column_of(split, name, n):
    if split.get(name) is None:
        known = [key for key, value in split.items() if np.shape(value) == (n,)]
        raise ValueError(
            f"by: the data set has no column {name!r}; it has {', '.join(known) or 'none'}."
        )
    return split[name]


def _word(value) -> str:
    return _UNKNOWN if is_missing(value, MISSING_TEXT) else printable(value)


def measure_subgroups(
    columns: Mapping[str, np.ndarray],
    codes,
    score,
    groups,
    point: OperatingPoint | None,
    resampling: Resampling,
) -> list[dict[str, Any]]:
    """Return the results of the subgroups of each column, and the largest gaps."""
    found = []
    for name, values in columns.items():
        rows = []
        for value in dict.fromkeys(sorted(values.tolist())):
            part = values == value
            of_groups = None
            if groups is not None:
                of_groups = np.unique(groups[part], return_inverse=True)[1]
            units = int(part.sum()) if of_groups is None else int(of_groups.max()) + 1
            figures = _figures(codes[part], score[part], of_groups, resampling)
            if point is not None:
                figures |= _rates(point, part, of_groups, resampling)
            rows.append(
                {
                    "value": value,
                    "n_samples": int(part.sum()),
                    "n_groups": None if of_groups is None else units,
                    "small": units < _FEW,
                    "metrics": {key: one for key, (one, _) in figures.items()},
                    "intervals": {key: ends for key, (_, ends) in figures.items()},
                }
            )
        n_shared = 0 if groups is None else _count_shared(groups, values)
        about = {"by": name, "n_shared_groups": n_shared}
        found.append({**about, "rows": rows, "gaps": _gaps(rows)})
    return jsonable(found)


def _count_shared(groups, values) -> int:
    """Return the number of groups whose images are in several subgroups."""
    pairs = {*zip(groups.tolist(), values.tolist(), strict=True)}
    return sum(n > 1 for n in Counter(group for group, _ in pairs).values())


def _figures(codes, score, groups, resampling) -> dict[str, tuple]:
    values = metrics_of(codes, score)
    return {
        name: (values[name], resampling.interval(name, codes, score, groups))
        for name in WITH_INTERVAL
    }


def _rates(point, part, groups, resampling) -> dict[str, tuple]:
    y_true = point.y_true[part]
    right = (point.y_score[part] >= point.threshold) == y_true
    rates = {}
    for name, of in [("sensitivity", y_true), ("specificity", ~y_true)]:
        hits = right[of].astype(float)
        of_groups = None if groups is None else groups[of]
        rates[name] = (math.nan, (math.nan, math.nan))
        if len(hits):
            ends = resampling.interval("acc", np.ones(len(hits), int), hits, of_groups)
            rates[name] = (float(hits.mean()), ends)
    return rates


def _gaps(rows) -> list[dict[str, Any]]:
    """Return the largest gap in each metric between subgroups that are large enough."""
    gaps = []
    for metric in rows[0]["metrics"]:
        known = [
            row
            for row in rows
            if not (row["small"] or math.isnan(row["metrics"][metric]))
            and not math.isnan(row["intervals"][metric][0])
        ]
        if len(known) > 1:
            high = max(known, key=lambda row: row["metrics"][metric])
            # Of equal subgroups, the last, so that the two are different ones.
            low = min(reversed(known), key=lambda row: row["metrics"][metric])
            a, b = high["metrics"][metric], low["metrics"][metric]
            ends = difference_interval(
                a, high["intervals"][metric], b, low["intervals"][metric]
            )
            gaps.append(
                {
                    "metric": metric,
                    "highest": high["value"],
                    "lowest": low["value"],
                    "gap": a - b,
                    "interval": ends,
                    "n_subgroups": len(known),
                }
            )
    return gaps


def difference_interval(a, of_a, b, of_b) -> tuple[float, float]:
    """Return the interval of the difference between two independent estimates.

    It is computed from the intervals of the estimates by Newcombe's method.

    References
    ----------
    R. G. Newcombe, Interval estimation for the difference between independent proportions:
    comparison of eleven methods, Statistics in Medicine 17:873-890, 1998, method 10.
    """
    (low_a, high_a), (low_b, high_b) = of_a, of_b
    return (
        a - b - math.hypot(a - low_a, high_b - b),
        a - b + math.hypot(high_a - a, b - low_b),
    )


def subgroup_tables(subgroups, confidence_level) -> list[Table]:
    """Return the tables of the results of subgroups and of the gaps between them."""
    titles = {**TITLES, "sensitivity": "sensitivity", "specificity": "specificity"}
    tables = []
    for found in subgroups:
        rows, gaps = found["rows"], found["gaps"]
        # The log-loss would make the table too wide for a page.
        metrics = [name for name in rows[0]["metrics"] if name != "log_loss"]
        in_groups = rows[0]["n_groups"] is not None
        header = [found["by"], "images", *(["patients"] if in_groups else [])]
        lines = [
            (
                f"{row['value']} (few)" if row["small"] else row["value"],
                f"{row['n_samples']:,}",
                *([f"{row['n_groups']:,}"] if in_groups else []),
                *(
                    f"{format_score(row['metrics'][name])} {_ends(row['intervals'][name])}"
                    for name in metrics
                ),
            )
            for row in rows
        ]
        tables.append(
            Table(
                f"Subgroups by {found['by']}",
                [*header, *(titles[name] for name in metrics)],
                lines,
                _notes(found, in_groups, confidence_level),
            )
        )
        if gaps:
            lines = [
                (
                    titles[gap["metric"]],
                    gap["highest"],
                    gap["lowest"],
                    format_score(gap["gap"]),
                    _ends(gap["interval"]),
                )
                for gap in gaps
            ]
            level = f"{confidence_level:.0%} interval"
            header = ["figure", "highest", "lowest", "gap", level]
            tables.append(Table(f"Largest gap by {found['by']}", header, lines))
    return tables


def _ends(ends) -> str:
    return format_interval(None if ends is None or ends[0] is None else ends)


def _notes(found, in_groups, confidence_level) -> list[str]:
    rows, gaps = found["rows"], found["gaps"]
    units = "patients" if in_groups else "images"
    notes = [f"In brackets: {confidence_level:.0%} intervals."]
    if any(row["small"] for row in rows):
        notes.append(
            f"(few): fewer than {_FEW} {units}. These results are imprecise and not used "
            "for the largest gap."
        )
    if not gaps:
        notes.append("No gap: fewer than two subgroups are large enough.")
    elif any(gap["n_subgroups"] > 2 for gap in gaps):
        notes.append(
            "The largest of several gaps is larger than the true one on average, and its "
            "interval does not allow for this selection."
        )
    # Reports of older versions do not have the number.
    if gaps and found.get("n_shared_groups"):
        notes.append(
            f"Patients with images in several subgroups: {found['n_shared_groups']}. The "
            "interval of a gap takes subgroups as independent, so it is usually too wide."
        )
    return notes
