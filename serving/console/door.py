"""The door of the console: who is signed in, what their roles let them see, and whether a form came from our own page.

`Annotated[Actor, Depends(SignedIn("office"))]` lets a route be entered in one of the roles alone: without a session the browser is led to
the sign-in page, without the role it is refused. `Annotated[Sent, Depends(Sending())]` is the form of a POST, read after that, of no more
than so many bytes, and only with the proof of this very session.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile

from access.actors import Actor, Role
from access.sessions import actor
from ledger.accounts import Account
from schemas.errors import Forbidden, Invalid, TooLarge, Unauthenticated
from serving.security import FormProof, cookie_name
from serving.services import services_of

SESSION = "hub_session"
FORM_BYTES = 256 << 10
_MOST_FIELDS = 2000


@dataclass(frozen=True)
class Place:
    """A page of the navigation: its path, the name of its words, and whom it is for."""

    path: str
    words: str
    roles: frozenset[Role]


PLACES: tuple[Place, ...] = (
    Place("/my", "nav_my", frozenset({"editor", "approver"})),
    Place("/office", "nav_office", frozenset({"office"})),
    Place("/audit", "nav_audit", frozenset({"auditor"})),
    Place("/portal", "nav_portal", frozenset({"client"})),
    Place("/register", "nav_register", frozenset({"editor", "approver"})),
    Place("/requests", "nav_requests", frozenset({"editor", "approver", "office", "auditor"})),
)
"""In the order of the navigation; the first that fits is where somebody lands who signs in."""


def places(account: Account) -> tuple[Place, ...]:
    """The pages of the navigation for an account."""
    return tuple(place for place in PLACES if place.roles & account.roles)


def session_number(request: Request) -> str:
    """The number of the session that the browser says it has."""
    return request.cookies.get(cookie_name(request, SESSION), "")


def present(request: Request) -> Account | None:
    """Who is signed in; asked of the ledger once a request, and only for a browser that says it has a session."""
    if not hasattr(request.state, "account"):
        number = session_number(request)
        request.state.account = services_of(request).console.sessions.account(number) if number else None
    account: Account | None = request.state.account
    return account


def someone(request: Request) -> Account:
    """Whoever is signed in, in whatever role; else Unauthenticated."""
    account = present(request)
    if account is None:
        raise Unauthenticated("nobody is signed in", todo="sign in")
    return account


def proof(request: Request) -> str:
    """What a form of this session brings along."""
    return _proofs(request).value(request)[1]


class SignedIn:
    """Lets those in who have one of the roles; without any named, whoever is signed in."""

    def __init__(self, *roles: Role) -> None:
        self.roles = frozenset(roles)

    def __call__(self, account: Annotated[Account, Depends(someone)]) -> Actor:
        """Whom the request acts as.

        Raises:
            Unauthenticated: nobody is signed in.
            Forbidden: somebody else than this page is for.
        """
        if self.roles and not self.roles & account.roles:
            raise Forbidden("this page is for other roles", todo="ask the data office for the role")
        return actor(account)


@dataclass(frozen=True)
class Sent:
    """A form from our own page."""

    form: FormData

    def text(self, name: str, most: int = 200, *, required: bool = False) -> str:
        """A field's text without blanks around it; "" where it is left out. Raises Invalid, with the field."""
        value = self.form.get(name, "")
        text = value.strip() if isinstance(value, str) else ""
        if len(text) > most:
            raise Invalid(f"{name} is longer than {most} characters", todo="shorten it", field=name)
        if required and not text:
            raise Invalid(f"{name} is missing", todo="fill it in", field=name)
        return text

    def texts(self, name: str) -> tuple[str, ...]:
        """Every text of a field that may come several times, as check boxes do."""
        return tuple(value for value in self.form.getlist(name) if isinstance(value, str))

    def file(self, name: str) -> UploadFile:
        """A file. Raises Invalid, with the field, where there is none."""
        value = self.form.get(name)
        if not isinstance(value, UploadFile) or not value.filename:
            raise Invalid("no file was chosen", todo="choose one", field=name)
        return value


class Sending:
    """Reads the form of a POST, of no more than `most` bytes; checks the proof of the session."""

    def __init__(self, most: int = FORM_BYTES) -> None:
        self._most = most

    async def __call__(self, request: Request, _account: Annotated[Account, Depends(someone)]) -> AsyncIterator[Sent]:
        """The form.

        Raises:
            Forbidden: it did not come from our own page.
            TooLarge: it has more bytes, or does not say how many.
        """
        check_size(request, self._most)
        async with request.form(max_fields=_MOST_FIELDS) as form:
            sent = Sent(form)
            _proofs(request).check(request, sent.text("proof"))
            yield sent


def check_size(request: Request, most: int) -> None:
    """Raise TooLarge for a body that has more bytes, or does not say how many."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > most:
        raise TooLarge(f"the form is larger than {most >> 10} KiB", todo="send less at once", limit=most)


def _proofs(request: Request) -> FormProof:
    return FormProof(services_of(request).console.form_key, SESSION)
