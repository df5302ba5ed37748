"""A composition of the web application for tests: real clients, tokens, audit and prefill over one fictitious resident."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Cookies, Response

from access import accounts, clients
from access.accounts import Passwords
from access.audit import AuditLog, pseudonym
from access.audit_seal import Signer
from access.desk import Desk
from access.invitations import Invitations
from access.passwords import hash_secret
from access.sessions import Sessions, hashed
from access.signin import SignIn
from access.tokens import Tokens
from catalog.dcat import Site
from catalog.guide import Words
from catalog.library import Catalog, Uses
from hub.console import people
from hub.core import Hub
from hub.settings import Settings
from hub.sharing.offer import offer
from hub.sharing.request_desk import approvals_of, requests_of
from lake import inbox
from lake.inbox import Door
from ledger import accounts as account_store
from ledger import clients as client_store
from ledger import contracts, grants, loads
from ledger.accounts import Account
from ledger.clients import Client
from ledger.contracts import Application
from ledger.database import Database
from ledger.grants import Grant
from ledger.loads import Load
from prefill.forms import Form, of_kind, read
from prefill.seal import SealKey
from prefill.sources import state
from prefill.world import World
from schemas.contract import Column, Contract, Source, SubjectLink, SyncMode
from serving.app import create_app
from serving.bindings import bindings
from serving.services import Console, Inbox, Portal, Prefilling, Sample, Services
from subjects import declare
from subjects.file import SubjectFile
from subjects.kinds import Kinds

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
INVITATIONS = Invitations(b"i" * 32)
ID = "440308199901101512"
SECRET = "correct horse battery staple"
PURPOSE = "出入境证件换发"
HASH = hash_secret(SECRET, b"s" * 16)
POLICE, CIVIL = "11440300MB2C90001A", "11440300MB2C90003H"
PASSWORD = "four plain words suffice"
PEOPLE = {
    one.name: one
    for one in (
        Account("editor", "编辑甲", POLICE, frozenset({"editor"})),
        Account("approver", "审批乙", POLICE, frozenset({"approver"})),
        Account("other", "编辑丙", CIVIL, frozenset({"editor", "approver"})),
        Account("office", "数据丁", "", frozenset({"office"})),
        Account("auditor", "审计戊", "", frozenset({"auditor"})),
        Account("owner", "门户己", "", frozenset({"client"}), "portal"),
    )
}
"""One person of each role, and one of another department."""
PASSWORD_HASH = hash_secret(PASSWORD, b"s" * 16)
SIGNER = Signer(b"a" * 32)
KEY = SealKey("k1", b"s" * 32)
KIND = """
kind: person
title: 自然人
title_en: Person
key: {title: 公民身份号码, title_en: Citizen ID, element: DE01001, pattern: '\\d{17}[\\dX]'}
fields:
  name: {title: 姓名, title_en: Name, sources: [residents.name]}
  sex: {title: 性别, title_en: Sex, sources: [residents.sex_code]}
  mobile: {title: 手机号码, title_en: Mobile, sources: [residents.mobile]}
lists:
  travel_permits: {dataset: travel_permits, columns: [permit_no, valid_to], order: valid_to, valid_until: valid_to}
"""
FORM = """
form: hk_macao_permit_renewal
version: 1.0.0
title: 往来港澳通行证换发
title_en: Renewal of the permit for Hong Kong and Macao
subject: person
department: 市公安局出入境管理局
department_en: Exit-Entry Administration
fields:
  - {name: citizen_id, label: 公民身份号码, label_en: Citizen ID, from: person.id, entry: locked}
  - {name: name, label: 姓名, label_en: Name, from: person.name, entry: locked}
  - {name: sex, label: 性别, label_en: Sex, from: person.sex, entry: locked}
  - {name: mobile, label: 手机号码, label_en: Mobile, from: person.mobile, input: tel}
  - {name: permit_no, label: 原证件号码, label_en: Present permit, from: travel_permits.latest.permit_no, entry: locked}
  - {name: valid_to, label: 原证件有效期至, label_en: Valid until, from: travel_permits.latest.valid_to, input: date}
  - name: delivery
    label: 取证方式
    label_en: Delivery
    input: choice
    options: [{value: post, label: 邮寄, label_en: By post}, {value: counter, label: 窗口领取, label_en: At the counter}]
  - {name: reason, label: 换发原因, label_en: Reason, required: false}
"""


def contract(dataset: str, code: str, title: str, title_en: str, *columns: Column, **more: Any) -> Contract:
    base = Contract(
        dataset=dataset, title=title, title_en=title_en, version="1.0.0", status="active", provider="市公安局",
        provider_en="Public Security Bureau", provider_code="11440300MB2C90001A", purpose="供各部门核验身份与表单预填。",
        resource_code=code, share_type=2, share_condition="依法履职且经授权", share_modes=("api", "table"), columns=columns,
        source=Source("sql", "sqlite:///police.db", dataset), subjects=(SubjectLink("person", columns[0].name),),
    )  # fmt: skip
    return replace(base, **more)


CONTRACTS = {
    one.dataset: one
    for one in (
        contract(
            "residents",
            "301001/000001",
            "常住人口基本信息",
            "Residents",
            Column("citizen_id", "sfzh", "公民身份号码", key_position=1, element="DE01001", share_type=3),
            Column("name", "xm", "姓名", required=True, element="DE01002"),
            Column("sex_code", "xb", "性别", element="DE01005"),
            Column("mobile", "sjh", "手机号码", element="DE01012"),
            authoritative=True,
        ),
        contract(
            "travel_permits",
            "301002/000001",
            "出入境证件信息",
            "Travel permits",
            Column("citizen_id", "sfzh", "公民身份号码", element="DE01001"),
            Column("permit_no", "zjhm", "证件号码", key_position=1, element="DE03004"),
            Column("valid_to", "yxqz", "有效期至", type="date", element="DE03010"),
            provider="市公安局出入境管理局",
            provider_en="Exit-Entry Administration",
            provider_code="11440300MB2C90002T",
            source=Source("xlsx", "file://", "permits.xlsx"),
        ),
        contract(
            "marriages",
            "303001/000001",
            "婚姻登记信息",
            "Marriages",
            Column("cert_no", "证号", "婚姻证件编号", key_position=1, element="DE03004"),
            provider="市民政局",
            provider_en="Civil Affairs Bureau",
            provider_code="11440300MB2C90003H",
            source=Source("csv", "file://", "marriages.csv"),
        ),
    )
}


def load(dataset: str, hours_ago: float, rows: int, delivered: int, rejected: int, **more: Any) -> Load:
    at = NOW - timedelta(hours=hours_ago)
    several = (
        ("key.missing", "", "error", 0),
        ("citizen_id.checksum", "citizen_id", "error", rejected),
        ("citizen_id.code", "citizen_id", "warning", 3),
    )
    rules = [
        {
            "id": id_,
            "column": column,
            "severity": severity,
            "dimension": "accuracy",
            "checked": delivered,
            "unexpected": broken,
        }
        for id_, column, severity, broken in several
    ]
    counts = {"delivered": delivered, "passed": delivered - rejected, "rejected": rejected}
    base = Load(dataset, 3, "run-3", at, rows, counts, "ok", "", at, {"verdict": {"rules": rules}})
    return replace(base, **more)


LOADS = {
    "residents": load("residents", 2, 19_874, 20_112, 238),
    "travel_permits": load(
        "travel_permits", 60, 6_010, 6_044, 34, status="held", status_reason="交付为空 (the delivery was empty)"
    ),
}


def subject_file(**fields: Any) -> SubjectFile:
    """The one resident's file; her permit has run out, and its dataset is held."""
    facts = {"load": 3, "run": "run-3", "as_of": "2026-03-02T06:00:00Z"}
    names = {
        "title": "常住人口基本信息",
        "title_en": "Residents",
        "department": "市公安局",
        "department_en": "Public Security Bureau",
    }
    permits = {
        "title": "出入境证件信息",
        "title_en": "Travel permits",
        "department": "市公安局出入境管理局",
        "department_en": "Exit-Entry Administration",
    }
    values = {"name": "林小满", "sex_code": "2", "mobile": "13800000000", **fields}
    entry = {
        name.removesuffix("_code"): {"value": value, "valid_until": None, "source": "residents", "column": name}
        for name, value in values.items()
        if value is not None
    }
    body = {
        "id": ID,
        "fields": entry,
        "lists": {
            "travel_permits": [
                {"values": {"permit_no": "C90000017", "valid_to": "2026-02-20"}, "valid_until": "2026-02-20", **facts}
            ]
        },
        "sources": {"residents": {"dataset": "residents", **facts}},
        "datasets": {"residents": names, "travel_permits": permits},
    }
    return SubjectFile("person", body)


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


class Http:
    """Calls an application in this process, keeping cookies as a browser does."""

    def __init__(self, app: FastAPI, *, calm: bool = False) -> None:
        self._transport = ASGITransport(app, raise_app_exceptions=not calm)
        self.cookies = Cookies()

    def request(self, method: str, path: str, **more: Any) -> Response:
        return asyncio.run(self._request(method, path, **more))

    def get(self, path: str, **more: Any) -> Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> Response:
        return self.request("POST", path, **more)

    async def _request(self, method: str, path: str, **more: Any) -> Response:
        async with AsyncClient(transport=self._transport, base_url="http://hub.test", cookies=self.cookies) as client:
            response = await client.request(method, path, **more)
            self.cookies = client.cookies
            return response


@dataclass
class City:
    """The application with handles on what it stands on."""

    services: Services
    ledger: Database
    audit: Database
    clock: Clock
    tokens: Tokens
    lake: Path
    woken: list[str]
    app: FastAPI = field(init=False)
    http: "Http" = field(init=False)

    def __post_init__(self) -> None:
        self.app = create_app(self.services)
        self.http = Http(self.app)

    def with_services(self, **changes: Any) -> FastAPI:
        """Another application with some services replaced."""
        return create_app(replace(self.services, **changes))

    def token(self, client: str = "portal") -> str:
        """A token as the token endpoint makes it, without the cost of its secret's check."""
        return self.tokens.issue(client, now=self.clock(), jti="1").access_token

    def signed_in(self, name: str) -> Http:
        """The browser of a person, signed in without the form and the cost of the password's check."""
        http = Http(self.app)
        http.cookies.set("hub_session", self.services.console.sessions.begin(name), domain="hub.test")
        return http

    def get(self, path: str, token: str | None = None) -> Response:
        return self.http.get(path, headers={"Authorization": f"Bearer {token or self.token()}"})

    def post(self, path: str, body: Any, token: str | None = None) -> Response:
        return self.http.post(path, json=body, headers={"Authorization": f"Bearer {token or self.token()}"})


@cache
def declared() -> tuple[Kinds, Form]:
    """The subject kinds and the form, read from files once."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "subjects").mkdir()
        (folder / "subjects" / "person.yaml").write_text(KIND, encoding="utf-8")
        (folder / "form.yaml").write_text(FORM, encoding="utf-8")
        kinds = declare.load(folder / "subjects", CONTRACTS)
        return kinds, read(folder / "form.yaml", kinds, CONTRACTS)


PUSHED: dict[str, SyncMode] = {"arrivals": "incremental", "registers": "snapshot", "events": "append"}
LIMIT = 1 << 20


def fill_ledger(ledger: Database) -> None:
    """Three datasets, two of them with a load; three clients, two of them with a grant, one with push rights."""
    contracts.apply(ledger, [Application(one, "", name) for name, one in CONTRACTS.items()], at=NOW)
    for one in LOADS.values():
        loads.tell(ledger, one)
        loads.set_state(ledger, one.dataset, one.status, one.status_reason, one.checked_at)
    for client in ("portal", "demo-portal", "ungranted"):
        client_store.put(ledger, Client(client, client, client, HASH), NOW)
        if client != "ungranted":
            for form in (declared()[1].id, "person"):
                fields = frozenset({"name", "travel_permits"}) if form == "person" else None
                grants.allow(
                    ledger, Grant(f"{client}-{form}", client, "form", form, PURPOSE, "duty", NOW, fields=fields), NOW
                )
    for person in PEOPLE.values():
        account_store.add(ledger, replace(person, password_hash=PASSWORD_HASH), NOW)
    for dataset in PUSHED:
        client_store.allow_push(ledger, "portal", dataset, NOW)


def compose(ledger: Database, audit: Database, log: AuditLog, clock: Clock, lake: Path) -> City:
    """The whole composition."""
    kinds, form = declared()
    tokens, serial, files = Tokens([b"k" * 32], issuer="http://hub.test"), count(), {ID: subject_file()}

    desk = Desk(
        ledger, log, tokens, audience="http://hub.test", pairwise_key=b"w" * 32, clock=clock, budget=1000,
        monotonic=count().__next__,
    )  # fmt: skip
    sign_in = SignIn(
        ledger,
        tokens,
        audiences=("http://hub.test", "http://hub.test/oauth/token"),
        clock=clock,
        number=lambda: str(next(serial)),
    )

    def world(_kind: str) -> World:
        states = {name: state(one, LOADS.get(name), *_condition(LOADS.get(name))) for name, one in CONTRACTS.items()}
        return World(states, clock(), KEY)

    def found(asked: Sequence[tuple[str, str]]) -> list[SubjectFile | None]:
        return [files.get(identifier.strip().upper()) if kind == "person" else None for kind, identifier in asked]

    def handle(client: str, kind: str, identifier: str) -> str:
        return pseudonym(b"h" * 32, f"{client} {kind}", identifier)

    def door(client: str, dataset: str) -> Door:
        clients.require_push(ledger, client, dataset)
        return Door(lake, dataset, client, PUSHED[dataset], LIMIT, clock)

    def became(client: str, dataset: str, receipt: str) -> dict[str, Any]:
        return asdict(inbox.find(lake, door(client, dataset).dataset, receipt))

    def change_password(name: str, password: str, session: str) -> None:
        found = accounts.hashed(password, name, salt=b"t" * 16)
        account_store.change(ledger, name, keep=hashed(session), password_hash=found)

    woken: list[str] = []
    hub = Hub(
        Settings(
            home=lake.parent,
            ledger_url=str(ledger.engine.url),
            audit_url=str(audit.engine.url),
            airflow_pages="http://airflow.test",
        ),
        clock=clock,
    )
    catalog = Catalog(
        ledger, lake.with_name("catalog.db"), clock, lambda: Uses(kinds, bindings({form.id: form})), "Asia/Shanghai"
    )
    offered = offer(hub, {form.id: form}, kinds)
    approvals = approvals_of(hub, offered)
    console = Console(
        sessions=Sessions(ledger, clock, lambda: f"session-{next(serial)}"),
        passwords=Passwords(ledger, clock, b"n" * 32),
        form_key=b"c" * 32,
        change_password=change_password,
        choose_language=partial(account_store.choose_language, ledger),
        desks=people.desks(hub, catalog, {form.id: form}, approvals, log.write),
    )
    services = Services(
        catalog=catalog,
        site=Site(
            "http://hub.test",
            Words("数据资源目录", "Data resource catalog"),
            Words("说明", "What it is"),
            Words("市数据局", "Data office"),
        ),
        forms=lambda: {form.id: form, "person": of_kind(kinds["person"], CONTRACTS)},
        kinds=lambda: kinds,
        prefill=Prefilling(found, world, handle, {KEY.id: KEY}),
        desk=desk,
        sign_in=sign_in,
        authenticate=lambda token: desk.caller(token).client,
        pseudonym=lambda kind, identifier: pseudonym(b"p" * 32, kind, identifier),
        uses=lambda _subject, _before, _most: (),
        record=log.write,
        clock=clock,
        inbox=Inbox(door, became, woken.append),
        console=console,
        approvals=approvals,
        requests=requests_of(hub, offered),
        portal=Portal(
            "demo-portal",
            PURPOSE,
            "DEMO",
            b"f" * 32,
            lambda token, form: INVITATIONS.open(token, form, now=clock()),
            lambda _form: (Sample(ID, "林小满 · 证件已过期"),),
        ),
    )
    return City(services, ledger, audit, clock, tokens, lake, woken)


def _condition(load: Load | None) -> Mapping[str, str] | tuple[str, str]:
    return (load.status, load.status_reason) if load else ("ok", "")
