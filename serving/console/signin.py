"""In and out of the console, and one's own account.

A sign-in makes a new session, whatever the browser brought, and leads on to a page of this site alone. Signing in and out, and changing a
password, leave an entry in the audit: the name, never what was typed.
"""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from access.actors import Actor
from access.audit import Entry
from ledger.accounts import Account
from schemas.errors import Forbidden, Invalid, NotFound, TooMany, Unauthenticated
from serving.console.door import (
    SESSION,
    Sending,
    Sent,
    SignedIn,
    check_size,
    places,
    present,
    session_number,
    someone,
)
from serving.rendering import LANGUAGES, address, page
from serving.security import FormProof, cookie_name, drop_cookie, set_cookie
from serving.services import Provider, services_of

router = APIRouter(include_in_schema=False)
_SMALL = 16 << 10
_BEFORE = "hub_before"
"""The cookie that the sign-in form is tied to, before there is a session."""
_MEANWHILE = "hub_meanwhile"
"""The cookie that holds, sealed, what the identity provider's answer must fit."""
_HERE = re.compile(r"/(?![/\\])[!-\[\]-~]*")


@router.get("/sign-in")
def ask(request: Request, next: str = "") -> Response:
    """Ask who it is; whoever is signed in already is led on."""
    account = present(request)
    return _led_on(request, account, next) if account else _ask(request, next)


@router.post("/sign-in")
async def enter(request: Request) -> Response:
    """Begin a session, or ask again."""
    check_size(request, _SMALL)
    async with request.form(max_files=0) as form:
        return await run_in_threadpool(_enter, request, form)


@router.get("/sign-in/provider")
def go(request: Request, next: str = "") -> Response:
    """Lead to the identity provider."""
    where, kept = _provider(request).start(own(next))
    response = RedirectResponse(where, 303, {"Cache-Control": "no-store"})
    set_cookie(response, request, _MEANWHILE, kept, samesite="lax")
    return response


@router.get("/sign-in/provider/back")
def come_back(request: Request) -> Response:
    """Begin a session for whom the identity provider vouches for, or ask again."""
    kept = request.cookies.get(cookie_name(request, _MEANWHILE), "")
    query = {name: value[:4096] for name, value in request.query_params.items()}
    try:
        account, next_ = _provider(request).back(kept, query)
        if not account.active:
            raise Unauthenticated("the account is switched off", todo="ask the data office")
    except Unauthenticated as refusal:
        services_of(request).record(Entry("console", "sign-in", "", (), "", "refused: sign-in"))
        response = _ask(request, "", wrong="wrong_provider", why=refusal.what, status=403)
    else:
        response = begun(request, account, next_)
    drop_cookie(response, request, _MEANWHILE)
    return response


@router.post("/sign-out")
def leave(
    request: Request, account: Annotated[Account, Depends(someone)], _sent: Annotated[Sent, Depends(Sending())]
) -> Response:
    """End the session."""
    services = services_of(request)
    services.console.sessions.end(session_number(request))
    services.record(Entry("console", "sign-in", "", (), "", "signed out", who=account.name))
    response = RedirectResponse(address(request, "/sign-in"), 303)
    drop_cookie(response, request, SESSION)
    return response


@router.get("/me")
def me(request: Request, _actor: Annotated[Actor, Depends(SignedIn())]) -> Response:
    """Show one's own account."""
    return _me(request)


@router.post("/me/language")
def choose_language(
    request: Request, actor: Annotated[Actor, Depends(SignedIn())], sent: Annotated[Sent, Depends(Sending())]
) -> Response:
    """Remember the language of one's pages."""
    chosen = sent.text("language")
    if chosen not in LANGUAGES:
        raise Invalid("the hub does not speak this language", todo="choose one of the list", field="language")
    services_of(request).console.choose_language(actor.name, chosen)
    return RedirectResponse(address(request, "/me", lang=chosen, done="language"), 303)


@router.post("/me/password")
def change_password(
    request: Request, account: Annotated[Account, Depends(someone)], sent: Annotated[Sent, Depends(Sending())]
) -> Response:
    """Change one's password; one's other sessions end."""
    services = services_of(request)
    if not account.password_hash:
        raise Forbidden("your account is with the identity provider", todo="change the password there")
    new = sent.text("new", 1000)
    if new != sent.text("again", 1000):
        return _me(request, wrong="wrong_again", status=422)
    try:
        services.console.passwords.checked(account.name, sent.text("present", 1000), _address(request))
        services.console.change_password(account.name, new, session_number(request))
    except Unauthenticated:
        return _me(request, wrong="wrong_present", status=403)
    except TooMany:
        return _me(request, wrong="wrong_often", status=429)
    except Invalid:
        return _me(request, wrong="wrong_weak", status=422)
    services.record(Entry("console", "sign-in", "", (), "", "password changed", who=account.name))
    return RedirectResponse(address(request, "/me", done="password"), 303)


def begun(request: Request, account: Account, next_: str) -> Response:
    """A new session in place of any that the browser had, and the way on."""
    services = services_of(request)
    services.console.sessions.end(session_number(request))
    services.record(Entry("console", "sign-in", "", (), "", "signed in", who=account.name))
    response = _led_on(request, account, next_)
    set_cookie(response, request, SESSION, services.console.sessions.begin(account.name), samesite="lax")
    return response


def own(path: str) -> str:
    r"""The path if it is one of this site, else "".

    >>> own("/my?x=1"), own("//evil.example"), own("/\\evil.example"), own("https://evil.example"), own("/\t/evil.example")
    ('/my?x=1', '', '', '', '')
    """
    return path if _HERE.fullmatch(path) else ""


def _enter(request: Request, form: FormData) -> Response:
    if not services_of(request).console.local:
        raise NotFound("this hub takes no passwords", todo="sign in at the identity provider")
    given = {name: value for name, value in form.items() if isinstance(value, str)}
    _proofs(request).check(request, given.get("proof", ""))
    name, next_ = given.get("name", "").strip().lower(), given.get("next", "")
    try:
        account = services_of(request).console.passwords.checked(name, given.get("password", ""), _address(request))
    except Unauthenticated:
        services_of(request).record(Entry("console", "sign-in", "", (), "", "refused: sign-in"))
        return _ask(request, next_, wrong="wrong_sign_in", status=403)
    except TooMany:
        return _ask(request, next_, wrong="wrong_often", status=429)
    return begun(request, account, next_)


def _led_on(request: Request, account: Account, next_: str) -> Response:
    first = next((place.path for place in places(account)), "/me")
    return RedirectResponse(own(next_) or address(request, first, account), 303)


def _provider(request: Request) -> Provider:
    provider = services_of(request).console.provider
    if provider is None:
        raise NotFound("this hub knows no identity provider", todo="sign in with a password")
    return provider


def _ask(request: Request, next_: str, *, wrong: str = "", why: str = "", status: int = 200) -> Response:
    console = services_of(request).console
    proofs = _proofs(request)
    cookie, proof = proofs.value(request)
    headers = {"Cache-Control": "no-store"}
    response = page(
        request,
        "console/sign_in.html",
        status=status,
        headers=headers,
        proof=proof,
        next=own(next_),
        wrong=wrong,
        why=why,
        provider=console.provider is not None,
        local=console.local,
    )
    proofs.keep(response, request, cookie, path="/sign-in")
    return response


def _me(request: Request, *, wrong: str = "", status: int = 200) -> Response:
    account = someone(request)
    department = services_of(request).catalog.department(account.department) if account.department else None
    return page(request, "console/me.html", status=status, account=account, department=department, wrong=wrong)


def _proofs(request: Request) -> FormProof:
    return FormProof(services_of(request).console.form_key, _BEFORE)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
