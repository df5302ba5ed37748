"""Whatever a source does wrong: one clear line, the run marked with it, and the last good load still served."""

from pathlib import Path

import pytest
import servers
import yaml
from city_bench import hub_at
from sqlalchemy import make_url

from hub.core import Hub
from hub.pulling import pipeline
from hub.registration import registry
from lake.history import History
from ledger import loads, runs
from schemas.errors import DeliveryHeld, HubError, Retry, SourceDamaged, SourceDenied, SourceMissing, SourceUnreachable

CONTRACT = Path(__file__).parents[1] / "faults" / "people.odcs.yaml"
GOOD = "身份证号,姓名,n\n110101199003074610,张三,1\n440308199901101512,李四,2\n"


def contract_file(folder: Path, server: dict[str, object], secret: str | None = None) -> Path:
    document = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    customs = [{"property": "secretRef", "value": secret, "vendor": "cityhub"}] if secret else []
    document["servers"] = [
        {"server": "source", **server, "customProperties": [*server.get("customProperties", []), *customs]}
    ]  # type: ignore[misc]
    path = folder / "people.odcs.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    made = hub_at(tmp_path / "home")
    made.settings.drops.mkdir(parents=True)
    registry.apply(made, (contract_file(tmp_path, {"type": "local", "format": "csv", "path": "people.csv"}),))
    return made


def pull(hub: Hub, owner: str) -> None:
    pipeline.pull(hub, "people", owner=owner)


def drop(hub: Hub, content: bytes | str | None) -> None:
    path = hub.settings.drops / "people.csv"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


BAD_FILES = {
    "missing file": (None, SourceMissing, "people.csv"),
    "empty file": ("", SourceDamaged, "empty"),
    "undecodable bytes": (GOOD.encode() + b"11010119900307\xff\xfe,x,1\n", SourceDamaged, "line 4"),
    "ragged row": (GOOD + "a,b,c,d\n", SourceDamaged, "line 4"),
    "unknown column": (
        GOOD.replace(",n\n", ",n,工资\n").replace(",1\n", ",1,9\n").replace(",2\n", ",2,9\n"),
        SourceDamaged,
        "工资",
    ),
    "missing column": ("身份证号,姓名\n110101199003074610,张三\n", SourceDamaged, "n"),
    "header only": ("身份证号,姓名,n\n", DeliveryHeld, "empty delivery"),
    "mostly bad rows": ("身份证号,姓名,n\nx,张,1\ny,李,2\n", DeliveryHeld, "rejected"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_ends_the_run_with_its_reason_and_the_last_good_load_stays(hub: Hub, case: str) -> None:
    content, kind, names = BAD_FILES[case]
    drop(hub, GOOD)
    pull(hub, "good")
    drop(hub, content)
    with pytest.raises(kind) as error:
        pull(hub, "bad")
    assert names in str(error.value)
    assert error.value.todo, "every error says what to do next"
    assert "110101199003074610" not in str(error.value)
    ended = runs.recent(hub.ledger)[0]
    assert ended.phase == ("held" if kind is DeliveryHeld else "failed")
    assert names in ended.reason
    served = loads.latest(hub.ledger)["people"]
    assert (served.load, served.rows, served.status) == (1, 2, ended.phase)
    assert History(hub.lake, "people").number == 1


def test_a_mended_source_is_published_again(hub: Hub) -> None:
    drop(hub, GOOD)
    pull(hub, "good")
    drop(hub, "")
    with pytest.raises(SourceDamaged):
        pull(hub, "bad")
    drop(hub, GOOD + "610104196209276908,王五,3\n")
    pull(hub, "mended")
    assert loads.latest(hub.ledger)["people"].status == "ok"
    assert loads.latest(hub.ledger)["people"].rows == 3


def moved_to(hub: Hub, folder: Path, server: dict[str, object], secret: str | None = None) -> None:
    """Serve a good load from the file, then let the department move to another server."""
    drop(hub, GOOD)
    pull(hub, "good")
    registry.apply(hub, (contract_file(folder, server, secret),), because="the department moved")


def ended_badly(hub: Hub, kind: type[HubError]) -> str:
    """The error of a pull that must fail; the run is marked with it and the last good load is still served."""
    with pytest.raises(kind) as error:
        pull(hub, "bad")
    assert error.value.todo
    ended = runs.recent(hub.ledger)[0]
    assert (ended.phase, ended.reason) == ("failed", str(error.value))
    served = loads.latest(hub.ledger)["people"]
    assert (served.load, served.rows, served.status) == (1, 2, "failed")
    return str(error.value)


def postgres(url: str) -> dict[str, object]:
    at = make_url(url)
    return {"type": "postgres", "host": at.host, "port": at.port, "database": at.database, "schema": "public"}


def test_a_server_that_does_not_answer_is_unreachable_and_may_be_tried_again(hub: Hub, tmp_path: Path) -> None:
    port = servers.free_port()
    moved_to(
        hub,
        tmp_path,
        {"type": "postgres", "host": "127.0.0.1", "port": port, "database": "police", "schema": "public"},
        "env:X",
    )
    assert str(port) in ended_badly(hub, SourceUnreachable)
    assert issubclass(SourceUnreachable, Retry)


@pytest.mark.needs_postgres
def test_a_wrong_password_is_denied_and_never_shown(hub: Hub, tmp_path: Path, postgres_url: str) -> None:
    with servers.database(postgres_url, "denied") as url:
        moved_to(hub, tmp_path, postgres(url), "env:X")
        stranger = Hub(hub.settings, secret=lambda _reference: "postgres:canary-password")
        message = ended_badly(stranger, SourceDenied)
    assert "canary-password" not in message


@pytest.mark.needs_postgres
def test_a_missing_table_names_the_tables_there_are(hub: Hub, tmp_path: Path, postgres_url: str) -> None:
    with servers.database(postgres_url, "no table") as url:
        servers.execute(url, 'CREATE TABLE "企业" (a text)')
        moved_to(hub, tmp_path, postgres(url), "env:X")
        known = Hub(hub.settings, secret=lambda _reference: servers.account(url)[1])
        assert "企业" in ended_badly(known, SourceMissing)
