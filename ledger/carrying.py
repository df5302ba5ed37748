"""SQLite's log carried into its file: beside whoever writes, so that no commit waits until it is done, and at the end of a load.

SQLite has a commit do it that finds the log long enough: at 64 MB that one waits for some 75 ms, and everybody behind it. Here a thread
carries over what came in the last moment while commits go on. All of it carried over, whoever writes next begins the log anew; where
commits leave no moment for that and it grows long, they are held off for the short rest.

A page that is in the log is looked for there, each time it is read, and not read where the kernel has the file (`mmap_size`). So a load ends with
`carry_all`: else its last 64 MB would slow every look-up until somebody writes again.

SQLite before 3.51.3 loses pages where the log begins anew while a second carrying over begins (https://sqlite.org/wal.html#walresetbug). So
there is one carrier for a file, whichever process, and it begins only behind a reader that stands in the log, before which it cannot
begin anew: one that has seen what is new since the last time, all of which was carried over by then.
"""

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ledger.database import Database

EVERY_SECONDS, REST_SECONDS = 0.02, 1.0
LONG_PAGES = 8000
_HOLD_MS = 200
_NEVER = -1
"""A version that no database has."""


class Carrier:
    """The thread, as a context; on a server's database it does nothing, nor while another carrier has the file."""

    def __init__(self, db: Database, *, every: float = EVERY_SECONDS, long: int = LONG_PAGES) -> None:
        """`every`: seconds between two rounds, fewer rounds where nothing comes; `long`: pages of a log that is to begin anew."""
        self._db, self._every, self._long = db, every, long
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="carrier", daemon=True)

    def __enter__(self) -> Self:
        if self._db.is_sqlite:
            self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._db.is_sqlite:
            self._thread.join()

    def _run(self) -> None:
        path = Path(f"{self._db.engine.url.database}-carrier")
        with path.open("wb") as only, _own(self._db) as reader, _own(self._db) as writer:
            while not _taken(only):
                if self._ended.wait(REST_SECONDS):
                    return
            pause, seen, long = self._every, version(reader), False
            while not self._ended.wait(pause):
                before = seen
                with suppress(sqlite3.OperationalError):  # of a full disk whoever commits is told
                    seen, left = carry(reader, writer, seen, hold=long)
                    long = left >= self._long
                pause = self._every if seen != before else min(2 * pause, REST_SECONDS)


def carry_all(db: Database) -> None:
    """Carry all of a SQLite database's log over while nobody commits; where it cannot be now, the log stays as it is. A server needs none."""
    if db.is_sqlite:
        with _own(db) as reader, _own(db) as writer, suppress(sqlite3.OperationalError):
            carry(reader, writer, _NEVER, hold=True)


def carry(reader: Any, writer: Any, seen: int, *, hold: bool = False) -> tuple[int, int]:
    """Carry over by `writer` what is new since version `seen`; the version that `reader` saw now, and the pages of a log that is not all over.

    Two connections, at no work. `hold`: nobody commits meanwhile, so that all of it is. Raises sqlite3.OperationalError.
    """
    reader.execute("BEGIN IMMEDIATE" if hold else "BEGIN")
    try:
        found = version(reader)
        if found == seen:
            return seen, 0
        _, log, carried = writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    finally:
        reader.execute("ROLLBACK")
    return found, log if carried < log else 0


def version(connection: Any) -> int:
    """A number that is another one whenever somebody else has committed."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


@contextmanager
def _own(db: Database) -> Iterator[Any]:
    """A connection which nobody else gets from the pool."""
    pooled = db.engine.raw_connection()
    driver = pooled.driver_connection
    assert driver is not None  # noqa: S101 - the connection is open
    pooled.detach()
    try:
        driver.execute(f"PRAGMA busy_timeout={_HOLD_MS}")
        yield driver
    finally:
        driver.close()


def _taken(file: Any) -> bool:
    """Whether this process has the file now, to the end of its days."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
