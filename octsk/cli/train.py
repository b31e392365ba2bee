"""The command ``octsk train``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from octsk.cli._app import app
from octsk.cli._inputs import (
    choose_net,
    load_data,
    make_net,
)
from octsk.cli._options import (
    AugmentationOption,
    BatchSizeOption,
    ClassWeightOption,
    DataHomeOption,
    DataOption,
    DatasetOption,
    EpochsOption,
    FitOption,
    GroupsOption,
    JsonOption,
    NetOption,
    OptimizerOption,
    OverwriteOption,
    PhantomsOption,
    QuietOption,
    SeedOption,
    SizeOption,
    Split,
    StrictOption,
)
from octsk.cli._output import (
    Output,
    count_training_images,
    describe_data,
    format_data,
    format_net,
    print_facts,
)
from octsk.cli._own_data import files_of


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
            help="File to which the trained net is written.",
        ),
    ],
    data: DataOption = None,
    dataset: DatasetOption = None,
    phantoms: PhantomsOption = False,
    size: SizeOption = None,
    groups: GroupsOption = None,
    fit: FitOption = None,
    data_home: DataHomeOption = None,
    net: NetOption = None,
    seed: SeedOption = 0,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    optimizer: OptimizerOption = None,
    augmentation: AugmentationOption = None,
    class_weight: ClassWeightOption = None,
    gate: Annotated[
        bool,
        typer.Option(
            "--gate/--no-gate",
            help="Whether to save a gate that recognises images unlike the training "
            "images, such as X-rays.",
        ),
    ] = True,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue an interrupted training, if there is one."),
    ] = False,
    strict: StrictOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train one net and save it.

    The net is trained on the train split and monitored on the val split. Without data
    options, the data set is OCTMNIST. The test split is not used, except that it is checked
    for patients and images that are also in the train split. Until the training is
    complete, MODEL.checkpoint contains the state from which --resume continues.
    """
    from octsk.benchmark.record import begun, make_plan
    from octsk.classifiers import add_gate
    from octsk.cli._progress import TrainingDisplay
    from octsk.datasets import warn_of_findings
    from octsk.utils.files import check_output, remove_temporaries

    out = Output(as_json, quiet, output)
    check_output(output, [data], overwrite=overwrite)
    images = load_data(
        data, dataset, phantoms, size, data_home, out, groups=groups, fit=fit
    )
    check_output(output, files_of(images, groups), overwrite=overwrite)
    if images.train is None:
        splits = ", ".join(split for split in Split if images[split] is not None)
        raise ValueError(f"{images.filename} has no 'train' split; it has {splits}")
    findings = warn_of_findings(images, strict=strict).sentences
    net = choose_net(net, images, out)
    classifier = make_net(
        net,
        random_state=seed,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        augmentation=augmentation,
        class_weight=class_weight,
    )
    # Create the folder first, so that no training is lost if it cannot be created.
    output.parent.mkdir(parents=True, exist_ok=True)
    print_facts(
        {
            "data": format_data(images),
            str(net): format_net(classifier, count_training_images(images)),
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
        if gate and (why_not := add_gate(classifier, images)):
            out.note(f"No gate for unfamiliar images is saved: {why_not}.")
        _check_not_created_since(output, overwrite)
        classifier.set_params(checkpoint_dir=None).save(
            output, class_names=names and [names[label] for label in classifier.classes_]
        )
        remove_temporaries(output)
    out.result(
        {"model": str(output), **_describe_training(classifier, images, findings)},
        lambda: out.note(f"Model: {output}"),
    )


def _describe_training(classifier, images, findings):
    """Return the JSON document of a training."""
    from octsk.evaluation.params import resolved_params

    return {
        "estimator": type(classifier).__name__,
        "params": classifier.get_params(),
        "resolved_params": resolved_params(classifier),
        "data": describe_data(images),
        "findings": findings,
        "classes": classifier.classes_,
        "history": classifier.history_,
    }


def _check_not_created_since(output: Path, overwrite: bool) -> None:
    """Check that no other program created the output file during the training."""
    from octsk.utils.files import check_output

    try:
        check_output(output, overwrite=overwrite)
    except FileExistsError:
        raise FileExistsError(
            f"another program created {output} during the training: move that file and "
            "repeat the command with --resume, which keeps the training, or add "
            "--overwrite as well to replace it"
        ) from None


@contextmanager
def _checkpoints_of(output: Path, resume: bool) -> Iterator[Path]:
    """Yield the folder of the checkpoints from which --resume continues."""
    from octsk.utils.files import is_stream

    if is_stream(output):
        # A pipe or a device has no folder in which checkpoints could be kept.
        with TemporaryDirectory() as folder:
            yield Path(folder)
        return
    checkpoints = output.with_name(f"{output.name}.checkpoint")
    held = {path.name for path in checkpoints.glob("[!.]*")}
    if held and "plan.json" not in held:
        # The folder is removed after the training, with all that it contains.
        raise FileExistsError(
            f"{checkpoints} contains files that were not written by a training "
            f"({min(held)}): choose another --output, or move them"
        )
    if any(checkpoints.glob("*.npz")) and not resume:
        raise FileExistsError(
            f"{checkpoints} contains an interrupted training: continue it with "
            "--resume, or remove the folder to start again"
        )
    yield checkpoints
