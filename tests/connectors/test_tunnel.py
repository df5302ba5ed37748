"""A tunnel leads to one host and refuses every other, whatever it is called."""

import socket
from urllib.parse import urlsplit

import pytest

from connectors.tunnel import Tunnel


@pytest.mark.parametrize("target", ["other.test:443", "[bad:443", "there.test:no-port", "there.test:444", ""])
def test_what_is_not_the_host_is_refused_and_noted(target: str, capfd: pytest.CaptureFixture[str]) -> None:
    tunnel = Tunnel("there.test", "127.0.0.1", 443)
    try:
        proxy = urlsplit(tunnel.url)
        assert proxy.hostname is not None
        with socket.create_connection((proxy.hostname, proxy.port or 0), timeout=10) as client:
            client.sendall(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
            answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert tunnel.strayed
    finally:
        tunnel.close()
    assert capfd.readouterr().err == ""
