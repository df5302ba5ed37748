"""What every connector offers, and what a read of it is.

A `Connector` is opened for one `Source` and closed after use. `read` gives a `Reading`: its parts are consumed one after the
other, each to its end; only then is there a watermark. Whoever skips a part's bytes is told, for those records would be lost.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, TypeVar

import pyarrow as pa

from schemas.contract import Column, Source

Media = Literal["arrows", "parquet", "csv", "xlsx", "jsonl", "json", "arrow", "zip", "gz"]
T = TypeVar("T")


@dataclass(frozen=True)
class SourceColumn:
    """A column as the source declares it; `key` is its position in the primary key, 0 if it has none."""

    name: str
    type: str
    nullable: bool = True
    key: int = 0
    comment: str = ""


@dataclass(frozen=True)
class Rows:
    """How many records there are; not `exact` where the source's own estimate stands in for a dear count."""

    count: int
    exact: bool = True


@dataclass(frozen=True)
class Probe:
    """A source that answered: where it is (without credentials), what it is, and what a person should know of it.

    `rows` holds the tables whose size could be had cheaply, `encoding` what a text file's was found out to be (Python's name).
    """

    where: str
    system: str
    tables: tuple[str, ...]
    note: str = ""
    rows: Mapping[str, Rows] = field(default_factory=dict)
    encoding: str | None = None


@dataclass(frozen=True)
class Part:
    """One piece of a delivery: `chunks` of original bytes, or `batches` of `schema` where the source is a database."""

    name: str
    media: Media
    chunks: Iterator[bytes] | None = None
    batches: Iterator[pa.RecordBatch] | None = None
    schema: pa.Schema | None = None


@dataclass
class Reading:
    """One read of a source.

    `complete`: the whole table, so that an absent key was deleted. `consistent`: all of it as of one moment. `note` says what a
    person should know of the run (an overlap instead of a bound, for one).
    """

    produce: Callable[["Reading"], Iterator[Part]] = field(repr=False)
    complete: bool
    consistent: bool
    mark: str | None = None
    note: str = ""
    release: Callable[[], None] = field(default=lambda: None, repr=False)
    finished: bool = field(default=False, init=False)

    def parts(self) -> Iterator[Part]:
        """The delivery's parts, in landing order; each is to be consumed before the next is asked for."""
        for part in self.produce(self):
            chunks, batches = _Stream(part.chunks or iter(())), _Stream(part.batches or iter(()))
            yield replace(part, chunks=part.chunks and chunks, batches=part.batches and batches)
            unread = chunks if part.chunks is not None else batches
            if not unread.ended:
                raise RuntimeError(f"part {part.name!r} was not read to its end: its records would be lost")
        self.finished = True

    @property
    def watermark(self) -> str | None:
        """Opaque text to hand to the next `read`; None if there is none. Known only after the last part."""
        if not self.finished:
            raise RuntimeError("the watermark is known only after all parts are consumed")
        return self.mark

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@dataclass
class Sweep:
    """Every record that a source has now, for comparison with what was published: batches of `_row` and the contract's columns.

    Shape and values are those of `decode`. `complete` and `consistent` as of a `Reading`; `note` says what a person should know.
    Iterate to the end, inside a `with`.
    """

    batches: Iterator[pa.RecordBatch]
    complete: bool
    consistent: bool
    note: str = ""
    release: Callable[[], None] = field(default=lambda: None, repr=False)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Connector(Protocol):
    """One opened source."""

    source: Source

    def probe(self) -> Probe:
        """Ask the source whether it answers; raises the error that a read would."""

    def tables(self) -> tuple[str, ...]:
        """The tables, files or endpoints there are, sorted."""

    def describe(self, table: str) -> tuple[SourceColumn, ...]:
        """The columns of a table, in its order."""

    def sample(self, table: str, n: int) -> pa.Table:
        """At most `n` records of a table as text, under the source's column names."""

    def read(self, columns: Sequence[Column], watermark: str | None) -> Reading:
        """Read the source's table; `columns` are the contract's, `watermark` the last read's (None: all of it)."""

    def keys(self, columns: Sequence[Column], scratch: Path) -> Sweep:
        """Sweep the source's table for reconciliation: what `read` without a watermark gives, but nothing is landed.

        `scratch` is a folder for files that can only be decoded whole; they are removed as they are used up.
        """

    def close(self) -> None:
        """Let go of connections; a second call does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Closing:
    """What all connectors share: leaving the block closes them, and a sweep is a read that is not landed."""

    source: Source

    def keys(self: "Connector", columns: Sequence[Column], scratch: Path) -> Sweep:
        """Read the table without a watermark, decoded on the way."""
        from connectors.sweep import sweep

        return sweep(self, columns, scratch)

    def close(self) -> None:
        """Nothing to let go of, unless a connector says otherwise."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Stream(Iterator[T]):
    """An iterator that remembers whether it was read to its end."""

    def __init__(self, items: Iterator[T]) -> None:
        self.items = items
        self.ended = False

    def __next__(self) -> T:
        try:
            return next(self.items)
        except StopIteration:
            self.ended = True
            raise
