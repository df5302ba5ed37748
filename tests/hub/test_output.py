"""What the command line shows: labels in the reader's language, tables that fit, blocks that end with what to do; and what it imports."""

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from rich.console import Console

from hub import cli, words
from hub.commands.runs import COUNTED, _line, summary, told
from hub.output import Output, complain
from ledger import disputes, registrations, requests, reviews, runs
from ledger.runs import Run
from schemas.errors import Busy, ContractInvalid, NotFound, Problem

LOADED = """
import json, sys
import hub.cli
sys.argv[0] = "hub"
try:
    hub.cli.main()
except SystemExit:
    print(json.dumps(list(sys.modules)))
"""
START = datetime(2026, 5, 1, 8, tzinfo=UTC)
COUNTS = {"delivered": 10, "new": 2, "updated": 3, "unchanged": 4, "deleted": 1, "rejected": 1}
RUN = Run(
    "0123456789abcdef", "people", "me", 7, 3, "published", False, START, START + timedelta(seconds=90), "",
    {"counts": COUNTS, "bytes": 1_234_567, "seconds": {"read": 60.0, "judge": 29.5, "publish": 0.5}, "lag": 7200.0,
     "bound": "2026-05-01 06:00:00+00:00"},
)  # fmt: skip


def shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, rows: list[dict[str, Any]]
) -> str:
    monkeypatch.setattr("hub.output._console", lambda: Console(width=width))
    Output(language="en").table("runs", rows)
    return capsys.readouterr().out


def test_a_runs_five_counts_its_bytes_durations_bound_and_lag_are_told() -> None:
    whole = summary(RUN)
    assert [whole[k] for k in COUNTED] == [10, 5, 4, 1, 1]
    assert (whole["seconds"], whole["steps"]["read"], whole["bytes"], whole["lag"]) == (90.0, 60.0, 1_234_567, 7200.0)
    people = told(RUN)
    assert (people["took"], people["size"], people["lag"]) == ("1 min 30 s", "1.2 MB", "2 h 0 min")
    assert people["steps"] == {"read": "1 min 0 s", "judge": "29.5 s", "publish": "0.50 s"}


def test_what_is_not_known_yet_is_none_and_not_zero() -> None:
    whole = summary(replace(RUN, phase="claimed", ended_at=None, facts={}))
    assert [whole[k] for k in (*COUNTED, "seconds", "bytes", "lag")] == [None] * 8


@pytest.mark.parametrize("width", [60, 84, 120, 200])
def test_a_table_fits_the_terminal_and_names_the_columns_that_do_not(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [_line(replace(RUN, reason="a reason that is quite long " * 5)), _line(RUN)]
    text = shown(capsys, monkeypatch, width, rows)
    assert max(map(len, text.splitlines())) <= width
    assert "01234567" in text
    assert "people" in text
    assert all(name in text for name in ("quarantined", "reason", "size"))
    assert ("--json" in text) == (width < 150)


def test_columns_in_which_nothing_stands_are_left_out_of_tables_but_not_of_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [{"dataset": "a", "reason": "", "lag": None}, {"dataset": "b", "reason": "", "lag": None}]
    Output().table("runs", rows)
    assert "reason" not in capsys.readouterr().out
    Output(as_json=True).table("runs", rows)
    assert json.loads(capsys.readouterr().out) == rows


def test_values_are_never_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    Output().record({"note": "[bold]x[/bold] [/]"})
    Output().table("t", [{"note": "[red]y[/red] [/]"}])
    out = capsys.readouterr().out
    assert "[bold]x[/bold] [/]" in out
    assert "[red]y[/red] [/]" in out


def test_labels_are_in_the_readers_language_and_json_is_in_none(capsys: pytest.CaptureFixture[str]) -> None:
    Output(language="zh").record(told(RUN))
    out = capsys.readouterr().out
    assert "数据集    people" in out
    assert "已发布" in out
    assert "读取 1 min 0 s" in out
    Output(as_json=True, language="zh").record(summary(RUN))
    assert json.loads(capsys.readouterr().out)["phase"] == "published"
    assert set(_line(RUN)) <= set(words.LABELS)


def test_the_hubs_own_words_have_chinese_as_values_and_other_values_stay() -> None:
    states = (requests.State, disputes.State, registrations.State, reviews.State)
    assert set(words.VALUES["state"]) == {"revoked", "ended"}.union(*map(get_args, states))
    assert set(words.VALUES["deed"]) == {*get_args(requests.Deed), "revoked"}
    assert set(words.VALUES["phase"]) == {"claimed", "landed", "judged", *runs.ENDED}
    shown = [words.value("state", "granted", tongue) for tongue in ("zh", "en")]
    assert shown == ["已授权", "granted"]
    assert words.value("name", "granted", "zh") == "granted"


@pytest.mark.parametrize(
    ("setting", "locale", "tongue"),
    [
        ("", "zh_CN.UTF-8", "zh"),
        ("", "en_US.UTF-8", "en"),
        ("", "", "en"),
        ("en", "zh_CN.UTF-8", "en"),
        ("zh", "C", "zh"),
    ],
)
def test_the_language_is_the_settings_else_the_terminals(
    setting: str, locale: str, tongue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", locale)
    assert words.language(setting) == tongue


def test_an_error_is_one_block_that_ends_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    complain(Busy("people is at work", todo="wait"), as_json=False)
    assert capsys.readouterr().err == "✗ people is at work\n  → wait\n"
    complain(ContractInvalid([Problem("id", "is missing", "id: x"), Problem("name", "is missing")]), as_json=False)
    assert capsys.readouterr().err == "✗ id: is missing — right: id: x\n  name: is missing\n"


def test_an_error_is_told_in_the_readers_language_and_to_machines_in_english(
    capsys: pytest.CaptureFixture[str],
) -> None:
    unknown = NotFound("there is no client benefits", todo="hub client list")
    complain(unknown, as_json=False, language="zh")
    assert capsys.readouterr().err == "✗ 没有调用方 benefits\n  → hub client list\n"
    complain(unknown, as_json=True, language="zh")
    assert json.loads(capsys.readouterr().err)["detail"] == "there is no client benefits"


def test_why_a_run_failed_is_told_in_the_readers_language() -> None:
    reason = "people: no space is left for what the hub writes → free space, then: hub pull people"
    assert words.value("reason", reason, "zh") == "people：没有空间可供中枢写入 → 请释放空间，然后执行：hub pull people"
    assert words.value("reason", reason, "en") == reason


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    for out in (Output(), Output(as_json=True)):
        with out.progress("people") as advance:
            advance(1000)
    assert capsys.readouterr() == ("", "")


def test_whoever_watches_sees_the_bytes_go_by_on_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes standard error for a terminal
    with Output().progress("people") as advance:
        advance(1_500_000)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "people" in shown.err
    assert "1.5" in shown.err
    assert "MB" in shown.err
    with Output(as_json=True).progress("people") as advance:
        advance(1000)
    assert capsys.readouterr() == ("", "")


def commands(module: str) -> dict[str, str]:
    """The commands that a module hangs on the root, each with its first line of help."""
    root = typer.Typer()
    importlib.import_module(f"hub.commands.{module}").add_to(root)
    groups = {
        str(group.name): str(group.typer_instance.info.help) for group in root.registered_groups if group.typer_instance
    }
    return groups | {
        str(c.name or c.callback.__name__): str(c.callback.__doc__).split("\n\n")[0].split("\n")[0]
        for c in root.registered_commands
        if c.callback
    }


def test_the_list_of_commands_says_of_each_what_its_module_says() -> None:
    modules = {module for module, _ in cli.COMMANDS.values()}
    found = {name: (module, line) for module in modules for name, line in commands(module).items()}
    assert found == cli.COMMANDS
    there = {file.stem for file in Path(cli.__file__).parent.joinpath("commands").glob("*.py")}
    assert there - modules == {"__init__", "common", "contract_life"}


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (
            ["--help"],
            {
                "schemas.messages",
                "sqlalchemy",
                "pyarrow",
                "duckdb",
                "pydantic",
                "httpx",
                "pandas",
                "hub.pulling.pipeline",
            },
        ),
        (["runs", "list"], {"pyarrow", "duckdb", "httpx", "pandas", "connectors", "hub.pulling.pipeline"}),
        (["contract", "list"], {"pyarrow", "duckdb", "httpx", "pandas", "connectors", "hub.pulling.pipeline"}),
        (
            ["contract", "check", "x.odcs.yaml"],
            {"pandas", "great_expectations", "deltalake", "hub.pulling.pipeline", "openpyxl"},
        ),
    ],
)
def test_a_command_imports_what_it_needs_and_no_more(words: list[str], unwanted: set[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=True,
        env={"HUB_HOME": str(tmp_path), "PYTHONPATH": str(Path(cli.__file__).parents[1]), "PATH": ""},
    )  # fmt: skip
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert loaded & unwanted == set()
