"""What the routes call, as one value: `hub` puts it together, tests put together another."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import HTTPConnection

from access.audit import Entry as AuditEntry
from access.desk import Desk
from access.invitations import Invitation
from access.signin import SignIn
from catalog.entries import Entry
from lake.inbox import Door
from ledger.loads import Load
from prefill.answer import World
from prefill.forms import Form
from prefill.personas import Persona
from prefill.seal import SealKey
from subjects.file import SubjectFile
from subjects.kinds import Kind


@dataclass(frozen=True)
class Sample:
    """A fictitious subject that visitors of the demonstration may try."""

    identifier: str
    label: str


@dataclass(frozen=True)
class Portal:
    """The demonstration portal: the client it acts as, its purpose, the key of its form proofs, subjects to try.

    `invited` opens the token of a link to a form: Invalid for one that does not hold.
    """

    client: str
    purpose: str
    form_key: bytes
    invited: Callable[[str, str], Invitation]
    samples: Callable[[str], Sequence[Sample]] = lambda _form: ()


@dataclass(frozen=True)
class Inbox:
    """Departments' pushes. `door`: where a client's batches for a dataset come in; `became`: a receipt and its batch's fate.

    Both take client and dataset (name or resource code) and raise Forbidden or NotFound. `wake`: asks for a pull of a dataset.
    """

    door: Callable[[str, str], Door]
    became: Callable[[str, str, str], dict[str, Any]]
    wake: Callable[[str], None] = lambda _dataset: None


@dataclass(frozen=True)
class Services:
    """Values and functions that answer the routes.

    `entries`, `forms`, `kinds`: what is in force now. `history`: a dataset's loads, newest first. `subject`: the file of a
    subject by kind and identifier, None if there is none; `find` the same for whoever must not block. `world`: the state of a kind's
    sources at this moment. `persona`: the fictitious subject that is meant, where testers may use them; `personas` all of them. `handle`:
    how a client is told of a subject, by client, kind and identifier: another name for each client. `seal_keys`: by id.
    `desk`: who calls, what they may have, the audit (`access.desk`). `sign_in`: tokens. `authenticate`: the client that a token
    speaks for. `require_grant`: raises Forbidden unless the client may use the form for the purpose. `pseudonym`: of a subject, for
    the audit. `record`: returns when the audit entry is durable. `inbox`: pushes. All raise errors of `schemas.errors`. `portal`: None
    leaves the demonstration out.
    """

    entries: Callable[[], Sequence[Entry]]
    history: Callable[[str], Sequence[Load]]
    forms: Callable[[], Mapping[str, Form]]
    kinds: Callable[[], Mapping[str, Kind]]
    subject: Callable[[str, str], SubjectFile | None]
    find: Callable[[str, str], Awaitable[SubjectFile | None]]
    world: Callable[[str], World]
    handle: Callable[[str, str, str], str]
    seal_keys: Callable[[], Mapping[str, SealKey]]
    desk: Desk
    sign_in: SignIn
    authenticate: Callable[[str], str]
    require_grant: Callable[[str, str, str], None]
    pseudonym: Callable[[str, str], str]
    record: Callable[[AuditEntry], None]
    clock: Callable[[], datetime]
    inbox: Inbox
    timezone: str = "Asia/Shanghai"
    portal: Portal | None = None
    persona: Callable[[str, str], Persona | None] = lambda _kind, _identifier: None
    personas: Callable[[], Sequence[Persona]] = tuple


def services_of(request: HTTPConnection) -> Services:
    """The services of the app that handles the request."""
    services: Services = request.app.state.services
    return services
