"""No test reaches the network, by itself or by a process of its own."""

import socket
import subprocess
import sys

import pytest

# An address of RFC 5737, which nobody has: a test that got through would wait, not pass.
CONNECT = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"


def test_connections_and_look_ups_are_refused():
    with pytest.raises(RuntimeError, match=r"must not reach.*192\.0\.2\.1"):
        exec(CONNECT)
    with pytest.raises(RuntimeError, match=r"must not reach.*example\.org"):
        socket.getaddrinfo("example.org", 443)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        pytest.raises(RuntimeError, match="must not reach"),
    ):
        datagrams.sendto(b"", ("192.0.2.1", 80))


def test_connections_of_processes_are_refused():
    run = subprocess.run([sys.executable, "-c", CONNECT], capture_output=True, text=True)
    assert run.returncode == 1
    assert "RuntimeError: tests must not reach the network" in run.stderr


def test_this_machine_is_no_network():
    with (
        socket.create_server(("localhost", 0)) as server,
        socket.create_connection(server.getsockname()[:2], timeout=5),
    ):
        pass
