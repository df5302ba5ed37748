"""From a department's files elsewhere, packed and in GB 18030, to published and set-aside rows that name their member."""

import gzip
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import file_servers
from file_servers import PASSWORD, USER
from modes_bench import Bench

from hub.core import Hub
from lake import landing, quarantine

HEADER = "编号,姓名,状态,数,at\n"


@dataclass
class Fetched(Bench):
    """A bench whose contract names any server block."""

    block: dict[str, Any] | None = None
    says: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.hub = Hub(self.hub.settings, secret=lambda _: f"{USER}:{PASSWORD}")

    def _server(self) -> dict[str, Any]:
        listed = [{"property": k, "value": v, "vendor": "cityhub"} for k, v in (self.says or {}).items()]
        return {"server": "source", **(self.block or {}), "customProperties": listed}

    def files_set_aside(self) -> dict[str, tuple[str, int]]:
        with duckdb.connect() as con:
            quarantine.create_view(con, self.hub.lake, "things", "q")
            rows = con.execute("SELECT delivered->>'编号', _file, _row FROM q").fetchall()
        return {key: (file, row) for key, file, row in rows}


def record(number: int, amount: object = 1, name: str = "甲") -> str:
    return f"{number},{name},有效,{amount},2026-03-01 08:00:00\n"


def test_an_archives_members_are_files_of_one_delivery_and_it_lands_as_it_came(tmp_path: Path) -> None:
    block = {"type": "local", "path": "*.zip", "format": "csv", "encoding": "GB18030"}
    bench = Fetched(tmp_path, block=block, says={"syncMode": "snapshot"})
    bench.apply()
    with zipfile.ZipFile(bench.drop / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("二区.csv", (HEADER + record(2, name="乙䶮") + record(3, "much")).encode("gb18030"))
        archive.writestr("一区.csv", (HEADER + record(1) + record(2, name="甲")).encode("gb18030"))
    run = bench.pull()
    assert sorted(bench.current()) == ["1", "2"]
    assert bench.files_set_aside() == {"3": ("a.zip/二区.csv", 2)}
    landed = landing.manifest(bench.hub.lake, "things", run.run)
    assert landed is not None
    ((file, path),) = landing.files(bench.hub.lake, landed)
    assert (file.source, path.read_bytes()) == ("a.zip", (bench.drop / "a.zip").read_bytes())


def test_packed_files_on_an_sftp_server_are_pulled_once_each(tmp_path: Path) -> None:
    folder = tmp_path / "served" / "daily"
    folder.mkdir(parents=True)
    with file_servers.sftp(folder.parent) as served:
        location = f"sftp://127.0.0.1:{served.port}/daily/*.csv.gz"
        says = {"syncMode": "append", "secretRef": "env:FILES", "options": {"hostKey": served.key, "done": ".ok"}}
        bench = Fetched(tmp_path, block={"type": "sftp", "location": location, "format": "csv"}, says=says)
        bench.apply()
        for day in (1, 2):
            (folder / f"{day}.csv.gz").write_bytes(gzip.compress((HEADER + record(day)).encode("gb18030")))
            (folder / f"{day}.csv.gz.ok").touch()
            counts = bench.pull().facts["counts"]
            assert (counts["delivered"], counts["new"]) == (1, 1)
    assert sorted(bench.current()) == ["1", "2"]
