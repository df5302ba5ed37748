"""hub pull, read, judge, publish, rollback, runs, quarantine, upkeep: the pipeline by hand."""

from typing import Annotated, Any

import typer

from hub import maintenance, pipeline, quarantined
from hub.commands.common import Dataset, Json, hub, operator, output
from ledger import runs
from ledger.runs import Run

RunId = Annotated[str, typer.Argument(help="run id, as printed by: hub read DATASET")]
Full = Annotated[bool, typer.Option("--full", help="read everything, whatever the watermark")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="read and judge, publish nothing")]
Accept = Annotated[
    bool, typer.Option("--accept-deletions", help="publish even if more rows vanished than the contract allows")
]

runs_app = typer.Typer(no_args_is_help=True, help="取数运行 runs: what was read, changed, quarantined")
quarantine_app = typer.Typer(no_args_is_help=True, help="问题数据 quarantine: rows that failed a rule, with reasons")
ledger_app = typer.Typer(no_args_is_help=True, help="台账 ledger: the operational database")


def pull(
    dataset: Dataset,
    full: Full = False,
    dry_run: DryRun = False,
    accept_deletions: Accept = False,
    as_json: Json = False,
) -> None:
    """Pull a dataset: read, judge and publish in one go."""
    out = output(as_json)
    with out.progress(f"{dataset}: reading") as progress:
        run = pipeline.pull(
            hub(),
            dataset,
            owner=_owner(),
            full=full,
            dry_run=dry_run,
            accept_deletions=accept_deletions,
            progress=progress,
        )
    out.record(_summary(run))


def read(dataset: Dataset, full: Full = False, as_json: Json = False) -> None:
    """Step 1: claim a dataset and land what its source has to say."""
    it, out = hub(), output(as_json)
    with out.progress(f"{dataset}: reading") as progress:
        run = pipeline.read(it, pipeline.claim(it, dataset, _owner(), full=full).run, progress=progress)
    out.record(_summary(run))


def judge(run: RunId, as_json: Json = False) -> None:
    """Step 2: standardise and judge a landed run."""
    output(as_json).record(_summary(pipeline.judge(hub(), run)))


def publish(run: RunId, dry_run: DryRun = False, accept_deletions: Accept = False, as_json: Json = False) -> None:
    """Step 3: append what changed, commit it, tell the ledger."""
    output(as_json).record(_summary(pipeline.publish(hub(), run, dry_run=dry_run, accept_deletions=accept_deletions)))


def rollback(
    dataset: Dataset,
    to: Annotated[int, typer.Option(help="the load whose state is wanted back")],
    reason: Annotated[str, typer.Option(help="why, for the record")],
    as_json: Json = False,
) -> None:
    """Restate an older state as a new load."""
    output(as_json).record(_summary(pipeline.rollback(hub(), dataset, to=to, reason=reason, owner=_owner())))


def upkeep(as_json: Json = False) -> None:
    """Refresh bases, clean landings, look for late datasets, send what waits in the outbox."""
    output(as_json).record(maintenance.upkeep(hub()))


@runs_app.command("list")
def runs_list(
    dataset: Annotated[str | None, typer.Argument(help="only this dataset's")] = None,
    limit: Annotated[int, typer.Option(help="how many")] = 20,
    as_json: Json = False,
) -> None:
    """List runs, newest first."""
    found = runs.recent(hub().ledger, dataset, limit)
    rows = [_summary(run) if as_json else _line(run) for run in found]
    output(as_json).table("runs", rows, empty="no run yet → hub pull DATASET")


@runs_app.command("show")
def runs_show(run: RunId, as_json: Json = False) -> None:
    """Show one run."""
    found = runs.find(hub().ledger, run)
    output(as_json).record(
        {**_summary(found), "landing": found.landing, **{k: v for k, v in found.facts.items() if k != "counts"}}
    )


@quarantine_app.command("list")
def quarantine_list(
    dataset: Annotated[str | None, typer.Argument(help="only this dataset's")] = None, as_json: Json = False
) -> None:
    """Count the rows in quarantine by dataset and rule."""
    output(as_json).table("quarantine", quarantined.summary(hub(), dataset), empty="no row is in quarantine")


@quarantine_app.command("show")
def quarantine_show(
    dataset: Dataset,
    rule: Annotated[str | None, typer.Option(help="only rows that failed this rule")] = None,
    limit: Annotated[int, typer.Option(help="how many")] = 20,
    as_json: Json = False,
) -> None:
    """Show rows in quarantine: file, row number, masked key and the rules they failed."""
    output(as_json).table(f"quarantine of {dataset}", quarantined.rows(hub(), dataset, rule, limit), empty="none")


@ledger_app.command("rebuild")
def rebuild(as_json: Json = False) -> None:
    """Rebuild the pipeline tables (loads, states, runs) from the lake."""
    output(as_json).record(maintenance.rebuild(hub()))


def add_to(app: typer.Typer) -> None:
    """Hang these commands on the root command."""
    for command in (pull, read, judge, publish, rollback, upkeep):
        app.command()(command)
    app.add_typer(runs_app, name="runs")
    app.add_typer(quarantine_app, name="quarantine")
    app.add_typer(ledger_app, name="ledger")


def _owner() -> str:
    import uuid

    return f"{operator()}:{uuid.uuid4()}"


def _line(run: Run) -> dict[str, Any]:
    """A run in one line; the first characters of its id are enough for: hub runs show."""
    counts = run.facts.get("counts", {})
    whole = _summary(run)
    return {
        "run": run.run[:8],
        **{k: whole[k] for k in ("dataset", "phase", "load", "started", "seconds")},
        **{k: counts.get(k, 0) for k in ("delivered", "rejected", "new", "updated", "deleted")},
        "reason": run.reason,
    }


def _summary(run: Run) -> dict[str, Any]:
    counts = run.facts.get("counts", {})
    shown = ("delivered", "passed", "rejected", "duplicates", "new", "updated", "unchanged", "deleted")
    seconds = (run.ended_at - run.started_at).total_seconds() if run.ended_at else None
    return {
        "run": run.run,
        "dataset": run.dataset,
        "phase": run.phase,
        "load": run.load,
        "started": f"{run.started_at:%Y-%m-%d %H:%M:%S}Z",
        "seconds": seconds,
        "counts": {k: counts[k] for k in shown if k in counts},
        "reason": run.reason,
    }
