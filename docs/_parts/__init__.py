"""Generated parts of pages: tables, diagrams and plots."""

from collections.abc import Callable
from pathlib import Path

from docs._parts import comparison, data_way, headlines, modules, notebook, results

ROOT = Path(__file__).resolve().parent.parent.parent
TEXTS: dict[str, Callable[[Path], str]] = {
    "comparison.md": comparison.to_markdown,
    "data_way.html": data_way.to_html,
    "headlines.md": headlines.to_markdown,
    "modules.html": modules.to_html,
    "published.md": results.published_to_markdown,
    "results.md": results.to_markdown,
    "transfer.md": results.transfer_to_markdown,
    "tutorial.ipynb": lambda root: notebook.to_json(root / "docs" / "tutorial.md"),
}


def write_texts(folder: Path) -> None:
    """Write all generated texts. Files whose content has not changed are not touched."""
    folder.mkdir(exist_ok=True)
    for name, make in TEXTS.items():
        path, text = folder / name, make(ROOT)
        # Otherwise Sphinx would process the pages that include it again.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
