"""Registering: a contract file becomes the truth in the ledger, one line in the compiled index, and a pool in Airflow.

The index is all that DAG files read: no database, no YAML at parse time. It is written atomically, and the same contracts give the
same bytes. `pools.json` beside it is what `airflow pools import` takes, for an Airflow that cannot be reached when contracts are applied.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from hub.core import Hub
from hub.registration import named_secrets
from hub.telling import deliver, notices
from lake.durable import make_folder, write_atomically
from ledger import authorities, catalog, contracts
from ledger.outbox import Message
from quality import rules
from schemas import diff, odcs, versions
from schemas.contract import Claim, Contract
from schemas.errors import ContractInvalid, Problem, SourceUnreachable, Stop
from schemas.windows import window

_CRON = {1.0: "0 * * * *", 24.0: "{m} {h} * * *", 168.0: "{m} {h} * * 1", 744.0: "{m} {h} 1 * *"}


@dataclass(frozen=True)
class Applied:
    """What applying one file did: `version` counts up per dataset; `changes` are against the version before."""

    contract: Contract
    number: int
    changed: bool
    changes: tuple[diff.Change, ...] = ()


def files(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """The contract files below the given files and folders, sorted. Raises ContractInvalid for a path with none."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*.odcs.yaml")) if path.is_dir() else [path]
        if not inside:
            raise ContractInvalid([Problem("-", "no *.odcs.yaml below this folder", "residents.odcs.yaml", str(path))])
        found += inside
    return tuple(found)


def check(hub: Hub, paths: tuple[Path, ...]) -> tuple[Contract, ...]:
    """The contracts in these files, each right in itself (its rules compile) and all of them together.

    Raises:
        ContractInvalid: with the problems of every file.
    """
    problems: list[Problem] = []
    good: list[tuple[Path, Contract]] = []
    for path in files(paths):
        try:
            contract = odcs.load(path)
            rules.rules(contract, today=hub.today())
            _check_addresses(hub, contract)
            good.append((path, contract))
        except ContractInvalid as error:
            problems += [replace(problem, file=problem.file or str(path)) for problem in error.problems]
    problems += _clashes(hub, good)
    if problems:
        raise ContractInvalid(problems)
    return tuple(contract for _, contract in good)


def _check_addresses(hub: Hub, contract: Contract) -> None:
    """Refuse by their form, with nothing resolved or connected: a source, a secret and a webhook that lead astray."""
    named_secrets.check(contract.source.secret)
    hub.open_source(contract.source).close()
    if contract.contact is not None and not contract.contact.url.startswith("mailto:"):
        hub.guard.check(urlsplit(contract.contact.url).hostname, "support[0].url")


def apply(hub: Hub, paths: tuple[Path, ...], *, because: str | None = None) -> tuple[Applied, ...]:
    """Check all files, then apply them all; nothing is applied if one is wrong.

    Raises:
        ContractInvalid: a file breaks a rule.
        Stop: a change is breaking, the major version is not new and no reason was given; or the version goes back.
    """
    good = check(hub, paths)
    applied = contracts.applied(hub.ledger, [c.dataset for c in good])
    moves = {c.dataset: diff.diff(applied[c.dataset], c) if c.dataset in applied else () for c in good}
    _refuse_breaking(applied, good, moves, because)
    filed = [
        _application(
            path,
            contract,
            because,
            notices.notices(hub, applied.get(contract.dataset), contract, moves[contract.dataset]),
        )
        for path, contract in zip(files(paths), good, strict=True)
    ]
    numbered = contracts.apply(hub.ledger, filed, at=hub.clock())
    index_contracts(hub, [c.dataset for c in good])
    if any(one.notices for one in filed):
        deliver.send(hub)
    return tuple(
        Applied(
            contract,
            version.number if version else _newest(hub, contract),
            version is not None,
            moves[contract.dataset],
        )
        for contract, version in zip(good, numbered, strict=True)
    )


def _application(
    path: Path, contract: Contract, because: str | None, told: tuple[Message, ...]
) -> contracts.Application:
    text = path.read_text(encoding="utf-8")
    return contracts.Application(contract, text, hashlib.sha256(text.encode()).hexdigest(), because, told)


def _newest(hub: Hub, contract: Contract) -> int:
    return contracts.versions(hub.ledger, contract.dataset)[-1].number


def compile_index(hub: Hub) -> None:
    """Write the index and the pools from all applied contracts; with `airflow_url` set, create the pools as well."""
    with hub.ledger.write(alone="index"):
        made = _write_index(hub, contracts.applied(hub.ledger), {}, {})
    _create_pools(hub, made)


def index_contracts(hub: Hub, datasets: Sequence[str]) -> None:
    """Bring the index and the pools up to these datasets' contracts: only their lines are made anew, whatever else it holds.

    An index that would not hold every dataset then (it was lost, or is another hub's) is compiled whole.
    """
    with hub.ledger.write(alone="index"):
        lines, pools = _index_lines(hub.settings.index), _pools(hub)
        whole = len(lines.keys() | {*datasets}) != contracts.count(hub.ledger)
        changed = contracts.applied(hub.ledger, None if whole else datasets)
        made = _write_index(hub, changed, {} if whole else lines, {} if whole else pools)
    _create_pools(hub, made)


def _write_index(
    hub: Hub, changed: Mapping[str, Contract], lines: dict[str, bytes], pools: dict[str, Any]
) -> dict[str, Any]:
    """Write both files, a line of the index for each dataset; returns the pools of what changed."""
    made = {
        contract.pool: {
            "slots": hub.settings.department_pulls,
            "description": contract.provider,
            "include_deferred": False,
        }
        for contract in changed.values()
    }
    for name, contract in changed.items():
        line = json.dumps(entry(contract, hub.settings.timezone), ensure_ascii=False, sort_keys=True)
        lines[name] = f"{json.dumps(name)}: {line}".encode()
    make_folder(hub.settings.index.parent)
    write_atomically(hub.settings.index, b"{" + b",\n".join(lines[name] for name in sorted(lines)) + b"}")
    known = json.dumps(dict(sorted({**pools, **made}.items())), ensure_ascii=False, indent=1)
    write_atomically(_pool_file(hub), known.encode())
    return made


def indexed(hub: Hub, dataset: str) -> bool:
    """Whether the compiled index holds the dataset, so that it has a DAG."""
    return dataset in _index_lines(hub.settings.index)


def _index_lines(path: Path) -> dict[str, bytes]:
    """The index's lines by dataset, not parsed; empty if there is none."""
    lines = path.read_bytes()[1:-1].split(b",\n") if path.exists() else []
    return {line[1 : line.index(b'"', 1)].decode(): line for line in lines if line}


def _pools(hub: Hub) -> dict[str, Any]:
    path = _pool_file(hub)
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


def _pool_file(hub: Hub) -> Path:
    return hub.settings.index.with_name("pools.json")


def entry(contract: Contract, timezone: str) -> dict[str, Any]:
    """One dataset's line in the index: what its DAG is made of."""
    return {
        "title": contract.title,
        "provider": contract.provider,
        "schedule": None if contract.status == "retired" else contract.schedule or _schedule(contract),
        "timezone": timezone,
        "pool": contract.pool,
        "tags": sorted({contract.provider, f"share:{contract.share_type}", contract.source.kind, *contract.tags}),
        "doc": document(contract),
        "after": list(contract.references),
    }


def document(contract: Contract) -> str:
    """The contract as a page for the DAG's documentation (Markdown)."""
    rows = "\n".join(
        f"| {c.name} | {c.title} | {c.sql_type} | {c.element or ''} | {'●' if c.key_position else ''} | {c.classification} |"
        for c in contract.columns
    )
    return (
        f"### {contract.title} · {contract.title_en}\n\n{contract.purpose}\n\n"
        f"- 提供方 provider: {contract.provider} ({contract.provider_code})\n"
        f"- 资源代码 resource code: {contract.resource_code}\n"
        f"- 更新周期 cycle: {contract.cycle}; 同步 sync: {contract.source.sync} ({contract.source.kind})\n"
        f"- 共享 sharing: {contract.share_type} {contract.share_condition}\n\n"
        f"| column | 信息项 | type | 数据元 | key | class |\n|---|---|---|---|---|---|\n{rows}\n\n"
        f"Repair: `hub runs list {contract.dataset}`, `hub quarantine list {contract.dataset}`, `hub pull {contract.dataset}`"
    )


def _schedule(contract: Contract) -> str | None:
    """A cron line from the promised cycle; departments are spread over the hour so that not all start at once."""
    if contract.cycle_hours is None:
        return None
    minute = int(hashlib.sha256(contract.dataset.encode()).hexdigest(), 16) % 60
    fitting = [cron for hours, cron in _CRON.items() if contract.cycle_hours <= hours]
    begin = min((window(text)[0] for text in contract.source.windows), default=time(1))
    cron = (fitting[0] if fitting else "{m} {h} 1 */3 *").replace("{h}", str(begin.hour))
    return cron.replace("{m}", str(minute if not begin.minute else begin.minute))


def _clashes(hub: Hub, good: list[tuple[Path, Contract]]) -> list[Problem]:
    """What is right in each file but wrong together: a dataset or a resource code used twice."""
    held = catalog.holders(hub.ledger, {c.resource_code for _, c in good})
    codes = {code: (dataset, "the ledger") for code, dataset in held.items()}
    seen: dict[str, Path] = {}
    problems = []
    for path, contract in good:
        if contract.dataset in seen:
            problems.append(
                Problem(
                    "id",
                    f"{contract.dataset!r} stands in {seen[contract.dataset]} too",
                    "a dataset of its own",
                    str(path),
                )
            )
        seen[contract.dataset] = path
        holder, where = codes.setdefault(contract.resource_code, (contract.dataset, str(path)))
        if holder != contract.dataset:
            wrong = f"{contract.resource_code} is {holder}'s ({where})"
            problems.append(
                Problem("customProperties.resourceCode", wrong, "the next free sequence after the slash", str(path))
            )
    return problems + _rivals(hub, good)


def _rivals(hub: Hub, good: list[tuple[Path, Contract]]) -> list[Problem]:
    """Claims to be an authoritative source that another dataset has: in the ledger, or in another of these files."""
    path, example = "customProperties.authoritativeFor", "leave it out, or ask the holder to give it up"
    named = {contract.dataset for _, contract in good}
    holders = authorities.held(hub.ledger, {claim.element for _, contract in good for claim in contract.claims})
    problems = []
    claimed: dict[Claim, Contract] = {}
    for file, contract in good:
        wrong = [str(holder) for holder in authorities.clashes(holders, contract, named)]
        for claim in contract.claims:
            first = claimed.setdefault(claim, contract)
            if first.dataset != contract.dataset:
                wrong.append(
                    f"{authorities.words(claim.subject, claim.element)} is {first.dataset}'s ({first.provider})"
                )
        problems += [Problem(path, text, example, str(file)) for text in wrong]
    return problems


def _refuse_breaking(
    applied: dict[str, Contract],
    good: tuple[Contract, ...],
    moves: dict[str, tuple[diff.Change, ...]],
    because: str | None,
) -> None:
    """A breaking change wants a new major version, and no version goes back; a reason overrules both."""
    wrong: list[str] = []
    for new in good:
        old, changes = applied.get(new.dataset), moves[new.dataset]
        if old is None or because:
            continue
        before, after = versions.number(old.version), versions.number(new.version)
        if versions.kind(changes) == "breaking" and after[0] <= before[0]:
            wrong += [f"{new.dataset}: {c.path}: {c.text}" for c in changes if c.kind == "breaking"]
            wrong.append(f"{new.dataset}: version {new.version} wants to be {versions.wanted(old.version, changes)}")
        elif after < before:
            wrong.append(f"{new.dataset}: version {new.version} goes back behind {old.version}")
    if wrong:
        raise Stop(
            "breaking changes for those who read the dataset:\n  " + "\n  ".join(wrong),
            todo="raise the major version, which tells subscribers; or: hub contract apply FILE --force-because 'the reason'",
        )


def _create_pools(hub: Hub, pools: dict[str, dict[str, Any]]) -> None:
    if not hub.settings.airflow_url:
        return
    token = hub.settings.airflow_token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    try:
        with httpx.Client(base_url=hub.settings.airflow_url, headers=headers, timeout=10) as client:
            for name, pool in pools.items():
                made = client.post("/api/v2/pools", json={"name": name, **pool})
                if made.status_code != httpx.codes.CONFLICT:
                    made.raise_for_status()
    except httpx.HTTPError as error:
        raise SourceUnreachable(
            f"Airflow at {hub.settings.airflow_url} did not take the pools ({type(error).__name__})",
            todo="airflow pools import pools.json, or check HUB_AIRFLOW_URL and HUB_AIRFLOW_TOKEN",
        ) from None
