"""The state of the datasets behind a form at the moment of an answer: how fresh, and if not fresh why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ledger import loads, subject_work
from ledger.database import Database
from ledger.loads import Load
from schemas.contract import Contract
from subjects.file import as_of

Status = Literal["ok", "held", "failed", "never"]


@dataclass(frozen=True)
class SourceState:
    """One dataset: names, how its last run ended, and what subject files hold of it.

    `as_of` is when the records in the files were read from the department; `latency` the age from which they are stale
    (None: never); `reason` why the last run was held or failed.
    """

    dataset: str
    title: str
    title_en: str
    department: str
    department_en: str
    latency: timedelta | None
    status: Status
    reason: str
    as_of: datetime | None
    load: int

    def late(self, now: datetime) -> bool:
        """Whether the records are older than the contract's service level allows."""
        return self.as_of is None or (self.latency is not None and now - self.as_of > self.latency)


def read(db: Database, contracts: Mapping[str, Contract], kind: str) -> dict[str, SourceState]:
    """The state of every dataset, as files of this subject kind see it: they may lag behind the newest load."""
    newest, conditions = loads.latest(db), loads.conditions(db)
    built = subject_work.built(db).get(kind, {})
    found = {}
    for dataset, contract in contracts.items():
        load = newest.get(dataset)
        if load is not None and built.get(dataset, load.load) < load.load:
            load = next((x for x in loads.history(db, dataset) if x.load == built[dataset]), None)
        condition = conditions.get(dataset)
        found[dataset] = state(contract, load, *(condition[:2] if condition else ("ok", "")))
    return found


def state(contract: Contract, load: Load | None, status: str, reason: str) -> SourceState:
    """One dataset's state from the load that the files hold and how its last run ended."""
    shown: Status = (
        "never" if load is None else "held" if status == "held" else "failed" if status == "failed" else "ok"
    )
    return SourceState(
        dataset=contract.dataset,
        title=contract.title,
        title_en=contract.title_en,
        department=contract.provider,
        department_en=contract.provider_en,
        latency=None if contract.latency_hours is None else timedelta(hours=contract.latency_hours),
        status=shown,
        reason=reason,
        as_of=as_of(load) if load else None,
        load=load.load if load else 0,
    )
