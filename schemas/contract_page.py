"""A contract as a page for people: one list of sections, written as Markdown or as HTML that needs nothing from outside.

A section is a heading with lines of facts or a table; both writers walk the same sections, so neither can say what the other does not.
"""

from dataclasses import dataclass
from html import escape

from schemas.codes import code_list
from schemas.contract import Column, Contract
from schemas.elements import ELEMENTS

Row = tuple[str, ...]

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c2733}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}"
    "th,td{border:1px solid #cfd8e0;padding:.3rem .6rem;text-align:left;vertical-align:top}"
    "th{background:#eef3f7}.notice{border-left:.3rem solid #b45309;padding:.3rem 1rem;background:#fff7ed}"
)


@dataclass(frozen=True)
class Section:
    """One heading with a table; a head without titles is a list of facts."""

    heading: str
    head: Row
    rows: tuple[Row, ...]


def markdown(contract: Contract) -> str:
    """The page as Markdown."""
    parts = [f"# {contract.title} · {contract.title_en}"]
    parts += [f"> **{line}**" for line in _notice(contract)]
    parts += [contract.purpose] if contract.purpose else []
    for section in sections(contract):
        head = section.head or ("", "")
        lines = [_line(head), _line(("---",) * len(head)), *map(_line, section.rows)]
        parts += [f"## {section.heading}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def html(contract: Contract) -> str:
    """The page as one HTML file: no script, no outside font or style."""
    title = escape(f"{contract.title} · {contract.title_en}")
    body = [f"<h1>{title}</h1>"]
    body += [f'<p class="notice">{escape(line)}</p>' for line in _notice(contract)]
    body += [f"<p>{escape(contract.purpose)}</p>"] if contract.purpose else []
    for section in sections(contract):
        head = f"<tr>{''.join(f'<th>{escape(t)}</th>' for t in section.head)}</tr>" if section.head else ""
        rows = "".join(f"<tr>{''.join(f'<td>{escape(t)}</td>' for t in row)}</tr>\n" for row in section.rows)
        body.append(f"<h2>{escape(section.heading)}</h2>\n<table>{head}\n{rows}</table>")
    content = "\n".join(body)
    return (
        f'<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{content}\n</body></html>\n"
    )


def sections(contract: Contract) -> tuple[Section, ...]:
    """Everything the contract says, in the order a reader asks for it; empty sections are left out."""
    found = (
        Section("概况 overview", (), _overview(contract)),
        Section(
            "信息项 columns",
            ("name", "信息项", "type", "key", "required", "数据元 data element", "values", "class"),
            tuple(_column(c) for c in contract.columns),
        ),
        Section(
            "规则 rules",
            ("id", "rule", "column", "severity"),
            tuple(
                (c.id, c.kind, c.column or ", ".join(map(str, c.arguments.get("columns", ()))), c.severity)
                for c in contract.checks
            ),
        ),
        Section("主体 subjects", ("kind", "key"), tuple((s.kind, s.key) for s in contract.subjects)),
        Section(
            "数源 authoritative source",
            ("subject", "数据元 data element"),
            tuple((c.subject, f"{c.element} {_element(c.element)}") for c in contract.claims),
        ),
    )
    return tuple(section for section in found if section.rows)


def _notice(contract: Contract) -> list[str]:
    """What a reader of a deprecated or retired dataset must see first."""
    if contract.status not in ("deprecated", "retired"):
        return []
    until = f" → {contract.retire_on}" if contract.retire_on else ""
    instead = f"; 请改用 read instead: {contract.successor}" if contract.successor else ""
    word = "已停用 retired" if contract.status == "retired" else "即将停用 deprecated"
    return [f"{word}{until}{instead}"]


def _overview(contract: Contract) -> tuple[Row, ...]:
    def hours(value: float | None) -> str:
        return "" if value is None else f"{value:g} h"

    facts = {
        "数据集 dataset": contract.dataset,
        "版本 version": contract.version,
        "状态 status": contract.status,
        "提供方 provider": f"{contract.provider} {contract.provider_en} ({contract.provider_code})",
        "资源代码 resource code": contract.resource_code,
        "共享类型 sharing": f"{code_list('share_type').values[str(contract.share_type)]} {contract.share_condition}",
        "共享方式 ways": ", ".join(contract.share_modes),
        "更新周期 update cycle": f"{contract.cycle} {hours(contract.cycle_hours)}".strip(),
        "时效 stale after": hours(contract.latency_hours),
        "领域 domain": contract.domain,
        "标签 tags": ", ".join(contract.tags),
    }
    return tuple((name, value) for name, value in facts.items() if value)


def _column(column: Column) -> Row:
    element = f"{column.element} {_element(column.element)}" if column.element else ""
    key = str(column.key_position) if column.key_position else ""
    required = "●" if column.required else ""
    title = f"{column.title} (停用 deprecated)" if column.deprecated else column.title
    return column.name, title, column.sql_type, key, required, element, _values(column), column.classification


def _element(name: str) -> str:
    return ELEMENTS[name].zh


def _values(column: Column) -> str:
    """Which values are allowed: the enum with its labels, else the code list, else bounds and pattern."""
    if column.enum:
        return ", ".join(f"{v} {column.labels.get(v, '')}".strip() for v in column.enum)
    element = ELEMENTS.get(column.element or "")
    if element and element.codes:
        return code_list(element.codes).version
    bounds = f"{column.minimum or ''}..{column.maximum or ''}" if column.minimum or column.maximum else ""
    return bounds or column.pattern or ""


def _line(cells: Row) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
