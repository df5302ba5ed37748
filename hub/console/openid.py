"""Sign-in at an identity provider, wired: discovery, the address to go to, and the code that comes back changed for an ID token.

The provider's description is read at the first sign-in and once an hour, its keys at every one: they rotate, and people sign in seldom.
Everything but a provider on this very machine is asked over HTTPS; redirects are not followed, proxies and `.netrc` not read.
"""

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from access import openid
from access.openid import Client
from access.sealing import Sealer
from connectors.http_logs import quiet
from hub.core import Hub
from hub.registration import named_secrets
from ledger import accounts
from ledger.accounts import Account
from schemas.errors import Retry, Stop, Unauthenticated
from serving.services import Provider

_KEPT = timedelta(hours=1)
_SECONDS = 10.0
_HERE = ("127.0.0.1", "localhost", "::1")


def provider(hub: Hub) -> Provider | None:
    """What the sign-in page calls; None where settings name no identity provider."""
    settings = hub.settings
    if not settings.oidc_issuer:
        return None
    claims = {
        "department": settings.oidc_department_claim,
        "roles": settings.oidc_roles_claim,
        "client": settings.oidc_client_claim,
    }
    back = f"{settings.api_url.rstrip('/')}/sign-in/provider/back"
    desk = _Desk(hub, Client(settings.oidc_issuer, settings.oidc_client_id, back, claims), Sealer(hub.key("openid")))
    return Provider(desk.start, desk.back)


@dataclass
class _Desk:
    hub: Hub
    client: Client
    sealer: Sealer
    _described: tuple[datetime, dict[str, Any]] | None = field(default=None, repr=False)

    def start(self, next_: str) -> tuple[str, str]:
        """The provider's address, and what the browser keeps meanwhile."""
        endpoint = _address(self.client, self._description(), "authorization_endpoint")
        number = partial(secrets.token_urlsafe, 32)
        asked, address = openid.begin(self.client, endpoint, next_, self.hub.clock(), number)
        return address, openid.seal(asked, self.sealer, os.urandom(12))

    def back(self, kept: str, query: Mapping[str, str]) -> tuple[Account, str]:
        """The account of who comes back, and where they wanted to go.

        Raises:
            Unauthenticated: the provider refused, or its answer does not count.
            Retry: it does not answer.
        """
        now = self.hub.clock()
        asked = openid.unseal(kept, query.get("state", ""), self.sealer, now)
        if query.get("iss", self.client.issuer) != self.client.issuer:  # RFC 9207
            raise Unauthenticated("the answer is of another provider", todo="sign in again")
        if "code" not in query:
            raise Unauthenticated("the identity provider let nobody in", todo="sign in again")
        token = self._token(query["code"], asked.verifier)
        jwks = self._get(_address(self.client, self._description(), "jwks_uri"))
        claims = openid.claims_of(token, jwks, self.client, asked.nonce, now)
        return accounts.vouch(self.hub.ledger, openid.account_of(claims, self.client), now), asked.next

    def _token(self, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.client.redirect_uri, "code_verifier": verifier,
        }  # fmt: skip
        headers = {"Accept": "application/json"}
        if reference := self.hub.settings.oidc_client_secret:
            secret = named_secrets.look_up(reference, self.hub.settings.secret_files)
            pair = f"{quote(self.client.client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749, 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = self.client.client_id
        address = _address(self.client, self._description(), "token_endpoint")
        answer = self._ask("POST", address, data=form, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Unauthenticated("the identity provider gave no ID token for the code", todo="sign in again")
        return token

    def _description(self) -> dict[str, Any]:
        now = self.hub.clock()
        if self._described is None or now - self._described[0] > _KEPT:
            found = self._get(f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self.client.issuer:
                raise Stop(
                    "the identity provider calls itself otherwise than HUB_OIDC_ISSUER", todo="correct the setting"
                )
            self._described = now, found
        return self._described[1]

    def _get(self, address: str) -> dict[str, Any]:
        return self._ask("GET", address)

    def _ask(self, method: str, address: str, **more: Any) -> dict[str, Any]:
        quiet()
        _held(self.client, address)
        try:
            with httpx.Client(timeout=_SECONDS, follow_redirects=False, trust_env=False) as http:
                answer = http.request(method, address, **more)
            if answer.status_code >= 500:
                raise httpx.HTTPError("it fails")
            found = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Retry("the identity provider does not answer", todo="try again in a moment") from error
        return found if isinstance(found, dict) else {}


def _address(client: Client, description: Mapping[str, Any], name: str) -> str:
    return _held(client, str(description.get(name, "")))


def _held(client: Client, address: str) -> str:
    """The address, if it is one to send secrets to: HTTPS, or this machine where the provider itself is on it."""
    parts, issuer = urlsplit(address), urlsplit(client.issuer)
    here = parts.hostname in _HERE and issuer.hostname in _HERE and parts.scheme == "http"
    if not here and (parts.scheme != "https" or not parts.hostname):
        raise Stop("the identity provider is not reached by HTTPS", todo="correct HUB_OIDC_ISSUER")
    return address
