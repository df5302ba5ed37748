"""hub client, provider, key: who may ask the hub, for what, and how they prove who they are."""

import json
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from access import clients, consent
from access.keys import checked
from hub.commands.common import Json, hub, output
from hub.commands.grants import BasisOption, Client, Legal, Purpose, new_grant
from hub.filing import subject_desk
from ledger import budgets, credentials, grants
from ledger import clients as client_tables
from ledger.credentials import Issuer
from schemas.errors import Invalid, NotFound

client_app = typer.Typer(no_args_is_help=True, help="调用方 clients: portals, their keys and budgets")
provider_app = typer.Typer(no_args_is_help=True, help="身份认证 identity providers: whose consents count")
key_app = typer.Typer(no_args_is_help=True, help="密钥 keys: the hub's own")

_ROTATED: dict[str, timedelta | None] = {"token": timedelta(hours=1), "audit": None}
"""The keys that can be rotated, and how long a retired one is of use: tokens live minutes, signed heads for ever."""


@client_app.command("add")
def client_add(
    client: Client,
    form: Annotated[list[str] | None, typer.Option(help="a form it may use (again for more)")] = None,
    push: Annotated[list[str] | None, typer.Option(help="a dataset whose records it may send (again for more)")] = None,
    purpose: Purpose = "service-application",
    basis: BasisOption = "duty",
    legal: Legal = "",
    keys: Annotated[Path | None, typer.Option(help="its public keys, a JWK set; without them it gets a secret")] = None,
    name: Annotated[str, typer.Option(help="中文名称")] = "",
    name_en: Annotated[str, typer.Option(help="English name")] = "",
    as_json: Json = False,
) -> None:
    """Register a client with its grants and push rights. Without --keys its secret is shown, once."""
    it = hub()
    forms, datasets = form or [], push or []
    if not forms and not datasets:
        raise Invalid("a client that may do nothing", todo=f"hub client add {client} --form FORM, or --push DATASET")
    if keys is None and it.settings.production:
        raise Invalid("in production a client proves itself with a key", todo=f"hub client add {client} --keys FILE")
    for one in datasets:
        it.contract(one)
    jwks, secret = checked(keys.read_text(encoding="utf-8")) if keys else "", secrets.token_urlsafe(24)
    clients.register(it.ledger, client, name or client, name_en or client, secret, salt=os.urandom(16), at=it.clock())
    if jwks:
        credentials.put_keys(it.ledger, client, jwks, it.clock())
    for one in forms:
        grants.allow(it.ledger, new_grant(it, client, "form", one, purpose, basis, legal=legal), it.clock())
    for one in datasets:
        client_tables.allow_push(it.ledger, client, one, it.clock())
    granted = {"forms": forms, "purpose": purpose, "basis": basis} if forms else {}
    shown = {} if jwks else {"client_secret": secret}
    output(as_json).record({"client_id": client, **shown, **granted, **({"push": datasets} if datasets else {})})


@client_app.command("list")
def client_list(as_json: Json = False) -> None:
    """List clients with what they may do, and how many different subjects they asked about in the last 30 days."""
    it = hub()
    used = {(u.client, u.purpose): u for u in budgets.usage(it.audit, it.today())}
    rows = [
        {
            "client": c.id,
            "name": c.name_zh,
            "active": c.active,
            "proves itself by": "key" if credentials.keys(it.ledger, c.id) else "secret",
            "grants": [f"{g.name} ({g.purpose}, {g.basis})" for g in grants.standing(it.ledger, c.id)],
            "push": sorted(client_tables.pushes(it.ledger, c.id)),
            "subjects": {purpose: u.now for (client, purpose), u in used.items() if client == c.id},
            "stopped": [purpose for (client, purpose), u in used.items() if client == c.id and u.stopped],
        }
        for c in client_tables.everyone(it.ledger)
    ]
    output(as_json).table("clients", rows, empty="no client yet → hub client add ID --form FORM, or --push DATASET")


@client_app.command("disable")
def client_disable(client: Client, as_json: Json = False) -> None:
    """Switch a client off: its tokens are dead at once. `hub client add` switches it on again."""
    it = hub()
    client_tables.set_active(it.ledger, client, False)
    output(as_json).record({"client_id": client, "active": False})


@client_app.command("keys")
def client_keys(
    client: Client,
    file: Annotated[
        Path, typer.Argument(help="a JWK set of public keys (Ed25519, P-256, RSA); it replaces the present one")
    ],
    as_json: Json = False,
) -> None:
    """Register a client's public keys. To rotate: old and new together first, the new alone once nobody signs with the old."""
    it = hub()
    if client_tables.find(it.ledger, client) is None:
        raise NotFound(f"there is no client {client!r}", todo="hub client add")
    jwks = checked(file.read_text(encoding="utf-8"))
    credentials.put_keys(it.ledger, client, jwks, it.clock())
    output(as_json).record({"client_id": client, "keys": _kids(jwks)})


@client_app.command("budget")
def client_budget(
    client: Client,
    purpose: Annotated[str, typer.Argument(help="the purpose that it is for")],
    subjects: Annotated[int | None, typer.Argument(help="different subjects within 30 days; none: show it")] = None,
    learn: Annotated[bool, typer.Option("--learn", help="set it to the most that any day showed")] = False,
    release: Annotated[
        bool, typer.Option("--release", help="it was looked into: let it ask about new subjects again")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show or set how many different subjects a client may ask about. 100 over it, it is stopped until --release."""
    it = hub()
    used = {(u.client, u.purpose): u for u in budgets.usage(it.audit, it.today())}.get((client, purpose))
    wanted = subjects if subjects is not None else used.most if learn and used else None
    if wanted is not None:
        budgets.set_budget(it.ledger, client, purpose, wanted)
    if release:
        budgets.release(it.audit, client, purpose)
    budget = budgets.budgets(it.ledger).get((client, purpose), it.settings.subject_budget)
    shown = (
        {"subjects": used.now, "most": used.most, "stopped": used.stopped and not release} if used else {"subjects": 0}
    )
    output(as_json).record({"client_id": client, "purpose": purpose, "budget": budget, **shown})


@provider_app.command("add")
def provider_add(
    issuer: Annotated[str, typer.Argument(help="its issuer name, as it writes it into `iss`")],
    keys: Annotated[Path, typer.Option(help="its public keys, a JWK set")],
    as_json: Json = False,
) -> None:
    """Let an identity provider's consents count, or give it new keys; shows the salt that it names subjects with."""
    it = hub()
    jwks = checked(keys.read_text(encoding="utf-8"))
    credentials.put_issuer(it.ledger, Issuer(issuer, jwks), it.clock())
    salt = consent.salt(it.key("pairwise"), issuer).hex()
    output(as_json).record({"issuer": issuer, "keys": _kids(jwks), "pairwise_salt": salt})


@provider_app.command("list")
def provider_list(as_json: Json = False) -> None:
    """List identity providers."""
    rows = [{"issuer": i.issuer, "keys": _kids(i.jwks)} for i in credentials.issuers(hub().ledger)]
    output(as_json).table("identity providers", rows, empty="none: only grants for a duty or open data can be used")


@provider_app.command("remove")
def provider_remove(issuer: Annotated[str, typer.Argument(help="its issuer name")], as_json: Json = False) -> None:
    """Let an identity provider's consents count no more, at once."""
    if not credentials.drop_issuer(hub().ledger, issuer):
        raise NotFound(f"there is no identity provider {issuer!r}", todo="hub provider list")
    output(as_json).record({"issuer": issuer, "removed": True})


@key_app.command("rotate")
def key_rotate(
    name: Annotated[Literal["token", "audit", "subject"], typer.Argument(help="which")], as_json: Json = False
) -> None:
    """Make a new key. What the old one signed still counts: tokens as long as they live, heads of the audit for ever.

    `subject` writes the whole subject store anew, under new look-up keys and ciphers, while it is read; killed, it goes on when called again.
    """
    it = hub()
    if name == "subject":
        output(as_json).record({"key": name, "rows written anew": subject_desk.rotate(it)})
        return
    it.rotate_key(name, keep=_ROTATED[name])
    output(as_json).record({"key": name, "keys kept": len(it.keys(name))})


def add_to(app: typer.Typer) -> None:
    """Hang these commands on the root command."""
    app.add_typer(client_app, name="client")
    app.add_typer(provider_app, name="provider")
    app.add_typer(key_app, name="key")


def _kids(jwks: str) -> list[str]:
    return [key["kid"] for key in json.loads(jwks)["keys"]]
