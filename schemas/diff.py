"""What changed between two versions of a contract, and whom it hurts.

`breaking`: a reader of the dataset may fail or misread (a column gone, another type, another key, a code list narrowed, longer texts,
sharing restricted). `compatible`: readers go on as before (a new column, a rule, another source). `cosmetic`: words only. The version is
no difference: it is what a difference asks for (`schemas.versions`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from schemas.contract import Column, Contract

Kind = Literal["breaking", "compatible", "cosmetic"]
_ORDER: dict[Kind, int] = {"breaking": 0, "compatible": 1, "cosmetic": 2}
_WORDS = {"title", "title_en", "purpose", "description", "tags", "labels", "provider_en", "domain"}


@dataclass(frozen=True)
class Change:
    """One difference: where (`path` in the contract), what, and whom it concerns."""

    kind: Kind
    path: str
    text: str


def diff(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Every difference from `old` to `new`, the breaking ones first."""
    found = [*_columns(old, new), *_key(old, new), *_rest(old, new)]
    return tuple(sorted(found, key=lambda c: (_ORDER[c.kind], c.path)))


def _columns(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = {c.name: c for c in old.columns}, {c.name: c for c in new.columns}
    for name in before.keys() - after.keys():
        yield Change("breaking", f"columns.{name}", "removed")
    for name in after.keys() - before.keys():
        yield Change("compatible", f"columns.{name}", "added")
    for name in before.keys() & after.keys():
        yield from _column(before[name], after[name])


def _column(old: Column, new: Column) -> Iterator[Change]:
    for field in Column.__dataclass_fields__:
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            yield Change(_column_kind(field, before, after), f"columns.{new.name}.{field}", _words(before, after))


def _column_kind(field: str, before: Any, after: Any) -> Kind:
    if field in _WORDS:
        return "cosmetic"
    if field in ("type", "precision", "scale", "element", "key_position"):
        return "breaking"
    if field == "enum" and before is not None and after is not None:
        return "compatible" if set(before) <= set(after) else "breaking"
    if field == "required":
        return "breaking" if before and not after else "compatible"
    if field == "share_type":
        return "breaking" if after > before else "compatible"
    if field == "max_length":
        return "breaking" if before is not None and (after is None or after > before) else "compatible"
    return "compatible"


def _key(old: Contract, new: Contract) -> Iterator[Change]:
    if old.key != new.key:
        yield Change("breaking", "primaryKey", _words(old.key, new.key))


def _rest(old: Contract, new: Contract) -> Iterator[Change]:
    for field in Contract.__dataclass_fields__:
        before, after = getattr(old, field), getattr(new, field)
        if field in ("columns", "version") or before == after:
            continue
        narrowed = field == "share_type" and after > before
        lost = field in ("share_modes", "subjects") and not set(before) <= set(after)
        kind: Kind = "breaking" if narrowed or lost else "cosmetic" if field in _WORDS else "compatible"
        yield Change(kind, field, _words(before, after))


def _words(before: Any, after: Any) -> str:
    shown = [text if len(text) <= 60 else text[:57] + "…" for text in (str(before), str(after))]
    return f"{shown[0]} → {shown[1]}"
