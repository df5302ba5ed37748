"""Who acts: a person with a department and roles, as whoever signed them in vouches. Decisions take this value and ask for nothing more.

`editor` writes for its department, `approver` decides for it, `office` is the data office (数据主管部门), which decides what concerns all,
`auditor` reads everything and changes nothing. A portal is a client, not an actor.
"""

from dataclasses import dataclass
from typing import Literal

Role = Literal["editor", "approver", "office", "auditor"]


@dataclass(frozen=True)
class Actor:
    """One person: `name` is what the logs of steps keep, `department` the code (USCC) of theirs, "" for none."""

    name: str
    department: str
    roles: frozenset[Role]
