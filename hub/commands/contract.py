"""hub contract …: check, apply, list, show and compare contracts."""

from pathlib import Path
from typing import Annotated

import typer

from hub.commands import contract_life
from hub.commands.common import Dataset, Json, hub, operator, output
from ledger import contracts
from schemas import diff, odcs
from schemas import versions as next_versions

app = typer.Typer(no_args_is_help=True, help="数据契约 contracts: one ODCS file per dataset")
Files = Annotated[list[Path], typer.Argument(help="contract files, or folders of *.odcs.yaml")]


@app.command()
def check(paths: Files, as_json: Json = False) -> None:
    """Check contract files; every fault is listed with its file, its path and an example of right."""
    from hub.registration import registry

    good = registry.check(hub(), tuple(paths))
    rows = [{"dataset": c.dataset, "title": c.title, "version": c.version, "columns": len(c.columns)} for c in good]
    output(as_json).table("contracts in order", rows)


@app.command()
def apply(
    paths: Files,
    force_because: Annotated[str | None, typer.Option(help="apply a breaking change, with its reason")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would change, apply nothing")] = False,
    as_json: Json = False,
) -> None:
    """Apply contract files to the ledger; an unchanged file does nothing, a breaking change wants a reason."""
    from hub.registration import registry, review

    it = hub()
    if dry_run:
        applied = contracts.applied(it.ledger)
        planned = [
            {"dataset": c.dataset, "change": m.kind, "where": m.path, "what": m.text}
            for c in registry.check(it, tuple(paths))
            for m in (diff.diff(applied[c.dataset], c) if c.dataset in applied else ())
        ]
        output(as_json).table("would change", planned, empty="nothing would change, or only new datasets")
        return
    done = review.apply_at_once(it, tuple(paths), by=operator(), because=force_because)
    rows = [
        {"dataset": a.contract.dataset, "version": a.contract.version, "number": a.number, "applied": "yes" if a.changed else "unchanged",
         "changes": [f"{m.kind}: {m.path}" for m in a.changes]}
        for a in done
    ]  # fmt: skip
    output(as_json).table("applied", rows)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the contracts in force."""
    rows = [
        {"dataset": c.dataset, "title": c.title, "provider": c.provider, "version": c.version, "source": c.source.kind,
         "sync": c.source.sync, "cycle": c.cycle, "status": c.status}
        for c in contracts.applied(hub().ledger).values()
    ]  # fmt: skip
    output(as_json).table("contracts", rows, empty="no contract is applied yet → hub contract apply FILE")


@app.command()
def show(dataset: Dataset, as_json: Json = False) -> None:
    """Show the contract in force, as its file was applied (with --json: as the hub compiled it)."""
    it = hub()
    contract = it.contract(dataset)
    if as_json:
        output(as_json).record(contract.to_json())
    else:
        output(as_json).raw(contracts.versions(it.ledger, dataset)[-1].text)


@app.command("diff")
def diff_(path: Annotated[Path, typer.Argument(help="a contract file")], as_json: Json = False) -> None:
    """Compare a file with the contract in force: breaking, compatible or cosmetic, and the version that asks for."""
    new = odcs.load(path)
    old = hub().contract(new.dataset)
    moves = diff.diff(old, new)
    rows = [{"change": m.kind, "where": m.path, "what": m.text} for m in moves]
    output(as_json).table(new.dataset, rows, empty="no difference")
    wanted = next_versions.wanted(old.version, moves)
    if next_versions.number(new.version) < next_versions.number(wanted):
        output(as_json).say(f"version {new.version} → wanted {wanted}")


@app.command()
def evolve(dataset: Dataset) -> None:
    """Draft the contract change that would hold what a drifted source has begun to deliver; applies nothing."""
    from hub.pulling import evolving

    output(False).raw(evolving.evolved(hub(), dataset))


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    contract_life.add_to(app)
    root.add_typer(app, name="contract")
