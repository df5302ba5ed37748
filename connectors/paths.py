"""Where a source's file may be, a certificate of its own among them: below the drop root, and nowhere else."""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from schemas.errors import SourceDenied, SourceMissing


def held(root: Path, path: str, place: str = "the drop root") -> Path:
    """The real path of `path` (relative to `root`, or absolute), refused if it, or a link in it, leads out of `root` (`place` in words).

    >>> held(Path("/srv/drops"), "civil/2026.csv").as_posix()
    '/srv/drops/civil/2026.csv'
    """
    if "\0" in path:
        raise SourceDenied("the path holds a NUL character", todo="write a plain path")
    base = root.resolve()
    real = (base / path).resolve()
    if not real.is_relative_to(base):
        raise SourceDenied(f"path {path!r} leads out of {place}", todo=f"name a file below {place}")
    return real


def certificate(root: Path, path: str) -> str:
    """The real path of a certificate file below `root`, which `options.sslRootCert` names. Raises SourceMissing."""
    file = held(root, path)
    if not file.is_file():
        raise SourceMissing(f"certificate {path} is not in the drop root", todo="put it there, or correct sslRootCert")
    return str(file)


def trust(settings: Mapping[str, Any], root: Path) -> Callable[[], ssl.SSLContext] | None:
    """What makes the TLS context that trusts `options.sslRootCert`; None without it, for what is generally trusted."""
    own = settings.get("ssl_root_cert")
    return (lambda: ssl.create_default_context(cafile=certificate(root, str(own)))) if own else None
