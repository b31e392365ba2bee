"""Creation of the folder of a run, which is removed if the run produces nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from octsk.cli._app import Terminated


@contextmanager
def make_run_folder(
    wanted: Path | None, name: str, left: str = "finished trainings are in {}"
) -> Iterator[Path]:
    """Yield a folder for one run; remove it afterwards if nothing was written."""
    folder = wanted or _new_folder(f"{datetime.now():%Y-%m-%d-%H%M%S}-{name}")
    try:
        yield folder
    except (KeyboardInterrupt, Terminated) as stop:
        if folder.is_dir() and any(folder.iterdir()):
            raise type(stop)(left.format(folder)) from None
        raise
    finally:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _new_folder(name: str) -> Path:
    """Create a folder that no other run uses, even one started in the same second."""
    for number in range(1, 1000):
        folder = Path("octsk-runs", name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"octsk-runs already contains 999 folders named {name}")
