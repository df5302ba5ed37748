#!/usr/bin/env python3
"""Makes the roles and databases that Airflow and the hub need, where they are missing; what is there is left as it is."""

import os
import sys

import psycopg
from psycopg import sql

ROLES = {"airflow": "AIRFLOW_DB_PASSWORD", "hub": "HUB_DB_PASSWORD"}
DATABASES = {"airflow": "airflow", "ledger": "hub", "subjects": "hub", "audit": "hub"}


def main() -> int:
    """Connect as the administrator and make what is missing."""
    with psycopg.connect(
        host="postgres", user="postgres", dbname="postgres", password=os.environ["POSTGRES_PASSWORD"], autocommit=True
    ) as server:
        roles = {row[0] for row in server.execute("SELECT rolname FROM pg_roles")}
        for role in ROLES.keys() - roles:
            password = sql.Literal(os.environ[ROLES[role]])
            server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), password))
        databases = {row[0] for row in server.execute("SELECT datname FROM pg_database")}
        for name in DATABASES.keys() - databases:
            owner = sql.Identifier(DATABASES[name])
            server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), owner))
    return 0


if __name__ == "__main__":
    sys.exit(main())
