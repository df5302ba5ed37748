"""Where in a subject's file a form's field is: `person.name`, `person.id`, or `travel_permits[permit_type=513].latest.valid_to`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from subjects.file import Held, Provenance, SubjectFile
from subjects.kinds import Kind

_SINGLE = re.compile(r"(?P<kind>\w+)\.(?P<field>\w+)")
_LATEST = re.compile(r"(?P<list>\w+)(?:\[(?P<where>[^\[\]]*)\])?\.latest\.(?P<column>\w+)")


@dataclass(frozen=True)
class IdPath:
    """The subject's identifier."""

    def find(self, file: SubjectFile, _select: Mapping[str, str]) -> Held | None:
        """The identifier, which comes from the request itself."""
        return Held(file.identifier, None, Provenance("", "", "", "", "", "", 0, None, None))


@dataclass(frozen=True)
class FieldPath:
    """A field of the subject kind."""

    field: str

    def find(self, file: SubjectFile, _select: Mapping[str, str]) -> Held | None:
        """What the file holds for the field."""
        return file.held(self.field)


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
        entry = next(file.items(self.list, {**dict(self.where), **select}), None)
        return None if entry is None else entry.held(self.column, self.dataset, self.source)


Path = IdPath | FieldPath | LatestPath


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
    if match := _LATEST.fullmatch(text):
        return _latest(kind, match["list"], match["where"], match["column"])
    raise PathInvalid(f"{text!r} is no path", f"{kind.name}.id or LIST[column=value].latest.COLUMN")


def _single(kind: Kind, root: str, name: str) -> Path:
    if root != kind.name:
        raise PathInvalid(f"{root!r} is not the form's subject", f"{kind.name}.{name}")
    if name == "id":
        return IdPath()
    if kind.field(name) is None:
        known = ", ".join(["id", *(f.name for f in kind.fields)])
        raise PathInvalid(f"a {kind.name} has no field {name!r}", f"one of {known}")
    return FieldPath(name)


def _latest(kind: Kind, name: str, where: str | None, column: str) -> Path:
    found = kind.list_of(name)
    if found is None:
        known = ", ".join(x.name for x in kind.lists) or "none"
        raise PathInvalid(f"a {kind.name} has no list {name!r}", f"one of {known}")
    pairs = []
    for part in (where or "").split(",") if where is not None else ():
        left, equals, right = part.partition("=")
        if not equals or not right.strip():
            raise PathInvalid(f"[{where}] is no condition", f"{name}[{found.names[0]}=…].latest.{column}")
        pairs.append((left.strip(), right.strip()))
    for needed in (column, *(left for left, _ in pairs)):
        if needed not in found.names:
            raise PathInvalid(f"list {name!r} has no column {needed!r}", f"one of {', '.join(found.names)}")
    return LatestPath(name, tuple(pairs), column, found.dataset, found.source(column))
