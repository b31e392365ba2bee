"""Import paths and standard streams of the processes that octsk starts."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_lock = threading.Lock()
_n_starting = 0
_undo = ExitStack()


def outside_working_folder() -> list[str]:
    """Return ``sys.path`` without the working folder.

    Python puts that folder first for ``python -m``, ``python -c`` and notebooks, so it
    would import a ``json.py`` that happens to be there. The folder of the script that this
    process runs and the folder of octsk are always kept.
    """
    here = _real(os.curdir)
    kept = {_real(os.path.join(os.path.dirname(__file__), "..", ".."))}
    main = sys.modules["__main__"]
    script = getattr(main, "__file__", None)
    if script and getattr(main, "__spec__", None) is None:
        kept.add(_real(os.path.dirname(script)))
    return [entry or here for entry in sys.path if here in kept or _real(entry) != here]


def run_reader(script: str, *arguments: str, timeout: float, **environment: str):
    """Run a file of octsk that reads an untrusted file, in a process of its own.

    Parameters
    ----------
    script : str
        The Python file to run.
    arguments : str
        Its arguments.
    timeout : float
        Limit of time in seconds.
    environment : str
        Further environment variables of the process.

    Returns
    -------
    subprocess.CompletedProcess
        The process, with its output in bytes.

    Raises
    ------
    subprocess.TimeoutExpired
        If the process takes longer.
    """
    # `python -m octsk` imports this module while the working folder is still on the path.
    import subprocess

    return subprocess.run(
        # With -P, nothing is imported from the script's folder or the working folder.
        [sys.executable, "-P", script, *arguments],
        stdin=subprocess.DEVNULL,  # with PYTHONINSPECT, Python reads from it
        capture_output=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(outside_working_folder()),
            "OPENBLAS_NUM_THREADS": "1",  # each thread takes memory
            **environment,
        },
        timeout=timeout,
        check=False,
    )


def _real(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))


@contextmanager
def starting_processes() -> Iterator[None]:
    """Let joblib start workers that do not import modules from the working folder.

    joblib may replace a worker at any time. Therefore, during the whole block, new Python
    processes start without that folder in their path. Workers then copy the path of this
    process, in which the folder is moved to the end, so that they still find modules next
    to a notebook. joblib also needs ``sys.stdout`` and ``sys.stderr``; see
    `standard_streams`.
    """
    global _n_starting
    with _lock:
        if not _n_starting:
            _undo.enter_context(standard_streams())
            _keep_out_working_folder(_undo)
        _n_starting += 1
    try:
        yield
    finally:
        with _lock:
            _n_starting -= 1
            if not _n_starting:
                _undo.close()


def _keep_out_working_folder(undo: ExitStack) -> None:
    if "PYTHONSAFEPATH" not in os.environ:
        os.environ["PYTHONSAFEPATH"] = "1"
        undo.callback(os.environ.pop, "PYTHONSAFEPATH", None)
    before, first = sys.path[:], outside_working_folder()
    arranged = first + [entry for entry in before if entry not in first]

    def restore():
        # Other code may have changed the path in the meantime.
        if sys.path == arranged:
            sys.path[:] = before

    sys.path[:] = arranged
    undo.callback(restore)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Replace standard streams that are None by the null device during the block.

    They are None in programs without a console and in some services. Child processes
    inherit the replacements. Otherwise the files that child processes open could get the
    descriptors of stdout and stderr.
    """
    with ExitStack() as undo:
        for name, mode in {"stdin": "r", "stdout": "w", "stderr": "w"}.items():
            if getattr(sys, name) is None:
                stream = undo.enter_context(open(os.devnull, mode))
                os.set_inheritable(stream.fileno(), True)
                setattr(sys, name, stream)
                undo.callback(setattr, sys, name, None)
        yield
