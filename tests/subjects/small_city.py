"""A city of a few persons for these tests: contracts, subject kinds, histories in memory, and a naive reference of a file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from ledger.loads import Load
from schemas.contract import Column, Contract, Source, SubjectLink
from subjects.histories import Histories
from subjects.kinds import Conflict

DAY0 = datetime(2026, 3, 1, tzinfo=UTC)
ANN, BOB, EVE = "990101199001010019", "990101199001010035", "990101199001010078"
MISTYPED = "990101199001010018"
FIRM = "91990100MA00000073"
BOTH = "919901204204020066"  # a valid citizen ID and a valid credit code

_NONE: Mapping[str, str] = {}

PERSON = """
kind: person
title: 自然人
title_en: Person
key: {title: 公民身份号码, title_en: Citizen ID, element: DE01001, pattern: '\\d{17}[\\dX]'}
fields:
  name:
    title: 姓名
    title_en: Name
    sources:
      - residents.name
      - permits.name
      - {column: marriages.husband_name, by: husband_id, latest: registered_on}
      - {column: marriages.wife_name, by: wife_id, latest: registered_on}
  birth_date: {sources: [residents.birth_date]}
  base_amount: {sources: [{column: permits.fee, latest: valid_to, filter: "fee > 0", valid_until: valid_to}]}
lists:
  permits: {dataset: permits, columns: [permit_no, kind, valid_to], order: valid_to, valid_until: valid_to}
  marriages:
    dataset: marriages
    by:
      husband_id: {spouse_id: wife_id, spouse_name: wife_name}
      wife_id: {spouse_id: husband_id, spouse_name: husband_name}
    columns: [cert_no, registered_on]
    order: registered_on
  accounts: {dataset: accounts, columns: [account_no, balance], order: opened_on}
  new_accounts: {dataset: accounts, columns: [account_no], order: opened_on, since_latest: permits}
due:
  - {list: permits, until: valid_to, form: renewal, where: {kind: a}}
"""
ENTERPRISE = """
kind: enterprise
title: 企业
title_en: Enterprise
key: {title: 统一社会信用代码, title_en: USCC, element: DE02001, pattern: '9[123]\\d{6}[0-9A-HJ-NPQRTUWXY]{10}'}
lists:
  accounts: {dataset: accounts, columns: [account_no], order: opened_on}
"""


def contract(dataset: str, columns: Iterable[Column], subjects: Iterable[tuple[str, str]], **more: Any) -> Contract:
    return Contract(
        dataset=dataset, title=f"{dataset}表", title_en=f"{dataset} table", version="1.0.0", status="active",
        provider=f"{dataset}局", provider_en=f"Bureau of {dataset}", provider_code="11990000000000000A", purpose="",
        resource_code="302001/000001", share_type=2, share_condition="限依法履职", share_modes=("database",),
        columns=tuple(columns), source=Source("csv", "file://", "x.csv"),
        subjects=tuple(SubjectLink(*link) for link in subjects), **more,
    )  # fmt: skip


def column(name: str, kind: Any = "string", key: int = 0, **more: Any) -> Column:
    return Column(name=name, source=name, title=f"{name}栏", type=kind, key_position=key, **more)


CONTRACTS = {
    c.dataset: c
    for c in (
        contract(
            "residents",
            [column("citizen_id", key=1, element="DE01001"), column("name", element="DE01002"), column("birth_date", "date")],
            [("person", "citizen_id")],
        ),
        contract(
            "permits",
            [
                column("permit_no", key=1), column("citizen_id", element="DE01001"), column("name"), column("kind"), column("valid_to", "date"),
                column("fee", "decimal", precision=8, scale=2),
            ],
            [("person", "citizen_id")],
        ),
        contract(
            "marriages",
            [
                column("cert_no", key=1), column("husband_id", element="DE01001"), column("husband_name"), column("wife_id", element="DE01001"),
                column("wife_name"),
                column("registered_on", "date"),
            ],
            [("person", "husband_id"), ("person", "wife_id")],
        ),
        contract(
            "accounts",
            [
                column("account_no", key=1), column("holder_id"), column("balance", "decimal", precision=12, scale=2),
                column("opened_on", "date"),
            ],
            [("person", "holder_id"), ("enterprise", "holder_id")],
        ),
    )
}  # fmt: skip


def declare(folder: Path, *texts: str) -> Path:
    """A folder with these subject files."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, text in enumerate(texts):
        (folder / f"{i}.yaml").write_text(text, encoding="utf-8")
    return folder


@dataclass
class City:
    """Histories in memory: every published row as (load, seq, op, values by column)."""

    rows: dict[str, list[tuple[int, int, str, dict[str, Any]]]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    seq: int = 0
    late: int = -1000

    def publish(
        self,
        dataset: str,
        upserts: Iterable[dict[str, Any]] = (),
        deletes: Iterable[dict[str, Any]] = (),
        *,
        late: bool = False,
    ) -> int:
        """One load more of a dataset; a deletion repeats the row it deletes.

        Late, rows that nobody has heard of yet come with the numbers of an earlier delivery, as released ones do.
        """
        known = {row[3][CONTRACTS[dataset].key[0]] for row in self.rows.get(dataset, ())}
        load = self.numbers[dataset] = self.numbers.get(dataset, 0) + 1
        blank = dict.fromkeys(c.name for c in CONTRACTS[dataset].columns)
        for op, rows in (("upsert", upserts), ("delete", deletes)):
            for row in rows:
                self.seq, self.late = self.seq + 1, self.late + 1
                old = late and row[CONTRACTS[dataset].key[0]] not in known
                self.rows.setdefault(dataset, []).append((load, self.late if old else self.seq, op, {**blank, **row}))
        return load

    def latest(self) -> dict[str, Load]:
        """Each dataset's newest load."""
        return {load.dataset: load for load in self.loads() if load.load == self.numbers[load.dataset]}

    def loads(self) -> list[Load]:
        return [
            Load(dataset, n, f"run-{dataset}-{n}", DAY0 + timedelta(days=n), len(self.current(dataset, n)))
            for dataset, last in self.numbers.items()
            for n in range(1, last + 1)
        ]

    def current(self, dataset: str, upto: int | None = None) -> list[dict[str, Any]]:
        """The live rows, naively, with their `_load` and `_seq`."""
        key = CONTRACTS[dataset].key[0]
        newest: dict[str, tuple[int, int, str, dict[str, Any]]] = {}
        for row in sorted(self.rows.get(dataset, ()), key=lambda r: r[1]):
            if upto is None or row[0] <= upto:
                newest[row[3][key]] = row
        return [{**values, "_load": load, "_seq": seq} for load, seq, op, values in newest.values() if op == "upsert"]

    def histories(self) -> Histories:
        return Histories(self._view, self._touched)

    def _view(self, con: duckdb.DuckDBPyConnection, contract: Contract, name: str, load: int, where: str) -> None:
        _table(con, contract, f"whole_{name}", self.current(contract.dataset, load))
        con.execute(f'CREATE VIEW "{name}" AS FROM "whole_{name}" WHERE {where or "true"}')

    def _touched(
        self, con: duckdb.DuckDBPyConnection, contract: Contract, column: str, since: int, upto: int, name: str
    ) -> None:
        rows = self.rows.get(contract.dataset, ())
        key = contract.key[0]
        fresh = {row[3][key] for row in rows if since < row[0] <= upto}
        values = {row[3][column] for row in rows if row[3][key] in fresh and row[0] <= upto} - {None}
        con.execute(f'CREATE TABLE "{name}" (value VARCHAR)')
        for value in values:
            con.execute(f'INSERT INTO "{name}" VALUES ($1)', [value])


def _table(con: duckdb.DuckDBPyConnection, contract: Contract, name: str, rows: list[dict[str, Any]]) -> None:
    columns = [(c.name, c.sql_type) for c in contract.columns] + [("_load", "BIGINT"), ("_seq", "BIGINT")]
    con.execute(f'CREATE TABLE "{name}" (' + ", ".join(f'"{n}" {t}' for n, t in columns) + ")")
    for row in rows:
        places = ", ".join(f"${i + 1}" for i in range(len(columns)))
        con.execute(f'INSERT INTO "{name}" VALUES ({places})', [row[n] for n, _ in columns])


def reference(
    city: City, person: str, aliases: Mapping[str, str] = _NONE, conflict: Conflict = "authority"
) -> dict[str, Any] | None:
    """The person's file by the letter of PERSON above, one loop after another; `aliases` says which identifiers gave way to which.

    `conflict` is the policy of the name.
    """
    live = {dataset: city.current(dataset) for dataset in CONTRACTS}

    def mine(dataset: str, by: str) -> list[dict[str, Any]]:
        found = [row for row in live[dataset] if aliases.get(row[by], row[by]) == person]
        return [{**row, "_own": row[by] == person} for row in found]

    def best(rows: list[dict[str, Any]], latest: str | None) -> dict[str, Any] | None:
        def rank(row: dict[str, Any]) -> tuple[Any, ...]:
            newest = (row[latest] is not None, row[latest] or date.min) if latest else ()
            return (*newest, row["_own"], row["_load"], row["_seq"])

        return max(rows, key=rank, default=None)

    resident = best(mine("residents", "citizen_id"), None)
    permit = best(mine("permits", "citizen_id"), None)
    husband = best(mine("marriages", "husband_id"), "registered_on")
    wife = best(mine("marriages", "wife_id"), "registered_on")
    charged = [r for r in mine("permits", "citizen_id") if r["fee"] is not None and r["fee"] > 0]
    paid = best(charged, "valid_to")
    accounts = mine("accounts", "holder_id")
    picks = {
        "residents": ("residents", resident), "permits": ("permits", permit), "marriages": ("marriages", husband),
        "marriages#2": ("marriages", wife), "permits#2": ("permits", paid),
    }  # fmt: skip

    disputed: dict[str, Any] = {}

    def survive(candidates: list[tuple[str, str, str | None]], policy: Conflict = "authority") -> dict[str, Any] | None:
        found: list[dict[str, Any]] = []
        for source, name, until in candidates:
            row = picks[source][1]
            if row is not None and row[name] is not None:
                valid = None if until is None else _plain(row[until])
                found.append({"value": _plain(row[name]), "source": source, "column": name, "valid_until": valid})
        if not found:
            return None
        stands = found[0]
        if policy == "newest":  # of sources read on one day the first that is declared
            stands = max(found, key=lambda c: (picks[c["source"]][1] or {})["_load"])
        others = [c for c in found if c["value"] != stands["value"]]
        if policy == "none" and others:
            disputed["name"] = found
            return None
        return {**stands, "conflict": bool(others), "others": others}

    def entry(dataset: str, row: dict[str, Any], names: dict[str, str], until: str | None) -> dict[str, Any]:
        return {
            "values": {shown: _plain(row[name]) for shown, name in names.items()},
            "valid_until": _plain(row[until]) if until else None,
            **_load(dataset, row["_load"]),
        }

    def newest_first(rows: list[dict[str, Any]], order: str, key: str) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda r: (r[order] is None, -(r[order] or date.min).toordinal(), r[key]))

    permits = newest_first(mine("permits", "citizen_id"), "valid_to", "permit_no")
    accounts = newest_first(accounts, "opened_on", "account_no")
    floor = permits[0]["valid_to"] if permits else None
    recent = [r for r in accounts if floor is None or (r["opened_on"] is not None and r["opened_on"] >= floor)]
    sides = [(r, "wife", 0) for r in mine("marriages", "husband_id")] + [
        (r, "husband", 1) for r in mine("marriages", "wife_id")
    ]
    sides.sort(
        key=lambda s: (
            s[0]["registered_on"] is None,
            -(s[0]["registered_on"] or date.min).toordinal(),
            s[0]["cert_no"],
            s[2],
        )
    )
    if not (resident or permit or husband or wife or accounts):
        return None
    formers = sorted(former for former, surviving in aliases.items() if surviving == person)
    return {
        "kind": "person",
        "id": person,
        **({"former": formers} if formers else {}),
        "fields": {
            "name": survive(
                [("residents", "name", None), ("permits", "name", None), ("marriages", "husband_name", None), ("marriages#2", "wife_name", None)],
                conflict,
            ),
            "birth_date": survive([("residents", "birth_date", None)]),
            "base_amount": survive([("permits#2", "fee", "valid_to")]),
        },
        "disputed": disputed,
        "lists": {
            "permits": [entry("permits", r, {n: n for n in ("permit_no", "kind", "valid_to")}, "valid_to") for r in permits],
            "marriages": [
                entry(
                    "marriages",
                    r,
                    {"cert_no": "cert_no", "registered_on": "registered_on", "spouse_id": f"{s}_id", "spouse_name": f"{s}_name"},
                    None,
                )
                for r, s, _ in sides
            ],
            "accounts": [entry("accounts", r, {"account_no": "account_no", "balance": "balance"}, None) for r in accounts],
            "new_accounts": [entry("accounts", r, {"account_no": "account_no"}, None) for r in recent],
        },
        "datasets": {
            d: {"title": f"{d}表", "title_en": f"{d} table", "department": f"{d}局", "department_en": f"Bureau of {d}"}
            for d in ("residents", "permits", "marriages", "accounts")
        },
        "sources": {
            name: {"dataset": dataset, **_load(dataset, row["_load"])} if row else None for name, (dataset, row) in picks.items()
        },
    }  # fmt: skip


def _load(dataset: str, load: int) -> dict[str, Any]:
    as_of = (DAY0 + timedelta(days=load)).isoformat().replace("+00:00", "Z")
    return {"load": load, "run": f"run-{dataset}-{load}", "as_of": as_of, "verdict": "passed"}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, date | Decimal) else value
