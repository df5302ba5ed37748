"""What registering a source asks, one table: the pages' fields, the workbook's cells and the places of faults all follow from it.

The table is `data/questions.csv`; correcting a question means correcting that file. A question has its place in the ODCS document (`path`:
names and list numbers, `custom:NAME` for a property of ours, `sla:NAME` for a service level), a label, and a line that says what is wanted,
which is also what a person is told when the answer is wrong.
"""

import csv
from dataclasses import dataclass
from importlib import resources
from typing import Literal, get_args

from schemas.elements import ELEMENTS
from schemas.odcs_reader import CYCLES
from schemas.odcs_server import FILE_FORMATS

Sheet = Literal["resource", "source", "items", "rules"]
Kind = Literal[
    "text", "number", "flag", "choice", "several", "words", "yaml", "pairs", "key", "cycle", "hours", "days", "date"
]
"""How an answer is written: several of the choices, words separated by commas, YAML, pairs as `男=1; 女=2`, a place in the key, …"""


@dataclass(frozen=True)
class Choice:
    """One answer to choose, as it stands in the contract, with its meaning."""

    value: str
    zh: str = ""
    en: str = ""

    def __str__(self) -> str:
        return " ".join(dict.fromkeys(part for part in (self.value, self.zh, self.en) if part))


@dataclass(frozen=True)
class Question:
    """One question; `needed` ones want an answer, `advanced` ones few people meet."""

    name: str
    path: str
    zh: str
    en: str
    help_zh: str
    help_en: str
    kind: Kind
    choices: tuple[Choice, ...]
    needed: bool
    advanced: bool


_CYCLES_EN = (
    "continuously", "daily", "weekly", "monthly", "quarterly", "half-yearly", "yearly", "irregularly", "never", "other, explained",
)  # fmt: skip
CHOICES: dict[str, tuple[Choice, ...]] = {
    "share_types": (
        Choice("1", "无条件共享", "without conditions"),
        Choice("2", "有条件共享", "under conditions"),
        Choice("3", "不予共享", "not shared"),
    ),
    "modes": (Choice("database", "库表", "table"), Choice("file", "文件", "file"), Choice("api", "接口", "interface")),
    "classifications": (
        Choice("L1", "可公开", "public"),
        Choice("L2", "内部", "internal"),
        Choice("L3", "个人信息", "personal"),
        Choice("L4", "敏感个人信息", "sensitive personal"),
    ),
    "types": (
        Choice("string", "文本", "text"),
        Choice("integer", "整数", "whole number"),
        Choice("number", "数值", "number"),
        Choice("date", "日期", "date"),
        Choice("timestamp", "日期时间", "date and time"),
        Choice("boolean", "是否", "yes or no"),
    ),
    "sync": (
        Choice("snapshot", "每次全量", "the whole table each time"),
        Choice("incremental", "按更新时间增量", "changes, by a column"),
        Choice("append", "只增不改", "only new records"),
    ),
    "cycles": tuple(Choice(zh, "", en) for zh, en in zip(CYCLES, _CYCLES_EN, strict=True)),
    "elements": tuple(Choice(e.id, e.zh, e.en) for e in ELEMENTS.values()),
    "formats": tuple(Choice(name) for name in FILE_FORMATS),
}
"""The lists that questions name as `@NAME`."""
FLAG = (Choice("是", "", "yes"), Choice("否", "", "no"))


def question(sheet: Sheet, name: str) -> Question:
    """One question of a sheet; KeyError if it has none of this name."""
    for each in QUESTIONS[sheet]:
        if each.name == name:
            return each
    raise KeyError(name)


def _choices(kind: str, text: str) -> tuple[Choice, ...]:
    if kind == "flag":
        return FLAG
    if text.startswith("@"):
        return CHOICES[text[1:]]
    return tuple(Choice(*part.strip().split(":")) for part in text.split("|") if part.strip())


def _table() -> dict[Sheet, tuple[Question, ...]]:
    """The questions of each sheet, in the file's order."""
    text = resources.files("schemas").joinpath("data", "questions.csv").read_text(encoding="utf-8")
    found: dict[Sheet, tuple[Question, ...]] = dict.fromkeys(get_args(Sheet), ())
    for row in csv.DictReader(text.splitlines()):
        sheet, choices = row.pop("sheet"), _choices(row["kind"], row.pop("choices"))
        flags = {"needed": row.pop("needed") == "1", "advanced": row.pop("advanced") == "1"}
        found[sheet] += (Question(**row, **flags, choices=choices),)  # type: ignore[index,arg-type]
    return found


QUESTIONS = _table()
"""The questions by sheet, in the order in which people think of them: the guide's metadata (政务信息资源目录编制指南, 2017) first."""
RESOURCE, SOURCE, ITEM, RULE = (QUESTIONS[sheet] for sheet in get_args(Sheet))
