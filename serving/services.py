"""What the routes call, as one value: `hub` puts it together, tests put together another."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from starlette.requests import HTTPConnection

from access.accounts import Passwords
from access.actors import Actor
from access.audit import Entry as AuditEntry
from access.desk import Desk
from access.extract import Wish
from access.invitations import Invitation
from access.sessions import Sessions
from access.signin import SignIn
from catalog.dcat import Site
from catalog.library import Catalog
from lake.inbox import Door
from ledger.accounts import Account
from ledger.disputes import Move
from ledger.registrations import Followed, Registration
from prefill.forms import Form
from prefill.personas import Persona
from prefill.seal import SealKey
from prefill.world import World
from quality.cards import Card, Department
from quality.preview import Preview
from schemas.answering import Fault, Misfilled, Refused
from schemas.errors import NotFound
from serving.crowd import PLACES
from subjects.file import SubjectFile
from subjects.kinds import Kind

if TYPE_CHECKING:  # which names these in turn
    from serving.console.desks import Desks

ExportForm = Literal["parquet", "arrow", "csv"]


@dataclass(frozen=True)
class Sample:
    """A fictitious subject that visitors of the demonstration may try."""

    identifier: str
    label: str
    label_en: str = ""


@dataclass(frozen=True)
class Portal:
    """The demonstration portal: the client it acts as, its purpose and case number, the key of its form proofs, subjects to try.

    `invited` opens the token of a link to a form: Invalid for one that does not hold.
    """

    client: str
    purpose: str
    case: str
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
class Disputes:
    """异议核实, each for a client by its id.

    `open`: a ticket for a claim's fields. `listed`: its own tickets, or those it must answer as a department. `shown`: one ticket.
    `answered`: a ticket after a move and its reason. All raise Forbidden, NotFound, Invalid or Conflict.
    """

    open: Callable[[str, Mapping[str, Any]], dict[str, Any]]
    listed: Callable[..., list[dict[str, Any]]]
    shown: Callable[[str, str], dict[str, Any]]
    answered: Callable[[str, str, Move, str], dict[str, Any]]


@dataclass(frozen=True)
class Requests:
    """Requests for data, each for a client by its id: as plain values without anybody's name.

    `open`: a request from the fields of a wish. `listed`: its own, newest first. `shown`: one with its steps. `withdrawn`: one taken back,
    with a reason or "". All raise NotFound, Invalid or Conflict.
    """

    open: Callable[[str, Mapping[str, Any]], dict[str, Any]]
    listed: Callable[[str], list[dict[str, Any]]]
    shown: Callable[[str, str], dict[str, Any]]
    withdrawn: Callable[[str, str, str], dict[str, Any]]


View = Literal["decide", "asked", "all"]
"""Which requests: those that the actor may decide now, those that the actor's department asked for, all that the actor may see."""


@dataclass(frozen=True)
class Approvals:
    """Requests for data, each for an actor: a person with a department and roles (`access.actors`).

    `open`: a request for a client (its id, the fields of a wish). `listed`: rows of a view, in a state or in all (""); each with `may`, the
    moves that the actor has: approve, refuse, extend, withdraw, revoke. `shown`: one row with contact, the approvals it takes, and steps.
    `approve`, `refuse`, `extend`, `withdraw`, `revoke`: the row after it, by number and reason (approve and withdraw take an empty one).
    `overdue`: undecided in time, or granted and not delivered in time. `clocks`: how many are open, the actor's to decide, soon due,
    overdue, undelivered. `delegations`: those that stand and concern the actor. `delegate`: one for a department (code) until a day, to
    `person` or `to_department`, with `why`. `end_delegation`: by number. All raise Forbidden, NotFound, Invalid or Conflict.
    """

    open: Callable[[Actor, str, Mapping[str, Any]], dict[str, Any]]
    listed: Callable[[Actor, View, str], list[dict[str, Any]]]
    shown: Callable[[Actor, str], dict[str, Any]]
    approve: Callable[[Actor, str, str], dict[str, Any]]
    refuse: Callable[[Actor, str, str], dict[str, Any]]
    extend: Callable[[Actor, str, str], dict[str, Any]]
    withdraw: Callable[[Actor, str, str], dict[str, Any]]
    revoke: Callable[[Actor, str, str], dict[str, Any]]
    overdue: Callable[[Actor], list[dict[str, Any]]]
    clocks: Callable[[Actor], dict[str, int]]
    delegations: Callable[[Actor], list[dict[str, Any]]]
    delegate: Callable[..., dict[str, Any]]
    end_delegation: Callable[[Actor, str], None]


@dataclass(frozen=True)
class Scorecards:
    """Quality scores of so many days. `departments`: all, or the one of a code or name; `card`: one dataset's. Both raise NotFound."""

    departments: Callable[[int, str], Sequence[Department]]
    card: Callable[[str, int], Card]


@dataclass(frozen=True)
class Returns:
    """A department's rows in quarantine, for a client by its id and a dataset's name or resource code.

    `check`: nothing if the client may send the dataset's records. `rows`: those open, of a rule or of all. `file`: the same as a file in a
    form, at its start, with its receipt. `take`: what became of each row of a returned file, by form and key. All raise Forbidden.
    `limit`: the largest file, in bytes.
    """

    check: Callable[[str, str], None]
    rows: Callable[[str, str, str | None, int], list[dict[str, Any]]]
    file: Callable[[str, str, str, str | None], tuple[BinaryIO, dict[str, Any]]]
    take: Callable[[str, str, BinaryIO, str, str, bool], dict[str, Any]]
    limit: int


@dataclass(frozen=True)
class Provider:
    """The city's identity provider. `start`: its address, and what the browser keeps meanwhile, for where it wants to go.

    `back`: the account of who comes back with a query, and where they wanted to go; Unauthenticated, or Retry where it does not answer.
    """

    start: Callable[[str], tuple[str, str]]
    back: Callable[[str, Mapping[str, str]], tuple[Account, str]]


@dataclass(frozen=True)
class Console:
    """People at the hub's pages: their sessions and passwords, the key of their form proofs.

    `change_password`: of an account by name, keeping its session of a number; Invalid for one too easily guessed. `choose_language`: of an
    account. `desks`: what the pages call. `secure`: whether browsers reach the hub by HTTPS.
    `provider`: None where there is none. `local`: are passwords taken?
    """

    sessions: Sessions
    passwords: Passwords
    form_key: bytes
    change_password: Callable[[str, str, str], None]
    choose_language: Callable[[str, str], None]
    desks: "Desks"
    secure: bool = False
    provider: Provider | None = None
    local: bool = True


@dataclass(frozen=True)
class Shown:
    """A registration as its pages show it: answers by sheet, what is wrong, what was seen of each column, values masked."""

    resource: Mapping[str, str]
    source: Mapping[str, str]
    items: Sequence[Mapping[str, str]]
    rules: Sequence[Mapping[str, str]]
    faults: Sequence[Fault]
    seen: Mapping[str, Mapping[str, Any]]
    samples: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Registering:
    """Registering a source (`hub.registration.registering`), each for an actor, whose department's registrations alone are found.

    `mine`: all with their states. `find`, `shown`: one. `secrets`: references that may be named. `template`: the workbook to fill in.
    `connect`, `upload`, `fill_in` begin one; `choose`, `fix`, `submit`, `discard` change one from the version that was looked at, else
    Conflict; `preview` judges a sample; `followed` says how it stands; `pull` asks for a run. `limit`: the largest file, in bytes.
    """

    mine: Callable[[Actor], Sequence[tuple[Registration, str]]]
    find: Callable[[Actor, str], Registration]
    shown: Callable[[Actor, Registration], Shown]
    secrets: Callable[[Actor], Sequence[str]]
    template: Callable[[], bytes]
    connect: Callable[[Actor, Mapping[str, str]], Registration | Refused]
    upload: Callable[[Actor, Iterable[bytes], str], Registration]
    fill_in: Callable[[Actor, BinaryIO, str], Registration | tuple[Misfilled, ...]]
    choose: Callable[[Actor, str, int, Mapping[str, str]], Registration | Refused]
    fix: Callable[..., tuple[Registration, tuple[Fault, ...]]]
    preview: Callable[[Actor, str], Preview | Refused]
    submit: Callable[[Actor, str, int], Registration | Refused]
    followed: Callable[[Actor, str], Followed]
    pull: Callable[[Actor, str], None]
    discard: Callable[[Actor, str, int], None]
    limit: int


def _no_such(*_: Any, **__: Any) -> Any:
    raise NotFound("this hub does not serve that")


@dataclass(frozen=True)
class Records:
    """The records of datasets, held to the grants of who asks.

    `page` takes a wish with limit, cursor and as_of, `changes` one with since, limit and cursor. `export`: a wish's rows in a form and as of a
    load (None: the newest), piece by piece, and the receipt. `receipt`: a client's own, by id. All raise Forbidden, Invalid, TooMany or NotFound.
    """

    page: Callable[..., dict[str, Any]] = _no_such
    changes: Callable[..., dict[str, Any]] = _no_such
    export: Callable[[Wish, ExportForm, int | None], tuple[Iterator[bytes], dict[str, Any]]] = _no_such
    receipt: Callable[[str, str], dict[str, Any]] = _no_such


@dataclass(frozen=True)
class Subscriptions:
    """A client's own webhooks, by its id. `subscribe`: to a dataset at an address, with the key; `listed`: all; `unsubscribe`: one by its number.

    They raise Forbidden, Invalid, TooMany or NotFound.
    """

    subscribe: Callable[[str, str, str], dict[str, Any]] = _no_such
    listed: Callable[[str], Sequence[dict[str, Any]]] = _no_such
    unsubscribe: Callable[[str, str], None] = _no_such


@dataclass(frozen=True)
class Prefilling:
    """What it takes to fill a form in.

    `files`: subjects' files by kind and identifier, in their order, None where there is none. `world`: the moment with the state of a kind's
    sources. `handle`: how a client is told of a subject, by client, kind and identifier: another name for
    each client. `keys`: of the seals, by id. `personas`: by kind and identifier, the fictitious subjects that testers may use; none in
    production. `waits`: whether what is looked up for an answer may be waited for, as a server is; else it is read from files here.
    """

    files: Callable[[Sequence[tuple[str, str]]], Sequence[SubjectFile | None]]
    world: Callable[[str], World]
    handle: Callable[[str, str, str], str]
    keys: Mapping[str, SealKey]
    personas: Mapping[tuple[str, str], Persona] = field(default_factory=dict)
    waits: bool = True


@dataclass(frozen=True)
class Services:
    """Values and functions that answer the routes.

    `catalog`: the data resource catalog; `site`: how it describes itself to harvesters. `forms`, `kinds`: what is in force now.
    `prefill`: how forms are filled in. `desk`: who calls, what they may have, the audit (`access.desk`). `sign_in`: tokens.
    `authenticate`: the client that a token speaks for. `pseudonym`: of a subject, for the audit. `uses`: the newest answers about one
    (by its pseudonyms) before a moment, so many. `places`: requests answered at once. `record`: returns when the audit entry is durable.
    `inbox`: pushes. All raise errors of `schemas.errors`. `portal`: None leaves the demonstration out. `docs`: the folder of Data Docs.
    `disputes`, `returns`, `scorecards`, `console`, `requests`, `approvals`, `records`, `subscriptions`, `registering`: see there.
    """

    catalog: Catalog
    site: Site
    forms: Callable[[], Mapping[str, Form]]
    kinds: Callable[[], Mapping[str, Kind]]
    prefill: Prefilling
    desk: Desk
    sign_in: SignIn
    authenticate: Callable[[str], str]
    pseudonym: Callable[[str, str], str]
    uses: Callable[[Collection[str], datetime | None, int], Sequence[Mapping[str, Any]]]
    record: Callable[[AuditEntry], None]
    clock: Callable[[], datetime]
    inbox: Inbox
    console: Console
    timezone: str = "Asia/Shanghai"
    places: int = PLACES
    portal: Portal | None = None
    docs: Path | None = None
    disputes: Disputes = Disputes(_no_such, _no_such, _no_such, _no_such)
    returns: Returns = Returns(_no_such, _no_such, _no_such, _no_such, 0)
    registering: Registering = Registering(
        _no_such, _no_such, _no_such, _no_such, _no_such, _no_such, _no_such, _no_such,
        _no_such, _no_such, _no_such, _no_such, _no_such, _no_such, _no_such, 0,
    )  # fmt: skip
    scorecards: Scorecards = Scorecards(lambda _days, _only: (), _no_such)
    requests: Requests = Requests(*[_no_such] * 4)
    approvals: Approvals = Approvals(*[_no_such] * 13)
    records: Records = Records()
    subscriptions: Subscriptions = Subscriptions()


def services_of(request: HTTPConnection) -> Services:
    """The services of the app that handles the request."""
    services: Services = request.app.state.services
    return services
