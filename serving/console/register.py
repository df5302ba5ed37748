"""The pages of registering a source: every step is a page and a form that leads on to the next; nothing needs a script.

1. `/register`: the department's registrations, and three ways to begin: connect, upload a file, upload the workbook filled in offline.
2. `/register/ID/table`, `/items`, `/preview`, `/resource`: choose, correct what was guessed, see the checks on a sample, say what it is.
3. `/register/ID`: send it to the data office and follow its review; then the first pull.

A form that is wrong comes back as it was filled in, with each fault at its field. A form made from an older version comes back too, beside the
name of who changed it meanwhile. Addresses hold a registration's number alone.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from access.actors import Actor
from ledger.registrations import Registration
from schemas.answering import Fault, Refused
from schemas.errors import Conflict, Forbidden, HubError, Invalid, NotFound, SourceDamaged, TooLarge
from schemas.questions import ITEM, RESOURCE, SOURCE, Question, question
from serving.console.door import Sending, Sent, SignedIn
from serving.rendering import address, page
from serving.services import Registering, Shown, services_of

router = APIRouter(include_in_schema=False, prefix="/register")
Editor = Annotated[Actor, Depends(SignedIn("editor", "approver"))]
Form = Annotated[Sent, Depends(Sending())]
Upload = Annotated[Sent, Depends(Sending((256 << 20) + (64 << 10)))]
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PER_PAGE = 40
_PIECE = 1 << 20
_CONNECT = tuple(question("source", n) for n in ("type", "host", "port", "database", "location", "table", "secret"))
_SYSTEMS = ("postgres", "mysql", "api")
_SHORT = tuple(q for q in ITEM if not q.advanced and q.name != "source")
_SYNC = tuple(question("source", n) for n in ("sync", "cursor", "windows"))


@router.get("")
def registrations(request: Request, actor: Editor) -> Response:
    """List the department's registrations, and how to begin one."""
    return page(request, "register/list.html", mine=_desk(request).mine(actor))


@router.get("/workbook.xlsx")
def workbook(request: Request, actor: Editor) -> Response:  # noqa: ARG001 - for editors
    """Give the workbook to fill in offline."""
    headers = {"Content-Disposition": 'attachment; filename="register-a-source.xlsx"', "Cache-Control": "no-store"}
    return Response(_desk(request).template(), media_type=WORKBOOK, headers=headers)


@router.get("/connect")
def ask_address(request: Request, actor: Editor) -> Response:
    """Ask for a system's address."""
    return _connect(request, actor, {}, ())


@router.post("/connect")
def connect(request: Request, actor: Editor, sent: Form) -> Response:
    """Connect, and go on to its tables."""
    answers = _answers(sent, _CONNECT)
    try:
        begun = _desk(request).connect(actor, {k: v for k, v in answers.items() if v or k == "type"})
    except HubError as error:
        return _connect(request, actor, answers, (), trouble=_told(error))
    if isinstance(begun, Refused):
        return _connect(request, actor, answers, begun.faults)
    return _on(request, begun, "/table")


@router.get("/upload")
def ask_file(request: Request, actor: Editor) -> Response:  # noqa: ARG001 - for editors
    """Ask for a file."""
    return page(request, "register/upload.html", limit=_desk(request).limit >> 20, trouble=None)


@router.post("/upload")
def upload(request: Request, actor: Editor, sent: Upload) -> Response:
    """Keep a file, and go on to how it is laid out."""
    try:
        file = sent.file("file")
        begun = _desk(request).upload(actor, iter(lambda: file.file.read(_PIECE), b""), file.filename or "")
    except (Invalid, TooLarge, SourceDamaged) as error:
        limit = _desk(request).limit >> 20
        return page(request, "register/upload.html", status=error_status(error), limit=limit, trouble=_told(error))
    return _on(request, begun, "/table")


@router.get("/workbook")
def ask_workbook(request: Request, actor: Editor) -> Response:  # noqa: ARG001 - for editors
    """Ask for the workbook that was filled in."""
    return page(request, "register/workbook.html", misfilled=(), trouble=None)


@router.post("/workbook")
def fill_in(request: Request, actor: Editor, sent: Upload) -> Response:
    """Read the workbook; go on, or show what is wrong cell by cell."""
    try:
        file = sent.file("file")
        begun = _desk(request).fill_in(actor, file.file, "the workbook")
    except (Invalid, SourceDamaged) as error:
        return page(request, "register/workbook.html", status=422, misfilled=(), trouble=_told(error))
    if isinstance(begun, tuple):
        return page(request, "register/workbook.html", status=422, misfilled=begun, trouble=None)
    return _on(request, begun, "/items")


@router.get("/{id_}")
def follow(request: Request, actor: Editor, id_: str) -> Response:
    """Show how it stands, and what is still to be done."""
    registration = _desk(request).find(actor, id_)
    return _follow(request, actor, registration)


@router.get("/{id_}/table")
def ask_table(request: Request, actor: Editor, id_: str) -> Response:
    """Ask which table, or how the file is laid out; a workbook said so already."""
    registration = _desk(request).find(actor, id_)
    return (
        _on(request, registration, "/items") if registration.way == "template" else _table(request, actor, registration)
    )


@router.post("/{id_}/table")
def choose(request: Request, actor: Editor, id_: str, sent: Form) -> Response:
    """Look at the table, and go on to its columns."""
    answers = {name: sent.text(name) for name in ("table", "encoding", "header_row", "sheet")}
    answers["delimiter"] = next(iter(sent.texts("delimiter")), "")[:10]  # a tab is no blank here
    try:
        chosen = _desk(request).choose(actor, id_, _number(sent), answers)
    except (NotFound, Forbidden):
        raise
    except HubError as error:
        return _table(request, actor, _desk(request).find(actor, id_), trouble=_told(error), typed=answers)
    if isinstance(chosen, Refused):
        return _table(request, actor, _desk(request).find(actor, id_), faults=chosen.faults, typed=answers)
    return _on(request, chosen, "/items")


@router.get("/{id_}/items")
def ask_items(request: Request, actor: Editor, id_: str, at: int = 1) -> Response:
    """Show what the columns seem to hold, to be corrected."""
    registration = _desk(request).find(actor, id_)
    return _items(request, actor, registration, at)


@router.post("/{id_}/items")
def fix_items(request: Request, actor: Editor, id_: str, sent: Form, at: int = 1) -> Response:
    """Keep what was corrected, and go on to the next columns or the preview."""
    items = {sent.text(f"{i}.source", 500): _answers(sent, _SHORT, f"{i}.") for i in _places(sent)}
    try:
        saved, faults = _desk(request).fix(actor, id_, _number(sent), items=items)
    except Conflict as error:
        return _items(request, actor, _desk(request).find(actor, id_), at, trouble=_told(error), typed=items)
    begin, end = (at - 1) * PER_PAGE, at * PER_PAGE
    if any(f.sheet == "items" and begin <= f.place < end for f in faults):
        return _items(request, actor, saved, at, status=422)
    more = len(_desk(request).shown(actor, saved).items) > end
    return _on(request, saved, "/items", at=str(at + 1)) if more else _on(request, saved, "/preview")


@router.get("/{id_}/preview")
def preview(request: Request, actor: Editor, id_: str) -> Response:
    """Judge a sample by the draft's rules and show what would be set aside."""
    registration, found, trouble = _desk(request).find(actor, id_), None, None
    try:
        found = _desk(request).preview(actor, id_)
    except (NotFound, Forbidden):
        raise
    except HubError as error:
        trouble = _told(error)
    faults = found.faults if isinstance(found, Refused) else ()
    shown = None if isinstance(found, Refused) else found
    return page(
        request, "register/preview.html", registration=registration, preview=shown, faults=faults, trouble=trouble
    )


@router.get("/{id_}/resource")
def ask_resource(request: Request, actor: Editor, id_: str) -> Response:
    """Ask what the resource is, in the guide's words."""
    return _resource(request, actor, _desk(request).find(actor, id_))


@router.post("/{id_}/resource")
def fix_resource(request: Request, actor: Editor, id_: str, sent: Form) -> Response:
    """Keep the resource's words, and go on to sending it."""
    resource, source = _answers(sent, RESOURCE), _answers(sent, _SYNC)
    resource["share_modes"] = ", ".join(sent.texts("share_modes"))
    try:
        saved, faults = _desk(request).fix(actor, id_, _number(sent), resource=resource, source=source)
    except Conflict as error:
        typed = {**resource, **source}
        return _resource(request, actor, _desk(request).find(actor, id_), trouble=_told(error), typed=typed)
    if any(f.sheet != "items" for f in faults):
        return _resource(request, actor, saved, status=422)
    return _on(request, saved)


@router.post("/{id_}/submit")
def submit(request: Request, actor: Editor, id_: str, sent: Form) -> Response:
    """Send it to the data office."""
    sent_on = _desk(request).submit(actor, id_, _number(sent))
    if isinstance(sent_on, Refused):
        return _follow(request, actor, _desk(request).find(actor, id_), status=422)
    return _on(request, sent_on, done="register_submitted")


@router.post("/{id_}/pull")
def pull(request: Request, actor: Editor, id_: str, sent: Form) -> Response:  # noqa: ARG001 - the form's proof
    """Ask for the first pull."""
    _desk(request).pull(actor, id_)
    return RedirectResponse(address(request, f"/register/{id_}", done="register_pulled"), 303)


@router.post("/{id_}/discard")
def discard(request: Request, actor: Editor, id_: str, sent: Form) -> Response:
    """Forget a registration with its file."""
    _desk(request).discard(actor, id_, _number(sent))
    return RedirectResponse(address(request, "/register", done="register_discarded"), 303)


def error_status(error: HubError) -> int:
    """The status of a form that comes back with what was wrong."""
    return error.status if error.status < 500 else 422


def _desk(request: Request) -> Registering:
    return services_of(request).registering


def _on(request: Request, registration: Registration, step: str = "", **query: str) -> Response:
    return RedirectResponse(address(request, f"/register/{registration.id}{step}", None, **query), 303)


def _number(sent: Sent) -> int:
    text = sent.text("number", 10)
    return int(text) if text.isdecimal() else 0


def _answers(sent: Sent, questions: tuple[Question, ...], prefix: str = "") -> dict[str, str]:
    """What was typed of these questions, as far as the form has them."""
    return {q.name: sent.text(f"{prefix}{q.name}", 4000) for q in questions if f"{prefix}{q.name}" in sent.form}


def _places(sent: Sent) -> Iterator[int]:
    """The items of a form, by their numbers."""
    return (i for i in range(PER_PAGE) if f"{i}.source" in sent.form)


def _told(error: HubError) -> Mapping[str, str]:
    """What went wrong, by its kind for the page's words and in its own."""
    return {"code": error.code, "what": error.what, "todo": error.todo}


def _by_question(faults: Any, sheet: str, place: int = 0) -> dict[str, Fault]:
    return {f.question: f for f in faults if f.sheet == sheet and f.place == place}


def _connect(request: Request, actor: Actor, answers: Mapping[str, str], faults: Any, trouble: Any = None) -> Response:
    status = 422 if faults or trouble else 200
    desk = _desk(request)
    return page(
        request, "register/connect.html", status=status, questions={q.name: q for q in _CONNECT}, systems=_SYSTEMS,
        answers=answers, faults=_by_question(faults, "source"), secrets=desk.secrets(actor), trouble=trouble,
    )  # fmt: skip


def _table(
    request: Request, actor: Actor, registration: Registration, *, faults: Any = (), trouble: Any = None, typed: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    laid = {**registration.facts.get("laid", {}), **(typed or {})}
    return _step(
        request, actor, registration, "table", "table.html", status=422 if faults or trouble else 200, laid=laid, trouble=trouble,
        said=faults, chosen=(typed or registration.facts).get("table", ""),
    )  # fmt: skip


def _items(
    request: Request, actor: Actor, registration: Registration, at: int, *, trouble: Any = None, status: int = 200,
    typed: Mapping[str, Mapping[str, str]] | None = None,
) -> Response:  # fmt: skip
    shown = _desk(request).shown(actor, registration)
    pages = max(-(-len(shown.items) // PER_PAGE), 1)
    at = min(max(at, 1), pages)
    begin = (at - 1) * PER_PAGE
    lines = [
        {"place": i, "answers": {**one, **(typed or {}).get(one["source"], {})}, "faults": _by_question(shown.faults, "items", begin + i),
         "seen": shown.seen.get(one["source"], {}), "samples": shown.samples.get(one["source"], ())}
        for i, one in enumerate(shown.items[begin : begin + PER_PAGE])
    ]  # fmt: skip
    return _step(
        request, actor, registration, "items", "items.html", status=409 if trouble else status, lines=lines, questions=_SHORT,
        at=at, pages=pages, trouble=trouble, shown=shown,
    )  # fmt: skip


def _resource(
    request: Request, actor: Actor, registration: Registration, *, trouble: Any = None, status: int = 200, typed: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    shown = _desk(request).shown(actor, registration)
    tried = bool(registration.fixes.get("resource")) or status != 200
    faults = {**_by_question(shown.faults, "resource"), **_by_question(shown.faults, "source")} if tried else {}
    hidden = ("provider_code", "version", "status", "retire_on", "successor")
    questions = [q for q in RESOURCE if q.name not in hidden]
    return _step(
        request, actor, registration, "resource", "resource.html", status=409 if trouble else status, faults=faults, trouble=trouble,
        questions=[q for q in questions if not q.advanced], more=[q for q in questions if q.advanced], sync=_SYNC,
        answers={**shown.source, **shown.resource, **(typed or {})}, items=shown.items,
        whole=[f for f in shown.faults if not f.question] if tried else [],
    )  # fmt: skip


def _follow(request: Request, actor: Actor, registration: Registration, status: int = 200) -> Response:
    desk = _desk(request)
    followed = desk.followed(actor, registration.id)
    shown = desk.shown(actor, registration) if followed.state in ("draft", "returned") else None
    return _step(
        request, actor, registration, "follow", "follow.html", status=status, followed=followed,
        faults=shown.faults if shown else (), label=_labels(shown), tables=desk.find(actor, registration.id).facts.get("tables"),
    )  # fmt: skip


def _labels(shown: Shown | None) -> Callable[[Fault], str]:
    """The item that a fault is about, by its title."""

    def label(fault: Fault) -> str:
        items = shown.items if shown else ()
        if fault.sheet != "items" or fault.place >= len(items):
            return ""
        return items[fault.place]["title"] or items[fault.place]["source"]

    return label


def _step(
    request: Request, actor: Actor, registration: Registration, step: str, template: str, *, status: int, **context: Any
) -> Response:  # fmt: skip
    """A page of one step, with the way through all of them."""
    state = _desk(request).followed(actor, registration.id).state
    return page(
        request,
        f"register/{template}",
        status=status,
        registration=registration,
        step=step,
        state=state,
        source=SOURCE,
        **context,
    )
