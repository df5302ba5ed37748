"""What a contract's table holds: the standard's `schema`, its properties as columns and its quality sections as checks."""

import re
from typing import Any

from schemas import meaning
from schemas.contract import Check, Column, Severity
from schemas.odcs_walk import VENDOR, Walker, custom

_CHECK_OPERATORS = (
    "mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo",
)  # fmt: skip


class Tables(Walker):
    """Walks `schema`."""

    def schema(self) -> tuple[tuple[Column, ...], tuple[Check, ...]]:
        """Columns and checks, of every object there is, so that those of one too many are looked at as well."""
        objects = self.document.get("schema") or []
        if len(objects) != 1 or not objects[0].get("properties"):
            self.wrong(
                "schema", "exactly one object with properties is wanted", "schema: [{name: residents, properties: […]}]"
            )
        tables = [self.table(node, f"schema[{i}]") for i, node in enumerate(objects)]
        return tuple(c for columns, _ in tables for c in columns), tuple(c for _, checks in tables for c in checks)

    def table(self, table: dict[str, Any], where: str) -> tuple[list[Column], list[Check]]:
        """One object's columns and checks."""
        columns: list[Column] = []
        checks: list[Check] = []
        for i, node in enumerate(table.get("properties") or ()):
            path = f"{where}.properties[{i}]"
            columns.append(self.column(node, path))
            self.problems += meaning.of_column(columns[-1], path)
            checks += self.checks(node.get("quality"), f"{path}.quality", columns[-1].name)
        checks += self.checks(table.get("quality"), f"{where}.quality", "")
        for what, values in (("name", [c.name for c in columns]), ("physicalName", [c.source for c in columns])):
            for twice in {v for v in values if values.count(v) > 1}:
                self.wrong(f"{where}.properties", f"{what} {twice!r} stands twice", f"a {what} of its own for each")
        if columns and not any(c.key_position for c in columns):
            self.wrong(f"{where}.properties", "no primary key", "primaryKey: true, primaryKeyPosition: 1")
        known = {c.name: c for c in columns}
        self.problems += meaning.of_checks(checks, known)
        for check in checks:
            for name in check.arguments.get("columns", ()):
                if name not in known:
                    self.wrong(
                        f"quality.{check.id}", f"names an unknown column {name!r}", f"one of {', '.join(sorted(known))}"
                    )
        return columns, checks

    def column(self, node: dict[str, Any], path: str) -> Column:
        """One property as a column."""
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
        """One quality section."""
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


def _bound(value: Any) -> str | None:
    return None if value is None else str(value)
