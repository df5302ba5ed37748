"""The file in which a department gets its bad rows back and returns them: its columns, what stands in a cell, and how a cell is read again.

1. The hub's own columns stand first (`OWN`): the row's number, why it was set aside, how to correct it, where the record was. Then the
   department's, in its own names, and for CSV in its own encoding and separator.
2. A text that a spreadsheet would take for a formula gets a quote before it (`guarded`), and loses it again (`plain`). Both touch the same
   texts, so nothing else is altered.
3. What the file cannot hold (a control character, a letter that the encoding lacks) is shown as near as can be. That loses nothing: a cell
   that comes back as it was shown stands for the value as it was delivered (`Sheet.value`).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

import pyarrow as pa

from connectors import encodings
from connectors.detection import detect
from connectors.formats import records
from connectors.options import options
from quality.drift import shown as tellable
from schemas.contract import Contract, Source
from schemas.errors import ContractInvalid, Invalid, SourceDamaged

Form = Literal["xlsx", "csv"]
FORMS: tuple[Form, ...] = ("xlsx", "csv")
NUMBER = "※编号 No."
OWN = (NUMBER, "※原因 Reason", "※怎样更正 How to fix", "※来源文件 File", "※行号 Row")
LONGEST = 32_000
_PLACE_BITS = 32
_DANGER = r"'*(?:[\s\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])"
_DANGEROUS, _GUARDED = re.compile(_DANGER), re.compile(f"'{_DANGER}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NUMBER = re.compile(r"\s*[Qq](\d{1,12})\.(\d{1,10})\s*")
_MOVED = str.maketrans(encodings.MOVED)


def number(seq: int) -> str:
    """The number by which people name a row: its run's landing and its place in it. No spreadsheet takes it for a date or a sum.

    >>> number((5 << 32) + 16), seq_of("Q5.17") == (5 << 32) + 16, seq_of("5.17")
    ('Q5.17', True, None)
    """
    return f"Q{seq >> _PLACE_BITS}.{(seq & ((1 << _PLACE_BITS) - 1)) + 1}"


def seq_of(text: str | None) -> int | None:
    """The `_seq` that a number stands for, None if it is no number."""
    found = _NUMBER.fullmatch(text or "")
    return (int(found[1]) << _PLACE_BITS) + int(found[2]) - 1 if found else None


def guarded(text: str) -> str:
    r"""The text with a quote before it if a spreadsheet would take it for a formula.

    >>> guarded("=1+1"), guarded("\tx"), guarded("林一"), guarded("'=1")
    ("'=1+1", "'\tx", '林一', "''=1")
    """
    return f"'{text}" if _DANGEROUS.match(text) else text


def plain(cell: str) -> str:
    """The inverse of `guarded`; what a person typed stays as it is, unless it looks guarded.

    >>> plain("'=1+1"), plain("-5"), plain("'s-Gravenhage")
    ('=1+1', '-5', "'s-Gravenhage")
    """
    return cell[1:] if _GUARDED.match(cell) else cell


@dataclass(frozen=True)
class Layout:
    """How the file of one dataset is written; `encoding` is empty for a workbook."""

    form: Form
    encoding: str = ""
    delimiter: str = ","

    @staticmethod
    def of(contract: Contract, form: Form) -> "Layout":
        """The department's own encoding and separator, or UTF-8 where it has none that holds the page's two languages."""
        if form == "xlsx":
            return Layout(form)
        source = contract.source
        stated = source.encoding if source.kind == "csv" else None
        encoding = encodings.codec(stated)
        with suppress(UnicodeEncodeError):
            "".join((*OWN, *(c.source for c in contract.columns))).encode(encoding)
            return Layout(form, encoding, _delimiter(source))
        return Layout(form, "utf-8-sig", _delimiter(source))

    def shown(self, value: str | None) -> str:
        """What stands in the cell of a delivered value."""
        text = _CONTROL.sub("?", value or "")
        if self.encoding:
            text = text.encode(self.encoding, "replace").decode(self.encoding)
            text = text.translate(_MOVED) if self.encoding == "gb18030" else text
        elif len(text) > LONGEST:
            text = text[:LONGEST] + "…"
        return guarded(text)


@dataclass(frozen=True)
class Sheet:
    """A returned file, looked through: its form is right and every row has a number or none. `numbers` are the rows' `_seq`."""

    contract: Contract
    layout: Layout
    source: Source
    file: BinaryIO
    where: str
    numbers: tuple[int | None, ...]

    @staticmethod
    def read(contract: Contract, file: BinaryIO, form: Form, where: str) -> "Sheet":
        """Look through an open, seekable file.

        Raises:
            Invalid: it cannot be read to its end, lacks a column of the export or has another, names a row twice or has none.
        """
        layout = Layout.of(contract, form)
        try:
            source = next(s for s in _ways(layout, file) if NUMBER in _names(file, form, s, where))
            _check_names(contract, layout, _names(file, form, source, where))
            sheet = Sheet(contract, layout, source, file, where, ())
            seqs = tuple(seq_of(n) for batch in sheet.batches() for n in batch.column(NUMBER).to_pylist())
        except StopIteration:
            raise Invalid(
                f"{where} has no column {NUMBER!r}", todo="return the exported file, corrected in place"
            ) from None
        except SourceDamaged as error:
            raise Invalid(error.what, todo=error.todo, **error.facts) from None
        _check_numbers(where, seqs)
        return replace(sheet, numbers=seqs)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The file's records, once more from the start."""
        return records(self.file, self.layout.form, self.source, self.where)

    def value(self, cell: str | None, delivered: str | None) -> str | None:
        """What a returned cell stands for: as delivered if it was not touched, else what stands there now."""
        if _folded(cell) == _folded(self.layout.shown(delivered)):
            return delivered
        return plain(cell or "") or None

    def names(self) -> dict[str, str]:
        """The file's name of each of the contract's columns, by the department's own."""
        return {c.source: self.layout.shown(c.source).strip() for c in self.contract.columns}


def _ways(layout: Layout, file: BinaryIO) -> Iterator[Source]:
    """The ways in which the file may have come back: as it went out, or as a spreadsheet program saves it."""
    if layout.form == "xlsx":
        yield Source("xlsx", "", "")
        return
    for encoding in dict.fromkeys((layout.encoding, encodings.codec(detect(file)))):
        yield Source("csv", "", "", encoding=encoding, options={"delimiter": layout.delimiter})
        yield Source("csv", "", "", encoding=encoding)


def _names(file: BinaryIO, form: Form, source: Source, where: str) -> list[str]:
    """The header, or none if it cannot be read in this way."""
    try:
        first = next(iter(records(file, form, source, where)))
    except SourceDamaged:
        if form == "xlsx":
            raise
        return []
    return [str(name) for name in first.schema.names if name != "_row"]


def _check_names(contract: Contract, layout: Layout, names: Sequence[str]) -> None:
    wanted = [layout.shown(c.source).strip() for c in contract.columns]
    missing, other = [n for n in wanted if n not in names], [n for n in names if n not in (*wanted, *OWN)]
    faults = [f"lacks column {n!r}" for n in missing] + [f"has another column {tellable(n)!r}" for n in other]
    if faults:
        raise Invalid(f"the file {'; '.join(faults[:5])}", todo="export the rows anew and correct them in place")


def _check_numbers(where: str, seqs: Sequence[int | None]) -> None:
    if not seqs:
        raise Invalid(f"{where} has no row", todo="return the rows that you corrected")
    twice = [seq for seq, n in Counter(s for s in seqs if s is not None).items() if n > 1]
    if twice:
        raise Invalid(f"{where} has row {number(twice[0])} twice", todo="leave the right one and delete the other")


def _delimiter(source: Source) -> str:
    given = ","
    with suppress(ContractInvalid):
        given = str(options(source).get("delimiter") or ",") if source.kind == "csv" else ","
    return given if len(given) == 1 else ","


def _folded(text: str | None) -> str:
    """A cell's text with line ends as every program writes them."""
    return (text or "").replace("\r\n", "\n").replace("\r", "\n")
