"""Files and functions stay short enough to be read in one sitting."""

import ast
from pathlib import Path

import octsk

SOURCES = sorted(Path(octsk.__file__).parent.rglob("*.py"))


def test_no_file_has_more_than_500_lines():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path: n for path, n in lengths.items() if n > 500} == {}


def test_no_function_has_a_body_of_more_than_60_lines():
    def length(function):
        body = function.body[1 if ast.get_docstring(function) else 0 :]
        return body[-1].end_lineno - body[0].lineno + 1 if body else 0

    lengths = {
        (path, node.name): length(node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: n for name, n in lengths.items() if n > 60} == {}
