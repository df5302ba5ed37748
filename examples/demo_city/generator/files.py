"""The departments' systems as files below one folder: each table in its department's own form.

Every file is written beside its place and renamed into it, so that a reader sees the old delivery or the new one, whole.
"""

import csv
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.utils import get_column_letter

from examples.demo_city.generator.departments import exit_entry
from examples.demo_city.generator.tables import Row, Table

POLICE: Final = "police/police.db"
MARKET: Final = "market/market.db"
INSURANCE: Final = "social_security/insurance.jsonl"
PERMITS: Final = "exit_entry/permits.xlsx"
ACCOUNTS: Final = "utilities/accounts.jsonl"
SQL_TABLES: Final = {
    "residents": (POLICE, "人口基本信息"), "companies": (MARKET, "ent_base"), "food_licences": (MARKET, "food_licence"),
}  # fmt: skip


def write(root: Path, tables: dict[str, Table]) -> None:
    """All seven datasets below `root`."""
    for file in (POLICE, MARKET):
        with _replacing(root / file) as path:
            _database(path, [(name, tables[d]) for d, (at, name) in SQL_TABLES.items() if at == file])
    _drops(root / "civil", tables["marriages"])
    with _replacing(root / INSURANCE) as path:
        _lines(path, tables["insurance"], _flat)
    with _replacing(root / PERMITS) as path:
        _workbook(path, tables["travel_permits"])
    with _replacing(root / ACCOUNTS) as path:
        _lines(path, tables["utility_accounts"], _nested)


def delivered(table: Table) -> Iterator[Row]:
    """The table's rows in the order in which its department delivers them."""
    if table.dataset == "marriages":
        return iter(sorted(table.rows, key=lambda row: row.file))
    if table.dataset == "insurance":
        return iter(sorted(table.rows, key=lambda row: (row.values[8], row.values[0])))
    return iter(table.rows)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    yield beside
    beside.replace(path)


def _database(path: Path, tables: list[tuple[str, Table]]) -> None:
    with closing(sqlite3.connect(path)) as con:
        for name, table in tables:
            columns = ", ".join(f'"{c}" TEXT' for c in table.columns)
            con.execute(f'CREATE TABLE "{name}" ({columns})')
            marks = ", ".join("?" * len(table.columns))
            con.executemany(f'INSERT INTO "{name}" VALUES ({marks})', (row.values for row in table.rows))
        con.commit()


def _drops(folder: Path, table: Table) -> None:
    """One file a drop; drops of another city that was here before go."""
    for old in set(folder.glob("marriages_*.csv")) - {folder / row.file for row in table.rows}:
        old.unlink()
    for name, rows in groupby(delivered(table), key=lambda row: row.file):
        with _replacing(folder / name) as path, path.open("w", encoding="gb18030", newline="") as file:
            writer = csv.writer(file, lineterminator="\r\n")
            writer.writerow(table.columns)
            writer.writerows(row.values for row in rows)


def _lines(path: Path, table: Table, shape: Callable[[Table, Row], dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        encode = json.JSONEncoder(ensure_ascii=False).encode
        file.writelines(encode(shape(table, row)) + "\n" for row in delivered(table))


def _flat(table: Table, row: Row) -> dict[str, Any]:
    return dict(zip(table.columns, row.values, strict=True))


def _nested(table: Table, row: Row) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for column, value in zip(table.columns, row.values, strict=True):
        outer, _, inner = column.partition(".")
        if inner:
            record.setdefault(outer, {})[inner] = value
        else:
            record[outer] = float(value) if column == "balance" and _is_number(value) else value
    return record


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


def _workbook(path: Path, table: Table) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("签发情况")
    sheet.merged_cells.add(f"A1:{get_column_letter(len(table.columns))}1")
    sheet.append([exit_entry.TITLE])
    sheet.append(list(table.columns))
    for row in table.rows:
        sheet.append([v.isoformat() if isinstance(v, date) and v.year < 1900 else v for v in row.values])
    book.save(path)
