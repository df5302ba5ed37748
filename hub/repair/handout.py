"""A department's bad rows as a file for it: CSV or a workbook, with what is wrong and how to correct it, and a receipt.

1. Rows come in the order in which they were delivered; a row that broke several rules stands there once.
2. The receipt tells what was handed out (rows by rule, size, SHA-256) and never a value. It goes into the audit before the file leaves.
"""

import csv
import hashlib
import io
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from access.audit import Entry
from connectors.encodings import shown as encoding_name
from connectors.formats.book import write_book
from hub.core import Hub
from hub.repair.quarantined import Bad, bad_rows, explained, known_rules
from hub.repair.sheet import OWN, Form, Layout, number
from hub.repair.workbook import Line, pages
from quality.rule import Rule
from schemas.contract import Contract
from schemas.errors import Invalid

MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Receipt:
    """What was handed out: counts by rule, never a value. Rows that are `held` cannot be returned: their delivery waits as a whole."""

    id: str
    dataset: str
    department: str
    form: str
    encoding: str
    rows: int
    held: int
    rules: dict[str, int]
    bytes: int
    sha256: str
    at: str

    def entry(self, who: str, contract: Contract) -> Entry:
        """The audit entry, to be durable before the file leaves."""
        columns = tuple(c.name for c in contract.columns)
        return Entry(
            who, "quarantine export", self.dataset, columns, self.id, f"{self.rows} rows, sha256 {self.sha256}"
        )


@dataclass
class _Counted:
    """The rows that pass by."""

    rules: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    held: int = 0

    def __call__(self, rows: Iterable[Bad]) -> Iterator[Bad]:
        for bad in rows:
            self.rows += 1
            self.held += bad.held
            self.rules.update(bad.reasons)
            yield bad


def export(
    hub: Hub, contract: Contract, form: Form, file: io.BufferedRandom | io.BytesIO, *, rule: str | None = None
) -> Receipt:
    """Write the dataset's open rows, or those that broke one rule, to a file that can be read back; what was written.

    Raises:
        Invalid: there are more rows than a sheet holds.
    """
    layout, counted, known = Layout.of(contract, form), _Counted(), known_rules(hub, contract)
    id_ = f"{hub.clock():%Y%m%d%H%M%S}-{secrets.token_hex(3)}"
    lines = (
        _line(layout, contract, known, bad) for bad in counted(bad_rows(hub, contract, rule=rule, limit=MOST_ROWS + 1))
    )
    header = [*OWN, *(layout.shown(c.source) for c in contract.columns)]
    if form == "xlsx":
        write_book(file, pages(f"{contract.title} {contract.dataset} · {contract.provider} · {id_}", header, lines))
    else:
        _write_csv(file, layout, header, lines)
    if counted.rows > MOST_ROWS:
        raise Invalid(f"more than {MOST_ROWS} rows: too many for a sheet", todo="export them rule by rule: --rule RULE")
    size = file.tell()
    file.seek(0)
    return Receipt(
        id_, contract.dataset, contract.provider, form, encoding_name(layout.encoding) if layout.encoding else "",
        counted.rows, counted.held, dict(counted.rules), size, hashlib.file_digest(file, "sha256").hexdigest(),
        hub.clock().isoformat(timespec="seconds"),
    )  # fmt: skip


def _write_csv(file: BinaryIO, layout: Layout, header: list[str], lines: Iterable[Line]) -> None:
    text = io.TextIOWrapper(file, encoding=layout.encoding, errors="replace", newline="")
    writer = csv.writer(text, delimiter=layout.delimiter, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(line.cells for line in lines)
    text.detach()


def _line(layout: Layout, contract: Contract, known: dict[str, Rule], bad: Bad) -> Line:
    between, tongues = ("\n", "\n") if layout.form == "xlsx" else (" | ", " / ")
    words = explained(known, bad.reasons, held=bad.held)
    marks = [f"{n}. " if len(words) > 1 else "" for n in range(1, len(words) + 1)]
    why = between.join(f"{m}{w['zh']}{tongues}{w['en']}" for m, w in zip(marks, words, strict=True))
    how = between.join(f"{m}{w['fix_zh']}{tongues}{w['fix_en']}" for m, w in zip(marks, words, strict=True))
    own = (number(bad.seq), why, how, bad.file, str(bad.row))
    values = (bad.delivered.get(c.source) for c in contract.columns)
    columns = {column for id_ in bad.reasons if id_ in known for column in known[id_].columns}
    faulty = {len(own) + place for place, c in enumerate(contract.columns) if c.name in columns}
    return Line([layout.shown(text) for text in (*own, *values)], frozenset(faulty))
