"""The documents say what is true: their Python runs and their names exist."""

import ast
import importlib
import json
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

import octsk
import octsk.cli
from docs._parts import (
    charts,
    comparison,
    data_way,
    headlines,
    links,
    logo,
    modules,
    notebook,
    results,
)
from docs._parts.blocks import blocks_of, draw, run

REPOSITORY = Path(__file__).resolve().parent.parent
GUIDE = sorted((REPOSITORY / "docs" / "user_guide").glob("*.md"))
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *GUIDE,
]
SLOW = {
    "README.md",
    "benchmark.md",
    "class_shares.md",
    "estimators.md",
    "explaining.md",
    "index.md",
    "patients.md",
    "pictures.md",
    "probabilities.md",
    "saving.md",
    "scaling.md",
    "search.md",
    "transfer.md",
    "tutorial.md",
}


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


def write_folder_of_scans(folder):
    """Write the folder that README describes: two scans of each of 48 patients."""
    scans = octsk.make_oct_phantoms(96, random_state=0)
    for n, k in enumerate(np.argsort(scans.target, kind="stable")):
        name = ("CNV", "DME", "drusen", "normal")[scans.target[k]]
        path = folder / name / f"p{n // 2:03d}_{('left', 'right')[n % 2]}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scans.data[k]).save(path)


@pytest.mark.filterwarnings("ignore:.*used as it is, but it is not the published")
@pytest.mark.parametrize(
    "page",
    [
        # Searches, ensembles and longer trainings: for CI.
        pytest.param(page, marks=pytest.mark.slow) if page.name in SLOW else page
        for page in PAGES
        # tests/test_own_data.py runs this page, and compares its commands.
        if page.name != "your_own_scans.md" and any(blocks_of(page))
    ],
    ids=lambda page: str(page.relative_to(REPOSITORY)),
)
def test_python_of_page_runs(page, small_octmnist, tmp_path, monkeypatch):
    monkeypatch.setenv("OCTSK_DATA", str(small_octmnist))
    monkeypatch.chdir(tmp_path)
    if page.name == "README.md":
        write_folder_of_scans(tmp_path / "scans")
        # On so few images, it would be hundreds of epochs.
        monkeypatch.setattr("octsk.training._fit_estimator.auto_epochs", lambda n: 2)
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
    with pytest.raises(AssertionError, match=r"Got:\n +2"):
        run(page)


def test_outputs_of_a_page_are_numbered_and_made_once(tmp_path):
    page, folder = tmp_path / "page.md", tmp_path / "pictures"
    folder.mkdir()
    plot = "```python\nimport matplotlib.pyplot as plt\nplt.plot([1])\n```\n"
    prints = "```python\nprint({})\n```\n"
    page.write_text(
        f"{plot}{prints.format(1)}```python\nx = 1\n```\n{prints.format(2)}{plot}"
    )
    draw(page, folder)
    names = ["page-1.png", "page-1.txt", "page-2.png", "page-2.txt"]
    assert sorted(file.name for file in folder.iterdir()) == names
    assert [(folder / name).read_text() for name in names[1::2]] == ["1\n", "2\n"]
    page.write_text("```python\n1 / 0\n```\n")
    os.utime(page, (0, 0))
    draw(page, folder)  # older than its outputs: not run again
    os.utime(page)
    with pytest.raises(ZeroDivisionError):
        draw(page, folder)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_commands_of_page_are_understood(page):
    program = typer.main.get_command(octsk.cli.app)
    for block in re.findall(
        r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S
    ):
        for words in re.findall(r"(?:^|/)octsk (.*)", block, re.M):
            # Up to where the shell takes over.
            command, *arguments = shlex.split(re.split(" [|>] ", words)[0])
            if command.startswith("--"):  # such as --install-completion, which acts at once
                continue
            # Parses the arguments and runs nothing.
            program.commands[command].make_context(command, arguments)


@pytest.mark.parametrize(
    "module",
    [
        "octsk",
        "octsk.augmentation",
        "octsk.benchmark",
        "octsk.classifiers",
        "octsk.datasets",
        "octsk.evaluation",
        "octsk.inspection",
        "octsk.metrics",
        "octsk.model_selection",
        "octsk.plots",
        "octsk.reporting",
        "octsk.tuning",
    ],
)
def test_api_reference_lists_every_public_name(module):
    listed = (REPOSITORY / "docs" / "api" / "index.rst").read_text(encoding="utf-8").split()
    public = set(importlib.import_module(module).__all__) - {"__version__"}
    assert {name: listed.count(name) for name in public} == dict.fromkeys(public, 1)


def test_tutorial_is_a_notebook_that_installs_octsk_first():
    page = REPOSITORY / "docs" / "tutorial.md"
    cells = json.loads(notebook.to_json(page))["cells"]
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    assert code[0] == "%pip install --quiet octsk"
    shown = "\n".join(code[1:])
    for language, block, _ in blocks_of(page):
        lines = block.splitlines()
        if language == "pycon":
            lines = [line[4:] for line in lines if line.startswith(">>> ")]
        assert "\n".join(lines).strip() in shown
    text = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    assert text.startswith("# Tutorial\n")
    assert "phantoms" in text
    assert "*Network architectures*" in text
    assert not re.search(r":::|\{\w+\}`", text)


def test_every_page_is_in_the_table_of_contents():
    contents = (REPOSITORY / "docs" / "user_guide" / "index.md").read_text(encoding="utf-8")
    toctrees = re.findall(r"^```{toctree}\n(.*?)^```$", contents, re.M | re.S)
    listed = [line for tree in toctrees for line in tree.split("\n") if line[:1].isalpha()]
    assert sorted(listed) == sorted({page.stem for page in GUIDE} - {"index"})


def test_a_circle_of_imports_is_found(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("from package.a import x\n")
    (package / "a.py").write_text("from package import b\n")
    (package / "b.py").write_text("def f():\n    from package.c import x\n")
    (package / "c.py").write_text("import package.b\n")
    graph = modules.imports(package)
    assert graph == {"a": {"b"}, "b": {"c"}, "c": {"b"}}
    with pytest.raises(ValueError, match="b -> c -> b"):
        modules.layers(graph)
    graph["c"] = set()
    assert modules.layers(graph) == [["a"], ["b"], ["c"]]
    assert modules.direct(graph | {"a": {"b", "c"}})["a"] == {"b"}


def test_architecture_page_names_modules_that_exist():
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    text += "".join(f"`{title}`" for title, *_ in data_way.BOXES.values())
    names = re.findall(r"`octsk\.(\w+)`", text)
    assert len(names) > 10
    assert set(names) - {"cli"} <= set(modules.imports(REPOSITORY / "octsk"))


def test_architecture_page_links_to_files_with_the_names():
    page = REPOSITORY / "docs" / "architecture.md"
    found = re.findall(
        r"\[`([\w./]+)`\]\((\.\./[\w/]+\.py)\)", page.read_text(encoding="utf-8")
    )
    assert len(found) > 20
    for name, target in found:
        file = (page.parent / target).resolve()
        assert file.is_file(), target
        if not name.endswith(".py"):
            assert name in _definitions(file), f"{name} is not in {target}"


def _definitions(path):
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{n.name}" for n in node.body if hasattr(n, "name")}
    return names


def test_every_result_file_is_shown():
    text = results.to_markdown(REPOSITORY)
    files = list((REPOSITORY / "benchmarks" / "results").glob("*.json"))
    assert {file.stem for file in files} == set(results.SECTIONS)
    assert len(set(results.SECTIONS.values())) == len(files)
    for file in files:
        assert f'<div id="{file.stem}">' in text
        result = json.loads(file.read_text(encoding="utf-8"))
        assert f"`benchmarks/results/{file.name}`" in text
        assert result["environment"]["tensorflow"] in text
        assert result["started"][:10] in text


def test_the_page_on_transfer_shows_its_result():
    text = results.transfer_to_markdown(REPOSITORY)
    assert "| random weights |" in text
    assert "| phantoms |" in text
    page = REPOSITORY / "docs" / "user_guide" / "transfer.md"
    assert "_generated/transfer.md" in page.read_text(encoding="utf-8")


def test_result_of_a_script_that_has_changed_is_an_error(tmp_path):
    folder = tmp_path / "benchmarks" / "results"
    folder.mkdir(parents=True)
    (folder / "old.json").write_text('{"benchmark": "recipe"}')
    with pytest.raises(ValueError, match=r"old\.json is no result of a script of today"):
        results.to_markdown(tmp_path)


def test_synthetic_results_are_marked(tmp_path):
    [speed] = (REPOSITORY / "benchmarks" / "results").glob("augmentation_speed.json")
    folder = tmp_path / "benchmarks" / "results"
    folder.mkdir(parents=True)
    (folder / "speed.json").write_bytes(speed.read_bytes())
    text = results.to_markdown(tmp_path)
    assert "| measured on | synthetic scans |" in text
    assert "Synthetic data\n:class: warning" in text


def test_result_of_several_data_sets_names_them_all(tmp_path):
    data = {
        "clinic": {"name": "clinic", "sha256": "f" * 64, "synthetic": False, "n": 90},
        "drawn": {"name": "drawn", "sha256": None, "synthetic": True, "n": 80},
    }
    figures = [
        {"data": name, "fold": "fold 1", "seed": 0, "variant": "defaults", "epochs": 1}
        | {"balanced_accuracy": 0.5, "auc": 0.75, "seconds": 2.0}
        for name in data
    ]
    result = {
        "benchmark": "recipe",
        "started": "2026-01-02T03:04:05+00:00",
        "settings": {"seeds": [0], "n": None},
        "environment": {"python": "3.11", "cpu": None, "cpu_count": 2, "platform": "Linux"},
        "data": {name: about | {"patients": None} for name, about in data.items()},
        "figures": figures,
    }
    folder = tmp_path / "benchmarks" / "results"
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text(json.dumps(result))
    text = results.to_markdown(tmp_path)
    assert "| measured on | real images and synthetic scans |" in text
    assert "| data | clinic, images 90, SHA-256 ffffffffffff... |" in text
    assert "| data | drawn, images 80 |" in text
    assert text.index("**clinic: 90 images**") < text.index("Synthetic data\n")
    assert "unknown processor, 2 cores, Linux |" in text


def test_published_rows_are_all_shown_with_their_sources():
    text = results.published_to_markdown(REPOSITORY)
    for row in octsk.benchmark.published_results("pneumoniamnist"):
        assert f"{row.acc:.3f}" in text
        assert results.plain(row.source) in text


def test_comparison_gives_a_reason_for_each_no():
    text = comparison.to_markdown(REPOSITORY)
    table, reasons = text.split("## Reasons for each no")
    # Below stand the rows of what was looked for by name.
    trials = table.split("| regression |")[0]
    n_reasons = len(re.findall("^- ", reasons, re.M))
    without_torch = "| MedMNIST's data sets, without PyTorch | yes | - | - | - | no | - |"
    assert without_torch in table
    assert len(re.findall(r"\| no(?= \|)", trials)) + 1 == n_reasons > 10


def test_links_of_built_pages_are_checked(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.html").write_text('<p id="here"><a href="../a.html#top">up</a>')
    (tmp_path / "a.html").write_text(
        '<h1 id="top">x</h1><a href="#top"></a><a href="sub/b.html#here"></a>'
        '<a href="https://example.org/x"></a><a href="mailto:a@example.org"></a>'
    )
    assert links.problems(tmp_path) == []
    assert links.external(tmp_path) == {"https://example.org/x": ["a.html"]}
    (tmp_path / "c.html").write_text(
        '<a href="#gone"></a><a href="sub/b.html#gone"></a><img src="gone.png">'
        '<a href="https:example.org"></a><a href="../outside.html"></a>'
    )
    assert [problem.split(": ")[1] for problem in links.problems(tmp_path)] == [
        "#gone",
        "../outside.html",
        "gone.png",
        "https:example.org",
        "sub/b.html#gone",
    ]


def test_links_of_the_readme_lead_somewhere():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links
    assert not [link for link in links if not (REPOSITORY / link).exists()]


def test_readme_shows_the_headline_results_of_the_result_files():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for figure, sentence, beside, _ in headlines.headlines(REPOSITORY):
        assert f"| {figure} | {sentence} | {beside} |" in text
    assert text.count("\n") < 120


def test_version_is_the_same_everywhere():
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {octsk.__version__}\n" in citation
    assert re.search(r"^## \[(.*?)\]", changelog, re.M)[1] == octsk.__version__


def test_charts_show_the_measured_figures():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    charts.draw_accuracy(axes, REPOSITORY)
    file = REPOSITORY / "benchmarks" / "results" / "corruptions_octdl.json"
    errors = json.loads(file.read_text(encoding="utf-8"))["summary"]["balanced_error"]
    expected = [1 - np.median(errors[net]["none"]) for net in charts.NETS]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(expected)
    axes.clear()
    charts.draw_published(axes, REPOSITORY)
    rows = octsk.benchmark.published_results("octmnist", kind="benchmark", version="v2")
    assert [bar.get_width() for bar in axes.patches] == [row.acc for row in rows]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        row.method for row in rows
    ]


def test_charts_are_drawn_for_both_themes(tmp_path):
    charts.draw_all(REPOSITORY, tmp_path / "charts")
    page = (REPOSITORY / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    drawn = {path.name for path in (tmp_path / "charts").iterdir()}
    assert drawn == set(re.findall(r"_generated/([\w-]+\.png)", page))


def test_logo_is_as_drawn():
    for name, text in logo.files().items():
        assert (logo.FOLDER / name).read_text(encoding="utf-8") == text
