"""In a notebook's kernel: what a cell shows."""

import os
import re

import pytest
from helpers import TINY

pytestmark = pytest.mark.slow

START = f"""
import octsk
scans = octsk.make_oct_phantoms(64, random_state=0)
net = octsk.SmallOCTNet(**{TINY | {"epochs": 2}!r})
"""
CELLS = [
    START,
    "net.fit(scans.data, scans.target);",
    "net.set_params(verbose=1).fit(scans.data, scans.target);",
    "net",
    "octsk.evaluate(net, scans.data, scans.target)",
    "scans",
    "octsk.ImageGridDisplay.from_dataset(scans, n_images=4)",
    "octsk.ConfusionDisplay.from_estimator(net, scans.data, scans.target)",
]


@pytest.fixture(scope="module")
def outputs():
    """Return the outputs of each cell."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3")
    # In a test, a kernel would show nothing that is written past Python, and no figures.
    hidden = ("MPLBACKEND", "PYTEST_CURRENT_TEST", "TF_CPP_MIN_LOG_LEVEL")
    client.execute(env={k: v for k, v in os.environ.items() if k not in hidden})
    return [cell.outputs for cell in notebook.cells]


def test_a_fit_is_silent_with_the_first_of_tensorflow(outputs):
    assert outputs[0] == outputs[1] == []


def test_progress_is_a_line_for_each_epoch(outputs):
    text = "".join(output.text for output in outputs[2])
    assert {output.name for output in outputs[2]} == {"stdout"}
    # As a notebook shows it: what follows a carriage return is written over the line.
    shown = [line.rpartition("\r")[2] for line in text.split("\n")]
    assert [line for line in shown if line.startswith("Epoch")] == [
        "Epoch 1/2",
        "Epoch 2/2",
    ]
    assert len([line for line in shown if "accuracy" in line]) == 2, shown


@pytest.mark.parametrize("cell", [3, 4, 5], ids=["net", "report", "data"])
def test_objects_are_shown_as_html(cell, outputs):
    [output] = outputs[cell]
    html = output.data["text/html"]
    assert re.search("<(table|div)", html)
    assert "text/plain" in output.data


@pytest.mark.parametrize("cell", [6, 7])
def test_every_figure_is_shown(cell, outputs):
    shown = [output.data for output in outputs[cell] if "data" in output]
    assert sum("image/png" in data for data in shown) == 1
