"""From YAML files to subject kinds, checked against the applied contracts.

1. `subject.schema.json` settles the shape (editors complete from it).
2. Every dataset, column and identifier column is looked up in its contract: a contract must itself say that the column names
   subjects of this kind. Types of a field's sources must agree; filters and patterns must compile.
3. The dataset that is confirmed as an element's authoritative source (数源确认) goes before the others that a field names, and is
   put before them where it was left out; the declaration orders the fallbacks.
4. All problems of all files are reported at once, each with file, path and an example of right.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.contract import Column, Contract
from schemas.errors import ContractInvalid, Problem
from subjects import declared_file, statement
from subjects.kinds import Branch, Candidate, DueRule, Field, Kind, ListOf, Pick

_DATES = ("date", "timestamp")


Confirmed = Mapping[tuple[str, str], str]
"""The authoritative dataset of each (subject kind, data element) that has one."""
_NONE: Confirmed = {}


def load(folder: Path, contracts: Mapping[str, Contract], confirmed: Confirmed = _NONE) -> dict[str, Kind]:
    """Every kind declared in the folder's YAML files, by name.

    Raises:
        ContractInvalid: with every problem found, each naming file, path, fault and an example.
        SourceMissing: there is no such folder.
    """
    kinds: dict[str, Kind] = {}
    named: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in declared_file.files(folder, "subject"):
        try:
            document = declared_file.read(path, "subjects", "subject.schema.json")
        except ContractInvalid as error:
            problems += error.problems
            continue
        reader = _Reader(document, contracts, confirmed)
        kind = reader.kind()
        if kind.name in kinds:
            reader.wrong(
                "kind", f"{kind.name!r} is declared in another file as well", "a kind of its own for each file"
            )
        kinds[kind.name] = kind
        named[kind.name] = path
        problems += [Problem(p.path, p.wrong, p.example, str(path)) for p in reader.problems]
    problems += _yielding(kinds, named)
    if problems:
        raise ContractInvalid(problems)
    return kinds


def _yielding(kinds: Mapping[str, Kind], named: Mapping[str, Path]) -> list[Problem]:
    """Faults of `key.yields_to`: a kind that is not there, or two that yield to each other."""
    found = []
    for kind in kinds.values():
        for other in kind.yields_to:
            if other not in kinds or other == kind.name or kind.name in kinds[other].yields_to:
                known = ", ".join(k for k in kinds if k != kind.name) or "another kind"
                wrong = f"cannot yield to {other!r}, which is no other kind or yields itself"
                found.append(Problem("key.yields_to", wrong, f"one of {known}", str(named[kind.name])))
    return found


class _Reader:
    """Walks one document, collecting problems instead of stopping at the first."""

    def __init__(self, document: dict[str, Any], contracts: Mapping[str, Contract], confirmed: Confirmed) -> None:
        self.document = document
        self.confirmed = confirmed
        self.name: str = document["kind"]
        self.contracts = contracts
        self.problems: list[Problem] = []
        self.picks: dict[tuple[str, str, str | None, str | None], Pick] = {}
        self.missing: set[str] = set()

    def wrong(self, path: str, wrong: str, example: str) -> None:
        self.problems.append(Problem(path, wrong, example))

    def kind(self) -> Kind:
        doc, key = self.document, self.document["key"]
        if fault := statement.pattern_fault(key["pattern"]):
            self.wrong("key.pattern", f"is no regular expression ({fault})", r"pattern: \d{17}[\dX]")
        kind = Kind(
            name=self.name,
            title=doc["title"],
            title_en=doc["title_en"],
            key_title=key["title"],
            key_title_en=key["title_en"],
            key_element=key.get("element"),
            pattern=key["pattern"],
            yields_to=tuple(key.get("yields_to") or ()),
            fields=tuple(self.field(name, node) for name, node in (doc.get("fields") or {}).items()),
            lists=tuple(self.list_of(name, node) for name, node in (doc.get("lists") or {}).items()),
        )
        self.references(kind)
        for name in {f.name for f in kind.fields} & {x.name for x in kind.lists}:
            self.wrong(f"lists.{name}", "is a field as well", "a name of its own")
        due = tuple(self.due(i, node, kind) for i, node in enumerate(doc.get("due") or ()))
        if not kind.datasets and not self.problems:
            self.wrong("-", "the kind has neither fields nor lists", "fields: {name: {sources: [residents.name]}}")
        return Kind(**{**kind.__dict__, "due": due})

    def field(self, name: str, node: dict[str, Any]) -> Field:
        path = f"fields.{name}.sources"
        found = [self.candidate(f"{path}[{i}]", source) for i, source in enumerate(node["sources"])]
        columns = [column for _, column in found if column is not None]
        if len({c.sql_type for c in columns}) > 1:
            types = ", ".join(c.sql_type for c in columns)
            self.wrong(path, f"the sources are of several types ({types})", "sources of one type")
        first = columns[0] if columns else None
        element = node.get("element") or (first.element if first else None)
        candidates = [candidate for candidate, column in found if column is not None]
        if first is not None:
            candidates = self.authoritative_first(element, candidates, first.sql_type)
        return Field(
            name=name,
            title=node.get("title") or (first.title if first else name),
            title_en=node.get("title_en") or name.replace("_", " "),
            element=element,
            candidates=tuple(candidates),
            conflict=node.get("conflict", "authority"),
            links=self.links(self.contracts[candidates[0].pick.dataset], candidates[0].column) if candidates else (),
        )

    def authoritative_first(self, element: str | None, candidates: list[Candidate], sql_type: str) -> list[Candidate]:
        """The candidates, those of the confirmed dataset first; it is added where it has one column of the element and names the subject once."""
        dataset = self.confirmed.get((self.name, element or ""))
        if dataset is None or dataset not in self.contracts:
            return candidates
        if all(c.pick.dataset != dataset for c in candidates):
            contract = self.contracts[dataset]
            columns = [c.name for c in contract.columns if c.element == element and c.sql_type == sql_type]
            by = [link.key for link in contract.subjects if link.kind == self.name]
            if len(columns) == len(by) == 1:
                candidates = [Candidate(self.pick(dataset, by[0], None, None), columns[0]), *candidates]
        return sorted(candidates, key=lambda c: c.pick.dataset != dataset)

    def links(self, contract: Contract, column: str) -> tuple[str, ...]:
        """The kinds of subject that a column names."""
        return tuple(dict.fromkeys(link.kind for link in contract.subjects if link.key == column))

    def candidate(self, path: str, source: str | dict[str, Any]) -> tuple[Candidate, Column | None]:
        node = {"column": source} if isinstance(source, str) else source
        dataset, name = node["column"].split(".")
        contract = self.contract(path, dataset)
        by = self.by(path, contract, node.get("by"))
        latest, until, predicate = node.get("latest"), node.get("valid_until"), node.get("filter")
        pick = self.pick(dataset, by, latest, predicate)
        if contract is None:
            return Candidate(pick, name, until), None
        column = self.column(path, contract, name)
        if latest:
            self.column(f"{path}.latest", contract, latest)
        if until:
            self.column(f"{path}.valid_until", contract, until, dated=True)
        self.filter(path, contract, predicate)
        return Candidate(pick, name, until), column

    def pick(self, dataset: str, by: str, latest: str | None, predicate: str | None) -> Pick:
        same = (dataset, by, latest, predicate)
        if same not in self.picks:
            before = sum(p.dataset == dataset for p in self.picks.values())
            self.picks[same] = Pick(f"{dataset}#{before + 1}" if before else dataset, *same)
        return self.picks[same]

    def list_of(self, name: str, node: dict[str, Any]) -> ListOf:
        path, dataset = f"lists.{name}", node["dataset"]
        contract = self.contract(path, dataset)
        branches = self.branches(path, contract, node.get("by"))
        columns = tuple(node.get("columns") or (c.name for c in (contract.columns if contract else ())))
        if contract is not None:
            for i, column in enumerate(node.get("columns") or ()):
                self.column(f"{path}.columns[{i}]", contract, column)
            for option in ("order", "valid_until"):
                if node.get(option):
                    self.column(f"{path}.{option}", contract, node[option], dated=True)
            self.filter(path, contract, node.get("filter"))
        return ListOf(
            name=name,
            title=node.get("title") or (contract.title if contract else name),
            title_en=node.get("title_en") or (contract.title_en if contract else name),
            dataset=dataset,
            branches=branches,
            columns=columns,
            order=node["order"],
            valid_until=node.get("valid_until"),
            filter=node.get("filter"),
            since_latest=node.get("since_latest"),
            links=self.item_links(contract, columns, branches),
        )

    def item_links(
        self, contract: Contract | None, columns: tuple[str, ...], branches: tuple[Branch, ...]
    ) -> dict[str, tuple[str, ...]]:
        """The values of an item that name subjects; not the column by which the item itself is the subject's."""
        if contract is None:
            return {}
        named = {name: name for name in columns if name not in {b.by for b in branches}} | dict(branches[0].extra)
        return {name: kinds for name, column in named.items() if (kinds := self.links(contract, column))}

    def branches(self, path: str, contract: Contract | None, node: Any) -> tuple[Branch, ...]:
        if not isinstance(node, dict):
            return (Branch(self.by(path, contract, node), {}),)
        branches = tuple(Branch(self.by(f"{path}.by", contract, by), dict(extra or {})) for by, extra in node.items())
        if len({tuple(sorted(b.extra)) for b in branches}) > 1:
            self.wrong(
                f"{path}.by",
                "each side must rename columns to the same names",
                "{husband_id: {spouse: wife_name}, wife_id: {spouse: husband_name}}",
            )
        for branch in branches if contract else ():
            for column in branch.extra.values():
                self.column(f"{path}.by.{branch.by}", contract, column)
        return branches

    def references(self, kind: Kind) -> None:
        for wanted in (x for x in kind.lists if x.since_latest):
            other = kind.list_of(wanted.since_latest or "")
            if self.missing & {wanted.dataset, other.dataset if other else ""}:
                continue
            if other is None or other.since_latest or self.order_type(other) != self.order_type(wanted):
                lists = ", ".join(x.name for x in kind.lists if x.name != wanted.name) or "another list"
                self.wrong(
                    f"lists.{wanted.name}.since_latest",
                    "names no list ordered by the same type of date",
                    f"one of {lists}",
                )

    def due(self, i: int, node: dict[str, Any], kind: Kind) -> DueRule:
        path, found = f"due[{i}]", kind.list_of(node["list"])
        where = {str(k): str(v) for k, v in (node.get("where") or {}).items()}
        per = tuple(node.get("per") or ())
        if found is None:
            self.wrong(
                f"{path}.list",
                f"{node['list']!r} is no list of this kind",
                ", ".join(x.name for x in kind.lists) or "lists: …",
            )
        elif found.dataset not in self.missing:
            for name in (node["until"], *where, *per):
                if name not in found.columns:
                    self.wrong(
                        path, f"{name!r} is no column of list {found.name}", f"one of {', '.join(found.columns)}"
                    )
            contract = self.contracts.get(found.dataset)
            if contract is not None and node["until"] in found.columns:
                self.column(f"{path}.until", contract, node["until"], dated=True)
        return DueRule(node["list"], node["until"], node["form"], where, per)

    def contract(self, path: str, dataset: str) -> Contract | None:
        found = self.contracts.get(dataset)
        if found is None and dataset not in self.missing:
            self.missing.add(dataset)
            known = ", ".join(sorted(self.contracts))
            right = f"one of {known}" if known else "apply its contract first: hub contract apply FILE"
            self.wrong(path, f"dataset {dataset!r} has no applied contract", right)
        return found

    def column(self, path: str, contract: Contract | None, name: str, *, dated: bool = False) -> Column | None:
        columns = {c.name: c for c in contract.columns} if contract else {}
        found = columns.get(name)
        if contract is None:
            return None
        if found is None:
            self.wrong(path, f"{contract.dataset} has no column {name!r}", f"one of {', '.join(columns)}")
        elif dated and found.type not in _DATES:
            dates = ", ".join(c.name for c in columns.values() if c.type in _DATES) or "a column of type date"
            self.wrong(path, f"{name!r} is of type {found.type}, a date is wanted", f"one of {dates}")
        return found

    def by(self, path: str, contract: Contract | None, named: str | None) -> str:
        if contract is None:
            return named or ""
        links = [link.key for link in contract.subjects if link.kind == self.name]
        if named is None and len(links) == 1:
            return links[0]
        if named not in links:
            wrong = (
                f"say which column of {contract.dataset} names the {self.name}"
                if named is None
                else f"the contract of {contract.dataset} does not say that {named!r} names a {self.name}"
            )
            self.wrong(
                path,
                wrong,
                f"by: {links[0]}"
                if links
                else f"in the contract: subjects: [{{kind: {self.name}, key: {named or 'citizen_id'}}}]",
            )
        return named or ""

    def filter(self, path: str, contract: Contract, predicate: str | None) -> None:
        if predicate and (fault := statement.filter_fault(contract, predicate)):
            self.wrong(f"{path}.filter", f"is no predicate over {contract.dataset} ({fault})", "score IS NOT NULL")

    def order_type(self, item: ListOf) -> str | None:
        contract = self.contracts.get(item.dataset)
        return next((c.sql_type for c in contract.columns if c.name == item.order), None) if contract else None
