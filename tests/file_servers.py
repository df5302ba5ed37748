"""Real servers of files on 127.0.0.1, each over one folder: HTTP, SFTP (asyncssh's server) and as much of S3 as a reader asks for.

The S3 one checks each request's signature (AWS Signature Version 4) and answers in pages of two keys.
"""

import asyncio
import hashlib
import hmac
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

import asyncssh

USER, PASSWORD = "hub", "pa:ss-word-nobody-may-see-7f3a"


@dataclass
class Served:
    """A running server: its port, what was asked of it, and how it is to misbehave."""

    root: Path
    port: int = 0
    key: str = ""
    asked: list[str] = field(default_factory=list)
    cut: int | None = None
    status: int | None = None
    elsewhere: str = "http://127.0.0.1:1/elsewhere"


@contextmanager
def web(root: Path, token: str = "") -> Iterator[Served]:
    """HTTP over a folder; with a token only for those who bring it."""
    served = Served(root)

    class Handler(_Handler):
        def answer(self) -> None:
            served.asked.append(f"{self.command} {self.path}")
            url = urlsplit(self.path)
            file = root / unquote(url.path).lstrip("/")
            if served.status:
                self.say(served.status, b"", {"Location": served.elsewhere})
            elif token and self.headers.get("Authorization") != f"Bearer {token}":
                self.say(401)
            elif not file.is_file():
                self.say(404)
            else:
                headers = {"ETag": f'"{_digest(file)}"', "Last-Modified": formatdate(file.stat().st_mtime, usegmt=True)}
                self.say(200, file.read_bytes(), headers, cut=served.cut)

    with _running(Handler) as served.port:
        yield served


@contextmanager
def s3(root: Path, key: str = USER, word: str = PASSWORD, tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Buckets are the folders below `root`. An unsigned request is anonymous, and may read the bucket `public`."""
    served = Served(root)

    class Handler(_Handler):
        def answer(self) -> None:
            served.asked.append(f"{self.command} {self.path}")
            url = urlsplit(self.path)
            bucket, _, name = unquote(url.path).lstrip("/").partition("/")
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            fault = self.fault(bucket)
            if served.status:
                self.say(served.status, b"", {"Location": served.elsewhere, "x-amz-bucket-region": "eu-west-9"})
            elif fault:
                self.say(403, _xml(f"<Error><Code>{fault}</Code></Error>"))
            elif not (root / bucket).is_dir():
                self.say(404, _xml("<Error><Code>NoSuchBucket</Code></Error>"))
            elif name:
                self.give(root / bucket / name)
            else:
                self.say(200, _listing(root / bucket, query))

        def fault(self, bucket: str) -> str:
            signed = self.headers.get("Authorization")
            if not signed:
                return "" if bucket == "public" else "AccessDenied"
            if f"Credential={key}/" not in signed:
                return "InvalidAccessKeyId"
            return "" if _signature(self, word) == signed.rpartition("Signature=")[2] else "SignatureDoesNotMatch"

        def give(self, file: Path) -> None:
            if not file.is_file():
                self.say(404, _xml("<Error><Code>NoSuchKey</Code></Error>"))
                return
            body = file.read_bytes()
            headers = {"ETag": f'"{_digest(file)}"', "Last-Modified": formatdate(file.stat().st_mtime, usegmt=True)}
            span = self.headers.get("Range", "").removeprefix("bytes=")
            if span:
                first, last = (int(n) for n in span.split("-"))
                headers["Content-Range"] = f"bytes {first}-{min(last, len(body) - 1)}/{len(body)}"
                body = body[first : last + 1]
            self.say(206 if span else 200, body, headers, cut=served.cut)

    with _running(Handler, tls) as served.port:
        yield served


@contextmanager
def sftp(root: Path, client_key: asyncssh.SSHKey | None = None) -> Iterator[Served]:
    """SFTP over a folder, for one account by password or key; the folder is its root."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    served = Served(root, key=host_key.export_public_key().decode())

    class Account(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return client_key is None

        def validate_password(self, username: str, password: str) -> bool:
            served.asked.append(f"password of {username}")
            return (username, password) == (USER, PASSWORD)

        def public_key_auth_supported(self) -> bool:
            return client_key is not None

        def validate_public_key(self, _username: str, key: asyncssh.SSHKey) -> bool:
            return client_key is not None and key == client_key.convert_to_public()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            Account, "127.0.0.1", 0, server_host_keys=[host_key], encoding=None,
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(root).encode()),
        )  # fmt: skip

    async def end() -> None:
        server.close()
        await server.wait_closed()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), 10)

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
    served.port = server.get_port()
    try:
        yield served
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def say(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, *, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
            self.close_connection = cut is not None

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def _running(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _digest(file: Path) -> str:
    return hashlib.md5(file.read_bytes()).hexdigest()


def _xml(text: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _listing(bucket: Path, query: dict[str, str]) -> bytes:
    """ListObjectsV2."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    keys = [path.relative_to(bucket).as_posix() for path in bucket.rglob("*") if path.is_file()]
    rows: dict[str, str] = {}
    for key in keys:
        rest = key[len(prefix) :]
        if not key.startswith(prefix):
            continue
        if delimiter and delimiter in rest:
            folder = prefix + rest.partition(delimiter)[0] + delimiter
            rows[folder] = f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
        else:
            size = (bucket / key).stat().st_size
            moment = "2026-05-01T08:00:00.000Z"
            rows[key] = (
                f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size><LastModified>{moment}</LastModified></Contents>"
            )
    names = sorted(name for name in rows if name > query.get("continuation-token", ""))
    page = names[: min(2, int(query.get("max-keys", 2)))]
    more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(page) < len(names) else ""
    return _xml(
        f"<ListBucketResult><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
        f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{''.join(rows[name] for name in page)}</ListBucketResult>"
    )


def _signature(request: BaseHTTPRequestHandler, word: str) -> str:
    """AWS Signature Version 4 of a request."""
    given = dict(part.strip().split("=", 1) for part in request.headers["Authorization"].split(" ", 1)[1].split(","))
    scope = given["Credential"].split("/")[1:]
    url = urlsplit(request.path)
    pairs = sorted(
        (quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(url.query, keep_blank_values=True)
    )
    names = given["SignedHeaders"].split(";")
    canonical = "\n".join(
        [
            request.command, url.path, "&".join(f"{k}={v}" for k, v in pairs),
            *(f"{name}:{' '.join(request.headers[name].split())}" for name in names), "",
            given["SignedHeaders"], request.headers["x-amz-content-sha256"],
        ]
    )  # fmt: skip
    text = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            request.headers["x-amz-date"],
            "/".join(scope),
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    key = b"AWS4" + word.encode()
    for part in [*scope, text]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()
