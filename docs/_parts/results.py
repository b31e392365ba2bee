"""Tables of results measured by the scripts in benchmarks/, and of published results."""

import importlib
import json
from html import escape
from pathlib import Path
from typing import Any

from docs._parts.tables import plain, rows_to_markdown, table_to_markdown
from octsk.benchmark import PublishedResult, published_results
from octsk.evaluation.wording import synthetic_banner
from octsk.utils.formatting import format_score
from octsk.utils.tables import Table

FOLDER = Path("benchmarks", "results")
TITLES = {
    "benchmark": "MedMNIST's own benchmark",
    "report": "The 2021 report",
    "notebook": "Public notebooks",
    "medmnist+": "MedMNIST+, all image sizes",
    "native": "Other results on larger images",
}
# Titles of the sections of measured results, by the names of their files.
SECTIONS = {
    "augmentation_speed": "Speed of augmentation",
    "corruptions_octdl": "Robustness to corrupted scans",
    "coverage": "Coverage of the confidence intervals",
    "loading": "Loading of JPEG files",
    "long_haul": "Memory and open files over many fits",
    "novelty_octdl": "Images that are not OCT scans, and scans of another device",
    "probabilities_octdl": "Calibration of probabilities",
    "recipe_octdl": "Training recipe, on OCT scans",
    "recipe_phantoms": "Training recipe, on phantoms",
    "recipe_pneumoniamnist": "Training recipe, on chest X-rays",
    "search_octdl": "Searches by several processes, on OCT scans",
    "search_octdl_study": "A study of 30 trials, on OCT scans",
    "search_pneumoniamnist": "Searches by several processes, on chest X-rays",
    "speed": "Speed and memory, compared with other libraries",
    "speed_scaling": "Speed by size of the data, and in bfloat16",
    "threshold_coverage": "Coverage of the interval of sensitivity at a chosen threshold",
    "transfer_octdl": "Starting from another network, on OCT scans",
}
[_BANNER] = synthetic_banner({"synthetic": True})


def to_markdown(root: Path) -> str:
    """Write a section for each result file."""
    files = sorted((root / FOLDER).glob("*.json"))
    return "\n\n".join(_section(path) for path in files) + "\n"


def transfer_to_markdown(root: Path) -> str:
    """Write the tables of the gain from starting from another network."""
    _, _, tables = _read(root / FOLDER / "transfer_octdl.json")
    return "\n\n".join(map(_block, tables)) + "\n"


def _read(path: Path) -> tuple[dict[str, Any], Any, list[Table]]:
    """Return a result, the script that measured it and its tables."""
    result = json.loads(path.read_text(encoding="utf-8"))
    try:
        script = importlib.import_module(f"benchmarks.{result['benchmark']}")
        return result, script, script.tables(result)
    except Exception as error:
        raise ValueError(f"{path} is no result of a script of today: {error!r}") from error


def _section(path: Path) -> str:
    result, script, tables = _read(path)
    measured_on, *facts = _facts(result, tables)
    measured_on = (measured_on[0], getattr(script, "MEASURED_ON", measured_on[1]))
    first_line = (script.__doc__ or "").splitlines()[0].rstrip(".")
    title = SECTIONS.get(path.stem, path.stem.replace("_", " "))
    return "\n\n".join(
        [
            # A link to something within opens the section, which a link to it does not.
            _html(f'<details><summary>{title}</summary><div id="{path.stem}">'),
            f"{plain(first_line)}.",
            rows_to_markdown(measured_on, facts),
            *(_block(table) for table in tables),
            f"From `{FOLDER.as_posix()}/{path.name}`, written by "
            f"`python -m benchmarks.{result['benchmark']}`.",
            _html("</div></details>"),
        ]
    )


def _html(code: str) -> str:
    return f"```{{raw}} html\n{code}\n```"


def _block(table: Table) -> str:
    if table == _BANNER:
        words = " ".join(table.notes)
        return f":::{{admonition}} Synthetic data\n:class: warning\n{words}\n:::"
    return table_to_markdown(table)


def _facts(result: dict[str, Any], tables: list[Table]) -> list[tuple[str, str]]:
    """Describe the data, settings, date and machine of a measurement."""
    versions = dict(result["environment"])
    cpu, n_cores, system, load = (
        versions.pop(name, None) for name in ("cpu", "cpu_count", "platform", "load")
    )
    data = _data_sets(result)
    synthetic = {one["synthetic"] for one in data} or {_BANNER in tables}
    kinds = {True: "synthetic scans", False: "real images"}
    return [
        ("measured on", " and ".join(kinds[kind] for kind in sorted(synthetic))),
        *(("data", _data_words(one)) for one in data),
        ("settings", _words(result["settings"])),
        ("date", result["started"][:10]),
        (
            "machine",
            f"{cpu or 'unknown processor'}, {n_cores} cores, {system}"
            + ("" if load is None else f"; load at the start: {load}"),
        ),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]


def _data_sets(result) -> list[dict[str, Any]]:
    """Return the data sets, whether a result contains none, one or several."""
    data = result.get("data", [])
    if isinstance(data, list):
        return data
    return [data] if "name" in data else list(data.values())


def _data_words(data) -> str:
    words = [data["name"] or "user's images"]
    words += [f"{_COUNTS[k]} {_value(v)}" for k, v in data.items() if k in _COUNTS and v]
    digest = data.get("sha256")
    return ", ".join(words + ([f"SHA-256 {digest[:12]}..."] if digest else []))


_COUNTS = {
    "n": "images",
    "n_train": "training images",
    "patients": "patients",
    "split": "split",
    "size": "pixels",
}


def _words(settings) -> str:
    given = {k: v for k, v in settings.items() if v not in (None, [], False)}
    return "; ".join(f"{name.replace('_', ' ')}: {_value(v)}" for name, v in given.items())


def _value(value) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return str(value)


# --- Published --------------------------------------------------------------------------


def published_to_markdown(root: Path) -> str:
    """Write the published results by data set and source."""
    parts = []
    for dataset in ("octmnist", "pneumoniamnist"):
        parts.append(f"### {'OCTMNIST' if dataset == 'octmnist' else 'PneumoniaMNIST'}")
        rows = published_results(dataset)
        for kind, version in dict.fromkeys((row.kind, row.version) for row in rows):
            chosen = [row for row in rows if (row.kind, row.version) == (kind, version)]
            parts.append(_folded(_published_table(chosen)))
    return "\n\n".join(parts) + "\n"


def _folded(table: Table) -> str:
    return "\n\n".join(
        [
            _html(f"<details><summary>{escape(table.title)}</summary>"),
            rows_to_markdown(table.header, table.rows),
            *map(plain, table.notes),
            _html("</details>"),
        ]
    )


def _with_deviation(row: PublishedResult) -> str:
    deviation = "" if row.acc_std is None else f" ± {format_score(row.acc_std)}"
    return f"{format_score(row.acc)}{deviation}"


def _published_table(rows: list[PublishedResult]) -> Table:
    first = rows[0]
    edition = f", version {first.version}" if first.version else ""
    sources = dict.fromkeys(row.source for row in rows)
    columns = {
        "pixels": [str(row.size) for row in rows],
        "ACC": [_with_deviation(row) for row in rows],
        "AUC": [format_score(row.auc) for row in rows],
        "log-loss": [format_score(row.loss) for row in rows],
        "notes": [row.note or "-" for row in rows],
    }
    # Most sources only contain some of them.
    kept = {title: cells for title, cells in columns.items() if set(cells) != {"-"}}
    names = [row.method for row in rows]
    return Table(
        f"{TITLES[first.kind]}{edition}",
        ("", *kept),
        list(zip(names, *kept.values(), strict=True)),
        [f"Source: {source}." for source in sources],
    )
