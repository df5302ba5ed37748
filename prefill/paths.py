"""Where in a subject's file a form's field is.

`person.id`, `person.name`, `travel_permits[permit_type=513].latest.valid_to` are single values; `travel_permits[status=1]` is a list's rows.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from subjects.file import Held, Item, Provenance, SubjectFile
from subjects.kinds import Kind, ListOf
from subjects.packing import Layout, Plain

_SINGLE = re.compile(r"(?P<kind>\w+)\.(?P<field>\w+)")
_LIST = re.compile(r"(?P<list>\w+)(?:\[(?P<where>[^\[\]]*)\])?(?:\.latest\.(?P<column>\w+))?")
_NOWHERE = Provenance("", "", "", "", "", "", 0, None, None)


@dataclass(frozen=True)
class IdPath:
    """The subject's identifier."""

    def find(self, file: SubjectFile, _select: Mapping[str, str]) -> Held | None:
        """The identifier, which comes from the request itself."""
        return Held(file.identifier, None, _NOWHERE)

    def plain(self, _made: Layout) -> None:
        """It has no source."""


@dataclass(frozen=True)
class FieldPath:
    """A field of the subject kind."""

    field: str

    def find(self, file: SubjectFile, _select: Mapping[str, str]) -> Held | None:
        """What the file holds for the field."""
        return file.held(self.field)

    def plain(self, made: Layout) -> Plain:
        """Where its plain values stand in stored files of this layout."""
        return made.field(self.field)


@dataclass(frozen=True)
class LatestPath:
    """A value of a list's newest entry that holds the `where` values."""

    list: str
    where: tuple[tuple[str, str], ...]
    column: str
    dataset: str
    source: str

    def find(self, file: SubjectFile, select: Mapping[str, str]) -> Held | None:
        """The value in the newest entry that fits; `select` narrows further (the very licence that is renewed)."""
        if select and not _agree(self.where, select):
            return None
        where = {**dict(self.where), **select} if self.where or select else None
        item = file.latest(self.list, where)
        return None if item is None else item.held(self.column, self.dataset, self.source)

    def plain(self, made: Layout) -> Plain | None:
        """Where its plain values stand in stored files of this layout; None where an entry has to be looked for."""
        return None if self.where else made.newest(self.list, self.column, self.source)


@dataclass(frozen=True)
class RowsPath:
    """All entries of a list that hold the `where` values, newest first."""

    list: str
    where: tuple[tuple[str, str], ...]
    dataset: str

    def rows(self, file: SubjectFile, select: Mapping[str, str]) -> Iterator[Item]:
        """The entries; `select` narrows further."""
        return file.items(self.list, {**dict(self.where), **select}) if _agree(self.where, select) else iter(())


ValuePath = IdPath | FieldPath | LatestPath
Path = ValuePath | RowsPath


class PathInvalid(ValueError):
    """The path leads nowhere; `example` shows what would be right."""

    def __init__(self, wrong: str, example: str) -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.example = example


def parse(text: str, kind: Kind) -> Path:
    """The path, checked against the subject kind.

    Raises:
        PathInvalid: it is no path, or names a field, list or column that the kind does not have.
    """
    if match := _SINGLE.fullmatch(text):
        return _single(kind, match["kind"], match["field"])
    if match := _LIST.fullmatch(text):
        return _list(kind, match["list"], match["where"], match["column"])
    raise PathInvalid(f"{text!r} is no path", f"{kind.name}.id or LIST[column=value].latest.COLUMN")


def every(kind: Kind) -> Iterator[str]:
    """Every path that leads somewhere in the kind's files, without conditions: what an editor may offer."""
    yield f"{kind.name}.id"
    yield from (f"{kind.name}.{field.name}" for field in kind.fields)
    for found in kind.lists:
        yield found.name
        yield from (f"{found.name}.latest.{column}" for column in found.names)


def _agree(where: tuple[tuple[str, str], ...], select: Mapping[str, str]) -> bool:
    """Whether both can hold: what a caller selects never opens what the form's own conditions leave out."""
    return all(select.get(name, value) == value for name, value in where)


def _single(kind: Kind, root: str, name: str) -> Path:
    if root != kind.name:
        raise PathInvalid(f"{root!r} is not the form's subject", f"{kind.name}.{name}")
    if name == "id":
        return IdPath()
    if kind.field(name) is None:
        known = ", ".join(["id", *(f.name for f in kind.fields)])
        raise PathInvalid(f"a {kind.name} has no field {name!r}", f"one of {known}")
    return FieldPath(name)


def _list(kind: Kind, name: str, where: str | None, column: str | None) -> Path:
    found = kind.list_of(name)
    if found is None:
        known = ", ".join(x.name for x in kind.lists) or "none"
        raise PathInvalid(f"a {kind.name} has no list {name!r}", f"one of {known}")
    pairs = _conditions(found, where)
    for needed in (*([] if column is None else [column]), *(left for left, _ in pairs)):
        if needed not in found.names:
            raise PathInvalid(f"list {name!r} has no column {needed!r}", f"one of {', '.join(found.names)}")
    if column is None:
        return RowsPath(name, pairs, found.dataset)
    return LatestPath(name, pairs, column, found.dataset, found.source(column))


def _conditions(found: ListOf, where: str | None) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in (where or "").split(",") if where is not None else ():
        left, equals, right = part.partition("=")
        if not equals or not right.strip():
            raise PathInvalid(
                f"[{where}] is no condition", f"{found.name}[{found.names[0]}=…].latest.{found.names[-1]}"
            )
        pairs.append((left.strip(), right.strip()))
    return tuple(pairs)
