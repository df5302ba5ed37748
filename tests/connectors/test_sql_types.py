"""Values come typed where the contract takes the server's type as it stands, and as exact text where they do not fit."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from database_stages import MariaDbStage, PostgresStage, ServerStage

from connectors.batches import ahead
from schemas.contract import Column
from schemas.errors import SourceUnreachable

WANTED = (
    Column("n", "n", "n", type="integer"), Column("amount", "amount", "amount", type="decimal", precision=18, scale=4),
    Column("ratio", "ratio", "ratio", type="number"), Column("day", "day", "day", type="date"),
    Column("at", "at", "at", type="timestamp"), Column("flag", "flag", "flag", type="boolean"), Column("code", "code", "code"),
)  # fmt: skip


def parts(stage: ServerStage, wanted: tuple[Column, ...] = WANTED) -> list[tuple[pa.Schema, list[dict[str, Any]]]]:
    with stage.open() as connector, connector.read(wanted, None) as reading:
        return [
            (part.schema, [row for batch in part.batches or () for row in batch.to_pylist()])
            for part in reading.parts()
            if part.schema is not None
        ]


def test_postgresql_gives_the_contracts_own_types(postgres_stage: PostgresStage) -> None:
    postgres_stage.execute(
        "CREATE TABLE records (n smallint, amount numeric(12,2), ratio double precision, day date, at timestamptz, flag boolean, code integer)"
    )
    postgres_stage.execute(
        "INSERT INTO records VALUES (7, 1.50, 0.1, '2026-05-01', '2026-05-01 08:00+08', true, 5), (NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
    )
    ((schema, rows),) = parts(postgres_stage)
    assert [str(t) for t in schema.types] == [
        "int64", "decimal128(12, 2)", "double", "date32[day]", "timestamp[us, tz=UTC]", "bool", "string",
    ]  # fmt: skip
    assert rows[0] == {
        "n": 7, "amount": Decimal("1.50"), "ratio": 0.1, "day": dt.date(2026, 5, 1), "at": dt.datetime(2026, 5, 1, tzinfo=dt.UTC),
        "flag": True, "code": "5",
    }  # fmt: skip
    assert set(rows[1].values()) == {None}


def test_a_column_turns_to_text_where_its_values_do_not_fit_and_no_other_does(
    postgres_stage: PostgresStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.sql.copying.BLOCK", 1)
    postgres_stage.execute("CREATE TABLE records (n bigint, amount numeric(6,2), day date, at timestamptz)")
    postgres_stage.execute(
        "INSERT INTO records VALUES (1, 1, '2026-05-01', '2026-05-01 08:00+00'), (2, 'NaN', '2026-05-02', 'infinity'), (3, 3, '0044-03-15 BC', NULL)"
    )
    found = parts(postgres_stage, tuple(c for c in WANTED if c.name in ("n", "amount", "day", "at")))
    assert [[str(t) for t in schema.types] for schema, _ in found] == [
        ["int64", "decimal128(6, 2)", "date32[day]", "timestamp[us, tz=UTC]"],
        ["int64", "string", "date32[day]", "string"],
        ["int64", "string", "string", "string"],
    ]
    assert [row for _, rows in found for row in rows] == [
        {
            "n": 1,
            "amount": Decimal("1.00"),
            "day": dt.date(2026, 5, 1),
            "at": dt.datetime(2026, 5, 1, 8, tzinfo=dt.UTC),
        },
        {"n": 2, "amount": "NaN", "day": dt.date(2026, 5, 2), "at": "infinity"},
        {"n": 3, "amount": "3.00", "day": "0044-03-15 BC", "at": None},
    ]


def test_mariadb_gives_the_contracts_own_types(mariadb_stage: MariaDbStage) -> None:
    mariadb_stage.execute(
        "CREATE TABLE records (n smallint, amount decimal(12,2), ratio double, day date, at timestamp(3) NULL, flag tinyint(1), code bigint unsigned)"
    )
    mariadb_stage.execute(
        "INSERT INTO records VALUES (7, 1.50, 0.1, '2026-05-01', '2026-05-01 08:00:00.5', 1, 18446744073709551615)"
    )
    ((schema, rows),) = parts(mariadb_stage)
    assert [str(t) for t in schema.types] == [
        "int64", "decimal128(12, 2)", "double", "date32[day]", "timestamp[us, tz=UTC]", "bool", "string",
    ]  # fmt: skip
    assert rows == [
        {"n": 7, "amount": Decimal("1.50"), "ratio": 0.1, "day": dt.date(2026, 5, 1),
         "at": dt.datetime(2026, 5, 1, 8, 0, 0, 500_000, tzinfo=dt.UTC), "flag": True, "code": "18446744073709551615"}
    ]  # fmt: skip


def test_what_mariadb_alone_calls_a_date_or_a_flag_stays_as_it_is(mariadb_stage: MariaDbStage) -> None:
    mariadb_stage.execute("CREATE TABLE records (day date, flag tinyint(1))")
    mariadb_stage.execute("SET STATEMENT sql_mode = '' FOR INSERT INTO records VALUES ('0000-00-00', 2)")
    ((schema, rows),) = parts(mariadb_stage, tuple(c for c in WANTED if c.name in ("day", "flag")))
    assert [str(t) for t in schema.types] == ["string", "string"]
    assert rows == [{"day": "0000-00-00", "flag": "2"}]


@pytest.mark.parametrize(("stage", "kind"), [("mariadb_stage", "datetime"), ("postgres_stage", "timestamp")])
def test_a_time_without_zone_is_one_of_the_sources_unless_its_clock_was_set_then(
    stage: str, kind: str, request: pytest.FixtureRequest
) -> None:
    server: ServerStage = request.getfixturevalue(stage)
    server.execute(f"CREATE TABLE records (at {kind}, day date)")
    wanted = tuple(c for c in WANTED if c.name in ("at", "day"))
    server.execute("INSERT INTO records VALUES ('2026-05-01 08:00:00', '2026-05-01')")
    ((schema, rows),) = parts(server, wanted)
    assert str(schema.field("at").type) == "timestamp[us, tz=Asia/Shanghai]"
    assert rows[0]["at"] == dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    server.execute(
        "INSERT INTO records VALUES ('1986-05-04 02:30:00', '1986-05-04')"
    )  # summer time began half an hour before
    ((schema, rows),) = parts(server, wanted)
    assert [row["at"] for row in rows] == ["2026-05-01 08:00:00", "1986-05-04 02:30:00"]
    assert str(schema.field("day").type) == "date32[day]"


def test_items_made_ahead_come_in_order_and_their_error_comes_last() -> None:
    def broken() -> Iterator[int]:
        yield from range(10)
        raise SourceUnreachable("gone")

    items = ahead(broken())
    assert [next(items) for _ in range(10)] == list(range(10))
    with pytest.raises(SourceUnreachable, match="gone"):
        next(items)


def test_whoever_leaves_early_stops_what_is_made_ahead() -> None:
    made = []

    def endless() -> Iterator[int]:
        while True:
            made.append(len(made))
            yield made[-1]

    items = ahead(endless(), room=2)
    assert next(items) == 0
    items.close()
    assert len(made) < 10
