"""The documents say what is true: their Python runs and their names exist."""

import doctest
import importlib
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer

import octsk
import octsk.cli

REPOSITORY = Path(__file__).resolve().parent.parent
GUIDE = sorted((REPOSITORY / "docs" / "user_guide").glob("*.md"))
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "docs" / "index.md",
    REPOSITORY / "docs" / "install.md",
    *GUIDE,
]
SLOW = {
    "class_shares.md",
    "explaining.md",
    "pictures.md",
    "probabilities.md",
    "scaling.md",
    "search.md",
}
BLOCK = re.compile(
    r"(<!-- not run: [^>]*-->\n+)?^```(python|pycon)\n(.*?)^```$", re.M | re.S
)


def blocks_of(page):
    """Yield language, code and first line of each block of the page that is to run."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        if block[1] is None:
            yield block[2], block[3], text.count("\n", 0, block.start(3))


def run(page):
    """Run the page's blocks in order in one namespace; check what `>>>` lines show."""
    names = {"__name__": "__main__"}
    for language, code, line in blocks_of(page):
        if language == "python":
            exec(compile("\n" * line + code, str(page), "exec"), names)
        else:
            test = doctest.DocTestParser().get_doctest(
                code, names, page.name, str(page), line
            )
            report = io.StringIO()
            doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(
                test, out=report.write, clear_globs=False
            )
            if report.getvalue():
                pytest.fail(report.getvalue())
            names = test.globs


@pytest.fixture(scope="module")
def small_octmnist(tmp_path_factory):
    """A data folder whose octmnist.npz is small and synthetic."""
    folder = tmp_path_factory.mktemp("data")
    arrays = {}
    for seed, (split, n) in enumerate({"train": 96, "val": 32, "test": 32}.items()):
        scans = octsk.make_oct_phantoms(n, random_state=seed)
        arrays[f"{split}_images"] = scans.data
        arrays[f"{split}_labels"] = scans.target[:, np.newaxis].astype(np.uint8)
    np.savez_compressed(folder / "octmnist.npz", **arrays)
    return folder


@pytest.mark.filterwarnings("ignore:.*used as it is, but it is not the published")
@pytest.mark.parametrize(
    "page",
    [
        # Searches, ensembles and longer trainings: for CI.
        pytest.param(page, marks=pytest.mark.slow) if page.name in SLOW else page
        for page in PAGES
        if any(blocks_of(page))
    ],
    ids=lambda page: str(page.relative_to(REPOSITORY)),
)
def test_python_of_page_runs(page, small_octmnist, tmp_path, monkeypatch):
    monkeypatch.setenv("OCTSK_DATA", str(small_octmnist))
    monkeypatch.chdir(tmp_path)
    run(page)


def test_blocks_share_names_and_output_is_checked(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 1\n```\n"
        "```text\nno\n```\n"
        "<!-- not run: slow -->\n```python\nboom\n```\n"
        "```pycon\n>>> x + 1\n2\n```\n"
    )
    assert [(language, line) for language, _, line in blocks_of(page)] == [
        ("python", 1),
        ("pycon", 11),
    ]
    run(page)
    page.write_text("```pycon\n>>> 1 + 1\n3\n```\n")
    with pytest.raises(pytest.fail.Exception, match=r"Got:\n +2"):
        run(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_commands_of_page_are_understood(page):
    program = typer.main.get_command(octsk.cli.app)
    for block in re.findall(
        r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S
    ):
        for words in re.findall(r"(?:^|/)octsk (.*)", block, re.M):
            command, *arguments = shlex.split(words)
            # Parses the arguments and runs nothing.
            program.commands[command].make_context(command, arguments)


@pytest.mark.parametrize(
    "module",
    [
        "octsk",
        "octsk.benchmark",
        "octsk.datasets",
        "octsk.metrics",
        "octsk.model_selection",
        "octsk.tuning",
    ],
)
def test_api_reference_lists_every_public_name(module):
    listed = (REPOSITORY / "docs" / "api" / "index.rst").read_text(encoding="utf-8").split()
    public = set(importlib.import_module(module).__all__) - {"__version__"}
    assert public <= set(listed)


def test_every_page_is_in_the_table_of_contents():
    contents = (REPOSITORY / "docs" / "user_guide" / "index.md").read_text(encoding="utf-8")
    toctree = contents.split("```{toctree}")[1].split()
    assert {page.stem for page in GUIDE} - {"index"} == set(toctree) & {
        page.stem for page in GUIDE
    }


def test_links_of_the_readme_lead_somewhere():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links
    assert not [link for link in links if not (REPOSITORY / link).exists()]


def test_version_is_the_same_everywhere():
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {octsk.__version__}\n" in citation
    assert re.search(r"^## \[(.*?)\]", changelog, re.M)[1] == octsk.__version__
