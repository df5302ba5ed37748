"""The secrets of departments' systems: a contract names one, and it is looked up when a run opens the source.

`env:NAME` is an environment variable, `file:NAME` a file in the folder of settings, `airflow:CONNECTION` a connection that `dags/`
resolves. A name may not lead to the hub's own secrets: whoever writes a contract also says to which server they are sent.
"""

import os
import re
from pathlib import Path

from connectors.paths import held
from schemas.errors import ContractInvalid, Problem, SourceDenied

_REFERENCE = re.compile(r"(env|file|airflow):(\S.*)")
_OWN = ("HUB_", "AIRFLOW_")


def check(reference: str | None) -> None:
    """Refuse a reference by its form. Raises ContractInvalid for one of no known kind, or to the hub's own variables."""
    found = _REFERENCE.fullmatch(reference) if reference else None
    if reference and not found:
        # What stands there may be the secret itself, so it is not shown.
        _refuse("what stands there names no secret")
    if found and found[1] == "env" and found[2].upper().startswith(_OWN):
        _refuse(f"{reference} is the hub's own")


def look_up(reference: str, files: Path) -> str:
    """The secret that `env:NAME` or `file:NAME` names; files lie below `files`. Other kinds are resolved by who knows them (dags/).

    Raises:
        ContractInvalid: the reference has no known form, or is the hub's own.
        SourceDenied: the secret is not there, or lies elsewhere.
    """
    check(reference)
    kind, _, name = reference.partition(":")
    if kind == "env" and name in os.environ:
        return os.environ[name]
    if kind == "file":
        path = held(files, name, "the folder of secrets")
        if path.is_file():
            return path.read_text(encoding="utf-8").strip()
    todo = {"file": f"write it to {files / name}", "airflow": "start the dataset's DAG: Airflow knows its connections"}
    raise SourceDenied(f"the secret {reference} is not set", todo=todo.get(kind, "set it where the hub runs"))


def _refuse(wrong: str) -> None:
    right = "env:TRANSPORT_DB, file:transport or airflow:CONNECTION"
    raise ContractInvalid([Problem("servers[0].customProperties.secretRef", wrong, right)])
