"""Sign-in of programs: the token endpoint (OAuth 2 client credentials), the hub's public keys, and the check of bearer tokens."""

import base64
import binascii
from typing import Annotated, Any
from urllib.parse import unquote_plus

from fastapi import APIRouter, Form, Request, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from access.keys import ALGORITHMS
from access.signin import SignIn
from access.tokens import Token
from schemas.errors import Refuse, Unauthenticated
from serving.services import services_of

router = APIRouter()
_bearer = HTTPBearer(auto_error=False, description="a token from POST /oauth/token")
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TODO = f"send grant_type=client_credentials with client_assertion_type={ASSERTION} and client_assertion"


@router.post(
    "/oauth/token", tags=["access"], summary="A short-lived token for a client's signed assertion, or its secret"
)
def token(
    request: Request,
    grant_type: Annotated[str, Form(max_length=100)] = "",
    client_id: Annotated[str, Form(max_length=64)] = "",
    client_assertion_type: Annotated[str, Form(max_length=100)] = "",
    client_assertion: Annotated[str, Form(max_length=8192)] = "",
    client_secret: Annotated[str, Form(max_length=200)] = "",
) -> JSONResponse:
    """Answer with a bearer token for a signed assertion (RFC 7523); a secret may come in the form or as HTTP Basic (RFC 6749, 2.3.1)."""
    if grant_type != "client_credentials":
        wrong = "unsupported_grant_type" if grant_type else "invalid_request"
        raise Refuse("grant_type must be client_credentials", todo=_TODO, error=wrong)
    if client_assertion and client_assertion_type != ASSERTION:
        raise Refuse(f"client_assertion_type must be {ASSERTION}", todo=_TODO, error="invalid_request")
    sign_in = services_of(request).sign_in
    if client_assertion:
        issued = sign_in.by_assertion(client_assertion, client_id)
    else:
        issued = _by_secret(sign_in, *(_basic(request.headers.get("authorization", "")) or (client_id, client_secret)))
    body = {"access_token": issued.access_token, "token_type": "Bearer", "expires_in": issued.expires_in}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


@router.get("/oauth/jwks", tags=["access"], summary="The hub's public keys")
def public_keys(request: Request) -> dict[str, Any]:
    """The keys that the hub signs tokens with now, and those that tokens still in use were signed with."""
    return services_of(request).sign_in.public_keys


@router.get(
    "/.well-known/oauth-authorization-server", tags=["access"], summary="What this token endpoint can do (RFC 8414)"
)
def metadata(request: Request) -> dict[str, Any]:
    """What client libraries read to set themselves up."""
    sign_in = services_of(request).sign_in
    issuer = sign_in.issuer
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": sign_in.methods,
        "token_endpoint_auth_signing_alg_values_supported": [*ALGORITHMS],
    }


def caller(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> str:
    """The client that the request's bearer token speaks for; else Unauthenticated."""
    return services_of(request).authenticate(_token(credentials))


@router.post("/oauth/revoke", tags=["access"], summary="Let a token of one's own count no more (RFC 7009)")
def revoke(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    token: Annotated[str, Form(max_length=8192)] = "",
) -> JSONResponse:
    """Revoke the token; in every process within seconds. A token that does not count anyway answers the same."""
    services = services_of(request)
    services.sign_in.revoke(services.desk.caller(_token(credentials)), token)
    return JSONResponse({}, headers={"Cache-Control": "no-store"})


def _by_secret(sign_in: SignIn, client_id: str, secret: str) -> Token:
    try:
        return sign_in.by_secret(client_id, secret)
    except Unauthenticated as error:
        raise Unauthenticated(error.what, todo=error.todo, error="invalid_client") from None


def _token(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None:
        raise Unauthenticated(
            "this address needs a bearer token", todo="POST /oauth/token, then send Authorization: Bearer TOKEN"
        )
    return credentials.credentials


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
