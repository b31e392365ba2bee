"""Cells that do no harm: to terminals, and to who opens them in a spreadsheet."""

import pytest

from octsk.utils.tables import Table, spreadsheet_cell, tables_to_html, tables_to_text
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
    assert "<b>" not in tables_to_html([Table("<b>", ("<b>",), [("<b>",)], ["<b>"])])


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
