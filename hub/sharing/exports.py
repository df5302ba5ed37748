"""A dataset in bulk for a client: Parquet, an Arrow stream or CSV, as much of one load as its grants let it see, with a receipt.

1. The subjects of all rows are charged first: who may not have them does not make the hub write them.
2. DuckDB gives record batches, one after the other goes into a file without a name: memory does not grow with the dataset.
3. Receipt and audit entry tell rows, bytes, SHA-256, load and grants, and are durable before the first byte leaves.
4. While it is sent the grants are looked at again: where one is revoked the sending breaks off, shorter than it was announced.

A text in CSV that a spreadsheet would take for a formula gets a quote before it (`hub.repair.sheet.guarded`); the other forms are no spreadsheets'.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import ENOSPC
from tempfile import TemporaryFile
from threading import BoundedSemaphore
from typing import IO, Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from access import predicates
from access.desk import Desk
from access.extract import Extract, Wish
from hub.core import Hub
from hub.repair.sheet import guarded
from hub.sharing.records import MEMORY_MB, Records, reader
from lake import current
from lake.session import Connection, session
from ledger import receipts
from ledger.budgets import MARGIN
from schemas.errors import NotFound, StorageFull, TooMany
from serving import services

Form = services.ExportForm
AT_ONCE = 2
_BATCH = 20_000
_PIECE = 1 << 20
_ROWS = "rows_of_load"
_BOM = b"\xef\xbb\xbf"


def records_of(hub: Hub, desk: Desk) -> services.Records:
    """What the routes call."""
    records = reader(hub, desk)
    exports = Exports(records)

    def export(wish: Wish, form: Form, as_of: int | None) -> tuple[Iterator[bytes], dict[str, Any]]:
        made = exports.export(wish, form, as_of)
        return pieces(made), made.receipt

    return services.Records(records.page, records.changes, export, exports.receipt)


@dataclass(frozen=True)
class Export:
    """A file that may be sent, at its start, and its receipt; `allowed` says whether it still may."""

    file: BinaryIO
    receipt: dict[str, Any]
    allowed: Callable[[], bool]


@dataclass(frozen=True)
class Exports:
    """Makes exports, a few at once."""

    records: Records
    places: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(AT_ONCE))

    def export(self, wish: Wish, form: Form, as_of: int | None = None) -> Export:
        """The rows of one load as a file.

        Raises:
            TooMany: others are being made, or the subjects are more than the budget bears.
        """
        records = self.records
        extract = records.extract(wish)
        load = records.load(extract.contract, as_of, "as_of")
        with self._place(), session(records.hub.settings.work, MEMORY_MB) as con:
            current.create_view(con, records.hub.lake, extract.contract, _ROWS, load)
            about = records.charge(wish, extract, self._subjects(con, extract, wish))
            statement = predicates.everything(extract.sight, _ROWS, extract.where)
            batches = con.sql(statement.sql, params=statement.parameters).to_arrow_reader(_BATCH)
            file = TemporaryFile(dir=records.hub.settings.work)  # noqa: SIM115 - whoever sends it closes it
            try:
                rows = _write(file, form, batches)
            except OSError as error:
                file.close()
                if error.errno == ENOSPC:
                    raise StorageFull("no space is left for the export", todo="try again later") from error
                raise
        receipt = self._receipt(wish, extract, load, form, file, rows)
        receipts.keep(records.hub.ledger, receipt["id"], wish.client, receipt, records.hub.clock())
        detail = f"{rows} rows of load {load} as {form}, receipt {receipt['id']}, sha256 {receipt['sha256']}"
        records.note(wish, extract, detail, about)
        file.seek(0)
        return Export(file, receipt, lambda: self._allowed(wish, extract))

    def receipt(self, client: str, id_: str) -> dict[str, Any]:
        """A receipt of the client's own. Raises NotFound."""
        found = receipts.find(self.records.hub.ledger, id_, client)
        if found is None:
            raise NotFound("there is no such receipt", todo="the header Receipt of an export names it")
        return found

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self.places.acquire(blocking=False):
            raise TooMany(f"{AT_ONCE} exports are being made already", todo="come again in a minute")
        try:
            yield
        finally:
            self.places.release()

    def _subjects(self, con: Connection, extract: Extract, wish: Wish) -> frozenset[str]:
        """The subjects that the rows tell of, no more than show that they are too many."""
        links = extract.contract.subjects
        if not links or extract.decision.basis == "open":
            return frozenset()
        most = self.records.desk.limits(wish.client, wish.purpose, extract.decision).subjects + MARGIN + 1
        statement = predicates.subjects(extract.sight, _ROWS, extract.where, [link.key for link in links])
        found = con.sql(f"{statement.sql} LIMIT {most:d}", params=statement.parameters).fetchall()
        return frozenset(self.records.pseudonym(links[place].kind, identifier) for place, identifier in found)

    def _receipt(
        self, wish: Wish, extract: Extract, load: int, form: Form, file: BinaryIO, rows: int
    ) -> dict[str, Any]:
        size, now = file.tell(), self.records.hub.clock()
        return {
            "id": f"{now:%Y%m%d%H%M%S}-{secrets.token_hex(6)}", "dataset": extract.contract.dataset, "load": load, "purpose": wish.purpose,
            "basis": extract.decision.basis, "grants": [grant.id for grant in extract.decision.grants],
            "fields": list(extract.sight.fields), "withheld": list(extract.withheld), "format": form, "rows": rows, "bytes": size,
            "sha256": _digest(file), "at": now.isoformat(timespec="seconds"),
        }  # fmt: skip

    def _allowed(self, wish: Wish, extract: Extract) -> bool:
        standing = {grant.id for grant in self.records.desk.grants(wish.client)}
        return standing.issuperset(grant.id for grant in extract.decision.grants)


def pieces(export: Export) -> Iterator[bytes]:
    """The file piece by piece; it breaks off where the client may not have it any more."""
    with export.file:
        while piece := export.file.read(_PIECE):
            if not export.allowed():
                return
            yield piece


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    sha256 = hashlib.sha256()
    while piece := file.read(_PIECE):
        sha256.update(piece)
    return sha256.hexdigest()


class _Writer(Protocol):
    def write_batch(self, batch: pa.RecordBatch) -> None: ...

    def close(self) -> None: ...


def _write(file: IO[bytes], form: Form, reader: pa.RecordBatchReader) -> int:
    """Write the batches; how many rows there were."""
    rows = 0
    writer = _writer(file, form, reader.schema)
    for batch in reader:
        rows += batch.num_rows
        writer.write_batch(_guarded(batch) if form == "csv" else batch)
    writer.close()
    return rows


def _writer(file: Any, form: Form, schema: pa.Schema) -> _Writer:
    match form:
        case "parquet":
            return pq.ParquetWriter(file, schema, compression="zstd")
        case "arrow":
            return pa.ipc.new_stream(pa.PythonFile(file, mode="w"), schema)
        case "csv":
            file.write(_BOM)  # without it a spreadsheet takes the text for another encoding
            return pa_csv.CSVWriter(file, schema)


def _guarded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its texts safe for a spreadsheet; those that begin with a letter or a digit are so already."""
    columns = [_guarded_texts(column) if pa.types.is_string(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _guarded_texts(texts: Any) -> Any:
    odd: Any = pc.match_substring_regex(texts, r"^[^\pL\pN]").fill_null(False)
    if not pc.any(odd).as_py():
        return texts
    safe = [guarded(str(text)) for text in texts.filter(odd).to_pylist()]
    return pc.replace_with_mask(texts, odd, pa.array(safe, texts.type))
