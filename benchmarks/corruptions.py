"""Balanced error of the nets on corrupted test images.

Each net is trained as it is by default on the training images, over seeds, and measured on
the test images as they are and under ten corruptions in five severities. Nothing is chosen
by what is measured. The error is 1 - balanced accuracy. A corruption's relative error is
the mean over the severities divided by that of a reference net. MedMNIST-C divides by
AlexNet's, which is not here: relative errors are not comparable with those printed there.

--list shows the corruptions with their parameters; where these come from is said in
octsk/corruptions.py. With --corrupted, images corrupted by others take their place:
a file in the layout of Robust-Minisets' OCTMNIST-C (Zenodo, record 13382927), whose test
images are of twelve corruptions in turn, each in five severities.

Without --data the images are phantoms.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import (
    at_least,
    labelled,
    mean_words,
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
# The order of the test images in the published file: Robust-Minisets, datasets.md.
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
        parser.error("--corrupted needs nets for its images: give --data or --model")
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
        help="nets to train (default: all but large, which is medium with Adam)",
    )
    nets.add_argument(
        "--model",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="saved nets, to be measured without any training",
    )
    parser.add_argument(
        "--data", metavar="NAME|FILE", help="a MedMNIST set or a file in that layout"
    )
    parser.add_argument(
        "--corrupted", type=Path, metavar="FILE", help="octmnist-c.npz or one like it"
    )
    parser.add_argument(
        "--corruptions",
        nargs="+",
        choices=list(CORRUPTIONS),
        default=list(CORRUPTIONS),
        metavar="NAME",
        help="some of those of --list (default: all)",
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
        help="whose errors others are divided by (default %(default)s; the first net if "
        "that is not there)",
    )
    parser.add_argument(
        "--n",
        type=at_least(32),
        default=4000,
        help="phantoms to train on (default %(default)s)",
    )
    parser.add_argument(
        "--epochs", type=at_least(1), help="for a trial run (default: each net's own)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it, too")
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
        save(result, arguments.output)  # what there is so far
    return result


def _load(arguments):
    """Load the data set; None where saved nets meet a file of corrupted images alone."""
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
    """Yield name, seed and fitted net."""
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
    """Make a net with its defaults."""
    from octsk import classifiers

    net = classifiers.NETS[name](random_state=seed)
    return net if epochs is None else net.set_params(epochs=epochs)


def _image_sets(arguments, dataset):
    """Yield corruption, severity, images and labels; first the images as they are."""
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
    """Read a file in the layout of Robust-Minisets: corruption by corruption.

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
            f"{path}: test_images must be {n_sets} sets of as many images each "
            f"({len(PUBLISHED)} corruptions, {len(SEVERITIES)} severities); they are "
            f"{len(test.target)}."
        )
    for i in range(n_sets):
        corruption, severity = divmod(i, len(SEVERITIES))
        part = slice(i * n, (i + 1) * n)
        yield PUBLISHED[corruption], severity + 1, test.data[part], test.target[part]


def _seen_by(net, image_set):
    """Give a grey net the first of three channels."""
    corruption, severity, images, labels = image_set
    if images.ndim == 4 and net.image_shape_[2] == 1:
        images = images[..., 0]
    return corruption, severity, images, labels


def summary(rows, reference: str) -> dict[str, Any]:
    """Average over severities, and divide by the errors of a reference net."""
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
        (name, *(_parameter_words(value) for value in severities), parameter)
        for name, (_, severities, parameter) in CORRUPTIONS.items()
    ]
    return Table(
        "Corruptions by severity, of pixels from 0 to 1",
        ("", *map(str, SEVERITIES), "parameter"),
        rows,
    )


def _parameter_words(value) -> str:
    return ", ".join(f"{part:g}" for part in np.atleast_1d(value))


def tables(result: dict[str, Any]) -> list[Table]:
    """Put a result, also one read from its file, into the tables that are shown."""
    both = [_summary_table(result), _severity_table(result)]
    return labelled(both, synthetic=result["data"]["synthetic"])


def _summary_table(result) -> Table:
    found = result["summary"]
    errors, means = found["balanced_error"], found["mean_balanced_error"]
    # The reference's own is 1 everywhere.
    others = [net for net in errors if net != found["reference"]]
    clean = [mean_words(errors[net][CLEAN]) for net in errors if errors[net][CLEAN]]
    rows = [("as they are", *clean, *[""] * len(others))] if clean else []
    for name in found["relative"][found["reference"]]:
        relative = [f"{found['relative'][net][name]:.2f}" for net in others]
        rows.append((name, *(mean_words(errors[net][name]) for net in errors), *relative))
    relative = [f"{found['mean_relative'][net]:.2f}" for net in others]
    rows.append(("their mean", *(mean_words(means[net]) for net in errors), *relative))
    return Table(
        f"Balanced error on {_data_words(result)}",
        ("", *errors, *(f"{net} / {found['reference']}" for net in others)),
        rows,
        _notes(result),
    )


def _data_words(result) -> str:
    data, corrupted = result["data"], result["settings"]["corrupted"]
    return corrupted or f"{data['name']}, test split"


def _notes(result) -> list[str]:
    data, seeds = result["data"], result["settings"]["seeds"]
    notes = ["Of each corruption, the mean over its five severities."]
    if seeds is None:
        return [*notes, "Saved nets, one each."]
    notes += [f"Trained on {data['n_train']} images of {data['name']}."]
    words = ", ".join(map(str, seeds))
    if len(seeds) == 1:
        return [*notes, f"One seed ({words})."]
    return [*notes, f"Mean ± standard error over {len(seeds)} seeds ({words})."]


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
