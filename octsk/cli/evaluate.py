"""The command ``octsk evaluate``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from octsk.cli._app import app
from octsk.cli._inputs import (
    load_data,
    load_model,
)
from octsk.cli._options import (
    Aggregate,
    AggregateOption,
    DataHomeOption,
    DataOption,
    DatasetOption,
    FitOption,
    GroupsOption,
    JsonOption,
    ModelArgument,
    OverwriteOption,
    PhantomsOption,
    PositiveOption,
    QuietOption,
    SensitivityOption,
    SizeOption,
    SpecificityOption,
    Split,
)
from octsk.cli._output import (
    Output,
    print_report,
)


class Level(StrEnum):
    """Levels at which results are computed."""

    IMAGE = "image"
    GROUP = "group"


@app.command(
    epilog="\b\nExamples:\n"
    "  octsk evaluate small.octsk --data clinic.npz --output report\n"
    "  octsk evaluate small.octsk --data clinic.npz --positive CNV --positive DME "
    "--specificity 0.95",
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
        Split, typer.Option(metavar="train|val|test", help="Split to evaluate.")
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
            help="Class of the data, and the corresponding classes of the net.",
        ),
    ] = None,
    positive: PositiveOption = None,
    specificity: SpecificityOption = None,
    sensitivity: SensitivityOption = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Lowest probability at which an image is called positive.",
            show_default="0.5",
        ),
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Proportion of positives for which predictive values are computed.",
            show_default="that of the data",
        ),
    ] = None,
    level: Annotated[
        Level, typer.Option(metavar="image|group", help="group adds results by patient.")
    ] = Level.IMAGE,
    aggregate: AggregateOption = Aggregate.MEAN,
    max_error: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Abstain from doubtful predictions, so that at most this proportion of "
            "the others is wrong on validation images.",
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Add results of subgroups, one for each value of a column: device stands "
            "for the array test_device of the file; can be repeated.",
        ),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Evaluate a saved net on a data set.

    Without data options, the data set is OCTMNIST. Published results are only shown if they
    are comparable. Thresholds are chosen on the validation split and never on the images
    that are evaluated.
    """
    import octsk

    out = Output(as_json, quiet)
    old = [] if output is None else _old_evaluation(output, [model, data], overwrite)
    source = (data, dataset, phantoms, size, data_home, out)
    files = {"groups": groups, "fit": fit}
    images = load_data(*source, split=str(split), **files)
    validation = {}
    if (specificity, sensitivity, max_error) != (None, None, None) and split != Split.VAL:
        val = load_data(*source, split="val", **files)
        validation = {
            "X_val": val.data,
            "y_val": val.target,
            "groups_val": val.get("groups"),
        }
    classifier = load_model(model)
    report = octsk.evaluate(
        classifier,
        images.data,
        images.target,
        dataset=images,
        split=str(split),
        seed=classifier.random_state,
        class_map=_class_map(mapped, classifier),
        positive=positive or None,
        specificity=specificity,
        sensitivity=sensitivity,
        threshold=threshold,
        prevalence=prevalence,
        level=str(level),
        aggregate=str(aggregate),
        by=_columns(by, images, str(split)),
        max_error=max_error,
        **validation,
    )
    if output is not None:
        _write_evaluation(output, report, classifier, images, model.name, old)
    out.result(report.to_dict(scores=False), lambda: print_report(report.to_text()))
    if output is not None:
        out.note(f"\nReport page: {output / 'report.html'}")
        out.note(f"Report, scores and model card in {output}")


def _columns(names, images, split) -> dict | None:
    """Return the columns of the data set that --by names."""
    from octsk.datasets import read_column

    return {name: read_column(images, name, split) for name in names or []} or None


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
        # A class name may itself contain a plus sign.
        names = [ours] if ours in known else ours.split("+")
        class_map.setdefault(theirs, []).extend(names)
    return class_map or None


def _old_evaluation(folder, inputs, overwrite) -> list[Path]:
    """Return the files of an earlier evaluation in a folder, which will be replaced.

    Raises
    ------
    FileExistsError
        If there are any and `overwrite` is False, or if the folder contains other files.
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
