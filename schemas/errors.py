"""Every error the hub raises, grouped by what the caller should do about it.

    HubError
    ├── Stop                  the run ends; a person must act before another try can succeed
    │   ├── ContractInvalid   a contract, form or subject file breaks a rule (carries every problem found)
    │   ├── SourceMissing     the table, file or column that the contract names is not there
    │   ├── SourceDenied      wrong password, missing right
    │   ├── SourceDamaged     undecodable bytes, a short read, a broken archive, an unknown column
    │   ├── DeliveryHeld      the delivery was read but must not be published (empty, too many deletions, thresholds)
    │   ├── Superseded        another run has published this load; this one's work is void
    │   └── JudgeFailed       the judge and the sieve disagree, or an expectation raised
    ├── Retry                 the same call may succeed later
    │   ├── SourceUnreachable the network or the server does not answer
    │   ├── Busy              a lease or a lock is held by somebody else
    │   ├── StorageFull       no space is left where the hub writes
    │   ├── OutsideHours      the department allows no pull at this hour
    │   └── AuditUnavailable  the audit entry could not be made durable, so nothing was disclosed
    ├── Quarantine            this row, not the run: the row is set aside with a reason
    └── Refuse                the caller asked for what it may not have, or for nothing that exists
        ├── Unauthenticated   no token, or one that is expired, revoked or not ours
        ├── Forbidden         known caller, no grant for this
        ├── NotFound          unknown form, dataset, subject, run
        ├── Invalid           the request itself is malformed
        ├── Conflict          the same request is being answered at this moment, or its object's state does not allow it
        ├── TooMany           more than the hub, the grant's quota or the client's budget of subjects allows
        ├── TooLarge          the request's body is larger than this hub takes
        └── Unsupported       the request's body is of a kind that this address does not take

A message says what is wrong, where, and what to do. It never holds personal data: record keys are masked first.
`HubError.problem()` is the one JSON shape (RFC 9457) used by the API and by `--json` on the command line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class HubError(Exception):
    """Root of the tree. `what` names the fault and its place, `todo` the next thing to type or to check."""

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, todo: str = "", **facts: str | int) -> None:
        super().__init__(f"{what} → {todo}" if todo else what)
        self.what = what
        self.todo = todo
        self.facts = facts

    @property
    def code(self) -> str:
        """The error's stable machine name: the class name in kebab-case.

        >>> SourceMissing("table x").code
        'source-missing'
        """
        name = type(self).__name__
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")

    def problem(self) -> dict[str, Any]:
        """The error as an RFC 9457 problem document."""
        return {
            "type": f"urn:cityhub:problem:{self.code}",
            "title": self.code.replace("-", " "),
            "status": self.status,
            "detail": self.what,
            **({"todo": self.todo} if self.todo else {}),
            **self.facts,
        }


class Stop(HubError):
    """The run ends; a person must act."""


@dataclass(frozen=True)
class Problem:
    """One fault in a declared file: where it is, what is wrong, and an example of right."""

    path: str
    wrong: str
    example: str = ""
    file: str = ""

    def __str__(self) -> str:
        where = f"{self.file}: {self.path}" if self.file else self.path
        return f"{where}: {self.wrong}" + (f" — right: {self.example}" if self.example else "")


class ContractInvalid(Stop):
    """A declared file breaks a rule; `problems` lists every fault found, not the first."""

    status = 422
    exit_code = 3

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = tuple(problems)

    def problem(self) -> dict[str, Any]:
        """The document with each fault apart: its `file`, `place`, `problem` and what to do (`todo`: an example of right)."""
        each = [{"file": p.file, "place": p.path, "problem": p.wrong, "todo": p.example} for p in self.problems]
        return super().problem() | {"problems": each}


class SourceMissing(Stop):
    """The table, file or column that the contract names is not there."""


class SourceDenied(Stop):
    """The source answered, and refused: wrong password or missing right."""


class SourceDamaged(Stop):
    """The source delivered something that cannot be read whole."""


class DeliveryHeld(Stop):
    """Read and judged, but not fit to publish; the last good load stays served."""

    exit_code = 3


class Superseded(Stop):
    """Another run has published this load; this run's work is void."""


class JudgeFailed(Stop):
    """Judge and sieve disagree, or an expectation raised: neither a pass nor a plain failure."""


class Retry(HubError):
    """The same call may succeed later."""

    status = 503


class SourceUnreachable(Retry):
    """The network or the server does not answer."""


class Busy(Retry):
    """A lease or a lock is held by somebody else."""


class OutsideHours(Retry):
    """The department allows no pull at this hour; the fact `opens` says from when it does."""

    exit_code = 3


class StorageFull(Retry):
    """No space is left where the hub writes; the last good load stays served."""


class AuditUnavailable(Retry):
    """The audit entry could not be made durable, so nothing was disclosed."""


class Quarantine(HubError):
    """This row, not the run."""

    status = 422


class Refuse(HubError):
    """The caller asked for what it may not have, or for nothing that exists."""

    status = 400
    exit_code = 3


class Unauthenticated(Refuse):
    """No token, or one that is expired, revoked or not ours."""

    status = 401


class Forbidden(Refuse):
    """A known caller without a grant for this."""

    status = 403


class NotFound(Refuse):
    """Unknown form, dataset, subject or run."""

    status = 404


class Invalid(Refuse):
    """The request itself is malformed."""

    status = 422


class Conflict(Refuse):
    """The same request is being answered at this moment, or what it is about is no longer in the state that it needs."""

    status = 409


class TooMany(Refuse):
    """More than the hub, the grant's quota or the client's budget of subjects allows."""

    status = 429


class TooLarge(Refuse):
    """The request's body is larger than this hub takes."""

    status = 413


class Unsupported(Refuse):
    """The request's body is of a kind that this address does not take."""

    status = 415
