"""异议核实 disputes: whoever uses a value may say that it is wrong; its department answers within so many working days.

1. `open_dispute`: the record is looked up in what is published, and what the department needs to find it is sealed with the claim. Whether
   there is such a record changes nothing of the answer: a record that should be there and is not can be disputed as well.
2. The department accepts, corrects at its source, or rejects with a reason.
3. `settle`, after each publication: a ticket whose value is not what it was when it was opened is closed by that load.
4. `find_overdue`: what was not settled in time is told, once.

Tickets are listed, told and logged without the record: key, values and texts leave the seal only in `detail`.
"""

import os
import secrets
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from access.audit import pseudonym
from access.sealing import Sealer
from hub.core import Hub
from hub.telling import events
from hub.telling.events import Event
from lake import current
from lake.session import session
from ledger import contracts, loads
from ledger import disputes as store
from ledger.disputes import Dispute, Move
from ledger.outbox import Message
from schemas import elements, workdays
from schemas.contract import Column, Contract
from schemas.errors import Conflict, Invalid, TooMany
from schemas.values import normalise
from schemas.workdays import Calendar, Clock

TITLES = {
    "opened": ("收到异议", "value disputed"),
    "accepted": ("异议已受理", "dispute accepted"),
    "corrected": ("已在来源更正", "corrected at its source"),
    "rejected": ("异议不成立", "dispute rejected"),
    "closed": ("异议办结,数据已变更", "dispute closed by a change"),
    "overdue": ("异议逾期未办结", "dispute overdue"),
}


@dataclass(frozen=True)
class Claim:
    """What somebody says is wrong. The record is named by its `key` (column → value), or by the `subject` it tells of.

    `column` or data `element` names the value; `claimed` is what it should be, if they know; `evidence` points to a proof (a file number).
    """

    dataset: str
    client: str
    column: str = ""
    element: str = ""
    key: Mapping[str, str] = field(default_factory=dict, repr=False)
    subject: str = field(default="", repr=False)
    claimed: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    evidence: str = field(default="", repr=False)
    citizen: bool = False


@dataclass(frozen=True)
class Detail:
    """What is sealed in a ticket: which record (`where`), what it held under each key then, the claim, and the reason of a rejection."""

    where: dict[str, str]
    held: dict[str, str | None]
    claimed: str = ""
    text: str = ""
    evidence: str = ""
    reason: str = ""


def open_dispute(hub: Hub, claim: Claim) -> Dispute:
    """The ticket; of a claim whose ticket is open already, that one.

    Raises:
        NotFound: no such dataset.
        Invalid: the column, the element or the way in which the record is named is none of the dataset's.
        TooMany: the client has as many tickets open as settings allow.
    """
    contract = hub.contract(claim.dataset)
    column, ways = _column(contract, claim), _ways(contract, claim, hub.settings.timezone)
    if store.waiting(hub.ledger, claim.client) >= hub.settings.disputes_open:
        raise TooMany("too many disputes of this client are open", todo="wait until departments have answered some")
    load = loads.known(hub.ledger, contract.dataset)
    where, held = _looked_up(hub, contract, column, ways, load)
    now, name = hub.clock(), secrets.token_hex(6)
    detail = Detail(where, held, claim.claimed, claim.text, claim.evidence)
    dispute = Dispute(
        id=name, dataset=contract.dataset, column=column.name, provider=contract.provider, provider_code=contract.provider_code,
        client=claim.client, citizen=claim.citizen, record=_record(hub, contract, where), state="opened", days=hub.settings.dispute_days,
        opened_on=hub.today(), opened_at=now, moved_at=now, checked_load=load, sealed=_seal(hub, asdict(detail), f"dispute {name}"),
    )  # fmt: skip
    return store.open_(hub.ledger, dispute, Tickets(hub).messages(dispute, "opened"))


def answer(hub: Hub, dispute: Dispute, how: Move, reason: str = "") -> Dispute:
    """The ticket after the department's move. Raises Invalid for a rejection without a reason, Conflict where its state does not allow it."""
    if how == "reject" and not reason.strip():
        raise Invalid(
            "a rejection wants a reason", todo="say what was looked at, and why the value stands", field="reason"
        )
    sealed = {"answer": _seal(hub, reason.strip(), f"answer {dispute.id}")} if reason.strip() else {}
    messages = Tickets(hub).messages(dispute, store.MOVES[how][1])
    return store.move(hub.ledger, dispute, how, hub.clock(), messages, **sealed)


def detail(hub: Hub, dispute: Dispute) -> Detail:
    """What is sealed in the ticket: for its department only."""
    sealer = Sealer(hub.key("dispute"))
    return Detail(**{**sealer.open(dispute.sealed, f"dispute {dispute.id}"), "reason": reason_of(hub, dispute)})


def reason_of(hub: Hub, dispute: Dispute) -> str:
    """The department's reason, for whoever opened the ticket; empty where there is none."""
    return str(Sealer(hub.key("dispute")).open(dispute.answer, f"answer {dispute.id}")) if dispute.answer else ""


def settle(hub: Hub, contract: Contract) -> tuple[str, ...]:
    """Close the dataset's open tickets whose value has changed since they were opened; returns their numbers. Doing it again changes nothing."""
    upto = loads.known(hub.ledger, contract.dataset)
    waiting = [d for d in store.listed(hub.ledger, dataset=contract.dataset, only_open=True) if d.checked_load < upto]
    names = {c.name for c in contract.columns}
    closed = []
    if waiting:
        with session(hub.settings.work, 512) as con:
            for dispute in waiting:
                if dispute.column not in names or not _has_changed(hub, con, contract, dispute, upto):
                    continue
                messages = Tickets(hub).messages(dispute, "closed", load=upto)
                with suppress(Conflict):  # rejected, or closed by another process, in this very moment
                    store.move(hub.ledger, dispute, "close", hub.clock(), messages, closed_load=upto)
                    closed.append(dispute.id)
        store.mark_checked(hub.ledger, [d.id for d in waiting], upto)
    return tuple(closed)


def find_overdue(hub: Hub) -> tuple[str, ...]:
    """The open tickets whose time has run out; each is told once."""
    tickets = Tickets(hub)
    late = [d for d in store.listed(hub.ledger, only_open=True) if tickets.clock(d).overdue]
    for dispute in late:
        if dispute.overdue_at is None:
            store.mark_overdue(hub.ledger, dispute, hub.clock(), tickets.messages(dispute, "overdue"))
    return tuple(d.id for d in late)


@dataclass(frozen=True)
class Tickets:
    """Tickets as they are listed and told: without the record."""

    hub: Hub

    @cached_property
    def calendar(self) -> Calendar:
        """Working days, with the city's own file if it has one."""
        return workdays.load(self.hub.settings.declared / "workdays.csv")

    def clock(self, dispute: Dispute) -> Clock:
        """How long the department has."""
        running = dispute.state in store.OPEN
        return self.calendar.clock(dispute.opened_on, dispute.days, self.hub.today(), running=running)

    def row(self, dispute: Dispute) -> dict[str, Any]:
        """One line of a list, as plain values."""
        clock = self.clock(dispute)
        return {
            "dispute": dispute.id, "dataset": dispute.dataset, "column": dispute.column, "provider": dispute.provider,
            "state": dispute.state, "opened_on": dispute.opened_on.isoformat(), "due_on": clock.due_on.isoformat(),
            "overdue": clock.overdue, "provisional": list(clock.provisional), "client": dispute.client,
            "by": "citizen" if dispute.citizen else "client", "closed_load": dispute.closed_load,
        }  # fmt: skip

    def messages(self, dispute: Dispute, kind: str, load: int | None = None) -> tuple[Message, ...]:
        """What is told of a ticket's move: to its department when it must act, to who subscribed always."""
        contract, due = self.hub.contract(dispute.dataset), self.clock(dispute).due_on
        column = next((c.title for c in contract.columns if c.name == dispute.column), dispute.column)
        acts = kind in ("opened", "overdue")
        lines = (
            f"{column} ({dispute.column}), 工单 ticket {dispute.id}",
            f"应于 {due} 前办结 / due {due}" if acts else "",
            f"下一步 next: hub dispute show {dispute.id}" if acts else "",
        )
        data = {
            "dispute": dispute.id, "column": dispute.column, "client": dispute.client, "state": kind if kind != "overdue" else dispute.state,
            "due_on": due.isoformat(), **({"load": load} if load is not None else {}),
        }  # fmt: skip
        event = Event(f"dispute.{kind}", contract, TITLES[kind], lines, data, f"disputes/{dispute.id}")
        return events.messages(self.hub, event, [events.owner(self.hub, contract)] if acts else ())


def _has_changed(hub: Hub, con: Any, contract: Contract, dispute: Dispute, upto: int) -> bool:
    """Whether a load since the ticket's last look brought another value, took the record away, or brought it where there was none."""
    known = detail(hub, dispute)
    where = None if known.held else known.where
    found = current.moved(con, hub.lake, contract, dispute.column, list(known.held), dispute.checked_load, upto, where)
    return any(
        known.held.get(key, "") != value or operation == "delete" or where for key, (operation, value) in found.items()
    )


def _column(contract: Contract, claim: Claim) -> Column:
    named = [c for c in contract.columns if claim.column == c.name or (claim.element and claim.element == c.element)]
    if len(named) != 1:
        known = ", ".join(c.name for c in contract.columns)
        raise Invalid(f"{contract.dataset} has no one such column", todo=f"its columns: {known}", field="column")
    return named[0]


def _ways(contract: Contract, claim: Claim, timezone: str) -> list[dict[str, str]]:
    """Columns and values that may name the record, in the form in which values are published: its key, or each column that names a subject."""
    linked = [link.key for link in contract.subjects]
    if (
        bool(claim.key) == bool(claim.subject)
        or (claim.key and set(claim.key) != {*contract.key})
        or not (claim.key or linked)
    ):
        ways = f"key: {{{', '.join(contract.key)}}}" + (", or subject" if linked else "")
        raise Invalid(f"a record of {contract.dataset} is named otherwise", todo=f"name it by {ways}", field="key")
    given = [dict(claim.key)] if claim.key else [{name: claim.subject} for name in dict.fromkeys(linked)]
    return [{name: _published(contract.column(name), text, timezone) for name, text in way.items()} for way in given]


def _looked_up(
    hub: Hub, contract: Contract, column: Column, ways: list[dict[str, str]], load: int
) -> tuple[dict[str, str], dict[str, str | None]]:
    """The way that finds records, and what these hold; the first where none does."""
    with session(hub.settings.work, 512) as con:
        for where in ways if load else ():
            held = current.held(con, hub.lake, contract, column.name, where, load)
            if held:
                return where, held
    return ways[0], {}


def _published(column: Column, text: str, timezone: str) -> str:
    plain = unicodedata.normalize("NFKC", text).strip()
    value = normalise(elements.element(column.element), text, timezone=timezone) if column.element else plain
    return str(value) if value is not None else plain


def _record(hub: Hub, contract: Contract, where: Mapping[str, str]) -> str:
    named = "\x1f".join(f"{name}={value}" for name, value in sorted(where.items()))
    return pseudonym(hub.key("dispute-record"), contract.dataset, named)


def _seal(hub: Hub, value: Any, place: str) -> bytes:
    return Sealer(hub.key("dispute")).seal(value, place, nonce=os.urandom(12))


def settle_all(hub: Hub) -> int:
    """Close what publications have changed, of every dataset: what was missed right after a publication is found here."""
    applied = contracts.applied(hub.ledger)
    open_in = {d.dataset for d in store.listed(hub.ledger, only_open=True)}
    return sum(len(settle(hub, applied[name])) for name in sorted(open_in & set(applied)))
