"""The insurance service of the demo city's 市人力资源和社会保障局, on loopback: `python -m examples.demo_city.rest_server --data DIR`.

`GET /api/v2/insurance?page=1&size=500&updated_since=2026-05-01T00:00:00%2B08:00` with `Authorization: Bearer TOKEN` gives

    {"code": 0, "data": {"total": 14211, "page": 1, "size": 500, "items": [{"accountNo": …}, …]}}

in the order of `updatedAt`, then account. Every n-th request is refused with 429 and `Retry-After`, as real services do; a wrong
token gets 401. The token comes from the environment (DEMO_REST_TOKEN). The file is read again when the city has moved on.
"""

import argparse
import json
import os
import sys
from bisect import bisect_left
from datetime import datetime, timedelta, timezone
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from examples.demo_city.generator.departments.social_security import stamp
from examples.demo_city.generator.files import INSURANCE

PATH: Final = "/api/v2/insurance"
PORT: Final = 18473
TOKEN: Final = "DEMO_REST_TOKEN"  # noqa: S105 - the variable's name, not its value
LARGEST_PAGE: Final = 1000
_ZONE = timezone(timedelta(hours=8))


class Refused(Exception):
    """A request that gets another answer than records."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Accounts:
    """The accounts of one city, as current as the file; `throttle` is every how-manieth request is refused (0: none)."""

    def __init__(self, data: Path, token: str, throttle: int = 0) -> None:
        self.path = data / INSURANCE
        self.token = token
        self._throttle = throttle
        self._turn = count(1)
        self._lock = Lock()
        self._read_at = 0
        self._lines: list[str] = []
        self._stamps: list[str] = []

    def busy(self) -> bool:
        """Whether this request is the one to refuse."""
        return bool(self._throttle) and next(self._turn) % self._throttle == 0

    def page(self, query: dict[str, str]) -> str:
        """The answer to a query, as JSON; Refused for one that is malformed."""
        try:
            page, size = int(query.get("page", "1")), min(int(query.get("size", "100")), LARGEST_PAGE)
            since = _moment(query["updated_since"]) if "updated_since" in query else ""
        except ValueError:
            raise Refused(
                HTTPStatus.BAD_REQUEST, "page and size are numbers, updated_since is an ISO 8601 time"
            ) from None
        if page < 1 or size < 1:
            raise Refused(HTTPStatus.BAD_REQUEST, "page and size begin at 1")
        lines, stamps = self._current()
        first = bisect_left(stamps, since)
        start = first + (page - 1) * size
        items = ",".join(lines[start : start + size])
        return f'{{"code":0,"data":{{"total":{len(lines) - first},"page":{page},"size":{size},"items":[{items}]}}}}'

    def _current(self) -> tuple[list[str], list[str]]:
        with self._lock:
            changed = self.path.stat().st_mtime_ns
            if changed != self._read_at:
                self._lines = self.path.read_text(encoding="utf-8").splitlines()
                self._stamps = [json.loads(line)["updatedAt"] for line in self._lines]
                self._read_at = changed
            return self._lines, self._stamps


def serve(accounts: Accounts, port: int = PORT) -> ThreadingHTTPServer:
    """A server bound to 127.0.0.1, not yet running; port 0 takes a free one."""

    class Handler(_Handler):
        source = accounts

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


class _Handler(BaseHTTPRequestHandler):
    source: Accounts
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        try:
            self._answer(HTTPStatus.OK, self._records())
        except Refused as refused:
            self._answer(refused.status, json.dumps({"code": refused.status.value, "message": str(refused)}))

    def log_message(self, format: str, *args: Any) -> None:
        """No log: this is a stage prop."""

    def _records(self) -> str:
        url = urlsplit(self.path)
        if url.path != PATH:
            raise Refused(HTTPStatus.NOT_FOUND, f"only {PATH} is here")
        if not compare_digest(self.headers.get("Authorization", "").encode(), f"Bearer {self.source.token}".encode()):
            raise Refused(HTTPStatus.UNAUTHORIZED, "a bearer token is wanted")
        if self.source.busy():
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        return self.source.page({name: values[-1] for name, values in parse_qs(url.query).items()})

    def _answer(self, status: HTTPStatus, body: str) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        if status is HTTPStatus.TOO_MANY_REQUESTS:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(content)


def _moment(text: str) -> str:
    """A time in the service's own writing; one without an offset is local, and a + that became a space is a +."""
    moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
    return stamp(moment if moment.tzinfo is None else moment.astimezone(_ZONE))


def main(arguments: list[str] | None = None) -> int:
    """Serves until interrupted; exit code 2 without a token or data."""
    parser = argparse.ArgumentParser(prog="examples.demo_city.rest_server", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder that the generator wrote")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--throttle", type=int, default=9, help="refuse every n-th request with 429; 0: none")
    options = parser.parse_args(arguments)
    token = os.environ.get(TOKEN, "")
    if not token or not (options.data / INSURANCE).is_file():
        sys.stderr.write(f"set {TOKEN} to a token of your choice, and write the city to {options.data} first\n")
        return 2
    with serve(Accounts(options.data, token, options.throttle), options.port) as server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
