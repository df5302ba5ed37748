"""No secret and no person's data leaves by the way side: planted ones are looked for after pulls that end well, and in every way badly.

Looked at are standard output and error, every log line of every library, tracebacks with all that they chain, and each file of the
hub's home: databases, Data Docs, indexes. Only the lake and the subject store may hold persons, and nothing may hold a secret.
"""

import json
import logging
import sys
import time
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import canaries
import pytest
import servers
from canaries import BROKEN, CLIENT_PASSWORD, ISSUED, KEY, OTHER, PASSWORD, PEOPLE, PERSON, ROWS, SECRETS, TOKEN
from city_bench import CITY
from http_servers import http_server
from sqlalchemy import make_url

from hub import cli
from hub.core import Hub
from hub.output import complain
from hub.registration import registry
from lake.history import History

LEAKY = {"rows": ROWS, "echo": [*SECRETS], "at": "file:///etc/passwd"}
Pull = Callable[..., int]


class Traces:
    """What a pull leaves behind, beside the files of the hub's home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.texts: dict[str, str] = {}

    def add(self, where: str, text: str) -> None:
        self.texts[where] = self.texts.get(where, "") + text

    def leaks(self, *, echoed: bool = False) -> list[str]:
        """What stands where it must not; what a source itself `echoed` may lie in the lake, as its answer came."""
        shown = [(where, text.encode()) for where, text in self.texts.items()]
        assert any(content for _, content in shown)
        everything = list(canaries.files(self.home))
        for_people = [(w, c) for w, c in everything if Path(w).relative_to(self.home).parts[0] not in ("lake", "drop")]
        assert any(Path(w).name == "ledger.db" for w, _ in for_people)
        return [
            *canaries.found(SECRETS, [*shown, *(for_people if echoed else everything)]),
            *canaries.found(
                PEOPLE, [*shown, *(t for t in for_people if not Path(t[0]).name.startswith("subjects.db"))]
            ),
        ]


@pytest.fixture
def traces(tmp_path: Path) -> Traces:
    return Traces(tmp_path / "home")


@pytest.fixture
def pull(
    tmp_path: Path, traces: Traces, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Pull:  # fmt: skip
    """`hub pull people` of a server block with all logs on; returns the exit code."""
    monkeypatch.setenv("HUB_HOME", str(traces.home))
    monkeypatch.setenv("HUB_DECLARATIONS", str(CITY))
    monkeypatch.setenv("HUB_JUDGE_MEMORY_MB", "512")
    monkeypatch.setattr("connectors.wire.TRIES", 1)
    caplog.set_level(logging.DEBUG)

    def told(error: Any, **how: Any) -> None:
        traces.add("traceback", "".join(traceback.format_exception(error)))
        complain(error, **how)

    monkeypatch.setattr(cli, "complain", told)

    def run(server: dict[str, Any], secret: str, **custom: Any) -> int:
        monkeypatch.setenv("CANARY", secret)
        registry.apply(Hub(), (canaries.contract_file(tmp_path, server, "env:CANARY", **custom),), because="test")
        code = 0
        for words in (["pull", "people"], ["runs", "list", "--json"], ["quarantine", "show", "people"]):
            monkeypatch.setattr(sys, "argv", ["hub", *words])
            try:
                cli.main()
            except SystemExit as end:
                code = code or int(end.code or 0)
        shown = capfd.readouterr()
        traces.add("standard output", shown.out)
        traces.add("standard error", shown.err)
        traces.add("logs", caplog.text)
        return code

    return run


def api(port: int) -> dict[str, Any]:
    return {"type": "api", "location": f"http://127.0.0.1:{port}"}


Answer = Callable[..., tuple[int, bytes] | tuple[int, bytes, dict[str, str]]]


def good(path: str, *_: object) -> tuple[int, bytes]:
    if path == "/token":
        return 200, json.dumps({"access_token": ISSUED, "expires_in": 60}).encode()
    return 200, json.dumps({"rows": ROWS, "total": 2}).encode()


SIGN_INS: dict[str, tuple[str, dict[str, Any]]] = {
    "bearer": (TOKEN, {}),
    "basic": (f"reader:{PASSWORD}", {"auth": "basic"}),
    "key in the query": (KEY, {"auth": "apikey", "authParam": "key"}),
    "oauth2": (f"office:{CLIENT_PASSWORD}", {"auth": "oauth2"}),
}


def sign_in(name: str, port: int) -> tuple[str, dict[str, Any]]:
    secret, options = SIGN_INS[name]
    if name == "oauth2":
        options = {**options, "tokenUrl": f"http://127.0.0.1:{port}/token"}
    return secret, {"records": "rows", **options}


@pytest.mark.parametrize("name", ["key in the query", "oauth2"])
def test_a_pull_of_an_api_that_ends_well_leaves_no_secret_and_no_person(name: str, pull: Pull, traces: Traces) -> None:
    with http_server(good) as port:
        secret, options = sign_in(name, port)
        assert pull(api(port), secret, options=options) == 0
    assert f"127.0.0.1:{port}" in traces.texts["logs"], "the logs were not on"
    assert traces.leaks() == []


def cut(*_: object) -> tuple[int, bytes, dict[str, str]]:
    return 200, json.dumps(ROWS).encode(), {"Content-Length": "9999", "Connection": "close"}


def stalled(*_: object) -> tuple[int, bytes]:
    time.sleep(0.3)
    return 200, b"[]"


BAD_ANSWERS: dict[str, Answer] = {
    "refused account": lambda *_: (401, json.dumps(LEAKY).encode()),
    "server error with a body": lambda *_: (500, json.dumps(LEAKY).encode()),
    "bad request": lambda *_: (400, json.dumps(LEAKY, ensure_ascii=False).encode()),
    "redirect": lambda *_: (302, b"", {"Location": f"http://127.0.0.1:9/?key={KEY}&person={PERSON[0]}"}),
    "bad JSON": lambda *_: (200, json.dumps(LEAKY).encode()[:-20]),
    "no list": lambda *_: (200, json.dumps({"people": ROWS}).encode()),
    "other columns": lambda *_: (200, json.dumps({"rows": [{PERSON[0]: PERSON[1], TOKEN: KEY}]}).encode()),
    "short read": lambda *_: (200, json.dumps({"rows": ROWS, "total": 5}).encode()),
    "cut off": cut,
    "no answer in time": stalled,
    "next page elsewhere": lambda *_: (200, json.dumps({"rows": ROWS, "next": f"http://a.example/?{KEY}"}).encode()),
}


BAD_CALLS = [*zip(BAD_ANSWERS, [*SIGN_INS] * 3, strict=False), *(("refused account", name) for name in [*SIGN_INS][1:])]


@pytest.mark.parametrize(("case", "name"), BAD_CALLS)
def test_an_api_that_fails_leaves_no_secret_and_no_person(case: str, name: str, pull: Pull, traces: Traces) -> None:
    def answer(path: str, query: dict[str, str], token: str) -> Any:
        return good(path) if path == "/token" else BAD_ANSWERS[case](path, query, token)

    with http_server(answer) as port:
        secret, options = sign_in(name, port)
        more = {"total": "total", "timeout": 0.2, "pagination": {"kind": "link", "next": "next"}}
        assert pull(api(port), secret, options=options | more) == 1
    assert traces.leaks(echoed=True) == []


@pytest.mark.parametrize("status", [400, 401, 500, 200])
def test_a_token_endpoint_that_fails_leaves_no_secret(status: int, pull: Pull, traces: Traces) -> None:
    with http_server(lambda *_: (status, json.dumps(LEAKY).encode())) as port:
        secret, options = sign_in("oauth2", port)
        assert pull(api(port), secret, options=options) == 1
    assert traces.leaks() == []


def test_a_server_that_speaks_no_tls_and_one_that_is_away_leave_no_secret(pull: Pull, traces: Traces) -> None:
    with http_server(good) as port:
        secret, options = sign_in("key in the query", port)
        assert pull({"type": "api", "location": f"https://127.0.0.1:{port}"}, secret, options=options) == 1
    assert pull(api(servers.free_port()), secret, options=options) == 1
    assert traces.leaks() == []


def test_a_delivery_that_is_held_leaves_no_person(pull: Pull, traces: Traces) -> None:
    rows = [{"身份证号": number, "姓名": name, "n": 1} for number, name in (BROKEN, (BROKEN[0] + "x", OTHER[1]))]
    with http_server(lambda *_: (200, json.dumps(rows).encode())) as port:
        assert pull(api(port), TOKEN) == 3
    assert "checksum" in traces.texts["standard output"] or "rejected" in traces.texts["standard error"]
    assert traces.leaks() == []


def test_a_crash_inside_the_hub_leaves_no_secret_and_no_person(
    pull: Pull, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"{PERSON} {SECRETS}")

    monkeypatch.setattr(History, "commit", broken)
    with http_server(good) as port:
        secret, options = sign_in("bearer", port)
        assert pull(api(port), secret, options=options) == 1
    assert "RuntimeError inside the hub at" in traces.texts["standard error"]
    assert traces.leaks() == []


def database(url: str, **changes: Any) -> dict[str, Any]:
    at = make_url(url)
    kind = "postgres" if at.get_backend_name() == "postgresql" else "mysql"
    schema = {"schema": "public"} if kind == "postgres" else {}
    return {"type": kind, "host": at.host, "port": at.port, "database": at.database, **schema, **changes}


@pytest.fixture(params=[pytest.param(n, marks=getattr(pytest.mark, f"needs_{n}")) for n in ("postgres", "mariadb")])
def people(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with the table and an account `reader` whose password is a canary; the administrator's URL."""
    server = request.getfixturevalue(f"{request.param}_url")
    postgres = request.param == "postgres"
    account = "reader" if postgres else "reader@'127.0.0.1'"
    rows = ", ".join(f"('{number}', '{name}', '1')" for number, name in (PERSON, OTHER))
    with servers.database(server, "canary") as url:
        create = "CREATE TABLE 人口 (身份证号 varchar(18), 姓名 varchar(20), n varchar(40))"
        servers.execute(
            url,
            create + ("" if postgres else " CHARSET utf8mb4"),
            f"INSERT INTO 人口 VALUES {rows}",
            f"CREATE USER {account} " + (f"PASSWORD '{PASSWORD}'" if postgres else f"IDENTIFIED BY '{PASSWORD}'"),
            f"GRANT SELECT ON 人口 TO {account}",
        )
        yield url
    servers.execute(server, f"DROP USER {account}")


def test_a_database_that_is_pulled_leaves_no_secret_and_no_person(people: str, pull: Pull, traces: Traces) -> None:
    assert pull(database(people), f"reader:{PASSWORD}") == 0
    assert traces.leaks() == []


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "wrong password": ({}, f"reader:{CLIENT_PASSWORD}"),
    "wrong account": ({}, f"{KEY}:{PASSWORD}"),
    "no such database": ({"database": "nowhere"}, f"reader:{PASSWORD}"),
    "nobody there": ({"port": 1}, f"reader:{PASSWORD}"),
    "no TLS": ({}, f"reader:{PASSWORD}"),
    "error in a row": ({}, f"reader:{PASSWORD}"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_database_that_fails_leaves_no_secret_and_no_person(
    case: str, people: str, pull: Pull, traces: Traces
) -> None:
    changes, secret = FAULTS[case]
    if case == "error in a row":
        _break(people)
    options = {"sslMode": "verify-full"} if case == "no TLS" else {}
    assert pull(database(people, **changes), secret, options=options) == 1
    assert traces.leaks() == []


def _break(url: str) -> None:
    """Put a view in the table's place that fails at a row, so that the server's message quotes a person."""
    postgres = make_url(url).get_backend_name() == "postgresql"
    signal = "BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = name; RETURN 1; END"
    fails = "CAST(姓名 AS integer)" if postgres else "fails(姓名)"
    servers.execute(
        url,
        "ALTER TABLE 人口 RENAME TO 人",
        *([] if postgres else [f"CREATE FUNCTION fails(name varchar(20)) RETURNS int {signal}"]),
        f"CREATE VIEW 人口 AS SELECT 身份证号, 姓名, {fails} AS n FROM 人",
        "GRANT SELECT ON 人口 TO " + ("reader" if postgres else "reader@'127.0.0.1'"),
    )


@pytest.mark.parametrize(
    "written", [PASSWORD, quote_plus(PASSWORD), "Basic " + b64encode(f"reader:{PASSWORD}".encode()).decode()]
)
def test_the_search_finds_a_secret_in_every_writing(written: str) -> None:
    assert canaries.found(SECRETS, [("log", f"GET http://x/?key={written} ...".encode())]) == [f"{PASSWORD} in log"]
    assert canaries.found(PEOPLE, [("db", json.dumps({"name": PERSON[1]}).encode())]) == [f"{PERSON[1]} in db"]
