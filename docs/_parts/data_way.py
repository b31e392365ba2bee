"""A diagram of the data flow through the modules of octsk."""

from html import escape
from pathlib import Path

WIDTH, HEIGHT = 150, 44
# Each box: title (the full name of a module), second line, column and row.
BOXES = {
    "files": ("npz, PNG, JPEG ...", "or a seed", 0, 0),
    "datasets": ("octsk.datasets", "load, generate", 0, 1),
    "images": ("octsk.utils.validation", "validation", 0, 2),
    "augmentation": ("octsk.augmentation", "random variants", 1, 3),
    "training": ("octsk.training", "batches, steps", 1, 4),
    "architectures": ("octsk.architectures", "a Keras network", 2, 4),
    "classifiers": ("octsk.classifiers", "fit, predict", 0, 5),
    "benchmark": ("octsk.benchmark", "metrics, reports", 0, 6),
    "inspection": ("octsk.inspection", "saliency maps", 1, 6),
    "file": ("octsk.persistence", "one .octsk file", 2, 6),
    "plots": ("octsk.plots", "plots", 0, 7),
}
# Each arrow: start, end, and the data that it represents.
ARROWS = [
    ("files", "datasets", ""),
    ("datasets", "images", "uint8, labels, groups"),
    ("images", "augmentation", "training images"),
    ("images", "classifiers", "other images"),
    ("augmentation", "training", "batches in [0, 1]"),
    ("architectures", "training", ""),
    ("training", "classifiers", "weights, history"),
    ("classifiers", "benchmark", "probabilities"),
    ("classifiers", "inspection", ""),
    ("classifiers", "file", "a fitted net"),
    ("inspection", "plots", ""),
    ("benchmark", "plots", "a report"),
]
COLUMN, ROW = 178, 92


def to_html(root: Path) -> str:
    """Draw the boxes and arrows."""
    columns = [column for _, _, column, _ in BOXES.values()]
    left = min(columns)
    width = (max(columns) - left) * COLUMN + WIDTH + 2
    height = max(row for *_, row in BOXES.values()) * ROW + HEIGHT + 2
    corners = {
        name: (1 + (column - left) * COLUMN, 1 + row * ROW)
        for name, (_, _, column, row) in BOXES.items()
    }
    return "\n".join(
        [
            f'<div class="octsk-modules"><svg viewBox="0 0 {width} {height}" '
            f'style="min-width: {width}px; max-width: {width}px" role="img">',
            "<title>Data flow through the modules, from files to plots</title>",
            '<defs><marker id="octsk-tip" viewBox="0 0 8 8" refX="8" refY="4" '
            'markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8"/>'
            "</marker></defs>",
            *(_arrow(corners[a], corners[b], words) for a, b, words in ARROWS),
            *(_box(corners[name], *BOXES[name][:2]) for name in BOXES),
            "</svg></div>",
            "",
        ]
    )


def _box(corner, title, below) -> str:
    x, y = corner
    middle = x + WIDTH / 2
    kind = "public" if title.startswith("octsk.") and "._" not in title else "private"
    return (
        f'<g class="{kind}">'
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="4"/>'
        f'<text x="{middle}" y="{y + 19}">{escape(title)}</text>'
        f'<text class="small" x="{middle}" y="{y + 36}">{escape(below)}</text></g>'
    )


def _arrow(start, end, words) -> str:
    """Draw an arrow: from side to side in a row, from bottom to top between rows."""
    (x1, y1), (x2, y2) = start, end
    if y1 == y2:
        to_right = x2 > x1
        x1, x2 = x1 + WIDTH * to_right, x2 + WIDTH * (not to_right)
        y1 = y2 = y1 + HEIGHT / 2
    else:
        x1, x2 = x1 + WIDTH / 2, x2 + WIDTH / 2
        y1 += HEIGHT
    label = f'x="{(x1 + x2) / 2 + 6}" y="{(y1 + y2) / 2 + 4}"'
    return (
        f'<path marker-end="url(#octsk-tip)" d="M{x1} {y1} L{x2} {y2}"/>'
        f'<text class="small label" {label}>{escape(words)}</text>'
    )
