"""One HTTP endpoint: signed in, on one host, its refusals named. Messages show the address without its query."""

from collections.abc import Callable
from pathlib import Path

import httpx

from connectors.guard import Guard
from connectors.options import number, options
from connectors.paths import trust
from connectors.signin import plain_url, sign_in
from connectors.wire import Answer, Pace, Wire, refused
from schemas.contract import Source
from schemas.errors import SourceDenied


class Client:
    """GETs below one base URL; `transport` stands in for the guard's own in tests."""

    def __init__(
        self,
        source: Source,
        *,
        secret: Callable[[str], str],
        pace: Pace,
        guard: Guard,
        root: Path,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        settings = options(source)
        address = f"{source.url.rstrip('/')}/{source.table.lstrip('/')}" if source.table else source.url
        self.base = plain_url(address, "location", guard)
        self.where = f"{self.base.scheme}://{self.base.netloc.decode()}{self.base.path}"
        self._wire = Wire(transport or guard.transport(trust(settings, root)), pace, number(settings, "timeout", 30.0))
        self._sign_in = sign_in(source, settings, secret, self._wire, guard)

    def get(self, url: str | None, params: dict[str, str]) -> Answer:
        """The answer of the endpoint, or of a URL on the same host that the endpoint itself named."""
        target = self._same_host(url) if url else self.base
        answer = self._ask(target, params)
        if answer.status == 401 and self._sign_in.renew():
            answer = self._ask(target, params)
        fault = refused(answer.status, self.where, "check secretRef and options.auth")
        if fault:
            raise fault
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def _ask(self, target: httpx.URL, params: dict[str, str]) -> Answer:
        headers = {"accept": "application/json", "user-agent": "cityhub", **self._sign_in.headers()}
        query = {**target.params, **params, **self._sign_in.params()}
        return self._wire.send(lambda: self._wire.build("GET", target, params=query, headers=headers), self.where)

    def _same_host(self, url: str) -> httpx.URL:
        try:
            target = self.base.join(url)
        except httpx.InvalidURL:
            target = httpx.URL("")
        if (target.scheme, target.netloc, target.userinfo) != (self.base.scheme, self.base.netloc, b""):
            raise SourceDenied(
                f"{self.where} names a next page on another host", todo="register each host by a contract of its own"
            )
        return target
