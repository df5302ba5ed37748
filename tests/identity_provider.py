"""A real OpenID Connect provider on 127.0.0.1 (oidc-provider-mock, on Authlib's server), made stricter: it holds codes to their PKCE verifier.

It runs as a process of its own: `identity_provider()` starts it and gives its address.
"""

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx

PEOPLE: dict[str, dict[str, object]] = {
    "u-100": {"name": "周敏", "department": "11440300MB2C90001A", "realm": {"roles": ["editor", "approver", "uma"]}},
    "u-200": {"name": "吴刚", "realm": {"roles": ["office"]}},
    "u-300": {"name": "访客", "realm": {"roles": []}},
}


@dataclass(frozen=True)
class IdentityProvider:
    """The running provider."""

    url: str

    def authorize(self, address: str, sub: str) -> str:
        """Authorise as a browser would that clicks the button; the address it is sent back to."""
        with httpx.Client(trust_env=False) as http:
            assert http.get(address).status_code == 200
            return str(http.post(address, data={"sub": sub}).headers["location"])

    def seen(self) -> dict[str, Any]:
        """How often a code was changed with its verifier (`proven`), and what was last asked (`asked`)."""
        with httpx.Client(trust_env=False) as http:
            return dict(http.get(f"{self.url}/seen").json())


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """The provider, while the block lasts."""
    environment = {**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1"}
    command = [sys.executable, "-W", "ignore", __file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout is not None
        yield IdentityProvider(f"http://127.0.0.1:{int(process.stdout.readline())}")
        process.terminate()


class Strict:
    """The provider's application, with an eye on challenges and verifiers."""

    def __init__(self, app: Any) -> None:
        self._app, self._challenges = app, dict[str, str]()
        self._seen: dict[str, Any] = {"proven": 0, "asked": {}}

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        match environ["PATH_INFO"]:
            case "/seen":
                start("200 OK", [("Content-Type", "application/json")])
                return [json.dumps(self._seen).encode()]
            case "/oauth2/authorize":
                return self._app(environ, self._noting(dict(parse_qsl(environ["QUERY_STRING"])), start))
            case "/oauth2/token" if not self._proves(environ):
                start("400 Bad Request", [("Content-Type", "application/json")])
                return [b'{"error": "invalid_grant"}']
        return self._app(environ, start)

    def _noting(self, query: dict[str, str], start: Any) -> Any:
        self._seen["asked"] = query

        def started(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            for name, value in headers:
                if name.lower() == "location" and "code=" in value:
                    (code,) = parse_qs(urlsplit(value).query)["code"]
                    self._challenges[code] = query.get("code_challenge", "")
            return start(status, headers, *rest)

        return started

    def _proves(self, environ: dict[str, Any]) -> bool:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
        form = dict(parse_qsl(body.decode()))
        digest = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        proven = digest.decode().rstrip("=") == self._challenges.pop(form.get("code", ""), None)
        self._seen["proven"] += proven
        return proven


def main() -> None:
    """Serve until terminated; the first line of the output is the port."""
    import oidc_provider_mock
    import werkzeug.serving

    people = [oidc_provider_mock.User(sub=sub, claims=claims) for sub, claims in PEOPLE.items()]
    app = oidc_provider_mock.app(require_nonce=True, user_claims=people)
    server = werkzeug.serving.make_server("127.0.0.1", 0, Strict(app), threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever(0.05)


if __name__ == "__main__":
    main()
