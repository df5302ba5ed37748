"""What a subject file is made of in the lake: one row a subject, typed columns, so that analysts may read it as a table.

`_id` is the surviving identifier, `_former` are those merged into it, `_called` is the one that the subject is called after, if another;
`_gone` says that the subject has no file any more. `_load_<pick>` is the load that brought a pick's row (NULL: there is none).
A field is its value under its own name and, where it may come from several sources or end, `_from_<field>` (the candidate's place, -1
where none is preferred), `_until_<field>` and `_others_<field>`, the losing candidates. A list is a list of structs with its item's
names, `_load` and `_until`.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lake.history import arrow_schema
from schemas.contract import Contract
from subjects.kinds import Field, Kind, ListOf


def schema(kind: Kind, contracts: Mapping[str, Contract]) -> pa.Schema:
    """The Arrow schema of the kind's files."""
    own = [
        pa.field("_id", pa.string()),
        pa.field("_former", pa.list_(pa.string())),
        pa.field("_called", pa.string()),
        pa.field("_gone", pa.bool_()),
    ]
    loads = [pa.field(load_name(pick.name), pa.int64()) for pick in kind.picks]
    fields = [one for f in kind.fields for one in _field(f, contracts)]
    return pa.schema([*own, *loads, *fields, *(pa.field(x.name, pa.list_(_item(x, contracts))) for x in kind.lists)])


def load_name(pick: str) -> str:
    """The column of the load that brought a pick's row."""
    return f"_load_{pick}"


def plain(field: Field) -> bool:
    """Whether the field is its value alone: one source, valid for good."""
    return len(field.candidates) == 1 and field.candidates[0].valid_until is None


def value_type(contract: Contract, column: str) -> pa.DataType:
    """The Arrow type of a contract's column."""
    found: pa.DataType = arrow_schema((contract.column(column),)).field(0).type
    return found


def other_fields(value: pa.DataType) -> list[Any]:
    """The Arrow fields of a losing candidate."""
    return [pa.field("from", pa.int8()), pa.field("value", value), pa.field("until", pa.string())]


def _field(field: Field, contracts: Mapping[str, Contract]) -> list[Any]:
    first = field.candidates[0]
    kind = value_type(contracts[first.pick.dataset], first.column)
    if plain(field):
        return [pa.field(field.name, kind)]
    return [
        pa.field(field.name, kind),
        pa.field(f"_from_{field.name}", pa.int8()),
        pa.field(f"_until_{field.name}", pa.string()),
        pa.field(f"_others_{field.name}", pa.list_(pa.struct(other_fields(kind)))),
    ]


def _item(item: ListOf, contracts: Mapping[str, Contract]) -> pa.DataType:
    values = [pa.field(n, value_type(contracts[item.dataset], item.source(n))) for n in item.names]
    return pa.struct([*values, pa.field("_load", pa.int64()), pa.field("_until", pa.string())])
