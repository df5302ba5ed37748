"""Changes: replayed on what a client had of any load they give what it has now, for any history and any grants; and nothing else is told."""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records_bench import CASE, HOUSES, NOW, PURPOSE, Bench

from access.extract import Wish
from hub.sharing.records import Records
from ledger import contracts, grants
from ledger.contracts import Application
from ledger.grants import Grant

CHANGES = "/v1/datasets/houses/changes"
IN_A = '[{"column": "district", "op": "eq", "value": "A"}]'
_serial = count(1)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench.at(tmp_path_factory.mktemp("feed"))


@pytest.fixture
def houses(tmp_path: Any) -> Bench:
    return Bench.at(tmp_path)


def row(id_: str, district: str | None = "A", owner: str | None = None, floors: int | None = 1) -> dict[str, Any]:
    return {"id": id_, "district": district, "owner": owner, "floors": floors, "fee": None}


def told(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(change["op"], change["record"]["id"]) for change in answer.json()["changes"]]


def test_upserts_and_deletes_are_told_by_key_and_the_next_question_is_since_that_load(houses: Bench) -> None:
    houses.allow()
    houses.publish([row("h1"), row("h2"), row("h3")])
    houses.publish([row("h1"), row("h2", floors=9), row("h4")])
    page = houses.get(CHANGES, since=1).json()
    assert (page["since"], page["load"], page["next"]) == (1, 2, None)
    assert page["changes"] == [
        {"op": "upsert", "record": row("h2", floors=9)}, {"op": "delete", "record": {"id": "h3"}}, {"op": "upsert", "record": row("h4")},
    ]  # fmt: skip
    assert told(houses.get(CHANGES, since=2)) == []
    assert told(houses.get(CHANGES)) == [("upsert", "h1"), ("upsert", "h2"), ("upsert", "h4")]
    ahead = houses.get(CHANGES, since=3)
    assert (ahead.status_code, ahead.json()["field"]) == (422, "since")


def test_a_row_that_leaves_the_filter_is_a_delete_and_one_never_seen_is_nothing(houses: Bench) -> None:
    houses.allow(row_filter=IN_A)
    houses.publish([row("h1"), row("h2", "B"), row("h3", "B"), row("h4")])
    houses.publish([row("h1", "B"), row("h2", "A"), row("h3", "C"), row("h4", floors=2)])
    assert told(houses.get(CHANGES, since=1)) == [("delete", "h1"), ("upsert", "h2"), ("upsert", "h4")]
    assert houses.get(CHANGES, since=1).json()["changes"][0] == {"op": "delete", "record": {"id": "h1"}}


def test_a_change_in_what_is_withheld_is_not_told(houses: Bench) -> None:
    houses.allow(fields=frozenset({"id", "floors"}))
    houses.publish([row("h1"), row("h2")])
    houses.publish([row("h1", "B", "p1"), row("h2", floors=2)])
    assert told(houses.get(CHANGES, since=1)) == [("upsert", "h2")]


def test_what_came_and_went_in_between_is_not_told(houses: Bench) -> None:
    houses.allow()
    houses.publish([row("h1")])
    houses.publish([row("h1", floors=5), row("h2")])
    houses.publish([row("h1")])
    assert told(houses.get(CHANGES, since=1)) == []
    assert told(houses.get(CHANGES, since=2)) == [("upsert", "h1"), ("delete", "h2")]


def test_pages_of_changes_are_of_one_load(houses: Bench) -> None:
    houses.allow()
    houses.publish([row(f"h{n}") for n in range(5)])
    first = houses.get(CHANGES, limit=2).json()
    houses.publish([row(f"h{n}", floors=9) for n in range(4)])
    second = houses.get(CHANGES, limit=2, cursor=first["next"]).json()
    last = houses.get(CHANGES, limit=2, cursor=second["next"]).json()
    seen = [change for page in (first, second, last) for change in page["changes"]]
    assert [change["record"] for change in seen] == [row(f"h{n}") for n in range(5)]
    assert {page["load"] for page in (first, second, last)} == {1}
    assert len(told(houses.get(CHANGES, since=1))) == 5


def test_without_the_key_there_are_no_changes_to_tell(houses: Bench) -> None:
    houses.allow(fields=frozenset({"floors"}))
    houses.publish([row("h1")])
    answer = houses.get(CHANGES)
    assert (answer.status_code, answer.json()["reason"]) == (403, "no-key")


KEYS, DISTRICTS = ("h1", "h2", "h3", "h4"), ("A", "B", None)
states = st.dictionaries(
    st.sampled_from(KEYS), st.tuples(st.sampled_from(DISTRICTS), st.sampled_from((1, 2, None))), max_size=4
)
FILTERS = ("", IN_A, '[{"column": "floors", "op": "le", "value": 1}]', '[{"column": "district", "op": "null"}]')
some_grants = st.lists(
    st.tuples(
        st.sampled_from((None, frozenset({"id"}), frozenset({"id", "floors"}), frozenset({"district"}))),
        st.sampled_from(FILTERS),
    ),
    min_size=1,
    max_size=3,
    unique=True,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(states, min_size=1, max_size=5), some_grants, st.sampled_from((1, 2, 1000)))
def test_changes_since_any_load_turn_what_was_seen_then_into_what_is_seen_now(
    bench: Bench, history: list[dict[str, tuple[Any, Any]]], given_grants: list[tuple[Any, str]], limit: int
) -> None:
    number = next(_serial)
    contract = replace(HOUSES, dataset=f"houses{number}", resource_code=f"304001/9{number:05}")
    contracts.apply(bench.hub.ledger, [Application(contract, "", str(number))], at=NOW)
    one = replace(bench, contract=contract)
    keys = {key for state in history for key in state}
    for state in history:
        one.publish([row(key, district, None, floors) for key, (district, floors) in state.items()])
    for n, (fields, rows) in enumerate(given_grants):
        grant = Grant(
            f"{number}-{n}", "portal", "dataset", contract.dataset, PURPOSE, "duty", NOW, fields=fields, row_filter=rows
        )
        grants.allow(bench.hub.ledger, grant, NOW)
    bench.services.desk._next = float("-inf")
    if not any(fields is None or "id" in fields for fields, _ in given_grants):
        return
    reader: Records = bench.services.records.page.__self__  # type: ignore[attr-defined]
    wish = Wish("portal", contract.dataset, PURPOSE, case=CASE)
    now = _snapshot(reader, wish, len(history))
    for since in range(len(history) + 1):
        seen = _snapshot(reader, wish, since) if since else {}
        before, touched, cursor = dict(seen), set(), ""
        while cursor is not None:
            page = reader.changes(wish, since=since, limit=limit, cursor=cursor)
            for change in page["changes"]:
                key = change["record"]["id"]
                assert key not in touched
                touched.add(key)
                if change["op"] == "delete":
                    assert change["record"] == {"id": key}
                    del seen[key]
                else:
                    seen[key] = change["record"]
            cursor = page["next"]
        assert seen == now
        assert touched == {key for key in keys if before.get(key) != now.get(key)}


def _snapshot(reader: Records, wish: Wish, load: int) -> dict[str, dict[str, Any]]:
    """What is seen of a load, by key; rows whose key is withheld are no part of the feed."""
    rows = reader.page(wish, limit=1000, as_of=load)["records"]
    return {r["id"]: r for r in rows if "id" not in r.get("_withheld", ())}
