"""Division of the CPU cores among the processes of a parallel search."""

import multiprocessing
import os
import socket

# Abstract socket name that claims a core. The system releases it when the process ends.
_CLAIM = "\0octsk-core-{}"
_claims: list[socket.socket] = []


def share_cores() -> None:
    """Bind a worker process of joblib to its share of the cores.

    joblib limits the threads of NumPy and scikit-learn in its workers, but not those of
    TensorFlow, so n workers on n cores run n x n threads. Limiting TensorFlow's threads is
    not a solution: it sums the weight gradients of a convolution in as many parts as it has
    threads, so a parallel search would yield other scores than a serial one.

    Therefore a worker keeps the number of threads of a serial search, but is bound to as
    many cores as joblib grants it, which no other worker uses. This function must be called
    before TensorFlow starts its threads. On macOS and Windows, which cannot bind a process
    to cores, the operating system distributes the threads.
    """
    worker = multiprocessing.current_process().name.startswith("LokyProcess")
    granted = os.environ.get("OMP_NUM_THREADS", "")
    if worker and granted.isdigit():
        claim_cores(int(granted))


def is_bound() -> bool:
    """Return whether this process has claimed its cores."""
    return bool(_claims)


def claim_cores(n: int) -> bool:
    """Bind this process to `n` cores that no other process has claimed.

    Parameters
    ----------
    n : int
        Number of cores.

    Returns
    -------
    bool
        Whether the process is now bound. It is not bound if the system has no more than
        `n` cores, if fewer than `n` cores are free, or if the system cannot bind processes.
    """
    if not hasattr(os, "sched_setaffinity"):
        return False
    cores = sorted(os.sched_getaffinity(0))
    free = []
    for core in cores if n < len(cores) else []:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(_CLAIM.format(core))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        free.append(core)
        if len(free) == n:
            # This is the default number of TensorFlow's threads in an unbound process.
            os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(len(cores)))
            os.sched_setaffinity(0, free)
            return True
    while _claims:
        _claims.pop().close()
    return False
