"""How a client gets a token: by proving that it holds a private key (RFC 7523, `private_key_jwt`), or with a secret where that is let.

1. The client signs an assertion: iss and sub its id, aud the hub or its token endpoint, jti a number of its own, exp at most 5 minutes on.
2. Its key is one of the set that is registered for it. To rotate, it registers old and new together, and the new alone later.
3. An assertion counts once, in whichever process: its `jti` is used up before the token is issued.
4. A secret (scrypt hash) is for trying things out: production takes none.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NoReturn

from access import clients
from access.keys import Keys
from access.statements import UNSIGNED, Unacceptable, check, opened
from access.tokens import Caller, Token, Tokens
from ledger import credentials
from ledger.database import Database
from schemas.errors import Unauthenticated

LONGEST = timedelta(minutes=5)


class SignIn:
    """Issues and revokes tokens."""

    def __init__(
        self,
        ledger: Database,
        tokens: Tokens,
        *,
        audiences: Sequence[str],
        clock: Callable[[], datetime],
        number: Callable[[], str],
        secrets: bool = True,
    ) -> None:
        """`audiences`: how an assertion may call this hub, its address first. `number` makes a token's number. `secrets`: are they taken?"""
        self._ledger, self._tokens, self._audiences = ledger, tokens, audiences
        self._clock, self._number, self._secrets = clock, number, secrets

    def by_secret(self, client_id: str, secret: str) -> Token:
        """A token for a client's secret. Raises Unauthenticated, which does not tell what was wrong."""
        if not self._secrets:
            _refuse("this hub takes no client secrets", "sign a client_assertion with the client's private key")
        return self._issue(clients.authenticate(self._ledger, client_id, secret).id)

    def by_assertion(self, assertion: str, client_id: str = "") -> Token:
        """A token for a signed assertion; `client_id` must be its client's where it is given.

        Raises:
            Unauthenticated: the assertion does not count. An unknown client and a wrong signature answer alike.
        """
        now = self._clock()
        try:
            said = opened(assertion)
            client = clients.require_active(self._ledger, said.issuer).id
            keys = Keys(credentials.keys(self._ledger, client))
            found = check(said, keys, issuer=client, audiences=self._audiences, longest=LONGEST, now=now)
            jti = found.text("jti")
            if found.claims.get("sub") != client or client_id not in ("", client):
                raise Unacceptable("iss, sub and client_id are not the same client")
        except (Unacceptable, Unauthenticated) as error:
            _refuse(f"the client assertion does not count: {error if isinstance(error, Unacceptable) else UNSIGNED}")
        if not credentials.use_up(self._ledger, client, jti, found.expires, now=now):
            _refuse("the client assertion does not count: its jti was used before")
        return self._issue(client)

    def revoke(self, caller: Caller, token: str) -> None:
        """Let one of the caller's own tokens count no more; anything else is passed over (RFC 7009)."""
        now = self._clock()
        try:
            found = self._tokens.read(token, now=now)
        except Unauthenticated:
            return
        if found.client == caller.client:
            credentials.revoke(self._ledger, found.jti, found.expires, now=now)

    @property
    def issuer(self) -> str:
        """The hub's own address."""
        return self._audiences[0]

    @property
    def methods(self) -> list[str]:
        """How a client may prove itself, in OAuth's words."""
        return ["private_key_jwt", *(("client_secret_basic", "client_secret_post") if self._secrets else ())]

    @property
    def public_keys(self) -> dict[str, object]:
        """The hub's own public keys, as a JWK set."""
        return dict(self._tokens.public_keys)

    def _issue(self, client: str) -> Token:
        return self._tokens.issue(client, now=self._clock(), jti=self._number())


def _refuse(
    what: str, todo: str = "sign a new one: iss, sub, aud, iat, exp (5 minutes at most), a jti of its own"
) -> NoReturn:
    raise Unauthenticated(what, todo=todo, error="invalid_client")
