"""Reading of reports from files and from the folders of runs."""

import os
from collections.abc import Sequence
from pathlib import Path

from octsk.evaluation._report import BenchmarkReport


def read_reports(paths: Sequence[str | os.PathLike]) -> dict[str, list[BenchmarkReport]]:
    """Read reports in the form that `octsk.compare` accepts.

    Parameters
    ----------
    paths : sequence of path-like
        Each path is a report file, a folder that ``octsk evaluate --output`` wrote, or the
        folder or ``run.json`` of a benchmark, which may contain several classifiers.

    Returns
    -------
    dict of list of BenchmarkReport
        The reports of each classifier, one for each training, by its name. If two paths
        contain a classifier of the same name, the name of the folder or file is added.

    Raises
    ------
    FileNotFoundError
        If a path does not exist, or if a folder contains no report.
    ValueError
        If a file is damaged or not a report, or if the same path is given twice.

    Examples
    --------
    >>> import octsk
    >>> from octsk.evaluation import read_reports
    >>> nets = read_reports(["small/report.json", "residual"])  # doctest: +SKIP
    >>> octsk.compare(*nets.values(), names=nets.keys())  # doctest: +SKIP
    """
    places = [Path(path) for path in paths]
    found = []
    for place in places:
        nets: dict[str, list[BenchmarkReport]] = {}
        for file in _files(place):
            report = BenchmarkReport.from_json(file)
            nets.setdefault(report.name, []).append(report)
        found += [(name, _label(place), reports) for name, reports in nets.items()]
    names = [name for name, *_ in found]
    labelled = {
        name if names.count(name) == 1 else f"{name} ({label})": reports
        for name, label, reports in found
    }
    if len(labelled) < len(found):
        raise ValueError(
            "the reports must be of different classifiers, or in files or folders of "
            f"different names, got {', '.join(map(str, places))}."
        )
    return labelled


def _files(place: Path) -> list[Path]:
    """Return the report files at a place."""
    if place.name == "run.json":
        # run.json does not contain the probabilities, but the reports in its folder do.
        place = place.parent
    if not place.is_dir():
        return [place]
    if (place / "report.json").exists():
        return [place / "report.json"]
    files = sorted((place / "reports").glob("*.json")) or sorted(place.glob("*-seed*.json"))
    if not files:
        raise FileNotFoundError(
            f"{place} holds no report: neither report.json, which octsk evaluate --output "
            "writes, nor reports/*.json, which octsk benchmark writes."
        )
    return files


def _label(place: Path) -> str:
    if place.name in ("run.json", "report.json"):
        place = place.parent
    return place.resolve().name if place.is_dir() else place.stem
