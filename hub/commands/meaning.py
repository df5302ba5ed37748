"""hub element, authority: the data elements and code lists, and which dataset is the authoritative source of which element."""

import sys
from typing import Annotated, Any

import typer

from hub.commands.common import Dataset, Json, hub, output
from hub.filing import subject_files
from ledger import authorities
from schemas import masking, suggest, types, values
from schemas.codes import code_list
from schemas.contract import Claim
from schemas.elements import ELEMENTS, Element
from schemas.errors import Invalid, NotFound
from schemas.findings import FORMS

element_app = typer.Typer(no_args_is_help=True, help="数据元 data elements: what columns mean, and what values must be")
authority_app = typer.Typer(
    no_args_is_help=True, help="数源 authoritative sources: one dataset per data element and subject kind"
)
ElementId = Annotated[str, typer.Argument(help="data element, as in: hub element list")]
Subject = Annotated[str, typer.Argument(help="subject kind: person, enterprise, …")]


@element_app.command("list")
def element_list(as_json: Json = False) -> None:
    """List the register's data elements."""
    rows = [
        {"id": e.id, "zh": e.zh, "en": e.en, "object": e.object, "type": e.type, "format": e.format, "codes": e.codes or "",
         "sensitivity": e.sensitivity}
        for e in ELEMENTS.values()
    ]  # fmt: skip
    output(as_json).table("数据元 data elements", rows)


@element_app.command("show")
def element_show(element: ElementId, as_json: Json = False) -> None:
    """Show one data element: its attributes, its types elsewhere, its form and code list."""
    found = _element(element)
    column = types.column_of(found)
    facts: dict[str, Any] = {name: getattr(found, name) for name in Element.__dataclass_fields__}
    facts |= {
        "sql_type": column.sql_type,
        "arrow_type": str(types.arrow(column)),
        "json_schema": types.json_schema(column),
        "pattern": FORMS[found.reading][0] if found.reading in FORMS else None,
    }
    if found.codes:
        listed = code_list(found.codes)
        facts |= {
            "code_list": f"{listed.zh} {listed.version}",
            "in_force_from": listed.first,
            "codes_in_force": len(listed.current),
        }
    output(as_json).record({k: v for k, v in facts.items() if v not in (None, "")})


@element_app.command("check")
def element_check(element: ElementId, as_json: Json = False) -> None:
    """Standardise and check values read from standard input, one a line; shown masked. Exit code 3 if one has an error."""
    found, today = _element(element), hub().today()
    rows: list[dict[str, Any]] = []
    for line in sys.stdin:
        value = values.normalise(found, line.rstrip("\r\n"), timezone=hub().settings.timezone)
        findings = values.check(found, value, today=today) if value is not None else ()
        rows.append(
            {"line": len(rows) + 1, "value": masking.mask(found.id, str(value)) if value is not None else "", "read": value is not None,
             "errors": [f.code for f in findings if f.severity == "error"],
             "warnings": [f.code for f in findings if f.severity == "warning"]}
        )  # fmt: skip
    output(as_json).table(f"{found.id} {found.zh}", rows, empty="no value came on standard input")
    if any(row["errors"] or not row["read"] for row in rows):
        raise Invalid("some values have errors", todo=f"see its form: hub element show {found.id}")


@element_app.command("suggest")
def element_suggest(
    name: Annotated[str, typer.Option(help="the column's name in the source, which also tells")] = "",
    as_json: Json = False,
) -> None:
    """Rank the data elements that a column could be, from values on standard input, one a line."""
    rows = [
        {"element": s.element, "zh": ELEMENTS[s.element].zh, "share": s.share, "evidence": s.evidence, "依据": s.zh}
        for s in suggest.suggest([line.rstrip("\r\n") for line in sys.stdin], name=name)
    ]
    output(as_json).table("it could be", rows, empty="no data element fits")


@authority_app.command("list")
def authority_list(as_json: Json = False) -> None:
    """List the authoritative sources."""
    rows = [
        {"subject": a.subject, "element": a.element, "zh": ELEMENTS[a.element].zh, "dataset": a.dataset, "provider": a.provider,
         "by": a.origin, "because": a.because, "since": f"{a.claimed_at:%Y-%m-%d}"}
        for a in authorities.held(hub().ledger)
    ]  # fmt: skip
    output(as_json).table(
        "数源 authoritative sources",
        rows,
        empty="nothing is claimed → authoritativeFor in a contract, or hub authority claim",
    )


@authority_app.command("claim")
def authority_claim(
    dataset: Dataset,
    subject: Subject,
    element: ElementId,
    because: Annotated[str, typer.Option(help="on whose decision")],
    as_json: Json = False,
) -> None:
    """Make a dataset the authoritative source of an element; refused with the holder's name if there is one."""
    it = hub()
    authorities.claim(it.ledger, it.contract(dataset), Claim(subject, element), because=because, at=it.clock())
    output(as_json).record({"subject": subject, "element": element, "dataset": dataset})


@authority_app.command("release")
def authority_release(subject: Subject, element: ElementId, as_json: Json = False) -> None:
    """Free an element for another dataset. A contract that still claims it takes it back when it is applied again."""
    holder = authorities.release(hub().ledger, Claim(subject, element))
    output(as_json).record({"subject": subject, "element": element, "released by": holder.dataset})


@authority_app.command("check")
def authority_check(as_json: Json = False) -> None:
    """Compare the first sources that subject declarations name with the authoritative sources; exit code 3 where they differ."""
    it = hub()
    holders = {(a.subject, a.element): a.dataset for a in authorities.held(it.ledger)}
    rows = [
        {"subject": kind.name, "field": field.name, "element": field.element, "declared first": field.candidates[0].pick.dataset,
         "authoritative source": holders[kind.name, field.element]}
        for kind in subject_files.kinds(it, as_declared=True).values()
        for field in kind.fields
        if field.element and holders.get((kind.name, field.element), field.candidates[0].pick.dataset) != field.candidates[0].pick.dataset
    ]  # fmt: skip
    output(as_json).table(
        "declared otherwise than confirmed", rows, empty="every declared field begins with its authoritative source"
    )
    if rows:
        raise Invalid(
            f"{len(rows)} fields do not begin with their authoritative source",
            todo="order the sources in subjects/*.yaml",
        )


def add_to(app: typer.Typer) -> None:
    """Hang these commands on the root command."""
    app.add_typer(element_app, name="element")
    app.add_typer(authority_app, name="authority")


def _element(name: str) -> Element:
    if name not in ELEMENTS:
        raise NotFound(f"no data element {name!r}", todo="hub element list")
    return ELEMENTS[name]
