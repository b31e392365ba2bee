"""Printing of reports, facts, messages, warnings and errors."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from octsk.utils.untrusted import printable
from octsk.utils.urls import hide_secrets_in

SYNTHETIC = "*** SYNTHETIC DATA: the results below say nothing about real scans ***"


def is_usage_error(error) -> bool:
    # The class of these errors is in different modules in different versions of typer.
    return hasattr(error, "format_message")


def format_usage_error(error) -> str:
    """Return the error message for an argument, in octsk's words instead of pydantic's."""
    for found in getattr(error.__cause__, "errors", list)()[:1]:
        kind, given = found["type"], found["input"]
        if kind == "value_error":
            error.message = str(found["ctx"]["error"])
        elif kind.startswith("int_"):
            error.message = f"{given!r} is not a whole number."
        elif kind.startswith("float_"):
            error.message = f"{given!r} is not a number."
        elif kind == "greater_than_equal":
            error.message = f"{given} is less than {found['ctx']['ge']}."
        elif kind == "less_than_equal":
            error.message = f"{given} is not at most {found['ctx']['le']}."
    return error.format_message()


def format_error(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        # str(error) would begin with the error number.
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, ValueError | OSError | ImportError):
        return str(error)
    # The library does not raise other errors on purpose, so this is a bug.
    return f"{type(error).__name__}: {error} (octsk --debug shows where)"


def make_warning_printer() -> Callable[..., None]:
    """Return a function that prints each distinct warning once."""
    told: set[str] = set()

    def tell(message, *place, **more) -> None:
        if str(message) not in told:
            told.add(str(message))
            print_message("warning", message)

    return tell


def print_message(kind: str, *words: object) -> None:
    """Print one line on stderr."""
    from rich.text import Text

    colour = "yellow" if kind == "warning" else "red"
    line = Text.assemble("octsk: ", (kind, f"bold {colour}"))
    for word in words:
        line.append(": " + printable(" ".join(hide_secrets_in(word).split())))
    make_console(stderr=True).print(line)


def make_console(*, stderr=False, quiet=False):
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, quiet=quiet)
    # Lines are only wrapped in a terminal.
    console.soft_wrap = not console.is_terminal
    return console


class Output:
    """Output of a command, whose result goes to stdout as text or as JSON.

    The console `notes` is for remarks about the result, the console `progress` for progress
    bars. If the command writes its output `file` to stdout, nothing else is printed there.
    """

    def __init__(self, as_json: bool, quiet: bool = False, file: Path | None = None):
        self._as_json = as_json
        self.notes = make_console(stderr=as_json or _is_stdout(file), quiet=quiet)
        self.progress = make_console(stderr=True, quiet=quiet)
        if quiet:
            # tqdm, which shows the downloads, reads this variable when it is imported.
            os.environ["TQDM_DISABLE"] = "1"

    def note(self, words: str = "") -> None:
        lines = map(printable, words.split("\n"))
        self.notes.print("\n".join(lines), markup=False, soft_wrap=True)

    def result(self, document: Mapping[str, object], show: Callable[[], None]) -> None:
        """Print `document` as JSON if asked for; otherwise call `show`."""
        if not self._as_json:
            show()
            return
        from octsk.utils.json import jsonable

        print(json.dumps(jsonable(document), indent=1, allow_nan=False))


def _is_stdout(file: Path | None) -> bool:
    from octsk.utils.files import descriptor_of

    return file is not None and descriptor_of(file) == 1


def print_report(text: str, console=None) -> None:
    """Print tables of the library with bold titles."""
    console = console or make_console()
    for line in text.splitlines():
        is_title = line and not line[0].isspace()
        alarm = line.startswith("***")
        style = "bold white on red" if alarm else "bold" if is_title else None
        console.print(line, style=style, markup=False, soft_wrap=True)


def print_facts(facts: Mapping[str, object], console=None) -> None:
    """Print names and values in two aligned columns."""
    from rich.text import Text

    console = console or make_console()
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        console.print(
            Text.assemble((printable(name).ljust(width), "bold"), printable(value))
        )


def format_data(dataset) -> str:
    purposes = {"train": "for training", "val": "for validation", "test": "for testing"}
    counts = ", ".join(
        f"{len(dataset[split].target):,} {purpose}"
        for split, purpose in purposes.items()
        if dataset[split] is not None
    )
    synthetic = " (SYNTHETIC)" if dataset.synthetic else ""
    return f"{dataset.name}{synthetic}, {dataset.size} px: {counts}"


def count_training_images(dataset) -> int | None:
    return None if dataset.train is None else len(dataset.train.target)


def describe_data(dataset) -> dict[str, object]:
    names = ("name", "size", "synthetic", "official", "sha256", "target_names")
    return {name: dataset.get(name) for name in names}


def format_net(net, n_train: int | None = None) -> str:
    """Describe the training of a net, with `n_train` images if the number is known."""
    from octsk.evaluation.params import resolved_params
    from octsk.training import auto_epochs

    epochs = "1 epoch" if net.epochs == 1 else f"{net.epochs} epochs"
    if net.epochs == "auto" and n_train is not None:
        epochs = f"{auto_epochs(n_train)} epochs (auto)"
    words = f"{net.optimizer}, {epochs}, batches of {net.batch_size}"
    # The learning rate of an unknown optimizer cannot be resolved.
    rate = resolved_params(net).get("learning_rate", net.learning_rate)
    words += "" if rate is None else f", learning rate {rate}"
    words += ", augmentation" if net.augmentation else ", no augmentation"
    return words if net.class_weight is None else f"{words}, balanced class weights"
