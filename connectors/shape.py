"""Whether an API's records keep their shape from page to page: a schema changed in the middle of a read is told as such."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connectors.formats.objects import flatten
from schemas.errors import Retry


class Shape:
    """The names in the pages seen so far. Memory does not grow with the pages.

    A page where a contract's column is gone that every record had before, while one that nobody knows stands in every record, is
    of another schema. A name that comes or goes alone is left to the judgement of the whole delivery: many APIs omit empty fields.
    """

    def __init__(self, wanted: Iterable[str], where: str) -> None:
        self.wanted = frozenset(wanted)
        self.where = where
        self._always = self.wanted
        self._ever = set(self.wanted)

    def see(self, records: Sequence[Mapping[str, Any]], page: int) -> None:
        """Compare a page with those before.

        Raises:
            Retry: the records have another shape; the next read sees one of the two.
        """
        flat = [dict(flatten(record)) for record in records]
        if not flat:
            return
        there = set().union(*flat)
        filled = set.intersection(*({name for name, value in record.items() if value is not None} for record in flat))
        gone, new = self._always - there, filled - self._ever
        if page > 1 and gone and new:
            raise Retry(
                f"{self.where}: the records changed shape at page {page}: {_shown(gone)} gone, {_shown(new)} new",
                todo="the run tries again by itself; if the new shape stays, change the contract",
            )
        self._always = self._always.intersection(*flat)
        self._ever |= there


def _shown(names: Iterable[str]) -> str:
    """A few names; a key that is somebody's number is cut."""
    return ", ".join(repr(re.sub(r"\d{5,}", "…", name)[:40]) for name in sorted(names)[:5])
