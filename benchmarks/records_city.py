"""The city of `records.py`: residents and five other sources of fictitious records, their contracts, and their published histories."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

AT = datetime(2026, 3, 1, tzinfo=UTC)
PERSON = r"""
kind: person
title: 自然人
title_en: Person
key:
  title: 公民身份号码
  title_en: Citizen ID
  element: DE01001
  pattern: '[1-9]\d{5}(18|19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{3}[0-9X]'
fields:
  name:
    sources:
      - residents.name
      - {column: travel_permits.name, latest: issue_date}
      - {column: insurance.name, latest: updated_at}
      - {column: marriages.husband_name, by: husband_id, latest: registered_on}
      - {column: marriages.wife_name, by: wife_id, latest: registered_on}
  sex_code: {sources: [residents.sex_code]}
  birth_date: {sources: [residents.birth_date]}
  ethnic_code: {sources: [residents.ethnic_code]}
  hukou_region: {sources: [residents.hukou_region]}
  address: {sources: [residents.address]}
  mobile: {sources: [residents.mobile]}
  employer_uscc: {sources: [{column: insurance.employer_uscc, latest: paid_until, filter: status = 'active'}]}
lists:
  travel_permits:
    dataset: travel_permits
    columns: [permit_no, name, permit_type, issue_date, valid_to, status]
    order: valid_to
    valid_until: valid_to
  marriages:
    dataset: marriages
    columns: [cert_no, registered_on, marital_code]
    by:
      husband_id: {spouse_id: wife_id, spouse_name: wife_name}
      wife_id: {spouse_id: husband_id, spouse_name: husband_name}
    order: registered_on
  insurance: {dataset: insurance, columns: [account_no, scheme, status, employer_uscc, base_amount, paid_until], order: paid_until}
  utility_accounts: {dataset: utility_accounts, columns: [account_no, utility, address, opened_on, balance], order: opened_on}
  posts: {dataset: companies, columns: [uscc, org_name, reg_status_code, establish_date], order: establish_date}
"""
MACROS = """
CREATE MACRO head(i) AS '9901' || lpad((i % 20 + 1)::VARCHAR, 2, '0') || strftime(DATE '1950-01-01' + ((i // 20) % 20000)::INT, '%Y%m%d')
  || lpad((i // 400000 + 1)::VARCHAR, 3, '0');
CREATE MACRO tail(h) AS '10X98765432'[1 + (h[1]::INT * 7 + h[2]::INT * 9 + h[3]::INT * 10 + h[4]::INT * 5 + h[5]::INT * 8 + h[6]::INT * 4
  + h[7]::INT * 2 + h[8]::INT + h[9]::INT * 6 + h[10]::INT * 3 + h[11]::INT * 7 + h[12]::INT * 9 + h[13]::INT * 10
  + h[14]::INT * 5 + h[15]::INT * 8 + h[16]::INT * 4 + h[17]::INT * 2) % 11];
CREATE MACRO person(i) AS head(i) || tail(head(i));
CREATE MACRO named(i) AS '某' || chr(20000 + (i * 7 % 5000)::INT) || chr(21000 + (i % 3001)::INT);
"""
"""Citizen IDs of right form and check character, of places and births that no register has."""


def _tables() -> dict[str, tuple[dict[str, Any], str]]:
    """Of each dataset its columns (type, or element) and the query of its rows: {n} residents, `v` a version, `i` the row's number."""
    return {
        "residents": (
            {"citizen_id": "DE01001", "name": "DE01002", "sex_code": "string", "birth_date": "date", "ethnic_code": "string",
             "hukou_region": "string", "address": "string", "mobile": "string"},
            "SELECT person(i) citizen_id, named(i) AS name, (i % 2 + 1)::VARCHAR sex_code, DATE '1950-01-01' + ((i // 20) % 20000)::INT birth_date, "
            "lpad((i % 56 + 1)::VARCHAR, 2, '0') ethnic_code, '9901' || lpad((i % 20 + 1)::VARCHAR, 2, '0') hukou_region, "
            "'东海市中心大道' || (i % 9999 + v) || '号' || (i % 77) || '室' address, "
            "'139' || lpad((i * 7919 % 100000000)::VARCHAR, 8, '0') mobile, i "
            "FROM range({n}) r(i)",
        ),
        "travel_permits": (
            {"permit_no": "string", "citizen_id": "DE01001", "name": "DE01002", "permit_type": "string", "issue_date": "date", "valid_to": "date",
             "status": "string"},
            "SELECT 'C' || lpad(i::VARCHAR, 10, '0') permit_no, person(p) citizen_id, "
            "named(p + (i % 50 = 0)::INT) AS name, '51' || (i % 5) permit_type, "
            "DATE '2016-01-01' + (i % 3000)::INT issue_date, DATE '2026-01-01' + (i % 3000 + v)::INT valid_to, (i % 2)::VARCHAR status, i "
            "FROM (SELECT i, (i * 2654435761) % {n} p FROM range({n} * 4 // 10) r(i))",
        ),
        "marriages": (
            {"cert_no": "string", "husband_id": "DE01001", "husband_name": "string", "wife_id": "DE01001", "wife_name": "string",
             "registered_on": "date", "marital_code": "string"},
            "SELECT 'J' || lpad(i::VARCHAR, 12, '0') cert_no, person(i * 2) husband_id, named(i * 2) husband_name, person(i * 2 + 1) wife_id, "
            "named(i * 2 + 1) wife_name, DATE '1990-01-01' + (i % 13000 + v)::INT registered_on, '20' marital_code, i FROM range({n} // 4) r(i)",
        ),
        "insurance": (
            {"account_no": "string", "citizen_id": "DE01001", "name": "DE01002", "scheme": "string", "status": "string", "employer_uscc": "string",
             "base_amount": "decimal", "paid_until": "date", "updated_at": "timestamp"},
            "SELECT 'S' || lpad(i::VARCHAR, 12, '0') account_no, person(p) citizen_id, named(p) AS name, (i % 5)::VARCHAR scheme, "
            "CASE WHEN i % 7 = 0 THEN 'closed' ELSE 'active' END status, '91990100MA' || lpad((i % 100000)::VARCHAR, 8, '0') employer_uscc, "
            "((i % 20000) + 3000 + v)::DECIMAL(12, 2) base_amount, DATE '2025-01-01' + (i % 600)::INT paid_until, "
            "TIMESTAMPTZ '2025-01-01 00:00:00+00' + INTERVAL (i % 6000000) SECOND updated_at, i "
            "FROM (SELECT i, (i * 40503) % ({n} * 8 // 10) p FROM range({n} * 9 // 10) r(i))",
        ),
        "utility_accounts": (
            {"account_no": "string", "holder_id": "string", "holder_name": "string", "utility": "string", "address": "string", "opened_on": "date",
             "balance": "decimal"},
            "SELECT 'U' || lpad(i::VARCHAR, 12, '0') account_no, CASE WHEN i % 20 = 0 THEN '91990100MA' || lpad((i % 100000)::VARCHAR, 8, '0') "
            "ELSE person((i * 69621) % {n}) END holder_id, '某' || i % 1000 holder_name, (i % 3)::VARCHAR utility, "
            "'东海市海滨路' || (i % 9999) || '号' address, "
            "DATE '2010-01-01' + (i % 5000)::INT opened_on, ((i % 20000) / 10.0 + v)::DECIMAL(12, 2) balance, i FROM range({n} // 2) r(i)",
        ),
        "companies": (
            {"uscc": "string", "org_name": "string", "legal_rep_id": "DE01001", "legal_rep_name": "string", "reg_status_code": "string",
             "establish_date": "date"},
            "SELECT '91990100MA' || lpad(i::VARCHAR, 8, '0') uscc, '东海' || i || '有限公司' org_name, person((i * 104729) % {n}) legal_rep_id, "
            "'某' || i % 1000 legal_rep_name, '1' reg_status_code, "
            "DATE '2005-01-01' + (i % 7000 + v)::INT establish_date, i FROM range({n} // 20) r(i)",
        ),
    }  # fmt: skip


_PRIVATE = {"address", "mobile"}
_SUBJECT_COLUMNS = {"citizen_id", "husband_id", "wife_id", "holder_id", "legal_rep_id"}


def contracts() -> dict[str, Any]:
    """The six contracts."""
    from schemas.contract import Column, Contract, Source, SubjectLink

    made = {}
    for dataset, (columns, _) in _tables().items():
        listed = [
            Column(n, n, n, "string", element=kind, key_position=int(i == 0), classification="L4" if kind == "DE01001" else "L3")
            if kind.startswith("DE") else
            Column(n, n, n, kind, precision=12, scale=2, key_position=int(i == 0), classification="L3" if n in _PRIVATE else "L2")
            for i, (n, kind) in enumerate(columns.items())
        ]  # fmt: skip
        made[dataset] = Contract(
            dataset=dataset, title=dataset, version="1.0.0", status="active", provider=f"{dataset}局", provider_code="x",
            provider_en=f"Bureau of {dataset}", title_en=dataset, purpose="", resource_code="302001/000001",
            share_type=1, share_condition="", share_modes=("api",), columns=tuple(listed), source=Source("csv", "file://", "x"),
            subjects=tuple(SubjectLink("person", n) for n in columns if n in _SUBJECT_COLUMNS),
        )  # fmt: skip
    return made


def publish(lake: Path, rows: int, load: int, share: float) -> None:
    """Publish a load of every dataset: all rows, or a share of them in a new version."""
    import duckdb

    from lake import hashing
    from lake.history import History, Load
    from lake.session import PARQUET

    with duckdb.connect() as con:
        con.execute(
            "SET TimeZone = 'UTC'; SET threads = 2; SET preserve_insertion_order = false; SET memory_limit = '2GB'"
        )
        con.execute(MACROS)
        for dataset, contract in contracts().items():
            history = History(lake, dataset)
            history.prepare(contract)
            path = history.path / f"load-{load:09d}-bench.parquet"
            query = _tables()[dataset][1].replace("{n}", str(rows)).replace("+ v", f"+ {load - 1}")
            names = ", ".join(c.name for c in contract.columns)
            some = "true" if share == 1 else f"i % {round(1 / share)} = 0"
            rowset = f"SELECT * FROM ({query}) WHERE {some}"
            con.execute(
                f"COPY (SELECT {names}, 'upsert' AS _op, {load}::BIGINT AS _load, ({load} * 1000000000 + i)::BIGINT AS _seq, "
                f"{hashing.of_values(contract)} AS _hash FROM ({rowset})) TO '{path}' ({PARQUET})"
            )
            [(count,)] = con.execute(f"SELECT count(*) FROM read_parquet('{path}')").fetchall()
            whole = count if load == 1 else (history.head() or Load(dataset, 0, "", 0, "", "", "", None, 0, 0)).rows
            at = AT.isoformat()
            history.commit(
                Load(dataset, load, f"run-{dataset}-{load}", load, "pull", at, at, None, whole, count), path, contract
            )


def sources(lake: Path, folder: Path) -> Any:
    """All that a build reads."""
    from lake.history import History
    from ledger.loads import Load
    from subjects import declare, histories
    from subjects.work import Sources

    applied = contracts()
    told = [
        Load(x.dataset, x.load, x.run, AT, x.rows, facts={"as_of": x.as_of, "changed": x.changed})
        for d in applied
        for x in History(lake, d).loads()
    ]
    return Sources(declare.load(folder / "subjects", applied), applied, histories.of_lake(lake), told)
