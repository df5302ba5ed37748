"""How a request is signed in, by `options.auth` and the secret that the contract names.

- `none`; `bearer`: the secret is a token (the default where a secret is named); `basic`: it is "user:password"
- `apikey`: the secret goes into the header `authHeader` (X-API-Key), or into the query parameter `authParam`
- `oauth2`: client credentials (RFC 6749, 4.4): the secret is "client:password", a token is fetched from `tokenUrl` (with `scope`),
  kept until shortly before it expires, and fetched anew once if the source refuses it; `tokenAuth` is `basic` or `body`
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn, Protocol
from urllib.parse import quote_plus

import httpx

from connectors.guard import Guard
from connectors.wire import Wire, refused
from schemas.contract import Source
from schemas.errors import ContractInvalid, Problem, SourceDamaged, SourceDenied

KINDS = ("none", "bearer", "basic", "apikey", "oauth2")
EARLY = timedelta(seconds=30)
LIFETIME = 300
_TODO = "check secretRef and options.auth"
_OPTIONS = "customProperties.options"


class SignIn(Protocol):
    """What signs a request in."""

    def headers(self) -> dict[str, str]:
        """Headers to add."""

    def params(self) -> dict[str, str]:
        """Query parameters to add."""

    def renew(self) -> bool:
        """Whether the same request may succeed with a new credential, after it was refused."""


class Fixed:
    """A credential that stays."""

    def __init__(
        self, headers: Callable[[], dict[str, str]] = dict, params: Callable[[], dict[str, str]] = dict
    ) -> None:
        self.headers = headers
        self.params = params

    def renew(self) -> bool:
        """Nothing newer can be had."""
        return False


class ClientCredentials:
    """A token of OAuth 2, fetched when first wanted."""

    def __init__(self, settings: Mapping[str, Any], secret: Callable[[], str], wire: Wire, url: httpx.URL) -> None:
        self.settings = settings
        self.where = f"{url.scheme}://{url.netloc.decode()}{url.path}"
        self._secret, self._wire, self._url = secret, wire, url
        self._token = ""
        self._until: datetime | None = None

    def headers(self) -> dict[str, str]:
        """The token, fetched if there is none or it is about to expire."""
        if self._until is None or self._wire.pace.clock() >= self._until:
            self._fetch()
        return {"authorization": f"Bearer {_sendable(self._token)}"}

    def params(self) -> dict[str, str]:
        """None."""
        return {}

    def renew(self) -> bool:
        """Forget the token, so that the next request fetches another."""
        self._until = None
        return True

    def _fetch(self) -> None:
        answer = self._wire.send(self._request, self.where)
        # RFC 6749, 5.2: a refused client is told by 400 (invalid_client, unauthorized_client) as well as 401.
        fault = refused(401 if answer.status == 400 else answer.status, self.where, f"{_TODO}: client, password, scope")
        if fault:
            raise fault
        try:
            document = json.loads(answer.body)
            self._token = str(document["access_token"])
            lifetime = timedelta(seconds=float(document.get("expires_in") or LIFETIME))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            raise SourceDamaged(f"{self.where} gives no access_token", todo="check options.tokenUrl") from None
        self._until = self._wire.pace.clock() + max(lifetime - EARLY, lifetime / 2)

    def _request(self) -> httpx.Request:
        client, _, password = self._secret().partition(":")
        form = {"grant_type": "client_credentials"}
        if self.settings.get("scope"):
            form["scope"] = str(self.settings["scope"])
        headers = {"accept": "application/json"}
        if self.settings.get("token_auth", "basic") == "body":
            form |= {"client_id": client, "client_secret": password}
        else:
            headers |= _basic(quote_plus(client), quote_plus(password))  # RFC 6749, 2.3.1
        return self._wire.build("POST", self._url, data=form, headers=headers)


def sign_in(
    source: Source, settings: Mapping[str, Any], secret: Callable[[str], str], wire: Wire, guard: Guard
) -> SignIn:
    """The sign-in that a source's options name. Raises ContractInvalid."""
    name = source.secret or ""
    kind = settings.get("auth", "bearer" if name else "none")
    if kind not in KINDS:
        _invalid(f"{_OPTIONS}.auth", f"{kind!r} is unknown", ", ".join(KINDS))
    if kind == "none":
        return Fixed()
    if not name:
        _invalid("customProperties.secretRef", f"options.auth is {kind}, and no secret is named", "value: env:NAME")
    match kind:
        case "basic":
            return Fixed(headers=lambda: _basic(*secret(name).partition(":")[::2]))
        case "apikey" if settings.get("auth_param"):
            return Fixed(params=lambda: {str(settings["auth_param"]): secret(name)})
        case "apikey":
            return Fixed(headers=lambda: {str(settings.get("auth_header", "X-API-Key")): _sendable(secret(name))})
        case "oauth2":
            return ClientCredentials(settings, lambda: secret(name), wire, _token_url(settings, guard))
        case _:
            return Fixed(headers=lambda: {"authorization": f"Bearer {_sendable(secret(name))}"})


def plain_url(text: str, path: str, guard: Guard) -> httpx.URL:
    """An http(s) address without credentials, to a host that may be reached. Raises ContractInvalid."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.fragment:
        _invalid(path, "an http or https address without credentials is wanted", "https://api.example/v1")
    guard.check(url.host, f"servers[0].{path}")
    return url


def _token_url(settings: Mapping[str, Any], guard: Guard) -> httpx.URL:
    if settings.get("token_auth", "basic") not in ("basic", "body"):
        _invalid(f"{_OPTIONS}.tokenAuth", f"{settings['token_auth']!r} is unknown", "basic, body")
    return plain_url(str(settings.get("token_url") or ""), f"{_OPTIONS}.tokenUrl", guard)


def _basic(user: str, password: str) -> dict[str, str]:
    request = next(httpx.BasicAuth(user, password).auth_flow(httpx.Request("GET", "http://source")))
    return {"authorization": request.headers["authorization"]}


def _sendable(secret: str) -> str:
    """A secret that a header can hold; what it is instead is not told."""
    if secret and secret.isascii() and secret.isprintable():
        return secret
    raise SourceDenied("the secret is empty, or holds what no header can (line ends, letters beyond ASCII)", todo=_TODO)


def _invalid(path: str, wrong: str, right: str) -> NoReturn:
    raise ContractInvalid([Problem(f"servers[0].{path}", wrong, right)])
