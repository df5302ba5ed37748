"""The hub's web application, composed: what `hub serve` runs.

Declarations, contracts and keys are read when the process starts; loads, clients and subject files at every request.
"""

import os
import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from access import accounts
from access.accounts import Passwords
from access.audit import Log, pseudonym
from access.desk import Desk
from access.sessions import Sessions, hashed
from access.signin import SignIn
from access.tokens import LIFETIME, Tokens
from catalog.library import Uses
from hub import trail
from hub.console import library, openid, people, scorecards
from hub.core import Hub
from hub.filing import subject_files
from hub.filing.prefilling import portal, prefilling
from hub.pulling import pushes
from hub.registration.register_desk import registering_of
from hub.repair.dispute_desk import disputes_of
from hub.repair.quarantine_desk import returns_of
from hub.sharing.exports import records_of
from hub.sharing.offer import offer
from hub.sharing.request_desk import approvals_of, requests_of
from hub.sharing.subscribing import subscriptions_of
from ledger import accounts as account_store
from prefill.forms import Form
from serving.app import Application, create_app
from serving.bindings import bindings
from serving.console.desks import Desks
from serving.services import Console, Inbox, Scorecards, Services


def application(hub: Hub, log: Log | None = None) -> Application:
    """The ASGI application over this hub; `log`: where its audit goes, a thread of this process if not said otherwise."""
    return create_app(services(hub, log))


def services(hub: Hub, log: Log | None = None) -> Services:
    """Everything the routes call."""
    log = log or trail.open_log(hub, "api")
    kinds, forms = subject_files.kinds(hub), subject_files.every_form(hub)
    prefill = prefilling(hub)
    tokens = Tokens(partial(hub.keys, "token", within=2 * LIFETIME), issuer=hub.settings.api_url)
    offered = offer(hub, forms, kinds)
    desk = Desk(
        hub.ledger, log, tokens, audience=hub.settings.api_url, pairwise_key=hub.key("pairwise"), clock=hub.clock,
        budget=hub.settings.subject_budget,
    )  # fmt: skip
    sign_in = SignIn(
        hub.ledger, tokens, audiences=(hub.settings.api_url, f"{hub.settings.api_url}/oauth/token"), clock=hub.clock,
        number=partial(secrets.token_hex, 16), secrets=not hub.settings.production,
    )  # fmt: skip

    catalog, approvals = library.catalog(hub, Uses(kinds, bindings(forms))), approvals_of(hub, offered)
    return Services(
        catalog=catalog,
        site=library.site(hub),
        forms=lambda: forms,
        kinds=lambda: kinds,
        prefill=prefill,
        desk=desk,
        sign_in=sign_in,
        authenticate=lambda token: desk.caller(token).client,
        pseudonym=partial(pseudonym, hub.key("audit-subject")),
        uses=partial(trail.uses, hub),
        places=hub.settings.api_places,
        record=log.write,
        clock=hub.clock,
        inbox=Inbox(partial(pushes.door, hub), partial(pushes.became, hub), partial(pushes.wake, hub)),
        console=console(hub, people.desks(hub, catalog, forms, approvals, log.write)),
        timezone=hub.settings.timezone,
        docs=hub.settings.docs,
        portal=portal(hub, forms, prefill.personas) if hub.settings.demo_portal else None,
        requests=requests_of(hub, offered),
        approvals=approvals,
        subscriptions=subscriptions_of(hub),
        registering=registering_of(hub),
        scorecards=Scorecards(partial(scorecards.departments, hub), partial(scorecards.card, hub)),
        **({} if hub.settings.personas == "only" else _of_records(hub, forms, desk, log)),
    )


def _of_records(hub: Hub, forms: Mapping[str, Form], desk: Desk, log: Log) -> dict[str, Any]:
    """What looks records up, in the lake or in quarantine: a sandbox has none of it."""
    return {
        "records": records_of(hub, desk),
        "disputes": disputes_of(hub, forms, desk.grants, log.write),
        "returns": returns_of(hub, log.write),
    }


def console(hub: Hub, desks: Desks) -> Console:
    """What the console's pages call."""
    key, settings = hub.key("console"), hub.settings

    def change_password(name: str, password: str, session: str) -> None:
        found = accounts.hashed(password, name, salt=os.urandom(16))
        account_store.change(hub.ledger, name, keep=hashed(session), password_hash=found)

    return Console(
        sessions=Sessions(
            hub.ledger, hub.clock, partial(secrets.token_urlsafe, 32), idle=timedelta(minutes=settings.session_idle_minutes),
            longest=timedelta(hours=settings.session_hours),
        ),
        passwords=Passwords(hub.ledger, hub.clock, key),
        form_key=key,
        change_password=change_password,
        choose_language=partial(account_store.choose_language, hub.ledger),
        desks=desks,
        secure=settings.api_url.startswith("https:"), provider=openid.provider(hub), local=settings.local_accounts,
    )  # fmt: skip
