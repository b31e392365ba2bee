"""octsk evaluate."""

from pathlib import Path
from typing import Annotated

import typer

from octsk.cli._app import app
from octsk.cli._inputs import (
    load_data,
    load_model,
)
from octsk.cli._options import (
    DataHomeOption,
    DataOption,
    DatasetOption,
    FitOption,
    GroupsOption,
    JsonOption,
    ModelArgument,
    OverwriteOption,
    PhantomsOption,
    QuietOption,
    SizeOption,
    Split,
)
from octsk.cli._output import (
    Output,
    print_report,
)


@app.command(
    epilog="\b\nExample:\n  octsk evaluate small.octsk --data clinic.npz --output report",
)
def evaluate(
    model: ModelArgument,
    data: DataOption = None,
    dataset: DatasetOption = None,
    phantoms: PhantomsOption = False,
    size: SizeOption = None,
    groups: GroupsOption = None,
    fit: FitOption = None,
    data_home: DataHomeOption = None,
    split: Annotated[
        Split, typer.Option(metavar="train|val|test", help="Split to evaluate on.")
    ] = Split.TEST,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            file_okay=False,
            help="New folder for the report page, the report and the scores of each image.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="THEIRS=OURS+OURS",
            help="Class of the data and the classes of the net that stand for it.",
        ),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Evaluate a saved net on a data set.

    Without data options, the data set is OCTMNIST. Published results are shown only beside
    figures to which they are comparable.
    """
    import octsk

    out = Output(as_json, quiet)
    old = [] if output is None else _old_evaluation(output, [model, data], overwrite)
    images = load_data(
        *(data, dataset, phantoms, size, data_home, out),
        split=str(split),
        groups=groups,
        fit=fit,
    )
    classifier = load_model(model)
    report = octsk.evaluate(
        classifier,
        images.data,
        images.target,
        dataset=images,
        split=str(split),
        seed=classifier.random_state,
        class_map=_class_map(mapped, classifier),
    )
    if output is not None:
        _write_evaluation(output, report, classifier, images, model.name, old)
    out.result(report.to_dict(scores=False), lambda: print_report(report.to_text()))
    if output is not None:
        out.note(f"\nReport page: {output / 'report.html'}")
        out.note(f"Report, scores and model card in {output}")


def _class_map(mapped, classifier) -> dict[str, list[str]] | None:
    """Parse --map options such as AMD=CNV+drusen."""
    known = [str(name) for name in classifier.class_names_ or classifier.classes_]
    class_map: dict[str, list[str]] = {}
    for words in mapped or []:
        theirs, sign, ours = words.partition("=")
        if not (theirs and sign and ours):
            raise typer.BadParameter(
                f"--map must be THEIRS=OURS, such as AMD=CNV+drusen; got {words!r}"
            )
        # A name may contain the sign itself.
        names = [ours] if ours in known else ours.split("+")
        class_map.setdefault(theirs, []).extend(names)
    return class_map or None


def _old_evaluation(folder, inputs, overwrite) -> list[Path]:
    """Return the files of an earlier evaluation in a folder, which will be replaced.

    Raises
    ------
    FileExistsError
        If there are some and `overwrite` is False, or the folder holds other files.
    """
    from octsk.evaluation import EVALUATION_FILE
    from octsk.utils.files import check_new_folder, check_output

    files = [*folder.iterdir()] if folder.is_dir() else []
    fixed = ("report.html", "report.txt", "report.json", "scores.csv", "model_card.md")
    old = [f for f in files if f.name in fixed or EVALUATION_FILE.fullmatch(f.name)]
    check_new_folder(folder, old)
    for file in old:
        check_output(file, inputs, overwrite=overwrite)
    return old


def _write_evaluation(folder, report, classifier, images, file, old=()):
    from octsk.reporting import html_report, model_card
    from octsk.utils.files import atomic_folder, write_text

    with atomic_folder(folder, old) as new:
        report.to_json(new / "report.json")
        report.to_csv(new / "scores.csv")
        if report.label_columns is not None:
            report.to_medmnist_csv(new)
        write_text(new / "report.txt", f"{report}\n")
        about = {"estimator": classifier, "dataset": images}
        write_text(new / "report.html", html_report(report, **about))
        write_text(new / "model_card.md", model_card(report, **about, file=file))
