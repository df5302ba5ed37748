"""A department's own system asks for its bad rows, corrects them and returns them; nobody else learns whether there are any."""

import base64
import csv
import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from httpx import Response
from library_bench import Library, library_at
from modes_bench import sieve_alone

from access.audit import read
from hub.pulling import pipeline
from hub.repair import quarantine_desk
from ledger import audit as audit_store
from ledger import clients as client_store
from ledger.clients import Client
from serving.quarantine import MEDIA

XLSX, CSV = MEDIA
CANARY = "c3-canary"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """Two cards published, two without a name set aside."""
    sieve_alone(monkeypatch)
    made = library_at(tmp_path)
    client_store.put(made.hub.ledger, Client("stranger", "陌生人", "Stranger", "-"), made.clock())
    made.send(("c1", "林一", 1), ("c2", "林二", 1), (CANARY, None, 7), ("c4", None, 8))
    made.pull()
    return made


def sent(
    library: Library, content: bytes, *, key: str = "k", media: str = CSV, code: str = "arrivals", **query: str
) -> Response:
    return library.call(
        "POST", f"{code}/quarantine", content=content, params=query, headers={"Content-Type": media, "Idempotency-Key": key}
    )  # fmt: skip


def handed(library: Library, form: str = "csv") -> Response:
    return library.call("GET", "arrivals/quarantine/file", params={"form": form})


def corrected(content: bytes, **names: str) -> bytes:
    """The file with names filled in, by card."""
    rows = [*csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))]
    for row in rows:
        row["姓名"] = names.get(row["卡号"].replace("-", "_"), row["姓名"])
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def audited(library: Library) -> list[tuple[str, str, str]]:
    entries = [read(link.body) for link in audit_store.links(library.hub.audit)]
    return [(e["client"], e["purpose"], e["result"]) for e in entries if e["kind"] == "entry"]


def test_the_department_sees_its_rows_as_it_delivered_them_with_reasons_in_both_languages(library: Library) -> None:
    answer = library.call("GET", "arrivals/quarantine")
    first, _ = answer.json()
    assert first["delivered"] == {"卡号": CANARY, "姓名": None, "次数": "7"}
    assert [r["rule"] for r in first["reasons"]] == ["name.required"]
    assert all(first["reasons"][0][tongue] for tongue in ("zh", "en", "fix_zh", "fix_en"))
    assert answer.headers["cache-control"] == "no-store"
    assert library.call("GET", "arrivals/quarantine", params={"rule": "other"}).json() == []
    assert [r for c, p, r in audited(library) if p == "quarantine show"] == ["2 rows shown", "0 rows shown"]


def test_the_file_comes_with_a_receipt_that_stands_in_the_audit(library: Library) -> None:
    for form, media in zip(("xlsx", "csv"), (XLSX, CSV), strict=True):
        answer = handed(library, form)
        digest = hashlib.sha256(answer.content)
        assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
        assert answer.headers["content-type"].startswith(media)
        assert answer.headers["receipt"] in answer.headers["content-disposition"]
        assert ("library", "quarantine export", f"2 rows, sha256 {digest.hexdigest()}") in audited(library)
    book = openpyxl.load_workbook(io.BytesIO(handed(library, "xlsx").content))
    assert book.sheetnames == ["问题数据 rows", "说明 guide"]


def test_a_corrected_file_is_published_while_the_caller_waits_and_told_row_by_row(library: Library) -> None:
    answer = sent(library, corrected(handed(library).content, c3_canary="林三"))
    told = answer.json()
    assert (answer.status_code, told["accepted"], told["wrong"], told["load"]) == (200, 1, 1, 2)
    assert [(r["record"], r["outcome"]) for r in told["records"]] == [(1, "accepted"), (2, "wrong")]
    assert told["records"][1]["reasons"][0]["fix_zh"]
    assert library.current()[CANARY] == ("林三", 7)
    assert [row["delivered"]["卡号"] for row in library.call("GET", "arrivals/quarantine").json()] == ["c4"]
    assert ("library", "quarantine upload", "2 rows received") in audited(library)


def test_the_same_request_again_gets_the_same_answer_and_another_body_is_refused(library: Library) -> None:
    content = corrected(handed(library).content, c3_canary="林三")
    first = sent(library, content).json()
    assert sent(library, content).json() == first
    refused = sent(library, corrected(content, c4="林四"))
    assert (refused.status_code, refused.json()["title"]) == (422, "invalid")
    assert sent(library, corrected(content, c4="林四"), key="k2").json()["accepted"] == 1


def test_while_the_first_request_is_under_way_the_same_again_is_told_409(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, seen = corrected(handed(library).content, c3_canary="林三"), []
    real = quarantine_desk.take_back

    def slow(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(quarantine_desk, "take_back", real)
        with ThreadPoolExecutor(1) as second:
            seen.append(second.submit(sent, library, content).result())
        return real(*given, **named)

    monkeypatch.setattr(quarantine_desk, "take_back", slow)
    assert sent(library, content).json()["accepted"] == 1
    assert [answer.status_code for answer in seen] == [409]
    assert [*(library.hub.lake / "returned").iterdir()] == []


def test_a_dry_run_publishes_nothing(library: Library) -> None:
    content = corrected(handed(library).content, c3_canary="林三")
    told = sent(library, content, dry_run="true").json()
    assert (told["accepted"], told["load"], CANARY in library.current()) == (1, None, False)
    assert sent(library, content).json()["load"] == 2


def test_whoever_may_not_learns_nothing_not_even_whether_there_is_such_a_dataset(library: Library) -> None:
    stranger = {"Authorization": "Bearer stranger"}
    content = handed(library).content
    for method, path in (("GET", "quarantine"), ("GET", "quarantine/file"), ("POST", "quarantine")):
        more: dict[str, Any] = {"content": content} if method == "POST" else {}
        headers = {**stranger, "Content-Type": CSV, "Idempotency-Key": "k"}
        answers = [
            library.call(method, f"{code}/{path}", headers=headers, **more)
            for code in ("arrivals", "nothing", "302001/000001")
        ]
        assert {a.status_code for a in answers} == {403}
        assert len({a.text for a in answers}) == 1
    assert [e for e in audited(library) if e[0] == "stranger"] == [("stranger", "quarantine", "refused: forbidden")] * 9
    client_store.allow_push(library.hub.ledger, "stranger", "arrivals", library.clock())
    assert library.call("GET", "arrivals/quarantine", headers=stranger).status_code == 200


def test_what_cannot_be_taken_is_refused_without_a_value_and_changes_nothing(library: Library) -> None:
    content = handed(library).content
    pipeline.claim(library.hub, "arrivals", "somebody")
    refused = {
        415: sent(library, content, media="application/json"),
        400: sent(library, content, key=""),
        422: sent(library, content.replace(",姓名,".encode(), ",名,".encode())),
        503: sent(library, content),
    }
    for status, answer in refused.items():
        assert answer.status_code == status, answer.text
        assert CANARY not in json.dumps(answer.json())
    assert refused[503].headers["retry-after"]
    assert set(library.current()) == {"c1", "c2"}


def test_a_file_beyond_the_limit_is_refused_however_it_comes(tmp_path: Path) -> None:
    library = library_at(tmp_path, push_max_mb=1)
    large = b"x" * ((1 << 20) + 1)
    assert sent(library, large).status_code == 413
    pieces = library.call(
        "POST", "arrivals/quarantine", content=_slowly(large), headers={"Content-Type": CSV, "Idempotency-Key": "k"}
    )
    assert pieces.status_code == 413


async def _slowly(content: bytes) -> Any:
    for start in range(0, len(content), 1 << 18):
        yield content[start : start + (1 << 18)]
