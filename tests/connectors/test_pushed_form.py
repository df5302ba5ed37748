"""A pushed body's form: what passes the door is read to its end by the gate, and what does not is named by line, not by value."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import decode, form
from connectors.formats.arrow_stream import END
from connectors.inbox import PushMedia
from schemas.contract import Source
from schemas.errors import SourceDamaged

SOURCE = Source("push", "", "arrivals", encoding="utf-8")


def body(folder: Path, content: bytes, media: PushMedia = "jsonl") -> Path:
    path = folder / f"body.{media}"
    path.write_bytes(content)
    return path


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


BAD_LINES = {
    "no json": b"{'id': 1}",
    "half an object": b'{"id": 1',
    "two objects": b'{"id": 1} {"id": 2}',
    "a list": b'[{"id": 1}]',
    "a number": b"7",
    "no value": b"{}",
    "a name twice": b'{"id": 1, "id": 2}',
    "a name twice, inside": b'{"a": {"b": 1, "b": 2}}',
    "a name twice, once written with a dot": b'{"a": {"b": 1}, "a.b": 2}',
    "latin-1": b'{"id": "\xe9"}',
    "half a character": rb'{"id": "\ud800"}',
    "half a character in a name": rb'{"\udfff": 1}',
    "NaN": b'{"id": NaN}',
    "a number without end": b'{"id": 1e99999999999999999999}',
    "digits without end": b'{"id": ' + b"9" * 5000 + b"}",
    "too deep": b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}",
    "far too deep": b'{"a": ' * 20_000,
    "the hub's own name": b'{"_row": 1}',
    "a byte order mark": b'\xef\xbb\xbf{"id": 1}',
}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES)
def test_a_line_out_of_order_is_named_by_its_number_alone(tmp_path: Path, bad: bytes) -> None:
    path = body(tmp_path, b'{"id": "first"}\n\n{"id": "third"}\n' + bad + b'\n{"id": "310101199003074610"}')
    with pytest.raises(SourceDamaged, match=r"^line 4 ") as caught:
        form.count(path, "jsonl")
    assert caught.value.facts == {"line": 4}
    assert "3101" not in str(caught.value)


def test_lines_in_order_are_counted_without_the_blank_ones(tmp_path: Path) -> None:
    content = '{"id": "一", "a": {"b": [1, {"c": null}]}}\r\n\n  \n{"id": "\\ud83d\\ude00", "n": 1.50}'.encode()
    assert form.count(body(tmp_path, content), "jsonl") == 2


def test_a_line_beyond_the_limit_is_refused_without_being_held_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form, "LINE", 100)
    assert form.count(body(tmp_path, b'{"a": "' + b"x" * 90 + b'"}'), "jsonl") == 1
    with pytest.raises(SourceDamaged, match="line 1 is longer"):
        form.count(body(tmp_path, b'{"a": "' + b"x" * 95 + b'"}'), "jsonl")


def test_too_many_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "NAMES", 3)
    assert form.count(body(tmp_path, b'{"a": 1, "b": 2}\n{"c": 3}'), "jsonl") == 2
    with pytest.raises(SourceDamaged, match=r"line 2 .* more than 3 names"):
        form.count(body(tmp_path, b'{"a": 1, "b": 2}\n{"c": 3, "d": 4}'), "jsonl")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
LINE = (
    st.dictionaries(st.text(max_size=4), JSON, max_size=4).map(json.dumps).map(str.encode)
    | JSON.map(json.dumps).map(str.encode)
    | st.sampled_from(list(BAD_LINES.values()))
    | st.binary(max_size=12)
)


@given(st.lists(LINE, max_size=4).map(b"\n".join))
@settings(max_examples=150, deadline=None)
def test_what_passes_the_door_is_decoded_without_a_fault(tmp_path_factory: Any, content: bytes) -> None:
    path = body(tmp_path_factory.getbasetemp(), content)
    try:
        records = form.count(path, "jsonl")
    except SourceDamaged:
        return
    if records:
        assert sum(batch.num_rows for batch in decode(path, "jsonl", SOURCE)) == records


TABLE = pa.table({"id": ["1", "2"], "n": [1, None]})


def bad_streams() -> dict[str, bytes]:
    good = stream(TABLE)
    return {
        "cut": good[:-40],
        "without its end": good[:-8],
        "with something behind": good + b"x",
        "two in one": good + good,
        "none": b"ARROW1\0\0 and so on and so on",
        "compressed": stream(TABLE, compression="zstd"),
        "a dictionary": stream(pa.table({"id": pa.array(["x"] * 9).dictionary_encode()})),
        "nested": stream(pa.table({"id": [[1, 2]]})),
        "nothing but length": stream(pa.table({"id": pa.nulls(9)})),
        "no column": stream(pa.table({})),
        "a name twice": stream(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])),
        "the hub's own name": stream(pa.table({"_row": [1]})),
        "text that is no UTF-8": stream(pa.table({"id": ["aaaa"]})).replace(b"aaaa", b"\xff\xff\xff\xff"),
        "offsets out of bounds": stream(pa.table({"id": ["a", "bb"]})).replace(
            b"\x01\0\0\0\x03\0\0\0", b"\x01\0\0\0\xf3\xf3\xf3\x03"
        ),
    }


def shared() -> bytes:
    """Nine columns over the bytes of two: a small body that would become a large table."""
    whole, column = stream(pa.table({f"c{i}": pa.array(range(1001), pa.int64()) for i in range(9)})), 1001 * 8
    start = len(whole) - len(END) - 9 * column
    head = whole[:start]
    for i in range(2, 9):
        head = head.replace(struct.pack("<q", i * column), bytes(8))
    return (
        head.replace(struct.pack("<q", 9 * column), struct.pack("<q", 2 * column))
        + whole[start : start + 2 * column]
        + END
    )


def test_columns_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    with pa.ipc.open_stream(shared()) as reader:
        assert reader.read_all().nbytes > 4 * len(shared())
    with pytest.raises(SourceDamaged, match="share their bytes"):
        form.count(body(tmp_path, shared(), "arrow"), "arrow")


@pytest.mark.parametrize("name", bad_streams())
def test_a_stream_out_of_order_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceDamaged, match="the body"):
        form.count(body(tmp_path, bad_streams()[name], "arrow"), "arrow")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_stream_with_flipped_bytes_is_refused_or_read_and_nothing_else(
    tmp_path_factory: Any, data: st.DataObject
) -> None:
    good = bytearray(stream(TABLE))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    path = body(tmp_path_factory.getbasetemp(), bytes(good), "arrow")
    try:
        records = form.count(path, "arrow")
    except SourceDamaged:
        return
    assert sum(batch.num_rows for batch in decode(path, "arrow", SOURCE)) == records


def test_a_stream_keeps_its_types_and_numbers_its_rows(tmp_path: Path) -> None:
    path = body(tmp_path, stream(TABLE), "arrow")
    (batch,) = decode(path, "arrow", SOURCE)
    assert batch.to_pylist() == [{"_row": 1, "id": "1", "n": 1}, {"_row": 2, "id": "2", "n": None}]
    assert batch.schema.field("n").type == pa.int64()


def test_a_stream_of_many_rows_comes_in_batches_of_bounded_size(tmp_path: Path) -> None:
    path = body(tmp_path, stream(pa.table({"id": list(range(20_000))})), "arrow")
    batches = list(decode(path, "arrow", SOURCE))
    assert max(batch.num_rows for batch in batches) < 10_000
    assert [n for batch in batches for n in batch.column("_row").to_pylist()] == list(range(1, 20_001))


def test_a_stream_without_rows_shows_its_columns(tmp_path: Path) -> None:
    (batch,) = decode(body(tmp_path, stream(TABLE.slice(0, 0)), "arrow"), "arrow", SOURCE)
    assert (batch.num_rows, batch.schema.names) == (0, ["_row", "id", "n"])
