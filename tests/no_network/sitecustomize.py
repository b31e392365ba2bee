"""Tests reach no network: every Python that they start reads this file first.

`conftest.py` runs it in their own process and puts its folder on the path of others.
"""

import socket
import sys

LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname"}
SENDINGS = {"socket.connect", "socket.sendto"}


def refuse(event, arguments):
    """Raise where a name is looked up or bytes are sent beyond this machine."""
    if event in LOOK_UPS:
        host = arguments[0]
    elif event in SENDINGS and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host or ""
    if host not in ("", "localhost", "::1") and not host.startswith("127."):
        # No OSError, which the code under test may rightly catch.
        raise RuntimeError(f"tests must not reach the network, and one asks for {host}")


sys.addaudithook(refuse)
