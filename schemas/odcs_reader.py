"""Walking a document that keeps the standard: our own rules, and the `Contract` that comes of it.

What ODCS lacks is in `customProperties` with `vendor: cityhub`, listed in `docs/reference/contract.md`.
"""

import re
from datetime import date
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas import meaning
from schemas.contract import (
    Check,
    Claim,
    Column,
    Contact,
    Contract,
    Drift,
    Judging,
    Limits,
    Severity,
    Source,
    SubjectLink,
    Threshold,
)
from schemas.errors import Problem
from schemas.windows import window

VENDOR = "cityhub"
CYCLES: dict[str, float | None] = {
    "实时": 1, "每日": 24, "每周": 168, "每月": 744, "每季度": 2208, "每半年": 4416, "每年": 8784,
    "不定期": None, "不更新": None, "其他": None,
}  # fmt: skip
FILE_FORMATS = {"csv": "csv", "tsv": "csv", "xlsx": "xlsx", "json": "jsonl", "jsonl": "jsonl", "parquet": "parquet"}
FITTING = {True: {"file", "api"}, False: {"database", "api"}}
"""Sharing modes that fit a resource's format (发改高技〔2017〕1272号): of files, of anything else."""
NO_TITLE = ("系统", "平台", "数据库")
URL_TYPES = ("sqlite", "oracle", "mssql", "dm", "opengauss", "duckdb")
SQL_TYPES = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
DRIFT_MODES = ("evolve", "freeze", "quarantine", "stop")
RECONCILE = {"daily": 1, "weekly": 7, "monthly": 30}
HOURS = {
    "h": 1.0,
    "hour": 1.0,
    "hours": 1.0,
    "d": 24.0,
    "day": 24.0,
    "days": 24.0,
    "w": 168.0,
    "m": 744.0,
    "y": 8784.0,
}
_CHECK_OPERATORS = (
    "mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo",
)  # fmt: skip


def read(document: dict[str, Any]) -> tuple[Contract, list[Problem]]:
    """The contract that the document describes, and what is wrong with it; with problems the contract is void."""
    reader = _Reader(document)
    return reader.contract(), reader.problems


def source_of(document: dict[str, Any]) -> tuple[Source, list[Problem]]:
    """The source alone, of a document that need not be whole yet, and what is wrong with it."""
    reader = _Reader(document)
    columns = {
        str(node.get("name")) for thing in document.get("schema") or () for node in thing.get("properties") or ()
    }
    return reader.source(columns), reader.problems


def custom(node: dict[str, Any], name: str, default: Any = None) -> Any:
    """The value of our custom property `name` on an ODCS node, or `default`."""
    for item in node.get("customProperties") or ():
        if item.get("vendor") == VENDOR and item.get("property") == name:
            return item.get("value")
    return default


class _Reader:
    """Walks one document, collecting problems instead of stopping at the first."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def wrong(self, path: str, wrong: str, example: str) -> None:
        self.problems.append(Problem(path, wrong, example))

    def text(self, value: Any, path: str, example: str) -> str:
        if isinstance(value, str) and value.strip():
            return value.strip()
        self.wrong(path, "is missing or empty", example)
        return ""

    def contract(self) -> Contract:
        doc = self.document
        dataset = self.text(doc.get("id"), "id", "id: residents")
        if not re.fullmatch(r"[a-z][a-z0-9_-]{1,62}", dataset):
            self.wrong("id", f"{dataset!r} is no dataset name (a-z, 0-9, _ and -; first a letter)", "id: food_licences")
        columns, checks = self.schema()
        names = {c.name for c in columns}
        code = str(custom(doc, "resourceCode", ""))
        if not re.fullmatch(r"[123]\d{5}\d*/\d+", code):
            self.custom_wrong(
                "resourceCode", "class, item, detail and sequence are wanted (发改高技〔2017〕1272号)", "302001/000001"
            )
        share_type = custom(doc, "shareType")
        if share_type not in (1, 2, 3):
            self.custom_wrong("shareType", "1 无条件, 2 有条件 or 3 不予 is wanted", "2")
        condition = str(custom(doc, "shareCondition", "") or "")
        if not condition or (share_type == 1) != (condition == "无条件"):
            self.custom_wrong(
                "shareCondition",
                "is mandatory: the word 无条件 for type 1, a condition for 2, the law for 3",
                "限依法履职",
            )
        modes = tuple(custom(doc, "shareMode") or ())
        if not modes or not set(modes) <= {"database", "file", "api"}:
            self.custom_wrong("shareMode", "a list of database, file, api is wanted", "[database, api]")
        provider_code = str(custom(doc, "providerCode", ""))
        if not re.fullmatch(r"[0-9A-HJ-NPQRTUWXY]{18}", provider_code):
            self.custom_wrong("providerCode", "the department's 18-character USCC is wanted", "11310000002420886W")
        source = self.source(names)
        if {*modes} <= {"database", "file", "api"} and not {*modes} <= FITTING[source.kind in FILE_FORMATS.values()]:
            wrong = f"{', '.join(modes)} does not fit a resource of format {source.kind}: files are shared as files, databases as such"
            self.custom_wrong("shareMode", wrong, "[file, api] of files, [database, api] of anything else")
        cycle, cycle_hours, latency, retention = self.service_levels()
        return Contract(
            dataset=dataset,
            title=self.title(),
            title_en=str(custom(doc, "nameEn") or dataset.replace("_", " ")),
            version=self.text(doc.get("version"), "version", "version: 1.0.0"),
            status=self.status(),
            provider=self.text(doc.get("tenant"), "tenant", "tenant: 市公安局"),
            provider_en=str(custom(doc, "providerEn") or doc.get("tenant") or ""),
            provider_code=provider_code,
            purpose=str((doc.get("description") or {}).get("purpose") or ""),
            resource_code=code,
            share_type=share_type if share_type in (1, 2, 3) else 3,
            share_condition=condition,
            share_modes=modes,
            columns=columns,
            source=source,
            subjects=self.subjects(names),
            checks=checks,
            judging=self.judging(),
            limits=self.limits(),
            drift=self.drift(),
            reconcile_days=self.reconcile(),
            cycle=cycle,
            cycle_hours=cycle_hours,
            latency_hours=latency,
            retention_days=retention,
            schedule=custom(doc, "schedule"),
            contact=self.contact(),
            tags=tuple(map(str, doc.get("tags") or ())),
            domain=str(doc.get("domain") or ""),
            authoritative=bool(custom(doc, "authoritative", False)),
            claims=self.claims(columns),
            retire_on=self.retirement(),
            successor=custom(doc, "successor"),
            open=self.open(),
            open_condition=str(custom(doc, "openCondition") or ""),
        )

    def title(self) -> str:
        """The resource's name, which tells what it holds and not which system keeps it."""
        title, example = (
            self.text(self.document.get("name"), "name", "name: 常住人口基本信息"),
            "name: 常住人口基本信息",
        )
        if title.endswith(NO_TITLE):
            self.wrong("name", f"{title!r} names a system, not what the resource holds", example)
        return title

    def open(self) -> bool | None:
        """开放属性: whether society may have it."""
        said = custom(self.document, "openToPublic")
        if said is not None and not isinstance(said, bool):
            self.custom_wrong("openToPublic", "true or false is wanted", "true")
            return None
        return said

    def custom_wrong(self, name: str, wrong: str, example: str) -> None:
        self.wrong(f"customProperties.{name}", wrong, f"{{property: {name}, value: {example}, vendor: {VENDOR}}}")

    def schema(self) -> tuple[tuple[Column, ...], tuple[Check, ...]]:
        objects = self.document.get("schema") or []
        if len(objects) != 1 or not objects[0].get("properties"):
            self.wrong(
                "schema", "exactly one object with properties is wanted", "schema: [{name: residents, properties: […]}]"
            )
            return (), ()
        columns: list[Column] = []
        checks: list[Check] = []
        for i, node in enumerate(objects[0]["properties"]):
            path = f"schema[0].properties[{i}]"
            columns.append(self.column(node, path))
            self.problems += meaning.of_column(columns[-1], path)
            checks += self.checks(node.get("quality"), f"{path}.quality", columns[-1].name)
        checks += self.checks(objects[0].get("quality"), "schema[0].quality", "")
        for what, values in (("name", [c.name for c in columns]), ("physicalName", [c.source for c in columns])):
            for twice in {v for v in values if values.count(v) > 1}:
                self.wrong("schema[0].properties", f"{what} {twice!r} stands twice", f"a {what} of its own for each")
        if columns and not any(c.key_position for c in columns):
            self.wrong("schema[0].properties", "no primary key", "primaryKey: true, primaryKeyPosition: 1")
        known = {c.name: c for c in columns}
        self.problems += meaning.of_checks(checks, known)
        for check in checks:
            for name in check.arguments.get("columns", ()):
                if name not in known:
                    self.wrong(
                        f"quality.{check.id}", f"names an unknown column {name!r}", f"one of {', '.join(sorted(known))}"
                    )
        return tuple(columns), tuple(checks)

    def column(self, node: dict[str, Any], path: str) -> Column:
        name = self.text(node.get("name"), f"{path}.name", "name: citizen_id")
        if name and (name.startswith("_") or not re.fullmatch(r"\w{1,63}", name)):
            self.wrong(
                f"{path}.name", f"{name!r}: letters, digits and _ are wanted, not starting with _", "name: birth_date"
            )
        kind = node.get("logicalType", "string")
        options = node.get("logicalTypeOptions") or {}
        physical = re.match(
            r"(?i)(?:decimal|numeric)\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)", str(node.get("physicalType") or "")
        )
        if kind == "number" and physical:
            kind = "decimal"
        if kind not in ("string", "integer", "number", "decimal", "date", "timestamp", "boolean"):
            self.wrong(f"{path}.logicalType", f"{kind!r} cannot be held in a table column", "logicalType: string")
            kind = "string"
        values = node.get("enum") or []
        codes = custom(node, "codeMap")
        if codes is not None and not isinstance(codes, dict):
            self.wrong(
                f"{path}.customProperties.codeMap", "a mapping of source codes is wanted", '{"男": "1", "女": "2"}'
            )
            codes = None
        return Column(
            name=name,
            source=str(node.get("physicalName") or name),
            title=str(node.get("businessName") or name),
            type=kind,
            precision=int(physical[1]) if physical else 18,
            scale=int(physical[2]) if physical else 4,
            required=bool(node.get("required")) or bool(node.get("primaryKey")),
            unique=bool(node.get("unique")),
            key_position=max(int(node.get("primaryKeyPosition", 1)), 1) if node.get("primaryKey") else 0,
            element=custom(node, "dataElementId"),
            format=custom(node, "sourceFormat"),
            codes={str(k): str(v) for k, v in codes.items()} if codes else None,
            enum=tuple(str(v["value"]) for v in values) or None,
            labels={str(v["value"]): str(v["label"]) for v in values if v.get("label")},
            min_length=options.get("minLength"),
            max_length=options.get("maxLength"),
            pattern=options.get("pattern"),
            deprecated=bool(node.get("deprecated")),
            minimum=_bound(options.get("minimum")),
            maximum=_bound(options.get("maximum")),
            classification=str(node.get("classification") or "L2"),
            share_type=int(custom(node, "itemShareType", custom(self.document, "shareType", 2)) or 2),
            description=str(node.get("description") or ""),
        )

    def checks(self, nodes: Any, path: str, column: str) -> list[Check]:
        found: list[Check] = []
        for i, node in enumerate(nodes or ()):
            here = f"{path}[{i}]"
            implementation = node.get("implementation") if node.get("type") == "custom" else None
            arguments = dict(node.get("arguments") or {})
            if node.get("type") == "custom":
                if (
                    node.get("engine") != VENDOR
                    or not isinstance(implementation, dict)
                    or "check" not in implementation
                ):
                    self.wrong(here, "custom rules are of engine cityhub with a named check",
                               "{type: custom, engine: cityhub, implementation: {check: dateOrder, columns: [from, to]}}")  # fmt: skip
                    continue
                arguments = {k: v for k, v in implementation.items() if k != "check"}
            kind = "sql" if node.get("type") == "sql" else (implementation or {}).get("check") or node.get("metric")
            if not kind:
                if node.get("type") != "text":
                    self.wrong(here, "a metric, sql or custom check is wanted", "{metric: nullValues, mustBe: 0}")
                continue
            stated = {**node, **{o: arguments.pop(o) for o in _CHECK_OPERATORS if o in arguments}}
            limit = next(((o, float(stated[o])) for o in _CHECK_OPERATORS if o in stated), None)
            severity: Severity = "warning" if node.get("severity") == "warning" else "error"
            if node.get("severity") not in (None, "error", "warning"):
                self.wrong(f"{here}.severity", f"{node['severity']!r} is unknown", "severity: error | warning")
            found.append(
                Check(
                    id=str(node.get("id") or f"{column + '_' if column else ''}{kind}_{i}"),
                    kind=str(kind),
                    column=column,
                    arguments=arguments,
                    limit=limit,
                    severity=severity,
                    dimension=str(node.get("dimension") or "conformity"),
                    percent=node.get("unit") == "percent",
                )
            )
        return found

    def source(self, columns: set[str]) -> Source:
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
        try:
            ZoneInfo(name)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            self.wrong("servers[0].customProperties.timeZone", f"{name!r} is no IANA time zone", "value: Asia/Shanghai")
        return name

    def address(self, server: dict[str, Any]) -> tuple[str, str, str]:
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

    def service_levels(self) -> tuple[str, float | None, float | None, int]:
        cycle, hours, latency, retention = "不定期", None, None, 90
        for i, level in enumerate(self.document.get("slaProperties") or ()):
            if level.get("property") not in ("frequency", "latency", "retention"):
                continue
            size = HOURS.get(str(level.get("unit") or "d"))
            value = level.get("value")
            if not isinstance(value, int | float) or size is None:
                self.wrong(
                    f"slaProperties[{i}]",
                    "a number and a unit (h, d, w, m, y) are wanted",
                    "{property: latency, value: 24, unit: h}",
                )
                continue
            match level.get("property"):
                case "frequency":
                    hours = float(value) * size
                    cycle = str(custom(level, "updateCycle") or cycle_of(hours))
                    if cycle not in CYCLES and not re.fullmatch(r"其他：.+", cycle):
                        self.wrong(f"slaProperties[{i}]", f"update cycle {cycle!r} is unknown", " ".join(CYCLES))
                    if cycle == "其他":
                        self.wrong(
                            f"slaProperties[{i}]", "其他 wants to be explained", "updateCycle: 其他：每学期开学后"
                        )
                case "latency":
                    latency = float(value) * size
                case _:
                    retention = int(float(value) * size / 24)
        return cycle, hours, latency, retention

    def limits(self) -> Limits:
        node = custom(self.document, "limits", {}) or {}
        fractions = {n: v for n, v in node.items() if n in ("deleted", "rejected") and _number(v) and 0 <= v <= 1}
        rows = {n: v for n, v in node.items() if n == "rejectedRows" and isinstance(v, int) and v >= 0}
        for name in node.keys() - fractions.keys() - rows.keys():
            wanted = "a fraction between 0 and 1 of deleted or rejected, or a number of rejectedRows, is wanted"
            self.custom_wrong("limits", f"{name}: {wanted}", "{deleted: 0.1}")
        return Limits(**{k: float(v) for k, v in fractions.items()}, rejected_rows=rows.get("rejectedRows"))

    def judging(self) -> dict[str, Judging]:
        found = {}
        for name, node in (custom(self.document, "rules", {}) or {}).items():
            given = dict(node) if isinstance(node, dict) else {"": node}
            severity, most = given.pop("severity", None), given.pop("atMost", None)
            at_most = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", str(most))
            if given or severity not in (None, "error", "warning") or (most is not None and not at_most):
                wrong = f"{name}: severity (error, warning) and atMost (rows, or a percentage) are wanted"
                self.custom_wrong("rules", wrong, '{citizen_id.checksum: {severity: error, atMost: "1%"}}')
                continue
            threshold = Threshold(float(at_most[1]), bool(at_most[2])) if at_most else None
            found[str(name)] = Judging(severity, threshold)
        return found

    def drift(self) -> Drift:
        node = custom(self.document, "drift", {}) or {}
        for name, mode in node.items() if isinstance(node, dict) else [("", node)]:
            if name not in Drift.__dataclass_fields__ or mode not in DRIFT_MODES:
                wrong = f"{name}: {' | '.join(DRIFT_MODES)} is wanted of table, columns, types"
                self.custom_wrong("drift", wrong, "{columns: quarantine}")
                return Drift()
        return Drift(**node)

    def reconcile(self) -> int | None:
        every = custom(self.document, "reconcile")
        if every is not None and every not in RECONCILE:
            self.custom_wrong("reconcile", f"{every!r} is unknown", " | ".join(RECONCILE))
        return RECONCILE.get(every)

    def subjects(self, columns: set[str]) -> tuple[SubjectLink, ...]:
        links = []
        for node in custom(self.document, "subjects", ()) or ():
            if not isinstance(node, dict) or node.get("key") not in columns or not node.get("kind"):
                self.custom_wrong("subjects", "kind and the key column are wanted", "[{kind: person, key: citizen_id}]")
                continue
            links.append(SubjectLink(str(node["kind"]), str(node["key"])))
        return tuple(links)

    def claims(self, columns: tuple[Column, ...]) -> tuple[Claim, ...]:
        node = custom(self.document, "authoritativeFor", {}) or {}
        kinds = {
            str(link.get("kind")) for link in custom(self.document, "subjects", ()) or () if isinstance(link, dict)
        }
        elements = {c.element for c in columns}
        example = "{person: [DE01002]}"
        if not isinstance(node, dict) or not all(isinstance(listed, list) for listed in node.values()):
            self.custom_wrong("authoritativeFor", "a list of data elements for each subject kind is wanted", example)
            return ()
        found = tuple(Claim(str(kind), str(element)) for kind, listed in node.items() for element in listed)
        for claim in found:
            if claim.subject not in kinds or claim.element not in elements:
                wrong = f"no column of {claim.element} here, or no subject kind {claim.subject!r}"
                self.custom_wrong("authoritativeFor", wrong, example)
        return found

    def retirement(self) -> str | None:
        """The day of the standard's endOfLife."""
        levels = self.document.get("slaProperties") or ()
        for i, level in enumerate(levels):
            if level.get("property") == "endOfLife":
                try:
                    return date.fromisoformat(str(level.get("value"))[:10]).isoformat()
                except ValueError:
                    example = '{property: endOfLife, value: "2027-06-30"}'
                    self.wrong(f"slaProperties[{i}]", f"{level.get('value')!r} is no date", example)
        return None

    def status(self) -> str:
        """The contract's status; a table that is marked deprecated makes an active one so."""
        status = str(self.document.get("status") or "active")
        marked = any(thing.get("deprecated") for thing in self.document.get("schema") or ())
        return "deprecated" if marked and status == "active" else status

    def contact(self) -> Contact | None:
        for i, node in enumerate(self.document.get("support") or ()):
            if str(node.get("url") or "").startswith(("http://", "https://", "mailto:")):
                style = custom(node, "messageFormat", "plain")
                if style not in ("plain", "wecom", "dingtalk"):
                    self.wrong(
                        f"support[{i}].customProperties.messageFormat",
                        f"{style!r} is unknown",
                        "plain | wecom | dingtalk",
                    )
                    style = "plain"
                return Contact(str(node["url"]), style)
        return None


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


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bound(value: Any) -> str | None:
    return None if value is None else str(value)


def cycle_of(hours: float) -> str:
    """The guide's word for so many hours."""
    return next((name for name, h in CYCLES.items() if h is not None and hours <= h), "每年")
