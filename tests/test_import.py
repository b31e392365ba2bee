"""What `import octsk` loads, and where its names are found."""

import ast
import importlib
import pickle
import re
import rlcompleter
import subprocess
import sys
from pathlib import Path

import pytest

import octsk

LAZY = ["octsk", "octsk.datasets", "octsk.plots"]


# In one process, since each takes seconds to start.
IMPORTS = """
import sys
import octsk, octsk.datasets, octsk.plots
print(*(name for name in sys.modules if name.startswith("octsk")))
from octsk.datasets import fetch_octmnist
print({"tensorflow", "keras", "matplotlib", "pooch", "PIL"} & set(sys.modules))
dir(octsk), octsk.load_medmnist, octsk.make_oct_phantoms, octsk.evaluate, octsk.corrupt
import octsk.benchmark, octsk.plots._image_grid, octsk.reporting.benchmark_figure
print({"tensorflow", "keras", "matplotlib", "skimage"} & set(sys.modules))
octsk.SmallOCTNet
print("tensorflow" in sys.modules)
"""


def test_imports_are_light_until_an_estimator_is_named():
    result = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, timeout=120
    )
    own, *others = result.stdout.splitlines()
    assert set(own.split()) == set(LAZY)
    assert others == ["set()", "set()", "True"], result.stderr


def test_no_package_imports_private_names_of_another():
    root = Path(octsk.__file__).parent
    found = []
    # predict reads its files with the functions behind load_image_files.
    for path in {*root.rglob("*.py")} - {root / "cli" / "predict.py"}:
        own = path.relative_to(root).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            package, *parts = node.module.split(".")
            names = [*parts, *(alias.name for alias in node.names)]
            private = any(re.match("_[^_]", name) for name in names)
            if package == "octsk" and names[0] not in (own, "_version") and private:
                found.append(f"{path.relative_to(root)}: {node.module}")
    assert not found, (
        "import these names from the package, after adding them to its __init__ (in "
        "octsk.datasets, to __init__.pyi and _INTERNAL)"
    )


@pytest.mark.parametrize("name", LAZY)
def test_every_name_that_is_listed_is_there(name):
    package = importlib.import_module(name)
    listed = dir(package)
    assert set(package.__all__) <= set(listed)
    assert not [attribute for attribute in listed if not hasattr(package, attribute)]


def test_completion_finds_names_and_modules():
    completer = rlcompleter.Completer({"octsk": octsk})
    found = {completer.complete("octsk.m", i) for i in range(3)}
    assert found == {"octsk.make_oct_phantoms(", "octsk.metrics", "octsk.model_selection"}
    assert completer.complete("octsk.Small", 0).rstrip("(") == "octsk.SmallOCTNet"


def test_star_import_gives_names_and_no_modules():
    names: dict = {}
    exec("from octsk import *", names)
    assert names["SmallOCTNet"] is octsk.SmallOCTNet
    assert names["__version__"] == octsk.__version__
    # scikit-learn's modules of these names stay what they are.
    assert not {"datasets", "metrics", "model_selection"} & set(names)


@pytest.mark.parametrize("name", ["SmallOCTNet", "evaluate", "ConfusionDisplay"])
def test_names_are_pickled(name):
    value = getattr(octsk, name)
    assert pickle.loads(pickle.dumps(value)) is value


@pytest.mark.parametrize("name", LAZY)
def test_unknown_names_are_refused(name):
    package = importlib.import_module(name)
    with pytest.raises(AttributeError, match=rf"{name}\b.*\bSmalOCTNet\b"):
        package.SmalOCTNet  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'SmalOCTNet'"):
        exec(f"from {name} import SmalOCTNet")
