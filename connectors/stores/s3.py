"""Objects in an S3 bucket: `s3://bucket`, on AWS or (`options.endpoint`) on a server that speaks its language.

The secret is "access key:secret key"; without one the bucket is asked anonymously. Nothing is taken from the environment, ~/.aws or a
cloud's metadata service. Read by Arrow's own S3 client, so nothing more is installed. It resolves names itself and follows redirects, so
it is led to the checked address through a `Tunnel`, which leads nowhere else.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.guard import Guard
from connectors.options import options
from connectors.paths import certificate
from connectors.signin import plain_url
from connectors.stores.store import FsspecStore, address
from connectors.tunnel import Tunnel
from schemas.contract import Source
from schemas.errors import HubError, SourceDenied, SourceMissing, SourceUnreachable

CONNECT_SECONDS = 10
REQUEST_SECONDS = 60
_DENIED = (
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY",
    "SIGNATURE",
    "HTTP status 401",
    "HTTP status 403",
    "INVALID_CLIENT_TOKEN",
)
_MISSING = ("NO_SUCH_BUCKET", "NO_SUCH_KEY", "RESOURCE_NOT_FOUND", "HTTP status 404")


class S3Store(FsspecStore):
    """One bucket."""

    def __init__(self, source: Source, *, secret: Callable[[str], str], root: Path, guard: Guard) -> None:
        settings = options(source)
        self.base = address(source).hostname or ""
        self.where = f"s3://{self.base}"
        self._region = str(settings.get("region") or "us-east-1")
        self._endpoint = _endpoint(settings, self._region, guard)
        self._guard = guard
        self._secret = _named(source.secret, secret)
        self._own = str(settings.get("ssl_root_cert") or "")
        self._root = root
        self._files: Any = None
        self._tunnel: Tunnel | None = None

    def __repr__(self) -> str:
        return f"S3Store({self.where})"

    def files(self) -> Any:
        """The bucket's file system."""
        if self._files is None:
            from fsspec.implementations.arrow import ArrowFSWrapper
            from pyarrow.fs import S3FileSystem

            key, _, word = self._secret().partition(":") if self._secret else ("", "", "")
            account: dict[str, Any] = {"access_key": key, "secret_key": word} if self._secret else {"anonymous": True}
            client = S3FileSystem(
                **account, **self._way(), region=self._region, connect_timeout=CONNECT_SECONDS, request_timeout=REQUEST_SECONDS
            )  # fmt: skip
            self._files = ArrowFSWrapper(client, skip_instance_cache=True)
        return self._files

    def close(self) -> None:
        """Close the way to the server."""
        self._files = None
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None

    def _way(self) -> dict[str, Any]:
        """How the client gets to the address that the guard let through."""
        scheme, host, port = self._endpoint
        trusted = {"tls_ca_file_path": certificate(self._root, self._own)} if self._own else {}
        self._tunnel = Tunnel(host, self._guard.address(host, port), port)
        named = f"[{host}]" if ":" in host else host
        return {"scheme": scheme, "endpoint_override": f"{named}:{port}", "proxy_options": self._tunnel.url, **trusted}

    @contextmanager
    def faults(self, name: str) -> Iterator[None]:
        """Calls the client's errors by ours."""
        try:
            yield
        except HubError:
            raise
        except FileNotFoundError:
            raise SourceMissing(f"{self.where} has no {name}", todo="correct location in the contract") from None
        except OSError as error:
            raise self._fault(str(error)) from None

    def _fault(self, text: str) -> HubError:
        if (self._tunnel is not None and self._tunnel.strayed) or "HTTP status 30" in text:
            return SourceDenied(f"{self.where} redirects elsewhere", todo="register the final address")
        if any(word in text for word in _DENIED):
            return SourceDenied(f"{self.where} refused the account", todo="check secretRef and its rights")
        if any(word in text for word in _MISSING):
            return SourceMissing(f"{self.where} is not there", todo="correct location in the contract")
        return SourceUnreachable(
            f"{self.where} does not answer or broke off",
            todo="check location, endpointUrl and network; the run tries again by itself",
        )


def _named(name: str | None, secret: Callable[[str], str]) -> Callable[[], str] | None:
    return (lambda: secret(name)) if name else None


def _endpoint(settings: dict[str, Any], region: str, guard: Guard) -> tuple[str, str, int]:
    """Scheme, host and port, the host held to what may be reached."""
    given = str(settings.get("endpoint") or f"https://s3.{region}.amazonaws.com")
    url = plain_url(given, "endpointUrl", guard)
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)
