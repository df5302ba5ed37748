"""What a command shows: tables and records, as text for people or as JSON for machines. Commands never print by themselves."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from hub import words
from schemas.errors import HubError

_WHOLE = frozenset({"run", "dataset", "phase", "started"})
"""Columns that are copied into the next command, or read at a glance: never folded."""
_FOLDED = 14
"""The least width of a column of text."""


@dataclass(frozen=True)
class Output:
    """One command's output; `as_json` is its `--json` flag, `language` that of labels for people (`zh`, `en`)."""

    as_json: bool = False
    language: str = "en"

    def table(self, title: str, rows: Sequence[Mapping[str, Any]], empty: str = "nothing") -> None:
        """Rows with the same keys: a JSON array, or a table without the columns in which nothing stands.

        On a narrow terminal the last columns are left out, and named.
        """
        if self.as_json:
            self._json([dict(row) for row in rows])
            return
        if not rows:
            self.say(empty)
            return
        console = _console()
        filled = [name for name in rows[0] if any(row[name] not in (None, "") for row in rows)]
        names = self._fitting(filled, rows, console.width)
        table = Table(
            title=self._label(title), title_justify="left", header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
        )
        for name in names:
            numbers = all(isinstance(row[name], int | float | None) for row in rows)
            table.add_column(
                self._label(name), justify="right" if numbers else "left", overflow="fold", no_wrap=name in _WHOLE
            )
        for row in rows:
            table.add_row(*(self._text(name, row[name]) for name in names))
        console.print(table)
        if names != filled:
            self.say(f"… {', '.join(map(self._label, filled[len(names) :]))}: --json")

    def record(self, value: Mapping[str, Any]) -> None:
        """One thing: a JSON object, or a line per field."""
        if self.as_json:
            self._json(dict(value))
            return
        width = max((cell_len(self._label(name)) for name in value), default=0)
        for name, item in value.items():
            label = Text(set_cell_size(self._label(name), width + 2), style="bold")
            _console().print(label + self._text(name, item), soft_wrap=True)

    def say(self, text: str) -> None:
        """A line for people; JSON readers get none."""
        if not self.as_json:
            _console().print(text, markup=False, highlight=False)

    def raw(self, text: str) -> None:
        """A text as it is, on standard output (a drafted file, a page)."""
        sys.stdout.write(text if text.endswith("\n") else text + "\n")

    @contextmanager
    def progress(self, what: str) -> Iterator[Any]:
        """A progress bar on standard error, fed with bytes; silent when nobody watches."""
        console = Console(stderr=True)
        columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn())
        with Progress(
            *columns, console=console, transient=True, disable=self.as_json or not console.is_terminal
        ) as bar:
            task = bar.add_task(what, total=None)
            yield lambda n: bar.advance(task, n)

    def _fitting(self, names: Sequence[str], rows: Sequence[Mapping[str, Any]], width: int) -> list[str]:
        """The first columns that fit; text may be folded, numbers and what is copied may not."""
        room, fitting = width - 2, list[str]()
        for name in names:
            widest = max(cell_len(self._text(name, row[name]).plain) for row in rows)
            folds = name not in _WHOLE and any(isinstance(row[name], str | list | tuple | Mapping) for row in rows)
            room -= max(cell_len(self._label(name)), min(widest, _FOLDED) if folds else widest) + 2
            if room < 0 and len(fitting) > 2:
                break
            fitting.append(name)
        return fitting

    def _label(self, name: str) -> str:
        return words.label(name, self.language)

    def _text(self, name: str, value: Any) -> Text:
        """A value as people read it; rich would take brackets in it for markup, hence a text of its own."""
        return Text(words.value(name, self._words(value), self.language))

    def _words(self, value: Any) -> str:
        match value:
            case None:
                return ""
            case bool():
                return str(value)
            case float():
                return f"{value:,.3f}".rstrip("0").rstrip(".")
            case int():
                return f"{value:,}"
            case Mapping():
                return ", ".join(f"{self._label(str(k))} {self._words(v)}" for k, v in value.items())
            case list() | tuple():
                return ", ".join(self._words(v) for v in value)
            case _:
                return str(value)

    def _json(self, value: Any) -> None:
        self.raw(json.dumps(value, ensure_ascii=False, indent=1, default=str))


def complain(error: HubError, *, as_json: bool, language: str = "en") -> None:
    """The error on standard error: a block that ends with what to do for people, a problem document for machines."""
    if as_json:
        sys.stderr.write(json.dumps(error.problem(), ensure_ascii=False) + "\n")
        return
    what, todo = words.message(error.what, language), words.message(error.todo, language)
    first, *more = what.splitlines() or [error.code]
    lines = [f"✗ {first}", *(f"  {line.strip()}" for line in more), *([f"  → {todo}"] if todo else [])]
    sys.stderr.write("\n".join(lines) + "\n")


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 140, soft_wrap=False)
