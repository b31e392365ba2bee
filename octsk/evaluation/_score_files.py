"""CSV files with the scores of each image: octsk's own, and MedMNIST's format."""

import csv
import re
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning

from octsk.evaluation.wording import _format_size
from octsk.metrics import medmnist_accuracy, medmnist_auc
from octsk.metrics.scores import predict_indices
from octsk.utils.files import atomic_write
from octsk.utils.formatting import as_word
from octsk.utils.tables import write_csv
from octsk.utils.untrusted import printable

# The names of the evaluation files in MedMNIST's format that write_medmnist_csv writes.
EVALUATION_FILE = re.compile(
    r"[^_]+(_\w+)?_(train|val|test)_\[AUC\](nan|[01]\.\d{3})_\[ACC\][01]\.\d{3}@[^_]+\.csv"
)


def write_scores_csv(report, path) -> None:
    """Write the scores of a report with a header; see `BenchmarkReport.to_csv`."""
    names = report.class_names
    unfamiliar = report.unfamiliar
    known: dict[str, list] = {"image": report.image_numbers}
    if report.filenames is not None:
        known["file"] = report.filenames
    if report.groups is not None:
        known["group"] = report.groups
    known["true"] = [names[k] for k in report.y_true]
    known["predicted"] = [names[k] for k in predict_indices(report.y_score)]
    if unfamiliar is not None:
        known["unfamiliar"] = ["yes" if each else "no" for each in unfamiliar]
    header = [*known, *(f"p_{name}" for name in names)]
    rows = (
        [*map(_printable, about), *(f"{p:.9g}" for p in scores)]
        for *about, scores in zip(*known.values(), report.y_score.tolist(), strict=True)
    )
    write_csv(path, map(_printable, header), rows)


def _printable(value):
    return printable(value) if isinstance(value, str) else value


def write_medmnist_csv(report, folder, run) -> Path:
    """Write the scores of a report; see `BenchmarkReport.to_medmnist_csv`."""
    y_true, y_score = _by_label(report)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        auc = medmnist_auc(y_true, y_score)
    acc = medmnist_accuracy(y_true, y_score)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # MedMNIST's evaluator splits the name at underscores, and ends the run at a full stop.
    flag = as_word(report.data["name"] or "unnamed")
    size = report.data["size"]
    if size not in (28, None):
        flag += f"_{_format_size(size)}"
    path = folder / (
        f"{flag}_{report.data['split']}_[AUC]{auc:.3f}_[ACC]{acc:.3f}@{as_word(run)}.csv"
    )
    with atomic_write(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([i, *row] for i, row in enumerate(y_score.tolist()))
    return path


def _by_label(report) -> tuple[np.ndarray, np.ndarray]:
    """Return the true labels, and the scores in the order of the data set's labels."""
    if report.label_columns is None:
        raise ValueError(
            f"the classes {report.class_names} are not labels 0 to n - 1 of the data set, "
            "by which MedMNIST's evaluator identifies them: pass evaluate a dataset whose "
            "target_names contains them."
        )
    labels = np.empty(len(report.class_names), dtype=int)
    y_score = np.zeros((len(report.y_score), len(report.label_columns)))
    for label, column in enumerate(report.label_columns):
        if column is not None:
            labels[column] = label
            y_score[:, label] = report.y_score[:, column]
    return labels[report.y_true], y_score
