"""COPY's text format, undone: every text comes back as it is, whatever it holds."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from connectors.sql.copying import _batch

HOSTILE = st.text(st.sampled_from("\\Nntrbfv\n\t\r\b\f\v.,\"' 中\u2028é"), max_size=12)
TEXTS = st.one_of(st.none(), HOSTILE, st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
WRITTEN = str.maketrans(
    {"\\": r"\\", "\n": r"\n", "\t": r"\t", "\r": r"\r", "\b": r"\b", "\f": r"\f", "\v": r"\v"}
)  # PostgreSQL's manual, COPY, "Text Format"


@given(
    st.lists(st.tuples(TEXTS, st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), TEXTS), min_size=1, max_size=8)
)
def test_text_and_null_come_back_as_they_are(rows: list[tuple[str | None, int | None, str | None]]) -> None:
    block = bytearray("".join("\t".join(map(_field, row)) + "\n" for row in rows), "utf-8")
    schema = pa.schema([("a", pa.string()), ("n", pa.int64()), ("b", pa.string())])
    assert [tuple(row.values()) for row in _batch(block, schema).to_pylist()] == rows


def _field(value: str | int | None) -> str:
    return r"\N" if value is None else str(value).translate(WRITTEN)
