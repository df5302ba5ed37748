"""What the hub answers without HTTP: the catalog as it is now, a form filled from a file, a link that opens one."""

import os
from collections.abc import Callable, Mapping

from access.invitations import Invitation, Invitations
from catalog import entries
from catalog.entries import Entry
from hub import subject_files
from hub.core import Hub
from ledger import contracts, loads
from prefill import answer, sources
from prefill.answer import Answer
from prefill.forms import Form
from prefill.seal import SealKey
from subjects.due import Due
from subjects.file import SubjectFile

Select = Mapping[str, Mapping[str, str]]


def catalog_entries(hub: Hub) -> tuple[Entry, ...]:
    """The catalog as it is now: contracts, newest loads, and how each dataset's last run ended."""
    applied, newest = contracts.applied(hub.ledger), loads.latest(hub.ledger)
    return entries.build(applied, newest, hub.clock(), loads.conditions(hub.ledger))


def prefiller(hub: Hub) -> Callable[[Form, SubjectFile, Select], Answer]:
    """A function that answers a form from a subject's file, with the sources' state at that moment."""
    seal_key, store = SealKey("s1", hub.key("seal")), subject_files.store(hub)

    def prefill(form: Form, file: SubjectFile, select: Select) -> Answer:
        states = sources.read(hub.ledger, contracts.applied(hub.ledger), form.subject)
        return answer.prefill(
            form, file, states, hub.clock(), subject=store.pseudonym(form.subject, file.identifier), key=seal_key,
            select=select, timezone=hub.settings.timezone,
        )  # fmt: skip

    return prefill


def link(hub: Hub, found: Due) -> str:
    """A link that opens the form which renews what falls due, filled in; it holds for a day and tells nobody whom it is for."""
    invitation = Invitation(found.form, found.identifier, {found.list: dict(found.record)})
    token = Invitations(hub.key("invitation")).seal(invitation, now=hub.clock(), nonce=os.urandom(12))
    return f"{hub.settings.api_url}/forms/{found.form}?invitation={token}"
