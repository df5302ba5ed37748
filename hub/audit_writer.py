"""The process that writes a server's audit; see `access.audit_process`. Its arguments: what kind of process it writes for, its end of the line."""

import sys
from functools import partial

from access.audit import AuditLog
from access.audit_process import written
from hub.core import Hub
from hub.settings import Settings
from hub.trail import open_log


def _opened(name: str, settings: bytes) -> AuditLog:
    return open_log(Hub(Settings.model_validate_json(settings)), name)


if __name__ == "__main__":
    written(int(sys.argv[2]), partial(_opened, sys.argv[1]))
