"""The ``octsk`` command: arguments in, one library call, words out.

The library, and with it TensorFlow, is imported by the commands that need it, so that
``octsk --help`` answers at once.
"""

import codecs
import csv
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from errno import ENOTDIR
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from typer.core import TyperGroup

from octsk._version import __version__
from octsk.utils.processes import standard_streams
from octsk.utils.tables import spreadsheet_cell
from octsk.utils.tensorflow import start_tensorflow
from octsk.utils.untrusted import printable
from octsk.utils.urls import hide_secrets, hide_secrets_in

# Images of the phantom set: a twelfth of OCTMNIST's, since they are only to try things on.
PHANTOMS = {"train": 8000, "val": 1000, "test": 1000}

# Pixels; the largest of MedMNIST's sets. Those of a run that is repeated.
MAX_REPEATED_SIZE = 224

SYNTHETIC = "*** SYNTHETIC DATA: no figure below says anything about real scans ***"

# A second try against a hiccup; who is offline should not wait for a third.
_DOWNLOAD_RETRIES = 1


class Net(StrEnum):
    """The networks by their short names."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    RESIDUAL = "residual"


class Pruner(StrEnum):
    """What can end bad trials early."""

    MEDIAN = "median"
    HYPERBAND = "hyperband"


class Cost(StrEnum):
    """What a search can keep low beside its score."""

    N_PARAMETERS = "n_parameters"
    FIT_TIME = "fit_time"


class Split(StrEnum):
    """The splits of a data set."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class ClassWeight(StrEnum):
    """What `class_weight` can be on a command line."""

    BALANCED = "balanced"


# --------------------------------------------------------------------------------------
# Words out
# --------------------------------------------------------------------------------------


class _Terminated(BaseException):
    """SIGTERM came: end, so that no half-written file is left.

    No KeyboardInterrupt, after which a search goes on with what it has found.
    """


class _OneLineErrors(TyperGroup):
    """Ends an error, or an interruption, in one line on stderr and an exit code."""

    def main(self, *args, **kwargs):
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except Exception as error:
            if not _is_usage_error(error):
                raise
            _say("error", _usage_words(error))
            code = error.exit_code  # type: ignore[attr-defined]
        sys.exit(code)

    def invoke(self, ctx):
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _warning_teller()
                super().invoke(ctx)
                # Here, since typer knows what to do when the reader of a pipe has gone.
                sys.stdout.flush()
        except (KeyboardInterrupt, _Terminated) as stop:
            terminated = isinstance(stop, _Terminated)
            _say("terminated" if terminated else "interrupted", *stop.args)
            # As a shell counts them: 128 and the number of the signal.
            raise typer.Exit(143 if terminated else 130) from None
        except (typer.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if _is_usage_error(error) or ctx.params["debug"]:
                raise
            _say("error", _error_words(error))
            raise typer.Exit(1) from None


def _is_usage_error(error) -> bool:
    # Typer has had this class in several places.
    return hasattr(error, "format_message")


def _usage_words(error) -> str:
    """Return what is wrong with an argument, which newer typers say in pydantic's words."""
    for found in getattr(error.__cause__, "errors", list)()[:1]:
        kind, given = found["type"], found["input"]
        if kind == "value_error":
            error.message = str(found["ctx"]["error"])
        elif kind.startswith("int_"):
            error.message = f"{given!r} is not a whole number."
        elif kind.startswith("float_"):
            error.message = f"{given!r} is not a number."
        elif kind == "greater_than_equal":
            error.message = f"{given} is less than {found['ctx']['ge']}."
    return error.format_message()


def _error_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        # Without the number that str(error) has.
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, ValueError | OSError | ImportError):
        return str(error)
    # Nothing that the library checks for: whoever mends it will want to know where.
    return f"{type(error).__name__}: {error} (octsk --debug shows where)"


def _warning_teller() -> Callable[..., None]:
    """Return what prints warnings, the same words once."""
    told: set[str] = set()

    def tell(message, *place, **more) -> None:
        if str(message) not in told:
            told.add(str(message))
            _say("warning", message)

    return tell


def _say(kind: str, *words: object) -> None:
    """Print one line on stderr."""
    from rich.text import Text

    colour = "yellow" if kind == "warning" else "red"
    line = Text.assemble("octsk: ", (kind, f"bold {colour}"))
    for word in words:
        line.append(": " + printable(" ".join(hide_secrets_in(word).split())))
    _console(stderr=True).print(line)


def _console(*, stderr=False, quiet=False):
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, quiet=quiet)
    # A terminal gets lines that fit it, anything else whole lines.
    console.soft_wrap = not console.is_terminal
    return console


class _Output:
    """Where the words of a command go: its result to stdout, as text or as JSON.

    `notes`, a console, takes what is said beside the result, `progress` how far it is. If
    `file`, which the command writes, is the standard output, nothing else goes there.
    """

    def __init__(self, as_json: bool, quiet: bool = False, file: Path | None = None):
        self._as_json = as_json
        self.notes = _console(stderr=as_json or _is_stdout(file), quiet=quiet)
        self.progress = _console(stderr=True, quiet=quiet)
        if quiet:
            # The bars of downloads are the library's; tqdm asks this when it is loaded.
            os.environ["TQDM_DISABLE"] = "1"

    def note(self, words: str = "") -> None:
        lines = map(printable, words.split("\n"))
        self.notes.print("\n".join(lines), markup=False, soft_wrap=True)

    def result(self, document: Mapping[str, object], show: Callable[[], None]) -> None:
        """Print `document`, or let `show` print it for people."""
        if not self._as_json:
            show()
            return
        from octsk.utils.json import jsonable

        print(json.dumps(jsonable(document), indent=1, allow_nan=False))


def _is_stdout(file: Path | None) -> bool:
    from octsk.utils.files import descriptor_of

    return file is not None and descriptor_of(file) == 1


def _print_report(text: str, console=None) -> None:
    """Print the library's tables, their titles in bold."""
    console = console or _console()
    for line in text.splitlines():
        is_title = line and not line[0].isspace()
        alarm = line.startswith("***")
        style = "bold white on red" if alarm else "bold" if is_title else None
        console.print(line, style=style, markup=False, soft_wrap=True)


def _print_facts(facts: Mapping[str, object], console=None) -> None:
    """Print names and values, aligned."""
    from rich.text import Text

    console = console or _console()
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        console.print(
            Text.assemble((printable(name).ljust(width), "bold"), printable(value))
        )


def _data_words(dataset) -> str:
    purposes = {"train": "to train on", "val": "to validate", "test": "to test"}
    counts = ", ".join(
        f"{len(dataset[split].target):,} {purpose}"
        for split, purpose in purposes.items()
        if dataset[split] is not None
    )
    synthetic = " (SYNTHETIC)" if dataset.synthetic else ""
    return f"{dataset.name}{synthetic}, {dataset.size} px: {counts}"


def _n_train(dataset) -> int | None:
    return None if dataset.train is None else len(dataset.train.target)


def _data_facts(dataset) -> dict[str, object]:
    names = ("name", "size", "synthetic", "official", "sha256", "target_names")
    return {name: dataset.get(name) for name in names}


def _net_words(net, n_train: int | None = None) -> str:
    """Say how a net is trained, on so many images if that is known."""
    from octsk.classifiers._base import auto_epochs
    from octsk.evaluation._report import resolved_params

    epochs = "1 epoch" if net.epochs == 1 else f"{net.epochs} epochs"
    if net.epochs == "auto" and n_train is not None:
        epochs = f"{auto_epochs(n_train)} epochs (auto)"
    words = f"{net.optimizer}, {epochs}, batches of {net.batch_size}"
    # Of an optimizer that does not exist, nothing is known.
    rate = resolved_params(net).get("learning_rate", net.learning_rate)
    words += "" if rate is None else f", learning rate {rate}"
    words += ", augmentation" if net.augmentation else ", no augmentation"
    return words if net.class_weight is None else f"{words}, balanced class weights"


# --------------------------------------------------------------------------------------
# Arguments in: what several commands share
# --------------------------------------------------------------------------------------

DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="FILE", help="An npz file in MedMNIST's layout."),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="NAME",
        help="A MedMNIST set, such as octmnist or pneumoniamnist; downloaded if missing.",
    ),
]
PhantomsOption = Annotated[
    bool, typer.Option("--phantoms", help="Synthetic scans, drawn on the spot.")
]
SizeOption = Annotated[
    int | None,
    typer.Option(
        "--size",
        metavar="PIXELS",
        help="Side of the images of --dataset (28, 64, 128, 224) or --phantoms.",
        show_default="28",
    ),
]
DataHomeOption = Annotated[
    Path | None,
    typer.Option(
        "--data-home",
        metavar="FOLDER",
        envvar="OCTSK_DATA",
        help="Where downloaded sets are kept.",
        show_default="the platform's cache",
    ),
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, metavar="S", help="Seed of the training.")
]


def _check_epochs(epochs: str | None) -> str | None:
    if epochs in (None, "auto") or (epochs.isdecimal() and int(epochs) > 0):
        return epochs
    raise typer.BadParameter(f"{epochs!r} is neither a number from 1 up nor 'auto'")


EpochsOption = Annotated[
    str | None,
    typer.Option(
        "--epochs",
        metavar="N|auto",
        help="Passes over the training images; auto: fewer, the more images there are.",
        callback=_check_epochs,
        show_default="the net's own",
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        min=1,
        metavar="N",
        help="Images in a training step.",
        show_default="32",
    ),
]
OptimizerOption = Annotated[
    str | None,
    typer.Option(
        "--optimizer",
        metavar="NAME",
        help="Keras optimizer, such as adam, nadam or sgd.",
        show_default="the net's own",
    ),
]
AugmentationOption = Annotated[
    bool | None,
    typer.Option(
        "--augmentation/--no-augmentation",
        help="Whether to vary the training images at random.",
        show_default="augmentation",
    ),
]
ClassWeightOption = Annotated[
    ClassWeight | None,
    typer.Option(
        "--class-weight",
        metavar="balanced",
        help="Let each class count the same in training, however rare it is.",
    ),
]
CorruptionsOption = Annotated[
    bool,
    typer.Option(
        "--corruptions",
        help="Measure the nets on test images with noise, blur and the like, too.",
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print the result as JSON, and all else on stderr."),
]
QuietOption = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print only the result, warnings and errors."),
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace --output where it exists. An input is never replaced."
    ),
]
ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="File that benchmark or train saved.")
]


def _load_data(data, dataset, phantoms, size, data_home, out, *, split=None):
    """Load what the data options name, OCTMNIST if they name nothing."""
    import octsk

    if (data is not None) + (dataset is not None) + phantoms > 1:
        raise typer.BadParameter("--data, --dataset and --phantoms exclude one another")
    if data is not None and size is not None:
        raise typer.BadParameter("--size does not go with --data: a file has its own size")
    if data is not None:
        return octsk.load_medmnist(data, split=split)
    if phantoms:
        return _draw_phantoms(size or 28, out, split)
    return octsk.fetch_medmnist(
        dataset or "octmnist",
        size=size or 28,
        split=split,
        data_home=data_home,
        n_retries=_DOWNLOAD_RETRIES,
    )


def _draw_phantoms(size, out, split=None):
    from octsk.datasets._phantoms import draw_splits

    wanted = PHANTOMS if split is None else {split: PHANTOMS[split]}
    with out.progress.status("Drawing synthetic scans"):
        splits = draw_splits(wanted, size=size)
    return splits if split is None else splits[split]


def _make_net(name, *, epochs=None, **given):
    """Make an unfitted net; what is not given is the net's own default."""
    start_tensorflow()
    from octsk.classifiers import NETS

    given["epochs"] = int(epochs) if epochs and epochs != "auto" else epochs
    return NETS[name](**{key: value for key, value in given.items() if value is not None})


def _load_model(path):
    start_tensorflow()
    import octsk

    return octsk.load(path)


# --------------------------------------------------------------------------------------
# Commands
# --------------------------------------------------------------------------------------

app = typer.Typer(
    cls=_OneLineErrors,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    # Typer's boxes leave little room for words at 80 columns.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"octsk {__version__}")
        raise typer.Exit


@app.callback()
def octsk_command(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", help="Show where an error comes from, and all that TensorFlow says."
        ),
    ] = False,
) -> None:
    """Small CNNs for retinal OCT scans: train, measure and use them.

    octsk COMMAND --help tells more of a command. Not for clinical use.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if debug else "2")
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


@app.command(
    epilog="\b\nExamples:\n"
    "  octsk benchmark\n"
    "  octsk benchmark --net small --net medium --seeds 5\n"
    "  octsk benchmark --data clinic.npz --class-weight balanced\n"
    "  octsk benchmark --net small --net residual --corruptions",
)
def benchmark(
    data: DataOption = None,
    dataset: DatasetOption = None,
    phantoms: PhantomsOption = False,
    size: SizeOption = None,
    data_home: DataHomeOption = None,
    net: Annotated[
        list[Net] | None,
        typer.Option(
            metavar="small|medium|large|residual",
            help="Net to train; repeat it for several.",
            show_default="small",
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Trainings of each net, from seed S up."),
    ] = 1,
    seed: SeedOption = 0,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    optimizer: OptimizerOption = None,
    augmentation: AugmentationOption = None,
    class_weight: ClassWeightOption = None,
    corruptions: CorruptionsOption = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="New folder for models, reports and the figure.",
            show_default="octsk-runs/<date>-<data>",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the run in --output; no training is repeated."
        ),
    ] = False,
    from_run: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN.JSON",
            dir_okay=False,
            help="Repeat a run, nets and seeds, and say whether its figures come again.",
        ),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train nets and print them beside published results.

    Without options: Small, once, on OCTMNIST, which is downloaded (55 MB) if it is not
    there. Where it cannot be had, synthetic scans take its place, and no published
    result is shown.
    """
    from octsk.benchmark import run_benchmark
    from octsk.benchmark._record import read_record
    from octsk.cli._progress import TrainingDisplay
    from octsk.datasets import DownloadError
    from octsk.utils.files import check_output

    out = _Output(as_json, quiet)
    if resume and output is None:
        raise typer.BadParameter("--resume needs --output, the folder of the run")
    if output is not None:
        check_output(output / "run.json", [from_run], overwrite=True)
    record = None
    if from_run is not None:
        own = (net, epochs, batch_size, optimizer, augmentation, class_weight)
        if seeds != 1 or seed or corruptions or any(value is not None for value in own):
            raise typer.BadParameter("--from takes nets, options and seeds from a run")
        record = read_record(from_run, ended=True)
        if not (data or dataset or phantoms):
            phantoms, dataset, size = _source_of(record, from_run)
    try:
        images = _load_data(data, dataset, phantoms, size, data_home, out)
    except DownloadError as error:
        if dataset is not None:
            raise
        _say("warning", error)
        _say("warning", "OCTMNIST cannot be had: synthetic scans take its place")
        images = _draw_phantoms(size or 28, out)
    if images.synthetic:
        _print_report(SYNTHETIC, out.notes)
    all_seeds = list(range(seed, seed + seeds))
    if record is None:
        nets = {
            str(name): _make_net(
                name,
                epochs=epochs,
                batch_size=batch_size,
                optimizer=optimizer,
                augmentation=augmentation,
                class_weight=class_weight,
            )
            for name in net or [Net.SMALL]
        }
    else:
        nets, all_seeds = _nets_of(record, images)
        corruptions = record["plan"].get("corruptions", False)
    words = "what is done is in {0}; --resume --output {0} goes on"
    with _run_folder(output, images.name, words) as folder:
        _print_facts(
            {
                "data": _data_words(images),
                **{name: _net_words(each, _n_train(images)) for name, each in nets.items()},
                "seeds": ", ".join(map(str, all_seeds)),
                "results": folder,
            },
            out.notes,
        )
        if len(all_seeds) == 1 and record is None:
            _print_what_more_would_show(nets, out.notes)
        with TrainingDisplay(out.progress) as display:
            run = run_benchmark(
                nets,
                images,
                seeds=all_seeds,
                corruptions=corruptions,
                output_dir=folder,
                resume=resume,
                on_event=display.on_event,
            )
    document = {**run.to_dict(), "folder": str(folder)}
    if record is not None:
        from octsk.benchmark._record import compare

        document["differences"] = compare(record, run)
    out.note()
    out.result(document, lambda: _print_report(run.to_text()))
    out.note(f"\nPage with all of it: {folder / 'report.html'}")
    out.note(f"Models, reports, scores and figure: {folder}")
    if record is not None:
        _say_whether_equal(document["differences"], from_run, out)


def _source_of(record, path):
    """Say by which data options a run's images can be had."""
    from octsk.datasets._registry import REGISTRY

    data = record["plan"]["data"]
    if data["synthetic"] and not data["file"]:
        # A stranger's record is not to fill the memory.
        if not isinstance(data["size"], int) or data["size"] > MAX_REPEATED_SIZE:
            raise ValueError(
                f"the run of {path} was on synthetic scans of {data['size']} pixels, and "
                f"up to {MAX_REPEATED_SIZE} are drawn unasked: name them by --data"
            )
        return True, None, data["size"]
    if data["name"] in REGISTRY:
        return False, data["name"], data["size"]
    raise ValueError(
        f"the run of {path} was on {data['file'] or data['name']} (SHA-256 "
        f"{data['sha256']}): say by --data where it is"
    )


def _nets_of(record, images):
    """Make the nets of a run, once it is sure that it was on these images."""
    from octsk.benchmark._record import check_data, make_estimators

    check_data(record, images)
    start_tensorflow()
    return make_estimators(record), record["plan"]["seeds"]


def _say_whether_equal(differences, path, out) -> None:
    if not differences:
        out.note(f"All figures are equal to those of {path}, to the last digit.")
        return
    _say("warning", f"{len(differences)} figures are not those of {path}")
    for line in differences:
        out.note(line)
    raise typer.Exit(1)


def _print_what_more_would_show(nets, console) -> None:
    words = (
        "One training of a net says little: with another seed it may end several points "
        "away. --seeds 5 shows mean and spread, in five times the time."
    )
    if list(nets) == [Net.SMALL]:
        words += " --net medium is the report's best net, and takes many times as long."
    console.print(words)


@contextmanager
def _run_folder(
    wanted: Path | None, name: str, left: str = "finished trainings are in {}"
) -> Iterator[Path]:
    """Give a folder for one run; take it away again if nothing was written."""
    folder = wanted or _new_folder(f"{datetime.now():%Y-%m-%d-%H%M%S}-{name}")
    try:
        yield folder
    except (KeyboardInterrupt, _Terminated) as stop:
        if folder.is_dir() and any(folder.iterdir()):
            raise type(stop)(left.format(folder)) from None
        raise
    finally:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _new_folder(name: str) -> Path:
    """Make a folder that no other run has, one begun in the same second included."""
    for number in range(1, 1000):
        folder = Path("octsk-runs", name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"octsk-runs holds a thousand folders {name}")


@app.command(
    epilog="\b\nExample:\n"
    "  octsk train --data clinic.npz --net medium --output medium.octsk",
)
def train(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="MODEL",
            dir_okay=False,
            help="File for the trained net.",
        ),
    ],
    data: DataOption = None,
    dataset: DatasetOption = None,
    phantoms: PhantomsOption = False,
    size: SizeOption = None,
    data_home: DataHomeOption = None,
    net: Annotated[
        Net, typer.Option(metavar="small|medium|large|residual", help="Net to train.")
    ] = Net.SMALL,
    seed: SeedOption = 0,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    optimizer: OptimizerOption = None,
    augmentation: AugmentationOption = None,
    class_weight: ClassWeightOption = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with a training that was ended, if any."),
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train one net and save it.

    It is trained on the train split (without data options, OCTMNIST's) and watched on
    the val split; the test split is left alone. Until it is done, MODEL.checkpoint holds
    what --resume goes on from.
    """
    from octsk.benchmark._record import begun, make_plan
    from octsk.cli._progress import TrainingDisplay
    from octsk.evaluation._report import resolved_params
    from octsk.utils.files import check_output, remove_temporaries

    out = _Output(as_json, quiet, output)
    check_output(output, [data], overwrite=overwrite)
    images = _load_data(data, dataset, phantoms, size, data_home, out)
    check_output(output, [images.get("filename")], overwrite=overwrite)
    if images.train is None:
        splits = ", ".join(split for split in Split if images[split] is not None)
        raise ValueError(f"{images.filename} has no 'train' split; it has {splits}")
    classifier = _make_net(
        net,
        random_state=seed,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        augmentation=augmentation,
        class_weight=class_weight,
    )
    # Now: that it cannot be made should not be found out after the training.
    output.parent.mkdir(parents=True, exist_ok=True)
    _print_facts(
        {
            "data": _data_words(images),
            str(net): _net_words(classifier, _n_train(images)),
            "seed": seed,
        },
        out.notes,
    )
    names = images.target_names
    plan = make_plan({str(net): classifier}, images, [seed])
    with (
        _checkpoints_of(output, resume) as checkpoints,
        begun(checkpoints / "plan.json", plan, checkpoints, resume=resume),
    ):
        with TrainingDisplay(out.progress) as display:
            display.train(
                classifier.set_params(checkpoint_dir=checkpoints),
                images,
                f"{net}, seed {seed}",
            )
        classifier.set_params(checkpoint_dir=None).save(
            output, class_names=names and [names[label] for label in classifier.classes_]
        )
        remove_temporaries(output)
    out.result(
        {
            "model": str(output),
            "estimator": type(classifier).__name__,
            "params": classifier.get_params(),
            "resolved_params": resolved_params(classifier),
            "data": _data_facts(images),
            "classes": classifier.classes_,
            "history": classifier.history_,
        },
        lambda: out.note(f"Model: {output}"),
    )


@contextmanager
def _checkpoints_of(output: Path, resume: bool) -> Iterator[Path]:
    """Give the folder in which a training keeps what --resume goes on from."""
    from octsk.utils.files import is_stream

    if is_stream(output):
        # Nothing stands beside a pipe or a device.
        with TemporaryDirectory() as folder:
            yield Path(folder)
        return
    checkpoints = output.with_name(f"{output.name}.checkpoint")
    held = {path.name for path in checkpoints.glob("[!.]*")}
    if held and "plan.json" not in held:
        # It goes when the training is done.
        raise FileExistsError(
            f"{checkpoints} holds files that no training wrote ({min(held)}): name another "
            "--output, or move them"
        )
    if any(checkpoints.glob("*.npz")) and not resume:
        raise FileExistsError(
            f"{checkpoints} holds a training that was ended: go on with --resume, or "
            "remove the folder to begin anew"
        )
    yield checkpoints


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
    data_home: DataHomeOption = None,
    net: Annotated[
        Net, typer.Option(metavar="small|medium|large|residual", help="Net to tune.")
    ] = Net.SMALL,
    trials: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Trials in the study when the search ends."),
    ] = 30,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=1, metavar="SECONDS", help="Begin no trial after this time of searching."
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            min=2, metavar="N", help="Folds of the train split that a trial is scored on."
        ),
    ] = 5,
    workers: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Processes at the study, each with its share of cores."
        ),
    ] = 1,
    space_file: Annotated[
        Path | None,
        typer.Option(
            "--search-space",
            metavar="FILE",
            dir_okay=False,
            help="JSON file of what to vary, such as search_space.json of a report.",
            show_default="what octsk.search_space gives",
        ),
    ] = None,
    pruner: Annotated[
        Pruner | None,
        typer.Option(metavar="median|hyperband", help="End bad trials after a few epochs."),
    ] = None,
    cost: Annotated[
        Cost | None,
        typer.Option(
            metavar="n_parameters|fit_time",
            help="Keep this low too, and plot the Pareto front. Not with --pruner.",
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="Where the study lives: a journal file, or the URL of a database.",
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
    """Search for the settings of a net, and measure what was found.

    Trials are cross-validated on the train split, patients kept together where the file
    says who they are. The best is trained on the whole split and, where there is a test
    split, measured on it beside the net's defaults. Killed at any moment and started
    again, the same command goes on. Ctrl-C ends the search and keeps the best so far.
    """
    import octsk
    from octsk.cli._progress import TrainingDisplay
    from octsk.datasets import get_data_home
    from octsk.utils.files import check_output
    from octsk.utils.formatting import as_word

    out = _Output(as_json, quiet)
    if storage is not None:
        # A study is continued, so that its file may exist.
        check_output(storage, [data, space_file], overwrite=True)
    images = _load_data(data, dataset, phantoms, size, data_home, out)
    space = space_file and octsk.model_selection.read_search_space(space_file)
    estimator = _make_net(net, random_state=seed)
    if space is None:
        # Only sizes change the number of parameters, and much of the time.
        space = octsk.search_space(estimator, sizes=cost is not None)
    if study is None:
        # A study with a cost is another one.
        name = [str(net), images.name, str(images.size), *([str(cost)] if cost else [])]
        study = as_word("-".join(name))
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
    # Here, since it loads Optuna.
    from octsk.model_selection.storage import dashboard_command

    if images.synthetic:
        _print_report(SYNTHETIC, out.notes)
    with _run_folder(output, f"tune-{study}") as folder:
        _print_facts(
            {
                "data": _data_words(images),
                "net": net,
                "trials": f"{trials}, {folds} folds each",
                "study": f"{study} in {hide_secrets(storage)}",
                "dashboard": dashboard_command(storage),
                "results": folder,
            },
            out.notes,
        )
        with TrainingDisplay(out.progress) as display:
            run = octsk.tuning.tune(
                search,
                images,
                seeds=[seed],
                corruptions=corruptions,
                output_dir=folder,
                on_trials=display.on_trials,
                on_event=display.on_event,
            )
    out.note()
    out.result(
        {**run.to_dict(), "folder": str(folder)}, lambda: _print_report(run.to_text())
    )
    out.note(f"\nPage with all of it: {folder / 'report.html'}")
    out.note(f"Report, figures and model: {folder}")
    out.note("Look at the trials, with pip install optuna-dashboard:")
    out.note(f"  {dashboard_command(storage)}")


@app.command(
    epilog="\b\nExample:\n  octsk evaluate small.octsk --data clinic.npz --output report",
)
def evaluate(
    model: ModelArgument,
    data: DataOption = None,
    dataset: DatasetOption = None,
    phantoms: PhantomsOption = False,
    size: SizeOption = None,
    data_home: DataHomeOption = None,
    split: Annotated[
        Split, typer.Option(metavar="train|val|test", help="Images to measure on.")
    ] = Split.TEST,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            file_okay=False,
            help="New folder for the page, the report and the scores of each image.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure a saved net on a data set.

    Without data options, on OCTMNIST. Published results are shown only beside figures
    that they can be compared with.
    """
    import octsk

    out = _Output(as_json, quiet)
    old = [] if output is None else _old_evaluation(output, [model, data], overwrite)
    images = _load_data(data, dataset, phantoms, size, data_home, out, split=str(split))
    classifier = _load_model(model)
    report = octsk.evaluate(
        classifier,
        images.data,
        images.target,
        dataset=images,
        split=str(split),
        seed=classifier.random_state,
    )
    if output is not None:
        _write_evaluation(output, report, classifier, images, model.name, old)
    out.result(report.to_dict(scores=False), lambda: _print_report(report.to_text()))
    if output is not None:
        out.note(f"\nPage with all of it: {output / 'report.html'}")
        out.note(f"Report, scores and model card: {output}")


def _old_evaluation(folder, inputs, overwrite) -> list[Path]:
    """Return the files of an earlier evaluation in a folder, which are to be replaced.

    Raises
    ------
    FileExistsError
        If there are some and `overwrite` is False, or the folder holds other files.
    """
    from octsk.evaluation._report import EVALUATION_FILE
    from octsk.utils.files import check_new_folder, check_output

    files = [*folder.iterdir()] if folder.is_dir() else []
    fixed = ("report.html", "report.txt", "report.json", "model_card.md")
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
        if report.label_columns is not None:
            report.to_medmnist_csv(new)
        write_text(new / "report.txt", f"{report}\n")
        about = {"estimator": classifier, "dataset": images}
        write_text(new / "report.html", html_report(report, **about))
        write_text(new / "model_card.md", model_card(report, **about, file=file))


@app.command(
    epilog="\b\nExamples:\n"
    "  octsk predict small.octsk scans/ --output predictions.csv\n"
    "  octsk predict small.octsk one.jpeg two.png",
)
def predict(
    model: ModelArgument,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...", help="Image files of any size, one folder, or one npz file."
        ),
    ],
    split: Annotated[
        Split,
        typer.Option(
            metavar="train|val|test", help="Images of an npz file in MedMNIST's layout."
        ),
    ] = Split.TEST,
    bit_depth: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=16,
            metavar="N",
            help="Bits that image files of 16 bits use.",
            show_default="what the files tell",
        ),
    ] = None,
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

    Gives a CSV line for each image: its file or index, the label, the class and the
    probability of every class. Image files are brought to the size of the net's images
    in the way that comes closest to MedMNIST's. Files that cannot be read are named on
    stderr and left out, and the exit code is then 1.
    """
    from octsk.utils.files import atomic_write, check_output

    out = _Output(as_json, quiet, output)
    if output is not None:
        check_output(output, [model, *_input_files(inputs)], overwrite=overwrite)
    classifier = _load_model(model)
    names, images, errors = _load_inputs(
        inputs, str(split), classifier.image_shape_, bit_depth
    )
    labels = classifier.classes_.tolist()
    classes = classifier.class_names_ or labels
    predictions = [
        {
            "image": str(name),
            "label": labels[row.argmax()],
            "class": classes[row.argmax()],
            "probabilities": row,
        }
        for name, row in zip(names, classifier.predict_proba(images), strict=True)
    ]
    if output is not None:
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
        _say("error", error["error"])
    if errors:
        raise typer.Exit(1)


def _write_predictions(file, classes, predictions):
    lines = csv.writer(file, lineterminator="\n")
    shown = printable if file.isatty() else spreadsheet_cell
    header = ["image", "label", "class", *(f"p_{name}" for name in classes)]
    lines.writerow(map(shown, header))
    for image, label, name, row in map(dict.values, predictions):
        lines.writerow([*map(shown, (image, label, name)), *(f"{p:.6g}" for p in row)])


def _input_files(inputs):
    """Return the files that the inputs of predict name."""
    return [*inputs[0].iterdir()] if inputs[0].is_dir() else inputs


def _load_inputs(inputs, split, image_shape, bit_depth):
    """Load images; give names (files or indices), images, and why others are not there."""
    from octsk.datasets import _image_files
    from octsk.datasets._npz_images import load_npz_images

    if len(inputs) == 1 and inputs[0].suffix == ".npz":
        images = load_npz_images(inputs[0], split=split)
        return range(len(images)), images, []
    paths = inputs[0] if len(inputs) == 1 else inputs
    size, _, channels = image_shape
    images, files, errors = _image_files.read_images(paths, size, channels, bit_depth)
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


@app.command(epilog="\b\nExample:\n  octsk fetch pneumoniamnist --size 64")
def fetch(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A MedMNIST set.")
    ] = "octmnist",
    size: Annotated[
        int, typer.Option(metavar="PIXELS", help="Side of the images: 28, 64, 128 or 224.")
    ] = 28,
    data_home: DataHomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Download a data set, unless it is there, and check it."""
    import octsk

    out = _Output(as_json, quiet)
    # One split, since all of a large set would be unpacked on the disk.
    dataset = octsk.fetch_medmnist(
        name, size=size, split="test", data_home=data_home, n_retries=_DOWNLOAD_RETRIES
    )

    def show():
        out.note(dataset.DESCR)
        print(f"File: {dataset.filename}")

    out.result({"file": dataset.filename, **_data_facts(dataset)}, show)


@app.command(epilog="\b\nExamples:\n  octsk info\n  octsk info --json")
def info(data_home: DataHomeOption = None, as_json: JsonOption = False) -> None:
    """Show versions, devices, the data folder and the nets."""
    from octsk.benchmark._record import environment
    from octsk.datasets import get_data_home

    folder, sets = None, {}
    try:
        folder = get_data_home(data_home)
    except OSError as error:
        _say("warning", error)
    else:
        if folder.is_file():
            raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(folder))
        sets = {file.name: file.stat().st_size for file in sorted(folder.glob("[!.]*.npz"))}
    start_tensorflow()
    import tensorflow as tf

    from octsk import architectures

    devices = [
        device.name.removeprefix("/physical_device:")
        for device in tf.config.list_physical_devices()
    ]
    nets = {str(name): _make_net(name) for name in Net}
    sizes = {
        name: getattr(architectures, name)((28, 28, 1), 4).count_params() for name in nets
    }
    facts = environment()

    def show():
        words = [f"{name} ({size / 1e6:.1f} MB)" for name, size in sets.items()]
        none = "none yet; octsk fetch downloads one"
        _print_facts(
            {
                **facts,
                "data folder": folder,
                "data sets": ", ".join(words) or none,
                "devices": ", ".join(devices),
            }
        )
        print(
            "\nNets, with their parameters at 28 x 28 x 1 and 4 classes, and their defaults"
        )
        _print_facts(
            {name: f"{sizes[name]:>9,}  {_net_words(net)}" for name, net in nets.items()}
        )

    _Output(as_json).result(
        {
            "environment": facts,
            "data_home": folder and str(folder),
            "data_sets": sets,
            "devices": devices,
            "nets": {
                name: {"n_parameters": sizes[name], "params": net.get_params()}
                for name, net in nets.items()
            },
        },
        show,
    )


def main() -> None:
    """Run the ``octsk`` command."""
    # It warns of each attempt at a download; the error after the last tells of all.
    logging.getLogger("octsk").setLevel(logging.ERROR)
    # An hour's result must not be lost for a "±" that a terminal cannot show.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="octsk")
    signal.signal(signal.SIGTERM, _terminate)
    with standard_streams():
        app(prog_name="octsk")


def _encode_somehow(error: UnicodeError) -> tuple[str | bytes, int]:
    """Give the bytes of a file name that is not UTF-8, and "?" for what has no code."""
    assert isinstance(error, UnicodeEncodeError)
    error.end = error.start + 1
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeEncodeError:
        return codecs.lookup_error("replace")(error)


codecs.register_error("octsk", _encode_somehow)


def _terminate(signum, frame):
    raise _Terminated
