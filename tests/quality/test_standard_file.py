"""Values made and values that stay are written side by side, row by row, wherever batches begin and end."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quality.standard_file import Staying, Waiting, repeated, write

STAYING = (Staying("_raw_0", "_plain0"), None)


def delivered(first: int, texts: list[str | None], plain: list[bool]) -> pa.RecordBatch:
    rows = range(first, first + len(texts))
    return pa.record_batch(
        {
            "_seq": pa.array(rows, pa.int64()), "_part": pa.array([0] * len(texts), pa.int32()), "_file": repeated("a.csv", len(texts)),
            "_row": pa.array(rows, pa.int64()), "_raw_0": pa.array(texts, pa.string()), "_plain0": pa.array(plain),
        }
    )  # fmt: skip


def made(seqs: list[int], texts: list[str | None]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [
            pa.array(texts, pa.string()), pa.array([10 * s for s in seqs], pa.int64()), pa.array(seqs, pa.int64()),
            pa.array([-s for s in seqs], pa.int64()), pa.array([None] * len(seqs), pa.list_(pa.string())),
        ],
        names=["a", "b", "c", "d", "e"],
    )  # fmt: skip


def written(file: Path, came: list[pa.RecordBatch], answers: list[pa.RecordBatch]) -> pa.Table:
    waiting = Waiting()
    assert len(list(waiting.passing(iter(came)))) == len(came)
    write(file, pa.RecordBatchReader.from_batches(answers[0].schema, iter(answers)), waiting, ["name", "n"], STAYING, 3)
    return pq.read_table(file)


def test_text_stays_where_it_is_said_to_and_is_the_made_one_elsewhere(tmp_path: Path) -> None:
    came = [
        delivered(0, ["x", " y ", None], [True, False, True]),
        delivered(3, ["z"], [True]),
        delivered(4, ["", "w", "v"], [False, True, True]),
    ]
    answers = [made([0, 1], [None, "y"]), made([2, 3, 4, 5], [None] * 4), made([6], [None])]
    found = written(tmp_path / "f.parquet", came, answers)
    assert found.column("name").to_pylist() == ["x", "y", None, "z", None, "w", "v"]
    assert found.column("n").to_pylist() == [0, 10, 20, 30, 40, 50, 60]
    assert found.column("_seq").to_pylist() == found.column("_row").to_pylist() == list(range(7))
    assert {(r["_op"], r["_load"], r["_file"]) for r in found.to_pylist()} == {("upsert", 3, "a.csv")}


def test_rows_given_back_in_another_order_are_never_written_beside_others(tmp_path: Path) -> None:
    came = [delivered(0, ["x", "y"], [True, True])]
    with pytest.raises(RuntimeError, match="another order"):
        written(tmp_path / "f.parquet", came, [made([1, 0], [None, None])])
