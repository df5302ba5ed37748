"""Run the external verifier over the database, and check what only the database has: the columns that entries are found by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain

from access import audit_verifier
from access.audit import read
from access.audit_verifier import Fault, Head, Report, read_keys
from ledger import audit as store
from ledger.database import Database


def verify(db: Database, public_pems: Sequence[str], anchors: Iterable[Head] = ()) -> Report:
    """Every edit, deletion, reordering and truncation, told apart by chain and place.

    `public_pems`: the public keys that heads were ever signed with. `anchors`: signed heads that were kept elsewhere.
    """
    keys = [*chain.from_iterable(map(read_keys, public_pems))]
    known = store.heads(db)
    heads = [Head(h.chain, h.seq, h.hash, h.signature) for h in known.values()]
    report = audit_verifier.verify(lambda: _links(db, known), heads, keys, anchors)
    misfiled = tuple(
        Fault(x.chain, x.seq, "the entry cannot be found by what it says") for x in store.links(db) if not _filed(x)
    )
    return Report(report.chains, report.entries, report.faults + misfiled)


def _links(db: Database, heads: Mapping[str, store.Head]) -> Iterator[audit_verifier.Link]:
    """Every link but those that a hub at work wrote since the heads were read: a head that is read now stands for them."""
    later: dict[str, store.Head] | None = None
    for link in store.links(db):
        if link.chain not in heads or link.seq > heads[link.chain].seq:
            later = store.heads(db) if later is None else later
            if link.chain in later and link.seq <= later[link.chain].seq and later[link.chain] != heads.get(link.chain):
                continue
        yield audit_verifier.Link(link.chain, link.seq, link.hash, link.body)


def _filed(link: store.Link) -> bool:
    body = read(link.body)
    try:
        at = datetime.fromisoformat(str(body.get("at", ""))).astimezone(UTC)
    except ValueError:
        return True  # the text itself was tampered with, which the chain shows
    return (at, str(body.get("subject", ""))) == (link.at, link.subject)
