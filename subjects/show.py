"""One subject file as text for people: masked unless the caller may see it plain."""

from collections.abc import Iterator, Mapping, Sequence

from schemas.contract import Contract
from schemas.masking import mask
from subjects.file import Held, Provenance, SubjectFile, Value
from subjects.kinds import Field, Kind, ListOf


def render(file: SubjectFile, kind: Kind, contracts: Mapping[str, Contract], *, unmask: bool = False) -> str:
    """The file in Chinese and English, one line a value, with its source; a `≠` line for each that says otherwise."""
    shown = _Shown(kind, contracts, unmask=unmask)
    return "\n".join([*shown.head(file), *shown.fields(file), *shown.lists(file)])


class _Shown:
    def __init__(self, kind: Kind, contracts: Mapping[str, Contract], *, unmask: bool) -> None:
        self.kind = kind
        self.contracts = contracts
        self.unmask = unmask

    def text(self, element: str | None, value: Value | None) -> str:
        if value is None:
            return "—"
        return str(value) if self.unmask else mask(element, str(value))

    def head(self, file: SubjectFile) -> Iterator[str]:
        kind = self.kind
        yield f"{kind.title} {kind.title_en} · {file.pseudonym[:12]}"
        yield f"  {kind.key_title} {kind.key_title_en}: {self.text(kind.key_element, file.identifier)}"

    def fields(self, file: SubjectFile) -> Iterator[str]:
        for field in self.kind.fields:
            held = file.held(field.name)
            label = f"  {field.title} {field.title_en}: "
            yield label + ("—" if held is None else self.sourced(field, held))
            for other in held.others if held else ():
                yield f"    ≠ {self.sourced(field, other)}"

    def sourced(self, field: Field, held: Held) -> str:
        until = f" 至 until {held.valid_until}" if held.valid_until else ""
        return f"{self.text(field.element, held.value)}{_linked(field.links)}{until}  ← {_origin(held.provenance)}"

    def lists(self, file: SubjectFile) -> Iterator[str]:
        for item in self.kind.lists:
            entries = list(file.items(item.name))
            yield f"  {item.title} {item.title_en}: {len(entries)}"
            for entry in entries:
                values = (self.named(item, name, value) for name, value in entry.values.items() if value is not None)
                yield f"    - {', '.join(values)}  ← {item.dataset} {str(entry.entry['as_of'])[:10]}"

    def named(self, item: ListOf, name: str, value: Value) -> str:
        column = self.contracts[item.dataset].column(item.source(name))
        title = column.title if name in item.columns else name
        return f"{title} {self.text(column.element, value)}{_linked(item.links.get(name, ()))}"


def _linked(kinds: Sequence[str]) -> str:
    """Whose file a value names: `hub subject show KIND` opens it."""
    return f" → {' | '.join(kinds)}" if kinds else ""


def _origin(found: Provenance) -> str:
    return f"{found.department} {found.department_en} · {found.dataset}.{found.column} · {str(found.as_of)[:10]} · #{found.load}"
