"""Registering a source: from a file, a system or a filled-in workbook to a DAG, with what is wrong told at its question."""

import io
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import servers
import yaml
from city_bench import CITY

from access.actors import Actor
from hub.core import Hub
from hub.pulling import pipeline
from hub.registration import drafted, registering, registry, review, staging
from hub.settings import Settings
from ledger import registrations
from ledger.registrations import Registration
from schemas import odcs
from schemas.answering import Refused
from schemas.errors import Conflict, Forbidden, Invalid, NotFound, SourceDamaged, TooLarge

DEPARTMENT, OTHER = "11310100MADEM002XF", "11310100MADEM0011P"
LIN = Actor("lin", DEPARTMENT, frozenset({"editor"}))
WANG = Actor("wang", DEPARTMENT, frozenset({"editor"}))
STRANGER = Actor("stranger", OTHER, frozenset({"editor"}))
OFFICE = Actor("office", "", frozenset({"office"}))
PEOPLE = [
    ("110101199003074610", "张三", "13800138000", "2020-01-01"),
    ("440308199901101512", "李四", "13900139000", "2020-02-30"),
    ("610104196209276908", "王小五", "13700137000", "2021-05-06"),
    ("110101199003074611", "赵六", "13600136000", "2021-05-07"),
    ("110101198001011232", "欧阳文", "13500135000", "2022-01-01"),
    ("110101198506150019", "孙七", "13400134000", "2022-03-04"),
]
HEADER = ("证件号码", "姓名", "手机号码", "发证日期")
CSV = "\r\n".join(",".join(row) for row in (HEADER, *PEOPLE)).encode("gb18030")
RESOURCE = {
    "dataset": "parking_permits", "title": "停车许可", "purpose": "居民停车许可", "provider": "市交通局", "code": "302001",
    "share_type": "2", "share_condition": "限依法履职", "share_modes": "file, api", "cycle": "每日",
}  # fmt: skip


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(Settings(home=tmp_path / "home", review="pair"))


def uploaded(hub: Hub, content: bytes = CSV, name: str = "名册.csv", by: Actor = LIN) -> Registration:
    return registering.upload(hub, by, iter([content]), name)


def fixed(hub: Hub, registration: Registration, **answers: Any) -> Registration:
    after, _ = registering.fix(hub, LIN, registration.id, registration.number, **answers)
    return after


def ready(hub: Hub, registration: Registration) -> Registration:
    items = {"证件号码": {"element": "DE01001", "key": "1"}, "姓名": {"element": "DE01002", "key": ""}}
    return fixed(hub, registration, resource=RESOURCE, items=items)


def test_an_uploaded_file_becomes_a_dataset_with_a_dag_and_its_rows_are_published(hub: Hub) -> None:
    registration = uploaded(hub)
    assert registration.facts["laid"]["encoding"] == "gb18030"
    guessed = {one["name"]: one["element"] for one in registration.facts["seen"]}
    assert guessed["手机号码"] == "DE01012"
    registration = ready(hub, registration)
    assert drafted.faults(hub, registration) == ()
    sent = registering.submit(hub, LIN, registration.id, registration.number)
    assert isinstance(sent, Registration)
    assert registering.followed(hub, LIN, registration.id).state == "in review"
    applied = review.approve(hub, "parking_permits", by="office")
    assert applied.contract.resource_code == "302001/000001"
    assert registry.indexed(hub, "parking_permits")
    run = pipeline.pull(hub, "parking_permits", owner="test")
    assert (run.phase, run.facts["counts"]["passed"], run.facts["counts"]["rejected"]) == ("published", 4, 2)
    after = registering.followed(hub, LIN, registration.id)
    assert (after.state, after.has_dag, after.run, after.rows) == ("published", True, "published", 6)
    assert [s.step for s in after.steps] == ["saved", "submitted", "approved"]


def test_the_preview_says_what_the_first_pull_will_do_and_publishes_nothing(hub: Hub) -> None:
    registration = ready(hub, uploaded(hub))
    found = registering.preview(hub, LIN, registration.id)
    assert not isinstance(found, Refused)
    assert (found.counts.passed, found.counts.rejected) == (4, 2)
    broken = {r.id: r.unexpected for r in found.broken}
    (checksum,) = [e for name in broken for e in found.examples_of(name) if name.endswith("checksum")]
    assert (checksum.row, checksum.cells[0][1]) == (4, "110101********4611")
    assert not any(row[0] in repr(found) for row in PEOPLE)
    assert not list(hub.lake.rglob("*.parquet"))
    assert not list((hub.settings.work / "previews").iterdir())


def test_a_preview_does_not_wait_for_the_resources_words(hub: Hub) -> None:
    found = registering.preview(hub, LIN, uploaded(hub).id)
    assert not isinstance(found, Refused)
    assert found.counts.delivered == 6


def test_a_fix_stays_when_the_source_is_looked_at_again(hub: Hub) -> None:
    titled = b"\xcd\xa3\xb3\xb5\xd0\xed\xbf\xc9,,,\r\n" + CSV
    registration = uploaded(hub, titled)
    assert registration.facts["laid"]["header_row"] == 2
    registration = ready(hub, registration)
    again = registering.choose(
        hub, LIN, registration.id, registration.number, {"encoding": "gb18030", "delimiter": ",", "header_row": "2"}
    )
    assert isinstance(again, Registration)
    assert drafted.faults(hub, again) == ()
    contract, _ = drafted.for_preview(hub, again)
    assert contract is not None
    assert [(c.source, c.element, c.key_position) for c in contract.columns[:2]] == [
        ("证件号码", "DE01001", 1),
        ("姓名", "DE01002", 0),
    ]
    assert contract.source.options == {"headerRow": 2}


def test_what_is_wrong_is_told_at_its_question_in_both_languages(hub: Hub) -> None:
    registration = uploaded(hub)
    _, faults = registering.fix(
        hub, LIN, registration.id, registration.number, resource={**RESOURCE, "share_condition": "无条件", "code": "9"},
        items={"姓名": {"type": "integer", "element": "DE01002"}, "发证日期": {"codes": "男"}},
    )  # fmt: skip
    told = {(f.sheet, f.place, f.question) for f in faults}
    assert told >= {("resource", 0, "share_condition"), ("resource", 0, "code"), ("items", 3, "codes")}
    assert all(f.zh and f.en for f in faults)
    refused = registering.submit(hub, LIN, registration.id, registration.number + 1)
    assert isinstance(refused, Refused)


def test_of_two_editors_the_second_is_told_and_nothing_is_lost(hub: Hub) -> None:
    registration = uploaded(hub)
    registering.fix(hub, WANG, registration.id, registration.number, resource={"title": "王的标题"})
    with pytest.raises(Conflict, match="wang"):
        registering.fix(hub, LIN, registration.id, registration.number, resource={"title": "林的标题"})
    assert registering.find(hub, LIN, registration.id).fixes["resource"] == {"title": "王的标题"}


def test_a_registration_is_its_departments_alone(hub: Hub) -> None:
    registration = uploaded(hub)
    assert [one.id for one, _ in registering.mine(hub, WANG)] == [registration.id]
    assert registering.mine(hub, STRANGER) == []
    with pytest.raises(NotFound):
        registering.find(hub, STRANGER, registration.id)
    with pytest.raises(Forbidden):
        registering.mine(hub, OFFICE)


def test_what_is_in_review_is_not_changed_and_what_is_returned_is(hub: Hub) -> None:
    registration = ready(hub, uploaded(hub))
    sent = registering.submit(hub, LIN, registration.id, registration.number)
    assert isinstance(sent, Registration)
    with pytest.raises(Conflict, match="in review"):
        registering.fix(hub, LIN, sent.id, sent.number, resource={"title": "x"})
    with pytest.raises(Conflict, match="approved"):
        registering.pull(hub, LIN, sent.id)
    review.send_back(hub, "parking_permits", by="office", because="写明用途")
    returned = registering.followed(hub, LIN, sent.id)
    assert (returned.state, returned.reason) == ("returned", "写明用途")
    again = fixed(hub, sent, resource={"purpose": "居民停车许可,供延期预填"})
    assert isinstance(registering.submit(hub, LIN, again.id, again.number), Registration)
    review.approve(hub, "parking_permits", by="office")
    assert hub.contract("parking_permits").resource_code == "302001/000001"


def test_a_name_that_is_taken_is_refused_whoever_has_it(hub: Hub) -> None:
    fixed(hub, uploaded(hub), resource={"dataset": "parking_permits"})
    other = registering.upload(hub, STRANGER, iter([CSV]), "x.csv")
    _, faults = registering.fix(hub, STRANGER, other.id, other.number, resource={"dataset": "parking_permits"})
    assert "dataset" in {f.question for f in faults}


@pytest.mark.parametrize("name", ["../../../etc/passwd.csv", "..\\..\\x.csv", "/abs/olute.csv", "a\0b.csv", "x" * 3000 + ".csv"])  # fmt: skip
def test_a_files_name_leads_nowhere(hub: Hub, name: str) -> None:
    registration = uploaded(hub, name=name)
    there = [p for p in hub.settings.home.rglob("*") if p.is_file() and p.suffix == ".csv"]
    assert [p.parent for p in there] == [staging.folder(hub, registration.id)]
    assert "/" not in registration.facts["file"]["name"]


def test_files_that_are_none_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    hub = Hub(Settings(home=tmp_path / "home", upload_max_mb=1))
    for content, name, error in (
        (b"MZ", "x.exe", Invalid),
        (b"", "x.csv", Invalid),
        (b"PK\x03\x04nonsense", "x.xlsx", SourceDamaged),
        (bomb(), "x.xlsx", SourceDamaged),
        (b"x" * (2 << 20), "x.csv", TooLarge),
        (b"PAR1nonsense", "x.parquet", SourceDamaged),
    ):
        with pytest.raises(error):
            uploaded(hub, content, name)
    assert not [p for p in hub.settings.staging.rglob("*") if p.is_file()]
    assert registering.mine(hub, LIN) == []


def bomb() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (100 << 20))
    return content.getvalue()


def test_a_registration_left_alone_is_forgotten_with_its_file(hub: Hub, tmp_path: Path) -> None:
    registration = uploaded(hub)
    waiting = ready(hub, uploaded(hub, by=WANG))
    assert isinstance(registering.submit(hub, LIN, waiting.id, waiting.number), Registration)
    later = Hub(Settings(home=tmp_path / "home", upload_days=1), clock=lambda: hub.clock().replace(year=2100))
    killed = hub.settings.work / "previews" / "killed"
    killed.mkdir(parents=True)
    assert registering.clean(later) == 1
    assert not killed.exists()
    assert not staging.folder(hub, registration.id).exists()
    assert [one.id for one in registrations.of_department(hub.ledger, DEPARTMENT)] == [waiting.id]


def test_a_discarded_registration_leaves_no_file(hub: Hub) -> None:
    registration = uploaded(hub)
    registering.discard(hub, LIN, registration.id, registration.number)
    assert not staging.folder(hub, registration.id).exists()
    with pytest.raises(NotFound):
        registering.find(hub, LIN, registration.id)


def secret(hub: Hub, text: str, department: str = DEPARTMENT) -> str:
    """A secret that the operator set up for a department."""
    folder = hub.settings.secret_files / department
    folder.mkdir(parents=True)
    (folder / "db").write_text(text)
    return f"file:{department}/db"


def test_a_table_of_a_database_becomes_a_dataset_with_a_dag(hub: Hub, postgres_url: str) -> None:
    with servers.database(postgres_url, "permits") as url:
        servers.execute(
            url,
            "CREATE TABLE permits (no text PRIMARY KEY, 证件号码 text, until date)",
            "CREATE TABLE other (x int)",
            *(f"INSERT INTO permits VALUES ('P{i}', '{p[0]}', '2030-01-01')" for i, p in enumerate(PEOPLE)),
        )
        parts = urlsplit(url)
        name = secret(hub, f"{parts.username}:{parts.password}" if parts.password else str(parts.username))
        assert registering.secret_names(hub, LIN) == (name,)
        assert registering.secret_names(hub, STRANGER) == ()
        asked = {"type": "postgres", "host": str(parts.hostname), "port": str(parts.port), "database": parts.path[1:], "secret": name}  # fmt: skip
        registration = registering.connect(hub, LIN, asked)
        assert isinstance(registration, Registration)
        assert {"permits", "other"} <= set(registration.facts["tables"])
        chosen = registering.choose(hub, LIN, registration.id, registration.number, {"table": "permits"})
        assert isinstance(chosen, Registration)
        assert [one["element"] for one in chosen.facts["seen"]][1] == "DE01001"
        chosen = fixed(hub, chosen, resource={**RESOURCE, "share_modes": "database, api"})
        preview = registering.preview(hub, LIN, chosen.id)
        assert not isinstance(preview, Refused)
        assert (preview.counts.passed, preview.counts.rejected) == (5, 1)
        assert isinstance(registering.submit(hub, LIN, chosen.id, chosen.number), Registration)
        review.approve(hub, "parking_permits", by="office")
        assert registry.indexed(hub, "parking_permits")
        run = pipeline.pull(hub, "parking_permits", owner="test")
        assert (run.phase, run.facts["counts"]["passed"]) == ("published", 5)


@pytest.mark.parametrize(
    ("answers", "field"),
    [
        ({"type": "postgres", "host": "169.254.169.254", "database": "x"}, "host"),
        ({"type": "postgres", "host": "127.0.0.1", "database": "x"}, "host"),
        ({"type": "postgres", "host": "2130706433", "database": "x"}, "host"),
        ({"type": "postgres", "host": "db.example@127.0.0.1", "database": "x"}, "host"),
        ({"type": "postgres", "host": "db.example", "database": "x?host=127.0.0.1"}, "host"),
        ({"type": "mysql", "host": "db.example", "database": "x", "secret": "env:HOME"}, "secret"),
        ({"type": "mysql", "host": "db.example", "database": "x", "secret": f"file:{OTHER}/db"}, "secret"),
        (
            {"type": "mysql", "host": "db.example", "database": "x", "secret": f"file:{DEPARTMENT}/../{OTHER}/db"},
            "secret",
        ),
        ({"type": "api", "location": "http://metadata.internal/x", "table": "/v1"}, "location"),
        ({"type": "api", "location": "http://user:pw@db.example/x", "table": "/v1"}, "location"),
        ({"type": "api", "location": "file:///etc/passwd", "table": "/v1"}, "location"),
        ({"type": "custom", "url": "sqlite:///market/market.db", "table": "x"}, "url"),
        ({"type": "custom", "url": f"sqlite:///{DEPARTMENT}/../market/market.db", "table": "x"}, "url"),
        ({"type": "local", "format": "csv", "path": "../x.csv"}, "path"),
        ({"type": "local", "format": "csv", "path": "/etc/passwd"}, "path"),
        ({"type": "local", "format": "csv", "path": "market/*.csv"}, "path"),
        ({"type": "local", "format": "csv", "path": "*/*.csv"}, "path"),
        ({"host": "db.example"}, "type"),
    ],
)
def test_in_production_no_address_leads_astray(tmp_path: Path, answers: dict[str, str], field: str) -> None:
    hub = Hub(Settings(home=tmp_path / "home", production=True, reachable="db.example"))
    secret(hub, "root:secret", OTHER)
    refused = registering.connect(hub, LIN, {"type": "", **answers})
    assert isinstance(refused, Refused)
    assert field in {f.question for f in refused.faults}, refused
    assert registering.mine(hub, LIN) == []


def test_whom_a_department_may_look_up_by_its_rules_is_not_told_in_a_preview(hub: Hub, tmp_path: Path) -> None:
    """A rule that looks into another department's data would tell, row by row, who is in it."""
    document = odcs.plain(yaml.safe_load((CITY / "contracts" / "food_licences.odcs.yaml").read_text(encoding="utf-8")))
    registration = ready(hub, uploaded(hub))
    text = yaml.safe_load(registration.drafted)
    text["schema"][0]["quality"] = [
        {"id": "known", "type": "custom", "engine": "cityhub",
         "implementation": {"check": "reference", "columns": ["person_name"], "dataset": document["id"], "to": "uscc"}}
    ]  # fmt: skip
    registrations.save(hub.ledger, registration, by="lin", at=hub.clock(), drafted=yaml.safe_dump(text))
    found = registering.preview(hub, LIN, registration.id)
    assert not isinstance(found, Refused)
    assert found.untold == ("known",)
    assert "known" not in {r.id for r in found.broken}
