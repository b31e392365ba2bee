"""Cells that do no harm: to terminals, and to who opens them in a spreadsheet."""

import csv
import sys

import numpy as np
import pytest
from markdown_it import MarkdownIt

from octsk.utils.tables import (
    Table,
    Tabular,
    escape_latex,
    spreadsheet_cell,
    tables_to_html,
    tables_to_latex,
    tables_to_markdown,
    tables_to_text,
)
from octsk.utils.untrusted import printable

OBEYED = ["\x1b[2J", "\x9b31m", "\r", "\x07", "\u202e", "\u2066", "\u2028", "\udce9", "\0"]


@pytest.mark.parametrize("characters", OBEYED)
def test_text_tables_hold_nothing_that_a_terminal_obeys(characters):
    name = f"a{characters}b"
    table = Table(name, ("net", name), [(name, "1")], [name])
    text = tables_to_text([table])
    assert characters not in text
    assert text.count(printable(name)) >= 3
    text.encode()
    assert len(printable(name).splitlines()) == 1
    # Columns stay in line.
    _, head, row, _ = text.splitlines()
    assert len(head) == len(row)


@pytest.mark.parametrize("name", ["Äther", "黄斑", "a b", "naïve 'so'", "👁️"])
def test_other_names_stay_as_they_are(name):
    assert printable(name) == name


def test_html_tables_show_names_as_text():
    name = "<b>\x1b[2J"
    html = tables_to_html([Table(name, (name,), [(name,)], [name])])
    assert html.count(r"&lt;b&gt;\x1b[2J") == 4
    assert "<b>" not in html


@pytest.mark.parametrize(
    "text",
    [
        "=cmd()",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\uff1d1",
        "-a.png",
    ],
)
def test_a_spreadsheet_computes_no_text(text):
    assert spreadsheet_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-1.5", "+3", "a=b", "", "1-2", -1, 0.5, None, [1]])
def test_numbers_and_other_text_stay_as_they_are(value):
    assert spreadsheet_cell(value) == value


SPECIAL = "a_b | *c* [d](e) `f` <b> & 5 % $x$ #1 ~ ^ {g} \\ \x1b[2J\n# h"


class Result(Tabular):
    def _tables(self):
        words = Table("facts_1", rows=[("name", SPECIAL)], notes=[SPECIAL])
        figures = Table(SPECIAL, ("net", "low|high"), [(SPECIAL, "[0.1, 0.2]")])
        return [words, figures, Table("*** SYNTHETIC DATA ***", notes=["drawn"])]

    def _records(self):
        return [
            {"net": "=cmd()", "value": 0.1234567, "low": np.nan, "high": None},
            {"net": "b", "value": np.float64(1.0), "low": -1.5, "high": 2},
        ]


def test_markdown_shows_cells_as_text():
    text = tables_to_markdown(Result()._tables())
    assert "\x1b" not in text
    page = MarkdownIt("commonmark").enable("table").render(text)
    assert page.count("<table>") == 2
    assert page.count("<tr>") == 4
    for element in ("<em>c", "<code>", "<a ", "<b>", "<h1>"):
        assert element not in page
    assert page.count("a_b | *c* [d](e) `f` &lt;b&gt; &amp; 5 % $x$ #1 ~ ^ {g}") == 4
    assert "SYNTHETIC DATA" in page


def test_latex_shows_cells_as_text():
    text = tables_to_latex(Result()._tables())
    assert text.startswith("% Requires \\usepackage{booktabs}\n")
    escaped = escape_latex(SPECIAL)
    assert text.count(escaped) == 4
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    # Two columns: each row has one separator that is not escaped.
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 3
    for row in rows:
        assert row.replace(r"\&", "").count("&") == 1
    assert r"\paragraph{*** SYNTHETIC DATA ***} drawn" in text


@pytest.mark.parametrize(
    ("given", "escaped"),
    [
        ("50 %", r"50 \%"),
        ("a_b & c", r"a\_b \& c"),
        ("\\", r"\textbackslash{}"),
        ("{$#}", r"\{\$\#\}"),
        ("[1, 2]", "{[}1, 2]"),
        ("1 ± 2", r"1 \ensuremath{\pm} 2"),
        ("a\n\n%b", r"a \%b"),
    ],
)
def test_latex_specials(given, escaped):
    assert escape_latex(given) == escaped


def test_figures_are_unrounded_in_frame_and_csv(tmp_path):
    result = Result()
    frame = result.to_frame()
    assert frame.shape == (2, 4)
    assert frame["value"].tolist() == [0.1234567, 1.0]
    result.to_figures_csv(tmp_path / "figures.csv")
    with open(tmp_path / "figures.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["net", "value", "low", "high"],
        ["'=cmd()", "0.1234567", "", ""],
        ["b", "1.0", "-1.5", "2"],
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["figures.csv"]


def test_without_pandas_the_error_says_what_else_there_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"requires pandas.*to_figures_csv"):
        Result().to_frame()
