"""MariaDB's rows as they come in packets: values of every length, rows of several packets, doubles to the last bit."""

import math
import random
import struct

import pytest
import servers
from connector_stages import columns
from database_stages import MariaDbStage

from schemas.contract import Column
from schemas.errors import SourceDamaged

LENGTHS = (0, 1, 250, 251, 252, 255, 256, 65_535, 65_536, 70_000)
MOST = (1 << 24) - 1


def test_values_of_every_length_and_none_arrive_beside_each_other(mariadb_stage: MariaDbStage, monkeypatch) -> None:
    monkeypatch.setattr("connectors.sql.packets.BLOCK", 1 << 14)
    mariadb_stage.execute("CREATE TABLE records (id int, a longtext, b longtext, c int) CHARSET utf8mb4")
    for i, length in enumerate(LENGTHS):
        mariadb_stage.execute(
            f"INSERT INTO records VALUES ({i}, repeat('a', {length}), NULL, 1), ({i}, NULL, repeat('b', {length}), NULL)"
        )
    records = mariadb_stage.deliver(columns("id")).records
    assert [(len(r["a"]), r["b"], r["c"]) for r in records[::2]] == [(length, None, "1") for length in LENGTHS]
    assert [(r["a"], len(r["b"]), r["c"]) for r in records[1::2]] == [(None, length, None) for length in LENGTHS]


def test_a_row_of_several_packets_is_one_row(mariadb_stage: MariaDbStage, mariadb_url: str) -> None:
    servers.execute(mariadb_url, f"SET GLOBAL max_allowed_packet = {64 << 20}")
    try:
        mariadb_stage.execute("CREATE TABLE records (id int, text longtext) CHARSET latin1")
        whole_packet = MOST - 2 - 4  # less the first value, "1", and the lengths of both
        sizes = [5, MOST, whole_packet, whole_packet - 1, whole_packet + 1, 2 * MOST + 7, 6]
        for i, size in enumerate(sizes, 1):
            mariadb_stage.execute(f"INSERT INTO records VALUES ({i}, concat(repeat('x', {size - 1}), 'y'))")
        texts = mariadb_stage.deliver(columns("id")).values("text")
        assert [len(text) for text in texts] == sizes
        assert all(text.endswith("xy") and text.count("x") == len(text) - 1 for text in texts)
    finally:
        servers.execute(mariadb_url, f"SET GLOBAL max_allowed_packet = {16 << 20}")


def test_a_double_arrives_to_the_last_bit(mariadb_stage: MariaDbStage) -> None:
    chance = random.Random(7)
    drawn = [struct.unpack("<d", chance.randbytes(8))[0] for _ in range(3000)]
    stored = [x for x in drawn if math.isfinite(x)] + [0.1, 5e-324, 1.7976931348623157e308, 1e22, 2**53 + 2.0]
    mariadb_stage.execute("CREATE TABLE records (id int, ratio double)")
    mariadb_stage.execute("INSERT INTO records VALUES " + ", ".join(f"({i}, {x!r})" for i, x in enumerate(stored)))
    wanted = (Column("id", "id", "id", type="integer"), Column("ratio", "ratio", "ratio", type="number"))
    with mariadb_stage.open() as connector, connector.read(wanted, None) as reading:
        batches = list(next(reading.parts()).batches or ())
    found = [x for batch in batches for x in batch.column("ratio").to_pylist()]
    assert [struct.pack("<d", x) for x in found] == [struct.pack("<d", x) for x in stored]


def test_a_statement_that_fails_in_the_middle_is_no_short_read(mariadb_stage: MariaDbStage) -> None:
    more = "SELECT 2 FROM dual WHERE seq > 90000"
    mariadb_stage.execute(
        f"CREATE VIEW records AS SELECT seq AS id, (SELECT 1 UNION {more}) AS one FROM seq_1_to_100000"
    )
    with pytest.raises(SourceDamaged, match="1242"):
        mariadb_stage.deliver(columns("id"))
