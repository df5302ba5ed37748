"""Walk the audit chains and name everything that was changed after it was written."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from access.audit import chained, pins, read
from access.audit_seal import Checker
from ledger import audit as store
from ledger.audit import Head, Link
from ledger.database import Database


@dataclass(frozen=True)
class Fault:
    """Where a chain is not what its writer wrote, and how it shows."""

    chain: str
    seq: int
    what: str


@dataclass(frozen=True)
class Report:
    """What a verification looked at and what it found."""

    chains: int
    entries: int
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.faults


def verify(db: Database, checker: Checker) -> Report:
    """Check every link of every chain against the one before it, the chain's signed head and later chains' pins."""
    heads = store.heads(db)
    pinned = {
        (chain, seq): digest for link in store.links(db, first_only=True) for chain, seq, digest in pins(link.body)
    }
    faults: list[Fault] = []
    entries, seen = 0, set()
    for chain, links in groupby(store.links(db), key=lambda link: link.chain):
        seen.add(chain)
        walk = _Walk(chain)
        for link in links:
            entries += 1
            faults += walk.step(link, pinned.pop((chain, link.seq), None))
        faults += _end(walk, heads.get(chain), checker)
    faults += [Fault(chain, heads[chain].seq, "the whole chain is gone") for chain in heads.keys() - seen]
    faults += [Fault(chain, seq, "an entry that a later chain pinned is gone") for chain, seq in sorted(pinned)]
    return Report(len(seen), entries, tuple(faults))


class _Walk:
    """The state of walking one chain."""

    def __init__(self, chain: str) -> None:
        self.chain = chain
        self.seq = -1
        self.hash = bytes(32)

    def step(self, link: Link, pin: str | None) -> Iterator[Fault]:
        """The faults that this link shows."""
        if link.seq != self.seq + 1:
            yield Fault(self.chain, self.seq + 1, "entries are missing")
        elif chained(self.hash, link.body) != link.hash or not _at_home(link):
            yield Fault(self.chain, link.seq, "the entry was edited or moved")
        if pin is not None and pin != link.hash.hex():
            yield Fault(self.chain, link.seq, "the entry is not the one that a later chain pinned")
        self.seq, self.hash = link.seq, link.hash


def _at_home(link: Link) -> bool:
    body = read(link.body)
    return (body.get("chain"), body.get("seq")) == (link.chain, link.seq)


def _end(walk: _Walk, head: Head | None, checker: Checker) -> Iterator[Fault]:
    if head is None:
        yield Fault(walk.chain, walk.seq, "the signed head is gone")
    elif not checker.fits(head.chain, head.seq, head.hash, head.signature):
        yield Fault(walk.chain, head.seq, "the head was not signed by this hub")
    elif (head.seq, head.hash) != (walk.seq, walk.hash):
        yield Fault(walk.chain, walk.seq, "the chain does not end at its signed head: entries were cut off or added")
