"""The hub of `prefill.py`: fictitious persons in three datasets, a form of 20 fields, a client that may ask, and its requests."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

FIRST, STEP = 310000199001010000, 7
FORM, PURPOSE, CLIENT, ISSUER = "renewal", "service-application", "bench", "https://id.bench.test"
ALGORITHMS = ("PS256", "ES256")
"""What the identity provider may sign with; each names its key."""
_SIGNING = "identity-provider.jwks.json"
PERSON = [f"p{i}" for i in range(10)]
WORK = [f"w{i}" for i in range(5)]
PERMIT = [f"c{i}" for i in range(5)]
TABLES = {"residents": PERSON, "insurance": WORK, "permits": PERMIT}
_ENTRY = {
    "shareType": 2, "shareCondition": "限依法履职", "shareMode": ["api"], "providerCode": "11310100MADEM0011P", "providerEn": "Bureau",
    "nameEn": "Table", "subjects": [{"kind": "person", "key": "person_id"}],
}  # fmt: skip
KIND = """
kind: person
title: 自然人
title_en: Person
key: {{title: 号码, title_en: Number, pattern: '\\d{{18}}'}}
fields:
{fields}
lists:
  permits: {{title: 证件, title_en: Permits, dataset: permits, columns: [{permit}, valid_to], order: valid_to, valid_until: valid_to}}
"""


def identifier(number: int) -> str:
    """The n-th person."""
    return str(FIRST + number * STEP)


def contract(dataset: str, columns: list[str]) -> str:
    """One dataset's contract: a key, text columns and a date."""
    properties = [{"name": "person_id", "physicalName": "person_id", "businessName": "号码", "logicalType": "string", "physicalType": "text",
                   "primaryKey": True, "primaryKeyPosition": 1, "required": True, "classification": "L3"}]  # fmt: skip
    for name in (*columns, "valid_to"):
        kind = (
            {"logicalType": "date", "physicalType": "date"}
            if name == "valid_to"
            else {"logicalType": "string", "physicalType": "text"}
        )
        properties.append(
            {"name": name, "physicalName": name, "businessName": f"{name}栏", "classification": "L3", **kind}
        )
    own = {**_ENTRY, "resourceCode": f"30100{[*TABLES].index(dataset) + 1}/000001"}
    server = {"server": "source", "type": "local", "path": f"{dataset}.parquet", "format": "parquet",
              "customProperties": [{"property": "syncMode", "value": "snapshot", "vendor": "cityhub"}]}  # fmt: skip
    table = {
        "name": dataset,
        "physicalName": f"{dataset}.parquet",
        "logicalType": "object",
        "businessName": f"{dataset}表",
        "properties": properties,
    }
    return json.dumps({
        "apiVersion": "v3.2.0", "kind": "DataContract", "id": dataset, "name": f"{dataset}表", "version": "1.0.0", "status": "active",
        "tenant": f"{dataset}局", "domain": "bench", "description": {"purpose": "x"}, "servers": [server], "schema": [table],
        "customProperties": [{"property": k, "value": v, "vendor": "cityhub"} for k, v in own.items()],
    })  # fmt: skip


def declarations(folder: Path) -> None:
    """The subject kind and the form of 20 fields."""
    fields = [
        f"  {n}: {{title: {n}栏, title_en: {n}, sources: [{t}.{n}]}}"
        for t in ("residents", "insurance")
        for n in TABLES[t]
    ]
    paths = [f"person.{n}" for n in (*PERSON, *WORK)] + [f"permits.latest.{n}" for n in PERMIT]
    lines = [
        f"  - {{name: {p.rpartition('.')[2]}, label: {p.rpartition('.')[2]}栏, label_en: {p}, from: {p}, entry: {'locked' if i % 2 else 'editable'}}}"
        for i, p in enumerate(paths)
    ]
    head = f"form: {FORM}\nversion: 1.0.0\ntitle: 换发\ntitle_en: Renewal\nsubject: person\ndepartment: 市公安局\ndepartment_en: Police\nfields:\n"
    for name, text in (
        ("subjects/person.yaml", KIND.format(fields="\n".join(fields), permit=", ".join(PERMIT))),
        ("forms/renewal.yaml", head + "\n".join(lines)),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n", encoding="utf-8")


def fill(hub: Any, subjects: int) -> None:
    """Generate, pull, build, and let the client in."""
    import duckdb

    from hub.filing import subject_files
    from hub.pulling import pipeline
    from hub.registration import registry

    hub.settings.drops.mkdir(parents=True, exist_ok=True)
    declarations(hub.settings.declared)
    for dataset, columns in TABLES.items():
        values = ", ".join(
            f"'某{name}' || ((i * 2654435761) % {9973 + place}) AS {name}" for place, name in enumerate(columns)
        )
        target = hub.settings.drops / f"{dataset}.parquet"
        duckdb.sql(
            f"COPY (SELECT CAST({FIRST} + i * {STEP} AS VARCHAR) AS person_id, {values}, DATE '2030-01-01' + CAST(i % 700 AS INTEGER) AS valid_to "
            f"FROM range({subjects}) t(i)) TO '{target}' (FORMAT parquet)"
        )
        path = hub.settings.home / f"{dataset}.odcs.yaml"
        path.write_text(contract(dataset, columns), encoding="utf-8")
        registry.apply(hub, (path,))
    for dataset in TABLES:
        run = pipeline.pull(hub, dataset, owner="bench")
        assert run.phase == "published", run
    started = time.perf_counter()
    subject_files.build_all(hub)
    print(f"  {subjects:,} subject files built in {time.perf_counter() - started:.0f} s", flush=True)
    let_in(hub, subjects)


def let_in(hub: Any, subjects: int) -> None:
    """A client with a grant on consent, a budget that suffices, and an identity provider."""
    from access.keys import checked
    from ledger import budgets, clients, credentials, grants

    now = hub.clock()
    clients.put(hub.ledger, clients.Client(CLIENT, CLIENT, CLIENT, "-"), now)
    grants.allow(
        hub.ledger, grants.Grant("bench", CLIENT, "form", FORM, PURPOSE, "consent", now - timedelta(days=1)), now
    )
    budgets.set_budget(hub.ledger, CLIENT, PURPOSE, subjects)
    signing = KeySet([RSAKey.generate_key(2048, {"kid": "PS256"}), ECKey.generate_key("P-256", {"kid": "ES256"})])
    (hub.settings.home / _SIGNING).write_text(json.dumps(signing.as_dict(private=True)))
    credentials.put_issuer(
        hub.ledger, credentials.Issuer(ISSUER, checked(json.dumps(signing.as_dict(private=False)))), now
    )


def bodies(hub: Any, subjects: int, count: int, path: Path, algorithm: str = ALGORITHMS[0]) -> None:
    """One request a line, each for another person with that person's consent, signed with this algorithm."""
    from access.consent import pairwise, salt

    form_fields = [*PERSON, *WORK, *PERMIT]
    key = KeySet.import_key_set(json.loads((hub.settings.home / _SIGNING).read_text())).get_by_kid(algorithm)
    names, now = salt(hub.key("pairwise"), ISSUER), int(datetime.now(UTC).timestamp())

    def line(n: int, person: str) -> str:
        claims = {
            "iss": ISSUER, "aud": hub.settings.api_url, "sub": pairwise(names, CLIENT, "person", person), "client_id": CLIENT,
            "purpose": PURPOSE, "target": f"form:{FORM}", "fields": form_fields, "jti": f"{now}-{n}", "iat": now, "exp": now + 890,
        }  # fmt: skip
        statement = jwt.encode({"alg": algorithm, "kid": algorithm}, claims, key, [algorithm])
        return json.dumps({"form": FORM, "subject": person, "purpose": PURPOSE, "consent": statement}) + "\n"

    persons = map(identifier, random.sample(range(subjects), min(count, subjects)))
    with ThreadPoolExecutor() as pool, path.open("w") as out:
        out.writelines(pool.map(line, range(count), persons))


def hub_at(home: Path, port: int, url: str) -> Any:
    """The hub in this folder, on SQLite or on the server of `url`."""
    import servers

    import hub.web  # noqa: F401 - every table is known before the first database is opened
    from hub.core import Hub
    from hub.settings import Settings

    names = ("ledger", "subjects", "audit")
    urls: dict[str, Any] = {}
    if url:
        for name in names:
            servers.execute(url, f"CREATE DATABASE {name}")
        urls = {f"{name}_url": url.rpartition("/")[0] + f"/{name}" for name in names}
    return Hub(
        Settings(
            home=home, api_url=f"http://127.0.0.1:{port}", declarations=home / "declared", judge_memory_mb=512, **urls
        )
    )
