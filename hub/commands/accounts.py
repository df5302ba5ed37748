"""hub account: people at the console, with their departments and roles."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from access import accounts
from access.accounts import ROLES
from hub.commands.common import Json, hub, output
from ledger import accounts as store
from ledger import clients
from ledger.accounts import Account
from schemas.errors import Invalid, NotFound

app = typer.Typer(no_args_is_help=True, help="账号 accounts: people at the console, their departments and roles")
Name = Annotated[str, typer.Argument(help="account name, as it is typed at the sign-in: wang.fang")]
Roles = Annotated[list[str] | None, typer.Option("--role", help=f"{', '.join(ROLES)} (again for more)")]
Department = Annotated[str, typer.Option(help="code (USCC) of the department that an editor or approver acts for")]
Portal = Annotated[str, typer.Option("--client", help="client id of the portal that this person answers for")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="file that the password is in, - for standard input; without it, it is asked for")
]


@app.command("add")
def add(
    name: Name,
    role: Roles = None,
    department: Department = "",
    client: Portal = "",
    shown: Annotated[str, typer.Option("--name", help="the person's name; default: the account's")] = "",
    password_file: PasswordFile = None,
    as_json: Json = False,
) -> None:
    """Add a person. The password is asked for, or read from a file: it never stands in a command line."""
    it = hub()
    if client and clients.find(it.ledger, client) is None:
        raise NotFound(f"there is no client {client!r}", todo="hub client list")
    account = Account(name, shown or name, department, frozenset(role or ()), client)
    checked = accounts.added(account, _password(password_file), salt=os.urandom(16))
    store.add(it.ledger, checked, it.clock())
    output(as_json).record(_shown(checked))


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List accounts, also those that the identity provider vouches for."""
    rows = [_shown(one) for one in store.everyone(hub().ledger)]
    output(as_json).table("accounts", rows, empty="nobody yet → hub account add NAME --role office")


@app.command("roles")
def roles(
    name: Name, role: Roles = None, department: Department = "", client: Portal = "", as_json: Json = False
) -> None:
    """Give an account other roles, another department or portal, instead of those it has; it must sign in again."""
    it = hub()
    found = accounts.checked_roles(role or (), department, client)
    store.change(it.ledger, name, roles=" ".join(sorted(found)), department=department, client=client)
    output(as_json).record(_one(name))


@app.command("password")
def password(name: Name, password_file: PasswordFile = None, as_json: Json = False) -> None:
    """Set a password, asked for or read from a file; the account's sessions end."""
    it = hub()
    if not _found(name).password_hash:
        raise Invalid(f"{name} signs in at the identity provider", todo="set the password there")
    found = accounts.hashed(_password(password_file), name, salt=os.urandom(16))
    store.change(it.ledger, name, password_hash=found)
    output(as_json).record({"account": name, "password": "changed"})


@app.command("disable")
def disable(name: Name, as_json: Json = False) -> None:
    """Switch an account off; its sessions end at once."""
    store.change(hub().ledger, name, active=False)
    output(as_json).record(_one(name))


@app.command("enable")
def enable(name: Name, as_json: Json = False) -> None:
    """Switch an account on again."""
    store.change(hub().ledger, name, active=True)
    output(as_json).record(_one(name))


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    root.add_typer(app, name="account")


def _password(file: Path | None) -> str:
    if file is None:
        return str(typer.prompt("password", hide_input=True, confirmation_prompt=True))
    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    return text.rstrip("\r\n")


def _found(name: str) -> Account:
    account = store.find(hub().ledger, name)
    if account is None:
        raise NotFound(f"there is no account {name!r}", todo="hub account list")
    return account


def _one(name: str) -> dict[str, object]:
    return _shown(_found(name))


def _shown(account: Account) -> dict[str, object]:
    return {
        "account": account.name, "name": account.shown, "roles": sorted(account.roles), "department": account.department or None,
        "client": account.client or None, "signs in by": "password" if account.password_hash else "identity provider",
        "active": account.active,
    }  # fmt: skip
