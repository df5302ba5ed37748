"""Another catalog harvests this one by DCAT-AP: page by page, in every format, with nothing lost and deletions seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from catalog_ledger import apply
from pyshacl import validate
from rdflib import DCAT, DCTERMS, FOAF, RDF, Graph, Literal, URIRef
from serving_city import CONTRACTS, City

pytestmark = [  # rdflib's own JSON-LD parser and pyshacl still use these
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated"),
    pytest.mark.filterwarnings("ignore:Dataset.(default_context|identifier) is deprecated"),
]
HYDRA = "http://www.w3.org/ns/hydra/core#"
SHAPES = Path(__file__).with_name("dcat_ap_mandatory.ttl")
ACCEPTED = ("text/turtle", "application/rdf+xml", "application/ld+json")


@dataclass
class Harvester:
    """Walks a catalog's pages as other catalogs do, and keeps what it found by identifier."""

    city: City
    accept: str
    size: int = 2
    pages: list[Graph] = field(default_factory=list)

    def harvest(self) -> dict[str, dict[str, object]]:
        """Every dataset that the pages describe; what an earlier harvest found and this does not was deleted."""
        self.pages = []
        address: str | None = f"/dcat?size={self.size}"
        while address:
            answer = self.city.http.get(address, headers={"Accept": self.accept})
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, self.accept)
            graph = Graph().parse(data=answer.content, format=self.accept)
            self.pages.append(graph)
            following = list(graph.objects(None, URIRef(HYDRA + "next")))
            assert len(following) < 2
            parts = urlsplit(str(following[0])) if following else None
            address = f"{parts.path}?{parts.query}" if parts else None
        return {
            str(one["identifier"]): one
            for page in self.pages
            for one in map(lambda d, p=page: described(p, d), page.subjects(RDF.type, DCAT.Dataset))
        }


def described(graph: Graph, dataset: object) -> dict[str, object]:
    """What a catalog keeps of a dataset."""
    publisher = graph.value(dataset, DCTERMS.publisher)
    distributions = list(graph.objects(dataset, DCAT.distribution))
    return {
        "identifier": str(graph.value(dataset, DCTERMS.identifier)),
        "title": {t.language: str(t) for t in graph.objects(dataset, DCTERMS.title)},
        "publisher": (
            str(graph.value(publisher, DCTERMS.identifier)),
            {str(n) for n in graph.objects(publisher, FOAF.name)},
        ),
        "keywords": {str(k) for k in graph.objects(dataset, DCAT.keyword)},
        "distributions": {str(d).rpartition("#")[2] for d in distributions if graph.value(d, DCAT.accessURL)},
        "cycle": str(graph.value(dataset, DCTERMS.accrualPeriodicity)).rpartition("/")[2],
        "access": str(graph.value(dataset, DCTERMS.accessRights)).rpartition("/")[2],
    }


def promised() -> Mapping[str, dict[str, object]]:
    """The same of the contracts."""
    return {
        c.resource_code: {
            "identifier": c.resource_code,
            "title": {"zh": c.title, "en": c.title_en},
            "publisher": (c.provider_code, {c.provider, c.provider_en}),
            "keywords": {*c.tags, *([c.domain] if c.domain else [])},
            "distributions": set(c.share_modes),
            "cycle": "DAILY",
            "access": "RESTRICTED",
        }
        for c in CONTRACTS.values()
    }


def test_a_harvest_loses_nothing_and_keeps_the_mandatory_rules_in_every_format(city: City) -> None:
    tagged = [replace(c, tags=("人口库", "证照库"), domain="人口", version="1.1.0") for c in CONTRACTS.values()]
    apply(city.ledger, *tagged)
    expected = {code: {**one, "keywords": {"人口库", "证照库", "人口"}} for code, one in promised().items()}
    for accept in ACCEPTED:
        harvester = Harvester(city, accept)
        assert harvester.harvest() == expected, accept
        assert len(harvester.pages) == 2
        for page in harvester.pages:
            conforms, _, report = validate(page, shacl_graph=str(SHAPES))
            assert conforms, report


def test_the_rules_notice_what_is_missing(city: City) -> None:
    harvester = Harvester(city, "text/turtle")
    mandatory = {
        DCAT.Dataset: DCTERMS.title,
        DCAT.Distribution: DCAT.accessURL,
        FOAF.Agent: FOAF.name,
        DCAT.DataService: DCAT.endpointURL,
    }
    harvester.harvest()
    for kind, taken in mandatory.items():
        page = Graph() + harvester.pages[0]
        for subject in list(page.subjects(RDF.type, kind)):
            page.remove((subject, taken, None))
        assert not validate(page, shacl_graph=str(SHAPES))[0], taken


def test_a_deleted_dataset_is_gone_from_the_next_harvest_and_the_rest_is_not(city: City) -> None:
    harvester = Harvester(city, "text/turtle", size=1)
    before = harvester.harvest()
    assert Literal(3) in harvester.pages[0].objects(None, URIRef(HYDRA + "totalItems"))
    apply(city.ledger, replace(CONTRACTS["travel_permits"], status="retired", version="2.0.0"))
    after = harvester.harvest()
    assert before.keys() - after.keys() == {"301002/000001"}
    assert after == {code: one for code, one in before.items() if code != "301002/000001"}
    assert Literal(2) in harvester.pages[0].objects(None, URIRef(HYDRA + "totalItems"))


def test_a_dataset_deleted_during_a_harvest_makes_no_other_one_missed(city: City) -> None:
    first = Graph().parse(data=city.http.get("/dcat?size=1&format=ttl").content, format="turtle")
    (following,) = first.objects(None, URIRef(HYDRA + "next"))
    apply(city.ledger, replace(CONTRACTS["residents"], status="retired", version="2.0.0"))
    parts = urlsplit(str(following))
    second = Graph().parse(data=city.http.get(f"{parts.path}?{parts.query}").content, format="turtle")
    assert [str(i) for d in second.subjects(RDF.type, DCAT.Dataset) for i in second.objects(d, DCTERMS.identifier)] == [
        "301002/000001"
    ]


def test_an_unchanged_page_is_not_sent_again_and_a_changed_catalog_is(city: City) -> None:
    first = city.http.get("/dcat?format=ttl")
    again = city.http.get("/dcat?format=ttl", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert city.http.get("/dcat?format=rdf", headers={"If-None-Match": first.headers["etag"]}).status_code == 200
    apply(city.ledger, replace(CONTRACTS["residents"], title="人口", version="1.1.0"), at=city.clock())
    city.clock.now = city.clock.now.replace(year=2027)
    apply(city.ledger, replace(CONTRACTS["marriages"], title="婚姻", version="1.1.0"), at=city.clock())
    assert city.http.get("/dcat?format=ttl", headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_the_format_is_what_the_caller_prefers(city: City) -> None:
    for accept, kind in (
        ("*/*", "text/turtle"),
        ("text/html", "text/turtle"),
        ("", "text/turtle"),
        ("application/ld+json", "application/ld+json"),
        ("application/rdf+xml;q=0.5, text/turtle;q=0.4", "application/rdf+xml"),
        ("application/ld+json;q=often", "text/turtle"),
    ):
        answer = city.http.get("/dcat", headers={"Accept": accept})
        assert answer.headers["content-type"].partition(";")[0] == kind, accept


def test_a_resources_name_leads_people_to_its_page_and_programs_to_its_description(city: City) -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert "<html" in city.http.get("/catalog/residents", headers={"Accept": browser}).text
    answer = city.http.get("/catalog/residents", headers={"Accept": "text/turtle"})
    graph = Graph().parse(data=answer.content, format="turtle")
    (dataset,) = graph.subjects(RDF.type, DCAT.Dataset)
    assert str(dataset) == "http://hub.test/catalog/residents"
    assert described(graph, dataset) == promised()["301001/000001"]
    assert "Accept" in answer.headers["vary"]


def test_a_wrong_question_is_answered_with_the_field_named(city: City) -> None:
    for query in ("format=xml", "size=0", "size=9999", "after=" + "x" * 65):
        answer = city.http.get(f"/dcat?{query}")
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert query.partition("=")[0] in answer.text
