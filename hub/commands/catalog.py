"""hub catalog …: find resources, publish them with a review, see who holds an element and what a department owes."""

from pathlib import Path
from typing import Annotated

import typer

from hub.commands.common import Dataset, Json, hub, operator, output
from schemas.errors import NotFound

app = typer.Typer(no_args_is_help=True, help="资源目录 catalog: every dataset, what it promises and what was measured")
Because = Annotated[str, typer.Option(help="why, in words for the department")]
By = Annotated[str, typer.Option("--by", help="who does so; default: whoever is signed in on this machine")]


@app.command("list")
def list_(
    query: Annotated[str, typer.Argument(help="words, parts of words, pinyin initials or codes")] = "",
    facet: Annotated[
        list[str] | None,
        typer.Option(help="department=…, class=…, share=…, format=…, cycle=… or element=… (again for more)"),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="how many at most")] = 100,
    as_json: Json = False,
) -> None:
    """List catalog entries, all or those that match, best first."""
    from catalog.search import Query
    from hub.console import library

    it = hub()
    chosen = dict(part.split("=", 1) for part in facet or [] if "=" in part)
    found = library.catalog(it).search(Query(query, chosen, limit))
    rows = [
        {"dataset": c.dataset, "code": c.code, "title": c.title, "provider": c.provider, "rows": c.rows,
         "fresh": c.freshness(it.clock()), "quality": _share(c.pass_rate), "share": c.share_type, "state": c.state}
        for c in found.hits
    ]  # fmt: skip
    out = output(as_json)
    out.table("资源目录 catalog", rows, empty="no entry matches")
    if found.guessed:
        out.say("nothing matches as typed: these are near")
    if found.total > len(rows):
        out.say(f"… {found.total - len(rows)} more: --limit, or more words")


@app.command()
def show(dataset: Dataset, as_json: Json = False) -> None:
    """Show one entry: the guide's metadata, its items, what was measured."""
    from hub.console import library

    entry = library.catalog(hub()).entry(dataset)
    if entry is None:
        raise NotFound(f"no entry {dataset!r} in the catalog", todo="hub catalog list")
    value, out = entry.to_json(), output(as_json)
    if as_json:
        out.record(value)
        return
    items, measured = value.pop("items"), value.pop("measured")
    value["consumers"] = [f"{c.kind} {c.name}" for c in entry.consumers]
    rules = measured.pop("quality")["rules"]
    measured["trend"] = [score for score in measured["trend"] if score is not None]
    out.record({k: v for k, v in {**value, **measured}.items() if v not in (None, "", [])})
    shown = ("name", "title", "type", "key", "element", "element_zh", "share_type", "classification")
    out.table("信息项 items", [{k: i[k] for k in shown} for i in items])
    broken = [{k: r[k] for k in ("id", "severity", "checked", "unexpected")} for r in rules if r["unexpected"]]
    out.table(
        "质量 rules that rows broke in the last delivery", broken, empty="no rule was broken in the last delivery"
    )


@app.command()
def element(element: Annotated[str, typer.Argument(help="a data element, as DE01001")], as_json: Json = False) -> None:
    """List the datasets that hold a data element, the authoritative ones first."""
    from hub.console import library

    rows = [
        {"dataset": h.card.dataset, "title": h.card.title, "provider": h.card.provider, "item": f"{h.item} {h.title}",
         "authoritative for": list(h.authoritative_for)}
        for h in library.catalog(hub()).holders(element.upper())
    ]  # fmt: skip
    output(as_json).table(f"who holds {element.upper()}", rows, empty="no dataset holds it → hub element list")


@app.command()
def department(
    name: Annotated[str, typer.Argument(help="the department's name or USCC; none: list them")] = "",
    as_json: Json = False,
) -> None:
    """Show a department's three lists: what it provides, requires and is responsible for."""
    from hub.console import library
    from ledger.authorities import words

    catalog, out = library.catalog(hub()), output(as_json)
    if not name:
        rows = [{"code": code, "name": zh, "name_en": en, "datasets": n} for code, zh, en, n in catalog.departments()]
        out.table("departments", rows, empty="no department provides anything yet")
        return
    found = catalog.department(name)
    if found is None:
        raise NotFound(f"no department {name!r} provides anything", todo="hub catalog department")
    provides = [{"dataset": c.dataset, "title": c.title, "cycle": c.cycle, "state": c.state} for c in found.provides]
    requires = [
        {"dataset": n.card.dataset, "title": n.card.title, "provider": n.card.provider, "for": [f"{r.kind} {r.name}" for r in n.reasons]}
        for n in found.requires
    ]  # fmt: skip
    holds = [{"element": words(a.subject, a.element), "dataset": a.dataset} for a in found.responsible]
    if as_json:
        out.record(
            {"code": found.code, "name": found.name, "provides": provides, "requires": requires, "responsible": holds}
        )
        return
    out.table(f"供 {found.name} provides", provides)
    out.table("需 requires", requires, empty="requires nothing of others")
    out.table("责 is the authoritative source of", holds, empty="is the authoritative source of nothing yet")


@app.command()
def code(
    class_: Annotated[str, typer.Argument(metavar="CLASS", help="class, item and detail of the guide, as 302001")],
    as_json: Json = False,
) -> None:
    """Reserve the next free resource code of a class; no code is ever given twice."""
    import re

    from ledger.catalog import allocate
    from schemas.errors import Invalid

    if not re.fullmatch(r"[123]\d{5}\d*", class_):
        raise Invalid(
            f"{class_!r}: class (1 digit), item (2), detail (3) and more are wanted", todo="hub catalog code 302001"
        )
    it = hub()
    output(as_json).record({"code": allocate(it.ledger, class_, it.clock())})


@app.command()
def submit(
    path: Annotated[Path, typer.Argument(help="a contract file")],
    draft: Annotated[bool, typer.Option("--draft", help="keep it, submit it later")] = False,
    by: By = "",
    as_json: Json = False,
) -> None:
    """Propose a contract for the catalog: it is checked now, and in force once the data office approves it."""
    from hub.registration import review

    it = hub()
    done = review.submit(it, path, by=by or operator(), draft=draft)
    output(as_json).record({"dataset": done.dataset, "version": done.version, "state": done.state})


@app.command()
def approve(
    dataset: Dataset,
    force_because: Annotated[str | None, typer.Option(help="apply a breaking change, with its reason")] = None,
    by: By = "",
    as_json: Json = False,
) -> None:
    """Approve what is in review: it becomes the contract in force."""
    from hub.registration import review

    done = review.approve(hub(), dataset, by=by or operator(), because=force_because)
    output(as_json).record(
        {"dataset": dataset, "version": done.contract.version, "number": done.number, "state": "published"}
    )


@app.command("return")
def return_(dataset: Dataset, because: Because, by: By = "", as_json: Json = False) -> None:
    """Return what is in review to its department, with a reason."""
    from hub.registration import review

    done = review.send_back(hub(), dataset, by=by or operator(), because=because)
    output(as_json).record({"dataset": dataset, "version": done.version, "state": done.state, "reason": done.reason})


@app.command()
def reviews(
    dataset: Annotated[str, typer.Argument(help="one dataset's steps; none: all that is open")] = "",
    as_json: Json = False,
) -> None:
    """List open proposals, or every step of one dataset's."""
    from ledger import reviews as kept

    it = hub()
    if dataset:
        steps = [
            {"version": s.version, "step": s.step, "by": s.by, "at": f"{s.at:%Y-%m-%d %H:%M}", "reason": s.reason}
            for s in kept.steps(it.ledger, dataset)
        ]
        output(as_json).table(f"reviews of {dataset}", steps, empty="nothing was proposed")
        return
    rows = [
        {"dataset": p.dataset, "version": p.version, "state": p.state, "by": p.submitted_by,
         "since": f"{p.changed_at:%Y-%m-%d %H:%M}", "reason": p.reason}
        for p in kept.waiting(it.ledger)
    ]  # fmt: skip
    output(as_json).table("open proposals", rows, empty="nothing waits for a review")


@app.command()
def reindex(as_json: Json = False) -> None:
    """Make the search index anew from the ledger; only for an index that was damaged."""
    from hub.console import library

    output(as_json).record({"entries": library.catalog(hub()).rebuild()})


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    root.add_typer(app, name="catalog")


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"
