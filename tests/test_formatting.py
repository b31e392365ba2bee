"""Numbers, times and colours look the same everywhere."""

import re
from pathlib import Path

import pytest

import octsk
from octsk.plots.drawing import COLOURS
from octsk.utils.formatting import format_rough_time, format_time, format_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00012345, "0.000123"),
        (-12.3456, "-12.3"),
        (123456.7, "123,457"),
        (32, "32"),
        (True, "True"),
        (None, "None"),
        ("adam", "adam"),
    ],
)
def test_values_of_parameters(value, text):
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("seconds", "exact", "rough"),
    [(0.44, "0.4 s", "0 s"), (119.4, "119.4 s", "119 s"), (150, "150.0 s", "2 min")],
)
def test_times(seconds, exact, rough):
    assert format_time(seconds) == exact
    assert format_rough_time(seconds) == rough


def test_plots_and_pages_have_one_palette():
    package = Path(octsk.__file__).parent
    coloured = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"[\"']#[0-9A-Fa-f]{6}[\"']", path.read_text(encoding="utf-8"))
    }
    assert coloured == {"plots/drawing.py"}
    sheet = (package / "reporting" / "templates" / "page.css").read_text(encoding="utf-8")
    greys = re.findall(r"--(?:ground|text|quiet|line|shade|alarm-ground): #\w+", sheet)
    assert len(re.findall(r"#[0-9a-f]{3,6}\b", sheet)) == len(greys) + 2  # black, white
    used = {int(index) for index in re.findall(r"\{\{ colours\[(\d)\] \}\}", sheet)}
    assert used
    assert max(used) < len(COLOURS)
