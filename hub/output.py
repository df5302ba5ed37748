"""What a command shows: tables and records, as text for people or as JSON for machines. Commands never print by themselves."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn
from rich.table import Table

from schemas.errors import HubError


@dataclass(frozen=True)
class Output:
    """One command's output; `as_json` is its `--json` flag."""

    as_json: bool = False

    def table(self, title: str, rows: Sequence[Mapping[str, Any]], empty: str = "nothing") -> None:
        """Rows with the same keys: a JSON array, or a table."""
        if self.as_json:
            self._json([dict(row) for row in rows])
            return
        if not rows:
            self.say(empty)
            return
        table = Table(title=title, title_justify="left", header_style="bold")
        for name in rows[0]:
            numbers = all(isinstance(row[name], int | float) for row in rows)
            table.add_column(name, justify="right" if numbers else "left", overflow="fold")
        for row in rows:
            table.add_row(*(_text(value) for value in row.values()))
        _console().print(table)

    def record(self, value: Mapping[str, Any]) -> None:
        """One thing: a JSON object, or a line per field."""
        if self.as_json:
            self._json(dict(value))
            return
        width = max((len(k) for k in value), default=0)
        for name, item in value.items():
            _console().print(f"[bold]{name:<{width}}[/bold]  ", end="")
            _console().print(_text(item), markup=False, highlight=False)

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

    def _json(self, value: Any) -> None:
        self.raw(json.dumps(value, ensure_ascii=False, indent=1, default=str))


def complain(error: HubError, *, as_json: bool) -> None:
    """The error on standard error: one line (or one per problem) for people, a problem document for machines."""
    if as_json:
        sys.stderr.write(json.dumps(error.problem(), ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"{error}\n")


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 140, soft_wrap=False)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(v) for v in value)
    return str(value)
