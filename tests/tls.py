"""Certificates for one test, and a proxy that adds TLS to a server without TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path

from tests.tools import need


class Authority:
    """A certificate authority, with one server certificate for a name."""

    def __init__(self, folder: Path, name: str = "IP:127.0.0.1") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = folder / "ca.pem"
        self._key, self.server = folder / "ca.key", folder / "server.pem"
        self.server_key = folder / "server.key"
        openssl = need("openssl", "openssl")
        new = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        authority = ["-subj", "/CN=kontrib test CA", "-addext", "keyUsage=critical,keyCertSign"]
        _run(*new, *authority, "-keyout", str(self._key), "-out", str(self.certificate))
        names = ["-subj", "/CN=server", "-addext", f"subjectAltName={name}"]
        leaf = ["-addext", "basicConstraints=critical,CA:FALSE"]
        signer = ["-CA", str(self.certificate), "-CAkey", str(self._key)]
        out = ["-keyout", str(self.server_key), "-out", str(self.server)]
        _run(*new, *names, *leaf, *signer, *out)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


class TlsProxy:
    """Takes TLS on `port` and passes the bytes on to a server on this machine."""

    def __init__(self, authority: Authority, target_port: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(authority.server, authority.server_key)
        self.target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.handshakes = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                threading.Thread(target=self._handle, args=(raw,), daemon=True).start()

    def _handle(self, raw: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client = self._context.wrap_socket(raw, server_side=True)
            self.handshakes += 1
            server = socket.create_connection(("127.0.0.1", self.target_port))
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.close()
