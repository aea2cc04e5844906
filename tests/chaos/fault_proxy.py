"""A TCP proxy that breaks the connection between a client and a server on demand.

with TcpProxy(("127.0.0.1", 6379)) as proxy:
    clients connect to proxy.port
    with proxy.fault(Fault.BLACK_HOLE):
        ...
"""

from __future__ import annotations

import contextlib
import enum
import socket
import struct
import threading
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 65_536
_LINGER_NOTHING = struct.pack("ii", 1, 0)


class Fault(enum.Enum):
    """The faults of new and open connections."""

    NONE = "none"
    BLACK_HOLE = "black hole"
    """Connections are accepted and bytes are swallowed.

    A connection that lost bytes stays dead after the fault, as if a firewall had forgotten it. The
    client notices this only by a timeout.
    """

    REFUSED = "refused"
    RESET = "reset"
    """Connections are accepted, and reset at once."""


class TcpProxy:
    """Forwards connections to a server, in threads of this process."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._fault = Fault.NONE
        self.hits = 0
        """The number of connections that the current fault has hit."""
        self._lock = threading.Lock()
        self._connections: set[_Connection] = set()
        self._listener = _listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._accept_from(self._listener)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def __enter__(self) -> TcpProxy:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextlib.contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        """Break the connection while the block runs."""
        self.switch(fault)
        try:
            yield
        finally:
            self.switch(Fault.NONE)

    def switch(self, fault: Fault) -> None:
        before, self._fault = self._fault, fault
        self.hits = self.hits if fault is Fault.NONE else 0
        if fault is Fault.REFUSED:
            _close_listener(self._listener)
        elif before is Fault.REFUSED:
            self._listener = _listen(self.port)
            self._accept_from(self._listener)
        if fault in (Fault.REFUSED, Fault.RESET):
            self._reset_all()

    def close(self) -> None:
        _close_listener(self._listener)
        self._reset_all()

    def _reset_all(self) -> None:
        with self._lock:
            connections, self._connections = self._connections, set()
        self.hits += len(connections)
        for connection in connections:
            connection.reset()

    def _accept_from(self, listener: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # the listener was closed
            if self._fault is Fault.RESET:
                _reset(client)
                continue
            connection = _Connection(self, client)
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=connection.run, args=(self._target,), daemon=True).start()

    def swallows(self) -> bool:
        """Whether the bytes that just arrived are lost, together with their connection."""
        swallowed = self._fault is Fault.BLACK_HOLE
        self.hits += swallowed
        return swallowed

    def forget(self, connection: _Connection) -> None:
        with self._lock:
            self._connections.discard(connection)


class _Connection:
    """One client and its connection to the server."""

    def __init__(self, proxy: TcpProxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server: socket.socket | None = None
        self._dead = False

    def run(self, target: tuple[str, int]) -> None:
        try:
            self._server = socket.create_connection(target, timeout=10)
            self._server.settimeout(None)
        except OSError:
            self.reset()
            return
        back = threading.Thread(target=self._pump, args=(self._server, self._client), daemon=True)
        back.start()
        self._pump(self._client, self._server)
        back.join()
        self._proxy.forget(self)

    def reset(self) -> None:
        for end in (self._client, self._server):
            if end is not None:
                _reset(end)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while chunk := source.recv(CHUNK_BYTES):
                self._dead = self._dead or self._proxy.swallows()
                if not self._dead:
                    target.sendall(chunk)
            if not self._dead:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            self.reset()


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    listener.listen(128)
    return listener


def _close_listener(listener: socket.socket) -> None:
    # Without this a thread that waits in `accept` keeps the port open.
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _reset(end: socket.socket) -> None:
    """Close with RST instead of FIN, and wake the threads that read from it."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOTHING)
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RD)
    end.close()
