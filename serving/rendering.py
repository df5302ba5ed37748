"""Pages from templates: language, words, numbers and moments as people read them. No scripts, nothing from outside."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from catalog import guide
from catalog.columns import FACETS
from ledger.accounts import Account
from schemas.messages import in_chinese
from serving.console import door
from serving.services import services_of
from serving.words import WORDS

LANGUAGES = ("zh", "en")
KEPT = frozenset({"q", "page", "next", "view", "rule", "dataset", *FACETS})
"""What a page keeps of its address when it changes its language."""


def language(request: Request, account: Account | None = None) -> str:
    """The page's language: `?lang=`, else the account's, else the browser's first wish that we speak, else Chinese."""
    for told in (request.query_params.get("lang", ""), account.language if account else ""):
        if told in LANGUAGES:
            return told
    wishes = [_wish(part) for part in request.headers.get("accept-language", "").split(",")[:20]]
    spoken = [(weight, lang) for weight, lang in wishes if lang in LANGUAGES and weight > 0]
    return max(spoken, key=lambda wish: wish[0])[1] if spoken else "zh"


def address(request: Request, path: str, account: Account | None = None, **query: str) -> str:
    """A page's address in the request's language, for a redirect."""
    account = account or getattr(request.state, "account", None)
    return f"{quote(path)}?{urlencode({'lang': language(request, account), **query})}"


def page(
    request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
) -> HTMLResponse:
    """The template filled in, in the request's language, with the navigation of whoever is signed in."""
    return _page(request, template, door.present(request), status, headers or {}, context)


def _page(
    request: Request, template: str, account: Account | None, status: int, headers: Mapping[str, str], context: Mapping[str, Any]
) -> HTMLResponse:  # fmt: skip
    lang = language(request, account)
    services = services_of(request)
    zone = ZoneInfo(services.timezone)

    def words(name: str, **values: object) -> str:
        return WORDS[name][lang].format(**values)

    def link(path: str, **query: str) -> str:
        given = {key: value for key, value in query.items() if value}
        return f"{quote(path)}?{urlencode({**given, 'lang': lang})}"

    def here(other: str) -> str:
        kept = {key: value for key, value in request.query_params.items() if key in KEPT}
        return f"{quote(request.url.path)}?{urlencode({**kept, 'lang': other})}"

    def when(told: datetime | str | None) -> str:
        moment = datetime.fromisoformat(told) if isinstance(told, str) else told
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}" if moment else "—"

    spoken = {"known_words": WORDS, "t": words, "lang": lang, "link": link, "here": here, "when": when, "guide": guide}
    spoken["told"] = in_chinese if lang == "zh" else str
    place = {"path": request.url.path, "portal": services.portal is not None}
    done = request.query_params.get("done", "")
    signed_in = {
        "me": account,
        "places": door.places(account) if account else (),
        "session_proof": door.proof(request) if account else "",
        "done": f"done_{done}" if account and f"done_{done}" in WORDS else "",
    }
    html = _templates().get_template(template).render(**spoken, **place, **signed_in, **context)
    kept = {"Vary": "Accept-Language", **headers}
    private = {"Cache-Control": "no-store", "Vary": f"{kept['Vary']}, Cookie"} if account else {}
    return HTMLResponse(html, status, {"Content-Language": lang, **kept, **private})


def error_page(request: Request, problem: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """A problem as people read it."""
    status = int(problem["status"])
    known = f"error_{status}" if f"error_{status}" in WORDS else "error_500" if status >= 500 else "error_400"
    account = getattr(
        request.state, "account", None
    )  # if it is known: nothing is asked of a ledger that may be at fault
    return _page(request, "error.html", account, status, headers or {}, {"words_of": known, "problem": problem})


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("serving"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["percent"] = lambda value: "—" if value is None else _percent(value)
    return environment


def _percent(share: float) -> str:
    """A share as people read it; what is not whole never shows as whole.

    >>> _percent(1.0), _percent(0.99996), _percent(0.951)
    ('100%', '99.9%', '95.1%')
    """
    if share == 1:
        return "100%"
    return f"{min(share * 100, 99.9):.1f}%"


def _wish(part: str) -> tuple[float, str]:
    lang, _, quality = part.strip().partition(";q=")
    try:
        weight = float(quality or 1)
    except ValueError:
        weight = 0.0
    return weight, lang.partition("-")[0].lower()
