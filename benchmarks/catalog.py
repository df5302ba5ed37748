"""How fast and how well the catalog is searched, beside PostgreSQL's own full-text search over the same entries, in one run.

`python benchmarks/catalog.py` (`--entries`, `--rounds`) makes a fictitious city's catalog, the same each time, and asks a fixed list of queries: of
the hub (total, 20 best hits and all facets), and of PostgreSQL's `tsvector` with GIN and `ts_rank` (total, 20 best hits and one facet). Each
answer is timed apart; quality is how many of the queries put a right entry first, and how many of the first ten are right. Then a resource's
page is asked for, and one dataset more is registered beside none and beside a thousand.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import servers  # noqa: E402
from sqlalchemy import create_engine, text  # noqa: E402

from catalog.library import Catalog, Uses  # noqa: E402
from catalog.search import Query  # noqa: E402
from ledger import contracts, loads  # noqa: E402
from ledger.contracts import Application  # noqa: E402
from ledger.database import Database, ledger_tables  # noqa: E402
from ledger.loads import Load  # noqa: E402
from schemas.contract import Column, Contract, Source  # noqa: E402
from schemas.elements import ELEMENTS  # noqa: E402

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
AREAS = ("市级", "东海区", "南山区", "西湖区", "北岭区", "高新区", "临港区", "滨江区", "青云县", "白鹭县")
DEPARTMENTS = (
    ("市公安局", "Public Security Bureau"), ("市民政局", "Civil Affairs Bureau"), ("市市场监督管理局", "Market Regulation Administration"),
    ("市人力资源和社会保障局", "Human Resources and Social Security Bureau"), ("市卫生健康委员会", "Health Commission"),
    ("市教育局", "Education Bureau"), ("市住房和城乡建设局", "Housing and Construction Bureau"), ("市交通运输局", "Transport Bureau"),
    ("市生态环境局", "Ecology and Environment Bureau"), ("市规划和自然资源局", "Planning and Natural Resources Bureau"),
    ("市税务局", "Tax Service"), ("市医疗保障局", "Healthcare Security Bureau"), ("市应急管理局", "Emergency Management Bureau"),
    ("市水务局", "Water Bureau"), ("市文化和旅游局", "Culture and Tourism Bureau"), ("市农业农村局", "Agriculture Bureau"),
)  # fmt: skip
TOPICS = (
    ("常住人口", "resident population"), ("流动人口居住登记", "temporary residence registration"), ("企业登记", "company registration"),
    ("个体工商户", "individual businesses"), ("食品经营许可", "food business licences"), ("药品经营许可", "pharmacy licences"),
    ("婚姻登记", "marriage registration"), ("出生医学证明", "birth certificates"), ("死亡证明", "death certificates"),
    ("养老保险参保", "pension insurance"), ("医疗保险缴费", "medical insurance payments"), ("失业保险待遇", "unemployment benefits"),
    ("住房公积金缴存", "housing fund deposits"), ("不动产权证书", "real estate titles"), ("商品房预售许可", "presale permits"),
    ("机动车登记", "vehicle registration"), ("驾驶证", "driving licences"), ("道路运输经营许可", "road transport licences"),
    ("公交线路站点", "bus routes and stops"), ("排污许可证", "pollutant discharge permits"), ("空气质量监测", "air quality monitoring"),
    ("地表水质监测", "surface water monitoring"), ("取水许可", "water abstraction permits"), ("建设用地规划许可", "land use planning permits"),
    ("建筑施工许可", "construction permits"), ("学籍", "school enrolment"), ("教师资格证书", "teacher certificates"),
    ("医师执业证书", "physician licences"), ("护士执业注册", "nurse registration"), ("残疾人证", "disability certificates"),
    ("最低生活保障对象", "minimum living allowance recipients"), ("退役军人优待", "veterans' benefits"), ("社会组织登记", "social organisations"),
    ("行政处罚", "administrative penalties"), ("信用评价", "credit ratings"), ("纳税申报", "tax returns"), ("欠税公告", "tax arrears notices"),
    ("安全生产许可", "work safety licences"), ("危险化学品经营许可", "hazardous chemicals licences"),
    ("旅行社业务经营许可", "travel agency licences"),
)  # fmt: skip
KINDS = (
    ("基本信息", "basics"),
    ("变更信息", "changes"),
    ("注销信息", "cancellations"),
    ("年度统计", "yearly statistics"),
    ("检查结果", "inspections"),
)


def generated(count: int, seed: int = 7) -> list[Contract]:
    """So many contracts of a fictitious city, the same for the same seed."""
    chance = random.Random(seed)
    elements = list(ELEMENTS.values())
    made = []
    for i in range(count):
        area, (topic, topic_en), (kind, kind_en) = AREAS[i % 10], TOPICS[i // 10 % 40], KINDS[i // 400 % 5]
        department, department_en = DEPARTMENTS[(i // 10 % 40) * 7 % 16]
        chosen = chance.sample(elements, chance.randint(8, 24))
        columns = tuple(
            Column(e.en, f"c{n}", e.zh, key_position=int(n == 0), element=e.id if chance.random() < 0.8 else None, share_type=chance.randint(1, 3))
            for n, e in enumerate(chosen)
        )  # fmt: skip
        round_ = "" if i < 2000 else f"（{2000 + i // 2000}年）"
        number = (i // 10 % 40) * 7 % 16
        made.append(
            Contract(
                dataset=f"{topic_en} {kind_en} {i}".replace(" ", "_").replace("'", ""), title=f"{area}{topic}{kind}{round_}",
                title_en=f"{topic_en.capitalize()}: {kind_en}", version="1.0.0", status="active", provider=department, provider_en=department_en,
                provider_code=f"113101000000{number:02d}000A", purpose=f"供各部门办理业务时核验{topic}",
                resource_code=f"3{number:02d}{i % 900:03d}/{i + 1:06d}",
                share_type=1 + i % 3, share_condition="无条件" if i % 3 == 0 else "限依法履职使用", share_modes=("database", "api"), columns=columns,
                source=Source(chance.choice(("sql", "csv", "rest", "xlsx")), "sqlite:///x.db", "t"), cycle=chance.choice(("每日", "每周", "每月")),
                tags=(chance.choice(("人口库", "法人库", "证照库", "信用库", "空间库")),),
            )
        )  # fmt: skip
    return made


def holds(*parts: str) -> Callable[[Contract], bool]:
    """A judgement: the title has all these parts."""
    return lambda contract: all(part in contract.title for part in parts)


def has(element: str) -> Callable[[Contract], bool]:
    """A judgement: a column is of the element."""
    return lambda contract: any(column.element == element for column in contract.columns)


QUERIES: tuple[tuple[str, str, Callable[[Contract], bool]], ...] = (
    ("whole name", "市级常住人口基本信息", holds("市级常住人口基本信息")),
    ("whole name", "东海区食品经营许可检查结果", holds("东海区食品经营许可检查结果")),
    ("word", "婚姻登记", holds("婚姻登记")), ("word", "不动产", holds("不动产")), ("word", "公积金", holds("公积金")),
    ("word", "残疾人", holds("残疾人")),
    ("word", "信息", holds("信息")), ("word", "许可", holds("许可")), ("part", "口居", holds("流动人口居住")), ("part", "气质", holds("空气质量")),
    ("part", "证", holds("证")), ("words", "南山区 驾驶证", holds("南山区", "驾驶证")), ("words", "企业 注销", holds("企业", "注销")),
    ("words", "食品 许可 检查", holds("食品", "许可", "检查")), ("words", "高新区，学籍", holds("高新区", "学籍")),
    ("initials", "czrk", holds("常住人口")),
    ("initials", "bdcqzs", holds("不动产权证书")), ("initials", "gjj", holds("公积金")), ("pinyin", "hunyin", holds("婚姻")),
    ("pinyin", "jiashizheng", holds("驾驶证")), ("English", "marriage", holds("婚姻")), ("English", "vehicle registration", holds("机动车登记")),
    ("English", "LICENCES", lambda c: "licen" in c.title_en.lower()), ("English", "regist", lambda c: "regist" in c.title_en.lower()),
    ("code", "DE01001", has("DE01001")), ("code", "de02001", has("DE02001")), ("typo", "marrige", holds("婚姻")),
    ("typo", "licenecs", lambda c: "licen" in c.title_en.lower()), ("typo", "长住人口", holds("常住人口")),
    ("typo", "食品经营许可正", holds("食品经营许可")),
    ("typo", "驾驶正", holds("驾驶证")), ("left out", "食品许可", holds("食品经营许可")), ("department", "公安", lambda c: "公安" in c.provider),
    ("department", "公安局 登记", lambda c: "公安" in c.provider and "登记" in c.title),
    ("none", "护照", lambda _: False), ("none", "qqq", lambda _: False),
)  # fmt: skip
Ask = Callable[[str], list[str]]


@dataclass(frozen=True)
class Answers:
    """One contender: milliseconds of every answer, and the datasets found by query."""

    name: str
    milliseconds: list[float]
    found: dict[str, list[str]]


def asked(name: str, ask: Ask, rounds: int) -> Answers:
    """Every query so many times, in a different order each round."""
    chance, times, found = random.Random(1), [], {}
    for _ in range(rounds):
        for _, query, _ in chance.sample(QUERIES, len(QUERIES)):
            began = time.perf_counter()
            found[query] = ask(query)
            times.append((time.perf_counter() - began) * 1000)
    return Answers(name, times, found)


def quality(answers: Answers, entries: dict[str, Contract]) -> tuple[str, dict[str, str]]:
    """How many queries put a right entry first and the share of right ones among the first ten; queries that missed, by kind."""
    first, shares, missed = 0, [], {}
    for kind, query, right in QUERIES:
        judged = [right(entries[name]) for name in answers.found[query][:10]]
        wanted = any(map(right, entries.values()))
        good = judged[0] if judged and wanted else not judged and not wanted
        first += good
        shares.append(statistics.mean(judged) if judged else float(not wanted))
        if not good:
            missed.setdefault(kind, []).append(query)
    return f"{first}/{len(QUERIES)} first, {statistics.mean(shares):.0%} of ten", {
        k: " ".join(v) for k, v in missed.items()
    }


def hub_asks(catalog: Catalog) -> Ask:
    """The hub's search."""
    return lambda query: [card.dataset for card in catalog.search(Query(query)).hits]


@contextmanager
def postgres_asks(url: str, entries: Sequence[Contract]) -> Iterator[Ask]:
    """PostgreSQL's full-text search over the same texts: total, the twenty best, and one facet, as three statements."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    rows = [
        {"dataset": c.dataset, "provider": c.provider, "name": f"{c.title} {c.title_en} {c.dataset} {c.resource_code}",
         "about": " ".join([c.provider, c.provider_en, *c.tags, c.purpose, *(f"{k.title} {k.name} {k.element or ''}" for k in c.columns)])}
        for c in entries
    ]  # fmt: skip
    where = "FROM entry WHERE words @@ plainto_tsquery('simple', :q)"
    best = text(f"SELECT dataset {where} ORDER BY ts_rank(words, plainto_tsquery('simple', :q)) DESC LIMIT 20")
    total, facet = text(f"SELECT count(*) {where}"), text(f"SELECT provider, count(*) {where} GROUP BY provider")
    with engine.connect() as line:
        line.execute(
            text("CREATE TABLE entry (dataset text PRIMARY KEY, provider text, name text, about text, words tsvector)")
        )
        line.execute(text("INSERT INTO entry VALUES (:dataset, :provider, :name, :about)"), rows)
        line.execute(
            text("UPDATE entry SET words = setweight(to_tsvector('simple', name), 'A') || to_tsvector('simple', about)")
        )
        line.execute(text("CREATE INDEX ON entry USING gin (words)"))
        line.execute(text("VACUUM ANALYZE entry"))

        def ask(query: str) -> list[str]:
            given = {"q": query}
            line.execute(total, given).scalar()
            line.execute(facet, given).all()
            return [row.dataset for row in line.execute(best, given)]

        yield ask
    engine.dispose()


def filled(home: Path, entries: Sequence[Contract]) -> Database:
    """A ledger with these contracts in force and a load for most."""
    home.mkdir(parents=True, exist_ok=True)
    ledger = Database(f"sqlite:///{home}/ledger.db", ledger_tables)
    ledger.create()
    for start in range(0, len(entries), 500):
        contracts.apply(ledger, [Application(c, "", f"{c.dataset}") for c in entries[start : start + 500]], at=NOW)
    rules = [
        {
            "id": "name.required",
            "column": "name",
            "severity": "error",
            "dimension": "completeness",
            "checked": 100,
            "unexpected": 3,
        }
    ]
    for n, contract in enumerate(entries):
        if n % 4:
            at = NOW - timedelta(hours=n % 60)
            counts = {"delivered": 100, "passed": 97, "rejected": 3}
            loads.tell(
                ledger,
                Load(contract.dataset, 1, f"run-{n}", at, 950, counts, "ok", "", at, {"verdict": {"rules": rules}}),
            )
    return ledger


def pages(home: Path, names: Sequence[str]) -> list[float]:
    """Milliseconds of the application for each resource's page, whole."""
    from httpx import ASGITransport, AsyncClient

    from hub.core import Hub
    from hub.settings import Settings
    from hub.web import application

    (home / "declarations" / "subjects").mkdir(parents=True)
    (home / "declarations" / "forms").mkdir()
    app = application(Hub(Settings(home=home), clock=lambda: NOW))

    async def ask() -> list[float]:
        times = []
        async with AsyncClient(transport=ASGITransport(app), base_url="http://hub.test") as client:
            for name in names:
                began = time.perf_counter()
                answer = await client.get(f"/catalog/{name}?lang=zh")
                times.append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200, answer.text
        return times

    return asyncio.run(ask())


def registering(home: Path, folder: Path) -> float:
    """Milliseconds to register one more contract, the median of nine."""
    from hub.core import Hub
    from hub.registration import registry
    from hub.settings import Settings

    source = (ROOT / "examples/demo_city/contracts/companies.odcs.yaml").read_text(encoding="utf-8")
    source = "\n".join(line for line in source.splitlines() if "authoritativeFor" not in line)
    hub, times = Hub(Settings(home=home), clock=lambda: NOW), []
    for n in range(10):
        path = folder / f"firms_{n}.odcs.yaml"
        path.write_text(
            source.replace("id: companies", f"id: firms_{n}").replace("102001/000001", f"102001/{n + 1:06d}"),
            encoding="utf-8",
        )
        began = time.perf_counter()
        registry.apply(hub, (path,))
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[1:])


def line(name: str, times: Sequence[float], more: str = "") -> None:
    ordered = sorted(times)
    p50, p99 = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.99))
    print(f"{name:24} p50 {p50:8.2f} ms   p99 {p99:8.2f} ms   worst {ordered[-1]:8.2f} ms   {more}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    entries = generated(given.entries)
    by_name = {contract.dataset: contract for contract in entries}
    report: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        servers.postgres() as url,
        servers.database(url, "catalog_bench") as database,
    ):
        home = Path(name) / "full"
        ledger = filled(home, entries)
        catalog = Catalog(ledger, home / "catalog.db", lambda: NOW, lambda: Uses({}), "Asia/Shanghai")
        began = time.perf_counter()
        catalog.search(Query())
        size = (home / "catalog.db").stat().st_size / 1e6
        print(f"{given.entries:,} entries indexed in {time.perf_counter() - began:.1f} s, {size:.0f} MB")
        with postgres_asks(database, entries) as ask_postgres:
            for contender, ask in (("hub", hub_asks(catalog)), ("PostgreSQL tsvector", ask_postgres)):
                answers = asked(contender, ask, given.rounds)
                told, missed = quality(answers, by_name)
                line(contender, answers.milliseconds, told)
                report[contender] = missed
        chosen = random.Random(2).sample(sorted(by_name), 200)
        line("page of a resource", pages(home, [chosen[0], *chosen])[1:])
        thousand = Path(name) / "thousand"
        filled(thousand, entries[:1000]).dispose()
        alone, beside = registering(Path(name) / "empty", Path(name)), registering(thousand, Path(name))
        print(
            f"registering one more: {alone:.1f} ms beside none, {beside:.1f} ms beside a thousand (x {beside / alone:.2f})"
        )
    print(json.dumps({"right entry not first": report}, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
