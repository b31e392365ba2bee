"""Parts of pages that the build makes: figures, tables and pictures that nobody types."""

from collections.abc import Callable
from pathlib import Path

from docs._parts import bad_input, comparison, data_way, modules, results

ROOT = Path(__file__).resolve().parent.parent.parent
TEXTS: dict[str, Callable[[Path], str]] = {
    "bad_input.md": bad_input.to_markdown,
    "comparison.md": comparison.to_markdown,
    "data_way.html": data_way.to_html,
    "modules.html": modules.to_html,
    "published.md": results.published_to_markdown,
    "results.md": results.to_markdown,
}


def write_texts(folder: Path) -> None:
    """Write all but the pictures; a file that would not change is left as it is."""
    folder.mkdir(exist_ok=True)
    for name, make in TEXTS.items():
        path, text = folder / name, make(ROOT)
        # Or Sphinx would read the pages again that include it.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
