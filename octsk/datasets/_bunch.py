"""The container in which data sets are returned."""

import base64
import io

import numpy as np
from sklearn.utils import Bunch

from octsk.utils.tables import Table, tables_to_html

# Number of images of a split that a notebook shows.
_N_SHOWN = 8


class DataBunch(Bunch):
    """Bunch whose ``repr`` describes each entry in one line, without pixels.

    A notebook shows it as a table. For a split, it also shows the number of images of each
    class and the first images.
    """

    def __repr__(self):
        lines = (f"  {key}: {value}" for key, value in self._entries())
        return "\n".join((type(self).__name__, *lines))

    def _repr_html_(self):
        tables = [Table(type(self).__name__, rows=self._entries())]
        pictures = ""
        if self.get("data") is not None:
            tables.append(_classes(self))
            pictures = _strip(self["data"][:_N_SHOWN])
        return tables_to_html(tables) + pictures

    def _entries(self):
        return [(key, _brief(value)) for key, value in self.items() if key != "DESCR"]


def _brief(value) -> str:
    if isinstance(value, np.ndarray):
        mapped = ", memory-mapped" if isinstance(value, np.memmap) else ""
        return f"{value.dtype} {value.shape}{mapped}"
    if isinstance(value, Bunch):
        return f"{len(value.target):,} images"
    if isinstance(value, dict):  # shared_groups
        return ", ".join(f"{len(both)} in {' and '.join(k)}" for k, both in value.items())
    return repr(value)


def _classes(split) -> Table:
    """Count the images of each class."""
    labels, counts = np.unique(split["target"], return_counts=True)
    names = split.get("target_names")
    rows = [
        (str(label) if names is None else f"{label} {names[label]}", f"{n:,}")
        for label, n in zip(labels, counts, strict=True)
    ]
    return Table("Classes", ("class", "images"), rows)


def _strip(images) -> str:
    """Return the images side by side as an HTML element that needs no other file."""
    from PIL import Image

    images = np.asarray(images)
    if images.dtype.kind == "f":
        images = np.rint(images * 255)
    height, width = images.shape[1:3]
    step = width + max(1, width // 16)
    # A transparent column separates two images.
    strip = Image.new("RGBA", (step * len(images), height))
    for place, image in enumerate(images):
        strip.paste(Image.fromarray(image.astype(np.uint8).squeeze()), (step * place, 0))
    file = io.BytesIO()
    strip.save(file, format="PNG")
    encoded = base64.b64encode(file.getvalue()).decode()
    return (
        f'<img alt="the first {len(images)} images" style="image-rendering:pixelated;'
        f'max-width:100%;height:64px" src="data:image/png;base64,{encoded}">'
    )
