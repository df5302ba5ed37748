"""The data office's home: what is late, what is covered, how good the data is, what citizens still type, and what waits for a review."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from access.actors import Actor
from catalog.cards import Card
from catalog.library import Catalog
from catalog.search import Query
from hub.console import scorecards
from hub.core import Hub
from hub.registration import review
from hub.repair.disputes import Tickets
from ledger import authorities, contracts, reviews
from ledger import disputes as dispute_store
from prefill.forms import Form
from schemas import diff, odcs
from schemas.elements import ELEMENTS
from schemas.errors import Invalid
from schemas.suggest import suggest

if TYPE_CHECKING:  # the command line does not wait for the web's parts
    from serving.console.desks import Office
    from serving.services import Approvals

_ALL = 10_000


def office(hub: Hub, catalog: Catalog, forms: Mapping[str, Form], approvals: "Approvals") -> "Office":
    """What the data office's pages call."""
    from serving.console.desks import Office

    desk = _Desk(hub, catalog, forms, approvals)
    return Office(
        desk.overdue, desk.coverage, desk.ranking, desk.demand, desk.reviews, desk.review, desk.approve, desk.send_back
    )


@dataclass(frozen=True)
class _Desk:
    hub: Hub
    catalog: Catalog
    forms: Mapping[str, Form]
    approvals: "Approvals"

    def overdue(self, actor: Actor) -> list[dict[str, Any]]:
        """Requests, disputes and data that are late, and data that was held or failed, with who must act."""
        tickets = Tickets(self.hub)
        late = [
            {"kind": "request", "name": row["request"], "about": row["name"], "who": row["provider"], "due": row["due_on"]}
            for row in self.approvals.overdue(actor)
        ]  # fmt: skip
        late += [
            {"kind": "dispute", "name": row["dispute"], "about": row["dataset"], "who": row["provider"], "due": row["due_on"]}
            for row in map(tickets.row, dispute_store.listed(self.hub.ledger, only_open=True))
            if row["overdue"]
        ]  # fmt: skip
        now = self.hub.clock()
        for card in self._cards():
            state = card.outcome if card.outcome in ("held", "failed") else card.freshness(now)
            if state in ("held", "failed", "late", "stale"):
                about = {
                    "about": card.title,
                    "about_en": card.title_en or card.title,
                    "who": card.provider,
                    "who_en": card.provider_en,
                }
                late.append({"kind": "data", "name": card.dataset, **about, "due": "", "state": state})
        return sorted(late, key=lambda row: (row["due"] == "", row["due"], row["name"]))

    def coverage(self) -> dict[str, Any]:
        """Data elements in use with their authoritative source, those without one first; departments and how many datasets each has."""
        held: dict[str, list[str]] = {}
        for one in authorities.held(self.hub.ledger):
            held.setdefault(one.element, []).append(one.dataset)
        used: dict[str, set[str]] = {}
        for contract in contracts.applied(self.hub.ledger).values():
            for column in contract.columns:
                if column.element:
                    used.setdefault(column.element, set()).add(contract.dataset)
        elements = [
            {
                "element": name, "zh": ELEMENTS[name].zh, "en": ELEMENTS[name].en.replace("_", " "), "datasets": sorted(datasets),
                "authoritative": sorted({*held.get(name, ())}),
            }
            for name, datasets in used.items() if name in ELEMENTS
        ]  # fmt: skip
        elements.sort(key=lambda row: (bool(row["authoritative"]), -len(row["datasets"]), row["element"]))
        known = {name for _, name, _, _ in self.catalog.departments()}
        without = sorted(
            {f.department for f in self.forms.values() if f.id not in f.subject and f.department not in known}
        )
        departments = [
            {"code": c, "zh": zh, "en": en or zh, "datasets": n} for c, zh, en, n in self.catalog.departments()
        ]
        return {
            "elements": elements, "sourced": sum(bool(row["authoritative"]) for row in elements), "departments": departments,
            "without": without,
        }  # fmt: skip

    def ranking(self) -> list[dict[str, Any]]:
        """Datasets by today's quality, the worst first."""
        found = [(card, card.today.overall) for d in scorecards.departments(self.hub, 14) for card in d.cards]
        rows = [
            {
                "dataset": card.dataset, "zh": card.title, "en": card.title_en, "who": card.provider, "who_en": card.provider_en,
                "score": score, "why": [{"zh": r.zh, "en": r.en} for r in card.today.reasons[:1]],
            }
            for card, score in found
        ]  # fmt: skip
        return sorted(rows, key=lambda row: (row["score"] is None, row["score"] or 0.0))

    def demand(self) -> list[dict[str, Any]]:
        """What forms ask citizens to type, counted, with the data element that it seems to be and the datasets that hold that."""
        found: dict[str, dict[str, Any]] = {}
        for form in self.forms.values():
            for one in form.fields if form.id != form.subject else ():
                if one.typed:
                    guessed = one.element or next((s.element for s in suggest((), name=f"{one.label} {one.name}")), "")
                    row = found.setdefault(guessed or one.label, {"element": guessed, "fields": []})
                    row["fields"].append(
                        {"zh": one.label, "en": one.label_en, "form": form.title, "form_en": form.title_en}
                    )
        for row in found.values():
            holders = self.catalog.holders(row["element"]) if row["element"] else ()
            row["holders"] = [
                {"dataset": h.card.dataset, "zh": h.card.title, "en": h.card.title_en or h.card.title} for h in holders
            ]
            known = ELEMENTS.get(row["element"])
            row |= {"zh": known.zh if known else "", "en": known.en.replace("_", " ") if known else ""}
        return sorted(found.values(), key=lambda row: (-len(row["fields"]), not row["holders"]))

    def reviews(self) -> list[dict[str, Any]]:
        """Proposals, those in review first, the longest waiting first."""
        now = self.hub.clock()
        rows = [
            {
                "dataset": p.dataset, "version": p.version, "state": p.state, "by": p.submitted_by, "reason": p.reason,
                "since": p.changed_at, "days": (now - p.changed_at).days,
            }
            for p in reviews.waiting(self.hub.ledger)
        ]  # fmt: skip
        return sorted(rows, key=lambda row: (row["state"] != "in review", row["since"]))

    def review(self, dataset: str) -> dict[str, Any]:
        """One proposal with its text, what it would change, and every step so far."""
        found = reviews.find(self.hub.ledger, dataset)
        proposed = odcs.load(self.hub.settings.work / f"{dataset}.odcs.yaml", found.file)
        present = contracts.applied(self.hub.ledger, [dataset]).get(dataset)
        steps = [asdict(step) for step in reviews.steps(self.hub.ledger, dataset)]
        return {
            "dataset": dataset, "version": found.version, "state": found.state, "by": found.submitted_by, "reason": found.reason,
            "text": found.file, "zh": proposed.title, "en": proposed.title_en or proposed.title, "who": proposed.provider,
            "new": present is None, "changes": [asdict(c) for c in diff.diff(present, proposed)] if present else [], "steps": steps,
        }  # fmt: skip

    def approve(self, actor: Actor, dataset: str, reason: str) -> None:
        """Put what was proposed in force."""
        review.approve(self.hub, dataset, by=actor.name, because=reason or None)

    def send_back(self, actor: Actor, dataset: str, reason: str) -> None:
        """Return the proposal to its department."""
        if not reason.strip():
            raise Invalid("a proposal is returned with a reason", todo="say what is to be changed", field="reason")
        review.send_back(self.hub, dataset, by=actor.name, because=reason)

    def _cards(self) -> tuple[Card, ...]:
        return tuple(self.catalog.search(Query("", {}, _ALL, 0)).hits)
