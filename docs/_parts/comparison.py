"""The comparison with other libraries, from the result file of benchmarks/compare.py."""

import json
from pathlib import Path

from benchmarks import compare
from docs._parts.tables import plain, rows_to_markdown

FILE = Path("benchmarks", "compare.json")


def to_markdown(root: Path) -> str:
    """Write the features of each library, and the reasons for each no."""
    result = json.loads((root / FILE).read_text(encoding="utf-8"))
    answers, reasons = compare.tables(result)
    behind: dict[str, list[str]] = {}
    for library, question, reason in reasons.rows:
        behind.setdefault(library, []).append(f"- {plain(question)}: {plain(reason)}")
    environment = result["environment"]
    return "\n\n".join(
        [
            f"## Features tested on {result['started'][:10]}",
            rows_to_markdown(answers.header, answers.rows),
            f"With Python {environment['python']}, scikit-learn "
            f"{environment['scikit-learn']}, Keras {environment['keras']} and TensorFlow "
            f"{environment['tensorflow']}. A dash means that the question does not apply.",
            "## Reasons for each no",
            *map(plain, reasons.notes),
            *(f"**{library}**\n\n" + "\n".join(lines) for library, lines in behind.items()),
            "",
        ]
    )
