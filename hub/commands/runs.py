"""hub runs …: what each run read, what came of it, how long it took, and how far behind its source it was."""

from typing import Annotated, Any

import typer

from hub.commands.common import Json, hub, output
from ledger import runs
from ledger.runs import Run

app = typer.Typer(no_args_is_help=True, help="取数运行 runs: what was read, changed, quarantined")
COUNTED = ("read", "changed", "unchanged", "deleted", "quarantined")


@app.command("list")
def list_(
    dataset: Annotated[str | None, typer.Argument(help="only this dataset's")] = None,
    limit: Annotated[int, typer.Option(help="how many")] = 20,
    as_json: Json = False,
) -> None:
    """List runs, newest first; the first characters of a run's id are enough for: hub runs show."""
    found = runs.recent(hub().ledger, dataset, limit)
    rows = [summary(run) if as_json else _line(run) for run in found]
    output(as_json).table("runs", rows, empty="no run yet → hub pull DATASET")


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="run id, or how it begins, as in: hub runs list")], as_json: Json = False
) -> None:
    """Show one run: counts, bytes, seconds of each step, the bound it read up to and how far that lay back."""
    found = runs.find(hub().ledger, run)
    known = {"counts", "bytes", "files", "bound", "lag", "seconds", "rows", "load", "emptied"}
    rest = {k: v for k, v in found.facts.items() if k not in known}
    whole = {
        **summary(found),
        "files": found.facts.get("files"),
        "landing": found.landing,
        "owner": found.owner,
        **rest,
    }
    out = output(as_json)
    out.record(whole if as_json else {k: v for k, v in _readable(whole).items() if v not in (None, "", {})})


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    root.add_typer(app, name="runs")


def summary(run: Run) -> dict[str, Any]:
    """A run's facts for machines: five counts that add up, then the details; seconds, bytes; None for what is not known (yet)."""
    facts = run.facts
    counts: dict[str, int] = facts.get("counts", {})
    judged = bool(counts)
    return {
        "run": run.run,
        "dataset": run.dataset,
        "phase": run.phase,
        "load": facts.get("load", run.load),
        "started": f"{run.started_at:%Y-%m-%d %H:%M:%S}Z",
        "seconds": (run.ended_at - run.started_at).total_seconds() if run.ended_at else None,
        "steps": facts.get("seconds", {}),
        "read": counts.get("delivered", facts.get("rows")),
        "changed": counts.get("new", 0) + counts.get("updated", 0) if judged else None,
        "unchanged": counts.get("unchanged") if judged else None,
        "deleted": counts.get("deleted", 0) if judged else None,
        "quarantined": counts.get("rejected", 0) if judged else None,
        "bytes": facts.get("bytes"),
        "bound": facts.get("bound"),
        "lag": facts.get("lag"),
        "counts": counts,
        "reason": run.reason,
    }


def told(run: Run) -> dict[str, Any]:
    """A run's facts for people, after a command that worked on it."""
    return {k: v for k, v in _readable(summary(run)).items() if v not in (None, "", {})}


def _line(run: Run) -> dict[str, Any]:
    """A run in one line of a table."""
    whole = summary(run)
    return {
        "run": run.run[:8],
        **{k: whole[k] for k in ("dataset", "phase", "load")},
        "started": whole["started"][5:16],
        "took": _duration(whole["seconds"]),
        **{k: whole[k] for k in COUNTED},
        "reason": run.reason.partition(" → ")[0],
        "lag": _duration(whole["lag"]),
        "size": _size(whole["bytes"]),
    }


def _readable(whole: dict[str, Any]) -> dict[str, Any]:
    """The same facts with durations and sizes as people say them."""
    shown = {
        "seconds": _duration(whole["seconds"]),
        "steps": {step: _duration(seconds) for step, seconds in whole["steps"].items()},
        "counts": {kind: count for kind, count in whole["counts"].items() if count},
        "bytes": _size(whole["bytes"]),
        "lag": _duration(whole["lag"]),
    }
    return {{"seconds": "took", "bytes": "size"}.get(k, k): shown.get(k, v) for k, v in whole.items()}


def _duration(seconds: float | None) -> str:
    """Seconds as people say them.

    >>> [_duration(s) for s in (None, 0.042, 7.25, 200, 8000, 400000)]
    ['', '0.04 s', '7.2 s', '3 min 20 s', '2 h 13 min', '4 d 15 h']
    """
    if seconds is None:
        return ""
    for size, unit, small_size, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if abs(seconds) >= size:
            many, rest = divmod(int(seconds), size)
            return f"{many} {unit} {rest // small_size} {small}"
    return f"{seconds:.2f} s" if abs(seconds) < 1 else f"{seconds:.1f} s"


def _size(size: int | None) -> str:
    """Bytes as people say them.

    >>> _size(None), _size(512), _size(1_234_567)
    ('', '512 B', '1.2 MB')
    """
    if size is None:
        return ""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{size} B" if value == size else f"{value:.1f} {units[0]}"
