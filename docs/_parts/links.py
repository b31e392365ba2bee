"""Check the links of the built pages: ``python -m docs._parts.links FOLDER``.

Internal links must refer to existing files and anchors. External links must be complete
addresses; they are listed but not opened.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """Collects the anchors and links of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.places: set[str] = set()
        self.targets: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id" or (tag, name) == ("a", "name"):
                self.places.add(value)
            elif name in ("href", "src") and value:
                self.targets.add(value)


def _read(folder: Path) -> dict[Path, _Page]:
    folder = folder.resolve()
    # The static files of the theme include templates.
    files = [f for f in sorted(folder.rglob("*.html")) if f.parent != folder / "_static"]
    return {path: _Page(path.read_text(encoding="utf-8")) for path in files}


def problems(folder: Path) -> list[str]:
    """List the broken links as ``page: link: reason``."""
    folder, pages = folder.resolve(), _read(folder)
    found = []
    for path, page in pages.items():
        for target in sorted(page.targets):
            why = _why_not(target, path, pages, folder)
            if why:
                found.append(f"{path.relative_to(folder)}: {target}: {why}")
    return found


def _why_not(target, path, pages, folder) -> str | None:
    url = urlsplit(target)
    if url.scheme in ("http", "https"):
        return None if "." in url.netloc and " " not in target else "incomplete address"
    if url.scheme or url.netloc:
        return None if url.scheme in ("mailto", "data") else "unknown scheme"
    file = (path.parent / unquote(url.path)).resolve() if url.path else path
    if not file.is_relative_to(folder) or not file.exists():
        return "no such file"
    # Sphinx's source pages link back to the right page, but to a wrong anchor if a name is
    # re-exported by another module.
    if path.is_relative_to(folder / "_modules"):
        return None
    # Other files, such as scripts, have no anchors; "#" alone is the top of a page.
    if url.fragment and file in pages and unquote(url.fragment) not in pages[file].places:
        return "no such anchor"
    return None


def external(folder: Path) -> dict[str, list[str]]:
    """List the external addresses with the pages that contain them."""
    addresses: dict[str, list[str]] = {}
    for path, page in _read(folder).items():
        for target in sorted(page.targets):
            if urlsplit(target).scheme in ("http", "https"):
                name = path.relative_to(folder.resolve()).as_posix()
                addresses.setdefault(target, []).append(name)
    return addresses


def main() -> None:
    folder = Path(sys.argv[1])
    for address, names in sorted(external(folder).items()):
        print(f"not opened: {address} ({names[0]}" + (" ...)" if names[1:] else ")"))
    found = problems(folder)
    print("\n".join(found))
    if found:
        raise SystemExit(f"{len(found)} broken links")
    print("all internal links are valid")


if __name__ == "__main__":
    main()
