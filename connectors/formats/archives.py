"""Archives: `.zip` with its members, `.gz` with its one file; landed as they came, unpacked only when they are decoded.

`options.member` is a pattern for the members that count (`*.csv`, `2026/licences_*.csv`); without it every member must be a file of the
source's format, so that none is left out unseen. Members come sorted by name, each named `ARCHIVE/MEMBER`. Names that say nothing of
their encoding are read as UTF-8 or else as GB 18030, as Chinese Windows writes them.

Nothing is unpacked to a path: a member goes to a file without a name, gone once it is read. Refused all the same, for whoever made
them meant no good: names that climb or begin at the root, links, two members of one name. Refused for what they are: encrypted
members, and what would unpack to far more than a delivery (`weight`).
"""

import gzip
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, Literal

from connectors.formats.weight import weigh
from connectors.options import options
from connectors.spool import spooled
from schemas.contract import Source
from schemas.errors import SourceDamaged, SourceMissing

MOST_BYTES = 16 << 30
MOST_MEMBERS = 10_000
ARCHIVES: dict[str, Literal["zip", "gz"]] = {".zip": "zip", ".gz": "gz"}
SUFFIXES = {
    "csv": (".csv", ".tsv", ".txt"),
    "xlsx": (".xlsx",),
    "jsonl": (".jsonl", ".json", ".ndjson"),
    "parquet": (".parquet",),
}
_BLOCK = 1 << 20
_AGAIN = "pack the files anew and send the archive again"
_UTF8_NAME, _ENCRYPTED = 0x800, 0x1
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError, RuntimeError)


def members(file: BinaryIO, media: Literal["zip", "gz"], source: Source, where: str) -> Iterator[tuple[str, BinaryIO]]:
    """Each file inside with its name, to be read and closed before the next is asked for."""
    return _zip(file, source, where) if media == "zip" else _gz(file, where)


def _zip(file: BinaryIO, source: Source, where: str) -> Iterator[tuple[str, BinaryIO]]:
    try:
        archive = zipfile.ZipFile(file)
    except _BROKEN as error:
        raise _damaged(where, error) from None
    with archive:
        chosen = _chosen(archive, source, where)
        weigh(
            sum(i.file_size for i in chosen.values()), sum(i.compress_size for i in chosen.values()), MOST_BYTES, where
        )
        for name, info in sorted(chosen.items()):
            inside = f"{where}/{name}"
            if info.flag_bits & _ENCRYPTED:
                raise SourceDamaged(f"{inside} is encrypted", todo="ask for the archive without a password")
            try:
                with archive.open(info) as member:
                    content = spooled(iter(lambda m=member: m.read(_BLOCK), b""))  # type: ignore[misc]
            except _BROKEN as error:
                raise _damaged(inside, error) from None
            yield inside, content


def _chosen(archive: zipfile.ZipFile, source: Source, where: str) -> dict[str, zipfile.ZipInfo]:
    pattern = str(options(source).get("member") or "")
    if len(archive.infolist()) > MOST_MEMBERS:
        raise SourceDamaged(f"{where} has more than {MOST_MEMBERS} members", todo="ask for smaller archives")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = _name(info)
        path = PurePosixPath(name)
        if info.is_dir() or name.endswith("/") or "__MACOSX" in path.parts or path.name == ".DS_Store":
            continue
        _check(info, name, where)
        if pattern and not path.match(pattern):
            continue
        if not pattern and path.suffix.lower() not in SUFFIXES[source.kind]:
            raise SourceDamaged(
                f"{where}/{name} is no {source.kind} file by its name", todo="say which members count: options.member"
            )
        if name in found:
            raise SourceDamaged(f"{where} has two members {name}", todo=_AGAIN)
        found[name] = info
    if not found:
        raise SourceMissing(
            f"{where} has no member {pattern or 'at all'}", todo="correct options.member, or ask for the file"
        )
    return found


def _name(info: zipfile.ZipInfo) -> str:
    """The member's name with slashes; one without the UTF-8 flag is whatever its bytes are."""
    name = info.orig_filename
    if not info.flag_bits & _UTF8_NAME:
        raw = name.encode("cp437")
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            name = raw.decode("gb18030", errors="replace")
    return name.replace("\\", "/")


def _check(info: zipfile.ZipInfo, name: str, where: str) -> None:
    path = PurePosixPath(name)
    link = stat.S_ISLNK(info.external_attr >> 16)
    if link or path.is_absolute() or ".." in path.parts or "\0" in name or path.parts[0].endswith(":"):
        raise SourceDamaged(f"{where} has a member that is a link or leads elsewhere ({name!r})", todo=_AGAIN)


def _gz(file: BinaryIO, where: str) -> Iterator[tuple[str, BinaryIO]]:
    inside = f"{where}/{PurePosixPath(where).name.removesuffix('.gz')}"
    if inside.endswith(".tar"):
        raise SourceDamaged(f"{where} is a tar archive", todo="ask for .zip, or for one file in .gz")
    packed = file.seek(0, 2)
    file.seek(0)
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as content:
            unpacked = spooled(_within(content, packed, where))
    except _BROKEN as error:
        raise _damaged(where, error) from None
    yield inside, unpacked


def _within(content: gzip.GzipFile, packed: int, where: str) -> Iterator[bytes]:
    total = 0
    while block := content.read(_BLOCK):
        total += len(block)
        weigh(total, packed, MOST_BYTES, where)
        yield block


def _damaged(where: str, error: Exception) -> SourceDamaged:
    return SourceDamaged(f"{where} is broken off or no archive ({type(error).__name__})", todo=_AGAIN)
