"""Files below the drop root. A link that leads out of it is refused, as is a path that climbs."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from connectors.paths import held
from connectors.stores.store import FsspecStore
from schemas.errors import Retry


class LocalStore(FsspecStore):
    """The drop root."""

    where = "file://"

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.base = str(self.root)
        self._files = fsspec.filesystem("file")

    def files(self) -> Any:
        """The machine's own file system."""
        return self._files

    def match(self, pattern: str) -> list[str]:
        """The files that match, each held below the root."""
        held(self.root, pattern)
        return [name for name in super().match(pattern) if held(self.root, name)]

    def whole(self, name: str) -> BinaryIO:
        """The file itself."""
        with self.faults(name):
            return held(self.root, name).open("rb")

    def beside(self, pattern: str) -> list[str]:
        """What is in the folder of a pattern."""
        folder = held(self.root, pattern).parent
        return sorted(path.name for path in islice(folder.iterdir(), 1000)) if folder.is_dir() else []

    @contextmanager
    def faults(self, name: str) -> Iterator[None]:
        """A file that was there a moment ago is a passing fault."""
        try:
            yield
        except FileNotFoundError:
            raise Retry(f"{name} went away while it was read", todo="the run tries again by itself") from None

    def _path(self, name: str) -> str:
        return str(held(self.root, name))
