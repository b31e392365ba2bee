"""The command ``octsk predict``."""

import csv
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from octsk.cli._app import app
from octsk.cli._inputs import (
    load_model,
)
from octsk.cli._options import (
    Aggregate,
    AggregateOption,
    Fit,
    FitOption,
    GroupsOption,
    JsonOption,
    ModelArgument,
    OverwriteOption,
    QuietOption,
    Split,
)
from octsk.cli._output import (
    Output,
    print_message,
)
from octsk.utils.tables import spreadsheet_cell
from octsk.utils.untrusted import printable


class Level(StrEnum):
    """What a row of the output describes."""

    SCAN = "scan"
    VOLUME = "volume"
    PATIENT = "patient"


@app.command(
    epilog="\b\nExamples:\n"
    "  octsk predict small.octsk scans/ --output predictions.csv\n"
    "  octsk predict small.octsk one.jpeg two.png\n"
    "  octsk predict small.octsk eye.dcm --level volume\n"
    "  octsk predict small.octsk scans/ --groups '(?P<patient>p\\d+)_' --level patient",
)
def predict(
    model: ModelArgument,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Image files of any size, files of OCT devices, one folder, one CSV file "
            "with a column file, or one npz file.",
        ),
    ],
    split: Annotated[
        Split,
        typer.Option(
            metavar="train|val|test", help="Split of an npz file in MedMNIST's layout."
        ),
    ] = Split.TEST,
    groups: GroupsOption = None,
    fit: FitOption = Fit.CROP,
    bit_depth: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=16,
            metavar="N",
            help="Number of bits that 16-bit image files use.",
            show_default="as stated by the files",
        ),
    ] = None,
    level: Annotated[
        Level,
        typer.Option(
            metavar="scan|volume|patient",
            help="One row for each image or B-scan, for each volume, or for each patient.",
        ),
    ] = Level.SCAN,
    aggregate: AggregateOption = Aggregate.MEAN,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            dir_okay=False,
            help="CSV file to write.",
            show_default="standard output",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Classify images with a saved net.

    The output is CSV with one row for each image: its file or index, the predicted label
    and class, and the probability of each class. Rows of B-scans of a volume, such as a
    DICOM file, also contain the number of the volume in the file, the eye and the number of
    the B-scan. There are columns for patients and true classes if these are known. If the
    net was saved with a gate, the column unfamiliar marks images unlike those on which the
    net was trained. Image files are resized to the input size of the net in the way that is
    closest to MedMNIST's. Files that cannot be read are skipped and listed on stderr, and
    the exit code is then 1.
    """
    from octsk.utils.files import atomic_write, check_output

    out = Output(as_json, quiet, output)
    if output is not None:
        check_output(output, [model, *_input_files(inputs)], overwrite=overwrite)
    classifier = load_model(model)
    found = _load(inputs, classifier, str(split), groups, level, bit_depth, str(fit))
    labels = classifier.classes_.tolist()
    classes = classifier.class_names_ or labels
    _warn_of_other_classes(inputs[0], found.class_names, classifier.class_names_)
    if classifier.gate_ is None:
        unfamiliar, probabilities = None, classifier.predict_proba(found.images)
    else:
        accepted, probabilities = classifier.gate_.predict_with_proba(found.images)
        unfamiliar = accepted < 0
    predictions = [
        {
            **about,
            "label": labels[row.argmax()],
            "class": classes[row.argmax()],
            "probabilities": row,
        }
        for about, row in _rows(found, probabilities, unfamiliar, level, aggregate)
    ]
    if output is not None:
        # Another program may have created the file in the meantime.
        check_output(output, overwrite=overwrite)
        output.parent.mkdir(parents=True, exist_ok=True)
        with (
            atomic_write(output) as path,
            open(path, "w", newline="", encoding="utf-8", errors="octsk") as file,
        ):
            _write_predictions(file, classes, predictions)

    def show():
        if output is None:
            _write_predictions(sys.stdout, classes, predictions)
        else:
            out.note(f"Predictions: {output}")

    document = {"model": str(model), "classes": classes, "predictions": predictions}
    if unfamiliar is not None:
        document["n_unfamiliar"] = int(unfamiliar.sum())
    out.result({**document, "errors": found.errors}, show)
    if unfamiliar is not None and unfamiliar.any():
        print_message("warning", classifier.gate_.describe(unfamiliar))
    for error in found.errors:
        print_message("error", error["error"])
    if found.errors:
        raise typer.Exit(1)


def _load(inputs, classifier, split, groups, level, bit_depth, fit):
    """Read the images in the size of the net, with their patients and true classes."""
    from octsk.datasets import read_to_classify

    size, _, channels = classifier.image_shape_
    reading = {"size": size, "channels": channels, "fit": fit, "bit_depth": bit_depth}
    found = read_to_classify(inputs, split=split, groups=groups, **reading)
    if level is Level.PATIENT and found.groups is None:
        raise ValueError(
            "--level patient requires the patient of each image, which is not known: pass "
            r"--groups, such as '(?P<patient>\d+)-\d+\.png$' for the names of files, or "
            "the column of a CSV file"
        )
    return found


def _write_predictions(file, classes, predictions):
    lines = csv.writer(file, lineterminator="\n")
    shown = printable if file.isatty() else spreadsheet_cell
    header = [*list(predictions[0])[:-1], *(f"p_{name}" for name in classes)]
    lines.writerow(map(shown, header))
    for *words, row in map(dict.values, predictions):
        words = ["" if word is None else _yes_or_no(word) for word in words]
        lines.writerow([*map(shown, words), *(f"{p:.6g}" for p in row)])


def _yes_or_no(word):
    return word if not isinstance(word, bool) else "yes" if word else "no"


def _rows(found, probabilities, unfamiliar, level, aggregate):
    """Yield the columns that describe each prediction, and its probabilities.

    If any image is a B-scan of a volume, there are columns for volume, eye and B-scan.
    """
    import numpy as np

    from octsk.evaluation import scores_of_groups

    has_volumes = any(hasattr(name, "frame") for name in found.names)
    rows: dict[Any, list[int]] = {}
    places: dict[Any, dict[str, Any]] = {}
    for i, name in enumerate(found.names):
        place = _place(name, has_volumes)
        if found.groups is not None:
            place["patient"] = found.groups[i]
        # An image that is not a B-scan has its own row, even if it is given twice.
        key: Any = i
        if level is Level.PATIENT:
            place = {"patient": place["patient"]}
            key = place["patient"]
        elif level is Level.VOLUME:
            place.pop("frame", None)
            key = tuple(place.values()) if hasattr(name, "frame") else i
        rows.setdefault(key, []).append(i)
        places.setdefault(key, place)
    if level is not Level.SCAN:
        number_of = np.empty(len(probabilities), np.intp)
        for number, members in enumerate(rows.values()):
            number_of[members] = number
        probabilities = scores_of_groups(probabilities, number_of, str(aggregate))
    for number, (key, members) in enumerate(rows.items()):
        about = places[key]
        if level is not Level.SCAN:
            about["scans"] = len(members)
        if found.true is not None:
            about["true"] = "+".join(sorted({found.true[i] for i in members}))
        if unfamiliar is not None:
            n = int(unfamiliar[members].sum())
            about["unfamiliar"] = bool(n) if level is Level.SCAN else n
        yield about, probabilities[number]


def _place(name, has_volumes) -> dict[str, Any]:
    is_frame = hasattr(name, "frame")
    place: dict[str, Any] = {"image": str(name.file if is_frame else name)}
    if has_volumes:
        place |= {
            "volume": name.volume if is_frame else None,
            "eye": name.eye if is_frame else None,
            "frame": name.frame if is_frame else None,
        }
    return place


def _warn_of_other_classes(file, theirs, ours) -> None:
    """Warn if the data have classes that the net does not have."""
    if theirs and ours and not {*theirs} <= {*ours}:
        print_message(
            "warning",
            f"the data of {file} have the classes {', '.join(theirs)}, but the net has "
            f"{', '.join(ours)}: the column class contains the classes of the net",
        )


def _input_files(inputs):
    """Return the files that the inputs name."""
    return [*inputs[0].rglob("*")] if inputs[0].is_dir() else inputs
