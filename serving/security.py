"""The proof that a form was sent from our own page, and the cookies of the hub's pages.

The proof is a signed double submit: a cookie holds a random value, the page a signature of it, and a foreign site can read neither.
Over HTTPS a cookie bears the prefix `__Host-`: no other host and no plain connection can have set it.
"""

import hashlib
import hmac
import secrets
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from schemas.errors import Forbidden
from serving.services import services_of

COOKIE = "hub_form"


def is_secure(request: Request) -> bool:
    """Whether browsers reach the hub by HTTPS, be it through a proxy that the request came from unencrypted."""
    return request.url.scheme == "https" or services_of(request).console.secure


def cookie_name(request: Request, name: str) -> str:
    """What the browser calls the cookie."""
    return f"__Host-{name}" if is_secure(request) else name


def set_cookie(
    response: Response, request: Request, name: str, value: str, *, path: str = "/", samesite: Literal["strict", "lax"] = "strict"
) -> None:  # fmt: skip
    """Give the browser a cookie that no script reads and that ends with the browser's session."""
    secure = is_secure(request)
    response.set_cookie(
        cookie_name(request, name), value, path="/" if secure else path, httponly=True, samesite=samesite, secure=secure
    )


def drop_cookie(response: Response, request: Request, name: str) -> None:
    """Take the cookie back."""
    response.delete_cookie(
        cookie_name(request, name), path="/", httponly=True, samesite="lax", secure=is_secure(request)
    )


class FormProof:
    """Issues and checks the proof. `key` is a secret of this hub; `cookie` the one that a form is tied to."""

    def __init__(self, key: bytes, cookie: str = COOKIE) -> None:
        self._key, self._cookie = key, cookie

    def value(self, request: Request) -> tuple[str, str]:
        """The cookie's value (the present one, or a new one) and the field that proves it."""
        cookie = self._present(request) or secrets.token_urlsafe(24)
        return cookie, self._sign(cookie)

    def keep(self, response: Response, request: Request, cookie: str, path: str = "/forms") -> None:
        """Give the browser the cookie."""
        set_cookie(response, request, self._cookie, cookie, path=path)

    def check(self, request: Request, proof: str) -> None:
        """Nothing if the form came from our page, else Forbidden."""
        cookie = self._present(request)
        if not cookie or not hmac.compare_digest(self._sign(cookie).encode(), proof.encode()):
            raise Forbidden("the form was not sent from this site's own page", todo="open the form again and send it")

    def _present(self, request: Request) -> str:
        return request.cookies.get(cookie_name(request, self._cookie), "")

    def _sign(self, cookie: str) -> str:
        return hmac.new(self._key, f"{self._cookie}\0{cookie}".encode(), hashlib.sha256).hexdigest()
