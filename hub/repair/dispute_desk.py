"""Disputes over HTTP: who may open, see and answer which ticket, and what each sees of it.

1. A client may dispute values of datasets that it holds a grant for, itself or by a form that is filled from them. It sees its own tickets:
   state, days, and the reason of a rejection; nothing of the record that it did not say itself.
2. The source department's own system (the client that may push the dataset) sees the dataset's tickets with record and claim, and answers them.
3. A ticket that is somebody else's is not found, like one that does not exist. Opening and showing leave an audit entry first.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from access.audit import Entry, pseudonym
from hub.core import Hub
from hub.repair import disputes
from hub.repair.disputes import Claim, Tickets
from ledger import clients, contracts
from ledger import disputes as store
from ledger.disputes import Dispute, Move
from ledger.grants import Grant
from prefill.forms import Form
from schemas.errors import Forbidden, NotFound
from serving.services import Disputes


def disputes_of(
    hub: Hub,
    forms: Mapping[str, Form],
    grants: Callable[[str], Sequence[Grant]],
    record: Callable[[Entry], None],
    provides: Callable[[str], Collection[str]] | None = None,
) -> Disputes:
    """What the routes call; `grants` are those of a client, `record` writes to the audit.

    `provides` are the datasets whose department somebody speaks for: a client for those that it may push.
    """
    desk = _Desk(hub, forms, grants, record, provides or partial(clients.pushes, hub.ledger))
    return Disputes(desk.open, desk.listed, desk.shown, desk.answered)


@dataclass(frozen=True)
class _Desk:
    hub: Hub
    forms: Mapping[str, Form]
    grants: Callable[[str], Sequence[Grant]]
    record: Callable[[Entry], None]
    provides: Callable[[str], Collection[str]]

    def open(self, client: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The ticket of a claim."""
        claim = Claim(client=client, **given)
        if not self._may_dispute(client, claim.dataset):
            raise Forbidden("no grant for this dataset", todo="dispute what you were granted; see it: GET /v1/grants")
        about = self._about(claim)
        self.record(Entry(client, "dispute", claim.dataset, (claim.column or claim.element,), about, "dispute opened"))
        return self._told(disputes.open_dispute(self.hub, claim))

    def listed(self, client: str, *, department: bool) -> list[dict[str, Any]]:
        """The client's own tickets, or the open ones of the datasets whose department it is."""
        if department:
            found = store.listed(self.hub.ledger, datasets=self.provides(client), only_open=True)
        else:
            found = store.listed(self.hub.ledger, client=client)
        return [self._told(dispute) for dispute in found]

    def shown(self, client: str, ticket: str) -> dict[str, Any]:
        """One ticket: with record and claim for its department, without for whoever opened it."""
        dispute, department = self._found(client, ticket)
        if not department:
            return self._told(dispute)
        self.record(Entry(client, "dispute", dispute.dataset, (dispute.column,), ticket, "dispute shown"))
        known = disputes.detail(self.hub, dispute)
        claim = {"claimed": known.claimed, "text": known.text, "evidence": known.evidence}
        return {**self._told(dispute), "record": known.where, "value_held": known.held, **claim}

    def answered(self, client: str, ticket: str, how: Move, reason: str) -> dict[str, Any]:
        """The ticket after its department's answer."""
        dispute, department = self._found(client, ticket)
        if not department:
            raise Forbidden("only the source department answers a dispute", todo="wait for its answer")
        return self._told(disputes.answer(self.hub, dispute, how, reason))

    def _found(self, client: str, ticket: str) -> tuple[Dispute, bool]:
        """The ticket, and whether the client is its department. Raises NotFound for one that is neither the client's nor its department's."""
        try:
            dispute = store.find(self.hub.ledger, ticket)
            department = dispute.dataset in self.provides(client)
            if not department and dispute.client != client:
                raise NotFound("another's")
        except NotFound:
            raise NotFound("there is no such dispute", todo="GET /v1/disputes lists yours") from None
        return dispute, department

    def _may_dispute(self, client: str, dataset: str) -> bool:
        now = self.hub.clock()
        live = [grant for grant in self.grants(client) if grant.live(now)]
        by_form = {d for g in live if g.kind == "form" and g.name in self.forms for d in self.forms[g.name].datasets}
        return dataset in by_form | {grant.name for grant in live if grant.kind == "dataset"}

    def _about(self, claim: Claim) -> str:
        """Whom the audit entry is about, as everywhere in the audit; nobody where the record was named by its key."""
        contract = contracts.applied(self.hub.ledger, [claim.dataset]).get(claim.dataset)
        kind = next((link.kind for link in contract.subjects), "") if contract else ""
        return pseudonym(self.hub.key("audit-subject"), kind, claim.subject) if claim.subject and kind else ""

    def _told(self, dispute: Dispute) -> dict[str, Any]:
        row = Tickets(self.hub).row(dispute)
        reason = disputes.reason_of(self.hub, dispute)
        return {**row, **({"reason": reason} if reason else {})}
