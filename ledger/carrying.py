"""SQLite's log carried into its file beside whoever writes, so that no commit waits until it is done.

SQLite has a commit do it that finds the log long enough: at 64 MB that one waits for some 75 ms, and everybody behind it. Here a thread
carries over what came in the last moment while commits go on, and lets the log begin anew when it is long, which is short work by then.
Where a reader keeps it from that, the log grows, at last to what a commit sees to itself.
"""

import sqlite3
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from ledger.database import Database

EVERY_SECONDS, REST_SECONDS = 0.02, 1.0
LONG_PAGES = 8000


class Carrier:
    """The thread, as a context; on a server's database it does nothing."""

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
        with self._db.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None  # noqa: S101 - the connection is open
            # It never waits: who begins the log anew holds every writer up meanwhile.
            driver.execute("PRAGMA busy_timeout=0")
            pause, before = self._every, None
            while not self._ended.wait(pause):
                found = self._carried(driver)
                pause = self._every if found != before else min(2 * pause, REST_SECONDS)
                before = found
            connection.invalidate()  # whoever had it from the pool next would not wait either

    def _carried(self, driver: Any) -> object:
        """How far the log goes, and how far it is carried over now; None where that cannot be done: whoever commits is told of a full disk."""
        with suppress(sqlite3.OperationalError):
            found = driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if found[1] >= self._long:
                driver.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            return found
        return None
