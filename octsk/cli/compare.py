"""The command ``octsk compare``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from octsk.cli._app import app
from octsk.cli._options import JsonOption, OverwriteOption, QuietOption
from octsk.cli._output import Output, print_report


class Metric(StrEnum):
    """Metrics that can be compared."""

    ACCURACY = "accuracy"
    AUC = "auc"
    BALANCED_ACCURACY = "balanced_accuracy"
    LOG_LOSS = "log_loss"


# The methods of a comparison that write files with these suffixes.
FORMATS = {
    ".csv": "to_figures_csv",
    ".json": "to_json",
    ".md": "to_markdown",
    ".tex": "to_latex",
}


def _check_suffix(file: Path | None) -> Path | None:
    if file is not None and file.suffix not in FORMATS:
        raise typer.BadParameter(f"{file} must end in {', '.join(FORMATS)}")
    return file


@app.command(
    epilog="\b\nExamples:\n"
    "  octsk compare small-report residual-report\n"
    "  octsk compare octsk-runs/clinic --metric auc --output comparison.tex",
)
def compare(
    reports: Annotated[
        list[Path],
        typer.Argument(
            metavar="REPORT...",
            help="Report files, or folders of octsk evaluate and octsk benchmark.",
        ),
    ],
    metric: Annotated[
        Metric,
        typer.Option(
            metavar="accuracy|auc|balanced_accuracy|log_loss", help="Metric to compare."
        ),
    ] = Metric.ACCURACY,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            dir_okay=False,
            callback=_check_suffix,
            help="Also write the comparison to a .csv, .json, .md or .tex file.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare the first net with each of the others on the same images.

    The command prints differences with their intervals and p-values. If there are several
    reports of a net, with different seeds, their mean is compared.
    """
    import octsk
    from octsk.evaluation import read_reports
    from octsk.utils.files import check_output, write_text

    out = Output(as_json, quiet)
    if output is not None:
        inside = [file for folder in reports for file in folder.rglob("*.json")]
        check_output(output, [*reports, *inside], overwrite=overwrite)
    nets = read_reports(reports)
    if len(nets) < 2:
        raise typer.BadParameter(
            f"the reports are of only one net, {', '.join(nets)}; pass those of two or more"
        )
    comparison = octsk.compare(*nets.values(), metric=str(metric), names=list(nets))
    out.result(comparison.to_dict(), lambda: print_report(comparison.to_text()))
    if output is not None:
        write = getattr(comparison, FORMATS[output.suffix])
        if output.suffix in (".md", ".tex"):
            write_text(output, write())
        else:
            write(output)
        out.note(f"\nComparison: {output}")
