"""The table of unusual and invalid input that the tests run."""

import runpy
from pathlib import Path

FILE = Path("tests", "bad_input.py")


def to_markdown(root: Path) -> str:
    """Write a table for each function that takes input."""
    names = runpy.run_path(str(root / FILE))
    alike = names["TAKES_IMAGES"]
    first, *others = alike
    parts = {f"Images, to {first}": alike[first], **names["TABLE"]}
    note = f"The same rows apply to {', '.join(others)}, and are tested there as well."
    blocks = []
    for to, cases in parts.items():
        rows = [f"| {_cell(case.given)} | {_cell(case.happens.says())} |" for case in cases]
        blocks += [f"### {to}", "\n".join(["| input | result |", "|---|---|", *rows])]
        if cases is alike[first]:
            blocks.append(note)
    return "\n\n".join(blocks) + "\n"


def _cell(words: str) -> str:
    return words.replace("|", r"\|")
