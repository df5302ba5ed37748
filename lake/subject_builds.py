"""Subject files in the lake: immutable Parquet parts, and numbered pointers that name them. The newest pointer is the publication.

1. A build writes its parts under names that nothing else has. No pointer names them yet: nobody sees them.
2. `publish` writes the next pointer, whole or not at all; of two builds that come at once one wins, the other is void.
3. A full build's parts are all there is; a build of touched subjects adds its parts behind those that are there. Of a subject the
   newest row counts. `compact` folds them into one again; `clean` removes what no kept pointer names.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from lake import crash
from lake.current import literal
from lake.durable import make_folder, sync_file, sync_folder, write_once
from schemas.errors import Superseded

TAIL_SHARE = 0.2
KEPT = 3


@dataclass(frozen=True)
class Part:
    """One Parquet file of a build: its name, its rows, and how many of them say that a subject has no file any more."""

    name: str
    rows: int
    gone: int
    build: int


@dataclass(frozen=True)
class Head:
    """What a pointer says; `version` is its own number.

    `upto` is the load of each dataset that the files are made of, `merges` the last decision on identifiers; `base` is the build that
    the first parts are whole up to; `layout` says how files are packed.
    """

    kind: str
    version: int
    build: int
    declaration: str
    upto: dict[str, int]
    merges: int
    base: int
    parts: tuple[Part, ...]
    layout: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows in all parts: subjects, and those that newer parts have replaced."""
        return sum(part.rows for part in self.parts)

    def since(self, build: int) -> tuple[Part, ...]:
        """The parts of builds after `build`."""
        return tuple(part for part in self.parts if part.build > build)


def folder(lake: Path, kind: str) -> Path:
    """Where a kind's parts and pointers lie."""
    return lake / "subjects" / kind


def head(lake: Path, kind: str) -> Head | None:
    """The newest pointer; None before the first build."""
    newest = max(folder(lake, kind).glob("*.json"), default=None)
    if newest is None:
        return None
    value = json.loads(newest.read_bytes())
    return Head(**{**value, "parts": tuple(Part(**part) for part in value["parts"])})


def new_part(lake: Path, kind: str, build: int, bucket: int) -> Path:
    """A path for a part that nothing else has."""
    make_folder(folder(lake, kind))
    return folder(lake, kind) / f"{build:09d}-{bucket:04d}-{uuid.uuid4().hex[:12]}.parquet"


def settled(path: Path, rows: int, gone: int, build: int) -> Part:
    """The part at `path`, forced to the disk."""
    sync_file(path)
    sync_folder(path.parent)
    crash.point("subjects.part")
    return Part(path.name, rows, gone, build)


def publish(lake: Path, new: Head) -> Head:
    """Make `new` the newest pointer; telling it again changes nothing.

    Raises:
        Superseded: another build came first.
    """
    path = folder(lake, new.kind) / f"{new.version:09d}.json"
    text = json.dumps(asdict(new), ensure_ascii=False, sort_keys=True).encode()
    make_folder(path.parent)
    newest = head(lake, new.kind)
    if newest is None or newest.version < new.version:
        crash.point("subjects.before-pointer")
        write_once(path, text)
    if not path.exists() or path.read_bytes() != text:
        raise Superseded(f"another build of {new.kind} files came before build {new.build}", todo="hub subject build")
    crash.point("subjects.after-pointer")
    return new


def live(lake: Path, found: Head, parts: tuple[Part, ...] | None = None) -> str:
    """SQL of the newest row of each subject in these parts (all, if none are named), `_gone` ones among them."""
    chosen = found.parts if parts is None else parts
    older, newer = (tuple(p for p in chosen if (p.build > found.base) is tail) for tail in (False, True))
    if not newer:
        return f"SELECT * FROM {_read(lake, found.kind, older)}"
    tail = (
        f"SELECT * EXCLUDE filename FROM {_read(lake, found.kind, newer, named=True)} "
        "QUALIFY row_number() OVER (PARTITION BY _id ORDER BY filename DESC) = 1"
    )
    if not older:
        return tail
    ids = f"SELECT _id FROM {_read(lake, found.kind, newer)}"
    return f"SELECT * FROM {_read(lake, found.kind, older)} WHERE _id NOT IN ({ids}) UNION ALL BY NAME {tail}"


def compact(lake: Path, kind: str, work: Path, memory_mb: int, *, always: bool = False) -> bool:
    """Fold all parts into one if those behind the base have grown to a fifth of it; whether that was done."""
    found = head(lake, kind)
    if found is None:
        return False
    tail = sum(part.rows for part in found.since(found.base))
    if not tail or not (always or tail >= TAIL_SHARE * found.rows):
        return False
    path = new_part(lake, kind, found.build, 0)
    with duckdb.connect() as con:
        con.execute(f"SET memory_limit = '{memory_mb:d}MB'")
        con.execute(f"SET temp_directory = {literal(str(work))}")
        con.execute("SET preserve_insertion_order = false")
        query = f"SELECT * FROM ({live(lake, found)}) WHERE _gone IS NULL"
        con.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")
        [(rows,)] = con.execute(f"SELECT count(*) FROM read_parquet({literal(str(path))})").fetchall()
    part = settled(path, rows, 0, found.build)
    publish(lake, replace(found, version=found.version + 1, base=found.build, parts=(part,)))
    return True


def clean(lake: Path, kind: str, *, now: datetime, grace: timedelta = timedelta(days=1)) -> int:
    """Remove older pointers and the parts that no kept one names, if they are older than `grace`; returns how many files."""
    pointers = sorted(folder(lake, kind).glob("*.json"))
    named = {part["name"] for path in pointers[-KEPT:] for part in json.loads(path.read_bytes())["parts"]}
    limit = (now - grace).timestamp()
    parts = [p for p in folder(lake, kind).glob("*.parquet") if p.name not in named]
    idle = [p for p in (*pointers[:-KEPT], *parts) if p.stat().st_mtime < limit]
    for path in idle:
        path.unlink()
    return len(idle)


def forget(lake: Path, kind: str, identifiers: tuple[str, ...]) -> int:
    """Rewrite every part without these subjects and remove all that named them; how many rows there were.

    For erasure alone: nobody else may be building, and older pointers go.
    """
    found = head(lake, kind)
    if found is None:
        return 0
    removed, parts = 0, []
    with duckdb.connect() as con:
        for part in found.parts:
            cut = _without(con, lake, found, part, identifiers)
            removed += part.rows - cut.rows
            parts.append(cut)
    publish(lake, replace(found, version=found.version + 1, parts=tuple(parts)))
    kept = {f"{found.version + 1:09d}.json", *(part.name for part in parts)}
    for path in folder(lake, kind).iterdir():
        if path.name not in kept:
            path.unlink()
    sync_folder(folder(lake, kind))
    return removed


def _without(con: duckdb.DuckDBPyConnection, lake: Path, found: Head, part: Part, identifiers: tuple[str, ...]) -> Part:
    source = _read(lake, found.kind, (part,))
    hit = "_id IN (SELECT unnest($ids)) OR len(list_intersect(coalesce(_former, []), $ids)) > 0"
    given: Mapping[str, Any] = {"ids": list(identifiers)}
    [(rows, gone)] = con.execute(
        f"SELECT count(*), count(*) FILTER (_gone) FROM {source} WHERE {hit}", given
    ).fetchall()
    if not rows:
        return part
    path = new_part(lake, found.kind, part.build, 0)
    con.execute(
        f"COPY (SELECT * FROM {source} WHERE NOT ({hit})) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)",
        given,
    )
    return settled(path, part.rows - rows, part.gone - gone, part.build)


def _read(lake: Path, kind: str, parts: tuple[Part, ...], *, named: bool = False) -> str:
    names = ", ".join(literal(str(folder(lake, kind) / part.name)) for part in parts)
    return f"read_parquet([{names}]{', filename=true' if named else ''})"
