"""The guides' commands run as they stand on the pages, in the order a reader meets them, on a small city of their own."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from warm_hub import WarmHub

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
ORDER = ("data-engineer", "department", "portal-developer", "push", "data-office", "versions")
PORTS = ("18479", "18478")
pytestmark = pytest.mark.timeout(660)


def commands(guide: str) -> list[str]:
    """The guide's `sh` blocks."""
    return re.findall(
        r"^```sh\n(.*?)^```$", (GUIDES / f"{guide}.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def free_port() -> str:
    """A free port that no outgoing connection is given in the minute until the guides use it."""
    while True:
        port = random.randrange(18_500, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return str(port)


def script() -> str:
    """All guides as one shell session that names each block before it runs, and stops at the first that fails."""
    lines = ["set -eu -o pipefail"]
    for guide in ORDER:
        for number, block in enumerate(commands(guide), 1):
            lines += [f"echo; echo '=== {guide} {number}'", block]
    text = "\n".join(lines).replace(". .venv/bin/activate", ":")
    for port in PORTS:
        text = text.replace(port, free_port())
    return text


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each block printed, by `guide number`."""
    home = tmp_path_factory.mktemp("guides")
    (home / "bin").mkdir()
    environment = {
        **os.environ,
        "HUB_HOME": str(home / "hub"),
        "PATH": os.pathsep.join((str(home / "bin"), str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONPATH": str(ROOT),
    }
    said, complaints = home / "said", home / "complaints"
    with WarmHub(home / "bin"), said.open("w") as out, complaints.open("w") as err:
        shell = subprocess.Popen(
            ["bash", "-c", script()], cwd=ROOT, env=environment, stdout=out, stderr=err, start_new_session=True
        )
        code: int | str = "no end in 600 s"
        with suppress(subprocess.TimeoutExpired):
            code = shell.wait(600)
        with suppress(ProcessLookupError):  # a server that a block left behind
            os.killpg(shell.pid, signal.SIGKILL)
    text = said.read_text(encoding="utf-8")
    assert code == 0, f"{code}: {text[-1500:]}\n{complaints.read_text(encoding='utf-8')[-3000:]}"
    parts = re.split(r"^=== (.+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_there_is_a_guide_for_each_user_and_the_indented_blocks_are_not_left_out() -> None:
    assert {file.stem for file in GUIDES.glob("*.md")} == {*ORDER}
    assert all(len(commands(guide)) >= 4 for guide in ORDER)


def block(shown: dict[str, str], text: str, guides: tuple[str, ...] = ORDER) -> str:
    """What the one block of these guides that holds `text` printed."""
    (found,) = [f"{g} {n}" for g in guides for n, b in enumerate(commands(g), 1) if text in b]
    return shown[found]


def test_the_data_engineer_pulls_judges_publishes_and_goes_back(shown: dict[str, str]) -> None:
    assert "residents" in block(shown, "hub contract list")
    assert "published" in block(shown, "hub pull travel_permits")
    assert "published" in block(shown, "hub publish $run")
    assert "checksum" in block(shown, "hub quarantine show residents")
    assert "published" in block(shown, "hub rollback")


def test_a_second_pull_of_an_unchanged_source_appends_nothing(shown: dict[str, str]) -> None:
    assert re.search(r"^changed\s+0$", block(shown, "hub publish $run"), re.MULTILINE)


def test_the_department_sees_two_rows_set_aside_and_then_none(shown: dict[str, str]) -> None:
    first = block(shown, "hub quarantine show parking_permits")
    assert "passed 2, rejected 2" in first
    assert "citizen_id.checksum" in first
    assert "310101190001010039" not in first
    handed = block(shown, "--to $HUB_HOME/bad.csv")
    assert "※原因 Reason,※怎样更正 How to fix" in handed
    assert "you can write: 有效, 终止" in handed
    half, rest = block(shown, "$HUB_HOME/better.csv\nhub quarantine upload"), block(shown, "$HUB_HOME/right.csv\n")
    assert re.search(r"^accepted\s+1$", half, re.MULTILINE)
    assert "state is none of" in half
    assert re.search(r"^accepted\s+1$", rest, re.MULTILINE)
    assert "superseded" in rest
    second = block(shown, "permits_002.csv")
    assert re.search(r"^quarantined\s+0$", second, re.MULTILINE)
    assert "passed 4" in second
    assert "no row is in quarantine" in second


def test_the_portal_gets_a_form_with_origins_and_no_answer_for_another_purpose(shown: dict[str, str]) -> None:
    assert "公安" in block(shown, '\\"purpose\\": \\"permit-renewal\\"')
    assert "forbidden" in block(shown, "curiosity")
    for guide in ("portal-developer", "push"):
        assert re.search(r"^faults\s*$", block(shown, "hub audit verify", (guide,)), re.MULTILINE)


def test_the_sandbox_shows_every_state_without_any_data(shown: dict[str, str]) -> None:
    told = block(shown, "HUB_PERSONAS=only")
    states = {line.partition(" ")[2] for line in told.splitlines() if re.fullmatch(r"\w+ \w+", line)}
    assert states >= {"fresh", "stale", "conflicting", "unavailable", "withheld", "not_held"}


def test_the_sender_gets_the_same_receipt_again_and_is_told_of_the_bad_record(shown: dict[str, str]) -> None:
    assert "the same receipt" in block(shown, "cmp - $HUB_HOME/receipt.json")
    refused = block(shown, "L0000004")
    assert '"line":1' in refused
    assert "L0000004" not in refused
    fate = block(shown, "hub pull library_cards\nreceipt=")
    assert '"status": "published"' in fate
    assert '"citizen_id.checksum"' in fate
    assert "310101190001010039" not in fate
    sent = block(shown, "python $HUB_HOME/send.py")
    assert "receipt " in sent
    assert "no row is in quarantine" in sent


def test_a_breaking_change_is_refused_until_its_major_version_is_new(shown: dict[str, str]) -> None:
    changed = block(shown, "narrow.odcs.yaml")
    assert "refused" in changed
    assert re.search(r"2\.0\.0", changed)
    assert "deprecated" in block(shown, "ending.odcs.yaml")
    assert "CREATE TABLE marriages" in block(shown, "--format ddl")


def test_the_portal_developer_reads_a_dataset_follows_it_and_takes_it_in_bulk(shown: dict[str, str]) -> None:
    assert '"withheld"' in block(shown, "records/query")
    followed = block(shown, "mirror.py")
    assert "the same: True" in followed
    assert re.search(r"^receipt: \S+", followed, re.MULTILINE | re.IGNORECASE)


def test_the_data_office_compares_sources_and_keeps_accounts(shown: dict[str, str]) -> None:
    assert "residents" in block(shown, "hub authority check")
    listed = block(shown, "hub account disable wang.fang").rpartition("accounts")[2]
    assert re.search(r"wang\.fang.*approver", listed)
    assert "editor" not in listed
