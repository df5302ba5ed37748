"""Departments send batches: the same request gets the same receipt, any other is refused with the reason, never with a value."""

import asyncio
import hashlib
import io
import json
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from httpx import ASGITransport, AsyncClient, Response
from serving_city import LIMIT, City, Http

from access.audit import read
from connectors.inbox import Receipt, body, sealed
from lake import inbox
from ledger import audit as audit_store
from ledger import clients as client_store
from schemas.errors import AuditUnavailable
from serving import bodies
from serving import push as push_room

LINES = '{"id": "1", "姓名": "张三"}\n{"id": "2", "姓名": null}\n'.encode()
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
CANARY = "310101199003074610"


def send(
    city: City, content: Any = LINES, *, key: str | None = "k1", dataset: str = "arrivals", query: str = "",
    media: str = NDJSON, token: str | None = None, **headers: str,
) -> Response:  # fmt: skip
    head = {"Authorization": f"Bearer {token or city.token()}", "Content-Type": media, **headers}
    if key is not None:
        head["Idempotency-Key"] = key
    return city.http.post(f"/v1/datasets/{dataset}/records{query}", content=content, headers=head)


def kept(city: City, dataset: str = "arrivals") -> list[Receipt]:
    return sealed(inbox.folder(city.lake, dataset))


def audited(city: City) -> list[tuple[str, str, str]]:
    """Purpose, dataset and result of every entry."""
    entries = [read(link.body) for link in audit_store.links(city.audit)]
    return [(e["purpose"], e["form"], e["result"]) for e in entries if e["kind"] == "entry"]


def stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


TABLE = pa.table({"id": ["1", "2"], "n": [1, None]})


def test_a_batch_gets_a_receipt_and_its_bytes_are_kept_as_they_came(city: City) -> None:
    answer = send(city)
    receipt = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/datasets/arrivals/receipts/{receipt['id']}"
    assert answer.headers["idempotency-replayed"] == "false"
    assert (receipt["dataset"], receipt["records"], receipt["bytes"]) == ("arrivals", 2, len(LINES))
    assert receipt["sha256"] == hashlib.sha256(LINES).hexdigest()
    (only,) = kept(city)
    assert body(inbox.folder(city.lake, "arrivals"), only).read_bytes() == LINES
    assert city.get(answer.headers["location"]).json()["id"] == receipt["id"]
    assert city.woken == ["arrivals"]


def test_the_same_key_and_body_get_the_same_receipt_to_the_byte(city: City) -> None:
    first = send(city)
    city.clock.now += timedelta(seconds=100)
    again = send(city, key='"k1"')  # quoted, as a structured field is
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(kept(city)) == 1
    assert audited(city) == [("push", "arrivals", "accepted"), ("push", "arrivals", "replayed")]


@pytest.mark.parametrize(
    ("content", "query", "media"),
    [(LINES + b'{"id": "3"}\n', "", NDJSON), (LINES, "?complete=true", NDJSON), (b"", "", NDJSON)],
)
def test_the_same_key_with_another_body_is_refused_and_nothing_changes(
    city: City, content: bytes, query: str, media: str
) -> None:
    send(city)
    answer = send(city, content, query=query, media=media)
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    assert len(kept(city)) == 1
    assert send(city).status_code == 201


def test_a_key_belongs_to_its_client_and_its_dataset(city: City) -> None:
    client_store.allow_push(city.ledger, "ungranted", "arrivals", city.clock())
    for sent in (send(city), send(city, token=city.token("ungranted")), send(city, dataset="events")):
        assert sent.headers["idempotency-replayed"] == "false"
    assert (len(kept(city)), len(kept(city, "events"))) == (2, 1)


def test_a_refused_body_does_not_use_its_key_up(city: City) -> None:
    assert send(city, b"not json").status_code == 422
    assert send(city).status_code == 201


def test_without_a_fitting_key_the_answer_is_400(city: City) -> None:
    for key in (None, "", '""', "a" * 256, 'with"quote', "tab\there"):
        answer = send(city, key=key)
        assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")
    assert kept(city) == []


def test_while_the_first_request_is_under_way_the_second_is_told_409(city: City) -> None:
    with city.services.inbox.door("portal", "arrivals").open("k1", "jsonl", complete=False) as arrival:
        arrival.write(LINES)
        answer = send(city)
        assert (answer.status_code, answer.json()["title"]) == (409, "conflict")
        assert send(city, key="k2").status_code == 201
    assert send(city).status_code == 201


def test_of_many_requests_at_once_with_one_key_one_batch_is_kept_and_all_receipts_agree(city: City) -> None:
    together(city, ["one"] * 8)
    answers = together(city, ["one"] * 4)
    assert {a.status_code for a in answers} <= {201, 409}
    assert len({a.content for a in answers if a.status_code == 201}) == 1
    assert len(kept(city)) == 1


def test_many_requests_at_once_are_all_kept_in_one_order(city: City) -> None:
    answers = together(city, [f"key-{n}" for n in range(16)])
    assert [a.status_code for a in answers] == [201] * 16
    assert sorted(a.json()["id"] for a in answers) == [r.id for r in kept(city)]
    assert len({r.id for r in kept(city)}) == 16


def together(city: City, keys: Iterable[str]) -> list[Response]:
    """One request a key, each in a thread with a client of its own."""
    answers: list[Response] = []
    headers = {"Authorization": f"Bearer {city.token()}", "Content-Type": NDJSON}

    async def one(key: str) -> None:
        async with AsyncClient(transport=ASGITransport(city.app), base_url="http://hub.test") as client:
            head = {**headers, "Idempotency-Key": key}
            answers.append(await client.post("/v1/datasets/arrivals/records", content=LINES, headers=head))

    threads = [threading.Thread(target=lambda key=key: asyncio.run(one(key))) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_an_unknown_dataset_and_a_forbidden_one_answer_alike(city: City) -> None:
    token = city.token("ungranted")
    forbidden = send(city, token=token)
    unknown = send(city, token=token, dataset="no-such-thing")
    assert (forbidden.status_code, forbidden.json()) == (403, unknown.json())
    assert kept(city) == []
    assert audited(city) == [
        ("push", "arrivals", "refused: forbidden"),
        ("push", "no-such-thing", "refused: forbidden"),
    ]
    for dataset in ("arrivals", "no-such-thing"):
        assert city.get(f"/v1/datasets/{dataset}/receipts/1", token).json() == forbidden.json()


def test_a_withdrawn_right_and_a_switched_off_client_push_no_more(city: City) -> None:
    token = city.token()
    client_store.withdraw_push(city.ledger, "portal", "arrivals")
    assert send(city, token=token).status_code == 403
    client_store.set_active(city.ledger, "portal", active=False)
    assert send(city, token=token, dataset="events").status_code == 401


def test_an_address_that_is_no_dataset_s_name_is_not_written_down(city: City) -> None:
    assert send(city, dataset=CANARY).status_code == 403
    assert audited(city) == [("push", "", "refused: forbidden")]


def test_another_media_type_and_compressed_bodies_are_refused_unread(city: City) -> None:
    for media, encoding in (
        ("application/json", ""), ("text/csv", ""), ("", ""), (NDJSON, "gzip"), (ARROW, "identity, zstd"),
    ):  # fmt: skip
        answer = send(city, media=media, **({"Content-Encoding": encoding} if encoding else {}))
        assert (answer.status_code, answer.json()["title"]) == (415, "unsupported")
    assert audited(city) == [("push", "arrivals", "refused: unsupported")] * 5


def test_parameters_of_the_media_type_and_letter_case_do_not_matter(city: City) -> None:
    assert send(city, media="Application/JSONL; charset=utf-8", **{"Content-Encoding": "identity"}).status_code == 201


@pytest.mark.parametrize("told", [True, False])
def test_a_body_beyond_the_limit_is_refused_whether_its_length_was_told_or_not(city: City, told: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LIMIT // 1000 + 1):
            yield b" " * 999 + b"\n"

    answer = send(city, b" " * (LIMIT + 1) if told else pieces())
    assert (answer.status_code, answer.json()["limit"]) == (413, LIMIT)
    assert list(inbox.folder(city.lake, "arrivals").glob("*/*")) == []


def test_a_line_out_of_order_is_named_by_its_number_and_never_shown(city: City) -> None:
    answer = send(city, LINES + f'\n{{"id": "{CANARY}"\n{{"id": "{CANARY}"}}'.encode())
    problem = answer.json()
    assert (answer.status_code, problem.get("line")) == (422, 4), problem
    assert "line 4" in problem["detail"]
    assert CANARY not in answer.text
    assert kept(city) == []
    assert list(inbox.folder(city.lake, "arrivals").glob("*/*")) == []
    assert audited(city) == [("push", "arrivals", "refused: invalid")]


def test_a_body_without_a_record_is_refused(city: City) -> None:
    for key, empty in {"k1": b"", "k2": b"\n\n", "k3": b"  \n"}.items():
        assert "no record" in send(city, empty, key=key).json()["detail"]


def test_an_arrow_stream_is_taken_as_it_is(city: City) -> None:
    answer = send(city, stream(TABLE), media=ARROW)
    assert (answer.status_code, answer.json()["records"], answer.json()["media"]) == (201, 2, "arrow")


def test_a_stream_that_is_not_whole_is_refused(city: City) -> None:
    answer = send(city, stream(TABLE)[:-8], media=ARROW)
    assert (answer.status_code, "end mark" in answer.json()["detail"]) == (422, True)
    assert kept(city) == []


def test_a_broken_off_body_is_no_batch_and_its_key_is_free(city: City) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield LINES
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        send(city, broken())
    assert kept(city) == []
    assert send(city).status_code == 201


def test_a_body_that_stops_arriving_is_given_up(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE_SECONDS", 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield LINES
        await asyncio.Event().wait()

    answer = send(city, stalled())
    assert (answer.status_code, answer.json()["detail"]) == (503, "the body stopped arriving")
    monkeypatch.undo()
    assert send(city).status_code == 201


def test_a_full_disk_is_told_as_such_and_leaves_nothing(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("lake.inbox.os.fsync", full)
        answer = send(city)
        assert (answer.status_code, "No space" in answer.json()["detail"]) == (503, True)
    assert kept(city) == []
    assert send(city).status_code == 201


def test_without_the_audit_nothing_is_taken_in(city: City) -> None:
    def down(_entry: object) -> None:
        raise AuditUnavailable("no audit")

    closed = Http(city.with_services(record=down))
    head = {"Authorization": f"Bearer {city.token()}", "Content-Type": NDJSON, "Idempotency-Key": "k1"}
    assert closed.post("/v1/datasets/arrivals/records", content=LINES, headers=head).status_code == 503
    assert kept(city) == []


def test_whole_tables_are_said_to_be_whole_where_the_contract_lets_them(city: City) -> None:
    for number, (dataset, query, status) in enumerate(
        (
            ("registers", "", 422), ("registers", "?complete=true", 201), ("arrivals", "?complete=true", 201),
            ("events", "?complete=true", 422), ("events", "?complete=false", 201), ("arrivals", "?complete=maybe", 422),
        )
    ):  # fmt: skip
        answer = send(city, dataset=dataset, query=query, key=f"k{number}")
        assert answer.status_code == status
        assert status == 201 or answer.json()["field"] == "complete"


def test_a_clock_set_back_does_not_change_the_order_of_arrival(city: City) -> None:
    first = send(city).json()["id"]
    city.clock.now -= timedelta(seconds=90)
    assert send(city, key="k2").json()["id"] > first


def test_an_unknown_receipt_is_a_404(city: City) -> None:
    send(city)
    for receipt in ("0", "9999999999999999", "..", "*", "1772438400000000*"):
        assert city.get(f"/v1/datasets/arrivals/receipts/{receipt}").status_code == 404


def test_memory_does_not_grow_with_the_body(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    line = json.dumps({"id": "x" * 8000}).encode() + b"\n"

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4000):
            yield line

    monkeypatch.setattr("serving_city.LIMIT", 1 << 30)
    tracemalloc.start()
    answer = send(city, pieces())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (answer.status_code, answer.json()["records"]) == (201, 4000)
    assert peak < 8 << 20, f"{peak >> 20} MiB for a body of {answer.json()['bytes'] >> 20} MiB"


def test_the_open_description_tells_what_is_taken(city: City) -> None:
    route = city.http.get("/openapi.json").json()["paths"]["/v1/datasets/{code}/records"]["post"]
    assert set(route["requestBody"]["content"]) == set(push_room.MEDIA)
    assert {p["name"] for p in route["parameters"]} == {"code", "complete", "Idempotency-Key"}
