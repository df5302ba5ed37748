"""Where a contract's data comes from: the standard's `servers` and what ours say beside them, as a `Source`."""

from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.contract import Source
from schemas.odcs_walk import Walker, custom
from schemas.windows import window

FILE_FORMATS = {"csv": "csv", "tsv": "csv", "xlsx": "xlsx", "json": "jsonl", "jsonl": "jsonl", "parquet": "parquet"}
URL_TYPES = ("sqlite", "oracle", "mssql", "dm", "opengauss", "duckdb")
SQL_TYPES = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}


class Servers(Walker):
    """Walks `servers`."""

    def source(self, columns: set[str]) -> Source:
        """The one source; a cursor is one of the columns."""
        servers = self.document.get("servers") or []
        if len(servers) != 1:
            self.wrong("servers", "exactly one server is wanted", "servers: [{server: source, type: postgres, …}]")
            return Source("csv", "", "")
        server = servers[0]
        sync = custom(server, "syncMode", "snapshot")
        cursor = custom(server, "cursor")
        if sync not in ("snapshot", "incremental", "append"):
            self.wrong(
                "servers[0].customProperties.syncMode", f"{sync!r} is unknown", "snapshot | incremental | append"
            )
            sync = "snapshot"
        kind, url, table = self.address(server)
        if sync == "incremental" and kind != "push" and cursor not in columns:
            self.wrong(
                "servers[0].customProperties.cursor", "incremental sync wants the name of a column", "value: updated_at"
            )
        return Source(
            kind=kind,
            url=url,
            table=table,
            sync=sync,
            cursor=cursor,
            lag=int(custom(server, "lagSeconds", 0) or 0),
            encoding="utf-8" if kind == "push" else server.get("encoding") or custom(server, "encoding"),
            timezone=self.timezone(str(custom(server, "timeZone", "Asia/Shanghai"))),
            secret=custom(server, "secretRef"),
            options=_file_options(server) | dict(custom(server, "options", {}) or {}),
            windows=self.windows(custom(server, "pullWindows", ()) or ()),
            rows_per_second=self.positive(custom(server, "rowsPerSecond"), "rowsPerSecond", kind),
            statement_seconds=self.positive(custom(server, "statementSeconds"), "statementSeconds", kind) or 7200,
        )

    def windows(self, given: Any) -> tuple[str, ...]:
        """The spans of hours in which a pull is welcome."""
        texts = tuple(map(str, given)) if isinstance(given, list | tuple) else (str(given),)
        for text in texts:
            try:
                window(text)
            except ValueError:
                where, wrong = "servers[0].customProperties.pullWindows", f"{text!r} is no span of hours"
                self.wrong(where, wrong, 'value: ["22:00-06:00"]')
                return ()
        return texts

    def positive(self, value: Any, name: str, kind: str) -> int | None:
        """A whole number above zero, for databases only: nothing else would heed it."""
        where = f"servers[0].customProperties.{name}"
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0 and kind == "sql"):
            return value
        wrong = "a whole number above 0 is wanted" if kind == "sql" else "is heeded by databases only"
        self.wrong(where, wrong, "value: 5000")
        return None

    def timezone(self, name: str) -> str:
        """The time zone of text without one."""
        try:
            ZoneInfo(name)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            self.wrong("servers[0].customProperties.timeZone", f"{name!r} is no IANA time zone", "value: Asia/Shanghai")
        return name

    def address(self, server: dict[str, Any]) -> tuple[str, str, str]:
        """Which connector, at which URL, and what is read there."""
        kind = server.get("type", "")
        objects = self.document.get("schema") or [{}]
        table = str(objects[0].get("physicalName") or objects[0].get("name") or "")
        if kind in SQL_TYPES:
            port = f":{server['port']}" if server.get("port") else ""
            if server.get("schema"):
                table = f"{server['schema']}.{table}"
            return "sql", f"{SQL_TYPES[kind]}://{server.get('host')}{port}/{server.get('database')}", table
        files = _files(kind, server)
        if files and server.get("format") in FILE_FORMATS:
            return FILE_FORMATS[server["format"]], *files
        if kind == "api":
            return "rest", str(server.get("location") or ""), table
        url = str(custom(server, "url", ""))
        if kind == "custom" and url.partition(":")[0].partition("+")[0] in URL_TYPES:
            return "sql", url, table
        if kind == "custom" and custom(server, "kind") == "push":
            return "push", "", str(self.document.get("id") or "")
        self.wrong(
            "servers[0].type",
            f"{kind!r} with format {server.get('format')!r} has no connector",
            "postgres, mysql, local, sftp or s3 with format csv|xlsx|jsonl|parquet, api, or custom with url: sqlite:///… or kind: push",
        )
        return "csv", "", table


def _files(kind: str, server: dict[str, Any]) -> tuple[str, str] | None:
    """Where files are and their path or pattern there; None for a server of another kind."""
    scheme, _, rest = str(server.get("location") or "").partition("://")
    host, _, path = rest.partition("/")
    match kind, scheme:
        case "local", _:
            return "file://", str(server.get("path") or "")
        case ("sftp", "sftp") | ("s3", "s3"):
            return f"{scheme}://{host}", path
        case "custom", "http" | "https":
            return f"{scheme}://{host}", unquote(path)
        case _:
            return None


def _file_options(server: dict[str, Any]) -> dict[str, Any]:
    """What the standard says of a server of files in words of its own."""
    found = {"endpoint": server.get("endpointUrl")} if server.get("type") == "s3" else {}
    if server.get("format") == "tsv":
        found["delimiter"] = "\t"
    return {name: value for name, value in found.items() if value}
