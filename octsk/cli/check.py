"""The command ``octsk check``."""

from pathlib import Path
from typing import Annotated

import typer

from octsk.cli._app import app
from octsk.cli._options import (
    DataHomeOption,
    GroupsOption,
    JsonOption,
    QuietOption,
    StrictOption,
)
from octsk.cli._output import Output
from octsk.cli._own_data import load_own
from octsk.utils.untrusted import printable


@app.command(epilog="\b\nExample:\n  octsk check scans.npz --near-duplicates")
def check(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="An npz file, a folder of image files or a CSV file."
        ),
    ],
    groups: GroupsOption = None,
    near_duplicates: Annotated[
        bool,
        typer.Option(
            "--near-duplicates", help="Also look for almost equal images in two splits."
        ),
    ] = False,
    strict: StrictOption = False,
    data_home: DataHomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check a data set for problems that make results misleading.

    The problems are patients and images in two splits, equal images with different labels,
    classes that are missing in a split, and constant images. With --strict, the exit code
    is 1 if there are any.
    """
    import octsk

    out = Output(as_json, quiet)
    images = load_own(data, out, groups=groups, data_home=data_home)
    if "train" not in images:
        raise ValueError(
            f"{data} has no splits to check; pass --groups to check the splits by patient "
            "that other commands would create"
        )
    findings = octsk.datasets.check_splits(images, near_duplicates=near_duplicates)

    def show():
        for words in findings:
            print(printable(words))
        if not findings:
            out.note("No problems were found.")

    out.result({"data": str(data), "findings": findings}, show)
    if findings and strict:
        raise typer.Exit(1)
