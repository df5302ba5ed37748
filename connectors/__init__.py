"""How records leave a department's system: one interface, one kind per way out.

Enters: a contract's `Source`, a callable that resolves its secret, the drop root that every file path is held under, and the
watermark that the last read handed back. Leaves: a `Reading` of parts (original bytes, or Arrow batches where the source is a
database), then a new watermark and whether the read was complete and consistent; and, from a landed part, its records as text.
Must not know: contracts' rules, lakes, loads, ledgers, Airflow. It never changes a value, drops a row or guesses a type.

1. `open_source` chooses the kind: `sql` (SQLite, PostgreSQL, MariaDB/MySQL), `csv`, `xlsx`, `jsonl`, `parquet`, `rest`,
   `push` (an inbox that the department fills).
2. `Connector.read` opens one snapshot where the source has one, takes the new bound in it, and streams; memory does not grow.
3. `decode` turns a landed part into batches: `_row` (1-based) and the source's own column names, every value as exact text.
4. `Connector.keys` gives the same batches without landing, for a comparison with what was published.

A fault is one of `schemas.errors`: unreachable, denied, missing, damaged. Each message is one line that says what, where and what to
do, and holds neither a secret nor a value of a record.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.formats import decode, deliveries
    from connectors.interface import Connector, Part, Probe, Reading, Rows, SourceColumn, Sweep
    from connectors.opening import KINDS, open_source

__all__ = [
    "KINDS",
    "Connector",
    "Part",
    "Probe",
    "Reading",
    "Rows",
    "SourceColumn",
    "Sweep",
    "decode",
    "deliveries",
    "open_source",
]


def __getattr__(name: str) -> Any:
    """Look a public name up when it is first asked for: who needs a path checked does not wait for every parser."""
    for home in ("interface", "formats", "opening") if name in __all__ else ():
        module = import_module(f"connectors.{home}")
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(f"module 'connectors' has no attribute {name!r}")
