"""One HTTP endpoint, asked patiently: signed in by a named secret, tried again with backoff, its faults named.

Messages show the address without its query, and never an answer's text.
"""

import random
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx

from connectors.guard import Guard
from connectors.options import options
from schemas.contract import Source
from schemas.errors import (
    ContractInvalid,
    HubError,
    Problem,
    SourceDamaged,
    SourceDenied,
    SourceMissing,
    SourceUnreachable,
)

TRIES = 5
LONGEST_WAIT = 120.0
MOST_BYTES = 64 << 20
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class Client:
    """GETs below one base URL."""

    def __init__(
        self,
        source: Source,
        *,
        secret: Callable[[str], str],
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
        guard: Guard,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self.base = _base(source)
        guard.check(self.base.host, "servers[0].location")
        self.where = f"{self.base.scheme}://{self.base.netloc.decode()}{self.base.path}"
        self.clock = clock
        self.sleep = sleep
        self._http = httpx.Client(
            timeout=float(options(source).get("timeout", 30)),
            follow_redirects=False,
            trust_env=False,
            transport=transport or guard.transport(),
        )
        self._source = source
        self._secret = secret

    def get(self, url: str | None, params: dict[str, str]) -> httpx.Response:
        """The answer of the endpoint, or of a URL on the same host that the endpoint itself named."""
        target = self._same_host(url) if url else self.base
        request = self._http.build_request("GET", target, params={**target.params, **params}, headers=self._headers())
        fault: HubError = SourceUnreachable(f"{self.where} does not answer")
        for attempt in range(TRIES):
            wait = min(2.0**attempt, 30.0) * (0.5 + random.random() / 2)  # noqa: S311 - jitter
            try:
                answer = self._http.send(request, stream=True)
                if answer.status_code not in AGAIN:
                    return self._whole(answer)
                answer.close()
                fault = SourceUnreachable(
                    f"{self.where} answers {answer.status_code}", todo="the run tries again by itself"
                )
                wait = self._asked_wait(answer) or wait
            except httpx.TransportError as error:
                fault = SourceUnreachable(
                    f"{self.where} does not answer or broke off ({type(error).__name__})",
                    todo="check host, port and network; the run tries again by itself",
                )
            if attempt == TRIES - 1 or wait > LONGEST_WAIT:
                break
            self.sleep(wait)
        raise fault from None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _whole(self, answer: httpx.Response) -> httpx.Response:
        """Read the body of a good answer, within measure."""
        try:
            refusal = self._refusal(answer.status_code)
            if refusal:
                raise refusal
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise SourceDamaged(
                        f"{self.where}: a page is larger than {MOST_BYTES >> 20} MiB", todo="ask for smaller pages"
                    )
            return httpx.Response(
                answer.status_code, headers={"link": answer.headers.get("link", "")}, content=bytes(body)
            )
        finally:
            answer.close()

    def _refusal(self, status: int) -> HubError | None:
        if status < 300:
            return None
        if status < 400:
            return SourceDenied(f"{self.where} redirects elsewhere ({status})", todo="register the final address")
        if status in (401, 403, 407):
            return SourceDenied(f"{self.where} refused the account ({status})", todo="check secretRef and options.auth")
        if status in (404, 410):
            return SourceMissing(
                f"{self.where} is not there ({status})", todo="correct location or physicalName in the contract"
            )
        return SourceDamaged(
            f"{self.where} refused the request ({status})", todo="check options.params and options.pagination"
        )

    def _asked_wait(self, answer: httpx.Response) -> float | None:
        """Seconds that Retry-After asks for, as a number or a date (RFC 9110, 10.2.3)."""
        value = answer.headers.get("retry-after", "").strip()
        if value.isdecimal():
            return float(value)
        try:
            return max((parsedate_to_datetime(value) - self.clock()).total_seconds(), 0.0) if value else None
        except (ValueError, TypeError):
            return None

    def _same_host(self, url: str) -> httpx.URL:
        target = self.base.join(url)
        if (target.scheme, target.netloc) != (self.base.scheme, self.base.netloc):
            raise SourceDenied(
                f"{self.where} names a next page on another host", todo="register each host by a contract of its own"
            )
        return target

    def _headers(self) -> dict[str, str]:
        headers = {"accept": "application/json", "user-agent": "cityhub"}
        if not self._source.secret:
            return headers
        settings, value = options(self._source), self._secret(self._source.secret)
        match settings.get("auth", "bearer"):
            case "bearer":
                return headers | {"authorization": f"Bearer {value}"}
            case "apikey":
                return headers | {str(settings.get("auth_header", "X-API-Key")): value}
            case "basic":
                user, _, password = value.partition(":")
                request = next(httpx.BasicAuth(user, password).auth_flow(httpx.Request("GET", self.base)))
                return headers | {"authorization": request.headers["authorization"]}
            case other:
                raise ContractInvalid(
                    [
                        Problem(
                            "servers[0].customProperties.options.auth", f"{other!r} is unknown", "bearer, basic, apikey"
                        )
                    ]
                )


def _base(source: Source) -> httpx.URL:
    problem = Problem(
        "servers[0].location", "an http or https address without credentials is wanted", "https://api.example/v1"
    )
    try:
        url = httpx.URL(f"{source.url.rstrip('/')}/{source.table.lstrip('/')}" if source.table else source.url)
    except httpx.InvalidURL:
        raise ContractInvalid([problem]) from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise ContractInvalid([problem])
    return url
