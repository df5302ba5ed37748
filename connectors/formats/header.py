"""The header of a table-like file: which record it is, and which columns it names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from schemas.errors import SourceDamaged


@dataclass(frozen=True)
class Header:
    """The named columns; `width` counts the trailing ones without a name too."""

    names: tuple[str, ...]
    width: int
    where: str

    @staticmethod
    def find(records: Iterator[Sequence[str | None]], number: int, where: str) -> "Header":
        """Take the header off the records: their `number`th, 1-based."""
        record = next(islice(records, number - 1, None), None)
        cells = [(cell or "").strip() for cell in record or ()]
        names = list(cells)
        while names and not names[-1]:
            names.pop()
        if not names:
            raise SourceDamaged(
                f"{where} is empty: it has no header (record {number})",
                todo="ask for the file again, or correct headerRow",
            )
        if "" in names:
            raise SourceDamaged(
                f"{where}: column {names.index('') + 1} has no name in the header",
                todo="ask for a name, or correct headerRow",
            )
        return Header(tuple(names), len(cells), where)

    def check(self, record: Sequence[str | None], place: str) -> None:
        """Refuse values under columns without a name: they would be lost."""
        if any((cell or "").strip() for cell in record[len(self.names) :]):
            raise SourceDamaged(
                f"{self.where}: {place} has a value beyond the last named column", todo="ask for a name for that column"
            )
