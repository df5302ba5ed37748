"""The catalog answers as the ledger is now, at the cost of what changed: versions, holders, related resources, lists, codes."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import servers
from catalog_ledger import NOW, apply

from catalog import library
from catalog.library import Catalog, Uses
from catalog.search import Query
from ledger import authorities, loads
from ledger import catalog as changes
from ledger.database import Database, ledger_tables
from ledger.loads import Load
from schemas.contract import Claim, Contract
from schemas.errors import Invalid


def found(catalog: Catalog, text: str) -> list[str]:
    return [card.dataset for card in catalog.search(Query(text)).hits]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs_postgres)])
def any_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty ledger, embedded and in production."""
    if request.param == "sqlite":
        ledger = Database(f"sqlite:///{tmp_path}/any.db", ledger_tables)
        ledger.create()
        yield ledger
        ledger.dispose()
        return
    with servers.database(request.getfixturevalue("postgres_url"), "catalog_ledger") as url:
        ledger = Database(url, ledger_tables)
        ledger.create()
        yield ledger
        ledger.dispose()


def over(ledger: Database, path: Path) -> Catalog:
    return Catalog(ledger, path, lambda: NOW, lambda: Uses({}), "Asia/Shanghai")


def test_contracts_and_loads_are_found_as_soon_as_the_ledger_has_them(
    any_ledger: Database, tmp_path: Path, contracts: Mapping[str, Contract], load: Load
) -> None:
    catalog = over(any_ledger, tmp_path / "catalog.db")
    assert catalog.search(Query()).total == 0
    apply(any_ledger, *contracts.values())
    assert found(catalog, "常住人口") == ["residents"]
    loads.tell(any_ledger, load)
    (card,) = catalog.search(Query("常住人口")).hits
    assert (card.rows, card.pass_rate, card.freshness(NOW)) == (950, 0.95, "fresh")
    apply(any_ledger, replace(contracts["residents"], title="户籍人口基本信息", version="1.1.0"))
    assert (found(catalog, "户籍"), found(catalog, "常住")) == (["residents"], [])
    apply(any_ledger, replace(contracts["residents"], status="retired", version="2.0.0"))
    assert found(catalog, "人口") == []
    entry = catalog.entry("residents")
    assert entry is not None
    assert entry.state == "retired"


def test_only_what_changed_is_read_again(
    catalog: Catalog, ledger: Database, contracts: Mapping[str, Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.search(Query())
    read: list[str] = []
    newest = library.contracts.newest
    monkeypatch.setattr(library.contracts, "newest", lambda db, names: read.extend(names) or newest(db, names))
    catalog.search(Query("企业"))
    assert read == []
    apply(ledger, replace(contracts["companies"], version="1.0.1"))
    catalog.search(Query("企业"))
    assert read == ["companies"]


def test_another_process_uses_the_same_index_and_sees_what_the_first_took_in(
    catalog: Catalog, ledger: Database, tmp_path: Path, contracts: Mapping[str, Contract]
) -> None:
    other = over(ledger, tmp_path / "catalog.db")
    assert found(catalog, "企业") == found(other, "企业") == ["companies"]
    apply(ledger, replace(contracts["companies"], title="公司登记信息", version="1.1.0"))
    assert found(other, "公司登记") == ["companies"]
    assert found(catalog, "公司登记") == ["companies"]


def test_a_lost_index_and_an_older_ledger_make_it_anew(
    catalog: Catalog, ledger: Database, tmp_path: Path, contracts: Mapping[str, Contract]
) -> None:
    assert found(catalog, "企业") == ["companies"]
    older = Database(f"sqlite:///{tmp_path}/older.db", ledger_tables)
    older.create()
    apply(older, contracts["residents"])
    assert [c.dataset for c in over(older, tmp_path / "catalog.db").search(Query()).hits] == ["residents"]
    older.dispose()
    assert catalog.rebuild() == 3


def test_many_readers_and_a_writer_disagree_about_nothing(
    catalog: Catalog, ledger: Database, contracts: Mapping[str, Contract]
) -> None:
    faults: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(20):
                assert set(found(catalog, "信息")) >= {"residents", "companies", "food_licences"}
        except BaseException as fault:  # noqa: BLE001 - told by the test
            faults.append(fault)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for n in range(8):
        apply(ledger, replace(contracts["companies"], dataset=f"more_{n}", resource_code=f"302001/{n + 100:06d}"))
    for reader in readers:
        reader.join()
    assert faults == []
    assert catalog.search(Query("信息")).total == 11


def test_who_holds_an_element_and_who_is_authoritative_is_one_question(
    catalog: Catalog, ledger: Database, contracts: Mapping[str, Contract]
) -> None:
    cards = replace(contracts["residents"], dataset="cards", resource_code="301001/000002", authoritative=False)
    apply(ledger, cards, replace(contracts["residents"], claims=(Claim("person", "DE01002"),), version="1.1.0"))
    holders = [(h.card.dataset, h.item, h.authoritative_for) for h in catalog.holders("DE01002")]
    assert holders == [("residents", "name", ("person",)), ("cards", "name", ())]
    authorities.release(ledger, Claim("person", "DE01002"))
    assert [h.authoritative_for for h in catalog.holders("DE01002")] == [(), ()]
    assert catalog.holders("DE99999") == ()


def test_resources_that_refer_to_each_other_are_related_both_ways(catalog: Catalog) -> None:
    related = {
        name: [card.dataset for card in catalog.related(name)] for name in ("food_licences", "companies", "residents")
    }
    assert related == {"food_licences": ["companies"], "companies": ["food_licences"], "residents": []}
    entry = catalog.entry("companies")
    assert entry is not None
    assert entry.related == ("302002/000001",)


def test_an_entry_is_found_by_dataset_and_by_resource_code(catalog: Catalog) -> None:
    by_name, by_code = catalog.entry("residents"), catalog.entry("301001/000001")
    assert by_name == by_code
    assert by_name is not None
    assert catalog.entry("301001/000002") is None


def test_an_entry_tells_score_trend_and_who_uses_it(catalog: Catalog, ledger: Database, load: Load) -> None:
    loads.tell(ledger, load)
    entry = catalog.entry("residents")
    assert entry is not None
    assert len(entry.measured.trend) == 14
    assert entry.measured.trend[-1] == entry.measured.score
    assert 90 < (entry.measured.score or 0) < 100
    assert entry.measured.trend[0] is None


def test_versions_tell_what_each_changed(catalog: Catalog, ledger: Database, contracts: Mapping[str, Contract]) -> None:
    apply(ledger, replace(contracts["residents"], version="1.1.0", title="人口"), at=NOW + timedelta(days=1))
    newest, first = catalog.versions("residents")
    assert (newest.number, newest.version, [change.path for change in newest.changes]) == (2, "1.1.0", ["title"])
    assert (first.number, first.changes) == (1, ())


def test_a_departments_lists_are_what_its_contracts_and_claims_say(
    catalog: Catalog, ledger: Database, contracts: Mapping[str, Contract]
) -> None:
    apply(ledger, replace(contracts["companies"], claims=(Claim("enterprise", "DE02001"),), version="1.1.0"))
    apply(ledger, replace(contracts["residents"], checks=contracts["food_licences"].checks, version="1.1.0"))
    market, police = catalog.department("市市场监督管理局"), catalog.department("市公安局")
    assert market is not None
    assert police is not None
    assert [card.dataset for card in market.provides] == ["companies", "food_licences"]
    assert market.requires == ()
    assert [(a.element, a.dataset) for a in market.responsible] == [("DE02001", "companies")]
    assert [(n.card.dataset, [r.name for r in n.reasons]) for n in police.requires] == [("companies", ["residents"])]
    assert catalog.department("市气象局") is None


def test_whoever_walks_the_pages_meets_each_lasting_entry_once(
    catalog: Catalog, ledger: Database, contracts: Mapping[str, Contract]
) -> None:
    (first,) = catalog.page("", 1)
    apply(ledger, replace(contracts["residents"], status="retired", version="2.0.0"))
    rest = catalog.page(first.code, 10)
    assert [first.dataset, *(entry.dataset for entry in rest)] == ["residents", "companies", "food_licences"]
    assert [entry.dataset for entry in catalog.page("", 10)] == ["companies", "food_licences"]


def test_a_code_is_given_once_and_a_used_one_never(any_ledger: Database, contracts: Mapping[str, Contract]) -> None:
    apply(any_ledger, contracts["residents"])
    given = [changes.allocate(any_ledger, "301001", NOW) for _ in range(2)]
    assert given == ["301001/000002", "301001/000003"]
    apply(any_ledger, replace(contracts["companies"], resource_code=given[0]))
    assert changes.holders(any_ledger, {given[0], given[1]}) == {given[0]: "companies"}
    with pytest.raises(Invalid, match="is residents's"):
        apply(any_ledger, replace(contracts["food_licences"], resource_code="301001/000001"))
    assert changes.allocate(any_ledger, "301001", NOW) == "301001/000004"


def test_codes_asked_for_at_once_are_different(any_ledger: Database) -> None:
    given: list[str] = []
    askers = [
        threading.Thread(target=lambda: given.append(changes.allocate(any_ledger, "301009", NOW))) for _ in range(8)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert sorted(given) == [f"301009/{n:06d}" for n in range(1, 9)]
