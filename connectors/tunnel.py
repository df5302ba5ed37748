"""A way to one checked address for clients that take a host's name and resolve it themselves, but can be given a proxy.

It listens on this machine alone and leads nowhere but to that address, whatever a client asks it for. TLS is between the client and the
server: the certificate's name stays the host's, and nothing can be read on the way.
"""

import socket
import threading
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import cast

CONNECT_SECONDS = 10
CHUNK = 256 << 10


class Tunnel:
    """Open until it is closed; `url` is the proxy that the client is to be told."""

    def __init__(self, address: str, port: int) -> None:
        self._server = _Server(address, port)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="tunnel", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections; those that are open end with their client's."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self.there = address, port


class _Client(StreamRequestHandler):
    rbufsize = 0  # what follows the request belongs to the server

    def handle(self) -> None:
        """Read one CONNECT request (RFC 9110, 9.3.6), then pass bytes on both ways."""
        with suppress(OSError):
            asked = self.rfile.readline(4096)
            while self.rfile.readline(4096).strip():
                pass
            if not asked.startswith(b"CONNECT "):
                self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\n\r\n")
                return
            try:
                far = socket.create_connection(cast("_Server", self.server).there, CONNECT_SECONDS)
            except OSError:
                self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            with far:
                far.settimeout(None)
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_pour, args=(far, self.connection), name="tunnel-back", daemon=True)
                back.start()
                _pour(self.connection, far)
                back.join()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    """Pass bytes on until the source has no more, and say so to the sink."""
    with suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
