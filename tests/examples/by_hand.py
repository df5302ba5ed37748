"""The contracts' rules over the demo city's files, one row at a time in plain Python: slow, short, and apart from the gate.

Reads each system with the standard library (and openpyxl), standardises with the scalar functions of `schemas.texts`, and gives
every row the rule ids it breaks. No connector, no DuckDB, no Great Expectations, and nothing from the generator.
"""

import csv
import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

from schemas import identifiers, odcs, texts
from schemas.codes import code_list
from schemas.contract import Column, Contract
from schemas.elements import ELEMENTS

CONTRACTS = Path(__file__).parents[2] / "examples" / "demo_city" / "contracts"
ORDER = ("residents", "companies", "food_licences", "marriages", "insurance", "travel_permits", "utility_accounts")
Key = tuple[Any, ...]


@dataclass
class Row:
    """One delivered record: its text by source column, its values by hub column, and what became of it."""

    file: str
    delivered: dict[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    fate: str = "published"


@dataclass
class Judged:
    """A dataset's contract and its rows in delivery order."""

    contract: Contract
    rows: list[Row]

    def key(self, row: Row) -> Key:
        """The row's standardised key."""
        return tuple(row.values[name] for name in self.contract.key)

    def published(self) -> dict[Key, dict[str, Any]]:
        """The published rows by key."""
        return {self.key(row): row.values for row in self.rows if row.fate == "published"}


def judge(root: Path, today: date) -> dict[str, Judged]:
    """All datasets below `root`, companies before the licences that refer to them."""
    found: dict[str, Judged] = {}
    for dataset in ORDER:
        contract = odcs.load(CONTRACTS / f"{dataset}.odcs.yaml")
        found[dataset] = Judged(contract, _READERS[dataset](root))
        for row in found[dataset].rows:
            _row_rules(contract, row, today)
        _keys(found[dataset])
        companies = {key[0] for key in found["companies"].published()} if dataset == "food_licences" else set()
        for row in found[dataset].rows:
            if dataset == "food_licences" and not row.broken and row.values["uscc"] not in companies:
                row.broken.add("company_known")
            if row.fate == "published" and row.broken:
                row.fate = "quarantined"
    return found


def content(root: Path) -> dict[str, Any]:
    """Everything that a city's files say: bytes, database rows, workbook cells."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".db":
            with closing(sqlite3.connect(path)) as con:
                found[name] = list(con.iterdump())
        elif path.suffix == ".xlsx":
            found[name] = [row for sheet in load_workbook(path) for row in sheet.iter_rows(values_only=True)]
        else:
            found[name] = path.read_bytes()
    return found


def _row_rules(contract: Contract, row: Row, today: date) -> None:
    for column in contract.columns:
        text = row.delivered[column.source]
        value = row.values[column.name] = _read(column, None if text is None else str(text))
        row.broken |= {f"{column.name}.{code}" for code in _faults(column, text, value, today)}
    row.broken |= _stated(contract, row.values)
    if any(row.values[name] is None for name in contract.key):
        row.broken.add("key.missing")


def _read(column: Column, text: str | None) -> Any:
    if text is None:
        return None
    element = ELEMENTS[column.element] if column.element else None
    reading = element.reading if element else "text"
    match column.type:
        case "date" if column.format:
            try:
                return datetime.strptime(text.strip(), column.format).date()  # noqa: DTZ007
            except ValueError:
                return None
        case "date":
            return texts.day(text, open_end=reading == "open_date")
        case "timestamp":
            return texts.instant(text)
        case "decimal":
            read = texts.capital if reading == "capital" else texts.decimal
            return read(text, column.precision, column.scale)
    if column.codes:
        return texts.code(text, column.codes)
    readers = {
        "citizen_id": texts.citizen_id, "person_name": texts.person_name, "org_name": texts.org_name, "uscc": texts.identifier,
        "identifier": texts.identifier, "mobile": texts.mobile,
    }  # fmt: skip
    return readers.get(reading, texts.plain)(text)


def _faults(column: Column, text: Any, value: Any, today: date) -> set[str]:
    faults = set()
    if value is None:
        if column.required:
            faults.add("required")
        if column.type != "string" and str(text or "").strip():
            faults.add("type")
        return faults
    if column.element:
        faults |= _element_faults(column.element, value, today)
    if column.enum and value not in column.enum:
        faults.add("enum")
    if column.minimum is not None and value < int(column.minimum):
        faults.add("range")
    return faults


def _element_faults(name: str, value: Any, today: date) -> set[str]:
    element = ELEMENTS[name]
    match element.reading:
        case "citizen_id":
            return identifiers.citizen_faults(value, today) - {"region"}
        case "uscc":
            return set(identifiers.uscc_faults(value))
        case "identifier":
            return set() if value.isascii() and 5 <= len(value) <= 30 else {"format"}
        case "person_name":
            return {"format"} if any(c.isdigit() for c in value) else set()
        case "mobile":
            good = len(value) == 11 and value.isdigit() and value[0] == "1" and value[1] >= "3"
            return set() if good else {"format"}
        case "region":
            return set() if value in code_list("region").values else {"code"}
        case "code" if element.codes:
            return set() if value in code_list(element.codes).values else {"code"}
        case "capital":
            return {"range"} if value < 0 else set()
        case "date" if element.past:
            return {"future"} if value > today else set()
    return set()


def _stated(contract: Contract, values: dict[str, Any]) -> set[str]:
    broken = set()
    for check in contract.checks:
        if check.kind == "dateOrder":
            first, last = (values[name] for name in check.arguments["columns"])
            if first and last and first > last:
                broken.add(check.id)
        elif check.kind == "idAgrees":
            number, sex, birth = (values[check.arguments[name]] for name in ("id", "sex", "birth"))
            wrong_sex = sex in ("1", "2") and sex != identifiers.citizen_sex(number)
            if wrong_sex or (birth and birth.strftime("%Y%m%d") != number[6:14]):
                broken.add(check.id)
        elif check.kind == "sql" and values["husband_id"] == values["wife_id"]:
            broken.add(check.id)
    return broken


def _keys(judged: Judged) -> None:
    """Repeats of a key: rows of earlier files are superseded, equal ones duplicates, the others contradict each other."""
    rivals: dict[Key, list[Row]] = defaultdict(list)
    for row in judged.rows:
        if None not in judged.key(row):
            rivals[judged.key(row)].append(row)
    for rows in rivals.values():
        newest = rows[-1].file
        kept: list[Row] = []
        for row in rows:
            if row.file != newest:
                row.fate = "superseded"
            elif any(row.values == other.values for other in kept):
                row.fate = "duplicate"
            else:
                kept.append(row)
        if len(kept) > 1:
            for row in kept:
                row.broken.add("key.duplicate")


def _database(file: str, table: str) -> Any:
    def rows(root: Path) -> list[Row]:
        with closing(sqlite3.connect(root / file)) as con:
            con.row_factory = sqlite3.Row
            return [Row(file, dict(r)) for r in con.execute(f'SELECT * FROM "{table}" ORDER BY rowid')]

    return rows


def _drops(root: Path) -> list[Row]:
    found = []
    for path in sorted((root / "civil").glob("marriages_*.csv")):
        with path.open(encoding="gb18030", newline="") as file:
            found += [Row(path.name, record) for record in csv.DictReader(file)]
    return found


def _workbook(root: Path) -> list[Row]:
    book = load_workbook(root / "exit_entry" / "permits.xlsx", read_only=True)
    _, header, *rows = book.worksheets[0].iter_rows(values_only=True)
    book.close()
    records = (dict(zip(header, row, strict=True)) for row in rows)
    return [Row("permits", {k: v.date() if isinstance(v, datetime) else v for k, v in r.items()}) for r in records]


def _lines(file: str) -> Any:
    def rows(root: Path) -> list[Row]:
        found = []
        for line in (root / file).read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            holder = record.pop("holder", {})
            found.append(Row(file, record | {f"holder.{k}": v for k, v in holder.items()}))
        return found

    return rows


_READERS: dict[str, Any] = {
    "residents": _database("police/police.db", "人口基本信息"),
    "companies": _database("market/market.db", "ent_base"),
    "food_licences": _database("market/market.db", "food_licence"),
    "marriages": _drops,
    "insurance": _lines("social_security/insurance.jsonl"),
    "travel_permits": _workbook,
    "utility_accounts": _lines("utilities/accounts.jsonl"),
}
