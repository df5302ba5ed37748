"""A process that answers: each answer is written to the audit first, then released into a pipe whose reader may kill it at any word."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from access.audit import AuditLog, Entry
from access.audit_seal import Signer
from hub.core import Hub

WRITERS = 8


def run(hub: Hub, request: dict[str, Any]) -> None:
    """Answer for ever, from several threads."""
    chain = request["owner"]
    pipe = os.open(request["env"]["FAULTS_PIPE"], os.O_WRONLY)
    with (
        AuditLog(hub.audit, chain=chain, signer=Signer(hub.key("audit")), clock=hub.clock) as log,
        ThreadPoolExecutor(WRITERS) as pool,
    ):

        def answer(writer: int) -> None:
            number = 0
            while True:
                number += 1
                subject = f"{chain}-{writer}-{number}"
                log.write(Entry("portal", "办理换发", "renewal", ("name",), subject, "answered"))
                os.write(pipe, f"{subject}\n".encode())

        list(pool.map(answer, range(WRITERS)))
