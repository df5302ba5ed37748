"""Which files a read takes, in which order, and what it refuses."""

import gzip
import json
import os
from pathlib import Path

import pytest
from connector_stages import CsvStage, deliver

from connectors import open_source
from schemas.contract import Source
from schemas.errors import ContractInvalid, HubError, Retry, SourceDamaged, SourceDenied, SourceMissing


@pytest.fixture
def drops(tmp_path: Path) -> CsvStage:
    stage = CsvStage(tmp_path)
    stage.write(["id"], [["1"]])
    return stage


def test_a_snapshot_over_a_pattern_is_the_newest_file_by_name(drops: CsvStage) -> None:
    drops.add([["2"]])
    os.utime(drops.root / "drops/records-001.csv")
    delivery = drops.deliver(table="drops/*.csv")
    assert delivery.parts == ["drops/records-002.csv"]
    assert delivery.values("id") == ["2"]
    assert delivery.watermark is None


def test_an_append_takes_new_content_only_whatever_its_name(drops: CsvStage) -> None:
    first = drops.deliver(sync="append")
    (drops.root / "drops/records-001.csv").rename(drops.root / "drops/renamed.csv")
    drops.add([["2"]])
    drops.write_file(drops.root / "drops/again.csv", [["2"]])
    second = drops.deliver(watermark=first.watermark, sync="append")
    assert second.values("id") == ["2"]
    drops.write_file(drops.root / "drops/renamed.csv", [["1 corrected"]])
    third = drops.deliver(watermark=second.watermark, sync="append")
    assert third.values("id") == ["1 corrected"]
    assert not third.complete
    assert all(len(content) == 64 for content, _ in json.loads(third.watermark or "").values())


def test_an_append_without_new_files_is_no_fault_but_one_that_never_had_any_is(drops: CsvStage) -> None:
    first = drops.deliver(sync="append")
    for file in (drops.root / "drops").iterdir():
        file.unlink()
    assert drops.deliver(watermark=first.watermark, sync="append").records == []
    with pytest.raises(SourceMissing, match="beside it: nothing"):
        drops.deliver(sync="append")


def test_a_file_counts_once_its_marker_is_there(drops: CsvStage) -> None:
    drops.options = {"done": ".ok"}
    with pytest.raises(SourceMissing, match="marker"):
        drops.deliver()
    (drops.root / "drops/records-001.csv.ok").touch()
    assert drops.deliver().values("id") == ["1"]


def test_a_file_that_changes_while_it_is_read_is_to_be_tried_again(drops: CsvStage) -> None:
    with drops.open() as connector, connector.read((), None) as reading:
        part = next(reading.parts())
        next(part.chunks or iter(()))
        drops.write_file(drops.root / "drops/records-001.csv", [["1"], ["2"]])
        with pytest.raises(Retry, match="changed while it was read"):
            list(part.chunks or ())


def test_parts_are_the_original_bytes(drops: CsvStage) -> None:
    original = (drops.root / "drops/records-001.csv").read_bytes()
    with drops.open() as connector, connector.read((), None) as reading:
        assert [b"".join(part.chunks or ()) for part in reading.parts()] == [original]


@pytest.mark.parametrize(
    "table", ["../secret.csv", "/etc/passwd", "drops/../../secret.csv", "link.csv", "drops/*/../../../*.csv"]
)
def test_paths_that_lead_out_of_the_root_are_refused(drops: CsvStage, table: str, tmp_path_factory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.csv"
    outside.write_text("id\n1\n")
    (drops.root / "link.csv").symlink_to(outside)
    with pytest.raises(SourceDenied, match="out of the drop root"):
        drops.deliver(table=table)


def test_a_root_with_pattern_characters_in_its_name_works(tmp_path: Path) -> None:
    root = tmp_path / "市[1]*"
    root.mkdir()
    stage = CsvStage(root)
    stage.write(["id"], [["1"]])
    assert stage.deliver(table="drops/*.csv").values("id") == ["1"]


def test_an_empty_file_is_refused_before_it_lands(drops: CsvStage) -> None:
    (drops.root / "drops/records-001.csv").write_bytes(b"")
    with pytest.raises(SourceDamaged, match=r"records-001\.csv is empty"):
        drops.deliver()


def test_a_misspelt_option_or_another_protocol_is_refused(tmp_path: Path) -> None:
    for source in (
        Source("csv", "file://", "a.csv", options={"headerrow": 2}),
        Source("csv", "ftp://example.org", "a.csv"),
        Source("csv", "file:///etc", "passwd.csv"),
        Source("csv", "https://user:word@example.org", "a.csv"),
        Source("csv", "https://example.org", "*.csv"),
        Source("csv", "sftp://example.org", "a.csv"),
        Source("csv", "s3://bucket?region=x", "a.csv"),
        Source("ftp", "", "a.csv"),
        Source("csv", "file://", "a.csv", options={"pagination": {}}),
    ):
        with pytest.raises(ContractInvalid):
            open_source(source, secret=str, root=tmp_path)


def test_parquet_keeps_its_types_and_names_its_faults(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"n": [1, 2], "名": ["a", None]}), tmp_path / "x.parquet")
    source = Source("parquet", "file://", "x.parquet")
    assert deliver(open_source(source, secret=str, root=tmp_path), source, (), None, tmp_path / "l").records == [
        {"_row": 1, "n": 1, "名": "a"},
        {"_row": 2, "n": 2, "名": None},
    ]
    (tmp_path / "x.parquet").write_bytes(gzip.compress(b"no parquet"))
    with pytest.raises(HubError, match=r"x\.parquet is no readable Parquet"):
        deliver(open_source(source, secret=str, root=tmp_path), source, (), None, tmp_path / "l")
