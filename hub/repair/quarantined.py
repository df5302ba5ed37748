"""Rows in quarantine: what of them anybody in the data office may see, and what their owner alone may.

Counts, places and rules are open to the office (`summary`, `rows`). The values as delivered are the department's own: `owned` and `allowed`
tell whether somebody acts for it, and answer for a dataset of somebody else as for one that is not there.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from access import clients
from hub.core import Hub
from hub.repair.sheet import number
from lake import quarantine
from lake.history import History
from lake.session import session
from ledger import contracts
from quality.rule import Rule, Words
from quality.rules import rules
from schemas.contract import Contract
from schemas.errors import NotFound

AGES = {"0-7": (0, 7), "8-30": (8, 30), "31-90": (31, 90), "91+": (91, 10**6)}
"""Age buckets in days."""
_MEMORY_MB = 512
_CODES = 12
_DAYS = "greatest(date_diff('second', first_seen, {}::TIMESTAMPTZ) // 86400, 0)"
_UNKNOWN = Words(
    "规则已变更", "the rule is no longer in force",
    "请联系数据管理部门重新判定", "ask the data office to judge it again",
)  # fmt: skip
HELD = Words(
    "本批数据整体暂缓发布", "its delivery is held as a whole",
    "请在源系统更正后重新报送", "correct it at the source and deliver everything again",
)  # fmt: skip


@dataclass(frozen=True)
class Bad:
    """One open row: where it was, which rules it broke, and its values as delivered by the department's names."""

    seq: int
    file: str
    row: int
    reasons: tuple[str, ...]
    held: bool
    first_seen: datetime
    last_seen: datetime
    delivered: dict[str, str | None] = field(repr=False)


def owned(hub: Hub, dataset: str, department: str) -> Contract:
    """The contract of a department's own dataset. `department` is its code (USCC) or its name.

    Raises:
        NotFound: it is not this department's, or there is none; the answer is the same.
    """
    contract = contracts.applied(hub.ledger).get(dataset)
    if contract is None or department not in (contract.provider_code, contract.provider, contract.provider_en or None):
        raise NotFound(
            f"{department!r} has no dataset {dataset!r}", todo="give code or name as in its contract: hub contract show"
        )
    return contract


def allowed(hub: Hub, client: str, code: str) -> Contract:
    """The contract of a dataset, by name or resource code, that the client may send records of.

    Raises:
        Forbidden: it may not, or there is none; the answer is the same.
    """
    applied = contracts.applied(hub.ledger)
    coded = (c.dataset for c in applied.values() if "/" in code and c.resource_code == code)
    dataset = next(coded, code)
    clients.require_push(hub.ledger, client, dataset if dataset in applied else "")
    return applied[dataset]


def summary(hub: Hub, dataset: str | None = None, *, department: str = "") -> list[dict[str, Any]]:
    """Rows by dataset and rule: how many are open, since when, how old, and what became of those that left."""
    applied = contracts.applied(hub.ledger)
    names = [hub.contract(dataset).dataset] if dataset else sorted(applied)
    found = []
    with session(hub.settings.work, _MEMORY_MB) as con:
        for contract in (applied[name] for name in names):
            if department in ("", contract.provider_code, contract.provider):
                quarantine.create_states(con, hub.lake, contract.dataset, "states")
                found += _by_rule(hub, con, contract)
    return found


def counts(hub: Hub, names: Sequence[str] | None = None) -> dict[str, int]:
    """Open rows of these datasets, or of all; a row that failed several rules counts once."""
    found = {}
    with session(hub.settings.work, _MEMORY_MB) as con:
        for name in contracts.applied(hub.ledger) if names is None else names:
            quarantine.create_view(con, hub.lake, name, "q")
            row = con.execute("SELECT count(*) FROM q").fetchone()
            found[name] = int(row[0]) if row else 0
    return found


def rows(hub: Hub, dataset: str, rule: str | None, limit: int) -> list[dict[str, Any]]:
    """Open rows with number, file and row; of a long key its first and last two characters."""
    hub.contract(dataset)
    with session(hub.settings.work, _MEMORY_MB) as con:
        quarantine.create_view(con, hub.lake, dataset, "q")
        found = con.execute(
            f"SELECT _seq, _file, _row, _key, reasons, {_DAYS.format('$3')} FROM q "
            "WHERE $1 IS NULL OR list_contains(reasons, $1) ORDER BY _seq LIMIT $2",
            [rule, limit, hub.clock()],
        ).fetchall()
    return [
        {"no": number(seq), "file": f, "row": n, "key": masked(key), "rules": reasons, "days": days}
        for seq, f, n, key, reasons, days in found
    ]


def bad_rows(hub: Hub, contract: Contract, *, rule: str | None = None, limit: int | None = None) -> Iterator[Bad]:
    """The open rows with their values, in the order of delivery: for the owner alone."""
    seen = _swept(hub, contract)
    with session(hub.settings.work, _MEMORY_MB) as con:
        quarantine.create_view(con, hub.lake, contract.dataset, "q")
        found = con.execute(
            "SELECT _seq, _file, _row, reasons, held, epoch_us(first_seen), "
            "epoch_us(greatest(state_at, CASE WHEN NOT held THEN $3::TIMESTAMPTZ END)), delivered "
            "FROM q WHERE $1 IS NULL OR list_contains(reasons, $1) ORDER BY _seq LIMIT coalesce($2, 9223372036854775807)",
            [rule, limit, seen],
        )
        while batch := found.fetchmany(2_000):
            for seq, file, row, reasons, held, since, last, delivered in batch:
                yield Bad(seq, file, row, tuple(reasons), held, _moment(since), _moment(last), json.loads(delivered))


def told(hub: Hub, contract: Contract, *, rule: str | None = None, limit: int | None = None) -> list[dict[str, Any]]:
    """The open rows for their owner, as JSON: values as delivered, and for each rule what is wrong and how to correct it."""
    known = known_rules(hub, contract)
    return [
        {
            "no": number(bad.seq), "file": bad.file, "row": bad.row, "held": bad.held, "first_seen": bad.first_seen.isoformat(),
            "last_seen": bad.last_seen.isoformat(), "days": (hub.clock() - bad.first_seen).days,
            "reasons": explained(known, bad.reasons, held=bad.held), "delivered": bad.delivered,
        }
        for bad in bad_rows(hub, contract, rule=rule, limit=limit)
    ]  # fmt: skip


def known_rules(hub: Hub, contract: Contract) -> dict[str, Rule]:
    """The contract's rules by id; those about a coded column tell the department's own codes, which are what it can write."""
    return {rule.id: _hinted(contract, rule) for rule in rules(contract, today=hub.today())}


def explained(known: dict[str, Rule], reasons: tuple[str, ...], *, held: bool = False) -> list[dict[str, str]]:
    """What is wrong and how to correct it, rule by rule, in both languages."""
    words = [(id_, known[id_].words if id_ in known else _UNKNOWN) for id_ in reasons]
    words += [("held", HELD)] if held else []
    return [in_words(id_, w) for id_, w in words]


def in_words(name: str, words: Words) -> dict[str, str]:
    """A rule, or another reason, as JSON."""
    return {"rule": name, "zh": words.zh, "en": words.en, "fix_zh": words.fix_zh, "fix_en": words.fix_en}


def masked(key: str | None) -> str:
    """A key fit to be told: of a long one its first and last two characters."""
    text = (key or "").strip('[]"')
    shown = 2 if len(text) >= 8 else 0  # a short key would be told by its ends
    return f"{text[:shown]}***{text[len(text) - shown :]}" if text else "(no key)"


def _hinted(contract: Contract, rule: Rule) -> Rule:
    codes = contract.column(rule.columns[0]).codes if rule.kind in ("enum", "code") and len(rule.columns) == 1 else None
    if not codes:
        return rule
    shown = ", ".join([*codes][:_CODES]) + (" …" if len(codes) > _CODES else "")
    words = rule.words
    return replace(
        rule,
        words=replace(words, fix_zh=f"{words.fix_zh},可填: {shown}", fix_en=f"{words.fix_en}; you can write: {shown}"),
    )


def _by_rule(hub: Hub, con: Any, contract: Contract) -> list[dict[str, Any]]:
    buckets = ", ".join(f"count(*) FILTER (state = 'open' AND days BETWEEN {a} AND {b})" for a, b in AGES.values())
    states = ", ".join(f"count(*) FILTER (state = '{state}')" for state in quarantine.STATES[1:])
    asked = con.execute(
        "SELECT rule, count(*) FILTER (state = 'open'), strftime(min(first_seen) FILTER (state = 'open'), '%Y-%m-%d'), "
        "strftime(greatest(max(state_at) FILTER (state = 'open'), "
        "CASE WHEN bool_or(state = 'open' AND NOT held) THEN $2::TIMESTAMPTZ END), '%Y-%m-%d'), "
        f"coalesce(max(days) FILTER (state = 'open'), 0), count(*) FILTER (state = 'open' AND held), {buckets}, {states} "
        f"FROM (SELECT *, unnest(reasons) AS rule, {_DAYS.format('$1')} AS days "
        "FROM states WHERE state <> 'renewed') GROUP BY rule ORDER BY 2 DESC, 1",
        [hub.clock(), _swept(hub, contract)],
    ).fetchall()
    return [
        {
            "dataset": contract.dataset, "department": contract.provider, "rule": rule, "rows": n,
            "since": first or "", "last_seen": last or "", "days": days,
            "ages": dict(zip(AGES, more, strict=False)), "held": held, **dict(zip(quarantine.STATES[1:], more[len(AGES) :], strict=True)),
        }
        for rule, n, first, last, days, held, *more in asked
    ]  # fmt: skip


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)


def _swept(hub: Hub, contract: Contract) -> datetime | None:
    """When the source last delivered everything, where it does so each time: then it had every open row."""
    if contract.source.sync != "snapshot":
        return None
    loads = History(hub.lake, contract.dataset).loads()
    return next((datetime.fromisoformat(x.published_at) for x in reversed(loads) if x.kind == "pull"), None)
