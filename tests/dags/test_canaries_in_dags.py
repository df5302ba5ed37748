"""The same canaries under Airflow: neither its logs, nor its database (XCom, rendered fields, events), nor what it prints holds one."""

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import canaries
import pytest
from canaries import BROKEN, PASSWORD, PEOPLE, ROWS, SECRETS, TOKEN
from city_bench import CITY, City
from http_servers import Answer, http_server

from dags.dataset_dags import dataset_dag
from hub.core import Hub
from hub.registration import registry
from ledger import runs

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]
Run = Callable[..., str]
LEAKY = json.dumps({"rows": ROWS, "echo": SECRETS}).encode()


@pytest.fixture
def home(tmp_path: Path, airflow_city: City, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub of its own under the folder's one Airflow, which holds the department's account as a connection."""
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HUB_DECLARATIONS", str(CITY))
    monkeypatch.setenv("HUB_JUDGE_MEMORY_MB", "512")
    account = {"conn_type": "http", "login": "reader", "password": PASSWORD}
    monkeypatch.setenv("AIRFLOW_CONN_DEPARTMENT", json.dumps(account))
    monkeypatch.setenv("CANARY", TOKEN)
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Run:
    """Run the dataset's DAG against an API that answers so; the state in which it ended."""
    caplog.set_level(logging.DEBUG)

    def run(answer: Answer, secret: str, auth: str, **options: Any) -> str:
        with http_server(answer) as port:
            server = {"type": "api", "location": f"http://127.0.0.1:{port}"}
            given = {"auth": auth, "records": "rows", "params": {"q": "all"}, **options}
            registry.apply(Hub(), (canaries.contract_file(tmp_path, server, secret, options=given),), because="test")
            dag = dataset_dag("people", json.loads((home / "index.json").read_bytes())["people"])
            for task in dag.tasks:
                task.retries = 0
            return str(dag.test().state)

    return run


def traces(home: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> list[tuple[str, bytes]]:
    """What Airflow printed, logged and stored, and the hub's home without the lake and the subject store."""
    shown = capfd.readouterr()
    stored = list(canaries.files(Path(os.environ["AIRFLOW_HOME"])))
    assert any(name.endswith("airflow.db") and len(content) > 100_000 for name, content in stored)
    own = [t for t in canaries.files(home, without=("lake",)) if not Path(t[0]).name.startswith("subjects.db")]
    texts = (("output", shown.out), ("errors", shown.err), ("logs", caplog.text))
    return [*((where, text.encode()) for where, text in texts), *stored, *own]


def good(*_: object) -> tuple[int, bytes]:
    return 200, json.dumps({"rows": ROWS}).encode()


def held(*_: object) -> tuple[int, bytes]:
    return 200, json.dumps({"rows": [{"身份证号": BROKEN[0], "姓名": BROKEN[1], "n": 1}]}).encode()


ENDS: dict[str, tuple[Answer, str, str]] = {
    "well": (good, "success", "^$"),
    "refused account": (lambda *_: (401, LEAKY), "failed", "refused the account"),
    "server error": (lambda *_: (500, LEAKY), "failed", "answers 500"),
    "bad JSON": (lambda *_: (200, LEAKY[:-9]), "failed", "no JSON"),
    "held": (held, "failed", "rejected"),
}


@pytest.mark.parametrize("case", ENDS)
def test_a_dag_leaves_no_secret_and_no_person_however_it_ends(
    case: str, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("connectors.wire.TRIES", 1)
    answer, state, reason = ENDS[case]
    assert run(answer, "airflow:department", "basic") == state
    assert re.search(reason, runs.recent(Hub().ledger, "people")[0].reason)
    assert canaries.found((*SECRETS, *PEOPLE), traces(home, capfd, caplog)) == []


def test_a_crash_inside_a_task_tells_its_place_and_not_what_it_held(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"{PEOPLE} {SECRETS}")

    monkeypatch.setattr("lake.landing.land", broken)
    assert run(good, "env:CANARY", "bearer") == "failed"
    assert "RuntimeError inside the hub at" in runs.recent(Hub().ledger, "people")[0].reason
    assert canaries.found((*SECRETS, *PEOPLE), traces(home, capfd, caplog)) == []


def test_a_connection_that_airflow_does_not_have_is_named(run: Run) -> None:
    assert run(good, "airflow:nobody", "basic") == "failed"
    assert "Airflow has no connection nobody → airflow connections add" in runs.recent(Hub().ledger, "people")[0].reason


def test_a_key_in_the_query_is_not_logged_by_a_task(
    run: Run, home: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[dict[str, str]] = []

    def answer(_path: str, query: dict[str, str], _token: str) -> tuple[int, bytes]:
        asked.append(query)
        return good()

    assert run(answer, "env:CANARY", "apikey", authParam="key") == "success"
    assert asked[0]["key"] == TOKEN
    assert canaries.found((*SECRETS, *PEOPLE), traces(home, capfd, caplog)) == []
