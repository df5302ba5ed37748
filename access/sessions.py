"""Sessions of the console: begun at a sign-in, asked at every request, ended by the person, by time, or by a change of the account.

1. `begin` makes a new random number of 256 bits, whatever the browser brought: nobody can plant one beforehand.
2. `account` finds it by its hash and reads the account anew, so that a role taken away is gone at the next click.
3. A session ends when nobody asked for `idle`, and `longest` after it began, whatever happens.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from access.accounts import ROLES
from access.actors import Actor
from ledger import accounts
from ledger import sessions as store
from ledger.accounts import Account
from ledger.database import Database
from ledger.sessions import Session

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=10)
_NOTE = timedelta(minutes=1)
"""How exactly the ledger knows when a session was last used."""


class Sessions:
    """One hub's sessions; `number` makes a random text of 256 bits."""

    def __init__(
        self,
        ledger: Database,
        clock: Callable[[], datetime],
        number: Callable[[], str],
        *,
        idle: timedelta = IDLE,
        longest: timedelta = LONGEST,
    ) -> None:
        self._ledger, self._clock, self._number = ledger, clock, number
        self._idle, self._longest = idle, longest

    def begin(self, account: str) -> str:
        """The number of a new session of the account, for its browser alone."""
        number, now = self._number(), self._clock()
        session = Session(hashed(number), account, now, now)
        store.begin(self._ledger, session, begun_before=now - self._longest, seen_before=now - self._idle)
        return number

    def account(self, number: str) -> Account | None:
        """The active account whose session this is; None if it has ended, or never was."""
        found, now = store.find(self._ledger, hashed(number)), self._clock()
        if found is None or now >= found.begun_at + self._longest or now >= found.seen_at + self._idle:
            return None
        account = accounts.find(self._ledger, found.account)
        if account is None or not account.active:
            return None
        if now >= found.seen_at + _NOTE:
            store.see(self._ledger, found.hash, now)
        return account

    def end(self, number: str) -> None:
        """End the session, if it is one."""
        store.end(self._ledger, hashed(number))


def actor(account: Account) -> Actor:
    """Whom the account acts as."""
    roles = frozenset(role for role in ROLES if role in account.roles)
    return Actor(account.name, account.department, roles, account.client)


def hashed(number: str) -> str:
    """What the ledger keeps of a session's number."""
    return hashlib.sha256(number.encode()).hexdigest()
