"""News by mail: in both languages, waiting while the server is down, over TLS with an account, and no header smuggled in."""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message as Mail
from email.policy import default as modern
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from certificates import certificate
from events_bench import Clock, subscribe
from modes_bench import Bench

from hub.core import Hub
from hub.telling import deliver
from ledger import outbox
from ledger.outbox import Message


@dataclass
class Post:
    """A real SMTP server on this machine that keeps what it was given."""

    mails: list[Mail] = field(default_factory=list)
    accounts: list[tuple[str, bool]] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the name that the server calls
        self.mails.append(message_from_bytes(envelope.content, policy=modern))
        self.accounts.append((str(session.auth_data), session.ssl is not None))
        return "250 taken"


def free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Start = Callable[..., tuple[Post, int]]


@pytest.fixture
def post() -> Iterator[Start]:
    running: list[Controller] = []

    def start(**more: Any) -> tuple[Post, int]:
        made = Post()
        controller = Controller(made, hostname="127.0.0.1", port=free_port(), **more)
        running.append(controller)
        controller.start()
        return made, controller.port

    yield start
    for each in running:
        each.stop()


def with_mail(bench: Bench, url: str, secret: str | None = None) -> Hub:
    update = {"smtp_url": url, "smtp_from": "hub@city.example", "smtp_secret": secret}
    return replace(bench.hub, settings=bench.hub.settings.model_copy(update=update))


def test_a_department_is_told_by_mail_in_both_languages(bench: Bench, post: Start) -> None:
    taken, port = post()
    hub = with_mail(bench, f"smtp://127.0.0.1:{port}")
    subscribe(hub, "mailto:duty@civil.example", style="plain", key=None)
    bench.pull()
    assert deliver.send(hub) == 1
    (mail,) = taken.mails
    assert (mail["From"], mail["To"]) == ("hub@city.example", "duty@civil.example")
    assert str(mail["Subject"]) == "数据已发布 / load published: 登记"
    assert "登记 (things), 市局" in mail.get_content()
    assert mail["Message-ID"].endswith("@cityhub>")


def test_a_mail_server_that_is_down_or_not_set_keeps_the_mail_waiting(bench: Bench) -> None:
    subscribe(bench.hub, "mailto:duty@civil.example", style="plain", key=None)
    bench.pull()
    assert deliver.send(bench.hub) == 0
    assert [m.error for m in outbox.unsent(bench.hub.ledger)] == ["source-denied"]
    clock = bench.hub.clock
    assert isinstance(clock, Clock)
    clock.now += timedelta(minutes=2)
    assert deliver.send(with_mail(bench, "smtp://127.0.0.1:1")) == 0
    assert [m.error for m in outbox.unsent(bench.hub.ledger)] == ["ConnectionRefusedError"]


def test_an_account_signs_in_over_tls_and_never_without(
    bench: Bench, post: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path, "localhost", datetime.now(UTC))
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)

    def authenticate(_server: Any, _session: Any, _envelope: Any, _how: str, given: Any) -> AuthResult:
        good = (given.login, given.password) == (b"hub", b"canary-mail-password")
        return AuthResult(success=good, auth_data=given.login.decode())

    taken, port = post(tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticate)
    subscribe(bench.hub, "mailto:duty@civil.example", style="plain", key=None)
    bench.pull()
    hub = with_mail(bench, f"smtp+tls://localhost:{port}", "file:mail")
    assert deliver.send(replace(hub, secret=lambda _: "hub:canary-mail-password")) == 1
    assert taken.accounts == [("hub", True)]
    plain = replace(
        with_mail(bench, f"smtp://localhost:{port}", "file:mail"), secret=lambda _: "hub:canary-mail-password"
    )
    message = Message(0, "mailto:x@y.example", {"title": "t", "text": "x"}, 0, "e2")
    with plain.ledger.write() as connection:
        outbox.queue(connection, [message], plain.clock())
    assert deliver.send(plain) == 0
    assert "source-denied" in [m.error for m in outbox.unsent(plain.ledger)]


def test_an_address_cannot_smuggle_a_header_into_a_mail(bench: Bench, post: Start) -> None:
    taken, port = post()
    hub = with_mail(bench, f"smtp://127.0.0.1:{port}")
    subscribe(hub, "mailto:a@b.example%0d%0aBcc:c@d.example", style="plain", key=None)
    bench.pull()
    assert deliver.send(hub) == 0
    assert taken.mails == []
    assert len(outbox.unsent(hub.ledger)) == 1


def test_smtp_faults_are_named_without_what_the_server_said() -> None:
    fault = smtplib.SMTPRecipientsRefused({"duty@civil.example": (550, b"no such user 110101199003074610")})
    assert deliver._named(fault) == "SMTPRecipientsRefused"
