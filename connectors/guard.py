"""Where an address that a contract names may lead: held to an allow-list, resolved once, and connected to as it was checked.

1. `check` looks at the form when a contract is checked or applied: a plain name or address; no list, socket path or number in disguise.
2. `address` resolves the name at connect time and lets through only addresses that may be reached. What it returns is an IP address,
   and the connection goes there: a name that resolves to something else a moment later (DNS rebinding) changes nothing.
3. `connect` and `transport` do so for a socket and for httpx, with the name kept for `Host`, SNI and the certificate.

Link-local, metadata, multicast, unspecified and reserved addresses are refused always; this machine itself in production. Production
wants every address named (`HUB_REACHABLE`); elsewhere an empty list lets all others through.
"""

import re
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

from schemas.errors import ContractInvalid, Problem, SourceDenied, SourceUnreachable, Stop

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], tuple[str, ...]]
CONNECT_SECONDS = 10.0

# Where clouds answer their own machines with credentials, beside the link-local ones: Alibaba, Azure, Oracle, AWS and Google by IPv6.
_METADATA = frozenset(
    map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_NAT64 = IPv6Network("64:ff9b::/96")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_TODO = "name another address, or let the operator add it to HUB_REACHABLE"


def system_resolver(host: str, port: int) -> tuple[str, ...]:
    """The addresses of a name, as the machine's own resolver gives them."""
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


@dataclass(frozen=True)
class Guard:
    """What may be reached: `networks`, and hosts by `names` (`*.gov.example` is any host below).

    The default is that of a developer's machine: loopback and all ordinary addresses.
    """

    production: bool = False
    networks: tuple[Network, ...] = ()
    names: tuple[str, ...] = ()
    resolve: Resolver = system_resolver

    @classmethod
    def of(cls, reachable: str, *, production: bool) -> "Guard":
        """From the settings' text: networks, addresses and names, separated by commas or blanks.

        >>> Guard.of("10.20.0.0/16, *.gov.example", production=True).names
        ('*.gov.example',)
        """
        networks, names = list[Network](), list[str]()
        for entry in re.split(r"[,\s]+", reachable.strip()) if reachable.strip() else ():
            try:
                networks.append(ip_network(entry))
            except ValueError:
                if _name(entry.removeprefix("*.")) is None:
                    raise Stop(
                        f"HUB_REACHABLE: {entry!r} is neither a network nor a host name",
                        todo="write networks and names like: 10.20.0.0/16, db.civil.example, *.gov.example",
                    ) from None
                names.append(entry.lower())
        return cls(production, tuple(networks), tuple(names))

    def check(self, host: str | None, path: str = "servers[0]") -> None:
        """Refuse a host by its form alone, before anything is resolved.

        Raises:
            ContractInvalid: it is neither a host name nor a plain IP address, or one that may not be reached.
        """
        literal, name = _literal(host), _name(host)
        if literal is None and name is None:
            wrong = f"{host!r} is neither a host name nor a plain IP address" if host else "a host is wanted"
            raise ContractInvalid([Problem(path, wrong, "db.civil.example, or 10.20.0.5")])
        wrong = self._refusal(literal) if literal is not None else self._unnamed(name or "")
        if wrong:
            raise ContractInvalid([Problem(path, f"{host} {wrong}", _TODO)])

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """Those of the host's addresses that may be reached, at least one; resolved anew at each call.

        Raises:
            ContractInvalid: the host's form is wrong.
            SourceDenied: none of its addresses may be reached.
            SourceUnreachable: the name has no address.
        """
        self.check(host)
        literal = _literal(host)
        if literal is not None:
            return (str(literal),)
        name = _name(host) or ""
        try:
            found = [ip_address(text) for text in self.resolve(name, port)]
        except OSError:
            found = []
        if not found:
            raise SourceUnreachable(f"the name {host} has no address", todo="check host and name server")
        refusals = {str(address): self._refusal(address, name) for address in found}
        good = tuple(text for text, refusal in refusals.items() if not refusal)
        if not good:
            text, refusal = next(iter(refusals.items()))
            raise SourceDenied(f"{host} leads to {text}, which {refusal}", todo=_TODO)
        return good

    def address(self, host: str, port: int) -> str:
        """The one IP address to connect to; of several, the first that takes a connection."""
        found = self.addresses(host, port)
        for each in found if len(found) > 1 else ():
            with suppress(OSError), socket.create_connection((each, port), CONNECT_SECONDS):
                return each
        return found[0]

    def connect(self, host: str, port: int, seconds: float = CONNECT_SECONDS) -> socket.socket:
        """A TCP connection to a checked address, for clients that take a socket (SSH).

        Raises:
            SourceUnreachable: nobody answers there.
        """
        for each in self.addresses(host, port):
            with suppress(OSError):
                return socket.create_connection((each, port), seconds)
        raise SourceUnreachable(f"{host}:{port} does not answer", todo="check host, port and network")

    def transport(self, trust: Callable[[], ssl.SSLContext] | None = None) -> httpx.BaseTransport:
        """A transport for httpx that connects to checked addresses only; `trust` makes the TLS context, when one is wanted."""
        return _Pinned(self, trust or httpx.create_ssl_context)

    def _refusal(self, address: Address, name: str = "") -> str:
        """Why an address may not be reached; empty if it may."""
        plain = _unwrapped(address)
        if plain.is_loopback:
            return "is this machine itself" if self.production else ""
        if (
            plain.is_link_local or plain.is_multicast or plain.is_unspecified or plain.is_reserved
            or plain in _METADATA or plain in _THIS_NETWORK
        ):  # fmt: skip
            return "is no source's address (link-local, metadata, multicast, unspecified or reserved)"
        if not (self.production or self.networks or self.names):
            return ""
        if any(plain in network for network in self.networks) or self._named(name):
            return ""
        return "is not in HUB_REACHABLE"

    def _unnamed(self, name: str) -> str:
        """Why a name cannot lead anywhere; empty if its addresses decide."""
        if name == "localhost" or name.endswith(".localhost"):
            return "is this machine itself" if self.production else ""
        open_to_all = not (self.production or self.names)
        return "" if open_to_all or self.networks or self._named(name) else "is not in HUB_REACHABLE"

    def _named(self, name: str) -> bool:
        return any(
            name == entry or (entry.startswith("*.") and name.endswith(entry[1:])) for entry in self.names if name
        )


ANYWHERE = Guard()


class _Pinned(httpx.BaseTransport):
    """Sends each request to its host's checked address, which is found once; `Host` and the certificate's name stay the host's."""

    def __init__(self, guard: Guard, trust: Callable[[], ssl.SSLContext]) -> None:
        self.guard = guard
        self.trust = trust
        self._known: dict[tuple[str, str, int], tuple[str, httpx.HTTPTransport]] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer of the host at its checked address."""
        url, host = request.url, request.url.raw_host.decode("ascii")
        port = url.port or (443 if url.scheme == "https" else 80)
        key = (url.scheme, host, port)
        if key not in self._known:  # one pool a host: a connection is never shared by two names
            pool = httpx.HTTPTransport(verify=self.trust() if url.scheme == "https" else False, trust_env=False)
            self._known[key] = self.guard.address(host, port), pool
        address, pool = self._known[key]
        pinned = httpx.Request(
            request.method,
            url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return pool.handle_request(pinned)

    def close(self) -> None:
        """Close the connections."""
        for _, pool in self._known.values():
            pool.close()


def _literal(host: str | None) -> Address | None:
    """The address that a host's text is, in its one plain writing (no zone)."""
    try:
        return ip_address(host) if host and "%" not in host else None
    except ValueError:
        return None


def _name(host: str | None) -> str | None:
    """The host name in ASCII and lower case; None for what is none, numbers in disguise (127.1, 0x7f000001) among it."""
    try:
        text = (host or "").removesuffix(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = text.split(".")
    good = all(_LABEL.fullmatch(label) for label in labels) and not _NUMBER.fullmatch(labels[-1])
    return text if good and len(text) <= 253 else None


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for: mapped, 6to4 or NAT64."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
