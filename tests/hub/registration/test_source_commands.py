"""hub source: any kind of source is probed, sampled and drafted from; what is shown is masked until somebody asks otherwise."""

import json
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import file_servers
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import servers
from command_line import Run
from file_servers import PASSWORD, USER
from http_servers import http_server

from schemas import odcs

NAMES = ["证件号", "姓名", "金额"]
ROWS = [
    [number, name, f"{amount}.50"]
    for number, name, amount in zip(
        ["110101199003074610", "440308199901101512", "610104196209276908"] * 10,
        ["张三", "李四", "王小五", "赵六", "欧阳文"] * 6,
        range(30),
        strict=True,
    )
]
OBJECTS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]


SERVERS = [pytest.param(n, marks=getattr(pytest.mark, f"needs_{n}")) for n in ("postgres", "mariadb")]
KINDS = ["csv", "gb18030", "zip", "xlsx", "jsonl", "json", "parquet", "sqlite", *SERVERS, "rest", "sftp", "web"]


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The words that name one source of each kind on the command line."""
    file = tmp_path / "drafted" / "名册"
    file.parent.mkdir()
    lines = "\n".join(",".join(row) for row in [NAMES, *ROWS])
    match request.param:
        case "csv" | "gb18030" as kind:
            file.with_suffix(".csv").write_bytes(lines.encode("utf-8" if kind == "csv" else "gb18030"))
            yield [str(file.with_suffix(".csv"))]
        case "zip":
            with zipfile.ZipFile(file.with_suffix(".csv.zip"), "w") as archive:
                archive.writestr("名册.csv", lines)
            yield [str(file.with_suffix(".csv.zip"))]
        case "sftp":
            file.with_suffix(".csv").write_text(lines, encoding="utf-8")
            monkeypatch.setenv("DRAFTED", f"{USER}:{PASSWORD}")
            with file_servers.sftp(file.parent) as served:
                words = ["--secret", "env:DRAFTED", "-o", f"hostKey={served.key}"]
                yield [f"sftp://127.0.0.1:{served.port}/*.csv", *words]
        case "web":
            file.with_name("roster.csv").write_text(lines, encoding="utf-8")
            monkeypatch.setenv("DRAFTED", PASSWORD)
            with file_servers.web(file.parent, token=PASSWORD) as served:
                yield [f"http://127.0.0.1:{served.port}/roster.csv", "--secret", "env:DRAFTED"]
        case "postgres" | "mariadb" as kind:
            with servers.database(request.getfixturevalue(f"{kind}_url"), "drafted") as url:
                servers.execute(url, *table(kind))
                bare, account = servers.account(url)
                monkeypatch.setenv("DRAFTED", account)
                yield [bare, "--table", "名册", "--secret", "env:DRAFTED"]
        case "xlsx":
            book = openpyxl.Workbook()
            for row in [NAMES, *ROWS]:
                book.active.append(row)  # type: ignore[union-attr]
            book.save(file.with_suffix(".xlsx"))
            yield [str(file.with_suffix(".xlsx"))]
        case "jsonl":
            file.with_suffix(".jsonl").write_text("\n".join(map(json.dumps, OBJECTS)))
            yield [str(file.with_suffix(".jsonl"))]
        case "json":
            file.with_suffix(".json").write_text(json.dumps(OBJECTS))
            yield [str(file.with_suffix(".json"))]
        case "parquet":
            pq.write_table(pa.Table.from_pylist(OBJECTS), file.with_suffix(".parquet"))
            yield [str(file.with_suffix(".parquet"))]
        case "sqlite":
            drop = tmp_path / "home" / "drop"
            drop.mkdir(parents=True)
            with sqlite3.connect(drop / "p.db") as db:
                db.execute('CREATE TABLE "名册" ("证件号" TEXT, "姓名" TEXT, "金额" TEXT)')
                db.executemany('INSERT INTO "名册" VALUES (?, ?, ?)', ROWS)
            db.close()
            yield ["sqlite:///p.db", "--table", "名册"]
        case _:
            body = json.dumps({"code": 0, "data": {"list": OBJECTS, "total": 30}}).encode()
            with http_server(lambda *_: (200, body)) as port:
                yield [f"http://127.0.0.1:{port}/v1/roster"]


def table(kind: str) -> list[str]:
    """The statements that make it on a server."""
    quote = '"' if kind == "postgres" else "`"
    declared = ", ".join(f"{quote}{name}{quote} varchar(40)" for name in NAMES)
    rows = ", ".join(f"('{number}', '{name}', '{amount}')" for number, name, amount in ROWS)
    at = f"{quote}名册{quote}"
    return [
        f"CREATE TABLE {at} ({declared}){'' if kind == 'postgres' else ' CHARSET utf8mb4'}",
        f"INSERT INTO {at} VALUES {rows}",
    ]


def test_a_contract_is_drafted_from_every_kind_of_source(run: Run, source: list[str], tmp_path: Path) -> None:
    code, text, err = run("source", "draft", *source, "--dataset", "roster")
    assert (code, err) == (0, "")
    contract = odcs.load(tmp_path / "roster.odcs.yaml", text)
    assert [(c.source, c.element) for c in contract.columns][:2] == [("证件号", "DE01001"), ("姓名", "DE01002")]
    assert not any(row[0] in text for row in ROWS)


def test_a_drafted_contract_reads_what_it_was_drafted_from(run: Run, source: list[str], tmp_path: Path) -> None:
    drop, file = tmp_path / "home" / "drop", tmp_path / "roster.odcs.yaml"
    drop.mkdir(parents=True, exist_ok=True)
    if Path(source[0]).is_file():
        Path(source[0]).rename(drop / Path(source[0]).name)
        source = [str(drop / Path(source[0]).name)]
    file.write_text(run("source", "draft", *source, "--dataset", "roster")[1], encoding="utf-8")
    assert run("contract", "apply", str(file))[0] == 0
    code, out, _ = run("source", "sample", "roster", "-n", "30", "--unmask", "--json")
    assert code == 0
    assert [[row[name] for name in NAMES] for row in json.loads(out)] == ROWS


def test_a_sample_is_masked_unless_somebody_asks_otherwise(run: Run, source: list[str]) -> None:
    code, masked, _ = run("source", "sample", *source, "-n", "3", "--json")
    assert code == 0
    assert json.loads(masked)[0]["证件号"] == "110101********4610"
    assert not any(row[0] in masked or row[1] in masked for row in ROWS)
    _, plain, _ = run("source", "sample", *source, "-n", "3", "--unmask", "--json")
    assert [list(row.values()) for row in json.loads(plain)] == ROWS[:3]


def test_a_probe_tells_what_is_there_and_how_much(run: Run, source: list[str]) -> None:
    code, out, _ = run("source", "probe", *source, "--json")
    assert code == 0
    found = json.loads(out)
    assert len(found["tables"]) == 1
    rows = found["tables"][0]["rows"]
    assert rows is None or abs(rows["count"] - 30) <= 1
    assert run("source", "probe", *source)[1].startswith("where ")


def test_what_is_no_source_is_refused_with_what_would_be_one(run: Run) -> None:
    code, out, err = run("source", "probe", "nowhere.zip")
    assert (code, out) == (3, "")
    assert "postgresql://" in err
    code, _, err = run("source", "draft", "mysql://reader:hunter2@db/x", "--json")
    assert code == 3
    assert "hunter2" not in err
    assert json.loads(err)["title"] == "invalid"


def test_an_option_of_the_connector_stands_in_the_draft(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("编号;说明\n1;a,b\n2;c\n", encoding="utf-8")
    text = run("source", "draft", str(file), "-o", "delimiter=;")[1]
    contract = odcs.load(tmp_path / "x.odcs.yaml", text)
    assert contract.source.options == {"delimiter": ";"}
    assert [c.source for c in contract.columns] == ["编号", "说明"]
