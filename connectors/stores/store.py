"""What every store offers, and what those have in common that fsspec reaches."""

import glob
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, BinaryIO, Protocol
from urllib.parse import SplitResult, urlsplit

from connectors.spool import spooled
from schemas.contract import Source
from schemas.errors import ContractInvalid, Problem, SourceDenied

CHUNK = 4 << 20


@dataclass(frozen=True)
class State:
    """What tells one content of a file from the next without reading it.

    `size` in bytes and `changed` by the source's clock, where the source says them; `stamp` is another whenever the source says anything else.
    """

    size: int | None
    changed: datetime | None
    stamp: str


class Store(Protocol):
    """One place with files. Names are paths below it, with slashes."""

    where: str

    def match(self, pattern: str) -> list[str]:
        """The files that match a pattern or are it, sorted by name."""

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""

    def state(self, name: str) -> State:
        """The file's state. Raises SourceMissing."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """The file's bytes."""

    def whole(self, name: str) -> BinaryIO:
        """The file to seek in, or an unnamed copy of it; the caller closes it."""

    def beside(self, pattern: str) -> list[str]:
        """What else there is, to be named where nothing matches."""

    def close(self) -> None:
        """Let go of connections."""


class FsspecStore:
    """A store that fsspec reaches; below `base`."""

    where: str
    base: str

    def files(self) -> Any:
        """The file system, connected at the first use."""
        raise NotImplementedError

    def faults(self, name: str) -> AbstractContextManager[None]:
        """Calls the library's errors by ours; `name` is what was asked for."""
        raise NotImplementedError

    def match(self, pattern: str) -> list[str]:
        """The files that match a pattern or are it, sorted by name; `**` stands for any folders.

        fsspec's own glob leaves out what it cannot list; a folder that breaks off here is a fault.
        """
        with self.faults(pattern):
            return sorted(set(self._below("", plain(pattern).split("/"))))

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        with self.faults(name):
            return bool(self.files().exists(self._path(name)))

    def state(self, name: str) -> State:
        """The file's state."""
        with self.faults(name):
            info = self.files().info(self._path(name))
        moment = info.get("mtime")
        changed = moment if isinstance(moment, datetime) or moment is None else datetime.fromtimestamp(moment, UTC)
        known = {key: str(info[key]) for key in ("size", "mtime", "created", "ino") if info.get(key) is not None}
        return State(info["size"], changed, " ".join(known.values()))

    def chunks(self, name: str) -> Iterator[bytes]:
        """The file's bytes."""
        with self.faults(name), self.files().open(self._path(name), "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def whole(self, name: str) -> BinaryIO:
        """An unnamed copy of the file."""
        return spooled(self.chunks(name))

    def beside(self, pattern: str) -> list[str]:
        """What is in the folder of a pattern."""
        try:
            with self.faults(pattern):
                folder = self._path(pattern).rpartition("/")[0] or "/"
                return sorted(path.rpartition("/")[2] for path in self.files().ls(folder, detail=False)[:1000])
        except Exception:  # noqa: BLE001 - what is told beside an error must not hide it
            return []

    def close(self) -> None:
        """Nothing to let go of."""

    def _below(self, folder: str, parts: list[str]) -> Iterator[str]:
        """The files below a folder that the pattern's remaining parts lead to."""
        first, *rest = parts
        if first == "**":
            yield from self._below(folder, rest or ["*"])
        elif not glob.has_magic(first):
            name = f"{folder}{first}"
            if rest:
                yield from self._below(f"{name}/", rest)
            elif self._kind(name) == "file":
                yield name
            return
        for name, kind in self._list(folder):
            if kind == "directory" and first == "**":
                yield from self._below(f"{folder}{name}/", parts)
            elif fnmatchcase(name, first) and kind == ("directory" if rest else "file") and first != "**":
                yield from self._below(f"{folder}{name}/", rest) if rest else (f"{folder}{name}",)

    def _list(self, folder: str) -> Iterator[tuple[str, str]]:
        """Names and kinds of what is in a folder; nothing where there is none."""
        path = self._path(folder).rstrip("/") or "/"
        try:
            entries = self.files().ls(path, detail=True)
        except FileNotFoundError:
            return
        for info in entries:
            name = info["name"].rstrip("/").rpartition("/")[2]
            plain_kind = info["type"] in ("file", "directory")
            yield name, info["type"] if plain_kind else self._kind(f"{folder}{name}")

    def _kind(self, name: str) -> str:
        """What a name is, links followed."""
        try:
            info = self.files().info(self._path(name))
        except FileNotFoundError:
            return ""
        return str(info["type"])

    def _path(self, name: str) -> str:
        return f"{self.base.rstrip('/')}/{plain(name)}"


def plain(name: str) -> str:
    """A path below a store, unchanged. Raises SourceDenied for one that climbs."""
    if "\0" in name or ".." in name.split("/"):
        raise SourceDenied(f"path {name!r} leads out of the source's folder", todo="write a plain path")
    return name.lstrip("/")


def address(source: Source) -> SplitResult:
    """The source's URL taken apart. Raises ContractInvalid if it holds credentials or a query."""
    parts = urlsplit(source.url)
    if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname:
        raise ContractInvalid(
            [
                Problem(
                    "servers[0].location",
                    "an address without credentials or options is wanted; a secret is named: secretRef",
                    f"{parts.scheme}://files.civil.example/daily/*.csv",
                )
            ]
        )
    return parts
