"""The three headline results of the home page and the README, from the result files."""

import json
import statistics
from pathlib import Path
from typing import Any

from docs._parts.results import FOLDER


def headlines(root: Path) -> list[tuple[str, str, str]]:
    """Return a figure, one sentence about it, and its section of the benchmarks page."""
    return [_accuracy(root), _speed(root), _coverage(root)]


def to_markdown(root: Path) -> str:
    """Write the headlines as cards."""
    cards = []
    for figure, sentence, section in headlines(root):
        link = f'<a href="benchmarks.html#{section}">Details</a>'
        cards.append(f":::{{grid-item-card}} {figure}\n{sentence}\n\n{link}\n:::")
    grid = "\n".join(
        ["::::{grid} 1 1 3 3", ":gutter: 3", ":class-container: octsk-headlines"]
    )
    text = "\n\n".join([grid, *cards, "::::"]) + "\n"
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _read(root: Path, name: str) -> dict[str, Any]:
    return json.loads((root / FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def _accuracy(root: Path) -> tuple[str, str, str]:
    result = _read(root, "corruptions_octdl")
    errors = result["summary"]["balanced_error"]["residual"]["none"]
    return (
        f"Balanced accuracy {1 - statistics.mean(errors):.2f}",
        "`ResidualOCTNet` on OCT scans of patients who were not used for training "
        f"(OCTDL, 28 x 28 pixels, {result['data']['n_train']} training images, mean "
        f"of {len(errors)} seeds).",
        "accuracy",
    )


def _speed(root: Path) -> tuple[str, str, str]:
    result = _read(root, "speed")
    small = result["parts"]["training"]["comparisons"][0]
    ratio = small["ratios"]["PyTorch"]["median"]
    cores = result["environment"]["cpu_count"]
    return (
        f"{ratio:.1f} times as fast as PyTorch",
        f"Training speed of `SmallOCTNet` on {cores} CPU cores, compared with the same "
        "network in PyTorch.",
        "training-speed",
    )


def _coverage(root: Path) -> tuple[str, str, str]:
    rows = [
        row
        for row in _read(root, "coverage")["rows"]
        if row["method"] == "octsk"
        and row["patients"] >= 20
        and "accurac" in row["figure"]  # accuracy, balanced accuracy and differences
    ]
    covered = [100 * (1 - row["below"] - row["above"]) for row in rows]
    return (
        "Reliable confidence intervals",
        f"The 95 % intervals for accuracy contain the true value in {min(covered):.0f} to "
        f"{max(covered):.0f} % of simulated studies with 20 patients or more and several "
        "images of each.",
        "coverage",
    )
