"""Who is asking a department's systems just now, so that never more pulls than agreed do so at once.

Airflow's pool holds its own tasks to the same number; this table holds the command line too. An entry counts while its run keeps its
lease, so a process that was killed holds nobody up for longer than that.
"""

from datetime import datetime

from sqlalchemy import Column, String, Table, delete, func, insert, select

from ledger.database import Database, ledger_tables
from ledger.runs import leases
from schemas.errors import Busy

pulls = Table(
    "department_pulls",
    ledger_tables,
    Column("run", String(36), primary_key=True),
    Column("department", String(63), nullable=False, index=True),
)


def enter(db: Database, run: str, department: str, *, limit: int, now: datetime) -> None:
    """Count the run among those that ask the department; entering again changes nothing.

    Raises:
        Busy: `limit` others are at it.
    """
    alive = leases.c.run == pulls.c.run, leases.c.expires_at > now
    others = select(func.count()).where(*alive, pulls.c.department == department, pulls.c.run != run)
    with db.write(alone=f"department:{department}") as connection:
        if (connection.execute(others).scalar() or 0) >= limit:
            raise Busy(f"{limit} pulls of department {department} are at work", todo="wait, or see: hub runs list")
        connection.execute(delete(pulls).where(pulls.c.run == run))
        connection.execute(insert(pulls).values(run=run, department=department))


def leave(db: Database, run: str) -> None:
    """The run no longer asks the department."""
    with db.write() as connection:
        connection.execute(delete(pulls).where(pulls.c.run == run))
