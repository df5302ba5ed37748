"""What a database can hold and the hub's types cannot is set aside by its rule, whole rows and each by its reason; the rest is published."""

import datetime as dt
from pathlib import Path

import pytest
import servers
from modes_bench import Bench, sieve_alone


def test_values_without_number_or_day_are_set_aside_and_none_becomes_null(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sieve_alone(monkeypatch)
    columns = [("id", "编号", "string"), ("x", "x", "number"), ("d", "d", "date"), ("t", "t", "timestamp")]
    values = {
        "plain": "0.5, '2026-01-01', '2026-01-01'", "null": "NULL, NULL, NULL", "nan": "'NaN', '2026-01-01', NULL",
        "endless": "'-Infinity', NULL, NULL", "never": "1, 'infinity', NULL", "old": "1, '0044-03-15 BC', NULL",
        "always": "1, NULL, 'infinity'", "nan and never": "'NaN', 'infinity', NULL",
    }  # fmt: skip
    with servers.database(postgres_url, "hub_hostile") as url:
        bench = Bench(tmp_path, kind="postgres", url=url, table="things", columns=columns)
        bench.apply()
        rows = ", ".join(f"('{name}', {row})" for name, row in values.items())
        create = 'CREATE TABLE things ("编号" text, x float8, d date, t timestamptz)'
        servers.execute(url, create, f"INSERT INTO things VALUES {rows}")
        bench.pull()
    assert bench.current() == {"plain": (0.5, dt.date(2026, 1, 1)), "null": (None, None)}
    assert bench.quarantined() == {
        "nan": "x.type", "endless": "x.type", "never": "d.type", "old": "d.type", "always": "t.type",
        "nan and never": "d.type x.type",
    }  # fmt: skip
