"""What people decide of identifiers, and what waits for them: merges with their history, records that are nobody's, and the store's keys.

A decision changes no file by itself: the next build takes it up, and builds the files that it touches.
"""

import re
from collections.abc import Iterator
from typing import Literal

from hub.core import Hub
from hub.filing import subject_files
from ledger import loads, subject_merges, subject_rotation
from ledger.subject_merges import Decision
from schemas.errors import Invalid, NotFound
from subjects import merges, packing, review
from subjects.review import Stray


def merge(
    hub: Hub, kind: str, former: str, surviving: str, action: Literal["reissue", "duplicate"], because: str, by: str
) -> int:
    """Decide that `former` gives way to `surviving`: it was issued anew, or both files are one subject's. Returns the decision's number.

    Raises:
        Invalid: the surviving identifier makes no file of this kind, or decisions before this one stand against it.
        NotFound: of two files that are said to be one subject's, one is not there.
    """
    declared = subject_files.kind_of(hub, kind)
    former, surviving = subject_files.folded(former), subject_files.folded(surviving)
    if re.fullmatch(declared.pattern, surviving) is None:
        raise Invalid(f"the surviving identifier has not the form of a {kind}'s", todo="type it again")
    if action == "duplicate" and None in (subject_files.subject(hub, kind, i) for i in (former, surviving)):
        raise NotFound(
            f"one of the two has no {kind} file", todo="hub subject show, or --reissued if it is a new number"
        )
    return _decide(hub, Decision(0, kind, action, None, former, surviving, because, by, hub.clock()))


def unmerge(hub: Hub, kind: str, number: int, because: str, by: str) -> int:
    """Undo the merge of this number; both identifiers stand by themselves again. Returns the decision's number.

    Raises:
        NotFound: no merge of this number stands.
    """
    undone = next((d for d in history(hub, kind) if d.seq == number), None)
    if undone is None:
        raise NotFound(f"there is no merge number {number} of {kind}", todo=f"hub subject history {kind}")
    return _decide(hub, Decision(0, kind, "unmerge", number, undone.former, undone.surviving, because, by, hub.clock()))


def history(hub: Hub, kind: str) -> tuple[Decision, ...]:
    """Every decision of a kind, oldest first."""
    subject_files.kind_of(hub, kind)
    return subject_merges.decisions(hub.subjects, subject_files.keys(hub), kind)


def strays(hub: Hub, kind: str) -> Iterator[Stray]:
    """The records of a kind's datasets that are nobody's, as of the newest loads and decisions."""
    subject_files.kind_of(hub, kind)
    latest = {name: load.load for name, load in loads.latest(hub.ledger).items()}
    given = subject_files.sources(hub)
    upto = {dataset: latest.get(dataset, 0) for dataset in given.kinds[kind].datasets}
    decided = subject_merges.newest(hub.subjects).get(kind, 0)
    return review.queue(kind, given, upto, decided, subject_files.room(hub))


def rotate(hub: Hub) -> int:
    """Bring the whole store under a new secret, or under HUB_SUBJECT_KEY where that is set; how many rows were under older ones."""
    if hub.settings.subject_key is None:
        hub.rotate_key("subject", keep=None)
    return subject_rotation.rotate(hub.subjects, subject_files.keys(hub), packing.identifier_of)


def _decide(hub: Hub, decision: Decision) -> int:
    keys = subject_files.keys(hub)
    return subject_merges.decide(hub.subjects, keys, decision, lambda told: merges.check(told, decision))
