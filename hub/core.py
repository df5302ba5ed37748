"""The hub as one value: settings, databases, clock, how secrets are found and where sources may be. Every step takes it first."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.settings import Settings
from lake.durable import make_folder, write_once
from ledger import contracts
from ledger.database import Database, audit_tables, ledger_tables, subject_tables
from schemas.errors import NotFound

if TYPE_CHECKING:  # imported when they are wanted: who looks at runs does not wait for every connector
    from connectors import Connector
    from connectors.guard import Guard
    from schemas.contract import Contract, Source

Clock = Callable[[], datetime]
Secrets = Callable[[str], str]


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Hub:
    """Settings with everything opened lazily."""

    settings: Settings = field(default_factory=Settings)
    clock: Clock = utc_now
    secret: Secrets | None = None

    @cached_property
    def ledger(self) -> Database:
        """The operational database, its tables made if missing."""
        return self._open("ledger", ledger_tables)

    @cached_property
    def subjects(self) -> Database:
        """The subject store."""
        return self._open("subjects", subject_tables, mapped=True)

    @cached_property
    def audit(self) -> Database:
        """The audit database."""
        return self._open("audit", audit_tables)

    @cached_property
    def guard(self) -> "Guard":
        """Where contracts' addresses may lead."""
        from connectors.guard import Guard

        return Guard.of(self.settings.reachable, production=self.settings.production)

    def open_source(self, source: "Source", root: Path | None = None) -> "Connector":
        """The connector of a source, held to the guard; `root` holds file paths, the drop root unless said otherwise."""
        from connectors import open_source
        from hub.registration import named_secrets
        from lake import inbox

        secret = self.secret or partial(named_secrets.look_up, files=self.settings.secret_files)
        drops = root or self.settings.drops
        return open_source(source, secret=secret, root=drops, guard=self.guard, inbox=inbox.root(self.lake))

    @property
    def lake(self) -> Path:
        """Root folder of the lake."""
        return self.settings.lake_root

    def contract(self, dataset: str) -> "Contract":
        """The contract in force. Raises NotFound with the datasets that exist."""
        found = contracts.applied(self.ledger, [dataset]).get(dataset)
        if found is None:
            known = ", ".join(sorted(contracts.applied(self.ledger))) or "none is applied yet"
            raise NotFound(f"no dataset {dataset!r} (known: {known})", todo="hub contract apply FILE")
        return found

    def today(self) -> date:
        """Today in the city."""
        return self.clock().astimezone(ZoneInfo(self.settings.timezone)).date()

    def key(self, name: str) -> bytes:
        """A 32-byte key of the hub, made once and kept in HOME/keys (mode 600) unless settings give it."""
        given = self.settings.subject_key if name == "subject" else None
        if given is not None:
            return bytes.fromhex(given.get_secret_value())
        path = self._keys / f"{name}.key"
        if not path.exists():
            make_folder(path.parent)
            path.parent.chmod(0o700)
            write_once(path, secrets.token_hex(32).encode())
        return bytes.fromhex(path.read_text())

    def keys(self, name: str, *, within: timedelta | None = None) -> tuple[bytes, ...]:
        """The key in use, then those that `rotate_key` retired (no longer than `within` ago), the newest first."""
        since = "" if within is None else f"{name}.{self.clock() - within:%Y%m%dT%H%M%S%f}"
        retired = sorted((p for p in self._keys.glob(f"{name}.*.retired") if p.name >= since), reverse=True)
        return (self.key(name), *(bytes.fromhex(path.read_text()) for path in retired))

    def rotate_key(self, name: str, *, keep: timedelta | None) -> None:
        """Make a new key and retire the one in use; what was retired longer than `keep` ago is deleted (None: nothing is)."""
        self.key(name)
        stamp = f"{self.clock():%Y%m%dT%H%M%S%f}"
        (self._keys / f"{name}.key").rename(self._keys / f"{name}.{stamp}.retired")
        self.key(name)
        limit = "" if keep is None else f"{name}.{self.clock() - keep:%Y%m%dT%H%M%S%f}"
        for path in self._keys.glob(f"{name}.*.retired"):
            if path.name < limit:
                path.unlink()

    @property
    def _keys(self) -> Path:
        return self.settings.home.absolute() / "keys"

    def _open(self, name: str, tables: object, *, mapped: bool = False) -> Database:
        self.settings.home.mkdir(parents=True, exist_ok=True)
        database = Database(self.settings.database(name), tables, mapped=mapped)  # type: ignore[arg-type]
        database.create()
        return database
