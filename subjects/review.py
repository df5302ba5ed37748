"""Records that are nobody's: those whose identifier makes no file of a kind, for people to look at. Nothing here guesses whose they are.

The queue is what the current views say at the moment: a record leaves it when its department corrects it, or when somebody decides that the
identifier is another's (`hub subject merge`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import duckdb

from schemas.contract import Contract
from schemas.identifiers import citizen_18
from subjects import statement
from subjects.kinds import Kind
from subjects.reading import aliases, connected, everybodys
from subjects.work import ROOM, Room, Sources

Reason = Literal["missing", "form", "check", "ambiguous"]
"""There is no identifier; it has not the kind's form; its check characters do not hold; it fits several kinds and none yields."""
_OLD_CARD = 15


@dataclass(frozen=True, order=True)
class Stray:
    """One record that is nobody's: its key, the column that should name a subject, what stands there and why that names none.

    `perhaps` is the 18-digit form of a first-generation citizen ID. All three are personal data: mask them before printing.
    """

    dataset: str
    column: str
    reason: Reason
    key: tuple[str, ...] = field(repr=False)
    identifier: str | None = field(repr=False, compare=False)
    perhaps: str | None = field(repr=False, compare=False)


def queue(
    kind_name: str, sources: Sources, upto: Mapping[str, int], decided: int, room: Room = ROOM
) -> Iterator[Stray]:
    """The records of a kind's datasets that are nobody's, as of the loads `upto` and the decision number `decided`, by dataset and column."""
    kind = sources.kinds[kind_name]
    with connected(room) as con:
        merged = bool(aliases(con, kind, sources, decided).aliases)
        everybodys(con, kind, sources, upto)
        for dataset, by in kind.links:
            yield from sorted(_strays(con, kind, sources, sources.contracts[dataset], by, merged=merged))


def _strays(
    con: duckdb.DuckDBPyConnection, kind: Kind, sources: Sources, contract: Contract, by: str, *, merged: bool
) -> Iterator[Stray]:
    key = ", ".join(f"CAST({statement.quote(name)} AS VARCHAR)" for name in contract.key)
    linked = statement.linked(kind, sources.kinds, contract, by, "_k")
    why = statement.why_not(kind, contract, by, "_k")
    rows = con.execute(
        f"SELECT [{key}], _k, {why} FROM ({statement.keyed(contract, by, merged=merged)}) WHERE NOT ({linked})"
    )
    while batch := rows.fetchmany(1000):
        for found, identifier, reason in batch:
            yield Stray(contract.dataset, by, _reason(reason), tuple(found), identifier, _perhaps(kind, identifier))


def _reason(text: str) -> Reason:
    found: Reason = next(one for one in get_args(Reason) if one == text)
    return found


def _perhaps(kind: Kind, identifier: str | None) -> str | None:
    citizen = kind.key_element == "DE01001" and identifier is not None and len(identifier) == _OLD_CARD
    return (
        citizen_18(identifier)
        if citizen and identifier is not None and identifier.isdecimal() and identifier.isascii()
        else None
    )
