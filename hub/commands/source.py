"""hub source …: look at a department's system before there is a contract, draft the first one, or read it from a filled-in workbook."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from hub.commands.common import Json, hub, output
from hub.registration import drafting, sources
from hub.registration import template as workbook
from hub.registration.sources import Address
from schemas import odcs
from schemas.errors import ContractInvalid, Invalid, Problem

app = typer.Typer(no_args_is_help=True, help="数据来源 sources: does it answer, what is there, a first contract")
Where = Annotated[
    str,
    typer.Argument(
        help="a dataset in force, a database URL without password, an http(s), sftp or s3 address, or a file"
    ),
]
Table = Annotated[str, typer.Option("--table", "-t", help="table or endpoint (for a file: leave out)")]
Secret = Annotated[str | None, typer.Option(help="where the password or token is: env:NAME or file:NAME")]
Option = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", help="an option of the connector, as records=data.items (again for more)"),
]


@app.command()
def probe(
    source: Where, table: Table = "", secret: Secret = None, option: Option = None, as_json: Json = False
) -> None:
    """Ask a source whether it answers, which tables it has, and how many rows."""
    found = sources.probe(hub(), _address(source, table, secret, option))
    rows = [{"table": name, "rows": _rows(found.rows.get(name), as_json)} for name in found.tables]
    out = output(as_json)
    if as_json:
        out.record({"where": found.where, "system": found.system, "note": found.note, "tables": rows})
        return
    out.record({"where": found.where, "system": found.system, **({"note": found.note} if found.note else {})})
    out.table("tables", rows, empty="no table that the account may see")


@app.command()
def sample(
    source: Where, table: Table = "", n: Annotated[int, typer.Option("-n", help="how many records")] = 5,
    secret: Secret = None, option: Option = None,
    unmask: Annotated[bool, typer.Option("--unmask", help="show values in full")] = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Show a few records of a source; masked unless --unmask."""
    rows = sources.sample(hub(), _address(source, table, secret, option), n, unmask=unmask)
    output(as_json).table("sample", rows, empty="the source has no record")


@app.command()
def draft(
    source: Where, table: Table = "",
    dataset: Annotated[str, typer.Option(help="name of the new dataset")] = "",
    secret: Secret = None, option: Option = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Write a first contract from a live source: columns, types, keys, and the data elements the values look like."""
    text = drafting.draft(hub(), _address(source, table, secret, option), dataset=dataset)
    if as_json:
        output(as_json).record({"contract": text})
    else:
        output(as_json).raw(text)


@app.command()
def template(
    out: Annotated[Path, typer.Option("--out", "-o", help="the workbook to write")],
    contract: Annotated[Path | None, typer.Option(help="a contract file whose answers are filled in")] = None,
    as_json: Json = False,
) -> None:
    """Write the workbook in which a department describes a source offline."""
    document = odcs.plain(yaml.safe_load(contract.read_text(encoding="utf-8"))) if contract else None
    if contract:
        odcs.load(contract)
    with out.open("wb") as file:
        workbook.write(file, document)
    output(as_json).record({"written": str(out)})


@app.command()
def read(path: Annotated[Path, typer.Argument(help="a workbook that was filled in")], as_json: Json = False) -> None:
    """Write the contract that a filled-in workbook describes; every fault is listed with its sheet, row and column."""
    with path.open("rb") as file:
        filled = workbook.read(file, path.name)
    if filled.faults:
        raise ContractInvalid([Problem(m.place, f"{m.zh} / {m.en}", file=path.name) for m in filled.faults])
    text = workbook.text(filled.document)
    if as_json:
        output(as_json).record({"contract": text})
    else:
        output(as_json).raw(text)


@app.command()
def preview(
    path: Annotated[Path, typer.Argument(help="a contract file")],
    n: Annotated[int, typer.Option("-n", min=1, max=100_000, help="how many records to judge")] = 1000,
    as_json: Json = False,
) -> None:
    """Judge a sample of a contract's source by its rules: what would be set aside, and why. Nothing is published."""
    from hub.registration import previewing

    found = previewing.preview(hub(), odcs.load(path), n=n)
    out = output(as_json)
    rows = [
        {"rule": r.id, "severity": r.severity, "checked": r.checked, "broken": r.unexpected, "never": r.en, "不得": r.zh,
         "for example": [f"{e.row}: {', '.join(f'{t} {v}' for t, v in e.cells)}" for e in found.examples_of(r.id)]}
        for r in found.broken
    ]  # fmt: skip
    held = [f"{reason.zh} / {reason.en}" for reason in found.held]
    if as_json:
        out.record({**asdict(found.counts), "rules": rows, "held": held, "not judged here": list(found.untold)})
        return
    out.record({**asdict(found.counts), **({"would be held": held} if held else {})})
    out.table("rules that rows break", rows, empty="no row breaks a rule")


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    root.add_typer(app, name="source")


def _address(source: str, table: str, secret: str | None, option: list[str] | None) -> Address:
    options: dict[str, Any] = {}
    for one in option or ():
        name, equals, value = one.partition("=")
        if not equals:
            raise Invalid(f"--option {one!r} has no value", todo="--option records=data.items")
        options[name] = yaml.safe_load(value)
    return sources.find(hub(), source, table, secret, options)


def _rows(found: Any, as_json: bool) -> Any:
    if found is None:
        return None if as_json else "?"
    if as_json:
        return {"count": found.count, "exact": found.exact}
    return f"{found.count:,}" if found.exact else f"≈ {found.count:,}"
