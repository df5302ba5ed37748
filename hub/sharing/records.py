"""The records of datasets, for clients: pages of rows and of changes, each held to the client's grants and in the audit before it leaves.

1. `access.extract` says what of the dataset the client may see; a refusal leaves an entry, and tells nothing of whether there is such a dataset.
2. One load is read, the newest that the ledger knows or the one that is named; a cursor names it again, so that all pages are of one load.
3. Rows that tell of subjects are charged to the client's budget, each subject once; data that is open to all is not.
4. The entry is durable, then the rows are handed over: values to whom they belong, and never to a log.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec.structs import replace

from access import predicates
from access.audit import Entry, pseudonym
from access.cursors import Cursors, Place
from access.desk import Desk
from access.extract import Extract, Wish, granted
from access.predicates import WITHHELD, Statement
from hub.core import Hub
from lake import current
from lake.session import Connection, session
from ledger import contracts, loads
from schemas.contract import Contract
from schemas.errors import Forbidden, Invalid, TooMany

MEMORY_MB = 512
_ROWS, _BEFORE, _AFTER = "rows_of_load", "rows_before", "rows_after"
_NAMED = re.compile(r"[a-z][a-z0-9_-]{1,62}|[0-9]{1,20}/[0-9]{1,20}")
Row = dict[str, Any]


def reader(hub: Hub, desk: Desk) -> "Records":
    """Reads this hub's datasets."""
    named = partial(pseudonym, hub.key("audit-subject"))
    return Records(hub, desk, named, Cursors(hub.key("cursor")), hub.key("row-order").hex())


@dataclass(frozen=True)
class Records:
    """Reads under grants. `pseudonym` names a subject for audit and budget, by kind and identifier; `cursors` seals places.

    `salt`: of the order in which rows come whose key is not seen.
    """

    hub: Hub
    desk: Desk
    pseudonym: Callable[[str, str], str]
    cursors: Cursors
    salt: str

    def page(self, wish: Wish, *, limit: int, cursor: str = "", as_of: int | None = None) -> dict[str, Any]:
        """The next rows of one load, and the cursor of those after them."""
        extract = self.extract(wish)
        question = f"records {as_of} {wish.question}"
        place = self._place(cursor, question) or Place(self.load(extract.contract, as_of, "as_of"))
        subjects = [link.key for link in extract.contract.subjects]

        def asked(con: Connection) -> Statement:
            current.create_view(con, self.hub.lake, extract.contract, _ROWS, place.load)
            return predicates.page(
                extract.sight, _ROWS, extract.where, after=place.after, limit=limit + 1, subjects=subjects
            )

        rows = self._read(asked)
        told, following = rows[:limit], self._following(rows, limit, place, question)
        self.account(wish, extract, f"{len(told)} rows of load {place.load}", self._about(extract, told))
        records = [_record(row, extract.sight.fields) for row in told]
        return {**self._head(wish, extract, place.load), "records": records, "next": following}

    def changes(self, wish: Wish, *, since: int, limit: int, cursor: str = "") -> dict[str, Any]:
        """The next changes from load `since` to the newest, by key: what is seen anew or otherwise, and what is not seen any more."""
        extract = self.extract(wish, keyed=True)
        contract, question = extract.contract, f"changes {since} {wish.question}"
        newest = self.load(contract, None, "since")
        if since > newest:
            raise Invalid(f"since: load {since} is not published yet", todo=f"the newest is {newest}", field="since")
        place = self._place(cursor, question) or Place(newest)
        subjects = [link.key for link in contract.subjects]

        def asked(con: Connection) -> Statement:
            current.create_states(con, self.hub.lake, contract, since, place.load, _BEFORE, _AFTER)
            return predicates.changes(
                extract.sight, _BEFORE, _AFTER, place=place.after, limit=limit + 1, subjects=subjects
            )

        rows = self._read(asked)
        told, following = rows[:limit], self._following(rows, limit, place, question)
        detail = f"{len(told)} changes of loads {since} to {place.load}"
        self.account(wish, extract, detail, self._about(extract, told))
        changes = [_change(row, contract.key, extract.sight.fields) for row in told]
        return {**self._head(wish, extract, place.load), "since": since, "changes": changes, "next": following}

    def extract(self, wish: Wish, *, keyed: bool = False) -> Extract:
        """What the wish gets; a refusal is in the audit before it is raised."""
        try:
            found = granted(self.desk, self.contract, wish, keyed=keyed, salt=self.salt)
        except Forbidden as refusal:
            self.desk.write(_entry(wish, f"refused: {refusal.facts['reason']}"))
            raise
        if isinstance(found, Extract):
            return found
        basis, evidence = found.basis, found.evidence
        self.desk.write(replace(_entry(wish, f"refused: {found.reason}"), basis=basis, evidence=evidence))
        raise found.refusal()

    def account(self, wish: Wish, extract: Extract, detail: str, subjects: frozenset[str]) -> None:
        """Charge an answer's subjects, then write its entry; TooMany or AuditUnavailable, and nothing may leave."""
        self.note(wish, extract, detail, self.charge(wish, extract, subjects))

    def charge(self, wish: Wish, extract: Extract, subjects: frozenset[str]) -> str:
        """Charge the subjects that an answer tells of, and the one that was asked about; whom the entry is about, "" for many or nobody.

        An answer about one subject is an entry about it, so that the subject finds it among those who used its data; it is charged with it.
        """
        if extract.decision.basis == "open":
            return ""
        asked = self.pseudonym(wish.about.kind, wish.about.identifier) if wish.about else ""
        charged = subjects | ({asked} if asked else set())
        if len(charged) > 1:
            try:
                self.desk.charge(self.desk.limits(wish.client, wish.purpose, extract.decision), charged)
            except TooMany as refusal:
                self.desk.write(self._answered(wish, extract, asked, str(refusal.facts["limit"])))
                raise
        return asked or (next(iter(charged), "") if len(charged) == 1 else "")

    def note(self, wish: Wish, extract: Extract, detail: str, about: str) -> None:
        """Write the entry of an answer and charge its quotas; only then may it leave."""
        entry = replace(self._answered(wish, extract, about, "answered"), detail=detail)
        self.desk.write(entry, self.desk.limits(wish.client, wish.purpose, extract.decision))

    def _answered(self, wish: Wish, extract: Extract, about: str, result: str) -> Entry:
        decision = extract.decision
        return Entry(
            wish.client, wish.purpose, extract.contract.dataset, extract.used, about, result, decision.basis, decision.evidence, wish.who,
            tuple(grant.id for grant in decision.grants),
        )  # fmt: skip

    def contract(self, name: str) -> Contract | None:
        """The contract of a dataset that is served."""
        found = contracts.applied(self.hub.ledger, [name]).get(name)
        return None if found is None or found.status == "retired" else found

    def _head(self, wish: Wish, extract: Extract, load: int) -> dict[str, Any]:
        published = loads.published_at(self.hub.ledger, extract.contract.dataset, load)
        return {
            "dataset": extract.contract.dataset, "load": load, "published_at": published, "purpose": wish.purpose,
            "grants": [grant.id for grant in extract.decision.grants], "fields": list(extract.sight.fields),
            "withheld": list(extract.withheld),
        }  # fmt: skip

    def load(self, contract: Contract, named: int | None, field: str) -> int:
        """The load to read: the one named, else the newest; 0 where nothing is published yet."""
        newest = loads.known(self.hub.ledger, contract.dataset)
        if named is None:
            return newest
        if loads.published_at(self.hub.ledger, contract.dataset, named) is None:
            raise Invalid(f"{field}: load {named} is not kept here", todo=f"name one of 1 to {newest}", field=field)
        return named

    def _place(self, cursor: str, question: str) -> Place | None:
        return self.cursors.open(cursor, question) if cursor else None

    def _following(self, rows: Sequence[Row], limit: int, place: Place, question: str) -> str | None:
        if len(rows) <= limit:
            return None
        last = rows[limit - 1]
        places = sum(name.startswith("_place_") for name in last)
        after = tuple(str(last[f"_place_{n}"]) for n in range(places))
        return self.cursors.seal(Place(place.load, after), question, nonce=os.urandom(12))

    def _read(self, asked: Callable[[Connection], Statement]) -> list[Row]:
        with session(self.hub.settings.work, MEMORY_MB) as con:
            statement = asked(con)
            found: list[Row] = con.sql(statement.sql, params=statement.parameters).to_arrow_table().to_pylist()
            return found

    def _about(self, extract: Extract, rows: Iterable[Row]) -> frozenset[str]:
        """The subjects that rows tell of, by pseudonym."""
        links = [(f"_subject_{n}", link.kind) for n, link in enumerate(extract.contract.subjects)]
        named = {(kind, row[column]) for row in rows for column, kind in links if row[column] is not None}
        return frozenset(self.pseudonym(kind, identifier) for kind, identifier in named)


def _record(row: Row, fields: Sequence[str]) -> Row:
    """The row as it is answered: its columns, and the names of those that are withheld in it if there are any."""
    hidden = row[WITHHELD]
    return {**{name: row[name] for name in fields}, **({WITHHELD: hidden.split(",")} if hidden else {})}


def _change(row: Row, key: Sequence[str], fields: Sequence[str]) -> Row:
    if row["_op"] == "delete":
        return {"op": "delete", "record": {name: row[name] for name in key}}
    return {"op": "upsert", "record": _record(row, fields)}


def _entry(wish: Wish, result: str) -> Entry:
    named = wish.dataset if _NAMED.fullmatch(wish.dataset) else ""
    return Entry(wish.client, wish.purpose, named, wish.fields, "", result, who=wish.who)
