"""Balanced error on corrupted test images.

Each network is trained with default settings over several seeds, and evaluated on the
original test images and on ten corruptions in five severities. These results do not
influence any choice. The error is 1 - balanced accuracy. The relative error of a
corruption is the mean over the severities, divided by that of a reference network.
MedMNIST-C divides by the error of AlexNet, which is not available here, so relative errors
are not comparable.

--list shows the corruptions with their parameters; octsk/corruptions.py states their
sources. --corrupted uses published corrupted images instead: a file with the layout of
Robust-Minisets' OCTMNIST-C (Zenodo, record 13382927), whose test images have twelve
corruptions in five severities each.

Without --data, the images are phantoms.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

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
from octsk.corruptions import (
    CLEAN,
    CORRUPTIONS,
    SEVERITIES,
    error_rows,
    errors_by_seed,
    image_sets,
)
from octsk.utils.tables import Table, tables_to_text

NETS = ("small", "medium", "large", "residual")
# Order of the test images in the published file, from datasets.md of Robust-Minisets.
PUBLISHED = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)


def main(argv: Sequence[str] | None = None) -> dict[str, Any] | None:
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.list:
        print(tables_to_text([_listing()]))
        return None
    if arguments.corrupted and not (arguments.data or arguments.model):
        parser.error("--corrupted needs networks to measure: pass --data or --model")
    names = [path.stem for path in arguments.model or []]
    if len(set(names)) < len(names):
        parser.error(f"--model needs files of different names, got {names}")
    try:
        result = _measure(arguments)
        show(tables(result))
        if arguments.plot:
            _plot(result, arguments.plot)
    except (OSError, ValueError, ImportError) as error:
        stop(error)
    return result


def _parser():
    parser = new_parser(__doc__)
    parser.add_argument("--list", action="store_true", help="show the corruptions and stop")
    nets = parser.add_mutually_exclusive_group()
    nets.add_argument(
        "--nets",
        nargs="+",
        choices=NETS,
        default=["small", "medium", "residual"],
        help="networks to train (default: all but large, which is medium with Adam)",
    )
    nets.add_argument(
        "--model",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="saved networks, which are measured without training",
    )
    parser.add_argument(
        "--data", metavar="NAME|FILE", help="MedMNIST data set or a file in its layout"
    )
    parser.add_argument(
        "--corrupted",
        type=Path,
        metavar="FILE",
        help="octmnist-c.npz or a file in its layout",
    )
    parser.add_argument(
        "--corruptions",
        nargs="+",
        choices=list(CORRUPTIONS),
        default=list(CORRUPTIONS),
        metavar="NAME",
        help="corruptions from --list (default: all)",
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=at_least(0),
        default=[0, 1, 2],
        help="default: 0 1 2",
    )
    parser.add_argument(
        "--reference",
        default="small",
        metavar="NET",
        help="reference network of the relative errors (default %(default)s, or the first "
        "network if it is not measured)",
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
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the errors to this file"
    )
    return parser


# --- Measuring --------------------------------------------------------------------------


def _measure(arguments) -> dict[str, Any]:
    settings = {
        "seeds": None if arguments.model else list(dict.fromkeys(arguments.seeds)),
        "epochs": arguments.epochs,
        "corrupted": arguments.corrupted and arguments.corrupted.name,
    }
    result = new_result("corruptions", settings) | {"rows": []}
    dataset = _load(arguments)
    result["data"] = _describe(dataset)
    sets = list(_image_sets(arguments, dataset))
    for name, seed, net in _nets(arguments, dataset):
        result["rows"] += error_rows(name, seed, net, map(partial(_seen_by, net), sets))
        result["summary"] = summary(result["rows"], arguments.reference)
        save(result, arguments.output)  # intermediate results
    return result


def _load(arguments):
    """Load the data set, or None if only a file of corrupted images is to be measured."""
    import octsk

    if arguments.data:
        return octsk.fetch_medmnist(arguments.data)
    if arguments.corrupted:
        return None
    return phantoms(arguments.n)


def _describe(dataset) -> dict[str, Any]:
    if dataset is None:
        return {"name": None, "sha256": None, "synthetic": False, "n_train": None}
    return {
        "name": dataset.name,
        "sha256": dataset.get("sha256"),
        "synthetic": dataset.synthetic,
        "n_train": dataset.train and len(dataset.train.target),
    }


def _nets(arguments, dataset):
    """Yield the name, seed and fitted network."""
    import octsk

    if arguments.model:
        for path in arguments.model:
            yield path.stem, None, octsk.load(path)
        return
    train = _split(dataset, "train")
    for name in dict.fromkeys(arguments.nets):
        for seed in dict.fromkeys(arguments.seeds):
            print(f"{name}, seed {seed} ...", file=sys.stderr, flush=True)
            net = new_net(name, seed, arguments.epochs)
            yield name, seed, net.fit(train.data, train.target)


def new_net(name: str, seed: int, epochs: int | None):
    """Create a network with its default parameters."""
    from octsk import classifiers

    net = classifiers.NETS[name](random_state=seed)
    return net if epochs is None else net.set_params(epochs=epochs)


def _image_sets(arguments, dataset):
    """Yield corruption, severity, images and labels, first those of original images."""
    if not arguments.corrupted:
        test = _split(dataset, "test")
        names = dict.fromkeys(arguments.corruptions)
        yield from image_sets(test.data, test.target, names)
        return
    if dataset is not None:
        test = _split(dataset, "test")
        yield CLEAN, 0, test.data, test.target
    yield from read_corrupted(arguments.corrupted)


def _split(dataset, split):
    if dataset[split] is None:
        raise ValueError(f"{dataset.name} has no {split!r} split")
    return dataset[split]


def read_corrupted(path):
    """Read the corruptions of a file in the layout of Robust-Minisets.

    Yields
    ------
    corruption, severity, images, labels
    """
    import octsk

    test = octsk.load_medmnist(path, split="test")
    n_sets = len(PUBLISHED) * len(SEVERITIES)
    n, rest = divmod(len(test.target), n_sets)
    if rest:
        raise ValueError(
            f"{path}: test_images must hold {n_sets} sets of equal size "
            f"({len(PUBLISHED)} corruptions in {len(SEVERITIES)} severities), got "
            f"{len(test.target)} images."
        )
    for i in range(n_sets):
        corruption, severity = divmod(i, len(SEVERITIES))
        part = slice(i * n, (i + 1) * n)
        yield PUBLISHED[corruption], severity + 1, test.data[part], test.target[part]


def _seen_by(net, image_set):
    """Reduce the images to their first channel if the network takes grey images."""
    corruption, severity, images, labels = image_set
    if images.ndim == 4 and net.image_shape_[2] == 1:
        images = images[..., 0]
    return corruption, severity, images, labels


def summary(rows, reference: str) -> dict[str, Any]:
    """Average errors over severities and divide them by those of a reference network."""
    nets = list(dict.fromkeys(row["net"] for row in rows))
    corruptions = list(dict.fromkeys(row["corruption"] for row in rows if row["severity"]))
    reference = reference if reference in nets else nets[0]
    errors = {
        net: {name: errors_by_seed(rows, net, name) for name in [CLEAN, *corruptions]}
        for net in nets
    }
    base = {name: np.mean(errors[reference][name]) for name in corruptions}
    relative = {
        net: {name: float(np.mean(errors[net][name]) / base[name]) for name in corruptions}
        for net in nets
    }
    return {
        "reference": reference,
        "balanced_error": errors,
        "relative": relative,
        "mean_balanced_error": {
            net: np.mean([errors[net][name] for name in corruptions], axis=0).tolist()
            for net in nets
        },
        "mean_relative": {
            net: float(np.mean(list(relative[net].values()))) for net in nets
        },
    }


# --- Tables and figure ------------------------------------------------------------------


def _listing() -> Table:
    rows = [
        (name, *(_format_parameter(value) for value in severities), parameter)
        for name, (_, severities, parameter) in CORRUPTIONS.items()
    ]
    return Table(
        "Corruptions by severity, for pixels from 0 to 1",
        ("", *map(str, SEVERITIES), "parameter"),
        rows,
    )


def _format_parameter(value) -> str:
    return ", ".join(f"{part:g}" for part in np.atleast_1d(value))


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    both = [_summary_table(result), _severity_table(result)]
    return add_banner(both, synthetic=result["data"]["synthetic"])


def _summary_table(result) -> Table:
    found = result["summary"]
    errors, means = found["balanced_error"], found["mean_balanced_error"]
    # The relative errors of the reference itself are all 1.
    others = [net for net in errors if net != found["reference"]]
    clean = [format_mean(errors[net][CLEAN]) for net in errors if errors[net][CLEAN]]
    rows = [("not corrupted", *clean, *[""] * len(others))] if clean else []
    for name in found["relative"][found["reference"]]:
        relative = [f"{found['relative'][net][name]:.2f}" for net in others]
        rows.append((name, *(format_mean(errors[net][name]) for net in errors), *relative))
    relative = [f"{found['mean_relative'][net]:.2f}" for net in others]
    rows.append(
        ("mean of corruptions", *(format_mean(means[net]) for net in errors), *relative)
    )
    return Table(
        f"Balanced error on {_format_data(result)}",
        ("", *errors, *(f"{net} / {found['reference']}" for net in others)),
        rows,
        _notes(result),
    )


def _format_data(result) -> str:
    data, corrupted = result["data"], result["settings"]["corrupted"]
    return corrupted or f"{data['name']}, test split"


def _notes(result) -> list[str]:
    data, seeds = result["data"], result["settings"]["seeds"]
    notes = ["The error of a corruption is the mean over its five severities."]
    if seeds is None:
        return [*notes, "Each network is a single saved network."]
    notes += [f"The networks were trained on {data['n_train']} images of {data['name']}."]
    words = ", ".join(map(str, seeds))
    if len(seeds) == 1:
        return [*notes, f"Values are of one seed ({words})."]
    return [*notes, f"Values are mean ± standard error over {len(seeds)} seeds ({words})."]


def _severity_table(result) -> Table:
    rows = []
    for net in result["summary"]["balanced_error"]:
        for name in result["summary"]["relative"][net]:
            means = [
                np.mean(_errors_at(result["rows"], net, name, severity))
                for severity in SEVERITIES
            ]
            rows.append((f"{net}, {name}", *(f"{mean:.3f}" for mean in means)))
    return Table(
        "Balanced error by severity, mean over the seeds", ("", *map(str, SEVERITIES)), rows
    )


def _errors_at(rows, net, corruption, severity) -> list[float]:
    wanted = (net, corruption, severity)
    return [
        row["balanced_error"]
        for row in rows
        if (row["net"], row["corruption"], row["severity"]) == wanted
    ]


def _plot(result, path) -> None:
    from octsk.plots import CorruptionDisplay
    from octsk.utils.files import atomic_write

    figure = CorruptionDisplay.from_table(result["rows"]).figure_
    if result["data"]["synthetic"]:
        figure.suptitle("synthetic images", fontsize="medium")
    with atomic_write(path) as temporary:
        figure.savefig(temporary)


if __name__ == "__main__":
    main()
