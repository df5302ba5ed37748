"""What a session asks of itself so that it cannot hurt the server: statements end, idle transactions end, dead peers are noticed.

`seconds` is the contract's `statementSeconds`. A read-only transaction that is left idle, by a hub that hangs or whose host died,
would hold back the server's clean-up for as long as it lives.
"""

from typing import Any

IDLE_SECONDS = 600
KEEPALIVE = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 6}

_POSTGRES = """
SET statement_timeout = '{seconds}s'; SET lock_timeout = '60s'; SET idle_in_transaction_session_timeout = '{idle}s';
SET default_transaction_read_only = on
"""
# What stands in comments is for MariaDB or for MySQL only: each has its own names, and refuses the other's.
_MYSQL = (
    "SET SESSION lock_wait_timeout = 60, wait_timeout = {idle}, net_write_timeout = {idle}"
    " /*M!100300 , max_statement_time = {seconds}, idle_readonly_transaction_timeout = {idle}, tx_read_only = 1 */"
    " /*!50720 , max_execution_time = {seconds}000, transaction_read_only = 1 */"
)


def driver_arguments(backend: str, seconds: int) -> dict[str, Any]:
    """What the driver is told when it connects."""
    if backend == "postgresql":
        return KEEPALIVE
    return {"init_command": _MYSQL.format(seconds=seconds, idle=IDLE_SECONDS), "read_timeout": seconds + IDLE_SECONDS}


def postgres_statements(seconds: int) -> str:
    """What a PostgreSQL session says first; poolers refuse such settings when they come with the connection."""
    return _POSTGRES.format(seconds=seconds, idle=IDLE_SECONDS)
