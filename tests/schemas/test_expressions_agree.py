"""The SQL text and the scalar reference are two accounts of one thing: hypothesis looks for a value on which they differ."""

import string
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import identifiers, texts
from schemas.characters import UNSPACED
from schemas.codes import code_list
from schemas.contract import Column
from schemas.elements import ELEMENTS
from schemas.expressions import checks, normalise, plain_bytes

FEW = settings(max_examples=20, deadline=None)
TODAY = date(2025, 6, 30)
ZONE = "Asia/Shanghai"
WIDE = "０１２３４５６７８９ＡＸａｘ（）－，．　"
ODD = "\t\n\x00\x0b\x1f\u00a0\ufeff×·•・‧･\ue81e\ue7c7\ue864𬱖㛃䶮e\u0301ｅé\u3000'\"\\%?:"
MESSY = st.text(
    st.sampled_from(string.ascii_letters + string.digits + " -/.:,+@()" + WIDE + ODD + "张三年月日长期万元亿人民币"),
    max_size=24,
)


class Engine:
    """One DuckDB connection whose session is in another zone than the data, so that a leak of the session's zone shows."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET threads = 1; SET TimeZone = 'America/New_York'")

    def standard(self, col: Column, values: Sequence[str | None], timezone: str = ZONE) -> list[Any]:
        expression = normalise(col, "v", timezone=timezone)
        return [
            r[0] for r in self.select([f"epoch_us({expression})" if col.type == "timestamp" else expression], values)
        ]

    def failing(self, col: Column, values: Sequence[str | None]) -> list[set[str]]:
        rules = checks(col, "v", today=TODAY)
        rows = self.select([r.ok for r in rules], values)
        return [{r.code for r, ok in zip(rules, row, strict=True) if ok is not True} for row in rows]

    def select(self, expressions: list[str], values: Sequence[str | None]) -> list[tuple[Any, ...]]:
        rows = "(SELECT unnest($1::VARCHAR[]) AS v, unnest(range(len($1))) AS n)"
        return self.connection.execute(
            f"SELECT {', '.join(expressions)} FROM {rows} ORDER BY n", [list(values)]
        ).fetchall()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.connection.close()


def column(element: str | None = None, kind: str = "string", **more: Any) -> Column:
    return Column("v", "v", "v", type=kind, element=element, **more)  # type: ignore[arg-type]


def lists(values: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(mixed(values), min_size=1, max_size=40)


def mixed(good: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Good values, good values written badly, and rubbish."""

    def worsen(value: str, how: int, noise: str) -> str:
        at = len(noise) * 7 % (len(value) + 1)
        return (
            value,
            value.translate({ord(c): chr(ord(c) + 0xFEE0) for c in string.digits + string.ascii_uppercase}),
            value.lower(),
            value[:at] + noise[:2] + value[at:],
            f" {value[:at]} {value[at:]}\u3000",
            value[:at] + value[at + 1 :],
            value.replace("X", "×"),
        )[how]

    return st.one_of(good, st.builds(worsen, good, st.integers(0, 6), MESSY), MESSY)


@st.composite
def citizen_ids(draw: st.DrawFn) -> str:
    region = draw(
        st.one_of(st.sampled_from(list(code_list("region").values)), st.sampled_from(["830000", "911156", "999999"]))
    )
    year, month, day = draw(st.integers(1790, 2030)), draw(st.integers(0, 13)), draw(st.integers(0, 32))
    first17 = f"{region}{year:04}{month:02}{day:02}{draw(st.integers(0, 999)):03}"
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return first17[:6] + first17[8:]
    return first17 + (identifiers.citizen_check(first17) if kind > 2 else str(kind))


@st.composite
def usccs(draw: st.DrawFn) -> str:
    alphabet = st.sampled_from(identifiers.USCC_ALPHABET)
    organisation = "".join(draw(st.lists(alphabet, min_size=8, max_size=8)))
    head = draw(alphabet) + draw(alphabet) + f"{draw(st.integers(0, 999999)):06}" + organisation
    head += identifiers.organisation_check(organisation) if draw(st.integers(0, 4)) else draw(alphabet)
    return head + (identifiers.uscc_check(head) if draw(st.integers(0, 4)) else draw(alphabet))


@st.composite
def licences(draw: st.DrawFn) -> str:
    an = st.sampled_from(identifiers.ALPHANUMERIC)
    kind, issuer, serial = (
        "".join(draw(st.lists(an, min_size=n, max_size=m))) for n, m in ((21, 21), (18, 18), (1, 20))
    )
    version = f"{draw(st.integers(0, 999)):03}"
    check = identifiers.mod_37_36(kind + issuer + serial + version) if draw(st.booleans()) else draw(an)
    return f"1.2.156.3005.2.{kind}.{issuer}.{serial}.{version}.{check}"


def judged(faults: Callable[[str], frozenset[identifiers.Fault]], values: Sequence[str | None]) -> list[frozenset[str]]:
    return [frozenset(faults(v)) if v is not None else frozenset() for v in values]


@FEW
@given(values=lists(citizen_ids()))
def test_citizen_ids_are_standardised_and_judged_alike(engine: Engine, values: list[str]) -> None:
    col, want = column("DE01001"), list(map(texts.citizen_id, values))
    assert engine.standard(col, values) == want
    assert [f - {"control"} for f in engine.failing(col, want)] == judged(
        lambda v: identifiers.citizen_faults(v, TODAY), want
    )


@FEW
@given(values=lists(usccs()))
def test_credit_codes_are_standardised_and_judged_alike(engine: Engine, values: list[str]) -> None:
    col, want = column("DE02001"), list(map(texts.identifier, values))
    assert engine.standard(col, values) == want
    assert [f - {"control"} for f in engine.failing(col, want)] == judged(identifiers.uscc_faults, want)


@FEW
@given(values=lists(licences()))
def test_licence_identifiers_are_judged_alike(engine: Engine, values: list[str]) -> None:
    col, want = column("DE03001"), list(map(texts.identifier, values))
    assert engine.standard(col, values) == want
    assert [f - {"control"} for f in engine.failing(col, want)] == judged(identifiers.licence_faults, want)


READERS: dict[str, Callable[[str], str | None]] = {
    "DE01002": texts.person_name,
    "DE01004": texts.identifier,
    "DE01012": texts.mobile,
    "DE01013": texts.email,
    "DE02002": texts.org_name,
    "DE02010": texts.plain,
    "DE01005": texts.code,
}


@pytest.mark.parametrize("element", sorted(READERS))
@settings(FEW, max_examples=8)
@given(
    values=lists(
        st.sampled_from(
            ["张三", "阿卜杜拉•买买提", "+86 138-0013-8000", "Li.Si@EXAMPLE.Cn", "示例(上海)有限公司", "H0123456(7)"]
        )
    )
)
def test_text_is_read_alike(engine: Engine, element: str, values: list[str]) -> None:
    assert engine.standard(column(element), values) == list(map(READERS[element], values))


@FEW
@given(values=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=12), max_size=40))
def test_any_text_at_all_is_read_alike(engine: Engine, values: list[str]) -> None:
    assert engine.standard(column(), values) == list(map(texts.plain, values))
    assert engine.standard(column("DE03004"), values) == [texts.plain(v, UNSPACED) for v in values]


@pytest.mark.parametrize("element", [None, *sorted(n for n, e in ELEMENTS.items() if e.type == "C")])
def test_text_of_plain_bytes_stays_as_it_is(engine: Engine, element: str | None) -> None:
    plain = set(plain_bytes(column(element)))
    kept = [c for c in map(chr, (*range(0x80), *range(0x4000, 0xA000))) if plain.issuperset(c.encode())]
    text = "".join(c for c in kept if c != " ").replace("!", "! " if " " in kept else "!")
    assert engine.standard(column(element), [text] if text else []) == ([text] if text else [])


@st.composite
def moments(draw: st.DrawFn) -> str:
    y, m, d = draw(st.integers(1800, 2100)), draw(st.integers(0, 13)), draw(st.integers(0, 32))
    day = draw(
        st.sampled_from(
            [
                f"{y}{m:02}{d:02}",
                f"{y}-{m:02}-{d:02}",
                f"{y}/{m}/{d}",
                f"{y}年{m}月{d}日",
                f"{y}.{m}.{d}",
                f"{y}-{m}-{d}",
            ]
        )
    )
    h, mi, s = draw(st.integers(0, 25)), draw(st.integers(0, 61)), draw(st.integers(0, 61))
    colons = [f" {h:02}:{mi:02}:{s:02}", f"T{h:02}:{mi:02}:{s:02}", f" {h}:{mi:02}", f"{h}:{mi:02}:{s:02}.1234567"]
    clock = draw(
        st.sampled_from(["", *colons, f"{h:02}{mi:02}{s:02}", f"T{h:02}{mi:02}{s:02}", f"{h}时{mi:02}分{s:02}秒"])
    )
    zone = draw(st.sampled_from(["", "", "Z", "+08:00", "+0800", "+08", "-05:30", " +08:00", "+99"]))
    return day + clock + zone


def micros(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@FEW
@given(values=lists(moments()), timezone=st.sampled_from(["Asia/Shanghai", "America/Los_Angeles", "UTC"]))
def test_days_and_points_in_time_are_read_alike(engine: Engine, values: list[str], timezone: str) -> None:
    assert engine.standard(column(kind="timestamp"), values, timezone) == [
        micros(texts.instant(v, timezone)) for v in values
    ]
    assert engine.standard(column(kind="date"), values, timezone) == [texts.day(v, timezone) for v in values]
    want = [texts.day(v, timezone, open_end=True) for v in values]
    assert engine.standard(column("DE03010", "date"), values, timezone) == want


NUMBERS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**15), max_value=10**15).map(str),
    st.integers(-(2**64), 2**64).map(lambda n: f"{n:,}"),
    st.floats().map(str),
    st.sampled_from(
        [
            "500万人民币",
            "500.5万元",
            "5000000元",
            "1.2亿元",
            "人民币5千万元整",
            "500(万元人民币)",
            "500万美元",
            "1,2,3",
            "1e400",
        ]
    ),
)


@FEW
@given(values=lists(NUMBERS))
def test_numbers_and_amounts_are_read_alike(engine: Engine, values: list[str]) -> None:
    small = column(kind="decimal", precision=12, scale=2)
    assert engine.standard(column(kind="integer"), values) == list(map(texts.integer, values))
    assert engine.standard(column(kind="number"), values) == list(map(texts.number, values))
    assert engine.standard(column(kind="decimal"), values) == list(map(texts.decimal, values))
    assert engine.standard(small, values) == [texts.decimal(v, 12, 2) for v in values]
    assert engine.standard(column("DE02007", "decimal"), values) == list(map(texts.capital, values))
    assert engine.standard(column(kind="boolean"), values) == list(map(texts.boolean, values))


@FEW
@given(values=lists(st.sampled_from(["男", "女", "1", "2", "9", "是"])))
def test_codes_are_mapped_alike(engine: Engine, values: list[str]) -> None:
    codes = {"男": "1", "女": "2"}
    assert engine.standard(column("DE01005", codes=codes), values) == [texts.code(v, codes) for v in values]


@pytest.mark.parametrize("element", sorted(ELEMENTS))
def test_every_element_has_expressions_that_run_and_hold_for_null(engine: Engine, element: str) -> None:
    col = column(element, ELEMENTS[element].logical_types[0])
    assert engine.standard(col, [None, " 　\t ", ""]) == [None, None, None]
    native = {"string": "VARCHAR", "date": "DATE", "timestamp": "TIMESTAMPTZ", "decimal": "DECIMAL(18,4)"}[col.type]
    rules = checks(col, f"NULL::{native}", today=TODAY)
    assert all(engine.select([r.ok for r in rules], [None])[0]) if rules else True
