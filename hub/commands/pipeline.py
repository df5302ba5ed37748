"""hub pull, read, judge, publish, rollback, upkeep: the pipeline by hand."""

from typing import Annotated

import typer

from hub import maintenance
from hub.commands.common import Dataset, Json, hub, operator, output
from hub.commands.runs import summary, told
from hub.output import Output
from hub.pulling import pipeline
from ledger.runs import Run

RunId = Annotated[str, typer.Argument(help="run id, as printed by: hub read DATASET")]
Full = Annotated[bool, typer.Option("--full", help="read everything, whatever the watermark")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="read and judge, publish nothing")]
Accept = Annotated[
    bool, typer.Option("--accept-deletions", help="publish even if more rows vanished than the contract allows")
]
Now = Annotated[str, typer.Option("--now", help="a reason for pulling outside the department's hours")]

ledger_app = typer.Typer(no_args_is_help=True, help="台账 ledger: the operational database")


def pull(
    dataset: Dataset,
    full: Full = False,
    dry_run: DryRun = False,
    accept_deletions: Accept = False,
    now: Now = "",
    as_json: Json = False,
) -> None:
    """Pull a dataset: read, judge and publish in one go."""
    out = output(as_json)
    with out.progress(dataset) as progress:
        run = pipeline.pull(
            hub(),
            dataset,
            owner=_owner(),
            full=full,
            dry_run=dry_run,
            accept_deletions=accept_deletions,
            now_because=now,
            progress=progress,
        )
    _show(out, run)


def read(dataset: Dataset, full: Full = False, now: Now = "", as_json: Json = False) -> None:
    """Step 1: claim a dataset and land what its source has to say."""
    it, out = hub(), output(as_json)
    with out.progress(dataset) as progress:
        claimed = pipeline.claim(it, dataset, _owner(), full=full)
        run = pipeline.read(it, claimed.run, now_because=now, progress=progress)
    _show(out, run)


def judge(run: RunId, as_json: Json = False) -> None:
    """Step 2: standardise and judge a landed run."""
    _show(output(as_json), pipeline.judge(hub(), run))


def publish(run: RunId, dry_run: DryRun = False, accept_deletions: Accept = False, as_json: Json = False) -> None:
    """Step 3: append what changed, commit it, tell the ledger."""
    _show(output(as_json), pipeline.publish(hub(), run, dry_run=dry_run, accept_deletions=accept_deletions))


def rollback(
    dataset: Dataset,
    to: Annotated[int, typer.Option(help="the load whose state is wanted back")],
    reason: Annotated[str, typer.Option(help="why, for the record")],
    as_json: Json = False,
) -> None:
    """Restate an older state as a new load."""
    _show(output(as_json), pipeline.rollback(hub(), dataset, to=to, reason=reason, owner=_owner()))


def upkeep(as_json: Json = False) -> None:
    """Refresh bases, clean landings, look for late datasets, send what waits in the outbox."""
    output(as_json).record(maintenance.upkeep(hub()))


@ledger_app.command("rebuild")
def rebuild(as_json: Json = False) -> None:
    """Rebuild the pipeline tables (loads, states, runs) from the lake."""
    output(as_json).record(maintenance.rebuild(hub()))


def add_to(app: typer.Typer) -> None:
    """Hang these commands on the root command."""
    for command in (pull, read, judge, publish, rollback, upkeep):
        app.command()(command)
    app.add_typer(ledger_app, name="ledger")


def _owner() -> str:
    import uuid

    return f"{operator()}:{uuid.uuid4()}"


def _show(out: Output, run: Run) -> None:
    out.record(summary(run) if out.as_json else told(run))
