"""Sending what waits in the outbox: to webhooks, signed where a key is named, and by e-mail.

A message that cannot be sent is due again later and later; after `TRIES` it is dead: listed, and sent again only when somebody says so.
An address that does not answer keeps its other messages waiting behind: they keep their order and cost no time.
"""

import json
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage
from functools import partial
from urllib.parse import unquote, urlsplit

import httpx

from access import webhooks
from connectors.http_logs import quiet
from hub.core import Hub
from hub.registration import named_secrets
from hub.sharing import subscription_keys
from ledger import outbox
from ledger.outbox import Message
from schemas.errors import HubError, SourceDenied

WAITS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 720, 1440))
TRIES = len(WAITS) + 1
_SECONDS = 5.0
_HELD = timedelta(minutes=2)
_KEPT = timedelta(days=30)
_FAULTS = (httpx.HTTPError, httpx.InvalidURL, smtplib.SMTPException, OSError, ValueError, HubError)


def send(hub: Hub) -> int:
    """Send what is due; returns how many messages arrived."""
    arrived = 0
    silent = set()
    for message in outbox.due(hub.ledger, hub.clock()):
        if message.url in silent or not outbox.claim(hub.ledger, message, until=hub.clock() + _HELD):
            continue
        try:
            _deliver(hub, message)
        except _FAULTS as fault:
            silent.add(message.url)
            _later(hub, message, fault)
        else:
            outbox.sent(hub.ledger, message, hub.clock())
            arrived += 1
    return arrived


def clean(hub: Hub) -> int:
    """Forget messages that arrived a month ago or earlier; how many."""
    return outbox.clean(hub.ledger, hub.clock() - _KEPT)


def _later(hub: Hub, message: Message, fault: Exception) -> None:
    """When the next try is due; none is after the last, or where the receiver says that it is gone."""
    gone = isinstance(fault, httpx.HTTPStatusError) and fault.response.status_code == httpx.codes.GONE
    now = hub.clock()
    again = None if gone or message.tries + 1 >= TRIES else now + WAITS[message.tries]
    outbox.failed(hub.ledger, message, _named(fault), again_at=again, now=now)


def _named(fault: Exception) -> str:
    """The fault without address or answer, which may hold a secret or more."""
    if isinstance(fault, HubError):
        return fault.code
    status = fault.response.status_code if isinstance(fault, httpx.HTTPStatusError) else ""
    return f"{type(fault).__name__} {status}".strip()


def _deliver(hub: Hub, message: Message) -> None:
    if message.url.startswith("mailto:"):
        _mail(hub, message)
    else:
        _post(hub, message)


def _post(hub: Hub, message: Message) -> None:
    """Send one message; a webhook that a contract or a subscription names is held to the guard, the operator's own is not."""
    quiet()  # a webhook's key stands in its query
    body = json.dumps(message.body, ensure_ascii=False).encode()
    kind = "application/cloudevents+json" if message.format == "cloudevents" else "application/json"
    signed = webhooks.headers(_secret(hub, message.secret), message.event, body, hub.clock()) if message.secret else {}
    own = message.url in (hub.settings.notify_url, hub.settings.openlineage_url)
    with httpx.Client(timeout=_SECONDS, transport=None if own else hub.guard.transport()) as client:
        headers = {"Content-Type": f"{kind}; charset=utf-8", **signed}
        client.post(message.url, content=body, headers=headers).raise_for_status()


def _mail(hub: Hub, message: Message) -> None:
    """Send one message as a mail; its id is the event's, so that a second copy is known as one."""
    mail = EmailMessage()
    mail["From"], mail["To"] = hub.settings.smtp_from, unquote(urlsplit(message.url).path)
    mail["Subject"] = str(message.body.get("title") or message.body.get("type") or "cityhub")
    mail["Message-ID"] = f"<{message.event}@cityhub>"
    text = message.body.get("text")
    mail.set_content(str(text) if text else json.dumps(message.body, ensure_ascii=False, indent=1))
    with _mail_server(hub) as server:
        server.send_message(mail)


@contextmanager
def _mail_server(hub: Hub) -> Iterator[smtplib.SMTP]:
    """The operator's mail server, signed in to if settings name an account. An account's password travels over TLS only."""
    address, account = urlsplit(hub.settings.smtp_url), hub.settings.smtp_secret
    if not address.hostname:
        raise SourceDenied("no mail server is set", todo="set HUB_SMTP_URL, as smtp+tls://mail.example:587")
    secure = partial(ssl.create_default_context)
    if address.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            address.hostname, address.port or 465, timeout=_SECONDS, context=secure()
        )
    else:
        server = smtplib.SMTP(address.hostname, address.port or 25, timeout=_SECONDS)
    with server:
        if address.scheme == "smtp+tls":
            server.starttls(context=secure())
        elif account and address.scheme == "smtp":
            raise SourceDenied("a mail account wants TLS", todo="write HUB_SMTP_URL as smtp+tls:// or smtps://")
        if account:
            user, _, password = _secret(hub, account).partition(":")
            server.login(user, password)
        yield server


def _secret(hub: Hub, reference: str) -> str:
    """What a reference names: a secret of the operator's, or the hub's own key for a client's subscription."""
    if reference.startswith(subscription_keys.KEYS):
        return subscription_keys.key(hub, reference)
    return (hub.secret or partial(named_secrets.look_up, files=hub.settings.secret_files))(reference)
