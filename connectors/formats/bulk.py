"""The fast way through a delimited file: Arrow's CSV parser, fed with UTF-8 and only with what both readers agree on.

Arrow is lenient where the careful reader (`delimited`) is strict: text after a closing quote, a quote inside a plain field. So the bytes are
looked at before Arrow sees them: each opening quote must follow a separator or a line end, each closing one precede one, counted over
the whole file. Where they do not, or where Arrow finds anything amiss, `Odd` is raised: the careful reader goes on from the record where this one
stopped, and either reads the file by its own rules or names the fault. Memory is a few blocks, whatever the file's size.
"""

import codecs
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from connectors.batches import numbered_schema, text_schema
from connectors.formats.header import Header

BLOCK = 1 << 20
_QUOTE = ord('"')


class Odd(Exception):
    """The careful reader must go on here; `done` records have been handed on."""

    def __init__(self, done: int) -> None:
        super().__init__(done)
        self.done = done


def bulk(blocks: Iterable[bytes], delimiter: str, header: Header) -> Iterator[pa.RecordBatch]:
    """The records of UTF-8 `blocks` that begin after the header.

    Raises:
        Odd: the careful reader is to go on.
    """
    if not delimiter.isascii():
        raise Odd(0)
    schema = numbered_schema(text_schema(header.names))
    done = 0
    with _Checked(blocks, delimiter) as stream:
        try:
            for batch in _parsed(stream, delimiter, header.width):
                if _lost(batch.columns[len(header.names) :]):
                    raise Odd(done)
                numbers = pa.array(np.arange(done + 1, done + 1 + batch.num_rows))
                yield pa.RecordBatch.from_arrays([numbers, *batch.columns[: len(header.names)]], schema=schema)
                done += batch.num_rows
        except (pa.ArrowException, UnicodeError, _Disagreement):
            raise Odd(done) from None


def _parsed(stream: Any, delimiter: str, width: int) -> Iterable[pa.RecordBatch]:
    names = [str(place) for place in range(width)]
    return csv.open_csv(
        stream,
        read_options=csv.ReadOptions(column_names=names, block_size=BLOCK),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
    )


def _lost(columns: Sequence[Any]) -> bool:
    """Whether a column without a name has more than nothing in it."""
    return any(bool(pc.any(pc.not_equal(column, pa.scalar(""))).as_py()) for column in columns)


class _Disagreement(Exception):
    """A quote stands where the two readers would not read it alike."""


class _Checked:
    """A file of blocks, as Arrow reads one (from a thread of its own), that raises before it gives out what is in doubt."""

    def __init__(self, blocks: Iterable[bytes], delimiter: str) -> None:
        self.closed = False
        self._blocks = iter(blocks)
        self._ready = codecs.BOM_UTF8  # Arrow takes one off: this, so that none of the first record's is lost
        self._lock = threading.Lock()
        self._quotes = _Quotes(delimiter)

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none only at the end."""
        with self._lock:
            while len(self._ready) < size and not self.closed:
                block = next(self._blocks, None)
                if block is None:
                    self._quotes.end()
                    break
                self._quotes.check(block)
                self._ready += block
            if len(self._ready) > 1 and self._ready[size - 1 : size] == b"\r":
                size -= 1  # after a block that ends so, Arrow leaves out a line feed, be it inside quotes
            given, self._ready = self._ready[:size], self._ready[size:]
            return given

    def close(self) -> None:
        """Read no more; a read under way ends first."""
        with self._lock:
            self.closed = True
            self._ready = b""

    def __enter__(self) -> "_Checked":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Quotes:
    """Follows the quotes over blocks: the first, third, fifth … opens, the others close; a doubled one does both."""

    def __init__(self, delimiter: str) -> None:
        self.border = np.zeros(256, dtype=bool)
        self.border[[ord(delimiter), ord("\r"), ord("\n"), _QUOTE]] = True
        self.inside = False
        self.closing = False  # the last byte of the last block closed a field
        self.before = ord("\n")

    def check(self, block: bytes) -> None:
        """Look at the next block."""
        if not block:
            return
        if self.closing and not self.border[block[0]]:
            raise _Disagreement
        self.closing = False
        if b'"' in block:
            self._look(np.frombuffer(block, dtype=np.uint8))
        self.before = block[-1]

    def _look(self, data: "np.ndarray[Any, np.dtype[np.uint8]]") -> None:
        places = np.flatnonzero(data == _QUOTE)
        opening, closing = places[int(self.inside) :: 2], places[1 - int(self.inside) :: 2]
        before = data[opening - 1]
        if opening.size and opening[0] == 0:
            before[0] = self.before
        self.closing = bool(closing.size) and closing[-1] == data.size - 1
        after = data[(closing[:-1] if self.closing else closing) + 1]
        if not (self.border[before].all() and self.border[after].all()):
            raise _Disagreement
        self.inside ^= bool(places.size % 2)

    def end(self) -> None:
        """No quote may be open at the end."""
        if self.inside:
            raise _Disagreement
