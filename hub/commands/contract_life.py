"""hub contract versions, export, subscribe …: what a contract was, what it is in other languages, and who is told of its changes."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import typer

from hub.commands.common import Dataset, Json, hub, output
from hub.core import Hub
from ledger import contracts, subscriptions
from ledger.subscriptions import Subscription
from schemas import diff, odcs
from schemas.contract import Contact, Contract
from schemas.errors import Invalid

Name = Annotated[str, typer.Argument(help="the subscriber's name")]


class Format(StrEnum):
    """What a contract is exported as."""

    DDL = "ddl"
    JSON_SCHEMA = "jsonschema"
    MARKDOWN = "markdown"
    HTML = "html"


def versions(dataset: Dataset, as_json: Json = False) -> None:
    """List every applied version of a contract with what it changed."""
    it = hub()
    it.contract(dataset)
    applied = contracts.versions(it.ledger, dataset)
    rows: list[dict[str, Any]] = []
    for before, version in zip((None, *applied), applied, strict=False):
        moves = diff.diff(before.contract, version.contract) if before else ()
        counts = {kind: sum(m.kind == kind for m in moves) for kind in ("breaking", "compatible", "cosmetic")}
        rows.append(
            {"number": version.number, "version": version.version, "status": version.contract.status,
             "applied_at": f"{version.applied_at:%Y-%m-%d %H:%M}", **counts, "forced_because": version.forced_because}
        )  # fmt: skip
    output(as_json).table(f"versions of {dataset}", rows)


def export(
    what: Annotated[str, typer.Argument(help="a dataset whose contract is applied, or a contract file")],
    as_: Annotated[Format, typer.Option("--format", "-f", help="what to write")] = Format.MARKDOWN,
    dialect: Annotated[str, typer.Option(help="of ddl: postgresql, mysql, sqlite, oracle, mssql")] = "postgresql",
    number: Annotated[int | None, typer.Option(help="an earlier applied version (hub contract versions)")] = None,
) -> None:
    """Write a contract as SQL DDL, JSON Schema, or a page for people."""
    contract = _contract(hub(), what, number)
    out = output(False)
    match as_:
        case Format.DDL:
            from connectors.sql.ddl import ddl

            out.raw(ddl(contract, dialect))
        case Format.JSON_SCHEMA:
            from schemas.types import record_schema

            output(True).record(record_schema(contract))
        case Format.MARKDOWN | Format.HTML:
            from schemas import contract_page

            out.raw(contract_page.html(contract) if as_ is Format.HTML else contract_page.markdown(contract))


def subscribe(
    dataset: Dataset,
    name: Name,
    url: Annotated[str, typer.Argument(help="the webhook that takes notices")],
    style: Annotated[
        Literal["plain", "wecom", "dingtalk"], typer.Option("--format", help="its message format")
    ] = "plain",
    as_json: Json = False,
) -> None:
    """Tell somebody of a dataset's breaking changes, deprecation and retirement."""
    it = hub()
    it.contract(dataset)
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise Invalid("the webhook is no http or https URL", todo="as in https://chat.example/hook")
    it.guard.check(address.hostname, "the webhook")
    subscriptions.subscribe(it.ledger, Subscription(dataset, name, Contact(url, style), it.clock()))
    output(as_json).record({"dataset": dataset, "name": name, "host": address.hostname, "format": style})


def unsubscribe(dataset: Dataset, name: Name, as_json: Json = False) -> None:
    """Tell a subscriber no more."""
    subscriptions.unsubscribe(hub().ledger, dataset, name)
    output(as_json).record({"dataset": dataset, "name": name, "subscribed": False})


def subscribers(dataset: Dataset, as_json: Json = False) -> None:
    """List who is told of a dataset's changes (the webhook's host only: its path may be a secret)."""
    rows = [
        {
            "name": s.name,
            "host": urlsplit(s.contact.url).hostname,
            "format": s.contact.format,
            "since": f"{s.subscribed_at:%Y-%m-%d}",
        }
        for s in subscriptions.of(hub().ledger, dataset)
    ]
    output(as_json).table(
        f"told of {dataset}", rows, empty="nobody subscribes → hub contract subscribe DATASET NAME URL"
    )


def add_to(app: typer.Typer) -> None:
    """Hang these commands below `hub contract`."""
    for command in (versions, export, subscribe, unsubscribe, subscribers):
        app.command()(command)


def _contract(it: Hub, what: str, number: int | None) -> Contract:
    if Path(what).suffix in (".yaml", ".yml"):
        return odcs.load(Path(what))
    newest = it.contract(what)
    if number is None:
        return newest
    known = {v.number: v.contract for v in contracts.versions(it.ledger, what)}
    if number not in known:
        raise Invalid(f"{what} has no version number {number}", todo=f"hub contract versions {what}")
    return known[number]
