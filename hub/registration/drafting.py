"""Drafting a contract from a live source: connect, look at columns and a sample, guess the data elements, write ODCS."""

import re
from pathlib import Path

from hub.core import Hub
from hub.registration import sources
from hub.registration.sources import Address
from schemas.draft import Described, draft_yaml

SAMPLE_ROWS = 2000


def draft(hub: Hub, address: Address, *, dataset: str = "") -> str:
    """The drafted contract's text, for any source there is a connector for.

    Raises:
        Invalid: no table of a database was named; those that exist are listed.
    """
    sources.wanted_table(hub, address)
    columns, address = look(hub, address)
    return text(address, columns, dataset or name_of(address.source.table))


def text(address: Address, columns: list[Described], dataset: str) -> str:
    """The contract's text for columns that were looked at; a table of PostgreSQL stands there without its schema, which the server names."""
    table = address.source.table
    named = table.removeprefix(f"{address.server.get('schema')}.")
    return draft_yaml(dataset, address.server, columns, table=named, title=Path(table).stem)


def name_of(table: str) -> str:
    """A dataset's name after its table's or file's.

    >>> name_of("drop/2026 Permits.csv"), name_of("x"), name_of("名册")
    ('d_2026_permits', 'd_x', 'dataset')
    """
    name = re.sub(r"[^a-z0-9]+", "_", Path(table).stem.lower()).strip("_")
    return name[:63] if re.match(r"[a-z].", name) else f"d_{name}"[:63] if name else "dataset"


def look(hub: Hub, address: Address) -> tuple[list[Described], Address]:
    """Columns with sample values, and the address with what was found out: a text file's encoding, the place of an API's records."""
    address = sources.listed(hub, address)
    if address.source.kind == "csv":
        with address.open(hub) as opened:
            encoding = opened.probe().encoding
        if encoding not in (None, "utf-8"):
            address = address.with_property("encoding", encoding)
    return _columns(hub, address), address


def _columns(hub: Hub, address: Address) -> list[Described]:
    with address.open(hub) as opened:
        described = opened.describe(address.source.table)
        sample = opened.sample(address.source.table, SAMPLE_ROWS)
    return [
        Described(c.name, c.type, c.nullable, c.key, sample.column(c.name).to_pylist(), c.comment) for c in described
    ]
