"""What the routes call, as one value: `hub` puts it together, tests put together another."""

from collections.abc import Callable, Mapping, Sequence
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
from prefill.answer import Answer
from prefill.forms import Form
from subjects.file import SubjectFile
from subjects.kinds import Kind

Select = Mapping[str, Mapping[str, str]]
"""Which entry of a list is meant, by its values: {"food_licences": {"licence_no": "…"}}; the newest where none is named."""


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
    subject by kind and identifier, None if there is none. `prefill`: a form answered from a file, with the entry of each list
    that is meant (`prefill.answer.prefill`'s `select`).
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
    prefill: Callable[[Form, SubjectFile, Select], Answer]
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


def services_of(request: HTTPConnection) -> Services:
    """The services of the app that handles the request."""
    services: Services = request.app.state.services
    return services
