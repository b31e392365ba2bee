"""The command ``octsk tune``."""

from pathlib import Path
from typing import Annotated

import typer

from octsk.cli._app import app
from octsk.cli._inputs import (
    choose_net,
    load_data,
    make_net,
)
from octsk.cli._options import (
    CorruptionsOption,
    Cost,
    DataHomeOption,
    DataOption,
    DatasetOption,
    FitOption,
    GroupsOption,
    JsonOption,
    NetOption,
    PhantomsOption,
    Pruner,
    QuietOption,
    SeedOption,
    SizeOption,
    StrictOption,
)
from octsk.cli._output import (
    SYNTHETIC,
    Output,
    format_data,
    print_facts,
    print_report,
)
from octsk.cli._own_data import files_of
from octsk.cli._run_folder import make_run_folder
from octsk.utils.urls import hide_secrets


@app.command(
    epilog="\b\nExamples:\n"
    "  octsk tune --data clinic.npz --trials 30\n"
    "  octsk tune --data clinic.npz --net medium --workers 2 --pruner median\n"
    "  octsk tune --data clinic.npz --storage postgresql+psycopg://me@server/studies",
)
def tune(
    data: DataOption = None,
    dataset: DatasetOption = None,
    phantoms: PhantomsOption = False,
    size: SizeOption = None,
    groups: GroupsOption = None,
    fit: FitOption = None,
    data_home: DataHomeOption = None,
    net: NetOption = None,
    trials: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of trials in the study at the end of the search.",
        ),
    ] = 30,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=1, metavar="SECONDS", help="Start no further trial after this time."
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            min=2, metavar="N", help="Number of cross-validation folds of the train split."
        ),
    ] = 5,
    workers: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Number of processes, which share the cores."
        ),
    ] = 1,
    space_file: Annotated[
        Path | None,
        typer.Option(
            "--search-space",
            metavar="FILE",
            dir_okay=False,
            help="JSON file of a search space, such as search_space.json of a report.",
            show_default="octsk.search_space(net)",
        ),
    ] = None,
    pruner: Annotated[
        Pruner | None,
        typer.Option(
            metavar="median|hyperband", help="Stop unpromising trials after a few epochs."
        ),
    ] = None,
    cost: Annotated[
        Cost | None,
        typer.Option(
            metavar="n_parameters|fit_time",
            help="Also minimize this cost and plot the Pareto front. Not with --pruner.",
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="Storage of the study: a journal file or the URL of a database.",
            show_default="<data home>/studies/<study>.journal",
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the study.", show_default="<net>-<data>-<size>"
        ),
    ] = None,
    seed: SeedOption = 0,
    corruptions: CorruptionsOption = False,
    strict: StrictOption = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="New folder for the report.",
            show_default="octsk-runs/<date>-tune-<study>",
        ),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Search for the settings of a net, and evaluate the best ones.

    Trials are cross-validated on the train split. If the patients are known, all images of
    a patient are in the same fold. A net with the best settings is then trained on the
    whole split. If there is a test split, this net and one with default settings are
    evaluated on it. If the command is killed, the same command continues the study. Ctrl-C
    ends the search and keeps the best settings found so far.
    """
    import octsk
    from octsk.cli._progress import TrainingDisplay
    from octsk.datasets import get_data_home
    from octsk.utils.files import check_output

    out = Output(as_json, quiet)
    if storage is not None:
        # The file may exist, since studies are continued.
        check_output(storage, [data, space_file], overwrite=True)
    images = load_data(
        data, dataset, phantoms, size, data_home, out, groups=groups, fit=fit
    )
    if storage is not None:
        check_output(storage, files_of(images, groups), overwrite=True)
    net = choose_net(net, images, out)
    space = space_file and octsk.model_selection.read_search_space(space_file)
    estimator = make_net(net, random_state=seed)
    if space is None:
        # Only sizes change the number of parameters and most of the fit time.
        space = octsk.search_space(estimator, sizes=cost is not None)
    study = study or _default_study_name(net, images, cost)
    storage = storage or str(get_data_home(data_home) / "studies" / f"{study}.journal")
    search = octsk.OCTSearchCV(
        estimator,
        space,
        n_trials=trials,
        timeout=timeout,
        n_workers=workers,
        cv=folds,
        random_state=seed,
        pruner=pruner and str(pruner),
        cost=cost and str(cost),
        storage=storage,
        study_name=study,
    )
    if images.synthetic:
        print_report(SYNTHETIC, out.notes)
    with make_run_folder(output, f"tune-{study}") as folder:
        _print_plan(search, images, net, folder, out.notes)
        with TrainingDisplay(out.progress) as display:
            run = octsk.tuning.tune(
                search,
                images,
                seeds=[seed],
                corruptions=corruptions,
                output_dir=folder,
                strict=strict,
                on_trials=display.on_trials,
                on_event=display.on_event,
            )
    _print_run(run, folder, out)


def _default_study_name(net, images, cost) -> str:
    from octsk.utils.formatting import as_word

    # A study with a cost has two objectives, so it needs its own name.
    name = [str(net), images.name, str(images.size), *([str(cost)] if cost else [])]
    return as_word("-".join(name))


def _print_plan(search, images, net, folder, console):
    """Print the data, net and trials of a search before it starts."""
    # This import is local, because it loads Optuna.
    from octsk.model_selection.storage import dashboard_command

    print_facts(
        {
            "data": format_data(images),
            "net": net,
            "trials": f"{search.n_trials}, {search.cv} folds each",
            "study": f"{search.study_name} in {hide_secrets(search.storage)}",
            "dashboard": dashboard_command(search.storage),
            "results": folder,
        },
        console,
    )


def _print_run(run, folder, out):
    from octsk.model_selection.storage import dashboard_command

    out.note()
    out.result(
        {**run.to_dict(), "folder": str(folder)}, lambda: print_report(run.to_text())
    )
    out.note(f"\nReport page: {folder / 'report.html'}")
    out.note(f"Report, figures and model in {folder}")
    out.note("To look at the trials, pip install optuna-dashboard and run:")
    out.note(f"  {dashboard_command(run.search.storage)}")
