"""Who sees which cells: client x dataset x field x purpose x hour x row filter says the same over HTTP as a model of twenty lines."""

from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from records_bench import CLIENTS, HOUSES, NOW, PURPOSE, Bench

from access.rows import parse
from ledger import grants
from ledger.grants import Grant

COLUMNS = tuple(column.name for column in HOUSES.columns)
PURPOSES = (PURPOSE, "statistics")
HOURS = (NOW - timedelta(days=2), NOW, NOW + timedelta(days=1))
ROWS: list[dict[str, Any]] = [
    {"id": f"h{n}", "district": d, "owner": o, "floors": f, "fee": None}
    for n, (d, o, f) in enumerate(product(("A", "B", None), ("p1", None), (1, 7, None)))
]


def model(
    given: list[Grant], client: str, name: str, purpose: str, fields: tuple[str, ...], now: datetime
) -> list[Any]:
    """The rows that are seen, by cell; a cell that is not seen is left out, and so is a row without any."""
    seen = []
    for row in ROWS if name == "houses" else ():
        cells = {}
        for field in fields:
            for g in given:
                mine = (g.client, g.kind, g.name, g.purpose, g.basis) == (client, "dataset", name, purpose, "duty")
                within = g.begins <= now and (g.ends is None or now < g.ends)
                holds = all(admits(row[c.column], c.op, c.values) for c in parse(g.row_filter, HOUSES).conditions)
                if mine and within and holds and (g.fields is None or field in g.fields):
                    cells[field] = row[field]
        if cells:
            seen.append(cells)
    return seen


def admits(cell: Any, op: str, values: tuple[Any, ...]) -> bool:
    if op in ("null", "not_null"):
        return (cell is None) == (op == "null")
    return cell is not None and {
        "eq": cell in values, "ne": cell not in values, "in": cell in values, "lt": cell < values[0], "ge": cell >= values[0],
        "le": cell <= values[0], "gt": cell > values[0], "prefix": str(cell).startswith(str(values[0])),
    }[op]  # fmt: skip


FILTERS = (
    "", '[{"column": "district", "op": "eq", "value": "A"}]', '[{"column": "floors", "op": "ge", "value": 7}]',
    '[{"column": "owner", "op": "null"}, {"column": "district", "op": "ne", "value": "B"}]',
    '[{"column": "district", "op": "in", "value": ["B", "C"]}]',
)  # fmt: skip
FIELDS = (None, frozenset({"id", "district"}), frozenset({"id", "owner"}), frozenset({"floors"}), frozenset[str]())
GRANTS = [
    Grant(f"g{n}", client, "dataset", name, purpose, basis, begins, ends, fields, None, rows)
    for n, ((client, name, purpose, basis), (begins, ends), fields, rows) in enumerate(
        zip(
            list(product(CLIENTS, ("houses", "gone"), PURPOSES, ("duty", "open"))) * 3,
            [(HOURS[0], None), (HOURS[0], HOURS[1]), (HOURS[1], HOURS[2]), (HOURS[2], None), (HOURS[0], HOURS[2])] * 10,
            FIELDS * 10,
            [f for f in FILTERS for _ in range(3)] * 4,
            strict=False,
        )
    )
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    found = Bench.at(tmp_path_factory.mktemp("matrix"))
    found.publish(ROWS)
    for grant in GRANTS:
        grants.allow(found.hub.ledger, grant, NOW)
    return found


def answered(bench: Bench, client: str, name: str, purpose: str, fields: tuple[str, ...]) -> list[Any]:
    answer = bench.get(f"/v1/datasets/{name}/records", client, purpose=purpose, fields=",".join(fields))
    if answer.status_code == 403:
        return []
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["next"] is None
    assert sorted(page["fields"] + page["withheld"]) == sorted(fields)
    for record in page["records"]:
        assert all(record[name] is None for name in record.get("_withheld", ()))
    return [
        {name: value for name, value in row.items() if name not in (*row.get("_withheld", ()), "_withheld")}
        for row in page["records"]
    ]


def canonical(rows: list[Any]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in rows)


def test_every_ask_of_the_matrix_is_answered_as_the_model_answers_it(bench: Bench) -> None:
    counted = {True: 0, False: 0}
    choices = (COLUMNS, ("owner",), ("id", "floors"), ("district", "salary"))
    for now in HOURS:
        bench.clock.now = now
        for client, name, purpose, fields in product(CLIENTS, ("houses", "gone", "absent"), PURPOSES, choices):
            expected = model(GRANTS, client, name, purpose, tuple(f for f in fields if f in COLUMNS), now)
            assert canonical(answered(bench, client, name, purpose, fields)) == canonical(expected), (
                client,
                name,
                purpose,
                fields,
                now,
            )
            counted[bool(expected)] += 1
    assert min(counted.values()) > 10
