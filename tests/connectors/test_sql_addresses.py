"""Which database addresses are opened, where the connection then goes, and whose certificate is believed."""

import datetime
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import servers
from certificates import certificate
from sqlalchemy import make_url

from connectors import open_source
from connectors.guard import Guard
from schemas.contract import Source
from schemas.errors import ContractInvalid, SourceDenied, SourceMissing

HERE = Guard(resolve=lambda _host, _port: ("127.0.0.1",))
TRICKS = (
    "postgresql:///civil", "postgresql:///civil?host=/tmp", "postgresql://%2Ftmp/civil", "postgresql://db.example/civil?host=evil",
    "postgresql://db.example,evil.example/civil", "postgresql://db.example:5432,evil:5432/civil", "postgresql://db.example/civil?service=x",
    "postgresql://db.example/civil?hostaddr=10.0.0.1", "postgresql://db.example/civil?options=-c%20log_statement%3Dall",
    "postgresql://db.example/civil?passfile=/etc/passwd", "postgresql://db.example/civil?sslrootcert=/etc/passwd",
    "postgresql://db.example/host=evil%20dbname=x", "postgresql://db.example/postgresql://evil/x", "postgresql://db.example/",
    "postgresql://u:p@db.example/civil", "postgresql://db.example/civil?sslmode=disable", "mysql://db.example/m?local_infile=1",
    "mysql://db.example/m?init_command=SELECT%201", "mysql://db.example/m?unix_socket=/run/mysqld.sock", "mysql:///m",
    "mysql://db.example/m?read_default_file=/etc/my.cnf", "mysql://127.1/m", "mysql://0x7f000001/m", "mysql+mysqlconnector://a,b/m",
    "redis://db.example/x", "mssql://db.example/x?odbc_connect=DSN%3Dy", "oracle://a,b/x", "mssql://%2Frun/x", "opengauss:///civil",
    "oracle://db.example/x)(HOST=evil.example)", "sqlite://server/share.db?mode=rwc", "no url at all",
)  # fmt: skip


@pytest.mark.parametrize("url", TRICKS)
def test_an_address_that_says_more_than_where_is_refused_before_anything_is_resolved(url: str) -> None:
    def never(host: str, _port: int) -> tuple[str, ...]:
        raise AssertionError(f"{host} was resolved")

    with pytest.raises(ContractInvalid):
        open_source(Source("sql", url, "t"), secret=str, root=Path(), guard=Guard(resolve=never))


@pytest.mark.parametrize(
    "url", ["postgresql://db.example/civil affairs", "mysql://10.1.2.3:3307/市场", "mysql://[fd00::1]/m"]
)
def test_a_plain_address_is_opened_without_asking_for_its_secret(url: str) -> None:
    def never(_reference: str) -> str:
        raise AssertionError("the secret was looked up")

    open_source(Source("sql", url, "t", secret="env:DB"), secret=never, root=Path()).close()


@pytest.mark.parametrize("url", ["postgresql://db.example/civil", "mysql://db.example/civil"])
def test_an_address_that_leads_elsewhere_is_refused_before_the_secret_is_looked_up(url: str) -> None:
    def never(_reference: str) -> str:
        raise AssertionError("the secret was looked up")

    lying = Guard(resolve=lambda _host, _port: ("169.254.169.254",))
    source = Source("sql", url, "t", secret="env:DB")
    with (
        open_source(source, secret=never, root=Path(), guard=lying) as database,
        pytest.raises(SourceDenied, match=r"db\.example leads to 169\.254\.169\.254"),
    ):
        database.probe()


def renamed(url: str, host: str) -> tuple[Source, str]:
    """The source under another host name, and its account."""
    bare, account = servers.account(url)
    at = make_url(bare).set(host=host).render_as_string()
    return Source("sql", at, "people", secret="env:DB"), account


def read_by_name(url: str) -> tuple[list[str], int]:
    """What is read of a database under a made-up name, and how often the name was resolved."""
    asked: list[str] = []

    def once(host: str, _port: int) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",) if len(asked) == 1 else ("127.0.0.99",)

    source, account = renamed(url, "db.department.example")
    with open_source(source, secret=lambda _: account, root=Path(), guard=Guard(resolve=once)) as database:
        database.probe()
        names = [str(name) for name in database.sample("people", 5).column("name").to_pylist()]
        with database.read((), None) as reading:
            rows = sum(batch.num_rows for part in reading.parts() for batch in part.batches or ())
    assert rows == len(names)
    return names, len(asked)


@pytest.mark.needs_postgres
def test_postgresql_is_resolved_once_and_every_session_goes_to_that_address(postgres_url: str) -> None:
    with servers.database(postgres_url, "by name") as url:
        servers.execute(url, "CREATE TABLE people (name text)", "INSERT INTO people VALUES ('张三')")
        assert read_by_name(url) == (["张三"], 1)


@pytest.mark.needs_mariadb
def test_mariadb_is_resolved_once_and_every_session_goes_to_that_address(mariadb_url: str) -> None:
    with servers.database(mariadb_url, "by name") as url:
        servers.execute(
            url, "CREATE TABLE people (name varchar(9)) CHARSET utf8mb4", "INSERT INTO people VALUES ('张三')"
        )
        assert read_by_name(url) == (["张三"], 1)


@pytest.mark.needs_postgres
@pytest.mark.needs_mariadb
@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_a_server_without_tls_is_not_spoken_to_where_tls_is_wanted(
    postgres_url: str, mariadb_url: str, mode: str
) -> None:
    for url in (postgres_url, mariadb_url):
        bare, account = servers.account(url)
        source = Source("sql", bare, "t", secret="env:DB", options={"sslMode": mode})
        with (
            open_source(source, secret=lambda _, account=account: account, root=Path()) as database,
            pytest.raises(SourceDenied, match="no TLS connection that can be trusted"),
        ):
            database.tables()


Greeter = Callable[[socket.socket, ssl.SSLContext], None]


def postgresql(line: socket.socket, context: ssl.SSLContext) -> None:
    """Agree to TLS; tell whoever then comes that the password is wrong."""
    line.recv(8)
    line.sendall(b"S")
    with context.wrap_socket(line, server_side=True) as safe:
        safe.recv(4096)
        fields = b"SFATAL\0C28P01\0Mpassword authentication failed\0\0"
        safe.sendall(b"E" + struct.pack(">i", len(fields) + 4) + fields)


def mysql(line: socket.socket, context: ssl.SSLContext) -> None:
    """Greet as a server with TLS; tell whoever then comes that the password is wrong."""
    flags = 0x00000200 | 0x00000800 | 0x00008000 | 0x00080000  # 4.1 protocol, TLS, secure and plugin authentication
    greeting = b"\x0a10.11.0\0" + b"\1\0\0\0" + b"a" * 8 + b"\0" + struct.pack("<H", flags & 0xFFFF) + b"\x2d" + b"\2\0"
    greeting += struct.pack("<H", flags >> 16) + b"\x15" + b"\0" * 10 + b"b" * 12 + b"\0mysql_native_password\0"
    line.sendall(struct.pack("<I", len(greeting))[:3] + b"\0" + greeting)
    line.recv(36)
    with context.wrap_socket(line, server_side=True) as safe:
        safe.recv(4096)
        error = b"\xff" + struct.pack("<H", 1045) + b"#28000no"
        safe.sendall(struct.pack("<I", len(error))[:3] + b"\x03" + error)


@contextmanager
def listening(greet: Greeter, files: tuple[Path, Path]) -> Iterator[int]:
    """A server that begins a conversation and ends it; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    line, _ = door.accept()
                    with line, suppress(OSError):
                        line.settimeout(5)
                        greet(line, context)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield door.getsockname()[1]
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The certificate of db.civil.example and its key, in a folder that serves as drop root."""
    return certificate(tmp_path_factory.mktemp("tls"), "db.civil.example", datetime.datetime.now(datetime.UTC))


@pytest.mark.parametrize(("scheme", "greet"), [("postgresql", postgresql), ("mysql", mysql)])
@pytest.mark.parametrize(
    ("host", "options", "trusted"),
    [
        ("db.civil.example", {"sslMode": "verify-full", "sslRootCert": "server.pem"}, True),
        ("other.example", {"sslMode": "verify-full", "sslRootCert": "server.pem"}, False),
        ("other.example", {"sslMode": "verify-ca", "sslRootCert": "server.pem"}, True),
        ("db.civil.example", {"sslMode": "verify-full"}, False),
        ("other.example", {"sslMode": "require"}, True),
    ],
)
def test_a_certificate_is_checked_for_the_registered_name_not_for_the_address(
    scheme: str, greet: Greeter, host: str, options: dict[str, str], trusted: bool, tls: tuple[Path, Path]
) -> None:
    with listening(greet, tls) as port:
        source = Source("sql", f"{scheme}://{host}:{port}/civil", "t", secret="env:DB", options=options)
        with (
            open_source(source, secret=lambda _: "reader:pw", root=tls[0].parent, guard=HERE) as database,
            pytest.raises(SourceDenied) as told,
        ):
            database.tables()
    assert ("refused the account" if trusted else "no TLS connection that can be trusted") in str(told.value)


def test_a_certificate_file_stays_below_the_drop_root(tmp_path: Path) -> None:
    for name, error in (("../ca.pem", SourceDenied), ("/etc/passwd", SourceDenied), ("absent.pem", SourceMissing)):
        options = {"sslMode": "verify-full", "sslRootCert": name}
        source = Source("sql", "postgresql://db.example/civil", "t", options=options)
        with open_source(source, secret=str, root=tmp_path, guard=HERE) as database, pytest.raises(error):
            database.tables()


@pytest.mark.parametrize(
    "options", [{"sslMode": "disable"}, {"sslRootCert": "ca.pem"}, {"sslMode": "require", "sslRootCert": "x"}]
)
def test_tls_options_that_would_protect_nothing_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ContractInvalid, match=r"sslMode|sslRootCert"):
        open_source(Source("sql", "mysql://db.example/m", "t", options=options), secret=str, root=Path())
