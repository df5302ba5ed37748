"""One file at a web address. HTTP lists no folders, so the path is the file's own: a pattern is refused.

Signed in as `connectors.signin` says (`options.auth`). Redirects are not followed: the address is the one that was registered.
The body is taken as it comes, uncompressed by request; one that breaks off before its stated length is a passing fault.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import httpx

from connectors.guard import Guard
from connectors.options import number, options
from connectors.paths import trust
from connectors.signin import plain_url, sign_in
from connectors.spool import spooled
from connectors.stores.store import CHUNK, State, plain
from connectors.wire import AGAIN, Answer, Pace, Wire, refused
from schemas.contract import Source
from schemas.errors import ContractInvalid, Problem, SourceMissing, SourceUnreachable

_TODO = "check secretRef and options.auth"


class WebStore:
    """Files below one base URL."""

    def __init__(
        self, source: Source, *, secret: Callable[[str], str], root: Path, clock: Callable[[], datetime], guard: Guard
    ) -> None:
        settings = options(source)
        if any(mark in source.table for mark in "*?[") or not source.table:
            raise ContractInvalid(
                [Problem("servers[0].location", "a web server lists no files: name one", "https://host/licences.csv")]
            )
        self.base = plain_url(source.url.rstrip("/") + "/", "location", guard)
        self.where = f"{self.base.scheme}://{self.base.netloc.decode()}"
        self._params = {str(k): str(v) for k, v in (settings.get("params") or {}).items()}
        seconds, transport = number(settings, "timeout", 30.0), guard.transport(trust(settings, root))
        self._wire = Wire(transport, Pace(clock), seconds)
        self._http = httpx.Client(timeout=seconds, follow_redirects=False, trust_env=False, transport=transport)
        self._sign_in = sign_in(source, settings, secret, self._wire, guard)

    def __repr__(self) -> str:
        return f"WebStore({self.where})"

    def match(self, pattern: str) -> list[str]:
        """The one file, if it is there."""
        return [pattern] if self.exists(pattern) else []

    def exists(self, name: str) -> bool:
        """Whether the server has such a file."""
        try:
            self._head(name)
        except SourceMissing:
            return False
        return True

    def state(self, name: str) -> State:
        """The state that the server states: length, ETag and date; nothing where it answers no HEAD."""
        headers = self._head(name).headers
        tag, date = headers.get("etag", ""), headers.get("last-modified", "")
        size = headers.get("content-length", "") if "content-encoding" not in headers else ""
        return State(int(size) if size.isdecimal() else None, _moment(date), " ".join((size, tag, date)).strip())

    def chunks(self, name: str) -> Iterator[bytes]:
        """The file's bytes."""
        request = self._request("GET", name)
        with self._faults(name):
            answer = self._http.send(request, stream=True)
            try:
                self._check(answer.status_code, name)
                yield from answer.iter_bytes(CHUNK)
            finally:
                answer.close()

    def whole(self, name: str) -> BinaryIO:
        """An unnamed copy of the file."""
        return spooled(self.chunks(name))

    def beside(self, pattern: str) -> list[str]:  # noqa: ARG002 - HTTP lists no folders
        """Nothing is known."""
        return []

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._wire.close()

    def _head(self, name: str) -> Answer:
        answer = self._wire.send(lambda: self._request("HEAD", name), self.where)
        if answer.status in (405, 501):
            return Answer(200, httpx.Headers())
        self._check(answer.status, name)
        return answer

    def _request(self, method: str, name: str) -> httpx.Request:
        headers = {"accept-encoding": "identity", "user-agent": "cityhub", **self._sign_in.headers()}
        url = self.base.copy_with(path=self.base.path + quote(plain(name)))
        return self._http.build_request(method, url, headers=headers, params={**self._params, **self._sign_in.params()})

    def _check(self, status: int, name: str) -> None:
        if status in AGAIN:
            raise SourceUnreachable(f"{self.where} answers {status}", todo="the run tries again by itself")
        fault = refused(status, f"{self.where}/{name}", _TODO)
        if fault:
            raise fault

    @contextmanager
    def _faults(self, name: str) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise SourceUnreachable(
                f"{self.where}/{name} does not answer or broke off ({type(error).__name__})",
                todo="check host, port and network; the run tries again by itself",
            ) from None


def _moment(date: str) -> datetime | None:
    try:
        return parsedate_to_datetime(date) if date else None
    except ValueError:
        return None
