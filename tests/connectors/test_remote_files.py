"""Files on real servers of each kind, on 127.0.0.1: what is read, what is refused, what is said."""

import json
import logging
import os
import ssl
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import file_servers
import pytest
import servers
from certificates import certificate
from connector_stages import Delivery, deliver
from faults_proxy import Proxy
from file_servers import PASSWORD, USER, Served

from connectors import open_source
from connectors.guard import Guard
from schemas.contract import Source
from schemas.errors import ContractInvalid, Retry, SourceDenied, SourceMissing, SourceUnreachable

NOW = datetime.now(UTC)


@dataclass
class Place:
    """One kind of server over `root`, and how a contract names a file on it."""

    root: Path
    served: Served
    url: str
    secret: str
    options: dict[str, Any] = field(default_factory=dict)
    clock: datetime = NOW

    def source(self, table: str, **changes: Any) -> Source:
        return replace(Source("csv", self.url, table, secret="env:ACCOUNT", options=self.options), **changes)

    def open(self, source: Source, secret: str | None = None, guard: Guard | None = None) -> Any:
        return open_source(
            source, secret=lambda _: self.secret if secret is None else secret, root=self.root,
            clock=lambda: self.clock, guard=guard or Guard(),
        )  # fmt: skip

    def deliver(self, table: str, watermark: str | None = None, guard: Guard | None = None, **changes: Any) -> Delivery:
        source = self.source(table, **changes)
        return deliver(self.open(source, guard=guard), source, (), watermark, self.root.parent / "landed")

    def write(self, name: str, text: str, encoding: str = "utf-8") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(encoding))
        return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "served" / "civil").mkdir(parents=True)
    return tmp_path / "served"


@pytest.fixture
def sftp(root: Path) -> Iterator[Place]:
    with file_servers.sftp(root / "civil") as served:
        url = f"sftp://127.0.0.1:{served.port}"
        yield Place(root / "civil", served, url, f"{USER}:{PASSWORD}", {"hostKey": f"127.0.0.1 {served.key}"})


@pytest.fixture
def s3(root: Path) -> Iterator[Place]:
    with file_servers.s3(root) as served:
        options = {"endpoint": f"http://127.0.0.1:{served.port}"}
        yield Place(root / "civil", served, "s3://civil", f"{USER}:{PASSWORD}", options)


@pytest.fixture
def web(root: Path) -> Iterator[Place]:
    with file_servers.web(root / "civil", token=PASSWORD) as served:
        yield Place(root / "civil", served, f"http://127.0.0.1:{served.port}", PASSWORD)


@pytest.fixture(params=["sftp", "s3", "web"])
def place(request: pytest.FixtureRequest) -> Place:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["sftp", "s3"])
def folder(request: pytest.FixtureRequest) -> Place:
    return request.getfixturevalue(request.param)


NAME = "daily/登记 表#1%20.csv"


def test_a_file_is_read_from_every_kind_of_server(place: Place) -> None:
    written = place.write(NAME, "编号,名\n1,甲\n", "gb18030")
    delivery = place.deliver(NAME)
    assert delivery.records == [{"_row": 1, "编号": "1", "名": "甲"}]
    assert delivery.parts == [NAME]
    assert (delivery.complete, delivery.consistent) == (True, True)
    assert f"{NAME} is taken for GB18030" in delivery.note
    with place.open(place.source(NAME)) as connector:
        probe = connector.probe()
        assert probe.tables == (NAME,)
        assert PASSWORD not in repr(probe) + repr(connector) + repr(connector.store)
        assert "GB18030" in probe.note
        assert [column.name for column in connector.describe(NAME)] == ["编号", "名"]
        assert connector.sample(NAME, 1).to_pylist() == [{"编号": "1", "名": "甲"}]
        with connector.read((), None) as reading:
            assert [b"".join(part.chunks or ()) for part in reading.parts()] == [written.read_bytes()]


def test_a_large_file_arrives_whole_and_only_its_start_is_asked_for_to_describe_it(place: Place) -> None:
    written = place.write("large.csv", "id,note\n" + "".join(f"{i},某{i}\n" for i in range(400_000)))
    with place.open(place.source("large.csv")) as connector:
        assert [column.name for column in connector.describe("large.csv")] == ["id", "note"]
        with connector.read((), None) as reading:
            assert [b"".join(part.chunks or ()) for part in reading.parts()] == [written.read_bytes()]


def test_patterns_find_files_in_folders_and_markers_count(folder: Place) -> None:
    for day in (1, 2, 3):
        folder.write(f"2026/0{day}/a.csv", f"id\n{day}\n")
    folder.write("2026/note.txt", "x")
    folder.write("2026/04/b.csv", "id\n4\n")
    assert folder.deliver("2026/*/a.csv").values("id") == ["3"]
    assert folder.deliver("2026/0[12]/?.csv", sync="append").values("id") == ["1", "2"]
    assert folder.deliver("**/*.csv", sync="append").values("id") == ["1", "2", "3", "4"]
    (folder.root / "2026/02/a.csv.ok").touch()
    assert folder.deliver("2026/*/*.csv", options={**folder.options, "done": ".ok"}).values("id") == ["2"]
    for absent in ("2026/05/*.csv", "2025/*/*.csv", "2026/04/c.csv", "2026/04"):
        with pytest.raises(SourceMissing, match=r"no file 202"):
            folder.deliver(absent)


def test_new_content_is_found_whatever_its_name_and_known_content_is_not_read_again(place: Place) -> None:
    path = place.write("a.csv", "id\n1\n")
    os.utime(path, (path.stat().st_mtime - 7200,) * 2)
    first = place.deliver("a.csv", sync="append")
    assert first.values("id") == ["1"]
    place.served.asked.clear()
    second = place.deliver("a.csv", first.watermark, sync="append")
    assert (second.records, second.watermark) == ([], first.watermark)
    assert not [asked for asked in place.served.asked if asked.startswith("GET") and "list-type" not in asked]
    path = place.write("a.csv", "id\n2\n")
    os.utime(path, (path.stat().st_mtime - 7000,) * 2)
    if not place.url.startswith("s3"):  # that server says one date for all
        assert place.deliver("a.csv", second.watermark, sync="append").values("id") == ["2"]


def test_a_state_too_young_to_be_trusted_costs_a_second_look(sftp: Place) -> None:
    path = sftp.write("a.csv", "id\n1\n")
    moment = path.stat().st_mtime
    first = sftp.deliver("*.csv", sync="append")
    assert json.loads(first.watermark or "")["a.csv"][1] == ""
    path.write_text("id\n2\n")
    os.utime(path, (moment, moment))  # of the same size, within the same second
    second = sftp.deliver("*.csv", first.watermark, sync="append")
    assert second.values("id") == ["2"]
    sftp.clock = NOW + timedelta(hours=2)
    third = sftp.deliver("*.csv", second.watermark, sync="append")
    assert third.records == []
    assert json.loads(third.watermark or "")["a.csv"][1] != ""


def test_two_files_of_one_content_are_one(folder: Place) -> None:
    folder.write("a.csv", "id\n1\n")
    folder.write("b.csv", "id\n1\n")
    delivery = folder.deliver("*.csv", sync="append")
    assert delivery.parts == ["a.csv"]
    assert set(json.loads(delivery.watermark or "")) == {"a.csv", "b.csv"}


def test_archives_are_read_from_servers_too(place: Place, tmp_path: Path) -> None:
    import gzip

    (place.root / "a.csv.gz").write_bytes(gzip.compress(b"id\n1\n"))
    assert place.deliver("a.csv.gz").values("id") == ["1"]
    with place.open(place.source("a.csv.gz")) as connector:
        assert connector.sample("a.csv.gz", 1).to_pylist() == [{"id": "1"}]


def test_a_wrong_account_is_denied_and_shown_nowhere(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    place.write("a.csv", "id\n1\n")
    wrong = "wr0ng-pass-word" if "http" in place.url else f"{USER}:wr0ng-pass-word"
    with place.open(place.source("a.csv"), secret=wrong) as connector:
        with pytest.raises(SourceDenied, match=r"refused the account") as caught:
            connector.probe()
        shown = "".join(traceback.format_exception(caught.value)) + repr(connector) + repr(vars(connector.store))
    assert "wr0ng" not in shown + caplog.text


def test_a_right_account_is_shown_nowhere_either(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    place.write("a.csv", "id\n1\n")
    with place.open(place.source("a.csv")) as connector:
        connector.probe()
        files = getattr(connector.store, "_files", None)
        shown = repr(vars(connector.store)) + repr(files and (files.storage_options, files.storage_args))
    assert PASSWORD not in shown + caplog.text


def test_what_is_not_there_is_named(place: Place) -> None:
    place.write("daily/present.csv", "id\n")
    with pytest.raises(SourceMissing, match=r"no file daily/absent\.csv") as caught:
        place.deliver("daily/absent.csv")
    assert ("present.csv" in str(caught.value)) == (not place.url.startswith("http"))


def test_a_server_that_does_not_answer_is_unreachable(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    port = servers.free_port()
    changes: dict[str, Any] = {"url": f"{place.url.partition('://')[0]}://127.0.0.1:{port}"}
    if place.url.startswith("s3"):
        changes = {"options": {"endpoint": f"http://127.0.0.1:{port}"}}
    monkeypatch.setattr("connectors.wire.TRIES", 1)
    with pytest.raises(SourceUnreachable):
        place.deliver("a.csv", **changes)


def test_a_transfer_that_breaks_off_is_to_be_tried_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write("a.csv", "id\n" + "1\n" * 1000)
    if place.url.startswith("sftp"):
        monkeypatch.setattr("connectors.stores.store.FsspecStore.chunks", lambda *_: iter([b"id\n"]))
    place.served.cut = 500
    with place.open(place.source("a.csv")) as connector, connector.read((), None) as reading:
        part = next(reading.parts())
        with pytest.raises((SourceUnreachable, Retry)):
            list(part.chunks or ())
        with pytest.raises(RuntimeError, match="after all parts"):
            _ = reading.watermark


def test_a_file_replaced_while_it_is_read_is_to_be_tried_again(place: Place) -> None:
    place.write("a.csv", "id\n1\n")
    with place.open(place.source("a.csv")) as connector, connector.read((), None) as reading:
        part = next(reading.parts())
        next(part.chunks or iter(()))
        place.write("a.csv", "id\n1\n2\n")
        with pytest.raises(Retry, match="changed while it was read"):
            list(part.chunks or ())


@pytest.mark.parametrize("table", ["../secret.csv", "daily/../../secret.csv"])
def test_a_path_that_climbs_is_refused(place: Place, table: str) -> None:
    with pytest.raises(SourceDenied, match="out of"):
        place.deliver(table)


def test_no_address_is_reached_that_the_guard_does_not_let_through(place: Place) -> None:
    place.write("a.csv", "id\n1\n")
    production = Guard.of("10.0.0.0/8", production=True)
    with pytest.raises((ContractInvalid, SourceDenied), match="is this machine itself"):
        place.open(place.source("a.csv"), guard=production)
    elsewhere = place.source("a.csv", url=place.url.replace("127.0.0.1", "files.civil.example"))
    if place.url.startswith("s3"):
        elsewhere = place.source("a.csv", options={"endpoint": "http://files.civil.example"})
    resolved: list[str] = []

    def resolve(host: str, port: int) -> tuple[str, ...]:
        resolved.append(host)
        return ("169.254.169.254",)

    with (
        place.open(elsewhere, guard=Guard(resolve=resolve)) as connector,
        pytest.raises(SourceDenied, match=r"leads to 169\.254\.169\.254"),
    ):
        connector.probe()
    assert resolved == ["files.civil.example"]


def test_a_server_with_another_key_gets_no_password(sftp: Place) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    sftp.write("a.csv", "id\n1\n")
    with pytest.raises(SourceDenied, match="is another server"):
        sftp.deliver("a.csv", options={"hostKey": other})
    assert sftp.served.asked == []
    sftp.deliver("a.csv")
    assert sftp.served.asked == [f"password of {USER}"]


@pytest.mark.parametrize("options", [{}, {"hostKey": "AAAA"}, {"hostKey": "ssh-ed25519 AAAA"}])
def test_sftp_wants_the_servers_key_and_an_account(sftp: Place, options: dict[str, str]) -> None:
    with pytest.raises(ContractInvalid, match="hostKey"):
        sftp.deliver("a.csv", options=options)
    with pytest.raises(ContractInvalid, match="secretRef"):
        sftp.deliver("a.csv", secret=None)


def test_a_private_key_signs_in_as_well(root: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    with file_servers.sftp(root / "civil", client_key=key) as served:
        url, secret = f"sftp://127.0.0.1:{served.port}", f"{USER}:{key.export_private_key().decode()}"
        place = Place(root / "civil", served, url, secret, {"hostKey": served.key})
        place.write("a.csv", "id\n1\n")
        assert place.deliver("a.csv").values("id") == ["1"]
        place.secret = f"{USER}:-----BEGIN no key"
        with pytest.raises(SourceDenied, match="private key cannot be read"):
            place.deliver("a.csv")


def test_a_public_bucket_is_read_without_an_account_and_a_private_one_is_not(s3: Place, root: Path) -> None:
    (root / "public").mkdir()
    (root / "public/a.csv").write_text("id\n1\n")
    assert s3.deliver("a.csv", url="s3://public", secret=None).values("id") == ["1"]
    s3.write("a.csv", "id\n1\n")
    with pytest.raises(SourceDenied, match="refused the account"):
        s3.deliver("*.csv", secret=None)
    with pytest.raises(SourceMissing, match="s3://absent is not there"):
        s3.deliver("*.csv", url="s3://absent")


@pytest.mark.parametrize("around", ["", "*"])
def test_a_bucket_over_tls_is_asked_at_the_checked_address_and_by_its_name(
    root: Path, around: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is nobody's: a client that resolved it itself would find nothing, whatever the environment says of proxies."""
    monkeypatch.setenv("no_proxy", around)
    trusted, key = certificate(root / "civil", "files.civil.example", NOW)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, key)
    asked: list[str] = []

    def resolve(host: str, _port: int) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",)

    with file_servers.s3(root, tls=context) as served:
        options = {"endpoint": f"https://files.civil.example:{served.port}", "sslRootCert": trusted.name}
        place = Place(root / "civil", served, "s3://civil", f"{USER}:{PASSWORD}", options)
        place.write("a.csv", "id\n1\n")
        assert place.deliver("*.csv", guard=Guard(resolve=resolve)).values("id") == ["1"]
        assert asked == ["files.civil.example"]
        other = {**options, "endpoint": f"https://elsewhere.example:{served.port}"}
        with pytest.raises(SourceUnreachable):
            place.deliver("*.csv", options=other, guard=Guard(resolve=resolve))


def test_the_environment_lends_no_account(s3: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", USER)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    s3.write("a.csv", "id\n1\n")
    with pytest.raises(SourceDenied):
        s3.deliver("*.csv", secret=None)


@pytest.mark.parametrize(
    ("status", "error"),
    [(302, SourceDenied), (403, SourceDenied), (404, SourceMissing), (410, SourceMissing), (503, SourceUnreachable)],
)
def test_what_a_web_server_answers_is_called_by_its_name(
    web: Place, status: int, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.wire.TRIES", 1)
    web.write("a.csv", "id\n1\n")
    web.served.status = status
    with pytest.raises(error):
        web.deliver("a.csv")
    assert len(web.served.asked) == 1  # nobody was followed


def test_a_web_servers_files_take_fixed_parameters_and_no_pattern(web: Place) -> None:
    web.write("rows.csv", "id\n1\n")
    web.deliver("rows.csv", options={"params": {"accessType": "DOWNLOAD"}})
    assert set(web.served.asked) == {f"{method} /rows.csv?accessType=DOWNLOAD" for method in ("GET", "HEAD")}
    with pytest.raises(ContractInvalid, match="lists no files"):
        web.deliver("*.csv")


@pytest.mark.parametrize("table", ["a.csv", "*.csv"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_bucket_that_redirects_leads_the_hub_nowhere(s3: Place, status: int, table: str) -> None:
    """Arrow's client follows redirects, so it is let go to one address only."""
    s3.write("a.csv", "id\n1\n")
    with file_servers.web(s3.root) as inner:
        s3.served.status, s3.served.elsewhere = status, f"http://127.0.0.1:{inner.port}/a.csv"
        with pytest.raises(SourceDenied, match="redirects elsewhere"):
            s3.deliver(table)
        assert inner.asked == []


def test_a_bucket_is_asked_by_its_name_at_the_checked_address_without_tls_too(s3: Place) -> None:
    s3.write("a.csv", "id\n1\n")
    resolved: list[str] = []

    def once(host: str, _port: int) -> tuple[str, ...]:
        resolved.append(host)
        return ("127.0.0.1",) if len(resolved) == 1 else ("127.0.0.99",)

    options = {"endpoint": f"http://files.civil.example:{s3.served.port}"}
    assert s3.deliver("*.csv", options=options, guard=Guard(resolve=once)).values("id") == ["1"]
    assert resolved == ["files.civil.example"]
    assert all(asked.startswith(("GET /", "HEAD /")) for asked in s3.served.asked)


@pytest.mark.parametrize("place", ["web", "sftp"], indirect=True)
def test_a_server_that_falls_silent_is_given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.stores.sftp.ALIVE_SECONDS", 0.3)
    place.write("a.csv", "id\n" + "1\n" * 500_000)
    with Proxy(place.served.port).serving() as proxy:
        proxy.set(0, 200_000, "silence", everywhere=True)
        url = place.url.replace(str(place.served.port), str(proxy.port))
        options = place.options if "hostKey" in place.options else {"timeout": 1.0}
        with pytest.raises(SourceUnreachable):
            place.deliver("a.csv", url=url, options=options)
        assert proxy.fired
