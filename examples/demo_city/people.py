"""The demo's people: one account for each role of the console, with passwords made once and kept in the demo's folder."""

import json
import os
import secrets
from pathlib import Path

from access import accounts
from hub.core import Hub
from ledger import accounts as store
from ledger.accounts import Account

POLICE = "11310100MADEM0011P"
PEOPLE = (
    Account("editor", "王芳（公安局编辑）", POLICE, frozenset({"editor"})),
    Account("approver", "李强（公安局审批）", POLICE, frozenset({"approver"})),
    Account("office", "张敏（数据局）", "", frozenset({"office"})),
    Account("auditor", "赵平（审计）", "", frozenset({"auditor"})),
    Account("owner", "陈晨（门户负责人）", "", frozenset({"client"}), "demo-portal"),
)


def settle(hub: Hub, file: Path) -> dict[str, str]:
    """The passwords by account; accounts and passwords are made where they are missing."""
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for person in PEOPLE:
        password = known.setdefault(person.name, secrets.token_urlsafe(12))
        if store.find(hub.ledger, person.name) is None:
            store.add(hub.ledger, accounts.added(person, password, salt=os.urandom(16)), hub.clock())
    if not file.exists():
        file.touch(0o600)
    file.write_text(json.dumps(known), encoding="utf-8")
    return known
