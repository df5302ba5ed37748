"""Notices of what happens to a dataset, to those who subscribe to it and to the departments whose rules refer to it.

Three things are told: a breaking change that was applied, that a dataset (until when, what to read instead) or a column is deprecated, that
a dataset is retired. A notice is queued in the transaction that applies the contract, so that neither happens without the other.
"""

from collections.abc import Iterator

from hub.core import Hub
from hub.telling import events
from hub.telling.events import Event
from ledger import contracts
from ledger.outbox import Message
from schemas.contract import Contact, Contract
from schemas.diff import Change

TITLES = {
    "breaking": ("契约有不兼容变更", "breaking change"),
    "deprecated": ("数据集即将停用", "dataset deprecated"),
    "retired": ("数据集已停用", "dataset retired"),
}


def notices(hub: Hub, before: Contract | None, after: Contract, changes: tuple[Change, ...]) -> tuple[Message, ...]:
    """What applying `after` gives to tell, one message for each address and thing to tell."""
    if before is None:
        return ()
    told = dict(_told(before, after, changes))
    referring = _referring(hub, after.dataset) if told else ()
    return tuple(
        message
        for kind, lines in told.items()
        for message in events.messages(hub, _event(after, kind, lines), referring)
    )


def _told(before: Contract, after: Contract, changes: tuple[Change, ...]) -> Iterator[tuple[str, list[str]]]:
    breaking = [f"{change.path}: {change.text}" for change in changes if change.kind == "breaking"]
    if breaking:
        yield "breaking", [f"{before.version} → {after.version}", *breaking]
    columns = [c.name for c in after.columns if c.deprecated and c.name not in _deprecated(before)]
    plan = (after.status, after.retire_on, after.successor)
    whole = after.status == "deprecated" and plan != (before.status, before.retire_on, before.successor)
    if whole or columns:
        named = [f"信息项 columns: {', '.join(columns)}"] if columns else []
        yield "deprecated", (_plan(after) if whole else []) + named
    if after.status == "retired" and before.status != "retired":
        yield "retired", _plan(after)


def _deprecated(contract: Contract) -> set[str]:
    return {c.name for c in contract.columns if c.deprecated}


def _plan(contract: Contract) -> list[str]:
    until = [f"停用日期 served until: {contract.retire_on}"] if contract.retire_on else []
    instead = [f"请改用 read instead: {contract.successor}"] if contract.successor else []
    return until + instead


def _referring(hub: Hub, dataset: str) -> tuple[Contact | None, ...]:
    """The contacts of the departments whose rules look into the dataset."""
    return tuple(c.contact for c in contracts.applied(hub.ledger).values() if dataset in c.references)


def _event(contract: Contract, kind: str, lines: list[str]) -> Event:
    return Event(f"contract.{kind}", contract, TITLES[kind], tuple(lines), {"kind": kind, "version": contract.version})
