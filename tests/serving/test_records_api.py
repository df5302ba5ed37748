"""Records over HTTP: pages of one load, conditions, what is told of what is not seen, revocation, budgets, and the audit before the answer."""

import json
from base64 import urlsafe_b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from records_bench import HOUSES, NOW, PURPOSE, Bench
from serving_city import Http

from hub import trail, web
from ledger import budgets, contracts, grants
from ledger import clients as client_store
from ledger.contracts import Application
from schemas.contract import Column
from serving.app import create_app

ROWS: list[dict[str, Any]] = [
    {"id": "h1", "district": "A", "owner": "p1", "floors": 3, "fee": "10.50"},
    {"id": "h2", "district": "A", "owner": "p2", "floors": 7, "fee": None},
    {"id": "h3", "district": "B", "owner": "p1", "floors": None, "fee": "0.05"},
    {"id": "h4", "district": None, "owner": None, "floors": 7, "fee": "3.00"},
]
HOME = "/v1/datasets/houses"
RECORDS, QUERY = f"{HOME}/records", f"{HOME}/records/query"
IN_A = '[{"column": "district", "op": "eq", "value": "A"}]'


def decimals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from decimal import Decimal

    return [{**row, "fee": None if row["fee"] is None else Decimal(row["fee"])} for row in rows]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    found = Bench.at(tmp_path)
    found.publish(decimals(ROWS))
    return found


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["records"]]


def entries(bench: Bench) -> list[dict[str, Any]]:
    from ledger.audit import links

    found = [json.loads(link.body) for link in links(bench.hub.audit)]
    return [body for body in found if body["kind"] == "entry"]


def test_rows_come_with_their_load_and_values_in_their_types(bench: Bench) -> None:
    bench.allow()
    answer = bench.get(RECORDS)
    page = answer.json()
    assert (page["dataset"], page["load"], page["published_at"], page["next"]) == (
        "houses",
        1,
        "2026-03-02T08:00:00Z",
        None,
    )
    assert (page["grants"], page["fields"], page["withheld"]) == (["g1"], [c.name for c in HOUSES.columns], [])
    assert page["records"] == [{**row, "fee": None if row["fee"] is None else float(row["fee"])} for row in ROWS]
    assert '"fee":10.50' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert ids(bench.get("/v1/datasets/304001/000001/records")) == ids(answer)


def test_conditions_are_met_in_addresses_and_bodies_alike(bench: Bench) -> None:
    bench.allow()
    asked = [("floors:ge:7", ["h2", "h4"]), ("district:in:A,B", ["h1", "h2", "h3"]), ("id:prefix:h", ["h1", "h2", "h3", "h4"]),
             ("floors:null", ["h3"]), ("floors:not_null", ["h1", "h2", "h4"]), ("district:ne:A", ["h3"]), ("fee:le:3.00", ["h3", "h4"]),
             ("fee:lt:3.00", ["h3"]), ("id:gt:h3", ["h4"]), ("id:eq:h2", ["h2"]), ("id:eq:h9", [])]  # fmt: skip
    for text, expected in asked:
        column, op, *value = text.split(":")
        in_body = {
            "column": column,
            "op": op,
            **({"value": value[0].split(",") if op == "in" else value[0]} if value else {}),
        }
        assert ids(bench.get(RECORDS, where=text)) == ids(bench.post(QUERY, where=[in_body])) == expected, text
    assert ids(bench.get(RECORDS, where=["floors:eq:7", "district:eq:A"])) == ["h2"]
    assert ids(bench.post(QUERY, where=[{"column": "owner", "op": "eq", "value": "p1"}])) == ["h1", "h3"]


def test_a_personal_column_is_kept_out_of_addresses(bench: Bench) -> None:
    bench.allow()
    answer = bench.get(RECORDS, where="owner:eq:p1")
    assert (answer.status_code, answer.json()["field"]) == (422, "where")
    assert "POST /v1/datasets/houses/records/query" in answer.json()["todo"]
    assert "p1" not in answer.text


def test_pages_are_of_one_load_whatever_is_published_meanwhile(bench: Bench) -> None:
    bench.allow()
    bench.publish(decimals([row for row in ROWS if row["id"] != "h4"]))
    first = bench.get(RECORDS, limit=2).json()
    bench.publish(decimals([{**row, "floors": 99} for row in ROWS] + [{**ROWS[0], "id": "h0"}]))
    second = bench.get(RECORDS, limit=2, cursor=first["next"]).json()
    assert [row["id"] for page in (first, second) for row in page["records"]] == ["h1", "h2", "h3"]
    assert (first["load"], second["load"], second["next"]) == (2, 2, None)
    assert all(row["floors"] != 99 for row in second["records"])
    assert ids(bench.get(RECORDS)) == ["h0", "h1", "h2", "h3", "h4"]
    assert ids(bench.get(RECORDS, as_of=1)) == ["h1", "h2", "h3", "h4"]
    assert (bench.get(RECORDS, as_of=9).status_code, bench.get(RECORDS, as_of=9).json()["field"]) == (422, "as_of")


def test_a_cursor_tells_nothing_and_continues_no_other_question(bench: Bench) -> None:
    bench.allow()
    bench.allow("g2", client="stranger")
    cursor = bench.get(RECORDS, limit=1).json()["next"]
    wrong = [
        bench.get(RECORDS, limit=1, cursor=cursor, where="floors:eq:7"),
        bench.get(RECORDS, limit=1, cursor=cursor, fields="id"),
        bench.get(RECORDS, limit=1, cursor=cursor, as_of=1),
        bench.get(RECORDS, "stranger", limit=1, cursor=cursor),
        bench.get(RECORDS, limit=1, cursor=cursor[:-3] + ("AAA" if cursor[-3:] != "AAA" else "BBB")),
        bench.get(RECORDS, limit=1, cursor="AAAA"),
        bench.get("/v1/datasets/houses/changes", limit=1, cursor=cursor),
    ]
    assert [(one.status_code, one.json()["field"]) for one in wrong] == [(422, "cursor")] * len(wrong)
    held = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    assert b'"h1"' not in held, "the key of the last row"


def test_a_row_outside_of_the_grant_is_like_one_that_is_not_there(bench: Bench) -> None:
    bench.allow(row_filter=IN_A)
    there, absent = bench.get(RECORDS, where="id:eq:h3"), bench.get(RECORDS, where="id:eq:h9")
    assert there.text == absent.text
    assert ids(bench.get(RECORDS)) == ["h1", "h2"]


def test_a_dataset_without_a_grant_is_like_one_that_is_not_there(bench: Bench) -> None:
    other = replace(HOUSES, dataset="flats", resource_code="304001/000002")
    contracts.apply(bench.hub.ledger, [Application(other, "", "2")], at=NOW)
    bench.allow()
    for ask in (
        "records",
        "changes",
        "records?fields=id",
        "records?where=id:eq:1",
        "records?as_of=7",
        "records?limit=0",
    ):
        path, _, query = ask.partition("?")
        given = dict([query.split("=", 1)]) if query else {}
        found = [
            bench.get(f"/v1/datasets/{name}/{path}", **given)
            for name in ("flats", "304001/000002", "absent", "304001/000009")
        ]
        assert len({(one.status_code, one.text, tuple(sorted(one.headers.items()))) for one in found}) == 1, ask
    body = {"where": [{"column": "salary", "op": "eq", "value": 7}]}
    found = [bench.post(f"/v1/datasets/{name}/records/query", **body) for name in ("flats", "absent")]
    assert {(one.status_code, one.text) for one in found} == {(403, found[0].text)}
    assert found[0].json()["reason"] == "no-grant"


def test_a_column_without_a_grant_is_like_one_that_is_not_there(bench: Bench) -> None:
    bench.allow(fields=frozenset({"id", "floors"}))
    page = bench.get(RECORDS, fields="id,fee,salary").json()
    assert (page["fields"], page["withheld"]) == (["id"], ["fee", "salary"])
    forbidden, absent = (bench.get(RECORDS, where=f"{name}:eq:1") for name in ("fee", "sal"))
    assert (forbidden.status_code, forbidden.text) == (absent.status_code, absent.text) == (422, absent.text)
    forbidden, absent = (bench.get(RECORDS, fields=name) for name in ("fee", "salary"))
    assert (forbidden.status_code, forbidden.text) == (absent.status_code, absent.text) == (403, absent.text)


def test_each_cell_is_held_to_a_grant_that_has_it_and_no_condition_asks_about_what_is_withheld(bench: Bench) -> None:
    bench.allow("g1", fields=frozenset({"id", "floors"}))
    bench.allow("g2", fields=frozenset({"fee"}), row_filter=IN_A)
    page = bench.get(RECORDS, fields="id,fee").json()
    assert page["records"] == [
        {"id": "h1", "fee": 10.5}, {"id": "h2", "fee": None}, {"id": "h3", "fee": None, "_withheld": ["fee"]},
        {"id": "h4", "fee": None, "_withheld": ["fee"]},
    ]  # fmt: skip
    assert ids(bench.get(RECORDS, where="fee:lt:11")) == ["h1"]
    assert ids(bench.get(RECORDS, where="fee:null")) == ["h2"]


def test_rows_whose_key_is_not_seen_come_in_an_order_that_tells_nothing_of_it(bench: Bench) -> None:
    bench.publish([{"id": f"h{n:03}", "district": "A", "owner": None, "floors": n, "fee": None} for n in range(60)])
    bench.allow(fields=frozenset({"floors"}))
    floors, cursor = [], ""
    while cursor is not None:
        page = bench.get(RECORDS, limit=7, cursor=cursor).json()
        floors += [row["floors"] for row in page["records"]]
        cursor = page["next"]
    assert sorted(floors) == [*range(60)]
    assert floors != sorted(floors)


def test_a_grant_whose_filter_is_none_under_the_contract_of_today_admits_no_row(bench: Bench) -> None:
    bench.allow(row_filter='[{"column": "left", "op": "eq", "value": "A"}]')
    assert ids(bench.get(RECORDS)) == []


def test_a_retired_dataset_is_not_there_any_more(bench: Bench) -> None:
    bench.allow()
    contracts.apply(bench.hub.ledger, [Application(replace(HOUSES, status="retired"), "", "2")], at=NOW)
    assert bench.get(RECORDS).status_code == 403


def test_a_column_that_came_later_is_null_in_older_loads(bench: Bench) -> None:
    bench.contract = replace(HOUSES, columns=(*HOUSES.columns, Column("lift", "电梯", "电梯", type="boolean")))
    contracts.apply(bench.hub.ledger, [Application(bench.contract, "", "2")], at=NOW)
    bench.publish([{**row, "lift": True} for row in decimals(ROWS)[:1]])
    bench.allow()
    assert bench.get(RECORDS, where="lift:eq:true").json()["records"][0]["lift"] is True
    assert {row["lift"] for row in bench.get(RECORDS, as_of=1).json()["records"]} == {None}


def test_what_basis_counts_follows_from_the_evidence(bench: Bench) -> None:
    bench.allow("g1", fields=frozenset({"id"}))
    bench.allow("g2", basis="open", fields=frozenset({"district"}))
    assert bench.get(RECORDS, case=None).json()["fields"] == ["district"]
    assert bench.get(RECORDS).json()["fields"] == ["id"]


def test_a_question_about_one_subject_gets_its_rows_alone_and_is_an_entry_about_it(bench: Bench) -> None:
    bench.allow()
    assert ids(bench.post(QUERY, kind="person", subject="p1")) == []  # identifiers are folded as registers write them
    bench.publish([{**row, "owner": row["owner"] and row["owner"].upper()} for row in decimals(ROWS)])
    assert ids(bench.post(QUERY, kind="person", subject=" p1 ")) == ["h1", "h3"]
    assert entries(bench)[-1]["subject"] == trail.called(bench.hub, "person", "P1")
    wrong = bench.post(QUERY, kind="enterprise", subject="x")
    assert (wrong.status_code, wrong.json()["field"]) == (422, "kind")


def test_the_entry_is_durable_before_the_answer_and_holds_no_value(bench: Bench) -> None:
    bench.allow()
    bench.post(QUERY, who="clerk 7", fields=["id", "fee"], where=[{"column": "owner", "op": "eq", "value": "p2"}])
    (entry,) = entries(bench)
    assert {name: entry[name] for name in ("client", "purpose", "form", "fields", "result", "basis", "evidence", "who", "grants", "detail")} == {
        "client": "portal", "purpose": PURPOSE, "form": "houses", "fields": ["id", "fee", "owner"], "result": "answered", "basis": "duty",
        "evidence": "2026-17", "who": "clerk 7", "grants": ["g1"], "detail": "1 rows of load 1",
    }  # fmt: skip
    assert "h2" not in json.dumps(entry)
    assert "p2" not in json.dumps(entry)


def test_without_the_audit_nothing_is_answered(bench: Bench) -> None:
    bench.allow()
    bench.services.desk._log.close()
    answer = bench.get(RECORDS)
    assert answer.status_code == 503
    assert "h1" not in answer.text


def test_a_refusal_leaves_an_entry(bench: Bench) -> None:
    bench.get(RECORDS, "stranger")
    bench.get("/v1/datasets/110101199003074610/records", "stranger")
    assert [(e["client"], e["form"], e["result"]) for e in entries(bench)] == [
        ("stranger", "houses", "refused: no-grant"), ("stranger", "", "refused: no-grant"),
    ]  # fmt: skip


def test_each_page_counts_once_against_a_quota(bench: Bench) -> None:
    bench.allow(quota=2)
    statuses = [bench.get(RECORDS, limit=3).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_the_subjects_of_rows_are_charged_each_once_unless_the_data_is_open(bench: Bench) -> None:
    bench.allow()
    bench.allow("g2", basis="open")
    bench.get(RECORDS, case=None)
    assert budgets.usage(bench.hub.audit, NOW.date()) == []
    bench.get(RECORDS)
    bench.get(RECORDS, where="floors:eq:7")
    (usage,) = budgets.usage(bench.hub.audit, NOW.date())
    assert (usage.client, usage.purpose, usage.now) == ("portal", PURPOSE, 2)


def test_a_page_about_more_subjects_than_the_budget_bears_is_not_answered(bench: Bench) -> None:
    bench.publish([{"id": f"h{n}", "district": "A", "owner": f"p{n}", "floors": 1, "fee": None} for n in range(120)])
    budgets.set_budget(bench.hub.ledger, "portal", PURPOSE, 5)
    bench.allow()
    answer = bench.get(RECORDS, limit=110)
    assert (answer.status_code, answer.json()["limit"]) == (429, "over budget")
    assert "h1" not in answer.text
    assert entries(bench)[-1]["result"] == "over budget"
    assert bench.get(RECORDS, limit=100).status_code == 200
    assert [bench.get(RECORDS, limit=110).status_code, bench.get(RECORDS, limit=100).status_code] == [429, 200]


def test_a_revoked_grant_is_dead_within_seconds_at_every_desk(bench: Bench) -> None:
    grant = bench.allow()
    other = replace(bench, services=(services := web.services(bench.hub)), http=Http(create_app(services)))
    for desk in (bench, other):
        desk.services.desk._monotonic = lambda: seconds[0]
    seconds = [0.0]
    assert [one.get(RECORDS).status_code for one in (bench, other)] == [200, 200]
    grants.revoke(bench.hub.ledger, grant.id, NOW, by="office", why="ended")
    seconds[0] = 1.0  # the desks look at the ledger once a second
    assert [one.get(RECORDS).status_code for one in (bench, other)] == [403, 403]


def test_a_sandbox_over_the_data_of_a_hub_finds_no_record_and_opens_no_ticket_about_one(tmp_path: Path) -> None:
    real, sandbox = Bench.at(tmp_path), Bench.at(tmp_path, personas="only")
    real.publish(decimals(ROWS))
    sandbox.allow()
    client_store.allow_push(sandbox.hub.ledger, "portal", "houses", NOW)
    claim = {"dataset": "houses", "column": "district", "key": {"id": "h1"}, "purpose": None, "case": None}
    for bench, found in ((real, {200, 201}), (sandbox, {404})):
        told = [bench.get(RECORDS), bench.get(f"{HOME}/changes", since=0), bench.get(f"{HOME}/export", format="csv")]
        told += [bench.post("/v1/disputes", **claim), bench.get("/v1/disputes", purpose=None, case=None)]
        told.append(bench.get(f"{HOME}/quarantine", purpose=None, case=None))
        assert {answer.status_code for answer in told} <= found
        assert ("h1" in "".join(answer.text for answer in told)) == (bench is real)


def test_what_is_not_to_be_shared_is_neither_told_nor_filtered_by_whatever_a_grant_says(tmp_path: Path) -> None:
    kept = tuple(replace(c, share_type=3) if c.name in ("id", "fee") else c for c in HOUSES.columns)
    bench = Bench.at(tmp_path, replace(HOUSES, columns=kept))
    bench.publish(decimals(ROWS))
    bench.allow()
    bench.allow("g2", fields=frozenset({"fee", "floors"}))
    page = bench.get(RECORDS).json()
    assert (page["fields"], page["withheld"]) == (["district", "owner", "floors"], [])
    assert [*page["records"][0]] == ["district", "owner", "floors"]
    asked = bench.get(RECORDS, fields="floors,fee").json()
    assert (asked["fields"], asked["withheld"]) == (["floors"], ["fee"])
    assert bench.get(RECORDS, where="fee:eq:3.00").status_code == 422
    assert bench.get(f"{HOME}/changes", since=0).status_code == 403
    exported = bench.get(f"{HOME}/export", format="csv").text
    assert "floors" in exported
    assert "fee" not in exported
    closed = Bench.at(tmp_path / "closed", replace(HOUSES, share_type=3))
    closed.publish(decimals(ROWS))
    closed.allow()
    assert [closed.get(path).status_code for path in (RECORDS, f"{HOME}/export?format=csv")] == [403, 403]
