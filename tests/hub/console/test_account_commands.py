"""hub account: people at the console; their passwords are in no command line and no output."""

import io
import json
import sys
from pathlib import Path

import pytest
from command_line import Run

from access.passwords import secret_matches
from hub.core import Hub
from ledger import accounts as store

POLICE = "11440300MB2C90001A"
WORDS = "four plain words suffice"


@pytest.fixture
def words(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(f"{WORDS}\n", encoding="utf-8")
    return str(path)


def test_a_person_is_added_listed_given_other_roles_and_switched_off(run: Run, words: str) -> None:
    code, out, _ = run(
        "account", "add", "wang.fang", "--role", "editor", "--department", POLICE, "--name", "王芳",
        "--password-file", words, "--json",
    )  # fmt: skip
    assert code == 0
    assert WORDS not in out
    known = store.find(Hub().ledger, "wang.fang")
    assert known is not None
    assert secret_matches(WORDS, known.password_hash)
    run("account", "roles", "wang.fang", "--role", "approver", "--role", "editor", "--department", POLICE)
    run("account", "disable", "wang.fang")
    (listed,) = json.loads(run("account", "list", "--json")[1])
    assert (listed["roles"], listed["active"], listed["name"]) == (["approver", "editor"], False, "王芳")
    assert run("account", "enable", "wang.fang")[0] == 0


def test_a_password_comes_from_standard_input_too(run: Run, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("account", "add", "li.lei", "--role", "office", "--password-file", words)
    monkeypatch.setattr(sys, "stdin", io.StringIO("quite other words now\n"))
    assert run("account", "password", "li.lei", "--password-file", "-")[0] == 0
    known = store.find(Hub().ledger, "li.lei")
    assert known is not None
    assert secret_matches("quite other words now", known.password_hash)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("Wang Fang", "--role", "office"), "2 to 64"),
        (("wang", "--role", "king"), "a role is one of"),
        (("wang",), "a role is one of"),
        (("wang", "--role", "editor"), "belongs to a department"),
        (("wang", "--role", "editor", "--department", "police"), "18-character"),
        (("wang", "--role", "client"), "who answers for a portal"),
        (("wang", "--role", "client", "--client", "nobody"), "no client 'nobody'"),
        (("four", "--role", "office"), "not your name"),
    ],
)
def test_an_account_that_is_not_in_order_is_refused_with_the_reason(
    run: Run, words: str, arguments: tuple[str, ...], told: str
) -> None:
    code, _, err = run("account", "add", *arguments, "--password-file", words)
    assert (code, told in err) == (3, True)


def test_an_account_is_added_once(run: Run, words: str) -> None:
    assert run("account", "add", "li.lei", "--role", "office", "--password-file", words)[0] == 0
    code, _, err = run("account", "add", "li.lei", "--role", "auditor", "--password-file", words)
    assert (code, "already" in err) == (3, True)
    assert run("account", "password", "somebody", "--password-file", words)[0] == 3
    assert run("account", "disable", "somebody")[0] == 3
