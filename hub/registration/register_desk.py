"""What the pages of registering a source call, put together over this hub."""

import io
from functools import partial

from access.actors import Actor
from hub.core import Hub
from hub.registration import drafted, registering, staging, template
from ledger.registrations import Registration
from schemas import answering
from serving.services import Registering, Shown


def registering_of(hub: Hub) -> Registering:
    """Registering a source."""
    return Registering(
        mine=partial(registering.mine, hub),
        find=partial(registering.find, hub),
        shown=partial(shown, hub),
        secrets=partial(registering.secret_names, hub),
        template=empty_workbook,
        connect=partial(registering.connect, hub),
        upload=partial(registering.upload, hub),
        fill_in=partial(registering.fill_in, hub),
        choose=partial(registering.choose, hub),
        fix=partial(registering.fix, hub),
        preview=partial(registering.preview, hub),
        submit=partial(registering.submit, hub),
        followed=partial(registering.followed, hub),
        pull=partial(registering.pull, hub),
        discard=partial(registering.discard, hub),
        limit=hub.settings.upload_max_mb << 20,
    )


def shown(hub: Hub, actor: Actor, registration: Registration) -> Shown:
    """A registration as its pages show it: answers as people typed them, even those that are wrong."""
    registering.find(hub, actor, registration.id)
    resource, source, items, rules = answering.sheets(drafted.document(registration)[0])
    typed = registration.fixes
    return Shown(
        {**resource, **typed.get("resource", {})},
        {**source, **typed.get("source", {})},
        [{**one, **typed.get("items", {}).get(one["source"], {})} for one in items],
        rules,
        drafted.faults(hub, registration),
        {one["name"]: one for one in registration.facts.get("seen", ())},
        staging.noted(hub, registration.id),
    )


def empty_workbook() -> bytes:
    """The workbook to fill in offline."""
    file = io.BytesIO()
    template.write(file)
    return file.getvalue()
