"""Rows of the subject store as fast as each database takes them: SQLite by prepared statements, PostgreSQL by binary COPY."""

import io
import struct
from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, String, Table

from ledger.database import Database, subject_tables

files = Table(
    "subject_files",
    subject_tables,
    Column("subject_key", LargeBinary(16), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("key_id", LargeBinary(4), nullable=False),
    Column("build", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
Row = tuple[bytes, str, bytes, int, bytes]
"""subject_key, kind, key_id, build, body"""

_NAMES = "subject_key, kind, key_id, build, body"
_CHANGED = "kind = excluded.kind, key_id = excluded.key_id, build = excluded.build, body = excluded.body"
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COUNT, _LENGTH, _END = struct.pack(">h", 5), struct.Struct(">i"), struct.pack(">h", -1)


def put(connection: Connection, rows: Sequence[Row], *, replace: bool = True) -> None:
    """Insert the rows inside the connection's transaction; of keys that are there the row is replaced, or else left as it is."""
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - the transaction holds it
    does = f"DO UPDATE SET {_CHANGED}" if replace else "DO NOTHING"
    if connection.dialect.name == "sqlite":
        driver.executemany(
            f"INSERT INTO subject_files ({_NAMES}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (subject_key) {does}", rows
        )
        return
    with driver.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE IF NOT EXISTS incoming (LIKE subject_files) ON COMMIT DELETE ROWS")
        data, copy = _binary(rows), f"COPY incoming ({_NAMES}) FROM STDIN (FORMAT binary)"
        if connection.dialect.driver == "psycopg2":
            cursor.copy_expert(copy, io.BytesIO(data))
        else:
            with cursor.copy(copy) as stream:
                stream.write(data)
        cursor.execute(
            f"INSERT INTO subject_files ({_NAMES}) SELECT {_NAMES} FROM incoming ON CONFLICT (subject_key) {does}"
        )


def remove(connection: Connection, keys: Sequence[bytes]) -> int:
    """Delete the rows of these keys inside the connection's transaction; how many there were."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    removed = 0
    for start in range(0, len(keys), 500):
        some = keys[start : start + 500]
        marks = ", ".join([mark] * len(some))
        removed += connection.exec_driver_sql(
            f"DELETE FROM subject_files WHERE subject_key IN ({marks})", tuple(some)
        ).rowcount
    return removed


def found(db: Database, keys: Sequence[bytes]) -> dict[bytes, Row]:
    """The rows of these keys, past SQLAlchemy: this is what every answer waits for."""
    query = f"SELECT {_NAMES} FROM subject_files WHERE subject_key IN ({', '.join('?' * len(keys))})"
    rows = db.points.rows(query, keys)
    return {bytes(row[0]): (bytes(row[0]), row[1], bytes(row[2]), row[3], bytes(row[4])) for row in rows}


def _binary(rows: Iterable[Row]) -> bytes:
    pack = _LENGTH.pack
    parts = [_HEADER]
    for key, kind, key_id, build, body in rows:
        name = kind.encode()
        parts += [
            _COUNT, pack(len(key)), key, pack(len(name)), name, pack(len(key_id)), key_id, pack(8), build.to_bytes(8, "big"),
            pack(len(body)), body,
        ]  # fmt: skip
    return b"".join([*parts, _END])
