"""Who acts: a person with a department and roles, as whoever signed them in vouches. Decisions take this value and ask for nothing more.

`editor` writes for its department, `approver` decides for it, `office` is the data office (数据主管部门), which decides what concerns all,
`auditor` reads everything and changes nothing, `client` answers for a portal. The portal itself is a client, not an actor.
"""

from dataclasses import dataclass
from typing import Literal

Role = Literal["editor", "approver", "office", "auditor", "client"]


@dataclass(frozen=True)
class Actor:
    """One person: `name` is what the logs of steps keep, `department` the code (USCC) of theirs, "" for none.

    `client` is the portal that whoever has that role answers for.
    """

    name: str
    department: str
    roles: frozenset[Role]
    client: str = ""
