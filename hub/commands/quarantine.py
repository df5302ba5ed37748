"""hub quarantine …: rows that failed a rule, handed to their department, taken back corrected, released, waived."""

import uuid
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any

import typer

from hub.commands.common import Dataset, Json, hub, operator, output
from hub.core import Hub
from hub.repair import quarantined
from hub.repair.sheet import Form
from schemas.contract import Contract
from schemas.errors import Invalid

app = typer.Typer(no_args_is_help=True, help="问题数据 quarantine: rows that failed a rule, and their way back")
Department = Annotated[str, typer.Option(help="the owner: its code (USCC) or its name, as in the contract")]
Rule = Annotated[str | None, typer.Option(help="only rows that failed this rule")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="judge and tell, publish nothing")]
_SHOWN = 50


@app.command("list")
def list_(
    dataset: Annotated[str | None, typer.Argument(help="only this dataset's")] = None,
    department: Annotated[str, typer.Option(help="only this department's: its code or name")] = "",
    all_: Annotated[bool, typer.Option("--all", help="also rules whose rows have all left")] = False,
    as_json: Json = False,
) -> None:
    """Count the rows in quarantine by dataset and rule: how many, since when, how old, and what became of those that left."""
    found = quarantined.summary(hub(), dataset, department=department)
    standing = [row for row in found if all_ or as_json or row["rows"]]
    output(as_json).table(
        "quarantine", standing if as_json else [_line(row) for row in standing], empty="no row is in quarantine"
    )


@app.command()
def show(
    dataset: Dataset,
    department: Department = "",
    rule: Rule = None,
    limit: Annotated[int, typer.Option(help="how many")] = 20,
    as_json: Json = False,
) -> None:
    """Show rows in quarantine: number, file, row, masked key, rules; with --department the values as delivered, for the owner alone."""
    it, out = hub(), output(as_json)
    if not department:
        out.table(f"quarantine of {dataset}", quarantined.rows(it, dataset, rule, limit), empty="none")
        return
    contract = quarantined.owned(it, dataset, department)
    found = quarantined.told(it, contract, rule=rule, limit=limit)
    _audited(it, contract, f"{len(found)} rows shown")
    rows = found if as_json else [_with_values(row, out.language) for row in found]
    out.table(f"quarantine of {dataset}", rows, empty="none")


@app.command()
def export(
    dataset: Dataset,
    department: Department,
    to: Annotated[Path, typer.Option(help="the file to write: .xlsx for people, .csv for programs")],
    rule: Rule = None,
    as_json: Json = False,
) -> None:
    """Write a department's rows to a file in its own headers and encoding, with reasons and how to correct them; prints a receipt."""
    from dataclasses import asdict

    from hub.repair.handout import export as hand_out
    from hub.trail import open_log

    it = hub()
    contract, form = quarantined.owned(it, dataset, department), _form(to)
    with TemporaryFile() as file:
        receipt = hand_out(it, contract, form, file, rule=rule)
        with open_log(it, "cli") as log:
            log.write(receipt.entry(operator(), contract))
        file.seek(0)
        with to.open("wb") as target:
            to.chmod(0o600)
            while block := file.read(1 << 20):
                target.write(block)
    facts = asdict(receipt)
    told = {"receipt": facts.pop("id"), "file": str(to), **facts}
    output(as_json).record(told if as_json else {k: v for k, v in told.items() if v not in ("", {}, 0) or k == "rows"})


@app.command()
def upload(
    dataset: Dataset,
    file: Annotated[Path, typer.Argument(help="the exported file, corrected", exists=True, dir_okay=False)],
    department: Department,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take a department's corrected file back: judged again, what is right is published, of the rest it says row by row why not."""
    from hub.repair.returns import take_back
    from hub.trail import open_log

    it, out = hub(), output(as_json)
    contract = quarantined.owned(it, dataset, department)
    with file.open("rb") as opened, open_log(it, "cli") as log:
        answer = take_back(
            it,
            contract,
            opened,
            _form(file),
            file.name,
            owner=_owner(),
            who=operator(),
            record=log.write,
            dry_run=dry_run,
        )
    if as_json:
        out.record(answer)
        return
    records = answer.pop("records")
    out.record({k: v for k, v in answer.items() if v or k in ("rows", "accepted", "wrong")})
    faulty = [_outcome(r, out.language) for r in records if r["outcome"] != "accepted"]
    if faulty:
        out.table("not accepted", faulty[:_SHOWN])
    if len(faulty) > _SHOWN:
        out.say(f"… {len(faulty) - _SHOWN}: --json")


@app.command()
def release(dataset: Dataset, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Judge the rows again after a rule was put right, from kept landing; those that pass are published, later versions go first."""
    from hub.repair.release import release as let_go

    run = let_go(hub(), dataset, owner=_owner(), dry_run=dry_run)
    names = ("released", "superseded", "still", "lost")
    output(as_json).record(
        {"run": run.run, "dataset": dataset, "phase": run.phase, **{n: run.facts.get(n, 0) for n in names}}
    )


@app.command()
def waive(
    dataset: Dataset,
    reason: Annotated[str, typer.Option(help="why they may stay, for the record")],
    row: Annotated[list[str] | None, typer.Option(help="a row's number, as Q5.17 (again for more)")] = None,
    rule: Annotated[str | None, typer.Option(help="all rows that failed this rule")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="open waived rows again")] = False,
    as_json: Json = False,
) -> None:
    """Let rows stay in quarantine for good: nobody is asked for them any more, until they come right by themselves."""
    from hub.repair.release import waive as let_be

    it = hub()
    run = let_be(
        it, it.contract(dataset), numbers=tuple(row or ()), rule=rule, reason=reason, owner=_owner(), undo=undo
    )
    output(as_json).record(
        {"run": run.run, "dataset": dataset, "phase": run.phase, "rows": run.facts.get("waived", 0), "reason": reason}
    )


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    root.add_typer(app, name="quarantine")


def _line(row: dict[str, Any]) -> dict[str, Any]:
    """One line of the list for people: what is zero is left out."""
    gone = {state: row[state] for state in ("corrected", "released", "superseded", "waived") if row[state]}
    ages = {f"{bucket} d": n for bucket, n in row["ages"].items() if n}
    whole = {k: row[k] for k in ("dataset", "rule", "rows", "since", "days", "department")}
    return {**whole, "ages": ages or "", "left": gone or "", "held": row["held"] or None}


def _with_values(row: dict[str, Any], language: str) -> dict[str, Any]:
    whole = {k: row[k] for k in ("no", "file", "row", "days")}
    return {**whole, "why": _why(row["reasons"], language), **{k: v or "" for k, v in row["delivered"].items()}}


def _outcome(record: dict[str, Any], language: str) -> dict[str, Any]:
    fixes = "; ".join(dict.fromkeys(r[f"fix_{language}"] for r in record["reasons"]))
    whole = {k: record[k] for k in ("record", "no", "outcome")}
    return {**whole, "why": _why(record["reasons"], language), "fix": fixes}


def _why(reasons: list[dict[str, str]], language: str) -> str:
    return "; ".join(r[language] for r in reasons)


def _audited(it: Hub, contract: Contract, result: str) -> None:
    from access.audit import Entry
    from hub.trail import open_log

    columns = tuple(c.name for c in contract.columns)
    with open_log(it, "cli") as log:
        log.write(Entry(operator(), "quarantine show", contract.dataset, columns, "", result))


def _form(path: Path) -> Form:
    found: dict[str, Form] = {".xlsx": "xlsx", ".csv": "csv"}
    form = found.get(path.suffix.lower())
    if form is None:
        raise Invalid(
            f"{path.name} is neither .xlsx nor .csv", todo="name the file FILE.xlsx, or FILE.csv for programs"
        )
    return form


def _owner() -> str:
    return f"{operator()}:{uuid.uuid4()}"
