"""The catalog of this hub: its ledger, an index file in HOME, and what is declared to build on the datasets."""

from typing import TYPE_CHECKING

from catalog.guide import Words
from catalog.library import Catalog, Uses
from hub.core import Hub
from hub.filing import subject_files
from schemas.errors import HubError
from serving.bindings import bindings
from serving.words import WORDS

if TYPE_CHECKING:  # the command line does not wait for RDF
    from catalog.dcat import Site


def catalog(hub: Hub, uses: Uses | None = None) -> Catalog:
    """The catalog; `uses` where the declarations were read already."""
    declared = uses if uses is not None else declarations(hub)
    path = hub.settings.home.absolute() / "catalog.db"
    return Catalog(hub.ledger, path, hub.clock, lambda: declared, hub.settings.timezone)


def declarations(hub: Hub) -> Uses:
    """Subject kinds and forms as declared; none where they are missing or in disorder, which `hub form check` tells."""
    try:
        kinds = subject_files.kinds(hub)
        return Uses(kinds, bindings(subject_files.forms(hub)))
    except HubError:
        return Uses({})


def site(hub: Hub) -> "Site":
    """How the catalog describes itself to harvesters."""
    from catalog.dcat import Site

    office = Words(hub.settings.office, hub.settings.office_en)
    return Site(hub.settings.api_url.rstrip("/"), WORDS["catalog_title"], WORDS["catalog_lead"], office)
