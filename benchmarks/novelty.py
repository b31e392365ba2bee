"""Proportion of images that the gate for unfamiliar images rejects.

A network and its gate (`octsk.NoveltyGate`) are trained on the training split of a data
set, and the threshold of the gate is chosen on the validation split. The script reports the
proportion of rejected images in several sets: the test split, the same images inverted,
upside down and rotated by 90 degrees, noise, blank images, photographs from scikit-learn,
and other files, for example with chest X-rays or scans of another device.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

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


def unlike(images: np.ndarray, n: int = 200) -> dict[str, np.ndarray]:
    """Make images of the size of `images` that are not upright scans."""
    rng = np.random.default_rng(0)
    size = images.shape[1]
    blank = np.arange(0, 256, 5, dtype=np.uint8)[:, None, None]
    return {
        "inverted": 255 - images,
        "upside down": images[:, ::-1],
        "on their side": np.rot90(images, axes=(1, 2)),
        "uniform noise": rng.integers(0, 256, (n, size, size)).astype(np.uint8),
        "dim noise": np.clip(rng.normal(40, 30, (n, size, size)), 0, 255).astype(np.uint8),
        "blank": np.broadcast_to(blank, (len(blank), size, size)).copy(),
        "photographs": _photographs(size, n, rng),
    }


def _photographs(size, n, rng) -> np.ndarray:
    pictures = [Image.fromarray(one).convert("L") for one in load_sample_images().images]
    found = []
    for i in range(n):
        picture = pictures[i % len(pictures)]
        side = int(rng.integers(2 * size, min(picture.size) + 1))
        left, top = (int(rng.integers(0, length - side + 1)) for length in picture.size)
        box = (left, top, left + side, top + side)
        found.append(picture.crop(box).resize((size, size), Image.Resampling.BILINEAR))
    return np.stack([np.asarray(one, np.uint8) for one in found])


def measure(dataset, others, net) -> list[dict[str, Any]]:
    """Fit the gate of a network, and return the proportion of each set that it rejects."""
    import octsk

    gate = octsk.NoveltyGate(net).fit(dataset.train.data, dataset.val.data)
    sets = {"test split": dataset.test.data, **unlike(dataset.test.data), **others}
    about = {"seed": net.random_state, "epochs": net.n_iter_}
    return [
        {"images": name, "n": len(X), **about, "refused": np.mean(gate.predict(X) < 0)}
        for name, X in sets.items()
    ]


def networks(models, dataset, epochs, seeds) -> Iterator[Any]:
    """Yield saved networks, or train one with each seed."""
    import octsk

    if models:
        yield from map(octsk.load, models)
        return
    for seed in seeds:
        net = octsk.ResidualOCTNet(epochs=epochs or "auto", random_state=seed)
        yield net.fit(dataset.train.data, dataset.train.target)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    import octsk

    parser = new_parser(__doc__)
    parser.add_argument("--data", metavar="FILE", help="npz file; without it, phantoms")
    parser.add_argument(
        "--other",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "FILE"),
        help="npz file with other images, in an array test_images or images",
    )
    parser.add_argument(
        "--models",
        nargs="+",
        metavar="FILE",
        help="networks that were trained on the training split of --data, instead of "
        "training them",
    )
    parser.add_argument("--seeds", type=at_least(0), nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=at_least(1), help="epochs (default: automatic)")
    parser.add_argument("--n", type=at_least(90), default=450, help="number of phantoms")
    arguments = parser.parse_args(argv)
    others = {}
    try:
        dataset = octsk.load_medmnist(arguments.data) if arguments.data else None
        for name, path in arguments.other:
            with np.load(path, allow_pickle=False) as file:
                others[name] = file["test_images" if "test_images" in file else "images"]
    except (OSError, ValueError, KeyError) as error:
        stop(error)
    dataset = phantoms(arguments.n) if dataset is None else dataset
    nets = networks(arguments.models, dataset, arguments.epochs, arguments.seeds)
    result = new_result("novelty", {})
    result["data"] = {
        "name": dataset.name,
        "sha256": dataset.get("sha256"),
        "synthetic": bool(dataset.synthetic),
        "n_train": len(dataset.train.target),
    }
    result["rows"] = [row for net in nets for row in measure(dataset, others, net)]
    # Those of networks that were trained before, too.
    result["settings"] = {
        name: sorted({row[kind] for row in result["rows"]})
        for name, kind in (("seeds", "seed"), ("epochs", "epochs"))
    }
    show(tables(result))
    save(result, arguments.output)
    return result


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    rows = []
    for name in dict.fromkeys(row["images"] for row in result["rows"]):
        those = [row for row in result["rows"] if row["images"] == name]
        rows.append(
            (name, str(those[0]["n"]), format_mean([row["refused"] for row in those]))
        )
    seeds = {row["seed"] for row in result["rows"]}
    note = "Of the validation images, 5 % are refused. "
    note += "Mean ± standard error over seeds." if len(seeds) > 1 else "One seed."
    table = Table("Images refused", ("", "images", "share refused"), rows, [note])
    return add_banner([table], synthetic=result["data"]["synthetic"])


if __name__ == "__main__":
    main()
