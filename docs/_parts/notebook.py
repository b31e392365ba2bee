"""A page as a notebook for Jupyter and Google Colab."""

import doctest
import json
import re
from pathlib import Path

from docs._parts.blocks import BLOCK

INSTALL = "%pip install --quiet octsk"


def to_json(page: Path) -> str:
    """Convert a page to a notebook whose first cell installs octsk."""
    text = page.read_text(encoding="utf-8")
    cells, end = [_cell("code", INSTALL)], 0
    for block in BLOCK.finditer(text):
        cells.append(_cell("markdown", _to_plain(text[end : block.start()], page)))
        # A cell shows the value of its last line only.
        lines = doctest.DocTestParser().get_examples(block[3])
        sources = [line.source for line in lines] if block[2] == "pycon" else [block[3]]
        cells += [_cell("code", source) for source in sources]
        end = block.end()
    cells.append(_cell("markdown", _to_plain(text[end:], page)))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": [cell for cell in cells if cell["source"]],
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    return json.dumps(notebook, indent=1) + "\n"


def _cell(kind: str, source: str) -> dict:
    cell = {"cell_type": kind, "metadata": {}, "source": source.strip()}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _to_plain(text: str, page: Path) -> str:
    """Remove what only Sphinx understands: directives, targets of roles, and labels."""
    text = re.sub(r"^:::\{.*?^:::$", "", text, flags=re.M | re.S)
    text = re.sub(r"\{(?:doc|term)\}`([^`<]+?) <[^`]*>`", r"\1", text)
    text = re.sub(r"\{term\}`([^`]+)`", r"\1", text)
    text = re.sub(r"\{doc\}`([^`]+)`", lambda role: _title(page, role[1]), text)
    text = re.sub(r"\{\w+\}`~?([^`]+)`", r"`\1`", text)
    return re.sub(r"\n{3,}", "\n\n", text)


def _title(page: Path, target: str) -> str:
    heading = (page.parent / f"{target}.md").read_text(encoding="utf-8").partition("\n")[0]
    return f"*{heading.removeprefix('# ')}*"
