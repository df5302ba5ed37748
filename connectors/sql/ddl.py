"""A contract as a table of another database: `CREATE TABLE` with its comments, in the dialect of whoever keeps a copy.

The columns are the published ones (hub names, standardised types). Enumerations become CHECK constraints; texts without a greatest
length are TEXT, except in a key, where some databases want a length.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Double,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    column,
)
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite
from sqlalchemy.schema import CreateTable, ExecutableDDLElement, SetColumnComment, SetTableComment
from sqlalchemy.types import TypeEngine

from schemas import contract as described
from schemas.contract import Contract
from schemas.errors import Invalid
from schemas.types import longest

LONGEST = 4000
KEY_LENGTH = 255
_DIALECTS = {
    "postgresql": postgresql.dialect,
    "mysql": mysql.dialect,
    "sqlite": sqlite.dialect,
    "oracle": oracle.dialect,
    "mssql": mssql.dialect,
}
DIALECTS = tuple(_DIALECTS)
"""The dialects that can be written; openGauss, Kingbase and most others of PostgreSQL's family read `postgresql`, 达梦 reads `oracle`."""


def ddl(contract: Contract, dialect: str) -> str:
    """The statements that create the dataset's table, each ended by a semicolon.

    Raises:
        Invalid: an unknown dialect; those there are are listed.
    """
    if dialect not in _DIALECTS:
        raise Invalid(f"{dialect!r} is no dialect that can be written", todo=f"one of {', '.join(DIALECTS)}")
    target = _DIALECTS[dialect](paramstyle="named")
    table = _table(contract)
    statements = [CreateTable(table), *_comments(table, target)]
    return "\n".join(f"{_compiled(one, target)};" for one in statements)


def _compiled(statement: ExecutableDDLElement, target: Dialect) -> str:
    return str(statement.compile(dialect=target)).strip()


def _table(contract: Contract) -> Table:
    checks = [
        CheckConstraint(column(c.name, String).in_(c.enum), name=f"{contract.dataset}_{c.name}_values"[:60])
        for c in contract.columns
        if c.enum and c.type == "string"
    ]
    columns = [_column(c, unique=c.unique and contract.key != (c.name,)) for c in contract.columns]
    comment = f"{contract.title} {contract.title_en}"
    return Table(contract.dataset, MetaData(), *columns, *checks, comment=comment, mysql_charset="utf8mb4")


def _column(one: described.Column, *, unique: bool) -> Column[Any]:
    return Column(
        one.name,
        _type(one, keyed=bool(one.key_position) or unique),
        primary_key=bool(one.key_position),
        autoincrement=False,
        nullable=not one.required,
        unique=unique or None,
        comment=f"{one.title} {one.element or ''}".strip(),
    )


def _type(one: described.Column, *, keyed: bool) -> TypeEngine[Any]:
    length = longest(one) or (KEY_LENGTH if keyed else None)
    kinds: dict[described.LogicalType, TypeEngine[Any]] = {
        "string": String(length) if length and length <= LONGEST else Text(),
        "integer": BigInteger(),
        "number": Double(),
        "decimal": Numeric(one.precision, one.scale),
        "date": Date(),
        "timestamp": DateTime(timezone=True),
        "boolean": Boolean(),
    }
    return kinds[one.type]


def _comments(table: Table, target: Dialect) -> list[ExecutableDDLElement]:
    """Comments as statements of their own, in the dialects that know `COMMENT ON`; MySQL's stand inside the table."""
    if target.name not in ("postgresql", "oracle"):
        return []
    return [SetTableComment(table), *(SetColumnComment(c) for c in table.columns if c.comment)]
