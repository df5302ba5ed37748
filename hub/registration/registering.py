"""Registering a source, step by step, as a department's people do it; the pages and tests call these, and nothing else decides.

1. `connect`, `upload` or `fill_in` begins a registration: an address that the guard lets through and that answers, a file kept in the hub's
   staging folder, or the workbook that was filled in offline.
2. `choose` takes one of the source's tables (or tells how the file is laid out): its columns are looked at, their data elements guessed.
3. `fix` keeps what people correct and add, over the draft: looking at the source again leaves it in place.
4. `preview` judges a sample under the draft's rules; nothing is published.
5. `submit` proposes the contract to the data office; `followed` says how it stands. Once it is approved the dataset is in the compiled index,
   which is its DAG, and `pull` asks for the first run.

What is wrong comes back as faults, each at its question. Other refusals are errors of `schemas.errors`.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, BinaryIO

from access.actors import Actor
from connectors import layout
from hub.core import Hub
from hub.pulling import pushes
from hub.registration import drafted, grounds, previewing, registry, review, sources, staging, template
from hub.registration.sources import Address
from hub.registration.staging import Kept
from ledger import catalog, contracts, registrations, reviews, runs
from ledger.registrations import Followed, Registration, State, Way
from quality.preview import Preview
from schemas import answering
from schemas.answering import Fault, Misfilled, Refused
from schemas.errors import Conflict, ContractInvalid, Forbidden, NotFound
from schemas.odcs_reader import source_of
from schemas.questions import SOURCE, question

Answers = Mapping[str, str]
MOST_TABLES = 500
_LAID = ("encoding", "delimiter", "header_row", "sheet")


def mine(hub: Hub, actor: Actor) -> list[tuple[Registration, State]]:
    """The department's registrations, each with its state."""
    return [(one, _state(hub, one)[0]) for one in registrations.of_department(hub.ledger, _department(actor))]


def find(hub: Hub, actor: Actor, id_: str) -> Registration:
    """The department's registration. Raises NotFound, Forbidden."""
    return registrations.find(hub.ledger, id_, _department(actor))


def secret_names(hub: Hub, actor: Actor) -> tuple[str, ...]:
    """The references to secrets that the operator set up for the department, never what they hold."""
    return grounds.secrets(hub, _department(actor))


def connect(hub: Hub, actor: Actor, answers: Answers) -> Registration | Refused:
    """Begin with a system that the hub connects to.

    Raises:
        SourceUnreachable, SourceDenied, SourceMissing, SourceDamaged: it does not answer as it should.
    """
    document: dict[str, Any] = {"id": "source", "servers": [{}]}
    faults = answering.amend(document, SOURCE, answers, "source")
    source, problems = source_of(document)
    problems += grounds.of_source(hub, _department(actor), source)
    faults += answering.faults(problems, document)
    if faults:
        return Refused(drafted.once(faults))
    server = document["servers"][0]
    try:
        found = sources.probe(hub, Address(source, server))
    except ContractInvalid as error:
        return Refused(answering.faults(error.problems, document))
    rows = {name: [found.rows[name].count, found.rows[name].exact] for name in found.tables if name in found.rows}
    facts = {
        "server": server,
        "tables": list(found.tables[:MOST_TABLES]),
        "rows": rows,
        "system": found.system,
        "where": found.where,
    }
    return _begin(hub, actor, "connect", _id(), facts=facts)


def upload(hub: Hub, actor: Actor, chunks: Iterable[bytes], name: str) -> Registration:
    """Begin with a file; it is looked at at once.

    Raises:
        Invalid, TooLarge: it is of no kind that can be registered, empty, or larger than allowed.
        SourceDamaged: it cannot be read.
    """
    department, id_ = _department(actor), _id()
    try:
        kept = staging.keep(hub, id_, chunks, name)
        with staging.file(hub, id_, kept).open("rb") as file:
            laid = layout.laid(file, kept.kind, kept.name)
        blank = Registration(
            id_, department, actor.name, "upload", actor.name, hub.clock(), facts={"file": kept.to_json()}
        )
        text, facts = drafted.looked(hub, blank, drafted.address(hub, blank, _told(laid)))
    except BaseException:
        staging.remove(hub, id_)
        raise
    return _begin(hub, actor, "upload", id_, drafted=text, facts={**blank.facts, **facts, "laid": asdict(laid)})


def fill_in(hub: Hub, actor: Actor, file: BinaryIO, name: str) -> Registration | tuple[Misfilled, ...]:
    """Begin with the workbook that was filled in offline; what is wrong with it comes back by sheet, row and column.

    Raises:
        SourceDamaged: it is no workbook.
    """
    filled = template.read(file, name)
    wrong = (*filled.faults, *(filled.at(f) for f in drafted.of_grounds(hub, _department(actor), filled.document)))
    if wrong:
        return wrong
    dataset = str(filled.document["id"])
    return _begin(hub, actor, "template", _id(), dataset=dataset, drafted=template.text(filled.document))


def choose(hub: Hub, actor: Actor, id_: str, number: int, answers: Answers) -> Registration | Refused:
    """Take the table `answers["table"]`, or an uploaded file's layout; what people fixed before stays. Raises as `connect`, Conflict."""
    registration = _open(hub, actor, id_, number)
    if registration.way == "template":
        raise Conflict("a workbook said which table it is", todo="upload the workbook again")
    if registration.way == "upload":
        faults = _wrong_layout(answers)
        if faults:
            return Refused(faults)
    elif answers.get("table", "") not in registration.facts.get("tables", ()):
        return Refused((answering.missing("source", 0, question("source", "table")),))
    try:
        text, facts = drafted.looked(hub, registration, drafted.address(hub, registration, answers))
    except ContractInvalid as error:
        return Refused(answering.faults(error.problems, {}))
    laid = {"laid": {**registration.facts.get("laid", {}), **{k: answers[k] for k in _LAID if k in answers}}}
    facts = {**registration.facts, **facts, **(laid if registration.way == "upload" else {"table": answers["table"]})}
    return registrations.save(hub.ledger, registration, by=actor.name, at=hub.clock(), drafted=text, facts=facts)


def fix(
    hub: Hub, actor: Actor, id_: str, number: int, *, resource: Answers | None = None, source: Answers | None = None,
    items: Mapping[str, Answers] | None = None,
) -> tuple[Registration, tuple[Fault, ...]]:  # fmt: skip
    """Keep answers over the draft, items by the department's own column name; with what is wrong with them now.

    Raises:
        Conflict: somebody else changed it meanwhile, or it is in review or published.
    """
    registration = _open(hub, actor, id_, number)
    before = registration.fixes
    known = before.get("items", {})
    fixes = {
        "resource": {**before.get("resource", {}), **(resource or {})},
        "source": {**before.get("source", {}), **(source or {})},
        "items": {**known, **{name: {**known.get(name, {}), **given} for name, given in (items or {}).items()}},
    }
    dataset = str(drafted.document(replace(registration, fixes=fixes))[0].get("id") or "")[:63]
    saved = registrations.save(hub.ledger, registration, by=actor.name, at=hub.clock(), fixes=fixes, dataset=dataset)
    return saved, drafted.faults(hub, saved)


def preview(hub: Hub, actor: Actor, id_: str) -> Preview | Refused:
    """The draft's rules on a sample; what is still open of the resource does not matter here. Raises as `connect`."""
    registration = find(hub, actor, id_)
    contract, wrong = drafted.for_preview(hub, registration)
    if contract is None:
        return Refused(wrong)
    if registration.way != "upload":
        return previewing.preview(hub, contract)
    file = staging.file(hub, registration.id, Kept(**registration.facts["file"]))
    lying = replace(contract, source=replace(contract.source, table=file.name))
    return previewing.preview(hub, lying, root=file.parent)


def submit(hub: Hub, actor: Actor, id_: str, number: int) -> Registration | Refused:
    """Propose the contract to the data office.

    A resource code of which only the class was given gets its sequence now, once. Raises Conflict.
    """
    registration = _open(hub, actor, id_, number)
    wrong = drafted.faults(hub, registration)
    if wrong:
        return Refused(wrong)
    found, _ = drafted.document(registration)
    code = answering.sheets(found)[0]["code"]
    fixes = registration.fixes
    if answering.is_class(code):
        whole = catalog.allocate(hub.ledger, code, hub.clock())
        fixes = {**fixes, "resource": {**fixes.get("resource", {}), "code": whole}}
    saved = registrations.save(
        hub.ledger, registration, by=actor.name, at=hub.clock(), fixes=fixes, submitted=registration.submitted + 1,
        dataset=str(found["id"]),
    )  # fmt: skip
    found, _ = drafted.document(saved)
    try:
        review.submit_text(hub, template.text(found), by=actor.name)
    except ContractInvalid as error:
        registrations.save(hub.ledger, saved, by=actor.name, at=hub.clock(), submitted=registration.submitted)
        return Refused(answering.faults(error.problems, found))
    return saved


def followed(hub: Hub, actor: Actor, id_: str) -> Followed:
    """How the registration stands."""
    registration = find(hub, actor, id_)
    state, reason = _state(hub, registration)
    steps = reviews.steps(hub.ledger, registration.dataset) if registration.submitted else ()
    if state != "published":
        return Followed(state, reason, steps)
    newest = next(iter(runs.recent(hub.ledger, registration.dataset, 1)), None)
    rows = newest.facts.get("counts", {}).get("delivered") if newest else None
    return Followed(
        state, reason, steps, registry.indexed(hub, registration.dataset), newest.phase if newest else "", rows
    )


def pull(hub: Hub, actor: Actor, id_: str) -> None:
    """Ask for the dataset's next run at once. Raises Conflict before it is published."""
    registration = find(hub, actor, id_)
    if _state(hub, registration)[0] != "published":
        raise Conflict("the data office has not approved it yet", todo="follow its review")
    pushes.wake(hub, registration.dataset)


def discard(hub: Hub, actor: Actor, id_: str, number: int) -> None:
    """Forget a registration that is neither in review nor published, with its file. Raises Conflict."""
    registration = _open(hub, actor, id_, number)
    registrations.remove(hub.ledger, registration.id)
    staging.remove(hub, registration.id)


def clean(hub: Hub) -> int:
    """Forget registrations that nobody changed for so many days as settings say, unless they are in review; returns how many.

    What a killed preview left behind goes too.
    """
    previewing.clear_work(hub)
    old = registrations.unchanged_since(hub.ledger, hub.clock() - timedelta(days=hub.settings.upload_days))
    gone = [one for one in old if _state(hub, one)[0] != "in review"]
    for one in gone:
        registrations.remove(hub.ledger, one.id)
        staging.remove(hub, one.id)
    return len(gone)


def _department(actor: Actor) -> str:
    """Whose registrations the actor may see and change. Raises Forbidden."""
    if not actor.department or not actor.roles & {"editor", "approver"}:
        raise Forbidden("sources are registered by a department's editors", todo="ask the data office for the role")
    return actor.department


def _open(hub: Hub, actor: Actor, id_: str, number: int) -> Registration:
    """The registration as it was when it was looked at. Raises Conflict if it is not that any more, or may not be changed now."""
    registration = find(hub, actor, id_)
    state = _state(hub, registration)[0]
    if state in ("in review", "published"):
        raise Conflict(f"this registration is {state}: it cannot be changed now", todo="follow its review")
    return replace(registration, number=number)


def _state(hub: Hub, registration: Registration) -> tuple[State, str]:
    """The state, and why it was returned."""
    if not registration.submitted:
        return "draft", ""
    try:
        proposal = reviews.find(hub.ledger, registration.dataset)
    except NotFound:  # approved, or killed before it was proposed
        return ("published" if contracts.applied(hub.ledger, [registration.dataset]) else "draft"), ""
    return ("in review", "") if proposal.state == "in review" else ("returned", proposal.reason)


def _id() -> str:
    return secrets.token_hex(8)


def _begin(hub: Hub, actor: Actor, way: Way, id_: str, **given: Any) -> Registration:
    made = Registration(id_, _department(actor), actor.name, way, actor.name, hub.clock(), **given)
    registrations.begin(hub.ledger, made)
    return made


def _wrong_layout(answers: Answers) -> tuple[Fault, ...]:
    row = answers.get("header_row") or "1"
    if row.isdecimal() and 1 <= int(row) <= layout.LOOKED_AT and len(answers.get("delimiter", "")) <= 1:
        return ()
    zh, en = "表头行为 1 至 40 的整数，分隔符为一个字符", "the header's row is 1 to 40, the separator one character"
    return (Fault("source", 0, "header_row", zh, en),)


def _told(laid: layout.Laid) -> dict[str, str]:
    return {"encoding": laid.encoding, "delimiter": laid.delimiter, "header_row": str(laid.header_row)}
