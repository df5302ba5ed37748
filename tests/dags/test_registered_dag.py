"""A source that a department registered and the data office approved runs as a DAG, with nobody writing code in between."""

import importlib
from pathlib import Path

import pytest

from access.actors import Actor
from hub.core import Hub
from hub.registration import registering, review
from hub.settings import Settings
from ledger import loads
from ledger.registrations import Registration

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]

EDITOR = Actor("lin", "11310100MADEM002XF", frozenset({"editor"}))
DELIVERED = "证件号码,姓名\n110101199003074610,张三\n440308199901101512,李四\n110101199003074611,错一\n"
RESOURCE = {
    "dataset": "bus_passes", "title": "公交卡", "purpose": "发放公交卡", "provider": "市交通局", "code": "302001",
    "share_type": "2", "share_condition": "限依法履职", "share_modes": "file, api", "cycle": "每日",
}  # fmt: skip


def test_what_the_wizard_registered_is_a_dag_that_publishes(
    hub_of_the_tasks: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub_of_the_tasks.setenv("HUB_HOME", str(tmp_path))
    hub = Hub(Settings(home=tmp_path))
    sent = registering.upload(hub, EDITOR, iter([DELIVERED.encode("gb18030")]), "公交卡.csv")
    items = {"证件号码": {"element": "DE01001", "key": "1"}, "姓名": {"element": "DE01002"}}
    sent, faults = registering.fix(hub, EDITOR, sent.id, sent.number, resource=RESOURCE, items=items)
    assert faults == ()
    assert isinstance(registering.submit(hub, EDITOR, sent.id, sent.number), Registration)
    review.approve(hub, "bus_passes", by="office")

    module = importlib.reload(importlib.import_module("dags.dataset_dags"))
    assert module.dataset_bus_passes.test().state == "success"

    assert loads.latest(hub.ledger)["bus_passes"].rows == 2
    after = registering.followed(hub, EDITOR, sent.id)
    assert (after.state, after.has_dag, after.run) == ("published", True, "published")
