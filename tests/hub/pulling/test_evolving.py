"""What a department has added becomes a contract change that is drafted, read, applied and filled from kept landings."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from modes_bench import Bench, sieve_alone

from hub.pulling.evolving import evolved
from hub.pulling.replay import replay
from hub.registration import registry
from schemas.errors import Invalid, SourceDamaged

ROWS: list[tuple[Any, ...]] = [(str(n), "甲", "有效", n, f"2026-03-0{n} 08:00:00", f"黄{n}") for n in range(1, 4)]
NAMES = ("编号", "姓名", "状态", "数", "at", "颜色")


@pytest.fixture(autouse=True)
def _sieve_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sieve_alone(monkeypatch)


@pytest.mark.parametrize("mode", ["stop", "evolve"])
def test_a_column_that_a_department_added_is_drafted_applied_and_filled_by_a_replay(tmp_path: Path, mode: str) -> None:
    bench = Bench(tmp_path, customs={"drift": {"columns": mode}})
    bench.apply()
    bench.source([row[:5] for row in ROWS])
    bench.pull()
    with pytest.raises(Invalid, match="as its contract says"):
        evolved(bench.hub, "things")
    bench.source(ROWS, NAMES)
    if mode == "stop":
        with pytest.raises(SourceDamaged):
            bench.pull()
    else:
        bench.pull()
    draft = evolved(bench.hub, "things")
    assert yaml.safe_load(draft)["schema"][0]["properties"][-1]["physicalName"] == "颜色"
    file = tmp_path / "draft.odcs.yaml"
    file.write_text(draft, encoding="utf-8")
    registry.apply(bench.hub, (file,))
    if mode == "stop":
        bench.pull()  # nothing was published of the new column: the source is asked again
    else:
        bench.sql('DROP TABLE "登记"')
        replay(bench.hub, "things", since=1, owner="r")
    assert sorted(row[-1] for row in bench.current().values()) == ["黄1", "黄2", "黄3"]


def test_a_longer_text_is_drafted_with_its_length_and_a_wider_type_is_left_to_a_person(tmp_path: Path) -> None:
    bench = Bench(tmp_path, customs={"drift": {"types": "evolve"}})
    bench.options = {"name": {"maxLength": 2}}
    bench.apply()
    bench.source([("1", "司马相如", "有效", 1, ROWS[0][4]), ("2", "乙", "有效", "二", ROWS[1][4])])
    bench.pull()
    assert set(bench.current()) == {"1"}
    draft = evolved(bench.hub, "things")
    assert "TODO 数 holds values that its type cannot" in draft
    nodes = {node["name"]: node for node in yaml.safe_load(draft)["schema"][0]["properties"]}
    assert nodes["name"]["logicalTypeOptions"] == {"maxLength": 4}
