"""A driver connection of the connector's own, for reading: SQLAlchemy's is set up to convert values."""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import cast

from sqlalchemy import Engine

from connectors.sql.dialect import Dialect


def session(engine: Engine, clock: Callable[[], datetime]) -> Dialect:
    """A new session on the engine's server; drivers are imported here, for they are optional."""
    if engine.dialect.name == "sqlite":
        from connectors.sql.sqlite import Sqlite

        raw = engine.raw_connection()
        connection = cast("sqlite3.Connection", raw.driver_connection)
        raw.detach()
        return Sqlite(connection, clock)
    _, arguments = engine.dialect.create_connect_args(engine.url)
    arguments |= engine.get_execution_options()["connect_args"]
    if engine.dialect.name == "postgresql":
        from connectors.sql.postgres import Postgres

        options = engine.get_execution_options()
        opened = Postgres(options["patience"], **arguments)
        opened.connection.execute(options["says_first"].encode())
        return opened
    from connectors.sql.mariadb import MariaDb

    return MariaDb(**arguments)
