"""Registering a source in a real browser over a real hub: a file, a workbook, a database; on a desk and on a phone, in both languages."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import openpyxl
import pytest
import servers
import yaml
from browsing import browsers, served
from city_bench import CITY
from playwright.sync_api import Browser, Page, expect

from access import accounts
from access.actors import Role
from hub.core import Hub
from hub.pulling import pipeline
from hub.registration import registry, review, template
from hub.settings import Settings
from hub.web import application
from ledger import accounts as account_store
from ledger import registrations
from ledger.accounts import Account
from schemas import odcs

pytestmark = [pytest.mark.needs_chromium, pytest.mark.timeout(600)]
DEPARTMENT = "11310100MADEM002XF"
PASSWORD = "a few plain words"
PEOPLE = [
    ("110101199003074610", "张三", "13800138000", "2020-01-01", "有效"),
    ("440308199901101512", "李四", "13900139000", "2020-02-30", "有效"),
    ("610104196209276908", "王小五", "13700137000", "2021-05-06", "失效"),
    ("110101199003074611", "赵六", "13600136000", "2021-05-07", "有效"),
    ("110101198001011232", "欧阳文", "13500135000", "2022-01-01", "有效"),
    ("110101198506150019", "孙七", "13400134000", "2022-03-04", "失效"),
]
CSV = "\r\n".join(
    ",".join(row)
    for row in (("停车许可名册", "", "", "", ""), ("证件号码", "姓名", "手机号码", "发证日期", "状态"), *PEOPLE)
)
ACCOUNTS: dict[str, tuple[str, frozenset[Role]]] = {
    "lin": (DEPARTMENT, frozenset({"editor"})),
    "wang": (DEPARTMENT, frozenset({"editor"})),
}
SHOTS = os.environ.get("SHOTS", "")


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    for name in ("subjects", "forms"):
        (tmp_path / "home" / "declarations" / name).mkdir(parents=True)
    hub = Hub(Settings(home=tmp_path / "home", review="pair"))
    for name, (department, roles) in ACCOUNTS.items():
        hashed = accounts.hashed(PASSWORD, name, salt=b"t" * 16)
        account_store.add(hub.ledger, Account(name, name, department, roles, password_hash=hashed), hub.clock())
    return hub


@pytest.fixture
def address(hub: Hub) -> Iterator[str]:
    with served(application(hub)) as at:
        yield at


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with browsers(chromium) as opened:
        yield opened


@pytest.fixture
def signed_in(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Opens a page signed in, without scripts."""
    opened: list[Page] = []

    def sign_in(name: str = "lin", *, width: int = 1200, lang: str = "zh") -> Page:
        page = browser.new_page(
            viewport={"width": width, "height": 900}, locale="zh-CN" if lang == "zh" else "en-GB", java_script_enabled=False
        )  # fmt: skip
        page.set_default_timeout(120_000)
        opened.append(page)
        page.goto(f"{address}/sign-in?lang={lang}")
        page.locator("#name").fill(name)
        page.locator("#password").fill(PASSWORD)
        page.locator("main button").click()
        page.goto(f"{address}/register?lang={lang}")
        return page

    yield sign_in
    for page in opened:
        page.close()


@contextmanager
def step(page: Page, name: str) -> Iterator[None]:
    """What is on the page fits into its window; a picture is kept where `SHOTS` names a folder."""
    yield
    assert page.locator("html").evaluate("e => e.scrollWidth <= e.clientWidth"), page.url
    if SHOTS and page.viewport_size is not None:
        page.screenshot(path=f"{SHOTS}/{name}-{page.viewport_size['width']}.png", full_page=True)


def upload(page: Page, name: str, content: bytes) -> None:
    page.locator("#file").set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": content})
    page.locator("main form button").click()


def describe(page: Page, modes: tuple[str, ...]) -> None:
    """Fill in the resource's words and send them."""
    for name, text in (
        ("dataset", "parking_permits"), ("title", "停车许可"), ("purpose", "居民停车许可，供延期预填"), ("provider", "市交通局"),
        ("code", "302001"), ("share_condition", "限依法履职"),
    ):  # fmt: skip
        page.locator(f"#{name}").fill(text)
    page.locator("#share_type").select_option("2")
    page.locator("#cycle").select_option("每日")
    for mode in modes:
        page.locator(f"input[name=share_modes][value={mode}]").check()
    page.locator("main form button").last.click()


@pytest.mark.parametrize(("width", "lang"), [(1200, "zh"), (390, "en")])
def test_a_file_in_gb18030_becomes_a_dataset_whose_rows_are_published(
    hub: Hub, signed_in: Callable[..., Page], width: int, lang: str
) -> None:
    page = signed_in(width=width, lang=lang)
    with step(page, f"1-list-{lang}"):
        page.locator("a.button[href*='/register/upload']").click()
    with step(page, f"2-upload-{lang}"):
        upload(page, "../../停车名册.csv", CSV.encode("gb18030"))
    with step(page, f"3-laid-{lang}"):
        expect(page.locator("#encoding")).to_have_value("gb18030")
        expect(page.locator("#header_row")).to_have_value("2")
        page.locator("main form button").click()
    with step(page, f"4-items-{lang}"):
        expect(page.locator("#item-0")).to_contain_text("DE01001")
        expect(page.locator("#item-0")).to_contain_text("110101********4610")
        expect(page.locator("main")).not_to_contain_text("110101199003074610")
        page.locator("[id='0.key']").fill("one")
        page.locator("form.items > button").click()
    with step(page, f"5-items-wrong-{lang}"):
        expect(page.locator("[id='0.key']")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("[id='0.key']")).to_have_value("one")
        page.locator("[id='0.key']").fill("1")
        page.locator("[id='1.key']").fill("")
        page.locator("[id='4.element']").select_option("DE03011")
        page.locator("#item-4 summary").click()
        page.locator("[id='4.codes']").fill("有效=1; 失效=2")
        page.locator("form.items > button").click()
    with step(page, f"6-preview-{lang}"):
        expect(page.locator("main")).to_contain_text("110101********4611")
        expect(page.locator(".stats")).to_contain_text("4")
        expect(page.locator("main")).not_to_contain_text("110101199003074611")
        page.locator("a.button[href*='resource']").click()
    with step(page, f"7-resource-{lang}"):
        describe(page, ("file",))
    with step(page, f"8-draft-{lang}"):
        page.locator("form[action*='submit'] button").click()
    with step(page, f"9-in-review-{lang}"):
        expect(page.locator(".badges")).to_contain_text("审核中" if lang == "zh" else "In review")
        review.approve(hub, "parking_permits", by="office")
        page.reload()
    with step(page, f"10-approved-{lang}"):
        assert registry.indexed(hub, "parking_permits")
        expect(page.locator("main")).to_contain_text("dataset.parking_permits")
        run = pipeline.pull(hub, "parking_permits", owner="test")
        assert (run.phase, run.facts["counts"]["passed"], run.facts["counts"]["rejected"]) == ("published", 4, 2)
        page.reload()
    with step(page, f"11-published-{lang}"):
        expect(page.locator(".metadata")).to_contain_text("已发布" if lang == "zh" else "published")


def test_a_workbook_filled_in_offline_is_told_its_faults_and_then_taken(
    hub: Hub, signed_in: Callable[..., Page], address: str
) -> None:
    page = signed_in()
    page.locator("a.button[href*='/register/workbook']").click()
    with page.expect_download() as download:
        page.locator("main a[download]").click()
    empty = openpyxl.load_workbook(io.BytesIO(download.value.path().read_bytes()))
    assert empty.sheetnames[:4] == list(template.TITLES.values())
    document = odcs.plain(yaml.safe_load((CITY / "contracts" / "food_licences.odcs.yaml").read_text(encoding="utf-8")))
    document["servers"][0]["customProperties"][0]["value"] = f"sqlite:///{DEPARTMENT}/market.db"
    document["schema"][0]["quality"] = document["schema"][0]["quality"][:2]
    filled = io.BytesIO()
    template.write(filled, document)
    book = openpyxl.load_workbook(filled)
    element = next(c.column_letter for c in book["信息项 items"][2] if c.value == "数据元 Data element")
    good = book["信息项 items"][f"{element}3"].value
    for value in ("DE00000", "=1+1", good):
        book["信息项 items"][f"{element}3"] = value
        content = io.BytesIO()
        book.save(content)
        upload(page, "登记表.xlsx", content.getvalue())
        if value != good:
            with step(page, f"20-misfilled-{value[:2]}"):
                expect(page.locator("main")).to_contain_text(f"信息项 items!{element}3")
    expect(page.locator("form.items")).to_be_visible()
    (registration,) = registrations.of_department(hub.ledger, DEPARTMENT)
    page.goto(f"{address}/register/{registration.id}")
    with step(page, "21-workbook-ready"):
        page.locator("form[action*='submit'] button").click()
    expect(page.locator(".badges")).to_contain_text("审核中")
    applied = review.approve(hub, "food_licences", by="office")
    assert applied.contract == odcs.read(document)
    assert registry.indexed(hub, "food_licences")


def test_a_table_of_a_database_is_connected_to_and_chosen(
    hub: Hub, signed_in: Callable[..., Page], postgres_url: str
) -> None:
    with servers.database(postgres_url, "wizard") as url:
        servers.execute(
            url,
            "CREATE TABLE permits (no text PRIMARY KEY, 证件号码 text)",
            *(f"INSERT INTO permits VALUES ('P{i}', '{p[0]}')" for i, p in enumerate(PEOPLE)),
        )
        parts = urlsplit(url)
        folder = hub.settings.secret_files / DEPARTMENT
        folder.mkdir(parents=True)
        (folder / "permits").write_text(f"{parts.username}:{parts.password}")
        page = signed_in(lang="en")
        page.locator("a.button[href*='/register/connect']").click()
        page.locator("#host").fill("169.254.169.254")
        page.locator("#database").fill("wizard")
        page.locator("main form button").click()
        with step(page, "30-refused"):
            expect(page.locator("#host")).to_have_attribute("aria-invalid", "true")
        page.locator("#host").fill(str(parts.hostname))
        page.locator("#port").fill(str(parts.port))
        page.locator("#secret").select_option(f"file:{DEPARTMENT}/permits")
        page.locator("main form button").click()
        with step(page, "31-tables"):
            page.locator("input[name=table][value=permits]").check()
            page.locator("main form button").click()
        with step(page, "32-items"):
            expect(page.locator("#item-1")).to_contain_text("DE01001")
            page.locator("form.items > button").click()
        with step(page, "33-preview"):
            expect(page.locator("main")).to_contain_text("110101********4611")
            page.locator("a.button[href*='resource']").click()
        describe(page, ("database",))
        page.locator("form[action*='submit'] button").click()
        review.approve(hub, "parking_permits", by="office")
        assert registry.indexed(hub, "parking_permits")
        run = pipeline.pull(hub, "parking_permits", owner="test")
        assert (run.phase, run.facts["counts"]["passed"]) == ("published", 5)


def test_of_two_editors_the_second_sees_that_and_keeps_what_was_typed(
    signed_in: Callable[..., Page], address: str
) -> None:
    lin, wang = signed_in("lin"), signed_in("wang")
    lin.goto(f"{address}/register/upload")
    upload(lin, "x.csv", CSV.encode())
    where = urlsplit(lin.url).path.replace("/table", "/items")
    for page in (lin, wang):
        page.goto(f"{address}{where}")
        page.locator("[id='1.title']").fill("姓名（林）" if page is lin else "姓名（王）")
    wang.locator("form.items > button").click()
    lin.locator("form.items > button").click()
    with step(lin, "40-conflict"):
        expect(lin.locator(".notice.failed").first).to_contain_text("wang")
        expect(lin.locator("[id='1.title']")).to_have_value("姓名（林）")
    lin.locator("form.items > button").click()
    lin.goto(f"{address}{where}")
    expect(lin.locator("[id='1.title']")).to_have_value("姓名（林）")


def test_what_cannot_be_registered_is_told_in_words(signed_in: Callable[..., Page], address: str) -> None:
    page = signed_in()
    for name, content in (("x.exe", b"MZ"), ("x.xlsx", b"PK\x03\x04"), ("x.csv", b"")):
        page.goto(f"{address}/register/upload")
        upload(page, name, content)
        expect(page.locator(".notice.failed")).to_be_visible()
        expect(page.locator("#file")).to_be_visible()
    with step(page, "50-not-taken"):
        pass
