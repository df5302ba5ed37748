"""What a department may register by itself: its own name and code, files in its own folder, secrets that were set up for it.

The data office's own files (`hub contract apply`) are not held to this: who works on the hub's command line answers for all departments.

- A secret is `file:DEPARTMENT/NAME`: whoever names a secret also says to which server it is sent, so nobody may name another's.
- Files lie below `DROP/DEPARTMENT/`, as do SQLite files: what lies elsewhere in the drop folder is another department's.
- A dataset's name is free, or the department's own.
"""

import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from hub.core import Hub
from hub.registration import named_secrets
from ledger import contracts, registrations, reviews
from schemas.contract import Source
from schemas.errors import ContractInvalid, NotFound, Problem

_FILES = ("sqlite", "duckdb")


def secrets(hub: Hub, department: str) -> tuple[str, ...]:
    """References to the secrets that the operator set up for the department."""
    folder = hub.settings.secret_files / department
    names = sorted(p.name for p in folder.iterdir() if p.is_file()) if department and folder.is_dir() else []
    return tuple(f"file:{department}/{name}" for name in names if not name.startswith("."))


def of_source(hub: Hub, department: str, source: Source) -> list[Problem]:
    """What is wrong with a source of this department: its address by its form, its secret, its place in the drop folder."""
    found: list[Problem] = []
    own = secrets(hub, department)
    if source.secret and source.secret not in own:
        right = ", ".join(own) or "ask the operator to set one up for your department"
        found.append(Problem("servers[0].customProperties.secretRef", "is no secret of your department", right))
    path, where = _path(source)
    if path is not None and not _inside(path, department):
        found.append(Problem(where, f"files of your department lie in {department}/", f"{department}/permits_*.csv"))
    certificate = str(source.options.get("ssl_root_cert") or source.options.get("sslRootCert") or "")
    if certificate and not _inside(certificate, department):
        found.append(
            Problem("servers[0].customProperties.options", "the certificate lies elsewhere", f"{department}/ca.pem")
        )
    if found:
        return found
    try:
        named_secrets.check(source.secret)
        hub.open_source(source).close()
    except ContractInvalid as error:
        return list(error.problems)
    return []


def of_resource(hub: Hub, department: str, document: dict[str, Any], registration: str) -> list[Problem]:
    """What is wrong with whose dataset it is."""
    found: list[Problem] = []
    code = next((p["value"] for p in document.get("customProperties") or () if p.get("property") == "providerCode"), "")
    if code != department:
        found.append(Problem("customProperties.providerCode", "is another department's", department))
    dataset = str(document.get("id") or "")
    if dataset and re.fullmatch(r"[a-z][a-z0-9_-]{1,62}", dataset) and _taken(hub, dataset, registration):
        found.append(Problem("id", f"{dataset!r} is taken", "a name of its own"))
    return found


def _taken(hub: Hub, dataset: str, registration: str) -> bool:
    """Whether the name is a dataset's in force, or stands in somebody else's registration or proposal."""
    others = [r for r in registrations.of_dataset(hub.ledger, dataset) if r.id != registration]
    if others or contracts.applied(hub.ledger, [dataset]):
        return True
    try:
        reviews.find(hub.ledger, dataset)
    except NotFound:
        return False
    return not any(r.submitted for r in registrations.of_dataset(hub.ledger, dataset) if r.id == registration)


def _path(source: Source) -> tuple[str | None, str]:
    """A source's path in the drop folder, None if it has none, and where the contract says it."""
    if source.url == "file://":
        return source.table, "servers[0].path"
    if urlsplit(source.url).scheme.partition("+")[0] in _FILES:
        return urlsplit(source.url).path.removeprefix("/"), "servers[0].customProperties.url"
    return None, ""


def _inside(path: str, department: str) -> bool:
    """Whether a path below the drop root lies in the department's own folder, whatever it is written like."""
    parts = PurePosixPath(path).parts
    return bool(department) and len(parts) > 1 and parts[0] == department and ".." not in parts and "\0" not in path
