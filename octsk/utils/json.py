"""Reading of JSON with limits, and conversion of values to JSON."""

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from octsk.utils.file_kinds import TEXT, check_is_file, recognise
from octsk.utils.files import write_text
from octsk.utils.urls import Address, hide_secrets


def parse_json(text):
    """Parse a JSON text given as bytes or characters.

    Raises
    ------
    ValueError
        If the text is not JSON, or is nested too deeply for Python.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its JSON text is nested too deeply") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"it is not valid JSON: {error}") from None


def read_json(path, max_bytes):
    """Parse a JSON file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the file is not JSON, is larger than `max_bytes`, or is nested too deeply for
        Python.
    """
    path = Path(path)
    if path.is_dir():
        check_is_file(path, "a JSON file")
    with open(path, "rb") as file:
        text = file.read(max_bytes + 1)
    try:
        if len(text) > max_bytes:
            raise ValueError(f"it is larger than {max_bytes:,} bytes")
        return parse_json(text)
    except ValueError as error:
        # For other types of files, say what reads them. A pipe cannot be read again.
        kind = recognise(path) if path.is_file() else None
        if kind is None or kind.advice == TEXT.advice:  # text, such as damaged JSON
            raise
        raise ValueError(str(kind)) from error


def jsonable(value) -> Any:
    """Convert a value to JSON types.

    Objects of other types are converted to their ``repr()`` without memory addresses.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, Address):
        return hide_secrets(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [jsonable(item) for item in value]
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "get_config"):
        # The repr of a Keras object, such as an optimizer, does not contain its settings.
        # Omit the name, which Keras numbers. Not all classes implement get_config.
        with suppress(NotImplementedError):
            config = {k: v for k, v in value.get_config().items() if k != "name"}
            return {type(value).__name__: jsonable(config)}
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def differences(ours, theirs, name="") -> list[str]:
    """Return one line for each entry in which two nested descriptions differ."""
    if ours == theirs:
        return []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            line
            for key in dict.fromkeys([*ours, *theirs])
            for line in differences(
                ours.get(key), theirs.get(key), f"{name}.{key}" if name else str(key)
            )
        ]
    return [f"{name} is {ours!r} but was {theirs!r}"]


def write_json(path, values) -> None:
    """Write values of JSON types to a file atomically."""
    write_text(path, json.dumps(values, indent=1, allow_nan=False) + "\n")


def describe(value):
    """Return a description of a value that is the same in every process."""
    said = jsonable(value)
    plain = isinstance(value, str) or not isinstance(said, str)
    return f"{said!r}" if plain else said
