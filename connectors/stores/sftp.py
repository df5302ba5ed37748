"""Files on an SFTP server: `sftp://host:port`, paths from the server's root.

`options.hostKey` is the server's public key (`ssh-ed25519 AAAA…`, as `ssh-keyscan HOST` prints it): another server is refused before any
secret is sent. The secret is "user:password", or "user:" and a private key in OpenSSH's or PEM form. Nothing is taken from ~/.ssh, an
agent or the environment. The connection goes to the address that the guard checked.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from connectors.guard import Guard
from connectors.options import options
from connectors.stores.store import FsspecStore, address
from schemas.contract import Source
from schemas.errors import ContractInvalid, HubError, Problem, SourceDenied, SourceMissing, SourceUnreachable

PORT = 22
CONNECT_SECONDS = 20
ALIVE_SECONDS = 15
_KEY = "-----BEGIN"


class SftpStore(FsspecStore):
    """One account on one server."""

    base = "/"

    def __init__(self, source: Source, *, secret: Callable[[str], str], guard: Guard) -> None:
        parts = address(source)
        self.host, self.port = parts.hostname or "", parts.port or PORT
        self.where = f"sftp://{self.host}:{self.port}"
        guard.check(self.host)
        self._guard = guard
        self._key = str(options(source).get("host_key") or "")
        if not source.secret:
            _invalid("customProperties.secretRef", "SFTP wants an account", 'value: "env:NAME" with user:password')
        if not self._key:
            _invalid("customProperties.options.hostKey", f"the public key of {self.host} is wanted",
                     f'hostKey: "ssh-ed25519 AAAA…", as ssh-keyscan {self.host} prints it')  # fmt: skip
        self._secret: Callable[[], str] = lambda: secret(source.secret or "")
        self._files: Any = None

    def __repr__(self) -> str:
        return f"SftpStore({self.where})"

    def files(self) -> Any:
        """The server's file system."""
        if self._files is None:
            self._files = self._connect()
        return self._files

    def close(self) -> None:
        """End the session."""
        files, self._files = self._files, None
        if files is not None:
            with suppress(OSError):  # a time-out too: whoever is gone need not be told
                asyncio.run_coroutine_threadsafe(_end(files), files.loop).result(CONNECT_SECONDS)

    def _connect(self) -> Any:
        try:
            import asyncssh
            from sshfs import SSHFileSystem
        except ModuleNotFoundError:
            raise SourceMissing("the SFTP client is not installed", todo="pip install 'cityhub[sftp]'") from None
        trusted: tuple[list[Any], ...] = ([self._public(asyncssh)], [], [])
        account = self._account(asyncssh)
        return SSHFileSystem(
            self.host, port=self.port, sock=self._guard.connect(self.host, self.port, CONNECT_SECONDS),
            known_hosts=trusted, options=account, config=None, skip_instance_cache=True,
        )  # fmt: skip

    def _account(self, ssh: Any) -> Any:
        """How to sign in; held by an object, for what fsspec is given as plain values it keeps and shows."""
        user, _, word = self._secret().partition(":")
        plain: dict[str, Any] = {"password": word, "client_keys": None}
        if word.lstrip().startswith(_KEY):
            try:
                plain = {"password": None, "client_keys": [ssh.import_private_key(word.strip() + "\n")]}
            except ssh.KeyImportError:
                raise SourceDenied("the private key cannot be read", todo="give one without a passphrase") from None
        return ssh.SSHClientConnectionOptions(
            username=user, agent_path=None, config=None, connect_timeout=CONNECT_SECONDS, login_timeout=CONNECT_SECONDS,
            keepalive_interval=ALIVE_SECONDS, **plain,
        )  # fmt: skip

    def _public(self, ssh: Any) -> Any:
        words = self._key.split()
        try:
            found = next(place for place, word in enumerate(words) if word.startswith(("ssh-", "ecdsa-", "sk-")))
            return ssh.import_public_key(" ".join(words[found : found + 2]))
        except (StopIteration, ssh.KeyImportError):
            _invalid("customProperties.options.hostKey", "is no public key", 'hostKey: "ssh-ed25519 AAAA…"')

    @contextmanager
    def faults(self, name: str) -> Iterator[None]:
        """Calls the client's errors by ours."""
        try:
            yield
        except HubError:
            raise
        except FileNotFoundError:
            raise SourceMissing(f"{self.where} has no {name}", todo="correct location in the contract") from None
        except Exception as error:
            fault = self._fault(name, error)
            if fault is None:
                raise
            raise fault from None

    def _fault(self, name: str, error: Exception) -> HubError | None:
        import asyncssh

        match error:
            case asyncssh.HostKeyNotVerifiable() | asyncssh.KeyExchangeFailed():
                return SourceDenied(f"{self.where} is another server: its key is not options.hostKey",
                                    todo="ask the department whether its key has changed; then correct hostKey")  # fmt: skip
            case asyncssh.SFTPPermissionDenied():
                return SourceDenied(f"{self.where}: the account may not read {name}", todo="ask for the right to read")
            case PermissionError() | asyncssh.PermissionDenied():
                return SourceDenied(f"{self.where} refused the account", todo="check secretRef")
            case OSError() | asyncssh.Error() | TimeoutError() | ssl.SSLError():
                return SourceUnreachable(f"{self.where} does not answer or broke off ({type(error).__name__})",
                                         todo="check host, port and network; the run tries again by itself")  # fmt: skip
        return None


async def _end(files: Any) -> None:
    files.client.close()
    await files.client.wait_closed()


def _invalid(path: str, wrong: str, right: str) -> NoReturn:
    raise ContractInvalid([Problem(f"servers[0].{path}", wrong, right)])
