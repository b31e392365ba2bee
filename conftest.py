"""What tests and doctests share: no network, and figures that are unseen and closed."""

import os
import runpy
import sys
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")

NO_NETWORK = Path(__file__).parent / "tests" / "no_network"
runpy.run_path(str(NO_NETWORK / "sitecustomize.py"))
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(NO_NETWORK), *filter(None, [os.environ.get("PYTHONPATH")])]
)
collect_ignore = [str(NO_NETWORK)]


@pytest.fixture(autouse=True)
def close_figures():
    """Close what a test has drawn, as a notebook does."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True)
def pages_without_pictures(request, monkeypatch):
    """Leave out the pictures of a run's page, which take seconds, but where marked."""
    if request.node.get_closest_marker("pictures"):
        return
    from octsk.reporting import _pictures

    for name in [name for name in vars(_pictures) if name.startswith("of_")]:
        monkeypatch.setattr(_pictures, name, lambda *args: [])
