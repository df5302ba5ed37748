"""The audit as the hub keeps it: its log with key and anchor, what a verifier needs, and what subjects are called in it."""

import os
import secrets
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from access import audit_trail, audit_verify
from access.audit import AuditLog, pseudonym
from access.audit_process import AuditProcess
from access.audit_seal import Signer
from access.audit_trail import head_line
from access.audit_verifier import Head, Report, read_heads
from hub.core import Hub
from ledger import clients
from ledger.audit import Head as Tip


def open_log(hub: Hub, name: str) -> AuditLog:
    """This process's chain of the audit; `name` says what kind of process it is. To be closed."""
    chain = f"{name}-{hub.clock():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    return AuditLog(
        hub.audit, chain=chain, signer=Signer(hub.key("audit")), clock=hub.clock, timezone=hub.settings.timezone,
        anchor=_keeper(hub.settings.audit_anchors),
    )  # fmt: skip


def open_process(hub: Hub, name: str, loop: AbstractEventLoop | None = None) -> AuditProcess:
    """The same, written by a process of its own (`hub.audit_writer`), for a server that many wait for; its event `loop`. To be closed."""
    told = hub.settings.model_dump_json(include={"home", "audit_url", "audit_anchors", "timezone"})
    command = [sys.executable, "-m", "hub.audit_writer", name]
    return AuditProcess(
        hub.audit, command=command, told=told.encode(), clock=hub.clock, timezone=hub.settings.timezone, loop=loop
    )


def public_keys(hub: Hub) -> list[str]:
    """Every public key that heads were signed with, the one in use first, as PEM."""
    return [Signer(secret).public_pem for secret in hub.keys("audit")]


def verify(hub: Hub, anchors: Path | None = None) -> Report:
    """What the verifier finds, with the anchors that settings or the caller name."""
    return audit_verify.verify(hub.audit, public_keys(hub), _kept(anchors or hub.settings.audit_anchors))


def called(hub: Hub, kind: str, identifier: str) -> str:
    """What the subject is called in the audit."""
    return pseudonym(hub.key("audit-subject"), kind, identifier)


def known_as(hub: Hub, kind: str, identifier: str) -> frozenset[str]:
    """What the subject was ever called in the audit: under this identifier, the one its file has now, and those that were merged into it."""
    from hub.filing import subject_files  # most commands of the audit ask about nobody

    file = subject_files.subject(hub, kind, identifier)
    return frozenset(called(hub, kind, one) for one in (identifier, *(file.identifiers if file else ())))


def uses(hub: Hub, subjects: Collection[str], before: datetime | None, most: int) -> list[dict[str, Any]]:
    """The newest answers about a subject (by its names in the audit) before a moment, with the clients' names."""
    names = {c.id: {"zh": c.name_zh, "en": c.name_en} for c in clients.everyone(hub.ledger)}
    found = audit_trail.uses(hub.audit, subjects=subjects, result="answered", until=before, most=most)
    return [
        {"at": use.at, "client": names.get(use.body["client"], {"zh": use.body["client"], "en": use.body["client"]}),
         **{name: use.body.get(name, "") for name in ("who", "purpose", "form", "basis", "fields")}}
        for use in found
    ]  # fmt: skip


def _keeper(path: Path | None) -> Callable[[Tip], None]:
    """Appends a signed head to the file, and to the disk, before it returns."""

    def keep(head: Tip) -> None:
        if path is not None:
            with path.open("a", encoding="utf-8") as file:
                file.write(head_line(head))
                file.flush()
                os.fsync(file.fileno())

    return keep


def _kept(path: Path | None) -> Iterator[Head]:
    if path is not None and path.exists():
        with path.open(encoding="utf-8") as file:
            yield from read_heads(
                line for line in file if line.endswith("\n")
            )  # a last line that was torn is no anchor yet
