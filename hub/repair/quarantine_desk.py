"""Rows in quarantine over HTTP: a client acts for the department whose records it may send, and each disclosure is in the audit first."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

from access.audit import Entry
from hub.core import Hub
from hub.repair import quarantined
from hub.repair.handout import export
from hub.repair.quarantined import told
from hub.repair.returns import take_back
from hub.repair.sheet import Form
from lake import inbox
from schemas.contract import Contract
from serving.services import Returns


def returns_of(
    hub: Hub, record: Callable[[Entry], None], allowed: Callable[[str, str], Contract] | None = None
) -> Returns:
    """What the routes call; `record` writes to the audit, `allowed` gives the contract of a dataset that somebody acts for: clients as it is."""
    desk = _Desk(hub, record, allowed or partial(quarantined.allowed, hub))
    return Returns(desk.check, desk.rows, desk.file, desk.take, hub.settings.push_max_mb << 20)


@dataclass(frozen=True)
class _Desk:
    hub: Hub
    record: Callable[[Entry], None]
    allowed: Callable[[str, str], Contract]

    def check(self, client: str, code: str) -> None:
        self.allowed(client, code)

    def rows(self, client: str, code: str, rule: str | None, limit: int) -> list[dict[str, Any]]:
        contract = self.allowed(client, code)
        found = told(self.hub, contract, rule=rule, limit=limit)
        columns = tuple(c.name for c in contract.columns)
        self.record(Entry(client, "quarantine show", contract.dataset, columns, "", f"{len(found)} rows shown"))
        return found

    def file(self, client: str, code: str, form: str, rule: str | None) -> tuple[BinaryIO, dict[str, Any]]:
        contract = self.allowed(client, code)
        file = TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
        receipt = export(self.hub, contract, cast("Form", form), file, rule=rule)
        self.record(receipt.entry(client, contract))
        file.seek(0)
        return file, asdict(receipt)

    def take(self, client: str, code: str, file: BinaryIO, form: str, key: str, dry_run: bool) -> dict[str, Any]:
        contract = self.allowed(client, code)
        owner = hashlib.sha256(f"{client}\0{key}\0{dry_run}".encode()).hexdigest()[:32]
        with inbox.once(self.hub.lake / "returned", f"{contract.dataset} {owner}"):  # one run, one worker
            return take_back(
                self.hub, contract, file, cast("Form", form), f"upload.{form}", owner=f"upload:{owner}", who=client,
                record=self.record, dry_run=dry_run,
            )  # fmt: skip
