"""The process that writes a server's audit; see `access.audit_process`. Its arguments: what kind of process it writes for, its end of the line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from access.audit import AuditLog
from access.audit_process import written
from hub.core import Hub
from hub.settings import Settings
from hub.trail import open_log
from ledger.carrying import Carrier


@contextmanager
def _opened(name: str, settings: bytes) -> Iterator[AuditLog]:
    hub = Hub(Settings.model_validate_json(settings))
    with Carrier(hub.audit), open_log(hub, name) as log:
        yield log


if __name__ == "__main__":
    written(int(sys.argv[2]), partial(_opened, sys.argv[1]))
