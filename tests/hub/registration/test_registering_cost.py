"""Registering one more dataset costs what the first did: what is registered already is neither read nor written again."""

import json
from pathlib import Path

import pytest
from city_bench import CITY
from sqlalchemy import event

from hub.core import Hub
from hub.registration import registry
from hub.settings import Settings
from ledger import contracts
from schemas.contract import Contract

LICENCES = (CITY / "contracts" / "companies.odcs.yaml").read_text(encoding="utf-8")


def numbered(folder: Path, number: int) -> Path:
    """A contract of its own: name, code and no claim that another has."""
    path = folder / f"firms_{number}.odcs.yaml"
    text = LICENCES.replace("id: companies", f"id: firms_{number}").replace("102001/000001", f"102001/{number:06d}")
    path.write_text("\n".join(line for line in text.splitlines() if "authoritativeFor" not in line), encoding="utf-8")
    return path


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(Settings(home=tmp_path / "home"))


def cost(hub: Hub, file: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Statements sent and contracts read back while a file is applied."""
    counted = {"statements": 0, "contracts": 0}
    read = Contract.from_json

    def statement(*_: object) -> None:
        counted["statements"] += 1

    def from_json(value: dict[str, object]) -> Contract:
        counted["contracts"] += 1
        return read(value)

    event.listen(hub.ledger.engine, "before_cursor_execute", statement)
    with monkeypatch.context() as patched:
        patched.setattr(Contract, "from_json", staticmethod(from_json))
        registry.apply(hub, (file,))
    event.remove(hub.ledger.engine, "before_cursor_execute", statement)
    return counted


def test_the_twelfth_dataset_costs_what_the_second_did(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.apply(hub, (numbered(tmp_path, 1),))
    second = cost(hub, numbered(tmp_path, 2), monkeypatch)
    registry.apply(hub, tuple(numbered(tmp_path, n) for n in range(3, 12)))
    assert cost(hub, numbered(tmp_path, 12), monkeypatch) == second
    assert second["contracts"] <= 3


def test_an_index_changed_line_by_line_is_the_index_compiled_whole(hub: Hub, tmp_path: Path) -> None:
    for n in (3, 1, 2):
        registry.apply(hub, (numbered(tmp_path, n),))
    line_by_line = hub.settings.index.read_bytes()
    pools = hub.settings.index.with_name("pools.json").read_bytes()
    registry.compile_index(hub)
    assert (hub.settings.index.read_bytes(), hub.settings.index.with_name("pools.json").read_bytes()) == (
        line_by_line,
        pools,
    )
    assert list(json.loads(line_by_line)) == ["firms_1", "firms_2", "firms_3"]


def test_a_lost_or_foreign_index_is_compiled_whole_at_the_next_registration(hub: Hub, tmp_path: Path) -> None:
    registry.apply(hub, (numbered(tmp_path, 1), numbered(tmp_path, 2)))
    hub.settings.index.unlink()
    registry.apply(hub, (numbered(tmp_path, 3),))
    assert json.loads(hub.settings.index.read_bytes()).keys() == contracts.applied(hub.ledger).keys()
    hub.settings.index.write_text('{"elsewhere": {}}', encoding="utf-8")
    registry.apply(hub, (numbered(tmp_path, 4),))
    assert json.loads(hub.settings.index.read_bytes()).keys() == contracts.applied(hub.ledger).keys()
