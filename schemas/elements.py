"""The register of data elements (GB/T 18391 = ISO/IEC 11179; attributes after DB33/T 2426-2022).

A data element gives a column its meaning: from it follow how the column is read (`Element.reading`), which code list binds it,
how its values are masked, and which columns of other departments say the same. The register is the file
`data/data_elements.csv`; correcting an element means correcting that file.
"""

import csv
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Literal, get_args

Reading = Literal[
    "citizen_id", "person_name", "org_name", "identifier", "serial", "code", "region", "town", "industry", "mobile", "phone", "email",
    "uscc", "licence_oid", "licence_type", "task_code", "postcode", "lon_lat", "address", "text", "capital", "date", "open_date",
    "time",
]  # fmt: skip
LOGICAL_TYPES: dict[str, tuple[str, ...]] = {
    "C": ("string",),
    "N": ("decimal", "integer", "number"),
    "D": ("date",),
    "DT": ("timestamp", "date"),
}


@dataclass(frozen=True)
class Element:
    """One data element: the seven basic attributes, the extended ones, and what the hub derives behaviour from.

    Basic: `id` 标识符, `zh` 中文名称, `en` 英文名称, `definition` 定义, `type` 数据类型 (C text, N number, D date, DT date and
    time), `format` 数据格式 (an18, a..50, "n..18,4", YYYYMMDD), `domain` 值域. Extended: `object` 对象类词, `representation`
    表示词, `sensitivity` 敏感级别 (L1 public, L2 internal, L3 personal, L4 sensitive personal), `unit` 计量单位, `relation`
    关系, `authority` 来源机构, `version` 版本. `share_default` is the sharing type a new contract starts from; `codes` names
    the code list, `reading` the way a value is standardised and checked, `past` forbids a date after today.
    """

    id: str
    zh: str
    en: str
    definition: str
    type: str
    format: str
    domain: str
    object: str
    representation: str
    sensitivity: str
    unit: str
    relation: str
    authority: str
    version: str
    share_default: int
    codes: str | None
    reading: Reading
    past: bool
    rule: str

    @property
    def logical_types(self) -> tuple[str, ...]:
        """The contract types that can hold the element, the usual one first."""
        return LOGICAL_TYPES[self.type]


def element(element_id: str) -> Element:
    """The element with this identifier; KeyError if the register has none.

    >>> element("DE01001").zh
    '公民身份号码'
    """
    return ELEMENTS[element_id]


def _register() -> dict[str, Element]:
    text = resources.files("schemas").joinpath("data", "data_elements.csv").read_text(encoding="utf-8")
    elements = [_element(row) for row in csv.DictReader(text.splitlines())]
    return {e.id: e for e in elements}


def _element(row: dict[str, str]) -> Element:
    if row["reading"] not in get_args(Reading) or row["type"] not in LOGICAL_TYPES:
        raise ValueError(
            f"data_elements.csv, {row['id']}: reading {row['reading']!r} or type {row['type']!r} is unknown"
        )
    return Element(
        **{
            **row,
            "share_default": int(row["share_default"]),
            "codes": row["codes"] or None,
            "past": row["past"] == "1",
        }  # type: ignore[arg-type]
    )


ELEMENTS = MappingProxyType(_register())
"""Every element by identifier, in the register's order."""
