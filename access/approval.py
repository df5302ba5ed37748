"""What becomes of a request for data, and who decides on it: functions over values, and the only place where this is said.

1. `weigh`: the strictest thing that is asked for settles it. What is shared unconditionally (无条件共享) is granted at once, what is not
   shared (不予共享) is refused at once with the law that this rests on, the rest is asked of the department that provides it.
2. Sensitive items (L3, L4) are granted by two persons, and never without a person: whoever marked them as unconditional may have erred.
3. `ground`: an approver of that department decides, or one to whom it delegated this; the data office what is overdue, and what is of several
   departments. Nobody decides on what he asked for himself, nobody approves twice.

Roles and departments are as the actor brings them (`access.actors`); a delegation is not handed on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from access.actors import Actor, Role
from ledger.delegations import Delegation
from schemas.contract import NOT_SHARED
from schemas.errors import Forbidden, Invalid

Outcome = Literal["granted", "asked", "refused"]
Ground = Literal["department", "office", "delegation", "overdue"]
Bar = Literal["own", "twice", "elsewhere"]
UNCONDITIONAL = 1
SENSITIVE = frozenset({"L3", "L4"})
WORKING: frozenset[Role] = frozenset({"editor", "approver", "office"})
"""The roles of those who ask and decide for a department."""
OFFICE = ""
"""The department code under which the data office decides: what is of several departments."""

BARS: dict[Bar, tuple[str, str]] = {
    "own": ("nobody decides on what he asked for himself", "ask a colleague"),
    "twice": ("this is approved by two persons, and you were the first", "ask a colleague"),
    "elsewhere": (
        "another department decides on this",
        "its approver decides, or one to whom it delegates that; the data office once it is overdue",
    ),
}


@dataclass(frozen=True)
class Item:
    """One thing that is asked for: the column of a dataset, with what its contract says of it.

    `share_type` is the stricter of the column's and the dataset's, `condition` the dataset's, `department` the code of who provides it.
    """

    dataset: str
    column: str
    share_type: int
    classification: str
    condition: str
    department: str


@dataclass(frozen=True)
class Weight:
    """What a request comes to: its outcome so far, the share type that settled it, the approvals that it takes, by which department.

    `reason`: of a refusal.
    """

    outcome: Outcome
    share_type: int
    approvals: int
    department: str
    reason: str = ""


@dataclass(frozen=True)
class Case:
    """A request before whoever decides: the `department` asked, who asked, who approved so far, whether its time has run out."""

    department: str
    requested_by: str
    approved_by: tuple[str, ...] = ()
    overdue: bool = False


def weigh(items: Sequence[Item]) -> Weight:
    """What asking for these items comes to. Raises Invalid where there is none.

    >>> weigh([Item("companies", "name", 1, "L1", "无条件", "A")]).outcome
    'granted'
    """
    if not items:
        raise Invalid(
            "nothing is asked for that anybody provides", todo="name fields that have a source", field="fields"
        )
    departments = {item.department for item in items}
    department = departments.pop() if len(departments) == 1 else OFFICE
    strictest = max(items, key=lambda item: item.share_type)
    approvals = 2 if any(item.classification in SENSITIVE for item in items) else 1
    if strictest.share_type == NOT_SHARED:
        return Weight("refused", NOT_SHARED, 0, department, _refusal(items))
    if strictest.share_type == UNCONDITIONAL and approvals == 1:
        return Weight("granted", UNCONDITIONAL, 0, department)
    return Weight("asked", strictest.share_type, approvals, department)


def ground(actor: Actor, case: Case, delegations: Iterable[Delegation], today: date) -> Ground | Bar:
    """On what ground the actor may decide on the case (refuse it, extend its time), or what bars him."""
    if actor.name == case.requested_by:
        return "own"
    if case.department and case.department == actor.department and "approver" in actor.roles:
        return "department"
    if case.department == OFFICE and "office" in actor.roles:
        return "office"
    live = (d for d in delegations if d.department == case.department and today <= d.until)
    if any(reaches(d, actor) for d in live):
        return "delegation"
    return "overdue" if case.overdue and "office" in actor.roles else "elsewhere"


def reaches(delegation: Delegation, actor: Actor) -> bool:
    """Whether the actor may decide by the delegation while it lasts; who only reads, or answers for a portal, may not."""
    if delegation.person:
        return delegation.person == actor.name and not actor.roles.isdisjoint(WORKING)
    return delegation.to_department == actor.department and not actor.roles.isdisjoint({"approver", "office"})


def approval(actor: Actor, case: Case, delegations: Iterable[Delegation], today: date) -> Ground | Bar:
    """On what ground the actor may approve the case, or what bars him."""
    found = ground(actor, case, delegations, today)
    return "twice" if found not in BARS and actor.name in case.approved_by else found


def held(found: Ground | Bar) -> Ground:
    """The ground. Raises Forbidden for a bar."""
    match found:
        case "department" | "office" | "delegation" | "overdue":
            return found
        case "own" | "twice" | "elsewhere":
            what, todo = BARS[found]
            raise Forbidden(what, todo=todo, reason=found)


def may_ask(actor: Actor, client: str) -> bool:
    """Whether the actor may ask for data for the client: whoever works for a department may, and who answers for that client."""
    return not actor.roles.isdisjoint(WORKING) or ("client" in actor.roles and actor.client == client)


def may_withdraw(actor: Actor, client: str, requested_by: str, from_department: str) -> bool:
    """Whether the actor asked for it, writes for the department that did, or answers for the client."""
    theirs = bool(actor.department) and actor.department == from_department and "editor" in actor.roles
    return actor.name == requested_by or theirs or ("client" in actor.roles and actor.client == client)


def may_delegate(actor: Actor, department: str) -> bool:
    """Whether the actor may say who else approves for the department: one of its approvers; the data office for itself."""
    if department == OFFICE:
        return "office" in actor.roles
    return department == actor.department and "approver" in actor.roles


def _refusal(items: Sequence[Item]) -> str:
    barred = [item for item in items if item.share_type == NOT_SHARED]
    named = ", ".join(f"{item.dataset}.{item.column}" for item in barred)
    laws = "; ".join(dict.fromkeys(item.condition for item in barred if item.condition))
    return f"不予共享 not shared: {named}" + (f" ({laws})" if laws else "")
