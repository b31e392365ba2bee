"""Options that several commands share.

All commands also take ``--json``, and all but ``info`` take ``--quiet``.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Net(StrEnum):
    """The networks by their short names."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    RESIDUAL = "residual"


NetOption = Annotated[
    Net | None,
    typer.Option(
        "--net",
        metavar="small|medium|large|residual",
        help="Net to train.",
        show_default="residual for your own data, else small",
    ),
]


class Pruner(StrEnum):
    """Pruners, which stop unpromising trials early."""

    MEDIAN = "median"
    HYPERBAND = "hyperband"


class Cost(StrEnum):
    """Costs that a search can minimize in addition to optimizing its score."""

    N_PARAMETERS = "n_parameters"
    FIT_TIME = "fit_time"


class Split(StrEnum):
    """The splits of a data set."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class ClassWeight(StrEnum):
    """Values of `class_weight` on the command line."""

    BALANCED = "balanced"


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="PATH",
        help="An npz file in MedMNIST's layout, a folder with one folder of images for "
        "each class, or a CSV file that lists images.",
    ),
]


GroupsOption = Annotated[
    str | None,
    typer.Option(
        "--groups",
        metavar="PATIENTS",
        help="How to find the patient in the path of an image: kermany, octdl or a regular "
        "expression with a group (?P<patient>...); header, for the ID in files of OCT "
        "devices; or a column of a CSV file.",
        show_default="a column patient, patient_id or group",
    ),
]


class Fit(StrEnum):
    """Ways to make an image square."""

    CROP = "crop"
    PAD = "pad"
    SQUASH = "squash"


FitOption = Annotated[
    Fit | None,
    typer.Option(
        "--fit",
        metavar="crop|pad|squash",
        help="How to make images square; use the same for training and prediction.",
        show_default="crop",
    ),
]


class Aggregate(StrEnum):
    """Ways to combine the predictions for the images of a patient."""

    MEAN = "mean"
    MAX = "max"
    NOISY_OR = "noisy-or"


AggregateOption = Annotated[
    Aggregate,
    typer.Option(
        metavar="mean|max|noisy-or",
        help="How to combine the predictions for a patient's images.",
    ),
]


StrictOption = Annotated[
    bool,
    typer.Option("--strict", help="End with an error if the checks find problems."),
]


DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="NAME",
        help="MedMNIST set, such as octmnist or pneumoniamnist; downloaded if absent.",
    ),
]


PhantomsOption = Annotated[
    bool,
    typer.Option("--phantoms", help="Use synthetic scans, which are drawn when needed."),
]


SizeOption = Annotated[
    int | None,
    typer.Option(
        "--size",
        metavar="PIXELS",
        help="Image size of --dataset (28, 64, 128 or 224), --phantoms or image files.",
        show_default="28",
    ),
]


DataHomeOption = Annotated[
    Path | None,
    typer.Option(
        "--data-home",
        metavar="FOLDER",
        envvar="OCTSK_DATA",
        help="Folder of downloaded data sets.",
        show_default="the platform's cache",
    ),
]


SeedOption = Annotated[
    int, typer.Option("--seed", min=0, metavar="S", help="Seed of the training.")
]


def _check_epochs(epochs: str | None) -> str | None:
    if epochs in (None, "auto") or (epochs.isdecimal() and int(epochs) > 0):
        return epochs
    raise typer.BadParameter(f"{epochs!r} is neither a whole number from 1 on nor 'auto'")


EpochsOption = Annotated[
    str | None,
    typer.Option(
        "--epochs",
        metavar="N|auto",
        help="Passes over the training images; auto uses fewer passes for more images.",
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
        help="Number of images in a training step.",
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
        help="Give every class the same weight in training, however rare it is.",
    ),
]


CorruptionsOption = Annotated[
    bool,
    typer.Option(
        "--corruptions",
        help="Also evaluate the nets on test images with noise, blur and other changes.",
    ),
]


JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print the result as JSON and everything else on stderr."),
]


QuietOption = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print only the result, warnings and errors."),
]


OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace --output if it exists. Inputs are never replaced."
    ),
]


ModelArgument = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="Model file saved by octsk train or benchmark."),
]
PositiveOption = Annotated[
    list[str] | None,
    typer.Option(
        "--positive",
        metavar="CLASS",
        help="Positive class, for example one that requires a referral; can be repeated.",
    ),
]
SpecificityOption = Annotated[
    float | None,
    typer.Option(
        metavar="RATE",
        help="Choose the threshold for this specificity, on validation images.",
    ),
]
SensitivityOption = Annotated[
    float | None,
    typer.Option(
        metavar="RATE",
        help="Choose the threshold for this sensitivity, on validation images.",
    ),
]
