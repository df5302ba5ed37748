"""What comes out of `.zip` and `.gz`, under which name, and what is refused unread."""

import gzip
import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from connector_stages import deliver

from connectors import deliveries, open_source
from connectors.formats import archives, weight
from schemas.contract import Source
from schemas.errors import HubError, SourceDamaged, SourceMissing

Rows = list[tuple[str, list[dict[str, Any]]]]


def packed(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def inside(path: Path, kind: str = "csv", **options: Any) -> Rows:
    source = Source(kind, "file://", path.name, options=options)
    found = deliveries(path, archives.ARCHIVES[path.suffix], source, name=path.name)
    return [(name, [row for batch in batches for row in batch.to_pylist()]) for name, batches in found]


def named_in_gbk(path: Path, name: str, content: bytes) -> None:
    """A member as Chinese Windows packs it: its name in GBK, without the flag that says UTF-8."""
    raw = name.encode("gbk")
    stand_in = "x" * len(raw)
    path.write_bytes(packed(path, (stand_in, content)).read_bytes().replace(stand_in.encode(), raw))


def test_each_member_is_a_file_of_its_own_sorted_and_named(tmp_path: Path) -> None:
    path = packed(
        tmp_path / "a.zip",
        ("b.csv", b"id\n2\n"),
        ("2026/a.csv", b"id\n1\n"),
        ("empty/", b""),
        ("__MACOSX/._b.csv", b"\0"),
    )
    assert inside(path) == [("a.zip/2026/a.csv", [{"_row": 1, "id": "1"}]), ("a.zip/b.csv", [{"_row": 1, "id": "2"}])]


def test_an_archive_lands_as_it_came_and_is_read_like_any_file(tmp_path: Path) -> None:
    path = packed(
        tmp_path / "a.zip", ("a.csv", "编号,名\n1,甲\n".encode("gb18030")), ("b.csv", "编号,名\n2,乙\n".encode())
    )
    source = Source("csv", "file://", "*.zip", sync="append")
    with open_source(source, secret=str, root=tmp_path) as connector:
        assert [c.name for c in connector.describe("*.zip")] == ["编号", "名"]
        assert "GB18030" in connector.probe().note
        with connector.read((), None) as reading:
            assert [(p.media, b"".join(p.chunks or ())) for p in reading.parts()] == [("zip", path.read_bytes())]
    found = deliver(open_source(source, secret=str, root=tmp_path), source, (), None, tmp_path / "landed")
    assert found.values("名") == ["甲", "乙"]


def test_members_are_chosen_by_a_pattern_and_none_is_left_out_without_one(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", ("说明.docx", b"read me"), ("data/a.csv", b"id\n1\n"), ("data/b.csv", b"id\n2\n"))
    with pytest.raises(SourceDamaged, match=r"a\.zip/说明\.docx is no csv file by its name → .*options\.member"):
        inside(path)
    assert [name for name, _ in inside(path, member="*.csv")] == ["a.zip/data/a.csv", "a.zip/data/b.csv"]
    assert [name for name, _ in inside(path, member="data/b*")] == ["a.zip/data/b.csv"]
    with pytest.raises(SourceMissing, match=r"no member \*\.tsv"):
        inside(path, member="*.tsv")


def test_a_name_in_gbk_is_read_as_such(tmp_path: Path) -> None:
    named_in_gbk(tmp_path / "a.zip", "登记表.csv", b"id\n1\n")
    assert [name for name, _ in inside(tmp_path / "a.zip")] == ["a.zip/登记表.csv"]


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        ("jsonl", "a.json", b'[{"id": 1}]'),
        ("jsonl", "a.jsonl", b'{"id": 1}\n'),
        ("csv", "a.tsv", b"id\tn\n1\t2,3\n"),
    ],
)
def test_every_format_is_read_out_of_both_kinds(tmp_path: Path, kind: str, name: str, content: bytes) -> None:
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    zipped, gzipped = inside(packed(tmp_path / "a.zip", (name, content)), kind), inside(tmp_path / f"{name}.gz", kind)
    assert zipped[0][1] == gzipped[0][1]
    assert zipped[0][1][0]["id"] == "1"
    assert gzipped[0][0] == f"{name}.gz/{name}"


def test_a_workbook_and_parquet_are_read_out_of_a_zip(tmp_path: Path) -> None:
    import openpyxl
    import pyarrow as pa
    import pyarrow.parquet as pq

    book, content = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["id"])
    book.active.append([1])
    book.save(content)
    assert inside(packed(tmp_path / "x.zip", ("a.xlsx", content.getvalue())), "xlsx")[0][1] == [{"_row": 1, "id": "1"}]
    content = io.BytesIO()
    pq.write_table(pa.table({"id": [1]}), content)
    assert inside(packed(tmp_path / "p.zip", ("a.parquet", content.getvalue())), "parquet")[0][1] == [
        {"_row": 1, "id": 1}
    ]


def link(path: Path) -> Path:
    info = zipfile.ZipInfo("a.csv")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return packed(path, (info, b"/etc/passwd"))


def twice(path: Path) -> Path:
    with pytest.warns(UserWarning, match="Duplicate"):
        return packed(path, ("a.csv", b"id\n1\n"), ("a.csv", b"id\n2\n"))


def encrypted(path: Path) -> Path:
    content = bytearray(packed(path, ("a.csv", b"id\n1\n")).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    return path


def flipped(path: Path) -> Path:
    """One byte of the content is another, its checksum the old."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", b"id\n1\n")
    path.write_bytes(path.read_bytes().replace(b"id\n1\n", b"id\n7\n"))
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: packed(p, ("../a.csv", b"id\n")), "leads elsewhere"),
        (lambda p: packed(p, ("/etc/a.csv", b"id\n")), "leads elsewhere"),
        (lambda p: packed(p, ("..\\a.csv", b"id\n")), "leads elsewhere"),
        (lambda p: packed(p, ("C:\\a.csv", b"id\n")), "leads elsewhere"),
        (link, "leads elsewhere"),
        (twice, r"two members a\.csv"),
        (encrypted, r"a\.csv is encrypted → ask for the archive without a password"),
        (flipped, r"a\.csv is broken off or no archive \(BadZipFile\)"),
        (lambda p: packed(p), "no member at all"),
        (lambda p: packed(p, ("a.csv", b"")), r"a\.csv is empty"),
        (lambda p: p.write_bytes(b"PK\x03\x04 cut") and p, "broken off or no archive"),
        (lambda p: p.write_bytes(packed(p, ("a.csv", b"id\n" * 999)).read_bytes()[:-30]) and p, "broken off or no archive"),
        (lambda p: p.write_bytes(b"") or p, r"a\.zip is empty"),
    ],
)  # fmt: skip
def test_an_archive_that_is_broken_or_meant_ill_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(HubError, match=message):
        inside(make(tmp_path / "a.zip"))


def test_a_zip_that_would_swell_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "a.zip", ("a.csv", b"0" * (80 << 20)))
    monkeypatch.setattr(archives, "spooled", lambda _: pytest.fail("unpacked"))
    with pytest.raises(SourceDamaged, match="would unpack to 80 MiB"):
        inside(path)


def test_a_gz_that_swells_is_stopped_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id\n" + b"0" * (40 << 20)))
    monkeypatch.setattr(weight, "SMALL", 10 << 20)
    with pytest.raises(SourceDamaged, match="would unpack to 11 MiB"):
        inside(tmp_path / "a.csv.gz")


@pytest.mark.parametrize("broken", ["cut", "flipped", "no gzip", "tar"])
def test_a_gz_that_is_not_whole_is_refused(tmp_path: Path, broken: str) -> None:
    content = bytearray(gzip.compress(b"id\n1\n" * 1000))
    path = tmp_path / ("a.tar.gz" if broken == "tar" else "a.csv.gz")
    if broken == "cut":
        content = content[:-6]
    elif broken == "flipped":
        content[-6] ^= 1
    elif broken == "no gzip":
        content = bytearray(b"id\n1\n")
    path.write_bytes(content)
    with pytest.raises(SourceDamaged, match=r"is a tar archive" if broken == "tar" else r"a\.csv\.gz is broken off"):
        inside(path)


def test_an_archive_with_too_many_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    with pytest.raises(SourceDamaged, match="more than 2 members"):
        inside(packed(tmp_path / "a.zip", *((f"{i}.csv", b"id\n") for i in range(3))))
