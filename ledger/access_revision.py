"""A number that grows with every change of clients, keys, grants and revocations.

Processes keep what they read of these in memory and look at this number once a second: what was revoked in one process is
dead in all of them soon after, without a query for every request.
"""

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, insert, update

from ledger.database import Database, ledger_tables

revision_table = Table(
    "access_revision",
    ledger_tables,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)


def bump(connection: Connection) -> None:
    """Count a change, in the transaction that makes it."""
    if not connection.execute(update(revision_table).values(number=revision_table.c.number + 1)).rowcount:
        connection.execute(insert(revision_table).values(id=1, number=1))


def current(db: Database) -> int:
    """The number now; 0 before the first change. A single read past SQLAlchemy: once a second an answer waits for it."""
    rows = db.points.rows("SELECT number FROM access_revision", ())
    return int(rows[0][0]) if rows else 0
