"""The audit of a command: a chain of its own for as long as it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from access.audit import Entry
from hub import audit_log
from hub.core import Hub


@contextmanager
def trail(hub: Hub) -> Iterator[Callable[[Entry], None]]:
    """A function that returns once an entry is durable."""
    with audit_log.open_log(hub, "cli") as log:
        yield log.write
