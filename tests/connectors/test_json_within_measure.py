"""A small JSON file that would take the process down, by its depth or by a number's length, is refused like any that is damaged."""

import json
from contextlib import suppress
from io import BytesIO
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.formats import measure, records
from connectors.rest import RestConnector
from schemas.contract import Source
from schemas.errors import SourceDamaged

DEEP = 100_000
BOMBS = {
    "lists without end": b'[{"a":' + b"[" * DEEP + b"]" * DEEP + b"}]",
    "objects without end": b"[" + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"]",
    "as deep as Python decodes": b"[" + b'{"a":' * 950 + b"1" + b"}" * 950 + b"]",
    "a line without end": b'{"a":' * DEEP,
    "digits without end": b'[{"a":' + b"9" * 5000 + b"}]",
    "digits without end, in a line": b'{"a":' + b"9" * 5000 + b"}\n",
    "an exponent without end": b'[{"a":1e99999999999999999999}]',
    "an exponent without end, in a line": b'{"a":1e99999999999999999999}\n',
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("path", ["", "$.x[?@.a]"], ids=["streamed", "searched"])
def test_a_bomb_is_a_damaged_file(bomb: str, path: str) -> None:
    content = (
        BOMBS[bomb] if not path else b'{"x": [' + BOMBS[bomb].strip().removeprefix(b"[").removesuffix(b"]") + b"]}"
    )
    source = Source("jsonl", "file://", "x.json", options={"records": path})
    with pytest.raises(SourceDamaged, match=r"^x\.json") as told:
        list(records(BytesIO(content), "jsonl", source, "x.json"))
    assert "999" not in str(told.value)


@pytest.mark.parametrize(
    "bomb", ["lists without end", "as deep as Python decodes", "digits without end", "an exponent without end"]
)
def test_a_bomb_is_a_damaged_answer(bomb: str) -> None:
    answers = httpx.MockTransport(lambda _: httpx.Response(200, content=b'{"x": ' + BOMBS[bomb] + b"}"))
    source = Source("rest", "https://api.example", "x", options={"records": "$..a"})
    with pytest.raises(SourceDamaged, match="no JSON"):
        RestConnector(source, secret=str, clock=lambda: pytest.fail("asked"), transport=answers).sample("x", 1)


def test_about_where_python_gives_up_a_line_is_read_or_refused() -> None:
    """How deep that is depends on who calls: what could be decoded may be too deep to be flattened."""
    source = Source("jsonl", "file://", "x.jsonl")
    for deep in range(800, 1000):
        with suppress(SourceDamaged):
            for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
                line = b'{"a":' + opened * deep + b"1" + closed * deep + b"}\n"
                assert [b.num_rows for b in records(BytesIO(line), "jsonl", source, "x.jsonl")] == [1]


def test_what_looks_deep_or_long_within_a_text_is_a_text() -> None:
    texts = ["[" * 10_000, '"{' * 5000, "9" * 100_000, "\\" * 999 + '"[', "]}" * 10_000]
    content = json.dumps([{"text": text} for text in texts]).encode()
    source = Source("jsonl", "file://", "x.json")
    (batch,) = records(BytesIO(content), "jsonl", source, "x.json")
    assert batch.column("text").to_pylist() == texts


VALUES = st.recursive(
    st.text(st.sampled_from('[]{}"\\,:9.e- 中'), max_size=9)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.sampled_from('[{"\\9'), max_size=3), inner, max_size=3)
    ),
    max_leaves=9,
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def longest(value: Any) -> int:
    """Of its numbers, as they are written."""
    if isinstance(value, dict | list):
        return max(map(longest, value.values() if isinstance(value, dict) else value), default=0)
    return len(json.dumps(value)) if isinstance(value, int | float) else 0


@given(VALUES, st.integers(1, 9), st.integers(0, 4), st.integers(1, 12))
def test_the_measure_is_exact_whatever_the_blocks(value: Any, size: int, deep: int, digits: int) -> None:
    content = json.dumps(value, ensure_ascii=False).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "MOST_DEPTH", deep)
        patch.setattr(measure, "MOST_DIGITS", digits)
        file, seen = measure.WithinMeasure(BytesIO(content), "x.json"), b""
        try:
            while block := file.read(size):
                seen += block
            refused = False
        except SourceDamaged:
            refused = True
    assert refused == (depth(value) > deep or longest(value) > digits)
    assert refused or seen == content
