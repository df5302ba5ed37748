"""What can be asked for, and which columns of which departments stand behind it: contracts as they are now, forms and kinds as declared."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import assert_never

from access.approval import Item
from access.rows import parse
from hub.core import Hub
from hub.filing import subject_files
from ledger import contracts
from ledger.grants import Kind
from prefill.forms import Form, FormField
from prefill.paths import FieldPath, IdPath, LatestPath, ValuePath
from schemas.contract import Contract
from schemas.errors import Invalid, NotFound
from subjects.kinds import Kind as SubjectKind

Columns = list[tuple[str, str]]
"""Datasets and their columns."""


@dataclass(frozen=True)
class Asked:
    """What a request names: its fields (all of them where none was named), the items behind these, its row filter in the one canonical text.

    The columns that a filter looks at are items too: who is given the rows that meet it learns what they hold.
    """

    fields: frozenset[str]
    items: tuple[Item, ...]
    row_filter: str = ""


@dataclass(frozen=True)
class Offer:
    """Datasets and forms that grants can be asked for."""

    contracts: Callable[[Sequence[str]], Mapping[str, Contract]]
    forms: Callable[[], Mapping[str, Form]]
    kinds: Callable[[], Mapping[str, SubjectKind]]

    def asked(self, kind: Kind, name: str, fields: Sequence[str], row_filter: str = "") -> Asked:
        """What these fields of a form or dataset are; all that it has now where none is named.

        Raises:
            NotFound: there is no such form or dataset.
            Invalid: it has no such field, cannot be filtered so, or is retired.
        """
        if kind == "dataset":
            return self._of_dataset(name, fields, row_filter)
        if row_filter:
            raise Invalid("a form has no rows to filter", todo="leave row_filter out", field="row_filter")
        return self._of_form(name, fields)

    def _of_dataset(self, name: str, fields: Sequence[str], row_filter: str) -> Asked:
        contract = self.contracts([name]).get(name)
        if contract is None:
            raise NotFound(f"there is no dataset {name!r}", todo="look it up in the catalog", field="dataset")
        if contract.status == "retired":
            raise Invalid(f"{name} is retired", todo=f"ask for {contract.successor or 'another'}", field="dataset")
        names = _known(fields, [c.name for c in contract.columns])
        rows = parse(row_filter, contract)
        columns = dict.fromkeys((*names, *sorted(rows.columns)))
        return Asked(frozenset(names), tuple(_item(contract, column) for column in columns), str(rows))

    def _of_form(self, name: str, fields: Sequence[str]) -> Asked:
        form = self.forms().get(name)
        if form is None:
            raise NotFound(f"there is no form {name!r}", todo="see: GET /v1/forms", field="form")
        names = _known(fields, form.bound)
        kind = self.kinds()[form.subject]
        columns = dict.fromkeys(pair for n in names for pair in _behind(form.named[n], kind))
        found = self.contracts(sorted({dataset for dataset, _ in columns}))
        return Asked(frozenset(names), tuple(_item(found[dataset], column) for dataset, column in columns))


def offer(hub: Hub, forms: Mapping[str, Form] | None = None, kinds: Mapping[str, SubjectKind] | None = None) -> Offer:
    """What this hub offers; `forms` and `kinds` where the declarations were read already."""
    return Offer(
        partial(contracts.applied, hub.ledger),
        cache(lambda: subject_files.every_form(hub) if forms is None else forms),
        cache(lambda: subject_files.kinds(hub) if kinds is None else kinds),
    )


def _known(fields: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    strange = [name for name in fields if name not in known]
    if strange:
        todo = f"its fields: {', '.join(known)}"
        raise Invalid(f"there is no field {', '.join(map(repr, strange))} to ask for", todo=todo, field="fields")
    return tuple(dict.fromkeys(fields)) or known


def _item(contract: Contract, name: str) -> Item:
    column = contract.column(name)
    share_type = max(contract.share_type, column.share_type)
    about = (contract.share_condition, contract.provider_code)
    return Item(contract.dataset, name, share_type, column.classification, *about)


def _behind(field: FormField, kind: SubjectKind) -> Iterator[tuple[str, str]]:
    for path in (*field.paths, *(path for item in field.items for path in item.paths)):
        yield from _columns(path, kind)


def _columns(path: ValuePath, kind: SubjectKind) -> Columns:
    match path:
        case IdPath():
            return []
        case FieldPath(field=name):
            found = next(f for f in kind.fields if f.name == name)
            return [(c.pick.dataset, c.column) for c in found.candidates]
        case LatestPath(dataset=dataset, source=source):
            return [(dataset, source)]
        case _:
            assert_never(path)
