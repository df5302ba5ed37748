"""hub quarantine …: counts for everybody in the office, values for the owner alone, files out and in, and no value anywhere else."""

import json
from pathlib import Path

import openpyxl
import pytest
from command_line import Run
from modes_bench import Bench, sieve_alone

from access.audit import read
from hub.core import Hub
from ledger import audit as audit_store

CODE = "11310000002420886W"
CANARY = "金丝雀"
DAY = "2026-03-01 08:00:00"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The hub that the command line finds, with two rows set aside."""
    sieve_alone(monkeypatch)
    made = Bench(tmp_path)
    made.apply()
    made.source([("1", "甲", "有效", 1, DAY), ("2", CANARY, "遗失", 1, DAY), ("3", "丙", "终止", 1, DAY)])
    made.pull()
    monkeypatch.setenv("HUB_DROP_ROOT", str(made.drop))
    monkeypatch.setenv("HUB_LANGUAGE", "zh")
    return made


def audited(hub: Hub) -> list[tuple[str, str]]:
    entries = [read(link.body) for link in sorted(audit_store.links(hub.audit), key=lambda link: link.at)]
    return [(e["purpose"], e["result"].partition(",")[0]) for e in entries if e["kind"] == "entry"]


def correct(file: Path, state: str) -> None:
    """Give the first row this state, as a person does."""
    book = openpyxl.load_workbook(file)
    sheet = book.worksheets[0]
    place = [cell.value for cell in sheet[1]].index("状态") + 1
    sheet.cell(2, place).value = state
    book.save(file)


def test_counts_tell_states_and_ages_by_rule_and_department(bench: Bench, run: Run) -> None:
    (found,) = json.loads(run("quarantine", "list", "--json")[1])
    assert (found["dataset"], found["department"], found["rule"], found["rows"]) == ("things", "市局", "state.code", 2)
    assert (found["ages"]["0-7"], found["days"], found["corrected"], found["waived"]) == (2, 0, 0, 0)
    assert json.loads(run("quarantine", "list", "--department", "民政局", "--json")[1]) == []
    told = run("quarantine", "list")[1]
    assert "问题数据" in told
    assert CANARY not in told
    bench.source([("1", "甲", "有效", 1, DAY)])
    bench.pull(accept_deletions=True)
    assert "no row is in quarantine" in run("quarantine", "list")[1]
    assert "已更正" in run("quarantine", "list", "--all")[1]


def test_values_are_for_the_owner_and_anybody_else_is_told_what_he_would_be_told_of_nothing(
    bench: Bench, run: Run
) -> None:
    assert CANARY not in run("quarantine", "show", "things")[1]
    for department in (CODE, "市局"):
        (first, _) = json.loads(run("quarantine", "show", "things", "--department", department, "--json")[1])
        assert first["delivered"]["姓名"] == CANARY
    assert CANARY in run("quarantine", "show", "things", "--department", CODE)[1]
    for words in (("show",), ("export", "--to", "x.xlsx"), ("upload", __file__)):
        answers = {
            dataset: run("quarantine", words[0], dataset, *words[1:], "--department", "民政局")
            for dataset in ("things", "nothing")
        }
        assert {code for code, _, _ in answers.values()} == {3}
        assert answers["things"][2].replace("things", "nothing") == answers["nothing"][2]
    assert audited(bench.hub) == [("quarantine show", "2 rows shown")] * 3


def test_a_file_goes_out_is_corrected_comes_back_and_the_rest_is_told_in_the_readers_language(
    bench: Bench, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "bad.xlsx"
    receipt = json.loads(run("quarantine", "export", "things", "--department", CODE, "--to", str(file), "--json")[1])
    assert (receipt["rows"], receipt["rules"], len(receipt["sha256"])) == (2, {"state.code": 2}, 64)
    assert file.stat().st_mode & 0o077 == 0
    correct(file, "有效")
    tried = run("quarantine", "upload", "things", str(file), "--department", CODE, "--dry-run")[1]
    assert (bench.head, "仍有问题" in tried, "可填: 有效" in tried) == (1, True, True)
    code, told, complaint = run("quarantine", "upload", "things", str(file), "--department", CODE)
    assert (code, bench.head, complaint) == (0, 2, "")
    assert CANARY not in told
    assert bench.current()["2"] == (CANARY, "active", 1)
    again = json.loads(run("quarantine", "upload", "things", str(file), "--department", CODE, "--json")[1])
    assert [r["outcome"] for r in again["records"]] == ["superseded", "wrong"]
    assert again["records"][0]["reasons"][0]["fix_zh"] == "无需处理"
    assert [purpose for purpose, _ in audited(bench.hub)] == ["quarantine export"] + ["quarantine upload"] * 3
    assert run("audit", "verify")[0] == 0


def test_what_is_no_file_of_ours_is_refused_without_a_value(bench: Bench, run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "rows.csv"
    wrong.write_text(f"姓名\n{CANARY}\n", encoding="utf-8")
    code, _, complaint = run("quarantine", "upload", "things", str(wrong), "--department", CODE)
    assert (code, "※编号" in complaint, CANARY in complaint) == (3, True, False)
    (tmp_path / "rows.xlsx").write_bytes(b"no workbook")
    assert run("quarantine", "upload", "things", str(tmp_path / "rows.xlsx"), "--department", CODE)[0] == 3
    assert run("quarantine", "export", "things", "--department", CODE, "--to", "rows.pdf")[0] == 3
    assert bench.head == 1


def test_rows_are_released_and_waived_by_command(bench: Bench, run: Run) -> None:
    bench.codes["终止"] = "ended"
    bench.apply()
    assert json.loads(run("quarantine", "release", "things", "--json")[1])["released"] == 1
    done = json.loads(run("quarantine", "waive", "things", "--row", "Q1.2", "--reason", "paper only", "--json")[1])
    assert (done["rows"], bench.quarantined()) == (1, {})
    assert run("quarantine", "waive", "things", "--reason", "which?")[0] == 3
