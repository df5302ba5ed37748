"""hub replay, reconcile: put right what is published, from kept landings or by comparison with the source."""

import uuid
from typing import Annotated, Any

import typer

from hub.commands.common import Dataset, Json, hub, operator, output
from hub.pulling import reconcile as reconciling
from hub.pulling import replay as replaying
from ledger.runs import Run
from schemas.errors import Invalid

Accept = Annotated[
    bool, typer.Option("--accept-deletions", help="publish even if more rows vanish than the contract allows")
]


def replay(
    dataset: Dataset,
    since: Annotated[int, typer.Option("--from", help="the first load whose landing is judged again")],
    accept_deletions: Accept = False,
    as_json: Json = False,
) -> None:
    """Judge kept landings again after a contract change, without asking the source; one new load."""
    done = replaying.replay(hub(), dataset, since=since, owner=_owner(), accept_deletions=accept_deletions)
    output(as_json).record(_summary(done))


def reconcile(
    dataset: Annotated[str | None, typer.Argument(help="dataset; leave out with --due")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="pull everything if anything differs")] = False,
    due: Annotated[bool, typer.Option("--due", help="every dataset whose contract asks for it now")] = False,
    samples: Annotated[int, typer.Option(help="how many masked keys of each kind to show")] = 10,
    now: Annotated[str, typer.Option(help="a reason for asking outside the department's hours")] = "",
    accept_deletions: Accept = False,
    as_json: Json = False,
) -> None:
    """Compare a source with what is published, by key and content: late rows, silent changes, deletions."""
    it = hub()
    if bool(dataset) == due:
        raise Invalid("which dataset?", todo="hub reconcile DATASET, or hub reconcile --due")
    rows = []
    for name in reconciling.due(it) if due else [str(dataset)]:
        run = reconciling.reconcile(it, name, owner=_owner(), samples=samples, now_because=now)
        rows.append({**_summary(run), "keys": run.facts["keys"]})
        if apply and any(run.facts["counts"][kind] for kind in reconciling.FOUND):
            done = reconciling.repair(it, name, owner=_owner(), accept_deletions=accept_deletions, now_because=now)
            rows.append({**_summary(done), "keys": {}})
    if len(rows) == 1:
        output(as_json).record(rows[0])
    else:
        output(as_json).table("reconciled", rows, empty="no dataset is due")


def add_to(app: typer.Typer) -> None:
    """Hang these commands on the root command."""
    app.command()(replay)
    app.command()(reconcile)


def _owner() -> str:
    return f"{operator()}:{uuid.uuid4()}"


def _summary(run: Run) -> dict[str, Any]:
    return {
        "run": run.run,
        "dataset": run.dataset,
        "phase": run.phase,
        "load": run.facts.get("load", run.load),
        "counts": run.facts.get("counts", {}),
    }
