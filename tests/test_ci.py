"""What CI runs agrees with what the project says."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parent.parent


def needs_of(extra, project):
    """Return what an extra needs, octsk's other extras resolved."""
    found = set()
    for need in map(Requirement, project["optional-dependencies"][extra]):
        others = (needs_of(other, project) for other in need.extras)
        found = found.union(*others) if need.name == "octsk" else found | {need}
    return found


def test_oldest_versions_are_the_lower_bounds():
    with open(REPOSITORY / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    needed = {*map(Requirement, project["dependencies"]), *needs_of("test", project)}
    bounds = {f"{one.name}{one.specifier}".replace(">=", "==") for one in needed}
    lines = (REPOSITORY / ".ci" / "oldest.txt").read_text("utf-8").splitlines()
    assert sorted(line for line in lines if not line.startswith("#")) == sorted(bounds)
