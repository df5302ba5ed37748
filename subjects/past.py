"""One subject's file as of any earlier loads: built from the histories, which forget nothing, and not kept."""

from collections.abc import Mapping
from functools import partial

from ledger.subject_keys import SubjectKeys
from ledger.subject_store import Opened, StoredFile
from subjects import packing
from subjects.file import SubjectFile, facts_of
from subjects.reading import aliases, connected, files, only_touched
from subjects.statement import Share
from subjects.work import ROOM, Room, Sources


def file_as_of(
    kind_name: str,
    identifier: str,
    sources: Sources,
    upto: Mapping[str, int],
    decided: int,
    keys: SubjectKeys,
    room: Room = ROOM,
) -> SubjectFile | None:
    """The file of a subject as the loads `upto` (0: none yet) and the decisions up to number `decided` make it."""
    kind = sources.kinds[kind_name]
    made = packing.layout(kind, sources.contracts)
    told = {(x.dataset, x.load): facts_of(x) for x in sources.loads}
    with connected(room) as con:
        now = aliases(con, kind, sources, decided)
        con.execute("CREATE TABLE touched AS SELECT $1 AS _k", [now.surviving(identifier)])
        only_touched(con, kind, sources, upto)
        found = [
            t
            for t in files(con, kind, sources, upto, Share(merged=bool(now.aliases), some=True), now, 1, room)
            if t.num_rows
        ]
        if not found:
            return None
        con.register("found", found[0])
        [texts] = con.execute(
            f"SELECT {', '.join(packing.sections(kind, sources.contracts, made))} FROM found"
        ).fetchall()
    by_class = {name: text.encode() for name, text in zip(made.classes, texts, strict=True)}
    about = Opened(dict(upto), dict(made.value))
    return SubjectFile.of(StoredFile(kind_name, by_class, 0, about, told, partial(keys.pseudonym, kind_name)))
