"""Whether a run may ask a department's system now: the hours it allows, and how many pulls it bears at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

from hub.core import Hub
from ledger import departments, runs
from ledger.runs import Run
from schemas.contract import Contract
from schemas.errors import Busy, OutsideHours
from schemas.windows import opens


@contextmanager
def admitted(hub: Hub, run: Run, contract: Contract, now_because: str = "") -> Iterator[None]:
    """The run asks the department meanwhile. A refusal ends the run; it is no incident, and whoever owns it may try again.

    Raises:
        OutsideHours: the department allows no pull now, and no reason was given (`now_because`, kept with the run).
        Busy: as many pulls of the department as settings allow are at work.
    """
    try:
        if now_because:
            runs.remark(hub.ledger, run.run, now_because=now_because)
        else:
            _check_hours(hub, contract)
        limit = hub.settings.department_pulls
        departments.enter(hub.ledger, run.run, contract.provider_code, limit=limit, now=hub.clock())
    except (OutsideHours, Busy) as refusal:
        runs.close(hub.ledger, run.run, "failed", now=hub.clock(), reason=str(refusal))
        raise
    try:
        yield
    finally:
        departments.leave(hub.ledger, run.run)


def _check_hours(hub: Hub, contract: Contract) -> None:
    zone = ZoneInfo(hub.settings.timezone)
    opening = opens(contract.source.windows, hub.clock(), zone)
    if opening is not None:
        raise OutsideHours(
            f"{contract.dataset}: {contract.provider} allows pulls {', '.join(contract.source.windows)} "
            f"({zone.key}); the next may begin at {opening:%Y-%m-%d %H:%M}",
            todo="wait, or give a reason: hub pull DATASET --now 'the reason'",
            opens=opening.isoformat(),
        )
