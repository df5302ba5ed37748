"""hub scorecard: how good the data is, by dataset or by department, with reasons and the rules behind them."""

from typing import Annotated, Any

import typer

from hub.commands.common import Json, hub, output
from hub.console import scorecards
from quality import cards
from quality.cards import Card


def scorecard(
    dataset: Annotated[str, typer.Argument(help="one dataset, with its rules; without it every one")] = "",
    department: Annotated[str, typer.Option("--department", help="only this department's, by code or name")] = "",
    days: Annotated[int, typer.Option(help="how many days of trend", min=1, max=366)] = scorecards.DAYS,
    as_json: Json = False,
) -> None:
    """Show how good the data is: completeness, validity, uniqueness, consistency, timeliness, each 0 to 100."""
    it, out = hub(), output(as_json)
    if dataset:
        card = scorecards.card(it, dataset, days)
        if as_json:
            out.record(cards.to_json(card))
            return
        _show(card, out)
        return
    found = scorecards.departments(it, days, department)
    if as_json:
        out.table("scorecards", [cards.of_department(each) for each in found])
        return
    rows = [cards.line(card) for each in found for card in each.cards]
    out.table("scorecards", rows, empty="no dataset yet → hub contract apply FILE")


def add_to(root: typer.Typer) -> None:
    """Hang this command on the root command."""
    root.command()(scorecard)


def _show(card: Card, out: Any) -> None:
    found = cards.to_json(card)
    out.record(
        {
            **cards.line(card),
            "verdict_of": found["verdict_of"],
            "reasons": [f"{r.zh} {r.en}" for r in card.today.reasons],
        }
    )
    broken = [
        {k: r[k] for k in ("id", "dimension", "severity", "checked", "unexpected", "held")}
        for r in found["rules"]
        if r["unexpected"]
    ]
    out.table("rules that rows broke", broken, empty="no rule was broken")
    out.table("trend", [{k: t[k] for k in ("day", "overall", *card.today.dimensions)} for t in found["trend"][-7:]])
