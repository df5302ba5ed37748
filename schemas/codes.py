"""Code lists (代码集): which codes stand for what, and whether a code is one of them.

Each list is a file below `data/codes/` (code, zh, en; first and last month in force where a code came or went), named, versioned and
dated in `data/codes/index.csv`; the administrative regions are `data/region_history.csv`. Correcting a list means correcting its file:
a code that goes out of force gets its last month, it is never taken out, so that old records keep their meaning.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib import resources
from itertools import groupby

REGION = "region"


@dataclass(frozen=True)
class CodeList:
    """One list: `values` maps every code, past ones too, to its Chinese label, `english` to its English one.

    `version` is the standard it follows, in force from month `first` to `last` (YYYYMM; empty: not stated, still). `spans` has the first
    and last month of single codes, `numbers` the digits that stand for the same codes elsewhere (ISO 3166-1 numeric).
    """

    name: str
    zh: str
    en: str
    version: str
    values: dict[str, str]
    english: dict[str, str] = field(default_factory=dict)
    first: str = ""
    last: str = ""
    spans: dict[str, tuple[str, str]] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()

    @property
    def retired(self) -> frozenset[str]:
        """The codes that went out of force."""
        return frozenset(code for code, (_, last) in self.spans.items() if last)

    @property
    def current(self) -> tuple[str, ...]:
        """The codes in force."""
        gone = self.retired
        return tuple(code for code in self.values if code not in gone)

    def in_force(self, code: str, on: date) -> bool:
        """Whether the list has the code, and had it on that day.

        >>> shanghai_nanshi = "310101", "310102"
        >>> [code_list("region").in_force(c, date(2010, 1, 1)) for c in shanghai_nanshi]
        [True, False]
        """
        first, last = self.spans.get(code, ("", ""))
        return code in self.values and first <= f"{on:%Y%m}" <= (last or "999999")


@cache
def code_list(name: str) -> CodeList:
    """The list of this name; KeyError if there is none.

    >>> code_list("sex").values["2"]
    '女性'
    """
    if name == REGION:
        return _regions()
    entry = _index()[name]
    rows = _rows("codes", f"{name}.csv")
    return CodeList(
        name=name,
        zh=entry["zh"],
        en=entry["en"],
        version=entry["version"],
        first=entry["first"],
        last=entry["last"],
        values={r["code"]: r["zh"] for r in rows},
        english={r["code"]: r["en"] for r in rows},
        spans=_spans(rows),
        numbers=tuple(r["numeric"] for r in rows if r.get("numeric")),
    )


def code_lists() -> tuple[str, ...]:
    """The names of all lists."""
    return (*_index(), REGION)


def pattern(codes: Iterable[str]) -> str:
    r"""A regular expression (RE2 and Python alike) that matches exactly these codes, short enough to stand in a query.

    Its groups are plain ones: `(?:1` would read as a bind parameter to SQLAlchemy.

    >>> pattern(["110101", "110102", "110105", "120101"])
    '1(1010[125]|20101)'
    >>> pattern(["10", "20", "30", "40", "90"])
    '[1-49]0'
    """
    ordered = sorted(set(codes))
    if not ordered or ordered == [""]:
        return ""
    tails: defaultdict[str, list[str]] = defaultdict(list)
    for head, group in groupby((c for c in ordered if c), key=lambda c: c[0]):
        tails[pattern(c[1:] for c in group)].append(head)
    branches = [_class(heads) + tail for tail, heads in tails.items()]
    joined = branches[0] if len(branches) == 1 else f"({'|'.join(branches)})"
    return f"({joined})?" if ordered[0] == "" else joined


def _class(heads: list[str]) -> str:
    """A character class of sorted single characters, runs folded."""
    if len(heads) == 1:
        return _escaped(heads[0])
    runs: list[list[str]] = []
    for head in heads:
        if runs and ord(head) == ord(runs[-1][-1]) + 1:
            runs[-1].append(head)
        else:
            runs.append([head])
    return "[" + "".join(_run(r) for r in runs) + "]"


def _run(run: list[str]) -> str:
    return f"{_escaped(run[0])}-{_escaped(run[-1])}" if len(run) > 2 else "".join(map(_escaped, run))


def _escaped(character: str) -> str:
    return character if character.isalnum() else f"\\{character}" if character.isascii() else character


@cache
def _index() -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in _rows("codes", "index.csv")}


def _regions() -> CodeList:
    rows = _rows("region_history.csv")
    return CodeList(
        name=REGION,
        zh="行政区划代码",
        en="administrative regions, current and historic",
        version="GB/T 2260, 1980-12 to 2023-06",
        first="198012",
        values={r["code"]: r["name"] for r in rows},
        spans=_spans(rows),
    )


def _spans(rows: list[dict[str, str]]) -> dict[str, tuple[str, str]]:
    """First and last month of the codes that have one."""
    return {r["code"]: (r["first"], r["last"]) for r in rows if r.get("first") or r.get("last")}


def _rows(*path: str) -> list[dict[str, str]]:
    text = resources.files("schemas").joinpath("data", *path).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
