"""The command ``octsk fetch``."""

from typing import Annotated

import typer

from octsk.cli._app import app
from octsk.cli._inputs import (
    DOWNLOAD_RETRIES,
)
from octsk.cli._options import (
    DataHomeOption,
    JsonOption,
    QuietOption,
)
from octsk.cli._output import (
    Output,
    describe_data,
)


@app.command(epilog="\b\nExample:\n  octsk fetch pneumoniamnist --size 64")
def fetch(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A MedMNIST set.")
    ] = "octmnist",
    size: Annotated[
        int, typer.Option(metavar="PIXELS", help="Size of the images: 28, 64, 128 or 224.")
    ] = 28,
    data_home: DataHomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Download a data set if it is missing, and check it."""
    import octsk

    out = Output(as_json, quiet)
    # Only load one split, because all splits of a large set would be unpacked to disk.
    dataset = octsk.fetch_medmnist(
        name, size=size, split="test", data_home=data_home, n_retries=DOWNLOAD_RETRIES
    )

    def show():
        out.note(dataset.DESCR)
        print(f"File: {dataset.filename}")

    out.result({"file": dataset.filename, **describe_data(dataset)}, show)
