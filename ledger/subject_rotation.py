"""Rotation of the subject store's keys: every row written anew under the keys in use, slice by slice, beside readers and loads.

A row moves, as its place hangs on the key. Each slice is one transaction, so a killed rotation goes on where it was. What was loaded under the
new keys meanwhile is newer than what is moved, and stays.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Row as Selected
from sqlalchemy import select

from ledger import subject_merges, subject_rows
from ledger.carrying import carry_all
from ledger.database import Database
from ledger.subject_keys import SubjectKeys
from ledger.subject_rows import Row, files
from ledger.subject_seals import file_bodies, file_texts, is_file, pointed, pointer_body
from ledger.subject_store import layout_of, rekey
from schemas.errors import Stop

_SLICE = 2000
Named = Callable[[Mapping[str, Any], Mapping[str, bytes]], str]
"""Whose file it is, from its layout and its texts."""


def rotate(db: Database, keys: SubjectKeys, named: Named) -> int:
    """Bring every row under the keys in use; how many were under older ones.

    Raises:
        Stop: a row is under keys that are not in the ring.
    """
    with db.write(alone="subject keys") as connection:
        rekey(connection, keys.current.id)
        moved = subject_merges.rekey(connection, keys)
    last = b""
    layouts: dict[tuple[str, int], dict[str, Any]] = {}
    while True:
        query = select(files).where(files.c.subject_key > last).order_by(files.c.subject_key).limit(_SLICE)
        with db.write() as connection:
            rows = [_row(one) for one in connection.execute(query)]
            old = [row for row in rows if row[2] != keys.current.id]
            for kind, build in {(row[1], row[3]) for row in old} - layouts.keys():
                layouts[kind, build] = layout_of(connection, kind, build)
            subject_rows.put(
                connection, [_again(keys, row, layouts[row[1], row[3]], named) for row in old], replace=False
            )
            subject_rows.remove(connection, [row[0] for row in old])
        moved += len(old)
        if len(rows) < _SLICE:
            carry_all(db)
            return moved
        last = rows[-1][0]


def _again(keys: SubjectKeys, row: Row, layout: Mapping[str, Any], named: Named) -> Row:
    place, kind, key_id, build, body = row
    old, new = keys.under(key_id), keys.current
    if old is None:
        raise Stop(
            "rows of the subject store are under keys that are gone",
            todo="build all files again: hub subject build --full",
        )
    if not is_file(body):
        former, survivor = pointed(old, place, body)
        there = new.lookup(kind, former)
        return there, kind, new.id, build, pointer_body(new, there, former, survivor)
    texts = file_texts(old, place, layout["classes"], body)
    there = new.lookup(kind, named(layout, texts))
    [again] = file_bodies(new, list(texts), [(there, list(texts.values()))])
    return there, kind, new.id, build, again


def _row(one: Selected[Any]) -> Row:
    return bytes(one.subject_key), one.kind, bytes(one.key_id), one.build, bytes(one.body)
