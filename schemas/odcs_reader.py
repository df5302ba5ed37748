"""Walking a document that keeps the standard: our own rules, and the `Contract` that comes of it.

What ODCS lacks is in `customProperties` with `vendor: cityhub`, listed in `docs/reference/contract.md`.
"""

import re
from datetime import date
from typing import Any

from schemas.contract import (
    Claim,
    Column,
    Contact,
    Contract,
    Drift,
    Judging,
    Limits,
    Source,
    SubjectLink,
    Threshold,
)
from schemas.errors import Problem
from schemas.odcs_server import FILE_FORMATS, Servers
from schemas.odcs_table import Tables
from schemas.odcs_walk import custom

CYCLES: dict[str, float | None] = {
    "实时": 1, "每日": 24, "每周": 168, "每月": 744, "每季度": 2208, "每半年": 4416, "每年": 8784,
    "不定期": None, "不更新": None, "其他": None,
}  # fmt: skip
FITTING = {True: {"file", "api"}, False: {"database", "api"}}
"""Sharing modes that fit a resource's format (发改高技〔2017〕1272号): of files, of anything else."""
NO_TITLE = ("系统", "平台", "数据库")
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


class _Reader(Servers, Tables):
    """Walks one document."""

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


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def cycle_of(hours: float) -> str:
    """The guide's word for so many hours."""
    return next((name for name, h in CYCLES.items() if h is not None and hours <= h), "每年")
