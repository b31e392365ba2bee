"""Effect of calibration, ensembles and class weights on probabilities.

All techniques are scikit-learn's own tools or parameters of the estimators:

  calibration  CalibratedClassifierCV: temperature, sigmoid and isotonic regression on the
               validation images of a fitted network (FrozenEstimator), and temperature by
               cross-validation on the training images
  ensembles    VotingClassifier of --members networks that differ only in their seed, with
               and without a temperature from the validation images
  classes      class_weight None or "balanced", each with class_prior None or "uniform"

Everything is measured on separate test images, over --repeats with new seeds. If a file
identifies patients (groups), each repeat splits all of its images by patient: four sixths
for training, one for validation and one for testing. Otherwise the splits of the file are
used. Without --data, the images are phantoms, whose test split has other class
frequencies.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks._common import (
    add_banner,
    at_least,
    format_mean,
    new_parser,
    new_result,
    phantoms,
    save,
    show,
    stop,
)
from octsk.utils.tables import Table

PARTS = ("calibration", "ensembles", "classes")
NETS = ("small", "medium", "large", "residual")
PLAIN = "as it is"
METRICS = {
    "log_loss": "log-loss",
    "log_loss_equal": "log-loss, equal shares",
    "ece": "calibration error",
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
}
N_FOLDS = 3


class Part(NamedTuple):
    """Images of one split, with labels and patients."""

    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    arguments = _parser().parse_args(argv)
    names = ("nets", "parts", "repeats", "members", "epochs")
    settings = {name: getattr(arguments, name) for name in names}
    result = new_result("probabilities", settings) | {"data": [], "rows": []}
    try:
        for dataset in _datasets(arguments):
            _measure(dataset, arguments, result)
    except (OSError, ValueError) as error:
        stop(error)
    show(tables(result))
    return result


def _parser():
    parser = new_parser(__doc__)
    parser.add_argument(
        "--data",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="npz files in MedMNIST's layout, which are measured separately",
    )
    parser.add_argument(
        "--nets",
        nargs="+",
        choices=NETS,
        default=["small", "medium", "residual"],
        help="default: small medium residual",
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--repeats", type=at_least(1), default=3, help="default %(default)s"
    )
    parser.add_argument(
        "--members",
        type=at_least(2),
        default=3,
        help="networks of an ensemble (default %(default)s)",
    )
    parser.add_argument(
        "--n",
        type=at_least(32),
        default=4000,
        help="number of phantoms to train on (default %(default)s)",
    )
    parser.add_argument(
        "--epochs",
        type=at_least(1),
        help="epochs for a trial run (default: those of each network)",
    )
    return parser


# --- Data -------------------------------------------------------------------------------


def _datasets(arguments) -> Iterator:
    import octsk

    for path in arguments.data:
        dataset = octsk.load_medmnist(path)
        missing = [split for split in ("train", "val", "test") if dataset[split] is None]
        if missing:
            raise ValueError(f"{path} has no {', '.join(missing)} split")
        yield dataset
    if not arguments.data:
        yield phantoms(arguments.n)


def split_anew(dataset, repeat: int) -> dict[str, Part]:
    """Split all images by patient, or return the given splits if patients are unknown."""
    from sklearn.model_selection import StratifiedGroupKFold

    own = {
        split: Part(dataset[split].data, dataset[split].target, dataset[split].groups)
        for split in ("train", "val", "test")
    }
    if any(part.groups is None for part in own.values()):
        return own
    every = Part(*map(np.concatenate, zip(*own.values(), strict=True)))
    folds = StratifiedGroupKFold(6, shuffle=True, random_state=repeat)
    test, val, *train = (fold for _, fold in folds.split(*every))
    index = {"train": np.concatenate(train), "val": val, "test": test}
    return {split: Part(*(array[index[split]] for array in every)) for split in index}


# --- Measuring --------------------------------------------------------------------------


def _measure(dataset, arguments, result) -> None:
    for repeat in range(arguments.repeats):
        parts = split_anew(dataset, repeat)
        for name in dict.fromkeys(arguments.nets):
            print(f"{dataset.name}, {name}, repeat {repeat} ...", file=sys.stderr)
            where = {"data": dataset.name, "net": name, "repeat": repeat}
            for method, estimator in _estimators(name, repeat, parts, arguments):
                row = where | {"method": method} | measure(estimator, parts["test"])
                result["rows"].append(row)
                save(result, arguments.output)  # intermediate results
    result["data"].append(
        {
            "name": dataset.name,
            "sha256": dataset.get("sha256"),
            "synthetic": dataset.synthetic,
            "by_patient": parts["train"].groups is not None,
            "n": {split: len(part.labels) for split, part in parts.items()},
        }
    )
    save(result, arguments.output)


def _estimators(name, repeat, parts, arguments) -> Iterator[tuple[str, Any]]:
    """Yield the name and the fitted classifier of each method."""
    train, val = parts["train"], parts["val"]
    first_seed = repeat * arguments.members
    net = new_net(name, first_seed, arguments.epochs).fit(train.images, train.labels)
    yield PLAIN, net
    if "calibration" in arguments.parts:
        for method in ("temperature", "sigmoid", "isotonic"):
            yield f"{method} on val", _calibrated(net, method, val)
        yield "temperature by folds", calibrated_by_folds(net, train)
    if "ensembles" in arguments.parts:
        others = [
            new_net(name, seed, arguments.epochs).fit(train.images, train.labels)
            for seed in range(first_seed + 1, first_seed + arguments.members)
        ]
        vote = ensemble([net, *others], train)
        yield f"{arguments.members} nets", vote
        yield (
            f"{arguments.members} nets, temperature on val",
            _calibrated(vote, "temperature", val),
        )
    if "classes" in arguments.parts:
        yield from _by_classes(net, train)


def new_net(name: str, seed: int, epochs: int | None):
    """Create a network with its default parameters."""
    from octsk import classifiers

    net = classifiers.NETS[name](random_state=seed)
    return net if epochs is None else net.set_params(epochs=epochs)


def _calibrated(fitted, method, val):
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    # The network is frozen, so folds are unnecessary, and a rare class may have fewer
    # images than there are folds.
    everything = np.arange(len(val.labels))
    calibrated = CalibratedClassifierCV(
        FrozenEstimator(fitted), method=method, cv=[(everything, everything)]
    )
    return calibrated.fit(val.images, val.labels)


def calibrated_by_folds(net, train):
    """Calibrate a network on out-of-fold predictions, and train it on all images."""
    from sklearn.base import clone
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    kind = StratifiedKFold if train.groups is None else StratifiedGroupKFold
    folds = kind(N_FOLDS, shuffle=True, random_state=0).split(*train)
    calibrated = CalibratedClassifierCV(
        clone(net), method="temperature", cv=list(folds), ensemble=False
    )
    return calibrated.fit(train.images, train.labels)


def ensemble(nets, train):
    """Return a classifier that averages the probabilities of fitted networks."""
    from sklearn.ensemble import VotingClassifier
    from sklearn.frozen import FrozenEstimator

    members = [(f"net{i}", FrozenEstimator(net)) for i, net in enumerate(nets)]
    return VotingClassifier(members, voting="soft").fit(train.images, train.labels)


def _by_classes(net, train):
    from sklearn.base import clone

    for weight in (None, "balanced"):
        fitted = net
        if net.class_weight != weight:
            fitted = clone(net).set_params(class_weight=weight)
            fitted.fit(train.images, train.labels)
        for prior in (None, "uniform"):
            fitted.set_params(class_prior=prior)
            yield f"class_weight {weight}, class_prior {prior}", fitted
        fitted.set_params(class_prior=None)


def measure(estimator, test: Part) -> dict[str, float]:
    """Return the metrics of the probabilities on the test images.

    For ``log_loss_equal``, images are weighted so that all classes have the same weight.
    """
    from sklearn.metrics import balanced_accuracy_score, log_loss
    from sklearn.utils.class_weight import compute_sample_weight

    from octsk.metrics import expected_calibration_error, medmnist_auc

    y, classes = test.labels, estimator.classes_
    proba = estimator.predict_proba(test.images)
    equal = compute_sample_weight("balanced", y)
    return {
        "log_loss": float(log_loss(y, proba, labels=classes)),
        "log_loss_equal": float(log_loss(y, proba, labels=classes, sample_weight=equal)),
        "ece": expected_calibration_error(y, proba, labels=classes),
        "balanced_accuracy": float(
            balanced_accuracy_score(y, classes[proba.argmax(axis=1)])
        ),
        "auc": medmnist_auc(y, proba, labels=classes),
    }


# --- Tables -----------------------------------------------------------------------------


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    return [
        table
        for data in result["data"]
        for net in dict.fromkeys(result["settings"]["nets"])
        for table in add_banner(_tables_of(data, net, result), synthetic=data["synthetic"])
    ]


def _tables_of(data, net, result) -> list[Table]:
    rows = [
        row for row in result["rows"] if (row["data"], row["net"]) == (data["name"], net)
    ]
    plain = _by_method(rows, PLAIN)
    means, differences = [], []
    for method in dict.fromkeys(row["method"] for row in rows):
        values = _by_method(rows, method)
        means.append((method, *(format_mean(values[metric]) for metric in METRICS)))
        changes = (np.subtract(values[metric], plain[metric]) for metric in METRICS)
        differences.append((method, *(format_mean(list(change)) for change in changes)))
    return [
        Table(f"{data['name']}, {net}", ("", *METRICS.values()), means, _notes(data, rows)),
        Table(
            f"{data['name']}, {net}: difference from the network {PLAIN}, per repeat",
            ("", *METRICS.values()),
            differences[1:],
        ),
    ]


def _by_method(rows, method) -> dict[str, list[float]]:
    chosen = [row for row in rows if row["method"] == method]
    return {metric: [row[metric] for row in chosen] for metric in METRICS}


def _notes(data, rows) -> list[str]:
    counts = ", ".join(f"{split} {n:,}" for split, n in data["n"].items())
    repeats = len({row["repeat"] for row in rows})
    drawn = "split by patient anew" if data["by_patient"] else "with the splits of the data"
    return [
        f"Mean ± standard error over {repeats} repeats with different seeds, {drawn} "
        f"({counts} images in the last repeat)."
    ]


if __name__ == "__main__":
    main()
