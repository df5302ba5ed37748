"""What follows from decisions that identifiers are one subject's: whose file holds what, and whose files a decision touches.

A merge lets one identifier give way to another. Undone, both stand by themselves again; other merges of either stay. Nothing is merged that
nobody decided.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ledger.subject_merges import Decision
from schemas.errors import Invalid, NotFound


@dataclass(frozen=True)
class Merged:
    """The merges that stand, oldest first."""

    standing: tuple[Decision, ...]

    def surviving(self, identifier: str) -> str:
        """The identifier under which the subject's file is."""
        while identifier in self._ways:
            identifier = self._ways[identifier]
        return identifier

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Every former identifier with the surviving one."""
        return {former: self.surviving(former) for former in self._ways}

    @cached_property
    def formers(self) -> dict[str, list[str]]:
        """Of each surviving identifier those that gave way to it, sorted."""
        found: dict[str, list[str]] = {}
        for former, surviving in sorted(self.aliases.items()):
            found.setdefault(surviving, []).append(former)
        return found

    def called(self, surviving: str) -> str:
        """The identifier that the subject is called after: one that was issued anew is called as before, one that took another in as well."""
        name = surviving
        while (
            old := next((d.former for d in self.standing if d.surviving == name and d.action == "reissue"), None)
        ) is not None:
            name = old
        return name

    @cached_property
    def _ways(self) -> dict[str, str]:
        return {d.former: d.surviving for d in self.standing}


def merged(decisions: Iterable[Decision], upto: int) -> Merged:
    """The merges that stand after the decision number `upto`."""
    standing: dict[int, Decision] = {}
    for decision in decisions:
        if decision.seq > upto or not decision.former:
            continue
        if decision.action == "unmerge":
            standing.pop(decision.undoes or 0, None)
        else:
            standing[decision.seq] = decision
    return Merged(tuple(standing.values()))


def touched(decisions: Iterable[Decision], since: int, upto: int) -> set[str]:
    """Every identifier whose file the decisions in (since, upto] may have changed, before and after."""
    told = list(decisions)
    before, after = merged(told, since), merged(told, upto)
    named = {i for d in told if since < d.seq <= upto for i in (d.former, d.surviving) if i}
    return named | {before.surviving(i) for i in named} | {after.surviving(i) for i in named}


def check(told: tuple[Decision, ...], new: Decision) -> None:
    """Refuse a decision that those before it do not allow.

    Raises:
        Invalid: the identifiers are one subject's already, or one of them has given way to a third.
        NotFound: no merge of this number stands.
    """
    now = merged(told, max((d.seq for d in told), default=0))
    if new.action == "unmerge":
        if all(d.seq != new.undoes for d in now.standing):
            raise NotFound(f"no merge number {new.undoes} of {new.kind} stands", todo=f"hub subject history {new.kind}")
    elif now.surviving(new.former) == now.surviving(new.surviving):
        raise Invalid("both identifiers are one subject's already", todo=f"hub subject history {new.kind}")
    elif new.former in now.aliases or new.surviving in now.aliases:
        raise Invalid(
            "one of the identifiers has given way to another", todo="name the one that stands: hub subject history"
        )
