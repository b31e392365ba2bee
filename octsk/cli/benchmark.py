"""The command ``octsk benchmark``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from octsk.cli._app import app
from octsk.cli._inputs import (
    choose_net,
    draw_phantoms,
    load_data,
    make_net,
)
from octsk.cli._options import (
    AugmentationOption,
    BatchSizeOption,
    ClassWeightOption,
    CorruptionsOption,
    DataHomeOption,
    DataOption,
    DatasetOption,
    EpochsOption,
    FitOption,
    GroupsOption,
    JsonOption,
    Net,
    OptimizerOption,
    PhantomsOption,
    PositiveOption,
    QuietOption,
    SeedOption,
    SensitivityOption,
    SizeOption,
    SpecificityOption,
    StrictOption,
)
from octsk.cli._output import (
    SYNTHETIC,
    Output,
    count_training_images,
    format_data,
    format_net,
    print_facts,
    print_message,
    print_report,
)
from octsk.cli._run_folder import make_run_folder
from octsk.utils.tensorflow import start_tensorflow

# Largest image size, in pixels, of the phantoms of a repeated run. It is the largest size
# of MedMNIST.
MAX_REPEATED_SIZE = 224

INTERRUPTED = "finished trainings are in {0}; continue with --resume --output {0}"


@app.command(
    epilog="\b\nExamples:\n"
    "  octsk benchmark\n"
    "  octsk benchmark --net small --net medium --seeds 5\n"
    "  octsk benchmark --data clinic.npz --class-weight balanced\n"
    "  octsk benchmark --net small --net residual --corruptions\n"
    "  octsk benchmark --data clinic.npz --positive CNV --specificity 0.95",
)
def benchmark(
    data: DataOption = None,
    dataset: DatasetOption = None,
    phantoms: PhantomsOption = False,
    size: SizeOption = None,
    groups: GroupsOption = None,
    fit: FitOption = None,
    data_home: DataHomeOption = None,
    net: Annotated[
        list[Net] | None,
        typer.Option(
            metavar="small|medium|large|residual",
            help="Net to train; can be repeated.",
            show_default="residual for your own data, else small",
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of trainings of each net, with seeds S, S+1, ...",
        ),
    ] = 1,
    seed: SeedOption = 0,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    optimizer: OptimizerOption = None,
    augmentation: AugmentationOption = None,
    class_weight: ClassWeightOption = None,
    corruptions: CorruptionsOption = False,
    positive: PositiveOption = None,
    specificity: SpecificityOption = None,
    sensitivity: SensitivityOption = None,
    strict: StrictOption = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="New folder for the models, reports and figures.",
            show_default="octsk-runs/<date>-<data>",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue the run in --output without repeating any training."
        ),
    ] = False,
    from_run: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN.JSON",
            dir_okay=False,
            help="Repeat a run with its nets and seeds, and compare the results.",
        ),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train nets, evaluate them and compare the results with published ones.

    Without options, the small net is trained once on OCTMNIST, which is downloaded (55 MB)
    if it is missing. If the download fails, synthetic scans are used instead, and no
    published results are shown.
    """
    from octsk.benchmark import run_benchmark
    from octsk.benchmark.record import point_of, read_record
    from octsk.cli._progress import TrainingDisplay
    from octsk.utils.files import check_output

    out = Output(as_json, quiet)
    if resume and output is None:
        raise typer.BadParameter("--resume requires --output, the folder of the run")
    if output is not None:
        check_output(output / "run.json", [from_run], overwrite=True)
    options = {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "augmentation": augmentation,
        "class_weight": class_weight,
    }
    point: dict[str, Any] = {
        "positive": positive or None,
        "specificity": specificity,
        "sensitivity": sensitivity,
    }
    record = None
    if from_run is not None:
        given = [net, *options.values(), *point.values()]
        if any(value is not None for value in given) or seeds != 1 or seed or corruptions:
            raise typer.BadParameter(
                "--from takes the nets, options and seeds from the run"
            )
        record = read_record(from_run, ended=True)
        if not (data or dataset or phantoms):
            phantoms, dataset, size = _source_of(record, from_run)
    images = _load_images(
        data, dataset, phantoms, size, data_home, out, groups=groups, fit=fit
    )
    all_seeds = list(range(seed, seed + seeds))
    if record is None:
        wanted = net or [choose_net(None, images, out)]
        nets = {str(name): make_net(name, **options) for name in wanted}
    else:
        nets, all_seeds = _nets_of(record, images)
        corruptions = record["plan"].get("corruptions", False)
        point = point_of(record)
    with make_run_folder(output, images.name, INTERRUPTED) as folder:
        _print_plan(nets, images, all_seeds, folder, out.notes)
        if len(all_seeds) == 1 and record is None:
            _print_what_more_would_show(nets, out.notes)
        with TrainingDisplay(out.progress) as display:
            run = run_benchmark(
                nets,
                images,
                seeds=all_seeds,
                corruptions=corruptions,
                **point,
                output_dir=folder,
                resume=resume,
                strict=strict,
                on_event=display.on_event,
            )
    _print_run(run, record, from_run, folder, out)


def _load_images(data, dataset, phantoms, size, data_home, out, **files):
    """Load the data set, or draw synthetic scans if OCTMNIST cannot be downloaded."""
    from octsk.datasets import DownloadError

    try:
        images = load_data(data, dataset, phantoms, size, data_home, out, **files)
    except DownloadError as error:
        if dataset is not None:
            raise
        print_message("warning", error)
        print_message(
            "warning", "OCTMNIST is not available: synthetic scans are used instead"
        )
        images = draw_phantoms(size or 28, out)
    if images.synthetic:
        print_report(SYNTHETIC, out.notes)
    return images


def _print_plan(nets, images, seeds, folder, console):
    """Print the data, nets and seeds of a run before it starts."""
    n_train = count_training_images(images)
    print_facts(
        {
            "data": format_data(images),
            **{name: format_net(net, n_train) for name, net in nets.items()},
            "seeds": ", ".join(map(str, seeds)),
            "results": folder,
        },
        console,
    )


def _print_run(run, record, from_run, folder, out):
    """Print the results of a run, compared with `record` if it repeats one."""
    document = {**run.to_dict(), "folder": str(folder)}
    if record is not None:
        from octsk.benchmark.record import compare

        document["differences"] = compare(record, run)
    out.note()
    out.result(document, lambda: print_report(run.to_text()))
    out.note(f"\nReport page: {folder / 'report.html'}")
    out.note(f"Models, reports, scores and figures in {folder}")
    if record is not None:
        print_whether_equal(document["differences"], from_run, out)


def _source_of(record, path):
    """Return the options --phantoms, --dataset and --size for the data of a run."""
    from octsk.datasets import REGISTRY

    data = record["plan"]["data"]
    if data["synthetic"] and not data["file"]:
        # A record from an untrusted source must not exhaust the memory.
        if not isinstance(data["size"], int) or data["size"] > MAX_REPEATED_SIZE:
            raise ValueError(
                f"the run of {path} used synthetic scans of {data['size']} pixels; only "
                f"sizes up to {MAX_REPEATED_SIZE} are drawn: pass them as --data FILE"
            )
        return True, None, data["size"]
    if data["name"] in REGISTRY:
        return False, data["name"], data["size"]
    raise ValueError(
        f"the run of {path} used {data['file'] or data['name']} (SHA-256 "
        f"{data['sha256']}): pass this file as --data"
    )


def _nets_of(record, images):
    """Create the nets of a run after checking that it used these images."""
    from octsk.benchmark.record import check_data, make_estimators

    check_data(record, images)
    start_tensorflow()
    return make_estimators(record), record["plan"]["seeds"]


def print_whether_equal(differences, path, out) -> None:
    """Print whether a repeated run reproduced the results of the record at `path`."""
    if not differences:
        out.note(f"All results are identical to those of {path}.")
        return
    print_message("warning", f"{len(differences)} results differ from those of {path}")
    for line in differences:
        out.note(line)
    raise typer.Exit(1)


def _print_what_more_would_show(nets, console) -> None:
    words = (
        "The result of a single training depends on its seed, by up to several points. "
        "--seeds 5 shows mean and standard deviation, and takes five times as long."
    )
    if list(nets) == [Net.SMALL]:
        words += " --net medium is the report's best net, but takes many times as long."
    console.print(words)
