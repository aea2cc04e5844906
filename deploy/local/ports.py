"""Free ports on the loopback interface, for services that keep the same port across restarts."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection

from deploy.local.errors import LocalStackError
from deploy.local.service import LOOPBACK

# Systems take ports for outgoing connections from a higher range. So a port stays free while its
# service restarts.
_PORTS = range(20_000, 32_000)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(taken: Collection[int]) -> int:
    """
    Raises:
        LocalStackError: no port of the range is free.
    """
    for port in random.sample(_PORTS, k=200):
        if port not in taken and is_free(port):
            return port
    raise LocalStackError(f"No free port between {_PORTS.start} and {_PORTS.stop} on {LOOPBACK}.")
