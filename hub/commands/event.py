"""hub event …: who is told of what happens, and what waits in the outbox."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer

from hub import maintenance
from hub.commands.common import Json, hub, output
from hub.core import Hub
from hub.registration import named_secrets
from hub.telling import deliver
from hub.telling.events import TYPES
from ledger import outbox, subscriptions
from ledger.outbox import Message
from ledger.subscriptions import EVERY, Subscription
from schemas.contract import Contact
from schemas.errors import Invalid

app = typer.Typer(no_args_is_help=True, help="事件 events: who is told of what happens, and what waits to be sent")
Style = Literal["cloudevents", "plain", "wecom", "dingtalk"]


@app.command()
def subscribe(
    name: Annotated[str, typer.Argument(help="the subscriber's name")],
    url: Annotated[str, typer.Argument(help="the webhook, or mailto:ADDRESS")],
    dataset: Annotated[str, typer.Option(help="only of this dataset; * for every one")] = EVERY,
    types: Annotated[list[str] | None, typer.Option("--type", help="event type or pattern, as dispute.* (again for more)")] = None,
    style: Annotated[Style, typer.Option("--format", help="CloudEvents for programs, words for people")] = "cloudevents",
    secret: Annotated[str | None, typer.Option(help="where the key is that messages are signed with: env:NAME or file:NAME")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Tell somebody of events; a subscription of the same name and dataset is replaced. CloudEvents to a webhook want a key."""
    it, mail = hub(), url.startswith("mailto:")
    _check(it, url, mail=mail, dataset=dataset)
    named_secrets.check(secret)
    if style == "cloudevents" and not mail and secret is None:
        raise Invalid(
            "events for programs are signed, and no key is named", todo="--secret file:NAME, with whsec_… in that file"
        )
    kinds = tuple(types or ["*"])
    contact = Contact(url, "plain" if mail else style)
    subscriptions.subscribe(it.ledger, Subscription(dataset, name, contact, it.clock(), kinds, secret))
    output(as_json).record(
        {"name": name, "dataset": dataset, "types": kinds, "host": _host(url), "format": contact.format}
    )


@app.command()
def unsubscribe(
    name: Annotated[str, typer.Argument(help="the subscriber's name")],
    dataset: Annotated[str, typer.Option(help="the dataset it subscribed to")] = EVERY,
    as_json: Json = False,
) -> None:
    """Tell a subscriber no more."""
    subscriptions.unsubscribe(hub().ledger, dataset, name)
    output(as_json).record({"name": name, "dataset": dataset, "subscribed": False})


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List who is told of what (the host only: a webhook's path may be a secret)."""
    rows = [
        {"name": s.name, "dataset": s.dataset, "types": s.types, "host": _host(s.contact.url), "format": s.contact.format, "signed": bool(s.secret)}
        for s in subscriptions.everyone(hub().ledger)
    ]  # fmt: skip
    output(as_json).table("subscribers", rows, empty="nobody subscribes → hub event subscribe NAME URL")


@app.command()
def types(as_json: Json = False) -> None:
    """List the types of event."""
    output(as_json).table("types", [{"type": one, "cloudevents": f"cityhub.{one}"} for one in TYPES])


@app.command("outbox")
def waiting(
    dead: Annotated[bool, typer.Option("--dead", help="those that were given up")] = False, as_json: Json = False
) -> None:
    """List messages that wait, or that were given up after too many tries, with why the last try failed."""
    db = hub().ledger
    rows = [_row(one) for one in (outbox.dead(db) if dead else outbox.unsent(db))]
    output(as_json).table("outbox", rows, empty="nothing waits")


@app.command()
def send(
    revive: Annotated[bool, typer.Option("--revive", help="try again what was given up")] = False, as_json: Json = False
) -> None:
    """Send what is due now, after settling disputes and looking for overdue ones: what the `events` DAG does every few minutes."""
    it = hub()
    revived = outbox.revive(it.ledger, it.clock()) if revive else 0
    output(as_json).record({"revived": revived, **maintenance.remind(it), "tries until given up": deliver.TRIES})


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    root.add_typer(app, name="event")


def _check(it: Hub, url: str, *, mail: bool, dataset: str) -> None:
    address = urlsplit(url)
    if dataset != EVERY:
        it.contract(dataset)
    if mail and (address.path.count("@") != 1 or not address.path.isprintable() or " " in address.path):
        raise Invalid("there is no address behind mailto:", todo="as in mailto:duty@civil.example", field="url")
    if not mail and (address.scheme not in ("http", "https") or not address.hostname):
        raise Invalid(
            "the address is no http or https URL, and no mailto:", todo="as in https://chat.example/hook", field="url"
        )
    if not mail:
        it.guard.check(address.hostname, "the webhook")


def _host(url: str) -> str:
    address = urlsplit(url)
    return address.hostname or address.path.rpartition("@")[2]


def _row(message: Message) -> dict[str, object]:
    told = message.body.get("type") or message.body.get("kind") or message.format
    return {
        "event": message.event,
        "type": told,
        "host": _host(message.url),
        "tries": message.tries,
        "error": message.error,
    }
