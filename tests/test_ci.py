"""What CI runs agrees with what the project says."""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parent.parent
GITHUB = REPOSITORY / ".github"


def read_project():
    with open(REPOSITORY / "pyproject.toml", "rb") as file:
        return tomllib.load(file)


def read_yaml(path):
    # YAML 1.1 takes "on" for true.
    return yaml.safe_load(path.read_text("utf-8"))


def needs_of(extra, project):
    """Return what an extra needs, octsk's other extras resolved."""
    found = set()
    for need in map(Requirement, project["optional-dependencies"][extra]):
        others = (needs_of(other, project) for other in need.extras)
        found = found.union(*others) if need.name == "octsk" else found | {need}
    return found


def test_oldest_versions_are_the_lower_bounds():
    project = read_project()["project"]
    needed = {*map(Requirement, project["dependencies"]), *needs_of("test", project)}
    bounds = {f"{one.name}{one.specifier}".replace(">=", "==") for one in needed}
    lines = (REPOSITORY / ".ci" / "oldest.txt").read_text("utf-8").splitlines()
    assert sorted(line for line in lines if not line.startswith("#")) == sorted(bounds)


def test_every_file_of_the_package_is_in_the_wheel():
    patterns = read_project()["tool"]["setuptools"]["package-data"]["octsk"]
    package = REPOSITORY / "octsk"
    data = {path for pattern in patterns for path in package.glob(pattern)}
    files = {path for path in package.rglob("*") if path.is_file()}
    others = {path for path in files - data if path.suffix not in {".py", ".pyc"}}
    assert not others
    assert {package / "py.typed", package / "__init__.pyi"} <= data


def test_conda_recipe_has_the_versions_of_the_project():
    recipe = read_yaml(REPOSITORY / "packaging" / "conda" / "recipe.yaml")
    version = (REPOSITORY / "octsk" / "_version.py").read_text("utf-8").split('"')[-2]
    assert recipe["context"]["version"] == version
    python, *needs = recipe["requirements"]["run"]
    project = read_project()["project"]
    assert python == "python >=${{ python_min }}"
    assert project["requires-python"] == f">={recipe['context']['python_min']}"
    # conda-forge's matplotlib also installs the windows of its plots.
    names = {"matplotlib": "matplotlib-base"}
    expected = [
        f"{names.get(one.name, canonicalize_name(one.name))} {one.specifier}"
        for one in map(Requirement, project["dependencies"])
    ]
    assert sorted(needs) == sorted(expected)


@pytest.mark.slow
def test_distributions_hold_the_package_and_the_wheel_works(tmp_path):
    pytest.importorskip("setuptools", minversion="77")  # as pyproject.toml requires
    source, built, installed = (tmp_path / name for name in ("source", "dist", "site"))
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True
    )
    if tracked.returncode:
        pytest.skip("needs a clone of the repository")
    for name in tracked.stdout.rstrip("\0").split("\0"):
        if (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, source / name)
    files = {str(p.relative_to(source)) for p in source.rglob("*") if p.is_file()}
    package = {name for name in files if name.startswith("octsk/")}
    # Building the documentation needs these as well.
    others = {
        name for name in files if name.startswith(("benchmarks/", "docs/", "examples/"))
    }
    build = "from setuptools import build_meta as b; b.build_{}({!r})"
    for kind in ("sdist", "wheel"):
        command = [sys.executable, "-c", build.format(kind, str(built))]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
    [sdist], [wheel] = built.glob("*.tar.gz"), built.glob("*.whl")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert package | others < names
    assert not {name for name in names if name.startswith("tests/")}
    with zipfile.ZipFile(wheel) as archive:
        assert package == {n for n in archive.namelist() if ".dist-info/" not in n}
        archive.extractall(installed)
    code = "import octsk; print(octsk.__file__); octsk.SmallOCTNet().fit"
    for arguments in (["-c", code], ["-m", "octsk", "info"]):
        found = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
        )
        assert found.returncode == 0, found.stderr
        assert arguments[0] == "-m" or found.stdout.startswith(str(installed))


def test_pre_commit_runs_what_ci_runs():
    config = read_yaml(REPOSITORY / ".pre-commit-config.yaml")
    (repository,) = config["repos"]
    (hook,) = repository["hooks"]
    # With the programs of the project's environment, and no versions of its own.
    assert (repository["repo"], hook["language"]) == ("local", "system")
    assert hook["entry"] == "make lint"
    assert "make lint " in (REPOSITORY / ".ci" / "run").read_text("utf-8")


def test_versions_of_tools_are_pinned():
    tools = {one.name: one.specifier for one in needs_of("dev", read_project()["project"])}
    for name in ("ruff", "mypy"):
        assert str(tools[name]).startswith("==")


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("target", ["test", "slow", "docs", "bench", "lint"])
def test_make_runs_commands_of_the_environment(target):
    commands = subprocess.run(
        ["make", "--dry-run", target, "BIN=here/bin"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert commands
    assert all(command.startswith("here/bin/") for command in commands)


@pytest.mark.parametrize(
    "path", sorted(GITHUB.glob("workflows/*.yml")), ids=lambda p: p.name
)
def test_workflows_run_scripts_that_exist(path):
    jobs = read_yaml(path)["jobs"].values()
    commands = [step.get("run", "") for job in jobs for step in job.get("steps", [])]
    scripts = [command.split()[1] for command in commands if command.startswith("bash ")]
    assert scripts
    assert not [script for script in scripts if not (REPOSITORY / script).is_file()]


def test_release_is_published_after_its_checks_and_only_where_switched_on():
    build, publish = read_yaml(GITHUB / "workflows" / "release.yml")["jobs"].values()
    assert "bash .ci/build" in [step.get("run") for step in build["steps"]]
    assert "vars.PUBLISH_TO_PYPI == 'true'" in publish["if"]
    assert "github.ref_type == 'tag'" in publish["if"]
    assert publish["needs"] == "build"
    # Trusted publishing: no password, and no right but the one that it needs.
    assert publish["permissions"] == {"id-token": "write"}
    assert "secrets." not in (GITHUB / "workflows" / "release.yml").read_text("utf-8")


def test_issues_are_reported_by_forms():
    folder = GITHUB / "ISSUE_TEMPLATE"
    assert read_yaml(folder / "config.yml") == {"blank_issues_enabled": False}
    for name in ("bug", "feature"):
        form = read_yaml(folder / f"{name}.yml")
        assert form["name"]
        assert form["description"]
        fields = [field["id"] for field in form["body"]]
        assert len(set(fields)) == len(fields) > 0
        assert any(field.get("validations", {}).get("required") for field in form["body"])
