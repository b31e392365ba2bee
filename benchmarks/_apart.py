"""Measure a function in a Python process of its own."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).resolve().parent.parent


def run_apart(target: str, **arguments) -> Any:
    """Call a function in a new Python process.

    So that neither memory, threads nor compiled graphs of one measurement are there
    already in the next.

    Parameters
    ----------
    target : str
        ``"module:function"``.
    **arguments
        Its arguments; like what it returns, things that JSON can say.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        subprocess.run(
            [sys.executable, "-m", __name__, target, json.dumps(arguments), str(answer)],
            cwd=_REPOSITORY,
            env={"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ},
            check=True,
        )
        return json.loads(answer.read_text(encoding="utf-8"))


def use_one_core() -> None:
    """Keep this process, TensorFlow's threads included, to one core.

    To be called before TensorFlow is imported.
    """
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    # Not on macOS or Windows; there TensorFlow's data threads may take further cores.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def peak_memory() -> int | None:
    """Largest memory that this process has had resident, in bytes, where Linux tells."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024


def _main() -> None:
    target, arguments, answer = sys.argv[1:]
    module, function = target.split(":")
    result = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    Path(answer).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    _main()
