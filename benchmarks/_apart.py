"""Measurement of a function in a separate Python process."""

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

    A new process ensures that memory, threads and compiled graphs of one measurement do not
    affect the next one.

    Parameters
    ----------
    target : str
        Function to call as ``"module:function"``.
    **arguments
        Arguments of the function, which must be JSON serializable, as must its return
        value.

    Returns
    -------
    object
        Return value of the function.
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
    """Restrict this process, including the threads of TensorFlow, to one core.

    This function must be called before TensorFlow is imported.
    """
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    # macOS and Windows cannot do this, so TensorFlow's data threads may use further cores.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def peak_memory() -> int | None:
    """Return the peak resident memory of this process in bytes, or None without /proc."""
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
