"""What is standardised while it is read is what the judge would make of the landing, and only a sealed landing has it."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from gate_builders import contract

import connectors
from connectors.interface import Part, Reading
from lake import landing
from lake.session import session
from quality import prepared
from quality.drift import Fitting
from quality.prepared import Preparing, find
from quality.standardise import merged, standardise
from schemas.contract import Column, Contract, Drift

AMOUNT = Column("amount", "金额", "金额", "decimal")
PEOPLE = replace(contract(AMOUNT), drift=Drift(columns="quarantine"))
NATIVE = {"编号": pa.string(), "金额": pa.decimal128(12, 2)}
TEXT = {"编号": pa.string(), "金额": pa.string()}
WIDER = {**TEXT, "备注": pa.string()}
Rows = Sequence[tuple[Any, ...]]


@pytest.fixture(autouse=True)
def _worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "WORTH", 0)


def part(name: str, shape: dict[str, pa.DataType], *batches: Rows) -> Part:
    schema = pa.schema(shape)
    columns = [zip(*rows, strict=True) if rows else [()] * len(shape) for rows in batches]
    made = [
        pa.RecordBatch.from_arrays([pa.array(c, k) for c, k in zip(b, shape.values(), strict=True)], schema=schema)
        for b in columns
    ]
    return Part(name, "arrows", batches=iter(made), schema=schema)


def prepare(folder: Path, parts: Iterator[Part], declared: Contract = PEOPLE) -> landing.Manifest:
    """A reading landed and prepared, as a read does it."""
    with Preparing(declared, folder / "work", first_seq=7, load=3, memory_mb=256) as preparing:
        reading = preparing.watched(Reading(lambda _: parts, True, True))
        manifest = landing.land(folder / "lake", "people", "run1", reading, landed_at="2026-03-02")
        preparing.seal("digest")
    return manifest


def found(folder: Path, declared: Contract = PEOPLE, manifest: str = "digest") -> prepared.Prepared | None:
    return find(declared, folder / "work", manifest, first_seq=7, load=3)


def rows_of(files: Sequence[Path]) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        names = [str(file) for file in files]
        return con.execute("SELECT * FROM read_parquet(?) ORDER BY _seq", [names]).fetchall() if names else []


WAYS: dict[str, list[Part]] = {
    "native": [part("人员", NATIVE, [("a", None), ("b", None)], [("c", None)])],
    "turned to text": [part("人员", NATIVE, [("a", None)]), part("人员", TEXT, [("b", "1.5"), ("c", " x")], [("d", "2")])],
    "two tables": [part("甲", TEXT, [("a", "1")]), part("乙", TEXT, [("b", "2")])],
    "no rows": [part("人员", NATIVE)],
    "an unknown column": [part("人员", WIDER, [("a", "1", None), ("b", "2", "x")])],
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_what_is_prepared_is_what_the_landing_gives(tmp_path: Path, way: str) -> None:
    manifest = prepare(tmp_path, iter(WAYS[way]))
    early = found(tmp_path)
    assert early is not None
    (tmp_path / "late").mkdir()
    with session(tmp_path / "late", 256) as con:
        fitting = Fitting(PEOPLE, tmp_path / "late" / "drifted.parquet")
        delivered = (
            delivery
            for file, path in landing.files(tmp_path / "lake", manifest)
            for delivery in connectors.deliveries(path, file.media, PEOPLE.source, name=file.source)
        )
        rows, files = standardise(con, PEOPLE, fitting.fitted(merged(delivered)), 7, tmp_path / "late", 3)
    assert (early.rows, rows_of(early.files)) == (rows, rows_of(files))
    assert early.fitting.findings() == fitting.findings()
    assert early.fitting.marks.exists() == fitting.marks.exists() == (way == "an unknown column")


def test_it_is_found_for_its_own_landing_and_contract_alone(tmp_path: Path) -> None:
    prepare(tmp_path, iter([part("人员", TEXT, [("a", "1")])]))
    early = found(tmp_path)
    assert early is not None
    assert found(tmp_path, manifest="another") is None
    assert found(tmp_path, contract(replace(AMOUNT, scale=2))) is None
    assert find(PEOPLE, tmp_path / "work", "digest", first_seq=8, load=3) is None
    early.files[0].write_bytes(b"torn")
    assert found(tmp_path) is None


@pytest.mark.parametrize(("worth", "there"), [(1, True), (1 << 20, False)])
def test_little_is_not_prepared_and_of_more_nothing_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worth: int, there: bool
) -> None:
    batches = [[(f"{n}", "1")] for n in range(9)]
    per_batch = next(iter(part("人员", TEXT, batches[0]).batches or ())).nbytes
    monkeypatch.setattr(prepared, "WORTH", worth * 5 * per_batch)
    prepare(tmp_path, iter([part("人员", TEXT, *batches)]))
    got = found(tmp_path)
    assert (got is not None and got.rows == 9) == there
    assert not there or len(rows_of(got.files if got else ())) == 9


def broken() -> Iterator[Part]:
    def batches(whole: Part) -> Iterator[pa.RecordBatch]:
        assert whole.batches is not None
        yield from whole.batches
        raise ConnectionError("cut")

    whole = part("人员", TEXT, [("a", "1")], [("b", "2")])
    yield replace(whole, batches=batches(whole))


def test_a_reading_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError):
        prepare(tmp_path, broken())
    assert list((tmp_path / "work").iterdir()) == []
    assert not [t for t in threading.enumerate() if t.name.startswith("prepare-")]


def test_a_fault_of_preparing_is_none_of_the_reading(tmp_path: Path) -> None:
    stopping = replace(PEOPLE, drift=Drift(columns="stop"))
    batches = [[(f"{n}", "1", "x")] for n in range(9)]
    manifest = prepare(tmp_path, iter([part("人员", WIDER, *batches)]), stopping)
    assert manifest.files[0].rows == 9
    assert found(tmp_path, stopping) is None
    assert list((tmp_path / "work").iterdir()) == []


def test_bytes_are_landed_and_not_prepared(tmp_path: Path) -> None:
    prepare(tmp_path, iter([Part("a.csv", "csv", chunks=iter([b"x"])), part("人员", TEXT, [("a", "1")])]))
    assert found(tmp_path) is None
