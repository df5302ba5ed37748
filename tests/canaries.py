"""Unmistakable secrets and persons, planted at a source, and the search for them wherever the hub leaves a trace."""

import json
import os
from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import yaml

CONTRACT = Path(__file__).parent / "faults" / "people.odcs.yaml"
PASSWORD = "canary-pass/word+9f3a"
TOKEN = "canary-token-1c77"
KEY = "canary-api-key-5e21"
CLIENT_PASSWORD = "canary-client-8d40"
ISSUED = "canary-issued-token-2b6e"
SECRETS = (PASSWORD, TOKEN, KEY, CLIENT_PASSWORD, ISSUED)
PERSON = ("110101199003074610", "金丝雀甲")
OTHER = ("440308199901101512", "金丝雀乙")
BROKEN = ("110101199003070000", "金丝雀丙")
PEOPLE = tuple(value for person in (PERSON, OTHER, BROKEN) for value in person)
ROWS = [{"身份证号": number, "姓名": name, "n": 1} for number, name in (PERSON, OTHER)]


def contract_file(folder: Path, server: dict[str, Any], secret: str, **custom: Any) -> Path:
    """The contract of `people` for a server block; customs are the server's custom properties."""
    document = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    given = {"secretRef": secret, **custom}
    customs = [{"property": name, "value": value, "vendor": "cityhub"} for name, value in given.items()]
    document["servers"] = [{"server": "source", **server, "customProperties": customs}]
    path = folder / "people.odcs.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return path


def writings(value: str) -> set[bytes]:
    """The ways in which a value may stand in a file: plain, in a URL, in JSON, in a Basic header."""
    texts = {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1]}
    texts |= {b64encode(f"{user}:{value}".encode()).decode().rstrip("=") for user in ("reader", "office", "postgres")}
    return {text.encode() for text in texts}


def found(values: Iterable[str], traces: Iterable[tuple[str, bytes]]) -> list[str]:
    """Which of the values stand in which trace; empty is what a test wants."""
    wanted = {value: writings(value) for value in values}
    return [
        f"{value} in {where}"
        for where, content in traces
        for value, forms in wanted.items()
        if any(form in content for form in forms)
    ]


def files(folder: Path, *, without: tuple[str, ...] = ()) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder by its path, and its bytes; `without` names entries of the folder itself."""
    for root, _, names in os.walk(folder):
        for path in (Path(root, name) for name in names):
            if path.relative_to(folder).parts[0] not in without and path.is_file():
                yield str(path), path.read_bytes()
