"""The pages of people, wired: the homes of departments and of the data office, the audit's reading room, samples, a portal's usage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from access import audit_trail
from access.actors import Actor
from access.audit import Entry
from catalog.library import Catalog
from hub import trail
from hub.console.home_desk import dag, home
from hub.console.office_desk import office
from hub.console.sampling import sample
from hub.core import Hub
from ledger import audit as audit_store
from ledger import budgets
from prefill.forms import Form
from schemas.errors import Invalid

if TYPE_CHECKING:  # the command line does not wait for the web's parts
    from serving.console.desks import Desks
    from serving.services import Approvals

_SHOWN = 200
_NAMES = ("client", "who", "purpose", "form", "fields", "subject", "result", "basis", "evidence")


def desks(
    hub: Hub, catalog: Catalog, forms: Mapping[str, Form], approvals: "Approvals", record: Callable[[Entry], None]
) -> "Desks":
    """What the console's pages call; `record` writes to the audit."""
    from serving.console.desks import Desks, Trail

    room = _Room(hub, record)
    return Desks(
        home(hub, catalog, forms, approvals, record), office(hub, catalog, forms, approvals),
        Trail(room.entries, room.chains, room.verified), partial(usage, hub), partial(sample, hub), partial(dag, hub),
    )  # fmt: skip


def usage(hub: Hub, client: str) -> list[dict[str, Any]]:
    """About how many different subjects a client asked within 30 days, purpose by purpose, beside its budget."""
    allowed = budgets.budgets(hub.ledger)
    return [
        {
            "purpose": u.purpose, "subjects": u.now, "most": u.most, "stopped": u.stopped,
            "budget": allowed.get((client, u.purpose), hub.settings.subject_budget),
        }
        for u in budgets.usage(hub.audit, hub.today()) if u.client == client
    ]  # fmt: skip


@dataclass(frozen=True)
class _Room:
    """The audit's reading room: what is looked for is written down, too."""

    hub: Hub
    record: Callable[[Entry], None]

    def entries(self, actor: Actor, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """The newest entries that fit client, purpose, result, days (`since`, `until`) and subject (`kind`, `identifier`)."""
        kind, identifier = wanted.get("kind", ""), wanted.get("identifier", "")
        subject = trail.called(self.hub, kind, identifier) if identifier else ""
        subjects = trail.known_as(self.hub, kind, identifier) if identifier else ()
        since, until = self._day(wanted, "since"), self._day(wanted, "until", last=True)
        looked = tuple(
            name for name in ("client", "purpose", "result", "since", "until", "identifier") if wanted.get(name)
        )
        self.record(Entry("console", "audit", "", looked, subject, "audit searched", who=actor.name))
        found = audit_trail.uses(
            self.hub.audit, subjects=subjects, client=wanted.get("client", ""), purpose=wanted.get("purpose", ""),
            result=wanted.get("result", ""), since=since, until=until, most=_SHOWN,
        )  # fmt: skip
        return [
            {"at": use.at, "chain": use.chain, "seq": use.seq, **{n: use.body.get(n, "") for n in _NAMES}}
            for use in found
        ]

    def chains(self) -> list[dict[str, Any]]:
        """Each process's chain: how many entries it has."""
        heads = audit_store.heads(self.hub.audit).values()
        return [{"chain": head.chain, "entries": head.seq + 1} for head in sorted(heads, key=lambda head: head.chain)]

    def verified(self, actor: Actor) -> dict[str, Any]:
        """What the verifier finds over everything."""
        report = trail.verify(self.hub)
        told = "audit verified" if report.ok else "audit verified: faults"
        self.record(Entry("console", "audit", "", (), "", told, who=actor.name))
        return {"entries": report.entries, "chains": report.chains, "faults": [str(fault) for fault in report.faults]}

    def _day(self, wanted: Mapping[str, str], name: str, *, last: bool = False) -> datetime | None:
        text = wanted.get(name, "")
        if not text:
            return None
        try:
            day = datetime.fromisoformat(text).date()
        except ValueError:
            raise Invalid(f"{name} is no day", todo="write it as 2026-11-30", field=name) from None
        return datetime.combine(day, time.max if last else time.min, ZoneInfo(self.hub.settings.timezone))
