"""What arrived in an inbox is read once, in order of arrival, byte for byte."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from connector_stages import Delivery, columns, deliver

from connectors import open_source
from connectors.inbox import Receipt, body
from lake import inbox
from lake.inbox import Door
from schemas.contract import Source, SyncMode
from schemas.errors import ContractInvalid, SourceDamaged, SourceMissing

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SOURCE = Source("push", "", "arrivals", sync="incremental", encoding="utf-8")
WANTED = columns("id", "v")
Push = Callable[..., Receipt]


@pytest.fixture
def push(tmp_path: Path) -> Push:
    def one(*ids: str, complete: bool = False, sync: SyncMode = "incremental") -> Receipt:
        lines = "".join(f'{{"id": "{i}", "v": "{len(ids)}"}}\n' for i in ids).encode()
        key = f"{ids}{complete}"
        with Door(tmp_path, "arrivals", "bureau", sync, 1 << 20, lambda: NOW).open(
            key, "jsonl", complete=complete
        ) as arrival:
            arrival.write(lines)
            return arrival.seal(lambda _: None)[0]

    return one


def read(lake: Path, watermark: str | None = None, **changes: str) -> Delivery:
    source = replace(SOURCE, **changes)
    opened = open_source(source, secret=str, root=lake, inbox=inbox.root(lake))
    return deliver(opened, source, WANTED, watermark, lake / "landed")


def test_batches_come_in_order_of_arrival_and_only_once(tmp_path: Path, push: Push) -> None:
    first, second = push("1", "2"), push("2")
    delivery = read(tmp_path)
    assert delivery.parts == [f"{first.id}.jsonl", f"{second.id}.jsonl"]
    assert delivery.values("id") == ["1", "2", "2"]
    assert (delivery.watermark, delivery.complete, delivery.consistent) == (second.id, False, True)
    third = push("3")
    again = read(tmp_path, delivery.watermark)
    assert (again.values("id"), again.watermark) == (["3"], third.id)


def test_an_empty_inbox_is_no_fault_and_keeps_the_watermark(tmp_path: Path, push: Push) -> None:
    assert read(tmp_path).watermark is None
    mark = push("1").id
    assert (read(tmp_path, mark).parts, read(tmp_path, mark).watermark) == ([], mark)
    assert not read(tmp_path, mark).complete


@pytest.mark.parametrize("sync", ["snapshot", "incremental"])
def test_a_complete_batch_is_read_alone_in_the_place_of_all_before_it(
    tmp_path: Path, push: Push, sync: SyncMode
) -> None:
    push("1", complete=True, sync=sync)
    whole = push("2", "3", complete=True, sync=sync)
    later = push("4") if sync == "incremental" else None
    delivery = read(tmp_path, sync=sync)
    assert (delivery.values("id"), delivery.complete, delivery.watermark) == (["2", "3"], True, whole.id)
    assert "superseded" in delivery.note
    rest = read(tmp_path, delivery.watermark, sync=sync)
    assert (rest.values("id"), rest.complete) == (["4"] if later else [], False)


def test_a_discarded_batch_is_passed_over(tmp_path: Path, push: Push) -> None:
    bad, good = push("1"), push("2")
    inbox.discard(tmp_path, bad, reason="sent in error", at=NOW)
    assert read(tmp_path).parts == [good.name]


@pytest.mark.parametrize("harm", [lambda p: p.unlink(), lambda p: p.write_bytes(p.read_bytes().replace(b"1", b"7"))])
def test_a_batch_that_is_not_what_its_receipt_says_stops_the_read(
    tmp_path: Path, push: Push, harm: Callable[[Path], object]
) -> None:
    harm(body(inbox.folder(tmp_path, "arrivals"), push("1")))
    with pytest.raises(SourceDamaged, match="receipt"):
        read(tmp_path)


def test_a_watermark_of_another_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceDamaged, match="watermark"):
        read(tmp_path, '{"permits.csv": "0a1b"}')


def test_probe_describe_and_sample_look_at_the_newest_batch(tmp_path: Path, push: Push) -> None:
    with open_source(SOURCE, secret=str, root=tmp_path, inbox=inbox.root(tmp_path)) as opened:
        assert opened.probe().rows["arrivals"].count == 0
        with pytest.raises(SourceMissing, match="nothing has arrived"):
            opened.sample("arrivals", 1)
        push("1")
        push("2", "3")
        assert opened.probe().rows["arrivals"].count == 3
        assert [c.name for c in opened.describe("arrivals")] == ["id", "v"]
        assert opened.sample("arrivals", 1).to_pylist() == [{"id": "2", "v": "2"}]


def test_without_an_inbox_there_is_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(ContractInvalid):
        open_source(SOURCE, secret=str, root=tmp_path)
    with pytest.raises(ContractInvalid):
        open_source(replace(SOURCE, options={"done": ".ok"}), secret=str, root=tmp_path, inbox=tmp_path)
