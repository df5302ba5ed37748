"""A hub with one dataset whose loads the test writes, clients whose grants it gives, and the web application over both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from httpx import Response
from serving_city import NOW, Clock, Http

from hub import web
from hub.core import Hub
from hub.settings import Settings
from lake import changes
from lake.history import History, arrow_schema
from lake.history import Load as Commit
from ledger import clients as client_store
from ledger import contracts, grants, loads
from ledger.clients import Client
from ledger.contracts import Application
from ledger.grants import Grant
from ledger.loads import Load
from schemas.contract import Column, Contract, Source, SubjectLink
from serving.services import Services

PURPOSE = "inspection"
CASE = "2026-17"
CLIENTS = ("portal", "stranger")
HOUSES = Contract(
    dataset="houses", title="房屋信息", title_en="Houses", version="1.0.0", status="active", provider="市住建局", provider_en="Housing",
    provider_code="11440300MB2C90001A", purpose="供各部门核验。", resource_code="304001/000001", share_type=2, share_condition="依法履职",
    share_modes=("api",), source=Source("csv", "file://", "houses.csv"), subjects=(SubjectLink("person", "owner"),),
    columns=(
        Column("id", "编号", "编号", key_position=1, required=True, classification="L2"),
        Column("district", "行政区", "行政区"),
        Column("owner", "产权人证件号", "产权人证件号", classification="L3"),
        Column("floors", "层数", "层数", type="integer"),
        Column("fee", "维修金", "维修金", type="decimal", precision=12, scale=2),
    ),
)  # fmt: skip
Row = Mapping[str, Any]


@dataclass
class Bench:
    """`publish` makes the dataset what it is told; `get`, `post` ask as a client."""

    hub: Hub
    services: Services
    http: Http
    clock: Clock
    contract: Contract = HOUSES
    _serial: Any = field(default_factory=count)

    @staticmethod
    def at(folder: Path, contract: Contract = HOUSES, clock: Clock | None = None, **settings: Any) -> "Bench":
        clock = clock or Clock()
        for name in ("subjects", "forms"):
            (folder / "declarations" / name).mkdir(parents=True, exist_ok=True)
        hub = Hub(
            Settings(home=folder, declarations=folder / "declarations", api_url="http://hub.test", **settings), clock
        )
        contracts.apply(hub.ledger, [Application(contract, "", "1")], at=NOW)
        for name in CLIENTS:
            client_store.put(hub.ledger, Client(name, name, name, "-"), NOW)
        services = web.services(hub)
        return Bench(hub, services, Http(web.create_app(services)), clock, contract)

    def publish(self, rows: Sequence[Row] | pa.Table) -> int:
        """A load that makes current these rows; its number."""
        contract, history = self.contract, History(self.hub.lake, self.contract.dataset)
        load = history.number + 1
        history.prepare(contract)
        schema = pa.schema([f for f in arrow_schema(contract.columns) if not f.name.startswith("_")])
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            given = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([dict(row) for row in rows], schema)
            con.register("given", given)
            con.execute("CREATE TABLE wanted AS SELECT *, (hash(given) // 4)::BIGINT AS _hash FROM given")
            run = f"run{load}-{next(self._serial)}"
            found = changes.restate(con, self.hub.lake, contract, load=load, run=run, first_seq=load << 32)
        at = self.clock().isoformat()
        facts = Commit(
            contract.dataset,
            load,
            run,
            load,
            "pull",
            at,
            at,
            None,
            found.rows,
            found.changed,
            found.counts,
            key=contract.key,
        )
        history.commit(facts, found.file, contract)
        loads.tell(self.hub.ledger, Load(contract.dataset, load, run, self.clock(), found.rows, found.counts))
        return load

    def allow(self, id_: str = "g1", **changes: Any) -> Grant:
        base = Grant(id_, "portal", "dataset", self.contract.dataset, PURPOSE, "duty", NOW - timedelta(days=1))
        return grants.allow(self.hub.ledger, replace(base, **changes), NOW)

    def token(self, client: str = "portal") -> str:
        return self.services.sign_in._tokens.issue(client, now=self.clock(), jti=f"t{next(self._serial)}").access_token

    def get(self, path: str, client: str = "portal", **query: Any) -> Response:
        asked = {"purpose": PURPOSE, "case": CASE, **query}
        return self.http.get(
            path, params={k: v for k, v in asked.items() if v is not None}, headers=self._headers(client)
        )

    def post(self, path: str, client: str = "portal", **body: Any) -> Response:
        asked = {"purpose": PURPOSE, "case": CASE, **body}
        return self.http.post(
            path, json={k: v for k, v in asked.items() if v is not None}, headers=self._headers(client)
        )

    def _headers(self, client: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(client)}"}
