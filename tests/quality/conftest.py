"""Great Expectations is imported once, and no test of the gate may reach for a network."""

import socket

import pytest

from quality.gx_repairs import quietly_imported


@pytest.fixture(scope="session")
def gx() -> object:
    """The `great_expectations` module; its import takes seconds."""
    return quietly_imported()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: socket.socket, address: object) -> None:
        pytest.fail(f"reached for {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
