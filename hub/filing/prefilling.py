"""How forms are filled in, composed: files from the store, the sources' states as the ledger tells them, personas, the demonstration portal.

In the sandbox (`HUB_PERSONAS=only`) neither the subject store nor the state of any source is opened: there is nobody but personas.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice

from access import clients
from access.consent import folded
from access.invitations import Invitation, Invitations
from hub.core import Hub
from hub.filing import subject_files
from hub.filing.answers import Watched, handle, made_personas, seal_key, states
from ledger import grants, subject_work
from ledger.grants import Grant
from prefill.forms import Form
from prefill.personas import Persona
from prefill.world import World
from schemas.masking import mask
from serving.services import Portal, Prefilling, Sample
from subjects.due import Due
from subjects.file import SubjectFile

PORTAL_CLIENT = "demo-portal"
PORTAL_PURPOSE = "service-application"
PORTAL_CASE = "DEMO"
Personas = Mapping[tuple[str, str], Persona]
Files = Callable[[Sequence[tuple[str, str]]], Sequence[SubjectFile | None]]


def prefilling(hub: Hub) -> Prefilling:
    """What the routes fill forms in with."""
    key, names = seal_key(hub), hub.key("handle")
    sandbox = hub.settings.personas == "only"
    kinds = subject_files.kinds(hub)
    watched = Watched(lambda kind: states(hub, kinds[kind]), partial(subject_work.revision, hub.ledger))

    def world(kind: str) -> World:
        known, frames = ({}, {}) if sandbox else watched(kind)
        return World(known, hub.clock(), key, hub.settings.timezone, sandbox, frames)

    personas = {(one.kind, one.identifier): one for one in made_personas(hub)} if hub.settings.personas != "off" else {}
    files = _nobody if sandbox else _files(hub)
    waits = not all(db.is_sqlite for db in ((hub.ledger,) if sandbox else (hub.ledger, hub.subjects)))
    return Prefilling(files, world, partial(handle, names), {key.id: key}, personas, waits)


def portal(hub: Hub, forms: Mapping[str, Form], personas: Personas) -> Portal:
    """The demonstration portal: a client like any other, with subjects to try."""
    secret = hub.key("portal").hex()
    clients.register(
        hub.ledger, PORTAL_CLIENT, "演示门户", "Demonstration portal", secret, salt=os.urandom(16), at=hub.clock()
    )
    for form in forms:
        grant = Grant(os.urandom(8).hex(), PORTAL_CLIENT, "form", form, PORTAL_PURPOSE, "duty", hub.clock())
        grants.allow(hub.ledger, grant, hub.clock())

    def samples(form: str) -> Sequence[Sample]:
        found = [] if hub.settings.personas == "only" else subject_files.falling_due(hub, 60)
        due = [
            Sample(d.identifier, f"{_masked_name(hub, d)} · {d.valid_to:%Y-%m-%d}")
            for d in islice((d for d in found if d.form == form), 3)
        ]
        mine = [one for one in personas.values() if one.kind == forms[form].subject]
        return due + [
            Sample(one.identifier, f"{one.name} · {one.label}", f"{one.name} · {one.label_en}") for one in mine
        ]

    def invited(token: str, form: str) -> Invitation:
        return Invitations(hub.key("invitation")).open(token, form, now=hub.clock())

    return Portal(PORTAL_CLIENT, PORTAL_PURPOSE, PORTAL_CASE, hub.key("form-proof"), invited, samples)


def _files(hub: Hub) -> Files:
    """Files from one store, whose keys and builds are looked up once; all of a kind are asked for at once."""
    store = subject_files.store(hub)

    def files(asked: Sequence[tuple[str, str]]) -> list[SubjectFile | None]:
        found: dict[tuple[str, str], SubjectFile | None] = {}
        for kind in {kind for kind, _ in asked}:
            names = [identifier for one, identifier in asked if one == kind]
            stored = store.get_many(kind, [folded(name) for name in names])
            found |= {
                (kind, name): None if one is None else SubjectFile.of(one)
                for name, one in zip(names, stored, strict=True)
            }
        return [found[one] for one in asked]

    return files


def _nobody(asked: Sequence[tuple[str, str]]) -> list[SubjectFile | None]:
    """The subject store of a sandbox."""
    return [None] * len(asked)


def _masked_name(hub: Hub, found: Due) -> str:
    """The subject's name as a list of samples may show it."""
    file, kind = subject_files.subject(hub, found.kind, found.identifier), subject_files.kind_of(hub, found.kind)
    held = file.held("name") if file else None
    element = next((f.element for f in kind.fields if f.name == "name"), None)
    return mask(element, str(held.value)) if held else mask(kind.key_element, found.identifier)
