"""Format of the JSON file of a report, and checks of its contents."""

from typing import Any

import numpy as np

from octsk.evaluation._doubt_reports import AbstentionReport
from octsk.evaluation._operating_point import OperatingPoint

REPORT_FORMAT = 1
# Size of the largest file that is read. The scores of 100,000 images of ten classes take a
# third of it.
MAX_BYTES = 64 * 2**20
OF_EACH_IMAGE = ("y_true", "y_score", "filenames", "groups", "image_index", "unfamiliar")
# Attributes that differ between a report by group and the one by image that contains it.
LEVEL_FIELDS = (
    *("metrics", "intervals", "recall", "confusion_matrix", "n_samples", "resampled"),
    *("interval_caveat", "y_true", "y_score", "groups", "filenames", "image_index"),
    *("operating_point", "subgroups", "level", "aggregate", "remarks"),
)
# Keys and types of a row with the balanced error on corrupted images.
_ROW = {
    "net": str,
    "corruption": str,
    "severity": int,
    "balanced_error": float,
    "seed": int,
}


def _checked_columns(columns, n_classes) -> list[int | None] | None:
    """Check and return `label_columns` from a file."""
    if columns is not None:
        known = [column for column in columns if column is not None]
        if sorted(known) != list(range(n_classes)):
            raise ValueError("its label_columns do not contain each column once")
    return columns


def checked_rows(rows) -> list[dict[str, Any]] | None:
    """Check and return the rows of errors on corrupted images from a file.

    Raises
    ------
    ValueError
        If they are not such rows.
    """
    if rows is not None and not (isinstance(rows, list) and all(map(_is_row, rows))):
        raise ValueError("its corruptions are not rows of errors on corrupted images")
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


def parsed(values) -> dict[str, Any]:
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
        **_of_each_image(values),
        "operating_point": None
        if values.get("operating_point") is None
        else OperatingPoint.from_dict(values["operating_point"]),
        "abstention": None
        if values.get("abstention") is None
        else AbstentionReport.from_dict(values["abstention"]),
        # Reports of older versions do not contain these.
        "corruptions": checked_rows(values.get("corruptions")),
        "label_columns": _checked_columns(
            values.get("label_columns"), len(values["class_names"])
        ),
    }


def _of_each_image(values) -> dict[str, list | None]:
    """Check and return the entries for each image, which older versions do not contain."""
    found = {}
    for name in ("filenames", "groups", "image_index", "unfamiliar"):
        found[name] = values.get(name)
        if found[name] is not None and len(found[name]) != len(values["y_true"]):
            raise ValueError(f"its {name} do not have one entry for each image")
    return found
