"""The command ``octsk import``."""

from pathlib import Path
from typing import Annotated

import typer

from octsk.cli._app import app
from octsk.cli._options import (
    DataHomeOption,
    Fit,
    FitOption,
    GroupsOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
)
from octsk.cli._output import Output, print_report
from octsk.cli._own_data import (
    SEED,
    TEST,
    VAL,
    files_of,
    holds_image_files,
    load_labelled,
    split_by_patient,
)


@app.command(
    "import",
    epilog="\b\nExamples:\n"
    "  octsk import scans/ --groups kermany --output scans.npz\n"
    "  octsk import scans.csv --label diagnosis --groups patient --output scans.npz",
)
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER|CSV",
            help="A folder with one folder of images for each class, or a table of images.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", dir_okay=False, help="The npz file to write."
        ),
    ],
    size: Annotated[
        int, typer.Option(min=1, metavar="PIXELS", help="Size of the written images.")
    ] = 28,
    color: Annotated[bool, typer.Option("--color", help="Write RGB images.")] = False,
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
    groups: GroupsOption = None,
    image: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of a CSV file with the paths.")
    ] = "file",
    label: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column with the classes.")
    ] = "label",
    split: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with train, val or test.",
            show_default="split, if there is one",
        ),
    ] = None,
    test: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the images in the test split.")
    ] = TEST,
    val: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the images in the validation split."),
    ] = VAL,
    seed: Annotated[
        int, typer.Option(min=0, metavar="S", help="Seed of the splits.")
    ] = SEED,
    on_error: Annotated[
        str,
        typer.Option(
            metavar="raise|skip",
            help="Whether to end with an error if files cannot be read, or to skip them.",
        ),
    ] = "raise",
    data_home: DataHomeOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write image files with their labels and patients to one npz file.

    The images are split by patient, unless there are folders train, val and test or a
    column of splits. The file has MedMNIST's layout, and also contains the patients, the
    file names and the class names. Pass it to the other commands as --data.
    """
    import numpy as np

    import octsk
    from octsk.utils.files import check_output

    out = Output(as_json, quiet, output)
    check_output(output, [source], overwrite=overwrite)
    if not holds_image_files(source):
        # This raises an error if the file does not exist.
        source.stat()
        raise ValueError(
            f"{source} is neither a folder nor a CSV file{_what_it_is(source)}"
        )
    if source.is_dir() and (image, label, split) != ("file", "label", None):
        raise typer.BadParameter("--image, --label and --split require a CSV file")
    images = load_labelled(
        source,
        out=out,
        size=size,
        color=color,
        fit=str(fit),
        bit_depth=bit_depth,
        groups=groups,
        image=image,
        label=label,
        split=split,
        on_error=on_error,
        data_home=data_home,
    )
    check_output(output, files_of(images, groups), overwrite=overwrite)
    images = split_by_patient(images, out, test=test, val=val, seed=seed)
    parts = {name: images[name] for name in ("train", "val", "test") if images[name]}
    for part in parts.values():
        # The file should not reveal the folders of its author.
        part.filenames = np.array([_below(file, source) for file in part.filenames])
    output.parent.mkdir(parents=True, exist_ok=True)
    octsk.save_medmnist(images, output)
    findings = octsk.datasets.check_splits(images)
    document = {
        "file": str(output),
        "size": size,
        "fit": str(fit),
        "classes": images.target_names,
        "splits": {name: _counts(part, images) for name, part in parts.items()},
        "findings": findings,
    }
    out.result(document, lambda: print_report(_tables(document)))
    if not as_json:
        out.note(f"\nFile: {output}")


def _what_it_is(path: Path) -> str:
    from octsk.utils.file_kinds import recognise

    kind = recognise(path)
    return f": {kind}" if kind else ""


def _below(file: str, source: Path) -> str:
    folder = source if source.is_dir() else source.parent
    path = Path(file)
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _counts(part, images) -> dict:
    import numpy as np

    numbers = np.bincount(part.target, minlength=len(images.target_names)).tolist()
    return {
        "images": len(part.target),
        "patients": None if part.groups is None else len(np.unique(part.groups)),
        "by_class": dict(zip(images.target_names, numbers, strict=True)),
    }


def _tables(document) -> str:
    from octsk.utils.tables import Table, tables_to_text

    splits = document["splits"]
    rows = [
        (name, *(f"{of['by_class'][name]:,}" for of in splits.values()))
        for name in document["classes"]
    ]
    for key in ("images", "patients"):
        cells = [of[key] for of in splits.values()]
        rows.append(
            (f"all {key}", *("-" if cell is None else f"{cell:,}" for cell in cells))
        )
    tables = [Table("Images of each class", ("class", *splits), rows)]
    if document["findings"]:
        tables.append(Table("Problems in the splits", notes=document["findings"]))
    return tables_to_text(tables)
