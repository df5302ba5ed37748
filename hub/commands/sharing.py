"""hub catalog, serve: what is shared, and the interface and pages that share it."""

from typing import Annotated

import typer

from catalog import entries, search
from hub.answers import catalog_entries
from hub.commands.common import Dataset, Json, hub, output
from schemas.errors import NotFound

catalog_app = typer.Typer(
    no_args_is_help=True, help="资源目录 catalog: every dataset, what it promises and what was measured"
)


@catalog_app.command("list")
def catalog_list(
    query: Annotated[str, typer.Argument(help="words to search for, in Chinese or English")] = "", as_json: Json = False
) -> None:
    """List catalog entries, all or those that match."""
    found = catalog_entries(hub())
    if query:
        found = tuple(search.search(found, query))
    rows = [
        {"dataset": e.dataset, "code": e.code, "title": e.title, "provider": e.provider, "rows": e.measured.rows,
         "fresh": e.measured.freshness, "quality": _share(e.measured.quality.pass_rate), "share": e.share_type}
        for e in found
    ]  # fmt: skip
    output(as_json).table("资源目录 catalog", rows, empty="no entry matches")


@catalog_app.command("show")
def catalog_show(dataset: Dataset, as_json: Json = False) -> None:
    """Show one entry: the guide's metadata, its items, what was measured."""
    entry = entries.find(catalog_entries(hub()), dataset)
    if entry is None:
        raise NotFound(f"no entry {dataset!r} in the catalog", todo="hub catalog list")
    value = entry.to_json()
    if as_json:
        output(as_json).record(value)
        return
    items, measured = value.pop("items"), value.pop("measured")
    rules = measured.pop("quality")["rules"]
    out = output(as_json)
    out.record({k: v for k, v in {**value, **measured}.items() if v not in (None, "", [])})
    shown = ("name", "title", "type", "key", "element", "element_zh", "classification")
    out.table("信息项 items", [{k: i[k] for k in shown} for i in items])
    broken = [{k: r[k] for k in ("id", "severity", "checked", "unexpected")} for r in rules if r["unexpected"]]
    out.table(
        "质量 rules that rows broke in the last delivery", broken, empty="no rule was broken in the last delivery"
    )


def serve(
    port: Annotated[int, typer.Option(help="port on the loopback interface")] = 8000,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
) -> None:
    """Serve the API, the catalog's pages and, where settings say so, the demonstration portal."""
    import uvicorn

    from hub.web import application

    uvicorn.run(application(hub()), host=host, port=port, log_level="warning", access_log=False)


def add_to(app: typer.Typer) -> None:
    """Hang these commands on the root command."""
    app.add_typer(catalog_app, name="catalog")
    app.command()(serve)


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"
