"""Scorecards: how good each dataset is, by department and day; JSON for programs, pages with charts for people.

They show counts, rules and reasons, never a record. Charts are SVG drawn here: no scripts, nothing from outside.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from quality import cards
from quality.scorecard import DIMENSIONS
from serving.rendering import page
from serving.services import services_of
from serving.signin import caller

api = APIRouter(prefix="/v1/scorecards", dependencies=[Depends(caller)], tags=["quality"])
pages = APIRouter(prefix="/scorecards", include_in_schema=False)
Days = Annotated[int, Query(ge=1, le=366, description="how many days of trend")]
_WIDTH, _HEIGHT = 300, 100


@api.get("", summary="Every department's scores with a line for each dataset; `department`: only one, by code or name")
def departments(
    request: Request, days: Days = 30, department: Annotated[str, Query(max_length=200)] = ""
) -> list[dict[str, Any]]:
    """List departments."""
    return [cards.of_department(each) for each in services_of(request).scorecards.departments(days, department)]


@api.get("/{dataset}", summary="One dataset's scores, reasons, rules and trend")
def card(request: Request, dataset: str, days: Days = 30) -> dict[str, Any]:
    """Show one card."""
    return cards.to_json(services_of(request).scorecards.card(dataset, days))


@pages.get("")
def overview(request: Request) -> HTMLResponse:
    """Show the departments and their datasets."""
    found = services_of(request).scorecards.departments(30, "")
    return page(request, "scorecards.html", departments=found, dimensions=DIMENSIONS, line=line, rounded=cards.rounded)


@pages.get("/{dataset}")
def one(request: Request, dataset: str) -> HTMLResponse:
    """Show one dataset: dimensions, trend, reasons, rules."""
    found = services_of(request).scorecards.card(dataset, 30)
    trends = {"overall": [s.overall for s in found.trend]}
    trends |= {str(d): [s.dimensions[d] for s in found.trend] for d in DIMENSIONS}
    plots = {name: (values, floor(values)) for name, values in trends.items()}
    return page(
        request, "scorecard.html", card=found, score=found.today, dimensions=DIMENSIONS, plots=plots, line=line, rounded=cards.rounded
    )  # fmt: skip


def floor(values: Sequence[float | None]) -> int:
    """Where a trend's axis begins: at 90 if nothing lies below, so that small losses are seen, else at 0; the page says which."""
    return 90 if min((value for value in values if value is not None), default=0) >= 90 else 0


def line(values: Sequence[float | None], low: float = 0) -> list[str]:
    """The trend as polylines in a field of 300 by 100, `low` at the bottom and 100 at the top; a day without a score is a gap.

    >>> line([50, 100, None, 0])
    ['0.0,50.0 100.0,0.0', '300.0,100.0 300.0,100.0']
    """
    step = _WIDTH / max(len(values) - 1, 1)
    found: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            found.append([])
        else:
            height = _HEIGHT * (1 - (max(value, low) - low) / (100 - low))
            found[-1].append(f"{place * step:.1f},{height:.1f}")
    return [" ".join(points if len(points) > 1 else points * 2) for points in found if points]
