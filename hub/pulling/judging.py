"""The gate as a data engineer sees it: rules as suites of Great Expectations, what it last found, references sought again."""

import json
from dataclasses import dataclass
from typing import Any

from hub.core import Hub
from hub.pulling.steps import view_of
from hub.repair.release import release
from hub.telling import notify
from lake import quarantine
from lake.current import literal, quote
from lake.history import History
from lake.session import session
from ledger import contracts, references
from quality import docs
from quality.rules import rules
from schemas.contract import Contract
from schemas.errors import HubError, NotFound
from schemas.expressions import normalise


def suites(hub: Hub) -> list[dict[str, Any]]:
    """Every dataset's suite, with what its last judgement came to."""
    found = {told["dataset"]: told for told in docs.verdicts(hub.settings.docs)}
    lines = []
    for name, contract in contracts.applied(hub.ledger).items():
        compiled, last = rules(contract, today=hub.today()), found.get(name)
        lines.append(
            {"suite": name, "title": contract.title, "version": contract.version, "expectations": len(compiled),
             "warnings": sum(r.severity == "warning" for r in compiled), "judged": last["judged"] if last else "",
             "outcome": last["outcome"] if last else "", "not_held": sum(not r["passed"] for r in last["rules"]) if last else None}
        )  # fmt: skip
    return lines


def expectations(hub: Hub, dataset: str) -> list[dict[str, Any]]:
    """A dataset's expectations, one a rule, in words."""
    contract = hub.contract(dataset)
    return [
        {"rule": r.id, "expectation": r.expectation.type, "severity": r.severity, "dimension": r.dimension, "stage": r.stage,
         "never": r.words.en, "不得": r.words.zh}
        for r in rules(contract, today=hub.today())
    ]  # fmt: skip


def suite(hub: Hub, dataset: str) -> dict[str, Any]:
    """A dataset's suite as Great Expectations' own JSON, to be taken elsewhere."""
    from quality import judge

    found = judge.suite(dataset, rules(hub.contract(dataset), today=hub.today())).to_json_dict()
    return {"name": found["name"], "expectations": found["expectations"], "meta": found["meta"]}


def results(hub: Hub, dataset: str) -> dict[str, Any]:
    """The newest results of a dataset as Great Expectations' own JSON. Raises NotFound before the first judgement."""
    hub.contract(dataset)
    files = docs.results(hub.settings.docs, dataset)
    if not files:
        raise NotFound(f"{dataset} was not judged yet", todo=f"hub pull {dataset}")
    found: dict[str, Any] = json.loads(files[0].read_bytes())
    return found


@dataclass(frozen=True)
class Sought:
    """One dataset's references, sought again: rows released, and published rows whose reference is gone, by rule."""

    dataset: str
    released: int
    dangling: dict[str, int]


def due(hub: Hub) -> tuple[str, ...]:
    """The datasets of which a referenced one has published since their references were last judged."""
    known = references.last(hub.ledger)
    return tuple(
        name
        for name, contract in sorted(contracts.applied(hub.ledger).items())
        if contract.references
        and History(hub.lake, name).number
        and _pins(hub, contract) != known.get(name, {}).get("pins")
    )


def seek_references(hub: Hub, dataset: str, *, owner: str) -> Sought:
    """Judge a dataset's references again, now that other datasets have moved on.

    Rows that were set aside for nothing but a missing reference are judged again if it is there now, and published if they pass. Published
    rows whose reference is gone are counted: an incident tells of them until none is left. They stay published: that another department
    lacks a record does not make this one wrong.
    """
    contract = hub.contract(dataset)
    pins = _pins(hub, contract)
    found, dangling = _looked_up(hub, contract, pins)
    released = int(release(hub, dataset, owner=owner).facts.get("released", 0)) if found else 0
    references.remember(hub.ledger, dataset, pins=pins, dangling=dangling, at=hub.clock())
    if any(dangling.values()):
        told = "; ".join(f"{rule}: {rows}" for rule, rows in dangling.items() if rows)
        error = HubError(f"{dataset}: published rows whose reference is gone ({told})", todo=f"ask {contract.provider}")
        notify.troubled(hub, contract, "dangling", error)
    else:
        notify.recovered(hub, contract, "dangling")
    return Sought(dataset, released, dangling)


def _pins(hub: Hub, contract: Contract) -> dict[str, int]:
    return {name: History(hub.lake, name).number for name in contract.references}


def _looked_up(hub: Hub, contract: Contract, pins: dict[str, int]) -> tuple[bool, dict[str, int]]:
    """Whether an open row that failed references only would find one now; published rows by rule that find none."""
    sought = [r for r in rules(contract, today=hub.today()) if r.reference]
    ids, found, dangling = [r.id for r in sought], False, {}
    with session(hub.settings.work, hub.settings.judge_memory_mb) as con:
        quarantine.create_view(con, hub.lake, contract.dataset, "q")
        view_of(hub.lake, contract)(con, "published")
        for rule in sought:
            (other, to), column = rule.reference or ("", ""), contract.column(rule.columns[0])
            view_of(hub.lake, hub.contract(other), pins[other])(con, "referenced")
            known = f"(SELECT {quote(to)} AS value FROM referenced)"
            lost = f"FROM published p ANTI JOIN {known} k ON p.{quote(column.name)} = k.value WHERE p.{quote(column.name)} IS NOT NULL"
            dangling[rule.id] = int((con.execute(f"SELECT count(*) {lost}").fetchone() or (0,))[0])
            value = normalise(
                column, f"(delivered::JSON ->> {literal(column.source)})", timezone=contract.source.timezone
            )
            waiting = f"SELECT {value} AS value FROM q WHERE NOT held AND list_contains(reasons, $1) AND list_has_all($2, reasons)"
            there = con.execute(f"SELECT 1 FROM ({waiting}) SEMI JOIN {known} USING (value) LIMIT 1", [rule.id, ids])
            found = found or there.fetchone() is not None
    return found, dangling
