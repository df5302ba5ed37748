"""What a client wants of a dataset, held to its grants: which columns are answered, which rows are seen, by what it may filter.

1. The dataset is sought among those that the client has any grant for, by name or resource code. One that it has none for answers
   as one that is not there, and is not even looked up.
2. The decision (`access.decision`) says which columns are allowed. Others that are asked for are withheld, those that do not exist as well, and
   so are those that are not to be shared (shareType 3), whatever a grant says.
3. Conditions name allowed columns; any other is no column. In an address, where logs might keep it, no personal column can be named.
4. Where the ask is about one subject, only rows of the dataset that name it are seen: so a consent opens its subject's rows and no other.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from access.consent import folded
from access.decision import Ask, Decision
from access.desk import Desk, Subject
from access.predicates import Sight, sight
from access.rows import Condition, RowFilter, read, value_of
from schemas.contract import Column, Contract
from schemas.elements import ELEMENTS
from schemas.errors import Forbidden, Invalid

_PERSONAL = frozenset({"L3", "L4"})
Contracts = Callable[[str], Contract | None]


@dataclass(frozen=True)
class Wish:
    """Who wants what of a dataset, why, and on what evidence.

    No `fields`: all columns. `where`: conditions as JSON (`access.rows`); `in_address` says that they came in one. `about`: the one subject
    whose rows are meant. `consent` a statement of the identity provider, `case` a case number, `who` the person at the client.
    """

    client: str
    dataset: str
    purpose: str
    fields: tuple[str, ...] = ()
    where: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    in_address: bool = False
    about: Subject | None = None
    consent: str = field(default="", repr=False)
    case: str = ""
    who: str = ""

    @property
    def question(self) -> str:
        """All that pages of one answer have in common, as one text."""
        about = self.about and [self.about.kind, folded(self.about.identifier)]
        parts = [self.client, self.dataset, self.purpose, self.fields, self.where, about, self.case]
        return json.dumps(parts, ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True)
class Extract:
    """What of the contract's rows the wish gets: `sight` with the columns answered, `where` as asked, and the columns withheld throughout."""

    contract: Contract
    decision: Decision
    sight: Sight
    where: RowFilter
    withheld: tuple[str, ...]

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that the answer tells of: those in it, and those that rows were chosen by."""
        return tuple(dict.fromkeys((*self.sight.fields, *sorted(self.where.columns))))


def granted(desk: Desk, contracts: Contracts, wish: Wish, *, keyed: bool = False, salt: str) -> Extract | Decision:
    """What the wish gets; or the decision that it gets nothing. `keyed`: the key's columns are answered too, and must be allowed.

    Raises:
        Invalid: a condition is none over the columns allowed; `field` says which.
        Forbidden: `keyed`, and the client may not see the key.
    """
    contract = _contract(desk, contracts, wish)
    columns = {column.name: column for column in contract.shared} if contract else {}
    name = contract.dataset if contract else wish.dataset
    ask = Ask("dataset", name, wish.purpose, tuple(columns), case=wish.case)
    every = desk.decide(wish.client, ask, about=wish.about, statement=wish.consent)
    if contract is None or not every.granted:
        return every
    allowed = {name: columns[name] for name in every.allowed}
    where = read(list(wish.where), allowed, "where")
    if wish.in_address:
        _keep_out_of_addresses(where, contract, wish.dataset)
    if keyed and not {*contract.key} <= allowed.keys():
        raise Forbidden(
            "changes are told by key, and the key is outside of your grants", todo="ask the data office for the key's columns", reason="no-key"
        )  # fmt: skip
    asked = tuple(dict.fromkeys((*(contract.key if keyed else ()), *(wish.fields or columns))))
    answered = tuple(name for name in asked if name in allowed)
    used = (*answered, *(n for n in where.columns if n not in answered)) if answered else ()
    ask = Ask("dataset", name, wish.purpose, used, case=wish.case)
    decision = desk.decide(wish.client, ask, about=wish.about, statement=wish.consent)
    if not decision.granted:
        return decision
    seen = sight(contract, decision, answered, only=_only(contract, wish.about), salt=f"{salt}\0{wish.client}")
    return Extract(contract, decision, seen, where, tuple(name for name in asked if name not in allowed))


def _contract(desk: Desk, contracts: Contracts, wish: Wish) -> Contract | None:
    names = {grant.name for grant in desk.grants(wish.client) if grant.kind == "dataset"}
    if "/" in wish.dataset:
        coded = (found for name in sorted(names) if (found := contracts(name)) and found.resource_code == wish.dataset)
        return next(coded, None)
    return contracts(wish.dataset) if wish.dataset in names else None


def _only(contract: Contract, about: Subject | None) -> RowFilter:
    """The rows that name the subject; every row where none is named."""
    if about is None:
        return RowFilter()
    links = [link.key for link in contract.subjects if link.kind == about.kind]
    if not links:
        raise Invalid(
            "kind is none that the dataset's records are about", todo="leave kind and subject out", field="kind"
        )
    named = value_of(contract.column(links[0]), folded(about.identifier), "subject")
    return RowFilter((Condition(links[0], "eq", (named,)),))


def _keep_out_of_addresses(where: RowFilter, contract: Contract, dataset: str) -> None:
    links = {link.key for link in contract.subjects}
    for name in sorted(where.columns):
        if name in links or _personal(contract.column(name)):
            raise Invalid(
                f"where: {name} is personal, and what an address holds is kept in logs",
                todo=f"send the same conditions in the body of POST /v1/datasets/{dataset}/records/query", field="where",
            )  # fmt: skip


def _personal(column: Column) -> bool:
    element = ELEMENTS.get(column.element or "")
    return column.classification in _PERSONAL or (element is not None and element.sensitivity in _PERSONAL)
