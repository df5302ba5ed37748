"""Where a contract's address may lead: form, resolution, and that the connection goes to what was checked."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
import servers
from certificates import certificate
from http_servers import http_server

from connectors import open_source
from connectors.guard import Guard
from schemas.contract import Source
from schemas.errors import ContractInvalid, SourceDenied, SourceUnreachable, Stop

PRODUCTION = Guard.of("10.20.0.0/16, db.civil.example, *.gov.example, fd12::/16", production=True)
TRICKS = (
    "127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "017700000001", "0177.0.0.1", "127.0.0.01", "１２７.0.0.1", "①②⑦.⓪.⓪.①",
    "fe80::1%eth0", "a,b", "db.example,10.20.0.1", "/run", "%2Frun", "", "..", "a..b", "-a.example", "host name", "a\n.example",
    "user@host", "host:5432", "[::1]", "\\\\server\\share", "a" * 64 + ".example",
)  # fmt: skip


def resolving(*answers: str) -> Callable[[str, int], tuple[str, ...]]:
    return lambda _host, _port: answers


@pytest.mark.parametrize("host", TRICKS)
@pytest.mark.parametrize("guard", [Guard(), PRODUCTION], ids=["open", "production"])
def test_a_host_that_is_no_plain_name_or_address_is_refused_by_its_form(guard: Guard, host: str) -> None:
    with pytest.raises(ContractInvalid):
        guard.check(host)


NEVER = (
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.23", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1",  # noqa: S104 - to be refused
    "255.255.255.255", "240.0.0.1", "::", "fe80::1", "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254",
)  # fmt: skip


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("guard", [Guard(), Guard.of("0.0.0.0/0 ::/0", production=True)], ids=["open", "production"])
def test_no_setting_opens_an_address_that_no_source_has(guard: Guard, address: str) -> None:
    with pytest.raises(ContractInvalid, match="no source's address"):
        guard.check(address)
    lying = Guard(guard.production, guard.networks, ("liar.example",), resolve=resolving(address))
    with pytest.raises(SourceDenied, match="no source's address"):
        lying.address("liar.example", 80)


LOOPBACK = ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::")


@pytest.mark.parametrize("address", LOOPBACK)
def test_this_machine_is_reached_in_development_and_never_in_production(address: str) -> None:
    Guard().check(address)
    named = Guard.of("127.0.0.0/8, ::/0, here.example", production=True)
    with pytest.raises(ContractInvalid, match="this machine"):
        named.check(address)
    lying = Guard(True, named.networks, named.names, resolve=resolving(address))
    with pytest.raises(SourceDenied, match="this machine"):
        lying.address("here.example", 80)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "db.localhost"])
def test_localhost_is_refused_in_production_before_it_is_resolved(name: str) -> None:
    Guard().check(name)
    with pytest.raises(ContractInvalid, match="this machine"):
        Guard.of("localhost, *.localhost", production=True).check(name)


def test_production_wants_every_address_named() -> None:
    for good in (
        "10.20.3.4",
        "db.civil.example",
        "DB.Civil.Example.",
        "a.b.gov.example",
        "fd12::9",
        "::ffff:10.20.0.1",
    ):
        PRODUCTION.check(good)
    for bad in ("10.21.0.1", "192.168.1.1", "8.8.8.8", "fd13::1", "::ffff:10.21.0.1"):
        with pytest.raises(ContractInvalid, match="HUB_REACHABLE"):
            PRODUCTION.check(bad)
    only_names = Guard.of("*.gov.example", production=True)
    for bad in ("gov.example", "evilgov.example", "db.civil.example"):
        with pytest.raises(ContractInvalid, match="HUB_REACHABLE"):
            only_names.check(bad)
    with pytest.raises(ContractInvalid, match="HUB_REACHABLE"):
        Guard(production=True).check("db.example")


def test_an_unnamed_name_is_judged_by_its_addresses_and_only_good_ones_are_used() -> None:
    PRODUCTION.check("other.example")
    mixed = resolving("169.254.169.254", "10.20.0.7", "127.0.0.1")
    assert Guard(True, PRODUCTION.networks, resolve=mixed).address("other.example", 5432) == "10.20.0.7"
    outside = Guard(True, PRODUCTION.networks, resolve=resolving("8.8.8.8"))
    with pytest.raises(SourceDenied, match=r"other\.example leads to 8\.8\.8\.8.*HUB_REACHABLE"):
        outside.address("other.example", 5432)


def test_without_a_list_a_developer_reaches_all_ordinary_addresses() -> None:
    for host in ("8.8.8.8", "192.168.1.1", "db.anything", "城市.中国", "xn--fsqu00a.example"):
        Guard().check(host)
    assert Guard(resolve=resolving("192.168.7.7")).address("db.anything", 1) == "192.168.7.7"
    listed = Guard.of("10.20.0.0/16", production=False)
    listed.check("127.0.0.1")
    with pytest.raises(ContractInvalid, match="HUB_REACHABLE"):
        listed.check("10.21.0.1")


def test_a_name_without_address_is_unreachable_and_a_list_that_is_none_says_so() -> None:
    def silent(_host: str, _port: int) -> tuple[str, ...]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(SourceUnreachable, match=r"nowhere\.example has no address"):
        Guard(resolve=silent).address("nowhere.example", 1)
    with pytest.raises(Stop, match=r"HUB_REACHABLE: '10\.20\.0\.0/99'"):
        Guard.of("10.20.0.0/99", production=True)


class Rebinding:
    """A name server whose first answer is harmless, and every further one the attacker's."""

    def __init__(self, first: str, then: str) -> None:
        self.answers = [first]
        self.then = then
        self.asked = 0

    def __call__(self, _host: str, _port: int) -> tuple[str, ...]:
        self.asked += 1
        return (self.answers.pop() if self.answers else self.then,)


def test_an_api_is_resolved_once_so_a_name_that_rebinds_changes_nothing() -> None:
    heard: list[str] = []

    def answer(path: str, query: dict[str, str], _token: str) -> tuple[int, bytes]:
        heard.append(path)
        return 200, b'{"items": [{"id": 1}], "total": 3}' if query["page"] == "1" else b'{"items": []}'

    names = Rebinding("127.0.0.1", "127.0.0.99")  # nobody listens there
    with http_server(answer) as port:
        options = {"records": "items", "pagination": {"kind": "page"}}
        source = Source("rest", f"http://api.example:{port}", "v1", options=options)
        with open_source(source, secret=str, root=Path(), guard=Guard(resolve=names)) as api:
            assert api.sample("v1", 5).num_rows == 1
    assert heard == ["/v1", "/v1"]
    assert names.asked == 1


def test_the_host_header_stays_the_registered_name() -> None:
    guard = Guard(resolve=resolving("127.0.0.1"))
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        with httpx.Client(transport=guard.transport(), timeout=5) as client:
            heard: list[bytes] = []

            def listen() -> None:
                line, _ = door.accept()
                with line:
                    heard.append(line.recv(4096))
                    line.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

            thread = threading.Thread(target=listen)
            thread.start()
            assert client.get(f"http://api.example:{port}/x").status_code == 204
            thread.join()
    assert f"host: api.example:{port}".encode() in heard[0].lower()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for db.civil.example, and its key."""
    return certificate(tmp_path_factory.mktemp("tls"), "db.civil.example", datetime.datetime.now(datetime.UTC))


@pytest.mark.parametrize(("name", "good"), [("db.civil.example", True), ("other.example", False)])
def test_tls_checks_the_registered_name_though_the_connection_goes_to_the_address(
    authority: tuple[Path, Path], name: str, good: bool
) -> None:
    trusted, _ = authority
    guard = Guard(resolve=resolving("127.0.0.1"))
    with (
        http_server(lambda *_: (200, b"[]"), tls=authority) as port,
        httpx.Client(
            transport=guard.transport(lambda: ssl.create_default_context(cafile=str(trusted))), timeout=5
        ) as client,
    ):
        if good:
            assert client.get(f"https://{name}:{port}/").content == b"[]"
        else:
            with pytest.raises(httpx.ConnectError, match="certificate"):
                client.get(f"https://{name}:{port}/")


def test_a_socket_goes_to_the_first_good_address_that_answers() -> None:
    with http_server(lambda *_: (200, b"")) as port:
        guard = Guard(resolve=resolving("169.254.169.254", "127.0.0.99", "127.0.0.1"))
        with closing(guard.connect("ssh.example", port)) as line:
            assert line.getpeername() == ("127.0.0.1", port)
        assert ip_address(guard.address("ssh.example", port)).is_loopback
        assert guard.address("ssh.example", port) == "127.0.0.1"
    with pytest.raises(SourceUnreachable, match="does not answer"):
        guard.connect("ssh.example", servers.free_port())
