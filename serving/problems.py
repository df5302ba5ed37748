"""Errors as answers: problem documents (RFC 9457) for programs, pages for people.

Every `HubError` knows its own status; a malformed request names the fields at fault and never repeats what they held.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from schemas.errors import HubError, Invalid, Unauthenticated
from serving.headers import HEADERS
from serving.rendering import address, error_page

_FOR_PROGRAMS = ("/v1/", "/dcat", "/oauth/", "/.well-known/", "/healthz", "/openapi.json")


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {
            "application/problem+json": {
                "schema": {"type": "object", "required": ["type", "title", "status", "detail"]}
            }
        },
    }
    for status in (400, 401, 403, 404, 409, 413, 415, 422, 429, 503)
}
"""How every route may refuse, for the description of the interface."""


def install(app: FastAPI) -> None:
    """Answer every error of the app in one shape."""
    app.add_exception_handler(HubError, _on_hub_error)
    app.add_exception_handler(RequestValidationError, _on_malformed)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unexpected)


def answer(request: Request, problem: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """The problem as JSON for programs, as a page for people."""
    if not request.url.path.startswith(_FOR_PROGRAMS):
        return error_page(request, problem, headers)
    return JSONResponse(problem, problem["status"], headers, media_type="application/problem+json")


def refusal(error: Exception) -> Response:
    """The error as a program reads it."""
    if not isinstance(error, HubError):
        return JSONResponse(_UNEXPECTED, 500, media_type="application/problem+json")
    return JSONResponse(error.problem(), error.status, _headers(error), media_type="application/problem+json")


def _headers(error: HubError) -> dict[str, str]:
    headers: dict[str, str] = {"Cache-Control": "no-store"}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "5"
    return headers


async def _on_hub_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HubError)  # noqa: S101 - the handler is registered for nothing else
    if isinstance(error, Unauthenticated) and not request.url.path.startswith(_FOR_PROGRAMS):
        return _sign_in_first(request)
    return answer(request, error.problem(), _headers(error))


def _sign_in_first(request: Request) -> Response:
    """Lead a browser to the sign-in page, and from there back to what it asked for."""
    back = f"{request.url.path}?{request.url.query}".rstrip("?") if request.method == "GET" else ""
    return RedirectResponse(address(request, "/sign-in", next=back), 303, {"Cache-Control": "no-store"})


async def _on_malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - the handler is registered for nothing else
    faults = [f"{_place(fault['loc'])}: {_wrong(fault)}" for fault in error.errors()]
    malformed = Invalid("; ".join(faults), todo="correct the request; GET /openapi.json describes it")
    return answer(request, {**malformed.problem(), "errors": faults}, {"Cache-Control": "no-store"})


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for nothing else
    title = HTTPStatus(error.status_code).phrase.lower()
    problem = {
        "type": "about:blank",
        "title": title,
        "status": error.status_code,
        "detail": _DETAILS.get(error.status_code, title),
    }
    return answer(request, problem, dict(error.headers or {}))


# Answered outside the app's own middleware, so it brings the security headers itself.
async def _on_unexpected(request: Request, _error: Exception) -> Response:
    return answer(request, _UNEXPECTED, HEADERS)


_UNEXPECTED: dict[str, Any] = {
    "type": "about:blank", "title": "internal server error", "status": 500, "detail": "a fault of the hub itself",
    "todo": "tell the operators; the log has the details",
}  # fmt: skip
_DETAILS = {
    404: "there is nothing at this address",
    405: "this address does not take this method",
}


def _place(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location if part not in {"body", "query", "path"}) or "body"


def _wrong(fault: dict[str, Any]) -> str:
    """What is wrong, in the validator's words where those do not repeat the value."""
    plain = {
        "missing": "is required",
        "extra_forbidden": "is not known here",
        "json_invalid": "is not valid JSON",
        "string_type": "must be a string",
        "list_type": "must be a list",
        "string_too_long": "is too long",
        "string_too_short": "is too short",
        "too_long": "has too many items",
    }
    return plain.get(str(fault["type"]), "is not acceptable")
