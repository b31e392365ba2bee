"""Tables, banners and remarks that are used in reports, pages and model cards."""

import numpy as np

from octsk.metrics import TITLES
from octsk.published import published_results
from octsk.utils.formatting import format_score, format_time
from octsk.utils.tables import Table
from octsk.utils.untrusted import printable


def published_tables(data, not_comparable) -> list[Table]:
    """Return tables of published results, or the reason why none are comparable."""
    if not_comparable:
        title = "Published results: none are comparable"
        return [Table(title, notes=[f"Reason: {not_comparable}."])]
    tables = [_benchmark_table(data["name"])]
    printed = [
        row
        for row in published_results(data["name"], kind="report")
        if row.note == "printed run"
    ]
    if printed:
        rows = [
            (row.method, str(row.size), format_score(row.acc), format_score(row.loss))
            for row in printed
        ]
        notes = [f"{printed[0].source}. One run each."]
        header = ("net", "pixels", TITLES["acc"], TITLES["log_loss"])
        tables.append(
            Table("Published: the 2021 report's printed runs", header, rows, notes)
        )
    return tables


def _benchmark_table(name) -> Table:
    v1, v2 = (published_results(name, kind="benchmark", version=v) for v in ("v1", "v2"))
    rows = [
        (
            one.method,
            str(one.size),
            *map(format_score, (one.acc, one.auc, two.acc, two.auc)),
        )
        for one, two in zip(v1, v2, strict=True)
    ]
    notes = [
        "pixels: size of the images. (28), (224): input size of the net; for 224, the "
        "28-pixel images were enlarged.",
        f"v1: {v1[0].source}.",
        f"v2: {v2[0].source}.",
    ]
    header = ("method", "pixels", "v1 ACC", "v1 AUC", "v2 ACC", "v2 AUC")
    return Table(f"Published: MedMNIST's benchmark of {name}", header, rows, notes)


def synthetic_banner(data) -> list[Table]:
    """Return a banner if the data are synthetic."""
    if not data["synthetic"]:
        return []
    note = "The images are synthetic: these results say nothing about real images."
    return [Table("*** SYNTHETIC DATA ***", notes=[note])]


def format_split(data) -> str:
    """Format the name, split and image size of the evaluated data."""
    size = f", {_format_size(data['size'])} px" if data["size"] else ""
    synthetic = " (SYNTHETIC)" if data["synthetic"] else ""
    name = printable(data["name"] or "unnamed data")
    return f"{name}{synthetic}, {data['split']} split{size}"


def of_patients(n_groups) -> str:
    """Return the words to add to a number of images if the number of patients is known."""
    return "" if n_groups is None else f" of {n_groups} patients"


def _format_size(size) -> str:
    return "x".join(map(str, np.atleast_1d(size)))


def format_interval_note(report) -> str:
    """Return a note on how the intervals of a report were computed."""
    drawn = "patients" if report.resampled == "groups" else "images within each class"
    note = (
        f"Bootstrap over {drawn}, {report.n_resamples} resamples of this test set. Each "
        "interval is for ONE TRAINING and does not cover the variation between trainings."
    )
    if report.interval_caveat:
        note += f" {report.interval_caveat}"
    if report.resampled == "images":
        note += (
            " PATIENTS NOT KNOWN: images count as independent. If patients have several "
            "images, the intervals are too narrow."
        )
    return note


def leak_notes(report) -> list[str]:
    """Return remarks on evaluated patients and images that are also in other splits."""
    split = report.data["split"]
    # Reports of older versions lack this entry.
    return [
        f"NOT INDEPENDENT: {n} of the patients in the {split} split have images in the "
        f"{other} split, too. The results and their intervals are too optimistic for new "
        "patients."
        for other, n in (report.data.get("shared_groups") or {}).items()
    ] + [
        f"NOT INDEPENDENT: the {split} and the {other} split share images ({n}). The "
        "results and their intervals are too optimistic for new images."
        for other, n in (report.data.get("shared_images") or {}).items()
    ]


def format_seconds(fit_seconds, predict_seconds) -> str:
    """Format the times of training and prediction."""
    training = "" if fit_seconds is None else f"training {format_time(fit_seconds)}, "
    return f"{training}prediction {format_time(predict_seconds)}"
