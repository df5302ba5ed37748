"""Clients: register a portal, check its secret, see whether it is active and what it may push.

1. `register` stores a client with the scrypt hash of its secret; the secret itself is nowhere in the hub.
2. `authenticate` compares a secret in the same time for a known, an unknown and a switched-off client.
3. `require_push` lets a client send a dataset's records only under a push right; what is not there and what is not allowed answer alike.
"""

from datetime import datetime

from access.passwords import SECRET_COST, hash_secret, nobody, secret_matches
from ledger import clients as store
from ledger.clients import Client
from ledger.database import Database
from schemas.errors import Forbidden, Invalid, Unauthenticated

_SHORTEST_SECRET = 16
_NOBODY = nobody(SECRET_COST)


def register(db: Database, client_id: str, zh: str, en: str, secret: str, *, salt: bytes, at: datetime) -> Client:
    """Add a client, or give a known one new names and a new secret; its grants stay."""
    if len(secret) < _SHORTEST_SECRET:
        raise Invalid(
            f"the secret of client {client_id!r} has fewer than {_SHORTEST_SECRET} characters",
            todo='make one: python3 -c "import secrets; print(secrets.token_urlsafe(24))"',
        )
    client = Client(client_id, zh, en, hash_secret(secret, salt))
    store.put(db, client, at)
    return client


def authenticate(db: Database, client_id: str, secret: str) -> Client:
    """The active client with this id and secret; else Unauthenticated, which does not tell what was wrong."""
    client = store.find(db, client_id)
    fits = secret_matches(secret, client.secret_hash if client else _NOBODY)
    if client is None or not fits or not client.active:
        raise Unauthenticated(
            "client id and secret do not fit, or the client is switched off",
            todo="check client_id and client_secret, or ask the data office for new ones",
        )
    return client


def require_active(db: Database, client_id: str) -> Client:
    """The client if it is known and active now: a token outlives neither its client nor its activity."""
    client = store.find(db, client_id)
    if client is None or not client.active:
        raise Unauthenticated("this token's client is switched off", todo="ask the data office")
    return client


def require_push(db: Database, client_id: str, dataset: str) -> None:
    """Nothing if the client may send the dataset's records, else Forbidden, which does not tell whether there is such a dataset."""
    if dataset not in store.pushes(db, client_id):
        raise Forbidden(
            "no right to push to this dataset", todo="ask the data office for it, and check the dataset's name"
        )
