"""Sign-in of programs: the token endpoint (OAuth 2 client credentials) and the check of bearer tokens."""

import base64
import binascii
from typing import Annotated
from urllib.parse import unquote_plus

from fastapi import APIRouter, Form, Request, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from access.tokens import Token
from schemas.errors import Refuse, Unauthenticated
from serving.services import Services, services_of

router = APIRouter()
_bearer = HTTPBearer(auto_error=False, description="a token from POST /oauth/token")
_TODO = "send client_id and client_secret in the form, or as HTTP Basic, with grant_type=client_credentials"


@router.post("/oauth/token", tags=["access"], summary="A short-lived token for a client's id and secret")
def token(
    request: Request,
    grant_type: Annotated[str, Form(max_length=100)] = "",
    client_id: Annotated[str, Form(max_length=64)] = "",
    client_secret: Annotated[str, Form(max_length=200)] = "",
) -> JSONResponse:
    """Answer with a bearer token; the secret may come in the form or as HTTP Basic (RFC 6749, 2.3.1)."""
    if grant_type != "client_credentials":
        wrong = "unsupported_grant_type" if grant_type else "invalid_request"
        raise Refuse("grant_type must be client_credentials", todo=_TODO, error=wrong)
    basic = _basic(request.headers.get("authorization", ""))
    given_id, given_secret = basic or (client_id, client_secret)
    issued = _issue(services_of(request), given_id, given_secret)
    body = {"access_token": issued.access_token, "token_type": "Bearer", "expires_in": issued.expires_in}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def caller(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> str:
    """The client that the request's bearer token speaks for; else Unauthenticated."""
    if credentials is None:
        raise Unauthenticated(
            "this address needs a bearer token", todo="POST /oauth/token, then send Authorization: Bearer TOKEN"
        )
    return services_of(request).authenticate(credentials.credentials)


def _issue(services: Services, client_id: str, secret: str) -> Token:
    try:
        return services.issue_token(client_id, secret)
    except Unauthenticated as error:
        raise Unauthenticated(error.what, todo=error.todo, error="invalid_client") from None


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthenticated(
            "the Authorization header is not HTTP Basic", todo=_TODO, error="invalid_client"
        ) from None
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
