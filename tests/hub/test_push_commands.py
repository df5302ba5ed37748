"""hub client add --push and hub inbox; what a pushed dataset's contract may say."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from city_bench import CITY
from library_bench import CONTRACT, lines

from connectors.inbox import Receipt
from hub import cli
from lake.inbox import Door
from schemas import odcs
from schemas.contract import Source
from schemas.errors import ContractInvalid

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HUB_DECLARATIONS", str(CITY))
    return tmp_path / "home"


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hub", *words])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def test_a_client_is_given_push_rights_and_shows_them(hub: Run) -> None:
    hub("contract", "apply", str(CONTRACT))
    made = json.loads(hub("client", "add", "library", "--push", "arrivals", "--json")[1])
    assert (made["client_id"], made["push"], "forms" in made) == ("library", ["arrivals"], False)
    (listed,) = json.loads(hub("client", "list", "--json")[1])
    assert (listed["push"], listed["grants"]) == (["arrivals"], [])


def test_a_client_that_may_do_nothing_or_push_what_is_not_there_is_not_added(hub: Run) -> None:
    assert hub("client", "add", "library")[0] == 3
    assert hub("client", "add", "library", "--push", "arrivals")[0] == 3
    assert json.loads(hub("client", "list", "--json")[1]) == []


def test_batches_are_listed_and_set_aside(hub: Run, home: Path) -> None:
    hub("contract", "apply", str(CONTRACT))
    receipt = arrive(home / "lake")
    (listed,) = json.loads(hub("inbox", "list", "arrivals", "--json")[1])
    assert (listed["id"], listed["records"], listed["status"]) == (receipt.id, 1, "received")
    assert hub("inbox", "discard", "arrivals", receipt.id, "--reason", "twice")[0] == 0
    assert json.loads(hub("inbox", "list", "arrivals", "--json")[1])[0]["reason"] == "twice"
    assert hub("inbox", "discard", "arrivals", "1", "--reason", "x")[0] == 3
    assert hub("inbox", "list", "residents")[0] == 3


def arrive(lake: Path) -> Receipt:
    door = Door(lake, "arrivals", "library", "incremental", 1 << 20, lambda: NOW)
    with door.open("k", "jsonl", complete=False) as arrival:
        arrival.write(lines(("c1", "林一", 1)))
        return arrival.seal(lambda _: None)[0]


def test_a_pushed_dataset_needs_no_address_and_no_cursor_and_is_read_as_utf_8() -> None:
    wanted = Source("push", "", "arrivals", sync="incremental", encoding="utf-8")
    assert odcs.load(CONTRACT).source == wanted
    text = CONTRACT.read_text(encoding="utf-8").replace("value: push", "value: pull")
    with pytest.raises(ContractInvalid, match="kind: push"):
        odcs.load(CONTRACT, text)
