"""hub catalog, client, audit, serve: what is shared, with whom, and what trace that left."""

import os
import secrets
from typing import Annotated

import typer

from access import audit_verify, clients
from access.audit_seal import Signer
from catalog import entries, search
from hub.answers import catalog_entries
from hub.commands.common import Dataset, Json, hub, output
from ledger import clients as client_tables
from ledger.clients import Grant
from schemas.errors import Invalid, NotFound, Stop

catalog_app = typer.Typer(
    no_args_is_help=True, help="资源目录 catalog: every dataset, what it promises and what was measured"
)
client_app = typer.Typer(no_args_is_help=True, help="调用方 clients: portals and their grants")
audit_app = typer.Typer(no_args_is_help=True, help="审计 audit: who used which data, for what")


@catalog_app.command("list")
def catalog_list(
    query: Annotated[str, typer.Argument(help="words to search for, in Chinese or English")] = "", as_json: Json = False
) -> None:
    """List catalog entries, all or those that match."""
    found = catalog_entries(hub())
    if query:
        found = tuple(search.search(found, query))
    rows = [
        {"dataset": e.dataset, "code": e.code, "title": e.title, "provider": e.provider, "rows": e.measured.rows,
         "fresh": e.measured.freshness, "quality": _share(e.measured.quality.pass_rate), "share": e.share_type}
        for e in found
    ]  # fmt: skip
    output(as_json).table("资源目录 catalog", rows, empty="no entry matches")


@catalog_app.command("show")
def catalog_show(dataset: Dataset, as_json: Json = False) -> None:
    """Show one entry: the guide's metadata, its items, what was measured."""
    entry = entries.find(catalog_entries(hub()), dataset)
    if entry is None:
        raise NotFound(f"no entry {dataset!r} in the catalog", todo="hub catalog list")
    value = entry.to_json()
    if as_json:
        output(as_json).record(value)
        return
    items, measured = value.pop("items"), value.pop("measured")
    rules = measured.pop("quality")["rules"]
    out = output(as_json)
    out.record({k: v for k, v in {**value, **measured}.items() if v not in (None, "", [])})
    shown = ("name", "title", "type", "key", "element", "element_zh", "classification")
    out.table("信息项 items", [{k: i[k] for k in shown} for i in items])
    broken = [{k: r[k] for k in ("id", "severity", "checked", "unexpected")} for r in rules if r["unexpected"]]
    out.table(
        "质量 rules that rows broke in the last delivery", broken, empty="no rule was broken in the last delivery"
    )


@client_app.command("add")
def client_add(
    client: Annotated[str, typer.Argument(help="client id, as a portal will send it")],
    form: Annotated[list[str] | None, typer.Option(help="a form it may use (again for more)")] = None,
    push: Annotated[list[str] | None, typer.Option(help="a dataset whose records it may send (again for more)")] = None,
    purpose: Annotated[str, typer.Option(help="the purpose it may use forms for")] = "service-application",
    name: Annotated[str, typer.Option(help="中文名称")] = "",
    name_en: Annotated[str, typer.Option(help="English name")] = "",
    as_json: Json = False,
) -> None:
    """Register a client with its grants and push rights; its secret is shown once."""
    it = hub()
    forms, datasets = form or [], push or []
    if not forms and not datasets:
        raise Invalid("a client that may do nothing", todo=f"hub client add {client} --form FORM, or --push DATASET")
    for one in datasets:
        it.contract(one)
    secret = secrets.token_urlsafe(24)
    clients.register(it.ledger, client, name or client, name_en or client, secret, salt=os.urandom(16), at=it.clock())
    for one in forms:
        client_tables.allow(it.ledger, Grant(client, one, purpose), it.clock())
    for one in datasets:
        client_tables.allow_push(it.ledger, client, one, it.clock())
    granted = {"forms": forms, "purpose": purpose} if forms else {}
    output(as_json).record(
        {"client_id": client, "client_secret": secret, **granted, **({"push": datasets} if datasets else {})}
    )


@client_app.command("list")
def client_list(as_json: Json = False) -> None:
    """List clients and their grants."""
    it = hub()
    rows = [
        {
            "client": c.id,
            "name": c.name_zh,
            "active": c.active,
            "grants": [f"{g.form} ({g.purpose})" for g in client_tables.granted(it.ledger, c.id)],
            "push": sorted(client_tables.pushes(it.ledger, c.id)),
        }
        for c in client_tables.everyone(it.ledger)
    ]
    output(as_json).table("clients", rows, empty="no client yet → hub client add ID --form FORM, or --push DATASET")


@client_app.command("disable")
def client_disable(client: Annotated[str, typer.Argument(help="client id")], as_json: Json = False) -> None:
    """Switch a client off: its tokens are dead at once. `hub client add` gives it a new secret and switches it on."""
    it = hub()
    client_tables.set_active(it.ledger, client, False)
    output(as_json).record({"client_id": client, "active": False})


@audit_app.command("verify")
def verify(as_json: Json = False) -> None:
    """Walk the audit chains; any edit, deletion, reordering or truncation is named, and the exit code is 1."""
    it = hub()
    report = audit_verify.verify(it.audit, [Signer(key).public_pem for key in it.keys("audit")])
    output(as_json).record(
        {"entries": report.entries, "chains": report.chains, "faults": [str(f) for f in report.faults]}
    )
    if not report.ok:
        raise Stop(f"the audit has {len(report.faults)} faults", todo="keep the database as it is and call the auditor")


def serve(
    port: Annotated[int, typer.Option(help="port on the loopback interface")] = 8000,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
) -> None:
    """Serve the API, the catalog's pages and, where settings say so, the demonstration portal."""
    import uvicorn

    from hub.web import application

    uvicorn.run(application(hub()), host=host, port=port, log_level="warning", access_log=False)


def add_to(app: typer.Typer) -> None:
    """Hang these commands on the root command."""
    app.add_typer(catalog_app, name="catalog")
    app.add_typer(client_app, name="client")
    app.add_typer(audit_app, name="audit")
    app.command()(serve)


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"
