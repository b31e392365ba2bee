"""A share of the cores for each process of a parallel search."""

import multiprocessing
import os
import socket

# A name that is no file, one process's alone and free again when it ends.
_CLAIM = "\0octsk-core-{}"
_claims: list[socket.socket] = []


def share_cores() -> None:
    """Keep a worker process of joblib to its share of the cores.

    joblib limits the threads of NumPy and scikit-learn in its workers, but not
    TensorFlow's: n workers on n cores run n x n threads. Fewer threads would be no way
    out. TensorFlow sums the gradient of a convolution's weights in as many parts as it
    has threads, so that a parallel search would give other scores than a serial one.

    So a worker keeps the number of threads of a serial search and is bound to as many
    cores as joblib grants it, which no other worker has. To be called before TensorFlow
    starts its threads. Where a process cannot be bound to cores (macOS, Windows), the
    system shares them out.
    """
    worker = multiprocessing.current_process().name.startswith("LokyProcess")
    granted = os.environ.get("OMP_NUM_THREADS", "")
    if worker and granted.isdigit():
        claim_cores(int(granted))


def is_bound() -> bool:
    """Say whether this process has claimed its cores."""
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
        Whether it is bound now. It is not where `n` cores are all there are or fewer
        are free, or where the system knows no such thing.
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
            # As many as TensorFlow takes by itself where no process is bound.
            os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(len(cores)))
            os.sched_setaffinity(0, free)
            return True
    while _claims:
        _claims.pop().close()
    return False
