"""The hub's web application, composed: what `hub serve` runs.

Declarations, contracts and keys are read when the process starts; loads, clients and subject files at every request.
"""

import os
import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any

from access import clients
from access.audit import AuditLog, pseudonym
from access.audit_seal import Signer
from access.desk import Desk
from access.invitations import Invitation, Invitations
from access.signin import SignIn
from access.tokens import Tokens
from hub import pushes, subject_files
from hub.answers import catalog_entries, prefiller
from hub.core import Hub
from ledger import loads
from ledger.clients import Grant, allow
from prefill.forms import Form
from schemas.masking import mask
from serving.app import create_app
from serving.services import Inbox, Portal, Sample, Services
from subjects.due import Due

PORTAL_CLIENT = "demo-portal"
PORTAL_PURPOSE = "service-application"


def application(hub: Hub) -> Any:
    """The ASGI application over this hub."""
    return create_app(services(hub))


def services(hub: Hub) -> Services:
    """Everything the routes call."""
    forms, kinds = subject_files.forms(hub), subject_files.kinds(hub)
    tokens = Tokens(partial(hub.keys, "token"), issuer=hub.settings.api_url)
    chain = f"api-{hub.clock():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    log = AuditLog(
        hub.audit, chain=chain, signer=Signer(hub.key("audit")), clock=hub.clock, timezone=hub.settings.timezone
    )

    desk = Desk(
        hub.ledger, log, tokens, audience=hub.settings.api_url, pairwise_key=hub.key("pairwise"), clock=hub.clock,
        budget=hub.settings.subject_budget,
    )  # fmt: skip
    sign_in = SignIn(
        hub.ledger, tokens, audiences=(hub.settings.api_url, f"{hub.settings.api_url}/oauth/token"), clock=hub.clock,
        number=partial(secrets.token_hex, 16), secrets=not hub.settings.production,
    )  # fmt: skip

    return Services(
        entries=partial(catalog_entries, hub),
        history=partial(loads.history, hub.ledger),
        forms=lambda: forms,
        kinds=lambda: kinds,
        subject=partial(subject_files.subject, hub),
        prefill=prefiller(hub),
        desk=desk,
        sign_in=sign_in,
        authenticate=lambda token: desk.caller(token).client,
        require_grant=partial(clients.require, hub.ledger),
        pseudonym=partial(pseudonym, hub.key("audit-subject")),
        record=log.write,
        clock=hub.clock,
        inbox=Inbox(partial(pushes.door, hub), partial(pushes.became, hub), partial(pushes.wake, hub)),
        timezone=hub.settings.timezone,
        portal=_portal(hub, forms),
    )


def _portal(hub: Hub, forms: dict[str, Form]) -> Portal | None:
    """The demonstration portal, with subjects to try: off unless settings ask for it."""
    if not hub.settings.demo_portal:
        return None
    secret = hub.key("portal").hex()
    clients.register(
        hub.ledger, PORTAL_CLIENT, "演示门户", "Demonstration portal", secret, salt=os.urandom(16), at=hub.clock()
    )
    for form in forms:
        allow(hub.ledger, Grant(PORTAL_CLIENT, form, PORTAL_PURPOSE), hub.clock())

    def samples(form: str) -> Sequence[Sample]:
        found = [d for d in subject_files.falling_due(hub, 60) if d.form == form][:3]
        return [Sample(d.identifier, f"{_masked_name(hub, d)} · {d.valid_to:%Y-%m-%d}") for d in found]

    def invited(token: str, form: str) -> Invitation:
        return Invitations(hub.key("invitation")).open(token, form, now=hub.clock())

    return Portal(PORTAL_CLIENT, PORTAL_PURPOSE, hub.key("form-proof"), invited, samples)


def _masked_name(hub: Hub, found: Due) -> str:
    """The subject's name as a list of samples may show it."""
    file, kind = subject_files.subject(hub, found.kind, found.identifier), subject_files.kind_of(hub, found.kind)
    held = file.held("name") if file else None
    element = next((f.element for f in kind.fields if f.name == "name"), None)
    return mask(element, str(held.value)) if held else mask(kind.key_element, found.identifier)
