"""Processes of a search take cores of their own."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs a system that binds processes to cores, and two cores",
)

CLAIM = """
import os, sys
from octsk.utils import cores as _cores
_cores._CLAIM += sys.argv[2]  # other tests on this machine may claim cores as well
print(_cores.claim_cores(int(sys.argv[1])), *sorted(os.sched_getaffinity(0)), flush=True)
print(os.environ.get("TF_NUM_INTRAOP_THREADS"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def claim():
    """Start a process that claims cores: return it, its answer, cores and threads."""
    running = []

    def start(n):
        process = subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(n), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("TF_NUM")},
        )
        running.append(process)
        answer, *cores = process.stdout.readline().split()
        threads = process.stdout.readline().strip()
        return process, answer == "True", {int(core) for core in cores}, threads

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_processes_claim_different_cores_until_they_end(claim):
    cores = os.sched_getaffinity(0)
    half = len(cores) // 2
    first, bound, firsts, threads = claim(half)
    assert bound
    assert len(firsts) == half
    # As many threads as a process that is not bound.
    assert threads == str(len(cores))
    _, bound, seconds, _ = claim(half)
    assert bound
    assert not firsts & seconds
    _, bound, thirds, threads = claim(len(cores) - half)
    if len(cores) == 2 * half:
        assert not bound
        assert thirds == cores
        assert threads == "None"
    first.kill()
    first.communicate()
    assert claim(half)[2] == firsts


SPINS = """
import sys
from octsk.utils import cores as _cores
_cores._CLAIM += sys.argv[2]
_cores.claim_cores(int(sys.argv[1]))
from octsk.utils.tensorflow import tf
from tensorflow.python.eager import context
tf.zeros(1)  # starts the threads
print(context.context().config.experimental.disable_thread_spinning)
"""


@pytest.mark.slow
@pytest.mark.parametrize("shares", [True, False])
def test_idle_threads_leave_a_shared_core_to_others(shares):
    n = 1 if shares else len(os.sched_getaffinity(0))
    command = [sys.executable, "-c", SPINS, str(n), str(os.getpid())]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.stdout == f"{shares}\n"


def test_all_cores_need_no_claim(claim):
    cores = os.sched_getaffinity(0)
    assert claim(len(cores))[1:3] == (False, cores)
    assert claim(1)[1]
