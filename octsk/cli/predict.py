"""octsk predict."""

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
    Fit,
    FitOption,
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


@app.command(
    epilog="\b\nExamples:\n"
    "  octsk predict small.octsk scans/ --output predictions.csv\n"
    "  octsk predict small.octsk one.jpeg two.png\n"
    "  octsk predict small.octsk eye.dcm --level volume",
)
def predict(
    model: ModelArgument,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Image files of any size, files of OCT devices, one folder, or one npz "
            "file.",
        ),
    ],
    split: Annotated[
        Split,
        typer.Option(
            metavar="train|val|test", help="Split of an npz file in MedMNIST's layout."
        ),
    ] = Split.TEST,
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
            metavar="scan|volume",
            help="One row for each B-scan, or for each volume, with the mean probability "
            "of its B-scans.",
        ),
    ] = Level.SCAN,
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

    The output is CSV with one row per image: its file or index, the label, the class and
    the probability of every class. The B-scans of a volume, such as a DICOM file, have the
    number of the volume in the file, the eye and the number of the B-scan, too. Image
    files are resized to the input size of the net in the way that is closest to
    MedMNIST's. Files that cannot be read are named on stderr and skipped, and the exit
    code is then 1.
    """
    from octsk.utils.files import atomic_write, check_output

    out = Output(as_json, quiet, output)
    if output is not None:
        check_output(output, [model, *_input_files(inputs)], overwrite=overwrite)
    classifier = load_model(model)
    names, images, errors = _load_inputs(
        inputs, str(split), classifier.image_shape_, bit_depth, str(fit)
    )
    labels = classifier.classes_.tolist()
    classes = classifier.class_names_ or labels
    predictions = [
        {
            **place,
            "label": labels[row.argmax()],
            "class": classes[row.argmax()],
            "probabilities": row,
        }
        for place, row in _places(names, classifier.predict_proba(images), level)
    ]
    if output is not None:
        # Another program may have created it since.
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
    out.result({**document, "errors": errors}, show)
    for error in errors:
        print_message("error", error["error"])
    if errors:
        raise typer.Exit(1)


def _write_predictions(file, classes, predictions):
    lines = csv.writer(file, lineterminator="\n")
    shown = printable if file.isatty() else spreadsheet_cell
    header = [*list(predictions[0])[:-1], *(f"p_{name}" for name in classes)]
    lines.writerow(map(shown, header))
    for *words, row in map(dict.values, predictions):
        words = ["" if word is None else word for word in words]
        lines.writerow([*map(shown, words), *(f"{p:.6g}" for p in row)])


def _places(names, probabilities, level):
    """Yield the origin of each prediction, as columns of the output, and probabilities.

    B-scans of volumes have other columns than images.
    """
    has_volumes = any(hasattr(name, "frame") for name in names)
    rows: dict[Any, tuple[dict, list]] = {}
    for name, row in zip(names, probabilities, strict=True):
        is_frame = hasattr(name, "frame")
        place: dict[str, Any] = {"image": str(name.file if is_frame else name)}
        if has_volumes:
            place |= {
                "volume": name.volume if is_frame else None,
                "eye": name.eye if is_frame else None,
                "frame": name.frame if is_frame else None,
            }
        if level is Level.VOLUME:
            place.pop("frame", None)
        # Images that are no B-scans of a volume stand alone, even if one is given twice.
        key = tuple(place.values()) if is_frame and level is Level.VOLUME else len(rows)
        rows.setdefault(key, (place, []))[1].append(row)
    for place, found in rows.values():
        scans = {"scans": len(found)} if level is Level.VOLUME else {}
        yield {**place, **scans}, sum(found) / len(found)


def _input_files(inputs):
    """Return the files that the inputs name."""
    return [*inputs[0].iterdir()] if inputs[0].is_dir() else inputs


def _load_inputs(inputs, split, image_shape, bit_depth, fit):
    """Return the names of the images (files or indices), the images and the read errors."""
    from octsk.datasets import _image_files
    from octsk.datasets._npz_images import load_npz_images

    if len(inputs) == 1 and inputs[0].suffix == ".npz":
        images = load_npz_images(inputs[0], split=split)
        return range(len(images)), images, []
    paths = inputs[0] if len(inputs) == 1 else inputs
    size, _, channels = image_shape
    images, files, errors = _image_files.read_images(paths, size, channels, bit_depth, fit)
    if not files:
        raise _image_files.combined_error(errors, len(errors))
    return (
        files,
        images,
        [
            {"image": str(file), "error": _image_files.error_words(error)}
            for file, error in errors
        ],
    )
