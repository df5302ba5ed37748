"""Local accounts: who they are, their passwords, and how guessing them is slowed down.

1. `added` checks what an account may be: an editor or approver has a department, whoever answers for a portal has that portal.
2. `Passwords.checked` compares a password in the same time for a known, an unknown and a switched-off account, and answers alike.
3. After `MOST` failures of one name from one address, `MOST_OF_NAME` of one name or `MOST_FROM` from one address within `WINDOW` comes a
   refusal, whatever is typed. Names and addresses are counted as keyed hashes, unknown ones too, so that a refusal tells nothing.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import get_args

from access.actors import Role
from access.passwords import PASSWORD_COST, hash_secret, nobody, secret_matches
from ledger import accounts as store
from ledger.accounts import Account
from ledger.database import Database
from schemas.errors import Invalid, TooMany, Unauthenticated

WINDOW = timedelta(minutes=15)
MOST, MOST_OF_NAME, MOST_FROM = 5, 20, 50
SHORTEST, LONGEST = 12, 200
ROLES: tuple[Role, ...] = get_args(Role)
_NAME = re.compile(r"[a-z][a-z0-9._-]{1,63}")
_DEPARTMENT = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}")
_NOBODY = nobody(PASSWORD_COST)


def added(account: Account, password: str, *, salt: bytes) -> Account:
    """The account as it may be recorded, with its password's hash.

    Raises:
        Invalid: its name, its password or what it may do is not in order; the field is named.
    """
    if not _NAME.fullmatch(account.name):
        raise Invalid("an account's name is 2 to 64 of a-z, 0-9 and ._-", todo="as: wang.fang", field="name")
    checked_roles(account.roles, account.department, account.client)
    return Account(**{**account.__dict__, "password_hash": hashed(password, account.name, salt=salt)})


def checked_roles(roles: Collection[str], department: str, client: str) -> frozenset[Role]:
    """The roles, if they are known ones and go with the department and client. Raises Invalid."""
    found = frozenset(role for role in ROLES if role in roles)
    if not roles or len(found) < len({*roles}):
        raise Invalid("a role is one of " + ", ".join(ROLES), todo="give one or more", field="role")
    if department and not _DEPARTMENT.fullmatch(department):
        raise Invalid(
            "a department is its 18-character code (统一社会信用代码)", todo="see: hub catalog list", field="department"
        )
    if found & {"editor", "approver"} and not department:
        raise Invalid("an editor or approver belongs to a department", todo="name its code", field="department")
    if ("client" in found) != bool(client):
        raise Invalid(
            "who answers for a portal names it, and nobody else does", todo="name its client id", field="client"
        )
    return found


def hashed(password: str, name: str, *, salt: bytes) -> str:
    """The password's hash. Raises Invalid for one that is too easily guessed."""
    if not SHORTEST <= len(password) <= LONGEST or name.lower() in password.lower() or len({*password}) < SHORTEST // 2:
        todo = "take several words; length counts, odd characters do not"
        raise Invalid(
            f"a password has {SHORTEST} characters or more, not your name, few repeated", todo=todo, field="password"
        )
    return hash_secret(password, salt, PASSWORD_COST)


class Passwords:
    """Checks passwords of one hub's local accounts; `key` is a secret of this hub."""

    def __init__(self, ledger: Database, clock: Callable[[], datetime], key: bytes) -> None:
        self._ledger, self._clock, self._key = ledger, clock, key

    def checked(self, name: str, password: str, address: str) -> Account:
        """The active account of this name and password.

        Raises:
            Unauthenticated: there is none; it is not told what was wrong.
            TooMany: this name or address failed too often just now.
        """
        now = self._clock()
        pair, anywhere = self._named("name", name, address), self._named("name", name)
        most = {pair: MOST, anywhere: MOST_OF_NAME, self._named("address", address): MOST_FROM}
        number = store.try_once(self._ledger, most, now, since=now - WINDOW)
        if number is None:
            minutes = int(WINDOW.total_seconds() // 60)
            raise TooMany("too many failed sign-ins", todo=f"try again in {minutes} minutes", minutes=minutes)
        account = store.find(self._ledger, name)
        fits = secret_matches(password[:LONGEST], (account and account.password_hash) or _NOBODY)
        if account is None or not fits or not account.active:
            raise Unauthenticated("name and password do not fit", todo="check both, or ask the data office")
        store.forgive(self._ledger, number, (pair, anywhere))
        return account

    def _named(self, kind: str, *texts: str) -> str:
        said = "\0".join((kind, *(text.strip().lower() for text in texts)))
        return hmac.new(self._key, said.encode(), hashlib.sha256).hexdigest()
