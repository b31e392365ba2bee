"""The three headline results of the home page and the README, from the result files."""

import json
import statistics
from pathlib import Path
from typing import Any

from docs._parts.results import FOLDER
from octsk.published import published_results


def headlines(root: Path) -> list[tuple[str, str, str, str]]:
    """Return a figure, a sentence about it, what to compare it with, and its section."""
    return [_accuracy(root), _speed(root), _coverage(root)]


def to_markdown(root: Path) -> str:
    """Write the headlines as cards."""
    cards = []
    for figure, sentence, _, section in headlines(root):
        link = f'<a href="benchmarks.html#{section}">Details</a>'
        cards.append(f":::{{grid-item-card}} {figure}\n{sentence}\n\n{link}\n:::")
    grid = "\n".join(
        ["::::{grid} 1 1 3 3", ":gutter: 3", ":class-container: octsk-headlines"]
    )
    text = "\n\n".join([grid, *cards, "::::"]) + "\n"
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _read(root: Path, name: str) -> dict[str, Any]:
    return json.loads((root / FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def _accuracy(root: Path) -> tuple[str, str, str, str]:
    result = _read(root, "corruptions_octdl")
    errors = result["summary"]["balanced_error"]["residual"]["none"]
    published = [
        row.acc for row in published_results("octmnist", kind="benchmark", version="v2")
    ]
    return (
        f"Balanced accuracy {1 - statistics.mean(errors):.2f}",
        "`ResidualOCTNet` on OCT scans of patients who were not used for training "
        f"(OCTDL, 28 x 28 pixels, {result['data']['n_train']} training images, mean "
        f"of {len(errors)} seeds).",
        f"Published: accuracy {min(published):.2f} to {max(published):.2f} on OCTMNIST "
        "(ResNets and AutoML tools in MedMNIST v2). These are other images, so the "
        "results cannot be compared directly.",
        "accuracy",
    )


def _speed(root: Path) -> tuple[str, str, str, str]:
    result = _read(root, "speed")
    small, medium = (
        {peer: ratio["median"] for peer, ratio in part["ratios"].items()}
        for part in result["parts"]["training"]["comparisons"]
    )
    cores = result["environment"]["cpu_count"]
    return (
        f"{small['PyTorch']:.1f} times as fast as PyTorch",
        f"Training speed of `SmallOCTNet` on {cores} CPU cores, compared with the same "
        "network in PyTorch.",
        f"In the same measurement, octsk is {small['skorch']:.1f} times as fast as skorch "
        f"and {small['scikeras']:.1f} times as fast as scikeras. With `MediumOCTNet`, it "
        f"is {medium['PyTorch']:.1f} times as fast as PyTorch.",
        "training-speed",
    )


def _coverage(root: Path) -> tuple[str, str, str, str]:
    covered: dict[str, list[float]] = {}
    for row in _read(root, "coverage")["rows"]:
        # Accuracy, balanced accuracy and differences between them.
        if row["patients"] >= 20 and "accurac" in row["figure"]:
            share = 100 * (1 - row["below"] - row["above"])
            covered.setdefault(row["method"], []).append(share)
    ours, percentiles = covered["octsk"], covered["percentiles"]
    return (
        "Reliable confidence intervals",
        f"The 95 % intervals for accuracy contain the true value in {min(ours):.0f} to "
        f"{max(ours):.0f} % of simulated studies with 20 patients or more and several "
        "images of each.",
        "In the same simulations, the usual percentiles of the bootstrap contain it in "
        f"{min(percentiles):.0f} to {max(percentiles):.0f} %.",
        "coverage",
    )
