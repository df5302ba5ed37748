"""A way to one checked address for clients that take a host's name and resolve it themselves, but can be given a proxy.

It listens on this machine alone and leads nowhere but to that address: a client that is redirected to another host comes here too, and
is refused. TLS is between the client and the server: the certificate's name stays the host's, and nothing can be read on the way.
"""

import socket
import threading
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import cast
from urllib.parse import urlsplit

CONNECT_SECONDS = 10
CHUNK = 256 << 10


class Tunnel:
    """Open until it is closed; `url` is the proxy that the client is to be told, `host` the name that it may ask for."""

    def __init__(self, host: str, address: str, port: int) -> None:
        self._server = _Server(host, address, port)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="tunnel", daemon=True)
        self._thread.start()

    @property
    def strayed(self) -> bool:
        """Whether the client was led to ask for another host."""
        return self._server.strayed

    def close(self) -> None:
        """Take no more connections; those that are open end with their client's."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, address: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self.named = host.lower(), port
        self.there = address, port
        self.strayed = False


class _Client(StreamRequestHandler):
    rbufsize = 0  # what follows a CONNECT belongs to the server

    def handle(self) -> None:
        """Answer what a client asks a proxy for: CONNECT (RFC 9110, 9.3.6), or GET and HEAD of a whole URL (RFC 9112, 3.2.2)."""
        with suppress(OSError):
            method, target, head = self._request()
            if method not in ("CONNECT", "GET", "HEAD"):
                self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT, GET, HEAD\r\n\r\n")
            elif self._is_there(method, target):
                self._pass_on(method, target, head)

    def _request(self) -> tuple[str, str, list[bytes]]:
        """Method and target of the next request, and its head without the first line; empty if there is none."""
        first = self.rfile.readline(CHUNK)
        head = []
        while line := self.rfile.readline(CHUNK):
            head.append(line)
            if not line.strip():
                break
        method, _, rest = first.decode("latin-1").partition(" ")
        return method, rest.partition(" ")[0], head

    def _is_there(self, method: str, target: str) -> bool:
        """Whether the target is the server; another is refused."""
        server = cast("_Server", self.server)
        with suppress(ValueError):  # it names no host
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            if ((parts.hostname or "").lower(), parts.port or 80) == server.named:
                return True
        server.strayed = True
        self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return False

    def _pass_on(self, method: str, target: str, head: list[bytes]) -> None:
        try:
            far = socket.create_connection(cast("_Server", self.server).there, CONNECT_SECONDS)
        except OSError:
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with far:
            far.settimeout(None)
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pour, args=(far, self.connection), name="tunnel-back", daemon=True)
            back.start()
            if method == "CONNECT":
                _pour(self.connection, far)
            else:
                self._ask(far, method, target, head)
            back.join(CONNECT_SECONDS)
            far.shutdown(socket.SHUT_RDWR)  # a server that is silent would keep the thread

    def _ask(self, far: socket.socket, method: str, target: str, head: list[bytes]) -> None:
        """Send the requests of one connection on as the server wants them: each with its path alone."""
        with suppress(OSError):
            while method in ("GET", "HEAD") and self._is_there(method, target):
                parts = urlsplit(target)
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                far.sendall(f"{method} {path} HTTP/1.1\r\n".encode("latin-1") + b"".join(head))
                method, target, head = self._request()
        with suppress(OSError):
            far.shutdown(socket.SHUT_WR)


def _pour(source: socket.socket, sink: socket.socket) -> None:
    """Pass bytes on until the source has no more, and say so to the sink."""
    with suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
