"""hub quality …: the gate's rules as suites of Great Expectations, its results, Data Docs, references sought again."""

from typing import Annotated, Any

import typer

from hub.commands.common import Dataset, Json, hub, operator, output
from hub.pulling import judging

app = typer.Typer(no_args_is_help=True, help="质量规则 quality: suites, results, Data Docs")


@app.command()
def suites(as_json: Json = False) -> None:
    """List every dataset's expectation suite with what its last judgement came to."""
    output(as_json).table(
        "质量规则集 suites", judging.suites(hub()), empty="no contract is applied yet → hub contract apply FILE"
    )


@app.command()
def suite(dataset: Dataset, as_json: Json = False) -> None:
    """Show a dataset's expectations in words; with --json as Great Expectations' own suite, to be taken elsewhere."""
    if as_json:
        output(as_json).record(judging.suite(hub(), dataset))
    else:
        output(as_json).table(f"规则集 suite {dataset}", judging.expectations(hub(), dataset))


@app.command()
def results(dataset: Dataset, as_json: Json = False) -> None:
    """Show what the last judgement of a dataset found, by rule; with --json as Great Expectations' own results."""
    found = judging.results(hub(), dataset)
    if as_json:
        output(as_json).record(found)
    else:
        output(as_json).table(f"结果 results {dataset}", [_line(one) for one in found["results"]])


@app.command()
def docs() -> None:
    """Tell where the Data Docs are: the page on disk, and its address while the hub serves."""
    settings = hub().settings
    output(False).record({"page": str(settings.docs / "index.html"), "address": f"{settings.api_url}/quality"})


@app.command()
def references(
    dataset: Annotated[
        str, typer.Argument(help="only this dataset; else all whose referenced datasets have published")
    ] = "",
    as_json: Json = False,
) -> None:
    """Judge references again: release rows that only lacked one, count published rows whose reference is gone."""
    it = hub()
    names = [it.contract(dataset).dataset] if dataset else judging.due(it)
    found = [judging.seek_references(it, name, owner=f"{operator()} references") for name in names]
    rows = [
        {
            "dataset": f.dataset,
            "released": f.released,
            "dangling": sum(f.dangling.values()),
            "rules": [r for r, n in f.dangling.items() if n],
        }
        for f in found
    ]
    output(as_json).table(
        "引用 references", rows, empty="no referenced dataset has published since references were last judged"
    )


def _line(one: dict[str, Any]) -> dict[str, Any]:
    config, result = one["expectation_config"], one["result"]
    return {
        "rule": config["meta"]["rule"], "expectation": config["type"], "severity": config["meta"]["severity"], "held": one["success"],
        "rows": result.get("element_count"), "broken": result.get("unexpected_count"), "found": result.get("observed_value"),
    }  # fmt: skip


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    root.add_typer(app, name="quality")
