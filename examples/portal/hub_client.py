"""The hub's client, in one file to copy into a portal's backend. It needs `httpx` and `cryptography`.

    hub = HubClient("https://hub.example", "my-portal", key_pem)
    answer = hub.prefill("hk_macao_permit_renewal", citizen_id, "permit-renewal", consent=statement)
    for field in answer["fields"]: ...
    checked = hub.verify("hk_macao_permit_renewal", citizen_id, submitted, version=answer["version"])
    for row in hub.records("travel_permits", "expiry-letters", case="2026-18"): ...

1. `python hub_client.py key.pem > jwks.json` makes a private key and the key set that the data office registers (`hub client add --keys`).
2. The client signs in with the key (RFC 7523), keeps the token until shortly before it runs out, and signs in again when it is refused.
3. What the hub refuses is raised as `HubRefused`, with status, reason and what to do. Never show or log an identifier: it is in no address here.

Calls block; use one client per process, from as many threads as you like.
"""

import base64
import json
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Json = dict[str, Any]


class HubRefused(Exception):
    """The hub's refusal: HTTP `status`, what is wrong (`detail`), what to do (`todo`), seconds to wait before another try (0: no use)."""

    def __init__(self, status: int, problem: Mapping[str, Any], wait: int = 0) -> None:
        super().__init__(
            f"{status} {problem.get('title', '')}: {problem.get('detail', '')} → {problem.get('todo', '')}"
        )
        self.status, self.wait = status, wait
        self.detail, self.todo = str(problem.get("detail", "")), str(problem.get("todo", ""))


class HubClient:
    """One portal's way to the hub."""

    def __init__(self, url: str, client_id: str, key_pem: str, *, http: httpx.Client | None = None) -> None:
        """`key_pem` is the private Ed25519 key that `new_key` made; `http` another httpx client (a proxy, a test)."""
        key = load_pem_private_key(key_pem.encode(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("the key must be an Ed25519 private key")
        self._key, self._id, self._url = key, client_id, url.rstrip("/")
        self._http = http or httpx.Client(timeout=10, follow_redirects=False)
        self._token, self._ends, self._lock = "", 0.0, threading.Lock()

    def prefill(
        self, form: str, subject: str, purpose: str, *, consent: str = "", case: str = "", fields: Sequence[str] = (),
        select: Mapping[str, Mapping[str, str]] | None = None, draft: Mapping[str, Json] | None = None, version: str = "",
        etag: str = "",
    ) -> Json | None:  # fmt: skip
        """The form's fields for the subject, on the subject's `consent` (the identity provider's statement) or a `case` number.

        `draft` is what a saved draft holds, {field: {"value", "seal"}}, with the form's `version` of then; `etag` that of an answer you still
        have: None is returned where there is nothing new since.

        Raises:
            HubRefused: no grant, no consent, no file, over a budget, or the hub answers nothing for the moment.
        """
        asked = {
            "form": form, "subject": subject, "purpose": purpose, "consent": consent, "case": case, "fields": list(fields),
            "select": select or {}, "draft": draft or {}, "version": version,
        }  # fmt: skip
        response = self._call("/v1/prefill", asked, {"If-None-Match": etag} if etag else {})
        return None if response.status_code == httpx.codes.NOT_MODIFIED else response.json()

    def prefill_many(self, forms: Sequence[Json], subject: str, purpose: str, *, case: str = "") -> list[Json]:
        """Several forms at once, each {"form", "consent", "fields", …}: for each its `answer`, or the `problem` instead."""
        body = {"forms": list(forms), "subject": subject, "purpose": purpose, "case": case}
        found: list[Json] = self._call("/v1/prefill", body).json()["answers"]
        return found

    def verify(self, form: str, subject: str, submitted: Mapping[str, Json], *, version: str = "") -> Json:
        """What became of each submitted field, {field: {"value", "seal"}}: unchanged, changed, typed, tampered or out_of_date."""
        body = {"form": form, "subject": subject, "fields": submitted, "version": version}
        found: Json = self._call("/v1/prefill/verify", body).json()
        return found

    def records(
        self, dataset: str, purpose: str, *, case: str = "", fields: Sequence[str] = (), where: Sequence[Json] = (),
        as_of: int | None = None, **evidence: str,
    ) -> Iterator[Json]:  # fmt: skip
        """The rows of the dataset that this client may see, all of one load.

        `where` holds conditions, {"column", "op", "value"}; `evidence`: `kind`, `subject`, `consent`, `who`.
        """
        asked = {
            "purpose": purpose,
            "case": case,
            "fields": list(fields),
            "where": list(where),
            "as_of": as_of,
            "limit": 1000,
        }
        cursor: str | None = ""
        while cursor is not None:
            page = self._call(f"/v1/datasets/{dataset}/records/query", {**asked, **evidence, "cursor": cursor}).json()
            yield from page["records"]
            cursor = page["next"]

    def changes(self, dataset: str, purpose: str, *, since: int, case: str = "", fields: Sequence[str] = ()) -> "Feed":
        """What changed since a load, to be iterated to its end; then `load` is what to ask `since` the next time."""
        query = {"purpose": purpose, "case": case, "since": str(since), "fields": ",".join(fields), "limit": "1000"}
        return Feed(
            lambda cursor: self._call(f"/v1/datasets/{dataset}/changes", query={**query, "cursor": cursor}).json()
        )

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._http.close()

    def _call(
        self, path: str, body: Json | None = None, headers: Mapping[str, str] | None = None, *, query: Mapping[str, str] | None = None
    ) -> httpx.Response:  # fmt: skip
        method = "POST" if body is not None else "GET"
        for attempt in (1, 2):
            sent = {**(headers or {}), "Authorization": f"Bearer {self._bearer(renew=attempt == 2)}"}
            response = self._http.request(method, self._url + path, json=body, params=query, headers=sent)
            if response.status_code != httpx.codes.UNAUTHORIZED:
                break
        return _accepted(response)

    def _bearer(self, *, renew: bool) -> str:
        with self._lock:
            if renew or time.time() > self._ends:
                form = {
                    "grant_type": "client_credentials",
                    "client_assertion_type": ASSERTION,
                    "client_assertion": self._assertion(),
                }
                token = _accepted(self._http.post(f"{self._url}/oauth/token", data=form)).json()
                self._token, self._ends = token["access_token"], time.time() + token["expires_in"] - 30
            return self._token

    def _assertion(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self._id,
            "sub": self._id,
            "aud": self._url,
            "iat": now,
            "exp": now + 60,
            "jti": secrets.token_hex(16),
        }
        header = {"alg": "Ed25519", "typ": "JWT", "kid": _kid(self._key)}
        signed = ".".join(_text(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{_text(self._key.sign(signed.encode()))}"


class Feed:
    """Changes, {"op": "upsert" or "delete", "record"}, and beside them what they lead to: `load`, and the `grants` that they rest on.

    Where `grants` is another list than the last time, what this client sees has changed as a whole: read the records anew.
    """

    def __init__(self, page: Callable[[str], Json]) -> None:
        self._page = page
        self.load = 0
        self.grants: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Json]:
        cursor: str | None = ""
        while cursor is not None:
            page = self._page(cursor)
            self.load, self.grants = page["load"], tuple(page["grants"])
            yield from page["changes"]
            cursor = page["next"]


def new_key() -> tuple[str, str]:
    """A new private key (PEM, for the portal alone) and the key set (JSON) that the data office registers."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = {"kty": "OKP", "crv": "Ed25519", "x": _text(key.public_key().public_bytes_raw()), "kid": _kid(key)}
    return pem, json.dumps({"keys": [public]})


def _kid(key: Ed25519PrivateKey) -> str:
    return _text(key.public_key().public_bytes_raw())[:16]


def _accepted(response: httpx.Response) -> httpx.Response:
    if response.is_success or response.status_code == httpx.codes.NOT_MODIFIED:
        return response
    try:
        problem = response.json()
    except ValueError:
        problem = {"detail": "the answer is none of the hub's", "todo": "look at the address and what stands between"}
    wait = response.headers.get("Retry-After", "0")
    raise HubRefused(response.status_code, problem, int(wait) if wait.isdecimal() else 0)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


if __name__ == "__main__":
    private, public = new_key()
    path = Path(sys.argv[1])
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(private)
    sys.stdout.write(public + "\n")
