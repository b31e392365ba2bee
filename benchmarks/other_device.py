"""Accuracy on images of another device and on corrupted images.

ResidualOCTNet is trained on the train split of a file in MedMNIST's layout, once with its
default augmentation and once with noise in some images. Both networks are evaluated on
the val split, on corrupted copies of it, and on labelled images of another device. Because
the second network is trained with noise, corruptions that do not resemble its augmentation
are reported separately. The test split is not used.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import (
    at_least,
    format_mean,
    new_parser,
    new_result,
    save,
    show,
    stop,
)
from octsk.corruptions import CLEAN, image_sets
from octsk.utils.tables import Table

# Nothing in either augmentation resembles these corruptions.
UNLIKE = ("jpeg_compression", "pixelate", "motion_blur", "contrast_down")
OTHER = "other device"
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "noise": {"gaussian_noise": 0.1, "speckle_noise": 0.2, "noise_fraction": 0.15},
}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    arguments = _parser().parse_args(argv)
    names = ("seeds", "epochs", "variants")
    result = new_result("other_device", {name: getattr(arguments, name) for name in names})
    try:
        _measure(arguments, result)
    except (OSError, ValueError, ImportError) as error:
        stop(error)
    show(tables(result))
    return result


def _parser():
    parser = new_parser(__doc__)
    parser.add_argument(
        "data", type=Path, metavar="FILE", help="npz file to train on and validate with"
    )
    parser.add_argument(
        "other",
        type=Path,
        metavar="OTHER",
        help="npz file of another device with the arrays images and labels",
    )
    parser.add_argument(
        "--seeds", nargs="+", type=at_least(0), default=[0, 1, 2], help="default: 0 1 2"
    )
    parser.add_argument("--epochs", type=at_least(1), help="default: those of the network")
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=list(VARIANTS),
        default=list(VARIANTS),
        help="default: both",
    )
    return parser


def _measure(arguments, result) -> None:
    import octsk
    from octsk.classifiers import NETS

    train, val = (octsk.load_medmnist(arguments.data, split=s) for s in ("train", "val"))
    with np.load(arguments.other) as file:
        other = file["images"], file["labels"].ravel()
    result["data"] = {
        "name": train.name,
        "sha256": train.sha256,
        "synthetic": False,
        "n_train": len(train.target),
    }
    result["settings"]["other"] = f"{arguments.other.stem}, {len(other[1])} images"
    result["rows"] = []
    for seed in arguments.seeds:
        for name in arguments.variants:
            print(f"{name}, seed {seed} ...", file=sys.stderr, flush=True)
            net = NETS["residual"](random_state=seed)
            augmenter = octsk.OCTAugmenter.from_preset("residual", **VARIANTS[name])
            net.set_params(augmentation=augmenter)
            if arguments.epochs is not None:
                net.set_params(epochs=arguments.epochs)
            net.fit(train.data, train.target)
            sets = [(OTHER, 0, *other), *image_sets(val.data, val.target)]
            result["rows"] += _rows(name, seed, net, sets)
            save(result, arguments.output)  # intermediate results


def _rows(name, seed, net, sets) -> list[dict[str, Any]]:
    from sklearn.metrics import balanced_accuracy_score

    from octsk.metrics import medmnist_auc

    rows = []
    for kind, severity, images, labels in sets:
        prob = net.predict_proba(images)
        predicted = net.classes_[prob.argmax(axis=1)]
        rows.append(
            {
                "variant": name,
                "seed": seed,
                "images": kind,
                "severity": severity,
                "balanced_accuracy": float(balanced_accuracy_score(labels, predicted)),
                "auc": float(medmnist_auc(labels, prob, labels=net.classes_)),
            }
        )
    return rows


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the table of a result, which may have been read from its file."""
    rows = result["rows"]
    kinds = list(dict.fromkeys(row["images"] for row in rows))
    corruptions = [kind for kind in kinds if kind not in (CLEAN, OTHER)]
    like = [kind for kind in corruptions if kind not in UNLIKE]
    groups = {
        "val split": [CLEAN],
        "other device": [OTHER],
        "all corruptions": corruptions,
        "corruptions unlike the augmentation": list(UNLIKE),
        **{kind.replace("_", " "): [kind] for kind in [*UNLIKE, *like]},
    }
    names = list(dict.fromkeys(row["variant"] for row in rows))
    cells = []
    for label, group in groups.items():
        line = [label]
        for metric in ("balanced_accuracy", "auc"):
            line += [format_mean(_by_seed(rows, name, group, metric)) for name in names]
        cells.append(line)
    seeds = sorted({row["seed"] for row in rows})
    spread = "mean ± standard error over seeds" if len(seeds) > 1 else "one seed,"
    header = [f"{m}, {name}" for m in ("balanced accuracy", "AUC") for name in names]
    return [
        Table(
            f"ResidualOCTNet trained on {result['data']['n_train']} images of "
            f"{result['data']['name']}",
            ["", *header],
            cells,
            [
                f"Values are {spread} {', '.join(map(str, seeds))}. Those of corruptions "
                "are means over five severities.",
            ],
        )
    ]


def _by_seed(rows, name, kinds, metric) -> list[float]:
    """Return the mean over kinds of images and severities for each seed."""
    own = [row for row in rows if row["variant"] == name and row["images"] in kinds]
    return [
        float(np.mean([row[metric] for row in own if row["seed"] == seed]))
        for seed in sorted({row["seed"] for row in own})
    ]


if __name__ == "__main__":
    main()
