"""Grants as reviewable files: exported as one YAML text, and applied, so that those of the file stand and no others.

What a file names must be there: clients, forms or datasets with their fields and rows. All is applied in one transaction, or nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

from access import grant_code
from access.decision import OWN_USES
from access.grant_code import NOT_SAID, Change
from hub.core import Hub
from hub.sharing.offer import Offer
from ledger import clients, grants
from ledger.grants import Grant
from schemas.errors import ContractInvalid, Problem, Refuse


def export(hub: Hub, client: str | None = None) -> str:
    """The grants that stand, of a client or of all, as YAML."""
    return grant_code.written(grants.standing(hub.ledger, client))


def apply(hub: Hub, offer: Offer, path: Path, *, by: str, dry_run: bool = False) -> Change:
    """Make the file's grants those that stand; what that adds and ends. A dry run changes nothing.

    Raises:
        ContractInvalid: with every fault of the file.
    """
    wanted = grant_code.read(path.read_text(encoding="utf-8"), path.name)
    done = grant_code.diff(grants.standing(hub.ledger), wanted)
    _check(hub, offer, done.added, path.name)
    if dry_run:
        return done
    now = hub.clock()

    def plan(standing: Sequence[Grant]) -> tuple[Sequence[Grant], Sequence[Grant]]:
        nonlocal done
        done = grant_code.diff(standing, wanted)
        begun = [
            replace(g, id=f"g{token_hex(6)}", begins=now if g.begins == NOT_SAID else g.begins) for g in done.added
        ]
        return begun, done.ended

    grants.change(hub.ledger, plan, now, by=by, why=f"not in {path.name}")
    return done


def _check(hub: Hub, offer: Offer, added: Sequence[Grant], file: str) -> None:
    """Hold what is to be added to what there is. Raises ContractInvalid."""
    known = {client.id for client in clients.everyone(hub.ledger)}
    problems = []
    for grant in added:
        place = f"{grant.client}: {grant.kind} {grant.name} ({grant.purpose})"
        if grant.client not in known:
            problems.append(Problem(place, "there is no such client", "hub client list", file))
        if (grant.kind, grant.name) == ("form", OWN_USES):
            continue
        try:
            asked = offer.asked(grant.kind, grant.name, sorted(grant.fields or ()), grant.row_filter)
        except Refuse as error:
            problems.append(Problem(place, error.what, error.todo, file))
            continue
        if asked.row_filter != grant.row_filter:
            problems.append(Problem(place, "rows are not in their canonical text", f"rows: '{asked.row_filter}'", file))
    if problems:
        raise ContractInvalid(problems)
