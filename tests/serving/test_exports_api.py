"""Exports: the rows that are seen, in three forms, with a receipt before the first byte; safe in a spreadsheet; broken off by a revocation."""

import base64
import gc
import hashlib
import io
import json
import secrets
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from httpx import Response
from records_bench import CASE, HOUSES, NOW, PURPOSE, Bench

from access.extract import Wish
from hub.sharing import exports
from hub.sharing.exports import Exports
from ledger import budgets, grants
from ledger.audit import links
from ledger.grants import Grant

EXPORT = "/v1/datasets/houses/export"
IN_A = '[{"column": "district", "op": "eq", "value": "A"}]'
ROWS: list[dict[str, Any]] = [
    {"id": f"h{n:03}", "district": "AB"[n % 2], "owner": f"p{n % 7}", "floors": n or None, "fee": Decimal(n) / 4}
    for n in range(50)
]
READERS = {
    "parquet": lambda body: pq.read_table(io.BytesIO(body)),
    "arrow": lambda body: pa.ipc.open_stream(body).read_all(),
    "csv": lambda body: pa_csv.read_csv(io.BytesIO(body), convert_options=pa_csv.ConvertOptions(
        strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""], column_types={"fee": pa.decimal128(12, 2)})),
}  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    found = Bench.at(tmp_path)
    found.publish(ROWS)
    return found


def entries(bench: Bench) -> list[dict[str, Any]]:
    found = [json.loads(link.body) for link in links(bench.hub.audit)]
    return [body for body in found if body["kind"] == "entry"]


def rows(answer: Response, form: str) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    table: pa.Table = READERS[form](answer.content)
    return sorted(table.to_pylist(), key=lambda row: str(row["id"]))


@pytest.mark.parametrize("form", [*READERS])
def test_an_exports_memory_does_not_grow_with_the_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: exports.Form
) -> None:
    monkeypatch.setattr(exports, "MEMORY_MB", 64)
    bench = Bench.at(tmp_path)
    bench.allow()
    count = 600_000
    texts = pa.array([secrets.token_hex(250) for _ in range(1000)]).take(pa.array([n % 1000 for n in range(count)]))
    ids, floors = pa.array([f"h{n:07}" for n in range(count)]), pa.array(range(count), pa.int64())
    blank = pa.nulls(count, pa.string())
    bench.publish(
        pa.table(
            {"id": ids, "district": texts, "owner": blank, "floors": floors, "fee": blank.cast(pa.decimal128(12, 2))}
        )
    )
    del texts, ids, floors, blank
    reader: Any = bench.services.records.page.__self__  # type: ignore[attr-defined]
    making = Exports(reader)
    before = resident("VmRSS")
    made = making.export(Wish("portal", "houses", PURPOSE, case=CASE), form)
    sent = sum(len(piece) for piece in exports.pieces(made))
    grown = resident("VmHWM") - before
    assert (sent, made.receipt["rows"]) == (made.receipt["bytes"], count)
    assert grown < 160 << 20, f"{grown >> 20} MiB for {sent >> 20} MiB of {form}"


def resident(name: str) -> int:
    """Resident memory of this process in bytes: `VmRSS`, from which the peak is counted anew, or `VmHWM`, its peak since."""
    gc.collect()
    if name == "VmRSS":
        Path("/proc/self/clear_refs").write_text("5")
    (line,) = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(name)]
    return int(line.split()[1]) << 10


@pytest.mark.parametrize("form", [*READERS])
def test_every_form_holds_the_rows_that_are_seen_in_their_types(bench: Bench, form: str) -> None:
    bench.allow(row_filter=IN_A)
    answer = bench.get(EXPORT, format=form)
    assert rows(answer, form) == [row for row in ROWS if row["district"] == "A"]
    assert answer.headers["content-disposition"] == f'attachment; filename="houses-1.{form}"'


@pytest.mark.parametrize("form", [*READERS])
def test_a_receipt_tells_what_was_handed_out_and_the_audit_has_it_too(bench: Bench, form: str) -> None:
    bench.allow(fields=frozenset({"id", "floors"}))
    answer = bench.get(EXPORT, format=form, where="floors:ge:40", fields="id,floors,fee")
    sha256 = hashlib.sha256(answer.content).hexdigest()
    receipt = bench.get(f"/v1/receipts/{answer.headers['receipt']}").json()
    assert receipt == {
        "id": answer.headers["receipt"], "dataset": "houses", "load": 1, "purpose": PURPOSE, "basis": "duty", "grants": ["g1"],
        "fields": ["id", "floors"], "withheld": ["fee"], "format": form, "rows": 10, "bytes": len(answer.content), "sha256": sha256,
        "at": "2026-03-02T08:00:00Z",
    }  # fmt: skip
    assert base64.b64decode(answer.headers["repr-digest"].split(":")[1]).hex() == sha256
    assert (answer.headers["rows"], answer.headers["load"]) == ("10", "1")
    (entry,) = entries(bench)
    assert (entry["form"], entry["result"], entry["fields"], entry["grants"]) == (
        "houses",
        "answered",
        ["id", "floors"],
        ["g1"],
    )
    assert receipt["id"] in entry["detail"]
    assert sha256 in entry["detail"]
    assert bench.get(f"/v1/receipts/{receipt['id']}", "stranger").status_code == 404


def test_cells_that_are_withheld_are_named_where_grants_differ_by_row(bench: Bench) -> None:
    bench.allow("g1", fields=frozenset({"id", "floors"}))
    bench.allow("g2", fields=frozenset({"fee"}), row_filter=IN_A)
    found = rows(bench.get(EXPORT, fields="id,fee", format="arrow"), "arrow")
    assert {(row["fee"] is None, row["_withheld"]) for row in found} == {(False, ""), (True, "fee")}


DANGEROUS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "\u3000=1",
    "＝1",
    "'=1",
    "",
    None,
    "普通",
    "a=1",
    "-",
    "\ufeff=1",
    "1-1",
]


def test_no_text_in_csv_is_a_formula_and_other_forms_keep_it_as_it_is(bench: Bench) -> None:
    bench.publish(
        [
            {"id": f"h{n:02}", "district": text, "owner": None, "floors": -n, "fee": None}
            for n, text in enumerate(DANGEROUS)
        ]
    )
    bench.allow()
    shown = [row["district"] for row in rows(bench.get(EXPORT, format="csv"), "csv")]
    safe = [
        "'=1+1",
        "'+1",
        "'-1",
        "'@SUM(A1)",
        "'\t=1",
        "'\r=1",
        "' =1",
        "'\u3000=1",
        "'＝1",
        "''=1",
        "",
        None,
        "普通",
        "a=1",
        "'-",
        "'\ufeff=1",
        "1-1",
    ]
    assert shown == safe
    assert [row["floors"] for row in rows(bench.get(EXPORT, format="csv"), "csv")] == [
        -n for n in range(len(DANGEROUS))
    ]
    assert [row["district"] for row in rows(bench.get(EXPORT, format="parquet"), "parquet")] == DANGEROUS


def test_a_load_can_be_exported_as_it_was(bench: Bench) -> None:
    bench.publish([])
    bench.allow()
    assert len(rows(bench.get(EXPORT, format="arrow", as_of=1), "arrow")) == 50
    assert rows(bench.get(EXPORT, format="arrow"), "arrow") == []
    assert bench.get(EXPORT, as_of=9).json()["field"] == "as_of"


def test_without_a_grant_an_export_is_refused_as_for_a_dataset_that_is_not_there(bench: Bench) -> None:
    forbidden, absent = bench.get(EXPORT), bench.get("/v1/datasets/flats/export")
    assert (forbidden.status_code, forbidden.text) == (absent.status_code, absent.text) == (403, absent.text)


def test_an_export_of_more_subjects_than_the_budget_bears_is_refused_whole(bench: Bench) -> None:
    many = [{"id": f"h{n}", "district": "A", "owner": f"p{n}", "floors": 1, "fee": None} for n in range(110)]
    bench.publish(many)
    bench.allow()
    budgets.set_budget(bench.hub.ledger, "portal", PURPOSE, 5)
    answer = bench.get(EXPORT)
    assert (answer.status_code, answer.json()["limit"]) == (429, "over budget")
    assert entries(bench)[-1]["result"] == "over budget"
    bench.publish(many[:100])
    assert bench.get(EXPORT).status_code == 200
    (usage,) = budgets.usage(bench.hub.audit, NOW.date())
    assert usage.now == 100


def test_the_sending_breaks_off_when_a_grant_is_revoked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = bench.allow()
    monkeypatch.setattr(exports, "_PIECE", 64)
    desk = bench.services.desk
    reader: Any = bench.services.records.page.__self__  # type: ignore[attr-defined]
    made = Exports(reader).export(Wish("portal", "houses", PURPOSE, case=CASE), "csv")
    sent = exports.pieces(made)
    assert len(next(sent)) == 64
    grants.revoke(bench.hub.ledger, grant.id, NOW, by="office", why="ended")
    desk._next = float("-inf")  # a second later
    assert list(sent) == []
    assert made.receipt["bytes"] > 64


def test_no_more_exports_are_made_at_once_than_there_are_places(bench: Bench) -> None:
    bench.allow()
    made: Any = bench.services.records.receipt.__self__  # type: ignore[attr-defined]
    assert made.places.acquire(blocking=False)
    assert made.places.acquire(blocking=False)
    assert bench.get(EXPORT).status_code == 429
    made.places.release()
    assert bench.get(EXPORT).status_code == 200


def test_open_data_is_exported_without_a_budget(bench: Bench) -> None:
    grants.allow(bench.hub.ledger, Grant("o1", "stranger", "dataset", HOUSES.dataset, PURPOSE, "open", NOW), NOW)
    assert bench.get(EXPORT, "stranger", case=None).status_code == 200
    assert budgets.usage(bench.hub.audit, NOW.date()) == []
