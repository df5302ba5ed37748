"""One HTTP request, sent patiently: no faster than allowed, again with backoff while the server is busy or broken off.

Retry-After is kept in seconds and as a date (RFC 9110, 10.2.3) up to `LONGEST_WAIT`; whoever asks for more is left to the next run.
Clock, sleep and randomness are arguments. No message or log line holds a query, a header or an answer's text.
"""

import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from connectors.http_logs import quiet
from schemas.errors import HubError, SourceDamaged, SourceDenied, SourceMissing, SourceUnreachable

TRIES = 5
LONGEST_WAIT = 120.0
MOST_BYTES = 64 << 20
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_NETWORK = "check host, port and network; the run tries again by itself"


@dataclass(frozen=True)
class Pace:
    """Time and chance as the wire sees them; `per_second` is the most requests that a source bears (None: no limit)."""

    clock: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    per_second: float | None = None


@dataclass(frozen=True)
class Answer:
    """An answer read whole; the body only of a good one."""

    status: int
    headers: httpx.Headers
    body: bytes = b""


class Wire:
    """Requests to one source over one transport."""

    def __init__(self, transport: httpx.BaseTransport, pace: Pace, seconds: float) -> None:
        quiet()
        self.pace = pace
        self._http = httpx.Client(timeout=seconds, follow_redirects=False, trust_env=False, transport=transport)
        self._next: datetime | None = None

    def build(self, method: str, url: httpx.URL, **given: Any) -> httpx.Request:
        """A request with the wire's time-outs."""
        return self._http.build_request(method, url, **given)

    def send(self, request: Callable[[], httpx.Request], where: str) -> Answer:
        """The answer to a request, built anew for each try.

        Raises:
            SourceUnreachable: no answer but trouble after all tries, or one is asked to wait too long.
            SourceDamaged: the answer is larger than `MOST_BYTES`.
        """
        fault: HubError
        for attempt in range(TRIES):
            wait = min(2.0**attempt, 30.0) * (0.5 + self.pace.random() / 2)
            self._keep_pace()
            try:
                answer = self._http.send(request(), stream=True)
                if answer.status_code not in AGAIN:
                    return _whole(answer, where)
                answer.close()
                wait = self._asked_wait(answer) or wait
                fault = SourceUnreachable(
                    f"{where} answers {answer.status_code}"
                    + (f" and asks to wait {wait:.0f} s" if wait > LONGEST_WAIT else ""),
                    todo="the run tries again by itself",
                )
            except httpx.TransportError as error:
                if _untrusted(error):
                    raise SourceDenied(
                        f"{where}: the server's certificate is not one for that name that is trusted",
                        todo="check location, or give the certificate that signs it: options.sslRootCert",
                    ) from None
                fault = SourceUnreachable(
                    f"{where} does not answer or broke off ({type(error).__name__})", todo=_NETWORK
                )
            if attempt == TRIES - 1 or wait > LONGEST_WAIT:
                break
            self.pace.sleep(wait)
        raise fault from None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _keep_pace(self) -> None:
        """Sleep until the next request is due."""
        if not self.pace.per_second:
            return
        now, gap = self.pace.clock(), timedelta(seconds=1 / self.pace.per_second)
        ahead = min((self._next or now) - now, gap)  # a clock set back must not stop the pull
        self._next = max(now, now + ahead) + gap
        if ahead > timedelta(0):
            self.pace.sleep(ahead.total_seconds())

    def _asked_wait(self, answer: httpx.Response) -> float | None:
        value = answer.headers.get("retry-after", "").strip()
        if value.isdecimal():
            return float(value)
        try:
            return max((parsedate_to_datetime(value) - self.pace.clock()).total_seconds(), 0.0) if value else None
        except (ValueError, TypeError):
            return None


def refused(status: int, where: str, todo: str) -> HubError | None:
    """The error for an answer that is none of what was asked for; None for a good one. `todo` is what to do about a refused account."""
    if status < 300:
        return None
    if status < 400:
        return SourceDenied(f"{where} redirects elsewhere ({status})", todo="register the final address")
    if status in (401, 403, 407):
        return SourceDenied(f"{where} refused the account ({status})", todo=todo)
    if status in (404, 410):
        return SourceMissing(
            f"{where} is not there ({status})", todo="correct location or physicalName in the contract"
        )
    return SourceDamaged(f"{where} refused the request ({status})", todo="check options.params and options.pagination")


def _untrusted(error: BaseException | None) -> bool:
    """Whether a certificate that could not be verified is at the bottom of an error."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None


def _whole(answer: httpx.Response, where: str) -> Answer:
    """The body of a good answer, within measure."""
    try:
        body = bytearray()
        for chunk in answer.iter_bytes() if answer.is_success else ():
            body += chunk
            if len(body) > MOST_BYTES:
                raise SourceDamaged(
                    f"{where}: a page is larger than {MOST_BYTES >> 20} MiB", todo="ask for smaller pages"
                )
        return Answer(answer.status_code, answer.headers, bytes(body))
    finally:
        answer.close()
