"""Looking at a source before there is a contract: an address as people write it, what is there, and a few masked records.

An address is the name of a dataset in force, a database URL without password, an http(s) address, a file here or on an SFTP, S3 or
web server, or files of one kind by a pattern.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from connectors.formats.archives import ARCHIVES
from connectors.interface import Connector, Probe
from hub.core import Hub
from ledger import contracts
from schemas.contract import Contract, Source
from schemas.errors import Invalid, SourceDamaged
from schemas.masking import mask
from schemas.suggest import suggest

FILES = {".csv": "csv", ".tsv": "csv", ".xlsx": "xlsx", ".json": "jsonl", ".jsonl": "jsonl", ".parquet": "parquet"}
_SERVERS = {
    "postgresql": ("postgres", "postgresql+psycopg"),
    "postgres": ("postgres", "postgresql+psycopg"),
    "mysql": ("mysql", "mysql+pymysql"),
    "mariadb": ("mysql", "mysql+pymysql"),
}
_LISTS = (
    "data", "items", "records", "results", "result", "rows", "list",
    "data.items", "data.records", "data.list", "data.rows", "result.records", "result.list",
)  # fmt: skip
"""Where APIs are seen to keep their records, tried in this order when nobody says."""


@dataclass(frozen=True)
class Address:
    """A source that somebody named: how to connect, the ODCS server block that says the same, where its files lie."""

    source: Source
    server: dict[str, Any] = field(default_factory=dict)
    root: Path | None = None
    contract: Contract | None = None

    def open(self, hub: Hub) -> Connector:
        """The connector, not yet connected."""
        return hub.open_source(self.source, self.root)

    def with_options(self, given: Mapping[str, Any]) -> "Address":
        """The same source under these connector options."""
        return self.with_property("options", {**self.source.options, **given}) if given else self

    def with_property(self, name: Literal["options", "encoding"], value: Any) -> "Address":
        """The same source with this property, in the server block too."""
        kept = [p for p in self.server.get("customProperties", ()) if p["property"] != name]
        server = {**self.server, "customProperties": [*kept, _custom(name, value)]}
        return replace(self, source=replace(self.source, **{name: value}), server=server)


def find(
    hub: Hub, address: str, table: str = "", secret: str | None = None, options: Mapping[str, Any] | None = None
) -> Address:
    """What an address means.

    Raises:
        Invalid: it is nothing that can be read, or holds a password.
    """
    applied = contracts.applied(hub.ledger)
    if address in applied:
        contract = applied[address]
        return Address(replace(contract.source, table=table or contract.source.table), contract=contract)
    parts = urlsplit(address)
    if parts.password:
        raise Invalid("the URL holds a password", todo="leave it out and name it: --secret env:NAME")
    scheme = parts.scheme.partition("+")[0]
    if scheme in _SERVERS:
        found = _server(address, table, secret)
    elif scheme in ("sftp", "s3") or (scheme in ("http", "https") and _is_file(address)):
        found = _remote_file(address, secret)
    elif scheme in ("http", "https"):
        found = _api(address, table, secret)
    elif scheme and "://" in address:
        custom = [_custom("url", address), *([_custom("secretRef", secret)] if secret else [])]
        found = Address(Source("sql", address, table, secret=secret), {"type": "custom", "customProperties": custom})
    else:
        found = _file(hub, address)
    return found.with_options(options or {})


def probe(hub: Hub, address: Address) -> Probe:
    """Ask the source whether it answers, what is there, and how much of it."""
    with listed(hub, address).open(hub) as opened:
        return opened.probe()


def sample(hub: Hub, address: Address, n: int, *, unmask: bool = False) -> list[dict[str, str | None]]:
    """A few records as text; masked by the data element that the contract names or the values look like."""
    wanted_table(hub, address)
    with listed(hub, address).open(hub) as opened:
        found = opened.sample(opened.source.table, n)
    columns = {
        name: [None if v is None else str(v) for v in found.column(name).to_pylist()] for name in found.column_names
    }
    if not unmask:
        columns = {name: _masked(address.contract, name, values) for name, values in columns.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def wanted_table(hub: Hub, address: Address) -> None:
    """Raises Invalid with the tables there are, if a database was named without one."""
    if address.source.kind == "sql" and not address.source.table:
        with address.open(hub) as opened:
            raise Invalid("which table?", todo=f"--table with one of: {', '.join(opened.tables())}")


def listed(hub: Hub, address: Address) -> Address:
    """The address with the place of an API's records found out, where nobody named it."""
    if address.source.kind != "rest" or address.source.options.get("records"):
        return address
    for records in ("", *_LISTS):
        tried = address.with_options({"records": records} if records else {})
        try:
            with tried.open(hub) as opened:
                opened.sample(opened.source.table, 1)
        except SourceDamaged as error:
            refused = error
            continue
        return tried
    raise refused


def _masked(contract: Contract | None, name: str, values: list[str | None]) -> list[str | None]:
    if contract is not None:
        element = next((c.element for c in contract.columns if c.source == name), None)
    else:
        found = suggest(values, name=name)
        element = found[0].element if found else None
    return [None if v is None else mask(element, v) for v in values]


def _server(address: str, table: str, secret: str | None) -> Address:
    parts = urlsplit(address)
    kind, dialect = _SERVERS[parts.scheme.partition("+")[0]]
    port = f":{parts.port}" if parts.port else ""
    block: dict[str, Any] = {
        "type": kind, "host": parts.hostname, "port": parts.port, "database": parts.path.lstrip("/"),
        "schema": (table.rpartition(".")[0] or "public") if kind == "postgres" else None,
        "customProperties": [_custom("secretRef", secret)] if secret else None,
    }  # fmt: skip
    url = f"{dialect}://{parts.hostname}{port}{parts.path}"
    return Address(Source("sql", url, table, secret=secret), {k: v for k, v in block.items() if v})


def _api(address: str, table: str, secret: str | None) -> Address:
    base, _, last = address.rpartition("/")
    location, endpoint = (address, table) if table else (base, last)
    custom = {"customProperties": [_custom("secretRef", secret)]} if secret else {}
    return Address(Source("rest", location, endpoint, secret=secret), {"type": "api", "location": location, **custom})


def _file(hub: Hub, address: str) -> Address:
    file, root = Path(address).absolute(), hub.settings.drops
    suffix = _suffix(file.name)
    if suffix not in FILES or not file.is_file():
        raise _nothing(address)
    inside = str(file.relative_to(root) if file.is_relative_to(root) else Path(file.name))
    kind, block = FILES[suffix], files_block(inside, suffix)
    return Address(Source(kind, "file://", inside), block, root if file.is_relative_to(root) else file.parent)


def _remote_file(address: str, secret: str | None) -> Address:
    scheme, _, rest = address.partition("://")
    host, _, path = rest.partition("/")
    suffix = _suffix(path)
    if suffix not in FILES:
        raise _nothing(address)
    web = scheme in ("http", "https")
    custom = {"customProperties": [_custom("secretRef", secret)]} if secret else {}
    block = {"type": "custom" if web else scheme, "location": address, "format": _format(suffix), **custom}
    return Address(Source(FILES[suffix], f"{scheme}://{host}", unquote(path) if web else path, secret=secret), block)


def _is_file(address: str) -> bool:
    """Whether a web address names a file; one that ends in .json may as well be an API."""
    parts = urlsplit(address)
    return not parts.query and _suffix(parts.path) in FILES.keys() - {".json"}


def _suffix(path: str) -> str:
    """What tells a file's format: its suffix, or that of what is packed in it (`roster.csv.zip`)."""
    plain = PurePosixPath(path)
    return PurePosixPath(plain.stem if plain.suffix.lower() in ARCHIVES else plain.name).suffix.lower()


def _nothing(address: str) -> Invalid:
    return Invalid(
        f"{address} is no dataset in force, no file that can be read, and no URL",
        todo="give a dataset, a .csv, .tsv, .xlsx, .json, .jsonl or .parquet file, or postgresql://host/db, https://…",
    )


def files_block(path: str, suffix: str) -> dict[str, Any]:
    """The server block of files below the drop root."""
    return {"type": "local", "path": path, "format": _format(suffix)}


def _format(suffix: str) -> str:
    return "json" if FILES[suffix] == "jsonl" else suffix.lstrip(".")


def _custom(name: str, value: Any) -> dict[str, Any]:
    return {"property": name, "value": value, "vendor": "cityhub"}
