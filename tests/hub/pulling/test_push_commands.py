"""hub client add --push and hub inbox; what a pushed dataset's contract may say."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_line import Run
from library_bench import CONTRACT, lines

from connectors.inbox import Receipt
from lake.inbox import Door
from schemas import odcs
from schemas.contract import Source
from schemas.errors import ContractInvalid

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_a_client_is_given_push_rights_and_shows_them(run: Run) -> None:
    run("contract", "apply", str(CONTRACT))
    made = json.loads(run("client", "add", "library", "--push", "arrivals", "--json")[1])
    assert (made["client_id"], made["push"], "forms" in made) == ("library", ["arrivals"], False)
    (listed,) = json.loads(run("client", "list", "--json")[1])
    assert (listed["push"], listed["grants"]) == (["arrivals"], [])


def test_a_client_that_may_do_nothing_or_push_what_is_not_there_is_not_added(run: Run) -> None:
    assert run("client", "add", "library")[0] == 3
    assert run("client", "add", "library", "--push", "arrivals")[0] == 3
    assert json.loads(run("client", "list", "--json")[1]) == []


def test_batches_are_listed_and_set_aside(run: Run, tmp_path: Path) -> None:
    run("contract", "apply", str(CONTRACT))
    receipt = arrive(tmp_path / "home" / "lake")
    (listed,) = json.loads(run("inbox", "list", "arrivals", "--json")[1])
    assert (listed["id"], listed["records"], listed["status"]) == (receipt.id, 1, "received")
    assert run("inbox", "discard", "arrivals", receipt.id, "--reason", "twice")[0] == 0
    assert json.loads(run("inbox", "list", "arrivals", "--json")[1])[0]["reason"] == "twice"
    assert run("inbox", "discard", "arrivals", "1", "--reason", "x")[0] == 3
    assert run("inbox", "list", "residents")[0] == 3


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
