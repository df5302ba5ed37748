#!/usr/bin/env python3
"""Check an exported audit without the hub: this file, Python 3.11 and the `cryptography` package are all it takes.

    python audit_verifier.py audit.jsonl --keys public.pem [--anchors anchors.jsonl]

The export has a line for each entry, {"chain", "seq", "hash", "body"}, chain by chain in order, and one for each chain's signed head,
{"chain", "seq", "hash", "signature"}. Keys are Ed25519 public keys, PEM, one after another. What is checked:

1. Each entry's hash is sha256(hash before, body), beginning with 32 zero bytes, and its body says its own chain and place.
2. Each chain ends at its head, and the head is signed: message "cityhub audit head", chain, seq and hash in hex, a line each.
3. Entries of the kinds `open` and `anchor` pin heads of other chains: what was pinned must still be there, and be the same.
4. Anchors are signed heads that were kept elsewhere: they pin as well. Only they show that the very newest end was cut off.

An edit, a deletion, a reordering and a truncation each show in one of the four. Exit code 0: nothing found; 1: faults, a line each; 2: no proper
call. The hub's own `hub audit verify` runs the same functions over its database.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain as chained_together
from itertools import groupby
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key


@dataclass(frozen=True)
class Link:
    """One entry: its chain, its place there, its hash, and the text that was hashed."""

    chain: str
    seq: int
    hash: bytes
    body: str


@dataclass(frozen=True)
class Head:
    """The newest entry of a chain at some moment, as its writer signed it."""

    chain: str
    seq: int
    hash: bytes
    signature: bytes


@dataclass(frozen=True)
class Fault:
    """Where a chain is not what its writer wrote, and how it shows."""

    chain: str
    seq: int
    what: str

    def __str__(self) -> str:
        return f"{self.chain} {self.seq}: {self.what}"


@dataclass(frozen=True)
class Report:
    """What was looked at and what was found."""

    chains: int
    entries: int
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.faults


Pins = dict[tuple[str, int], set[bytes]]


def verify(
    links: Callable[[], Iterable[Link]],
    heads: Iterable[Head],
    keys: Iterable[Ed25519PublicKey],
    anchors: Iterable[Head] = (),
) -> Report:
    """Check every link of every chain. `links` gives them chain by chain in order, and is called twice."""
    known, by_chain, kept = [*keys], {head.chain: head for head in heads}, [*anchors]
    faults = [Fault(a.chain, a.seq, "the anchor was not signed by this hub") for a in kept if not _signed(a, known)]
    pins = _pins(links(), kept)
    entries, seen = 0, set()
    for name, group in groupby(links(), key=lambda link: link.chain):
        seen.add(name)
        walk = _Walk(name)
        for link in group:
            entries += 1
            faults += walk.step(link, pins.pop((name, link.seq), set()))
        faults += walk.end(by_chain.get(name), known)
    faults += [Fault(name, head.seq, "the whole chain is gone") for name, head in by_chain.items() if name not in seen]
    faults += [Fault(name, seq, "an entry that was pinned elsewhere is gone") for name, seq in sorted(pins)]
    return Report(len(seen), entries, tuple(faults))


def pins_of(body: str) -> list[tuple[str, int, str]]:
    """The (chain, seq, hash in hex) that an entry pins; none in one that was tampered with."""
    try:
        pinned = json.loads(body)["pins"]
        return [(str(name), int(seq), str(digest)) for name, (seq, digest) in pinned.items()]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def head_message(chain: str, seq: int, digest: bytes) -> bytes:
    """What is signed of a head."""
    return f"cityhub audit head\n{chain}\n{seq}\n{digest.hex()}\n".encode()


def read_keys(pem: str) -> list[Ed25519PublicKey]:
    """The public keys in a text. Raises ValueError for any that is no Ed25519 public key."""
    mark = "-----END PUBLIC KEY-----"
    found = [load_pem_public_key((part + mark).encode()) for part in pem.split(mark)[:-1]]
    keys = [key for key in found if isinstance(key, Ed25519PublicKey)]
    if not keys or len(keys) < len(found):
        raise ValueError("Ed25519 public keys are wanted, in PEM")
    return keys


def read_heads(lines: Iterable[str]) -> Iterator[Head]:
    """The signed heads among the lines of an export or of a file of anchors."""
    for value in map(json.loads, lines):
        if "signature" in value:
            yield Head(value["chain"], value["seq"], bytes.fromhex(value["hash"]), bytes.fromhex(value["signature"]))


def read_links(lines: Iterable[str]) -> Iterator[Link]:
    """The entries among the lines of an export."""
    for value in map(json.loads, lines):
        if "body" in value:
            yield Link(value["chain"], value["seq"], bytes.fromhex(value["hash"]), value["body"])


class _Walk:
    """The state of walking one chain."""

    def __init__(self, chain: str) -> None:
        self.chain, self.seq, self.hash = chain, -1, bytes(32)

    def step(self, link: Link, pinned: set[bytes]) -> Iterator[Fault]:
        """The faults that this link shows."""
        if link.seq != self.seq + 1:
            yield Fault(self.chain, self.seq + 1, "entries are missing or out of order")
        elif hashlib.sha256(self.hash + link.body.encode()).digest() != link.hash or not _at_home(link):
            yield Fault(self.chain, link.seq, "the entry was edited or moved")
        if pinned - {link.hash}:
            yield Fault(self.chain, link.seq, "the entry is not the one that was pinned elsewhere")
        self.seq, self.hash = link.seq, link.hash

    def end(self, head: Head | None, keys: list[Ed25519PublicKey]) -> Iterator[Fault]:
        """The faults that the chain's head shows."""
        if head is None:
            yield Fault(self.chain, self.seq, "the signed head is gone")
        elif not _signed(head, keys):
            yield Fault(self.chain, head.seq, "the head was not signed by this hub")
        elif (head.seq, head.hash) != (self.seq, self.hash):
            yield Fault(
                self.chain, self.seq, "the chain does not end at its signed head: entries were cut off or added"
            )


def _pins(links: Iterable[Link], anchors: Iterable[Head]) -> Pins:
    pins: Pins = {}
    told = ((name, seq, digest) for link in links if '"pins"' in link.body for name, seq, digest in pins_of(link.body))
    for name, seq, digest in chained_together(told, ((a.chain, a.seq, a.hash.hex()) for a in anchors)):
        pins.setdefault((name, seq), set()).add(_bytes(digest))
    return pins


def _bytes(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest)
    except ValueError:
        return b"unreadable"


def _at_home(link: Link) -> bool:
    try:
        body = json.loads(link.body)
        return bool((body["chain"], body["seq"]) == (link.chain, link.seq))
    except (ValueError, TypeError, KeyError):
        return False


def _signed(head: Head, keys: Iterable[Ed25519PublicKey]) -> bool:
    for key in keys:
        try:
            key.verify(head.signature, head_message(head.chain, head.seq, head.hash))
        except InvalidSignature:
            continue
        return True
    return False


def main(arguments: list[str]) -> int:
    """Check the files that the command line names."""
    parser = argparse.ArgumentParser(description="Check an exported audit of cityhub.")
    parser.add_argument("export", type=Path, help="what `hub audit export` wrote")
    parser.add_argument("--keys", type=Path, required=True, help="public keys, PEM: `hub audit keys`")
    parser.add_argument("--anchors", type=Path, help="signed heads that were kept elsewhere: `hub audit anchor`")
    given = parser.parse_args(arguments)

    def lines(path: Path) -> Iterator[str]:
        with path.open(encoding="utf-8") as file:
            yield from file

    anchors = [*read_heads(lines(given.anchors))] if given.anchors else []
    keys = read_keys(given.keys.read_text(encoding="utf-8"))
    report = verify(lambda: read_links(lines(given.export)), read_heads(lines(given.export)), keys, anchors)
    for fault in report.faults:
        sys.stdout.write(f"{fault}\n")
    sys.stdout.write(f"{report.entries} entries in {report.chains} chains, {len(report.faults)} faults\n")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
