"""What databases hold comes out as their own exact text, and nothing but the table that was named."""

import sqlite3

import pytest
from connector_stages import columns
from database_stages import MariaDbStage, PostgresStage, SqliteStage

from schemas.contract import Source
from schemas.errors import ContractInvalid, SourceDamaged, SourceDenied, SourceMissing


def test_postgresql_values_keep_every_digit_and_zone(postgres_stage: PostgresStage) -> None:
    postgres_stage.execute(
        """CREATE TABLE records (amount numeric(30,10), open boolean, at timestamptz, local timestamp, day date, raw bytea,
           ratio float8, big bigint, many int[], doc json, spaced char(5), none text, empty text, lines text)"""
    )
    postgres_stage.execute(
        r"""INSERT INTO records VALUES (12345678901234567890.1000000000, true, '2026-05-01 08:00:00.123456+08',
            '2026-05-01 08:00:00', '0099-01-01', '\x00ff', 0.1, 9007199254740993, '{1,2}', '{"a": 1.10}', 'ab', NULL, '',
            E'a\r\n"b",\\.')"""
    )
    record = postgres_stage.deliver().records[0]
    assert record == {
        "_row": 1, "amount": "12345678901234567890.1000000000", "open": "true", "at": "2026-05-01 00:00:00.123456+00",
        "local": "2026-05-01 08:00:00", "day": "0099-01-01", "raw": r"\x00ff", "ratio": "0.1", "big": "9007199254740993",
        "many": "{1,2}", "doc": '{"a": 1.10}', "spaced": "ab   ", "none": None, "empty": "", "lines": 'a\r\n"b",\\.',
    }  # fmt: skip


def test_mariadb_values_keep_zero_dates_digits_and_zone(mariadb_stage: MariaDbStage) -> None:
    mariadb_stage.execute(
        """CREATE TABLE records (day date, at datetime(3), stamp timestamp(6) NULL, amount decimal(30,10), ratio double, flag bit(1),
           raw varbinary(10), name varchar(20) CHARACTER SET utf8mb4, none int)"""
    )
    mariadb_stage.execute(
        """INSERT INTO records VALUES ('0000-00-00', '2026-00-00 08:00:00.5', NULL, 12345678901234567890.1, 0.1, b'1',
           x'00ff', '𬱖', NULL)"""
    )
    record = mariadb_stage.deliver().records[0]
    assert record == {
        "_row": 1, "day": "0000-00-00", "at": "2026-00-00 08:00:00.500", "stamp": None, "ratio": "0.1", "flag": "1",
        "amount": "12345678901234567890.1000000000", "raw": r"\x00ff", "name": "𬱖", "none": None,
    }  # fmt: skip


def test_a_mariadb_timestamp_is_shown_with_its_offset(mariadb_stage: MariaDbStage) -> None:
    mariadb_stage.execute("CREATE TABLE records (at timestamp)")
    mariadb_stage.execute("INSERT INTO records VALUES (from_unixtime(1777593600))")
    assert mariadb_stage.deliver().values("at") == ["2026-05-01 00:00:00+00:00"]


def test_sqlite_values_of_any_storage_class_are_exact_text(tmp_path) -> None:
    stage = SqliteStage(tmp_path)
    stage.execute("CREATE TABLE records (v)")
    for value in ("9007199254740993", "0.1", "1e22", "x'00ff'", "'007'", "NULL", "''"):
        stage.execute(f"INSERT INTO records VALUES ({value})")
    assert stage.deliver().values("v") == ["9007199254740993", "0.1", "1e+22", r"\x00ff", "007", None, ""]


def test_a_sqlite_text_that_is_no_utf8_stops_the_read(tmp_path) -> None:
    stage = SqliteStage(tmp_path)
    stage.execute("CREATE TABLE records (v)")
    stage.execute("INSERT INTO records VALUES (CAST(x'C4E3BAC3' AS TEXT))")
    with pytest.raises(SourceDamaged, match="not UTF-8"):
        stage.deliver()


def test_only_the_first_rows_of_a_block_border_are_not_lost(postgres_stage: PostgresStage, monkeypatch) -> None:
    monkeypatch.setattr("connectors.sql.copying.BLOCK", 64)
    postgres_stage.execute(
        "CREATE TABLE records AS SELECT i::text AS id, NULL::text AS note FROM generate_series(1, 500) AS i"
    )
    delivery = postgres_stage.deliver()
    assert delivery.values("id") == [str(i) for i in range(1, 501)]
    assert delivery.values("_row") == list(range(1, 501))


def test_a_column_of_nulls_alone_keeps_its_rows(postgres_stage: PostgresStage) -> None:
    postgres_stage.execute("CREATE TABLE records AS SELECT NULL::text AS only FROM generate_series(1, 3)")
    assert postgres_stage.deliver().values("only") == [None, None, None]


def test_a_row_inserted_during_the_read_is_not_half_seen(postgres_stage: PostgresStage) -> None:
    postgres_stage.write(["id", "updated_at"], [["1", "2026-05-01 08:00:00"]])
    source = postgres_stage.source(sync="incremental", cursor="c1")
    with postgres_stage.open(source) as connector, connector.read(columns("id", "updated_at"), None) as reading:
        postgres_stage.add([["2", "2026-05-02 08:00:00"]])
        (part,) = [(p, list(p.batches or ())) for p in reading.parts()]
        assert part[1][0].column("id").to_pylist() == ["1"]
        assert "2026-05-01" in (reading.watermark or "")


def test_rows_changed_during_the_read_are_seen_as_they_were_in_mariadb(
    mariadb_stage: MariaDbStage, monkeypatch
) -> None:
    monkeypatch.setattr("connectors.sql.packets.BLOCK", 1 << 16)
    mariadb_stage.execute("CREATE TABLE records AS SELECT seq AS id, repeat('x', 100) AS pad FROM seq_1_to_100000")
    with mariadb_stage.open() as connector, connector.read(columns("id"), None) as reading:
        batches = next(reading.parts()).batches or iter(())
        seen = next(batches).num_rows
        mariadb_stage.execute("UPDATE records SET id = 0, pad = ''")
        rest = list(batches)
        assert seen + sum(batch.num_rows for batch in rest) == 100_000
        assert "0" not in rest[-1].column("id").to_pylist()
        assert reading.consistent


def test_a_table_without_snapshots_is_said_to_be_inconsistent(mariadb_stage: MariaDbStage) -> None:
    mariadb_stage.execute("CREATE TABLE records (id int) ENGINE = MyISAM")
    assert not mariadb_stage.deliver().consistent


def test_tables_are_found_by_schema_and_hostile_name(postgres_stage: PostgresStage) -> None:
    for name in ('"select"', '"人口 ""基本"" 100%"', '"a.b"'):
        postgres_stage.execute(f"CREATE TABLE {name} (id text)")
    postgres_stage.execute("CREATE VIEW seen AS SELECT 'x' AS id")
    with postgres_stage.open() as connector:
        assert connector.tables() == ("a.b", "seen", "select", '人口 "基本" 100%')
    for table in ("select", "public.select", '人口 "基本" 100%', "a.b", "seen"):
        assert postgres_stage.deliver(columns("id"), table=table).names == ["id"]


def test_a_column_that_the_contract_names_and_the_table_lacks_is_missing(postgres_stage: PostgresStage) -> None:
    postgres_stage.write(["id", "name"], [])
    with pytest.raises(SourceMissing, match=r"no column 姓名 \(it has: id, name\)"):
        postgres_stage.deliver(columns("id", "姓名"))


def test_describe_tells_types_keys_and_comments(postgres_stage: PostgresStage) -> None:
    postgres_stage.execute("CREATE TABLE records (b int, a numeric(18,4) NOT NULL, PRIMARY KEY (a, b))")
    postgres_stage.execute("COMMENT ON COLUMN records.b IS '序号'")
    with postgres_stage.open() as connector:
        b, a = connector.describe("records")
    assert (b.type, b.nullable, b.key, b.comment) == ("INTEGER", False, 2, "序号")
    assert (a.type, a.key) == ("NUMERIC(18, 4)", 1)


def test_a_role_without_the_right_to_the_table_is_denied(postgres_stage: PostgresStage) -> None:
    postgres_stage.write(["id"], [["1"]])
    postgres_stage.execute("DROP ROLE IF EXISTS stranger")
    postgres_stage.execute("CREATE ROLE stranger LOGIN PASSWORD 'pw'")
    postgres_stage.execute("GRANT USAGE ON SCHEMA public TO stranger")
    with postgres_stage.open(secret="stranger:pw") as connector, pytest.raises(SourceDenied, match="42501"):
        [list(p.batches or ()) for p in connector.read(columns("id"), None).parts()]


def test_a_missing_database_is_missing_not_denied(postgres_stage: PostgresStage, mariadb_stage: MariaDbStage) -> None:
    for stage in (postgres_stage, mariadb_stage):
        url = stage.source().url.rpartition("/")[0] + "/absent"
        with stage.open(stage.source(url=url)) as connector, pytest.raises(SourceMissing):
            connector.probe()


def test_a_sqlite_file_is_read_only_never_created_and_below_the_root(tmp_path) -> None:
    stage = SqliteStage(tmp_path / "drops")
    stage.root.mkdir()
    with pytest.raises(SourceMissing, match=r"police\.db is not there"), stage.open() as connector:
        connector.tables()
    assert not list(stage.root.iterdir())
    sqlite3.connect(tmp_path / "outside.db").close()
    for url in ("sqlite:///../outside.db", f"sqlite:///{tmp_path}/outside.db"):
        with pytest.raises(SourceDenied, match="out of the drop root"), stage.open(stage.source(url=url)) as connector:
            connector.tables()
    (stage.root / "police.db").write_text("these are no tables")
    with pytest.raises(SourceDamaged, match="no SQLite database"), stage.open() as connector:
        connector.tables()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader:s3cret@db/civil",
        "mysql://db/civil?local_infile=1",
        "postgresql://db/civil?options=-crole%3Dx",
        "sybase://db/civil",
        "sqlite:///:memory:",
        "sqlite:///file:x.db?mode=rwc",
        "no url",
    ],
)
def test_an_address_with_credentials_options_or_another_product_is_refused(url: str, tmp_path) -> None:
    stage = SqliteStage(tmp_path)
    with pytest.raises(ContractInvalid) as caught, stage.open(Source("sql", url, "records")) as connector:
        connector.tables()
    assert "s3cret" not in str(caught.value)
