"""A registration's contract as it stands: the draft of the source, the answers that people gave over it, and what is still wrong.

1. `looked` drafts from the columns of a table or a file; what only a person can know is left empty.
2. `document` puts the answers over the draft; looking at the source again leaves them in place.
3. `faults` says what keeps it from being submitted; `for_preview` makes a contract of what is there, whatever the resource still lacks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

import yaml

from connectors import layout
from hub.core import Hub
from hub.registration import drafting, grounds, sources, staging, template
from hub.registration.sources import Address
from hub.registration.staging import Kept
from ledger import contracts
from ledger.registrations import Registration
from schemas import answering, odcs
from schemas.answering import Fault
from schemas.contract import Contract, Source
from schemas.draft import seen
from schemas.errors import ContractInvalid
from schemas.odcs_reader import FITTING, source_of
from schemas.odcs_server import FILE_FORMATS
from schemas.questions import ITEM, RESOURCE, SOURCE, Sheet, question

Answers = Mapping[str, str]
_STANDING = {"title": "预览", "purpose": "预览", "provider": "预览", "dataset": "preview"}


def document(registration: Registration) -> tuple[dict[str, Any], tuple[Fault, ...]]:
    """The contract's document with the answers over it, and the answers that are not what their question wants."""
    found: dict[str, Any] = odcs.plain(yaml.safe_load(registration.drafted)) if registration.drafted else {}
    fixes = registration.fixes
    wrong = answering.amend(found, RESOURCE, fixes.get("resource", {}), "resource")
    wrong += answering.amend(found, SOURCE, fixes.get("source", {}), "source")
    for thing in found.get("schema") or ():
        thing["name"] = found.get("id") or thing["name"]
        for place, node in enumerate(thing["properties"]):
            given = fixes.get("items", {}).get(node.get("physicalName", node["name"]), {})
            wrong += answering.amend(node, ITEM, given, "items", place)
    if registration.way == "upload" and found:
        kept = Kept(**registration.facts["file"])
        path = staging.drop_path(registration.department, str(found.get("id") or "dataset"), kept.suffix)
        found["servers"][0]["path"] = found["schema"][0]["physicalName"] = path
    return found, tuple(wrong)


def faults(hub: Hub, registration: Registration) -> tuple[Fault, ...]:
    """What keeps the registration from being submitted, each question once."""
    if not registration.drafted:
        return (answering.missing("source", 0, question("source", "table")),)
    found, wrong = document(registration)
    resource, _, items, _ = answering.sheets(found)
    lacking = [answering.missing("resource", 0, q) for q in RESOURCE if q.needed and not resource[q.name]]
    for place, one in enumerate(items):
        lacking += [answering.missing("items", place, q) for q in ITEM if q.needed and not one[q.name]]
    return once(
        [*wrong, *lacking, *_of_contract(found), *of_grounds(hub, registration.department, found, registration.id)]
    )


def for_preview(hub: Hub, registration: Registration) -> tuple[Contract | None, tuple[Fault, ...]]:
    """The contract with stand-ins for what the resource still lacks, or what is wrong with source, items or rules."""
    found, given = document(registration)
    if not found:
        return None, faults(hub, registration)
    resource = answering.sheets(found)[0]
    stand_ins = {name: text for name, text in _STANDING.items() if not resource[name]}
    modes = ", ".join(sorted(FITTING[source_of(found)[0].kind in FILE_FORMATS.values()]))
    stand_ins |= {
        "code": "300000/1",
        "provider_code": registration.department,
        "share_type": "2",
        "share_condition": "预览",
        "share_modes": modes,
    }
    answering.amend(found, RESOURCE, stand_ins, "resource")
    wrong = [fault for fault in given if fault.sheet != "resource"]
    try:
        contract = odcs.read(found)
    except ContractInvalid as error:
        return None, once([*wrong, *answering.faults(error.problems, found)])
    wrong += answering.faults(grounds.of_source(hub, registration.department, contract.source), found)
    return (None, once(wrong)) if wrong else (replace(contract, dataset=f"preview_{registration.id}"), ())


def address(hub: Hub, registration: Registration, answers: Answers) -> Address:
    """What the columns are looked at in: a table of the system connected to, or the file with its layout."""
    if registration.way == "upload":
        kept = Kept(**registration.facts["file"])
        file = staging.file(hub, registration.id, kept)
        found = Address(
            Source(kept.kind, "file://", file.name), sources.files_block(file.name, kept.suffix), file.parent
        )
        laid = layout.Laid(delimiter=answers.get("delimiter", ""), header_row=int(answers.get("header_row") or 1))
        found = found.with_options(layout.options_of(laid, answers.get("sheet", "")))
        return (
            found.with_property("encoding", answers["encoding"])
            if answers.get("encoding") not in (None, "", "utf-8")
            else found
        )
    server, table = dict(registration.facts["server"]), answers["table"]
    if server["type"] == "postgres":
        server["schema"] = table.rpartition(".")[0] or server.get("schema") or "public"
    partial = {"servers": [server], "schema": [{"physicalName": table}]}
    source = replace(source_of(partial)[0], table=table)
    return Address(source, server)


def looked(hub: Hub, registration: Registration, address: Address) -> tuple[str, dict[str, Any]]:
    """The drafted contract, placeholders taken out that only a person can fill in, and what the columns showed."""
    columns, address = drafting.look(hub, address)
    table = address.source.table
    drafted = yaml.safe_load(
        drafting.text(address, columns, drafting.name_of("" if registration.way == "upload" else table))
    )
    blank = dict.fromkeys(("title", "purpose", "code", "share_condition"), "")
    files = address.source.kind in FILE_FORMATS.values()
    given = {
        "provider": _name(hub, registration.department), "provider_code": registration.department, "version": "1.0.0", "status": "active",
        "cycle": "每日", "latency": "48", "retention": "90", "share_modes": ", ".join(sorted(FITTING[files])),
    }  # fmt: skip
    answering.amend(drafted, RESOURCE, {**blank, **given}, "resource")
    found = seen(columns)
    staging.note(hub, registration.id, {s.name: list(s.masked) for s in found})
    told = [{k: v for k, v in asdict(s).items() if k != "masked"} for s in found]
    return template.text(drafted), {"seen": told}


def once(found: Iterable[Fault]) -> tuple[Fault, ...]:
    """The first fault of each question; those of the whole only where nothing else is wrong with the sheet."""
    kept: dict[tuple[Sheet, int, str], Fault] = {}
    for fault in found:
        kept.setdefault((fault.sheet, fault.place, fault.question), fault)
    sheets = {f.sheet for f in kept.values() if f.question}
    return tuple(f for f in kept.values() if f.question or f.sheet not in sheets)


def _name(hub: Hub, department: str) -> str:
    """The department's name, as its contracts in force write it."""
    known = (c.provider for c in contracts.applied(hub.ledger).values() if c.provider_code == department)
    return next(known, "")


def _of_contract(found: dict[str, Any]) -> tuple[Fault, ...]:
    """What is wrong with the contract as a whole, beside a resource code that is a class alone."""
    try:
        odcs.read(found)
    except ContractInvalid as error:
        code = answering.is_class(answering.sheets(found)[0]["code"])
        return tuple(f for f in answering.faults(error.problems, found) if not (code and f.question == "code"))
    return ()


def of_grounds(hub: Hub, department: str, found: dict[str, Any], registration: str = "") -> tuple[Fault, ...]:
    """What the department may not register: another's name, code, files or secrets."""
    if not found:
        return ()
    problems = grounds.of_source(hub, department, source_of(found)[0])
    problems += grounds.of_resource(hub, department, found, registration)
    return answering.faults(problems, found)
