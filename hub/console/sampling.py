"""A masked sample of a dataset: what its values look like, and of whom none is.

Each column is sampled by itself, in an order of its own, and every value is masked after its data element: no line of it is a record. A
column without a data element is hidden but for the ends of long texts.
"""

from typing import Any

from hub.core import Hub
from lake.current import literal, quote
from lake.history import History
from lake.session import session
from schemas.errors import NotFound
from schemas.masking import mask

VALUES = 5
_LOOKED_AT = 2000


def sample(hub: Hub, dataset: str) -> list[dict[str, Any]]:
    """For each column its name, title and a few masked values; of the newest files alone, so that it costs the same for any dataset."""
    contract = hub.contract(dataset)
    files = History(hub.lake, dataset).files()
    if not files:
        raise NotFound("nothing is published yet", todo="wait for the first load")
    newest = max(files, key=lambda file: (file.last_load, str(file.path)))
    rows = []
    with session(hub.settings.work, 256) as con:
        con.execute(
            f"CREATE TEMP TABLE looked AS SELECT * FROM read_parquet({literal(str(newest.path))}) WHERE _op = 'upsert' LIMIT {_LOOKED_AT}"
        )
        there = {row[0] for row in con.execute("DESCRIBE looked").fetchall()}
        for column in contract.columns:
            values: list[str] = []
            if column.name in there:
                name = quote(column.name)
                distinct = f"SELECT DISTINCT {name}::VARCHAR AS value FROM looked WHERE {name} IS NOT NULL"
                query = f"SELECT value FROM ({distinct}) ORDER BY hash(value || {literal(column.name)}), value LIMIT {VALUES}"
                values = [mask(column.element, value) for (value,) in con.execute(query).fetchall()]
            rows.append({"name": column.name, "zh": column.title, "element": column.element or "", "values": values})
    return rows
