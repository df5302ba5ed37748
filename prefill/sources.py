"""The state of the datasets behind a form at the moment of an answer: how fresh, and if not fresh why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from ledger import loads, subject_work
from ledger.database import Database
from ledger.loads import Load
from prefill.envelope import Reason
from schemas.contract import Contract
from subjects.file import as_of

Status = Literal["ok", "held", "failed", "never"]


@dataclass(frozen=True)
class SourceState:
    """One dataset: names, how its last run ended, and what subject files hold of it.

    `as_of` is when the records in the files were read from the department; `latency` the age from which they are stale
    (None: never); `reason` why the last run was held or failed; `available_at` when its department is asked next (None: not known).
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
    available_at: datetime | None = None

    @cached_property
    def as_of_text(self) -> str | None:
        """`as_of` as answers tell it."""
        return None if self.as_of is None else told(self.as_of)

    @cached_property
    def available_text(self) -> str | None:
        """`available_at` as answers tell it."""
        return None if self.available_at is None else told(self.available_at)

    def late(self, now: datetime) -> bool:
        """Whether the records are older than the contract's service level allows."""
        return now > self._due

    @cached_property
    def _due(self) -> datetime:
        """The moment after which they are."""
        if self.as_of is None:
            return datetime.min.replace(tzinfo=UTC)
        return datetime.max.replace(tzinfo=UTC) if self.latency is None else self.as_of + self.latency


def read(
    db: Database,
    contracts: Mapping[str, Contract],
    kind: str,
    available_at: Callable[[Contract], datetime | None] = lambda _contract: None,
) -> dict[str, SourceState]:
    """The state of every dataset, as files of this subject kind see it: they may lag behind the newest load.

    `available_at` says when a dataset's department is asked next.
    """
    newest, conditions = loads.latest(db, contracts), loads.conditions(db, contracts)
    built = subject_work.built(db).get(kind, {})
    found = {}
    for dataset, contract in contracts.items():
        load = newest.get(dataset)
        if load is not None and built.get(dataset, load.load) < load.load:
            load = next((x for x in loads.history(db, dataset) if x.load == built[dataset]), None)
        condition = conditions.get(dataset)
        status, reason = condition[:2] if condition else ("ok", "")
        found[dataset] = state(contract, load, status, reason, available_at(contract))
    return found


def state(
    contract: Contract, load: Load | None, status: str, reason: str, available_at: datetime | None = None
) -> SourceState:
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
        available_at=available_at,
    )


def doubt(dataset: str, source: SourceState | None, now: datetime, timezone: str) -> Reason | None:
    """Why a dataset's records may not be the newest at this moment, by its contract's service level; None where they are fresh."""
    if source is None or source.status == "never":
        title, title_en = (source.title, source.title_en) if source else (dataset, dataset)
        return Reason(f"“{title}”尚未接入数据", f"{title_en} has never been loaded")
    if source.status == "ok" and not source.late(now):
        return None
    why = f" ({source.reason})" if source.reason else ""
    if source.status == "held":
        zh, en = "新数据未通过检查", "a newer delivery is held back"
    elif source.status == "failed":
        zh, en = "最近一次更新失败", "the last update failed"
    else:
        zh, en, why = "超过更新时限", "it is late", ""
    since = f"{source.as_of.astimezone(zone(timezone)):%Y-%m-%d %H:%M}" if source.as_of else "—"
    return Reason(f"“{source.title}”{zh}{why}，数据截至{since}", f"{source.title_en}: {en}{why}, as of {since}")


@lru_cache(maxsize=8)
def zone(name: str) -> ZoneInfo:
    """A time zone by its name, looked up once."""
    return ZoneInfo(name)


def told(moment: datetime) -> str:
    """A moment as answers tell it: UTC, ISO 8601.

    >>> told(datetime(2026, 3, 2, 6, tzinfo=UTC))
    '2026-03-02T06:00:00Z'
    """
    return f"{moment.astimezone(UTC).isoformat(timespec='seconds')[:19]}Z"
