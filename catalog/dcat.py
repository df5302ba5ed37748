"""The catalog in the words of other catalogs: DCAT-AP 3.0.1 as an RDF graph, a page at a time.

1. `page` describes the catalog, the hub's API as its data service, and the datasets of one page with publisher and distributions.
2. Pages are linked by Hydra: `next` continues after the last resource code, so that nobody who walks on misses or repeats a dataset
   because of what came or went meanwhile. A retired resource is on no page: who harvests sees it gone.
3. What the compilation guide (2017) says more than DCAT-AP is kept in its general terms: sharing type and condition as access rights
   and rights, resource code as identifier, update cycle as accrual periodicity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from rdflib import DCAT, DCTERMS, FOAF, RDF, SKOS, XSD, BNode, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from catalog.entries import Entry
from catalog.guide import CLASSES, FORMATS, MODES, SHARE_TYPES, Words

ADMS = Namespace("http://www.w3.org/ns/adms#")
HYDRA = Namespace("http://www.w3.org/ns/hydra/core#")
EU = Namespace("http://publications.europa.eu/resource/authority/")
IANA = Namespace("http://www.iana.org/assignments/media-types/")
DCAT_VERSION = URIRef(f"{DCAT}version")
RDFS_LABEL = URIRef("http://www.w3.org/2000/01/rdf-schema#label")
FREQUENCIES = {
    "实时": "UPDATE_CONT", "每小时": "HOURLY", "每日": "DAILY", "每周": "WEEKLY", "每月": "MONTHLY", "每季度": "QUARTERLY",
    "每半年": "ANNUAL_2", "每年": "ANNUAL", "不定期": "IRREG", "不更新": "NEVER",
}  # fmt: skip
MEDIA = {"turtle": "text/turtle", "xml": "application/rdf+xml", "json-ld": "application/ld+json"}
"""rdflib's formats with their media types, the first being the one for whoever says nothing."""
_CONTEXT = {
    "dcat": str(DCAT), "dct": str(DCTERMS), "foaf": str(FOAF), "skos": str(SKOS), "adms": str(ADMS), "hydra": str(HYDRA), "xsd": str(XSD),
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """Where the catalog is and who answers for it; `base` is the address that names begin with, without a slash at its end."""

    base: str
    title: Words
    description: Words
    office: Words

    def dataset(self, name: str) -> URIRef:
        """A dataset's name, which is its page's address too."""
        return URIRef(f"{self.base}/catalog/{quote(name)}")

    def department(self, code: str) -> URIRef:
        """A department's name and page."""
        return URIRef(f"{self.base}/departments/{quote(code)}")

    def page(self, after: str, size: int, form: str) -> URIRef:
        """The address of the page that follows a resource code."""
        asked = {"after": after, "size": str(size), "format": form}
        return URIRef(f"{self.base}/dcat?{urlencode({name: value for name, value in asked.items() if value})}")


@dataclass(frozen=True)
class Page:
    """One page of the catalog: what it follows, how many entries a page has at most and all have, when any last changed."""

    entries: Sequence[Entry]
    after: str
    size: int
    total: int
    changed_at: str
    form: str = ""


def page(site: Site, shown: Page) -> Graph:
    """The graph of one page."""
    graph = _graph()
    catalog = URIRef(f"{site.base}/catalog")
    _said(graph, catalog, DCTERMS.title, site.title)
    _said(graph, catalog, DCTERMS.description, site.description)
    office = URIRef(f"{site.base}/departments")
    graph.add((catalog, RDF.type, DCAT.Catalog))
    graph.add((catalog, DCTERMS.publisher, office))
    graph.add((catalog, FOAF.homepage, catalog))
    graph.add((catalog, DCTERMS.language, EU["language/ZHO"]))
    graph.add((office, RDF.type, FOAF.Agent))
    _said(graph, office, FOAF.name, site.office)
    if shown.changed_at:
        graph.add((catalog, DCTERMS.modified, Literal(shown.changed_at, datatype=XSD.dateTime)))
    service = _service(graph, site)
    graph.add((catalog, DCAT.service, service))
    for entry in shown.entries:
        graph.add((catalog, DCAT.dataset, _dataset(graph, site, service, entry)))
    _paging(graph, site, shown)
    return graph


def one(site: Site, entry: Entry) -> Graph:
    """The graph of one dataset."""
    graph = _graph()
    _dataset(graph, site, _service(graph, site), entry)
    return graph


def written(graph: Graph, form: str) -> bytes:
    """The graph as one of `MEDIA`."""
    if form == "json-ld":
        return graph.serialize(format=form, encoding="utf-8", context=_CONTEXT, auto_compact=True)
    return graph.serialize(format=form, encoding="utf-8")


def _graph() -> Graph:
    graph = Graph(bind_namespaces="none")
    for prefix, namespace in _CONTEXT.items():
        graph.bind(prefix, namespace)
    return graph


def _service(graph: Graph, site: Site) -> URIRef:
    service = URIRef(f"{site.base}/v1")
    graph.add((service, RDF.type, DCAT.DataService))
    _said(graph, service, DCTERMS.title, Words("数据共享接口", "Data sharing interface"))
    graph.add((service, DCAT.endpointURL, service))
    graph.add((service, DCAT.endpointDescription, URIRef(f"{site.base}/openapi.json")))
    return service


def _dataset(graph: Graph, site: Site, service: URIRef, entry: Entry) -> URIRef:
    dataset = site.dataset(entry.dataset)
    title = Words(entry.title, entry.title_en)
    graph.add((dataset, RDF.type, DCAT.Dataset))
    graph.add((dataset, DCTERMS.identifier, Literal(entry.code)))
    _said(graph, dataset, DCTERMS.title, title)
    _said(graph, dataset, DCTERMS.description, Words(entry.summary or entry.title, ""))
    graph.add((dataset, DCTERMS.publisher, _publisher(graph, site, entry)))
    for keyword in dict.fromkeys((*entry.tags, entry.domain)):
        _said(graph, dataset, DCAT.keyword, Words(keyword, ""))
    graph.add((dataset, DCAT_VERSION, Literal(entry.version)))
    graph.add((dataset, DCAT.landingPage, dataset))
    graph.add((dataset, RDF.type, FOAF.Document))
    graph.add((dataset, DCTERMS.accrualPeriodicity, EU[f"frequency/{FREQUENCIES.get(entry.cycle, 'OTHER')}"]))
    graph.add((dataset, DCTERMS.accessRights, EU[f"access-right/{_access(entry)}"]))
    graph.add((dataset, DCAT.theme, _theme(graph, site, entry)))
    if entry.measured.published_at:
        moment = entry.measured.published_at.isoformat()
        graph.add((dataset, DCTERMS.modified, Literal(moment, datatype=XSD.dateTime)))
    for mode in entry.share_modes:
        graph.add((dataset, DCAT.distribution, _distribution(graph, site, service, entry, mode)))
    if "api" in entry.share_modes:
        graph.add((service, DCAT.servesDataset, dataset))
    return dataset


def _publisher(graph: Graph, site: Site, entry: Entry) -> URIRef:
    publisher = site.department(entry.provider_code)
    graph.add((publisher, RDF.type, FOAF.Agent))
    graph.add((publisher, DCTERMS.identifier, Literal(entry.provider_code)))
    _said(graph, publisher, FOAF.name, Words(entry.provider, entry.provider_en))
    return publisher


def _theme(graph: Graph, site: Site, entry: Entry) -> URIRef:
    class_ = entry.code[:1]
    theme = URIRef(f"{site.base}/catalog?class={class_}")
    graph.add((theme, RDF.type, SKOS.Concept))
    _said(graph, theme, SKOS.prefLabel, CLASSES.get(class_, Words(class_, class_)))
    return theme


def _distribution(graph: Graph, site: Site, service: URIRef, entry: Entry, mode: str) -> URIRef:
    distribution = URIRef(f"{site.dataset(entry.dataset)}#{mode}")
    words, share, format_ = MODES.get(mode, Words(mode, mode)), SHARE_TYPES[entry.share_type], FORMATS[entry.format]
    graph.add((distribution, RDF.type, DCAT.Distribution))
    _said(graph, distribution, DCTERMS.title, Words(f"{entry.title}（{words.zh}）", f"{entry.title_en} ({words.en})"))
    rights = BNode()
    graph.add((distribution, DCTERMS.rights, rights))
    graph.add((rights, RDF.type, DCTERMS.RightsStatement))
    _said(
        graph, rights, RDFS_LABEL, Words(f"{share.zh}：{entry.share_condition}", f"{share.en}: {entry.share_condition}")
    )
    state = "DEPRECATED" if entry.state == "deprecated" else "COMPLETED"
    graph.add((distribution, ADMS.status, EU[f"distribution-status/{state}"]))
    if mode == "api":
        graph.add((distribution, DCAT.accessURL, URIRef(f"{service}/datasets/{quote(entry.dataset)}")))
        graph.add((distribution, DCAT.accessService, service))
        graph.add((distribution, DCAT.mediaType, IANA["application/json"]))
    else:
        graph.add((distribution, DCAT.accessURL, site.dataset(entry.dataset)))
        _said(graph, distribution, DCTERMS.description, format_)
    return distribution


def _access(entry: Entry) -> str:
    """Sharing among departments is no right of the public; only what is open to society is."""
    return "PUBLIC" if entry.open else "NON_PUBLIC" if entry.share_type == 3 else "RESTRICTED"


def _paging(graph: Graph, site: Site, shown: Page) -> None:
    here = site.page(shown.after, shown.size, shown.form)
    for kind in (HYDRA.PartialCollectionView, HYDRA.PagedCollection):  # the second is what older harvesters look for
        graph.add((here, RDF.type, kind))
    graph.add((here, HYDRA.first, site.page("", shown.size, shown.form)))
    graph.add((here, HYDRA.totalItems, Literal(shown.total)))
    graph.add((here, HYDRA.itemsPerPage, Literal(shown.size)))
    if len(shown.entries) == shown.size:
        graph.add((here, HYDRA.next, site.page(shown.entries[-1].code, shown.size, shown.form)))


def _said(graph: Graph, subject: Node, predicate: URIRef, words: Words) -> None:
    for text, language in ((words.zh, "zh"), (words.en, "en")):
        if text:
            graph.add((subject, predicate, Literal(text, lang=language)))
