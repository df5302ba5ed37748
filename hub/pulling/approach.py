"""How a pull approaches its source: from which watermark, for which columns, and whether the table is still the one it was.

1. A watermark counts only for what it was taken of: kind, address, table and cursor stand beside it in the load (`origin`). After a change of
   any the pull reads everything, and says so.
2. A database's table is looked at before it is read. If it is gone, or its primary key is another than the last load saw, the contract's
   `drift.table` decides (docs/reference/drift.md). A new version of the contract accepts the table as it is.
3. An incremental source that holds nothing at all any more is remembered as emptied, so that nothing read is not taken for nothing new.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from connectors import Connector, SourceColumn
from lake.history import Load as Commit
from quality import drift
from schemas.contract import Column, Contract
from schemas.errors import DeliveryHeld, SourceDamaged, SourceMissing

_IDENTITY = ("kind", "url", "table", "cursor")


@dataclass(frozen=True)
class Approach:
    """What to ask for. `origin` goes beside the watermark; `hold` says why what is read must be held whatever it is."""

    columns: tuple[Column, ...]
    watermark: str | None
    origin: dict[str, Any]
    notes: tuple[str, ...] = ()
    hold: str = ""
    emptied: bool = False


def approach(contract: Contract, source: Connector, head: Commit | None, *, full: bool) -> Approach:
    """The way in.

    Raises:
        SourceMissing: the table is gone.
        SourceDamaged: another table stands in its place, or it lacks columns that no mode can do without.
        DeliveryHeld: either of the two, where the contract freezes the table.
    """
    there = _described(contract, source) if contract.source.kind == "sql" else ()
    origin = _origin(contract, there)
    watermark = head.watermark if head and not full else None
    notes = []
    if head and watermark is not None and _identity(head.origin) != _identity(origin):
        watermark = None
        notes.append(f"read in full: the watermark belonged to {_told(head.origin)}")
    hold = ""
    if head and _replaced(contract, head, origin):
        notes.append(_other_table(contract, head, origin))
        watermark, hold = None, notes[-1] if contract.drift.table == "quarantine" else ""
    columns = _columns(contract, there)
    emptied = watermark is None or _empty(contract, source)
    return Approach(columns, watermark, origin, tuple(notes), hold, emptied)


@contextmanager
def gone(contract: Contract, source: Connector) -> Iterator[None]:
    """What a missing table, file or endpoint means under the contract's mode; wraps whatever asks for it."""
    try:
        yield
    except SourceMissing as error:
        match contract.drift.table:
            case "freeze":
                raise DeliveryHeld(error.what, todo=error.todo) from None
            case "evolve" if contract.source.kind == "sql":
                raise _with_proposal(contract, source, error) from None
            case _:
                raise


def _described(contract: Contract, source: Connector) -> tuple[SourceColumn, ...]:
    with gone(contract, source):
        return source.describe(contract.source.table)


def _origin(contract: Contract, there: Sequence[SourceColumn]) -> dict[str, Any]:
    source = contract.source
    cursor = None
    if source.cursor is not None and source.sync != "snapshot":
        cursor = next((c.source for c in contract.columns if c.name == source.cursor), source.cursor)
    key = [c.name for c in sorted(there, key=lambda c: c.key) if c.key]
    return {"kind": source.kind, "url": source.url, "table": source.table, "cursor": cursor, "key": key}


def _identity(origin: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(origin.get(name) for name in _IDENTITY)


def _told(origin: dict[str, Any]) -> str:
    cursor = f" by {origin['cursor']}" if origin.get("cursor") else ""
    return f"{origin['table']}{cursor}" if origin else "a source that was not noted"


def _replaced(contract: Contract, head: Commit, origin: dict[str, Any]) -> bool:
    same = head.contract_version == contract.version and _identity(head.origin) == _identity(origin)
    return same and head.origin.get("key") != origin["key"]


def _other_table(contract: Contract, head: Commit, origin: dict[str, Any]) -> str:
    """What to tell of another table in the old one's place, where the pull goes on.

    Raises:
        SourceDamaged, DeliveryHeld: where it does not.
    """
    was, now = (", ".join(o["key"]) or "none" for o in (head.origin, origin))
    what = f"{contract.dataset}: another table stands at {origin['table']}: its primary key was {was} and is {now}"
    todo = f"ask {contract.provider}; if it is right, apply a new version of the contract"
    match contract.drift.table:
        case "stop":
            raise SourceDamaged(what, todo=todo)
        case "freeze":
            raise DeliveryHeld(what, todo=todo)
        case _:
            return f"{what}; read in full"


def _columns(contract: Contract, there: Sequence[SourceColumn]) -> tuple[Column, ...]:
    """The contract's columns that can be asked for; with `stop` all, so that the connector refuses in its own words."""
    names = [c.name for c in there]
    if not names or contract.drift.columns == "stop":
        return contract.columns
    missing = drift.plan(contract, contract.source.table, names).missing
    return tuple(c for c in contract.columns if c.source not in missing)


def _empty(contract: Contract, source: Connector) -> bool:
    """Whether a source that can be asked again holds no record at all; a folder or an inbox may well be cleared."""
    return contract.source.kind in ("sql", "rest") and not source.sample(contract.source.table, 1).num_rows


def _with_proposal(contract: Contract, source: Connector, error: SourceMissing) -> SourceMissing:
    wanted = {c.source for c in contract.columns}
    alike = [name for name in source.tables()[:200] if wanted <= {c.name for c in source.describe(name)}]
    if not alike:
        return error
    names = ", ".join(alike[:5])
    return SourceMissing(
        error.what, todo=f"the contract's columns are all in {names}; if it was renamed, set physicalName to it"
    )
