"""The hub's web application: `create_app(services)`, the same routes for every composition."""

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from serving import (
    api,
    data_docs,
    datasets,
    dcat,
    disputes,
    pages,
    portal,
    prefill,
    problems,
    push,
    quarantine,
    records,
    requests,
    rights,
    scorecards,
    signin,
    subscriptions,
)
from serving.console import my, office, register, trail
from serving.console import portal as console_portal
from serving.console import requests as console_requests
from serving.console import signin as console_signin
from serving.crowd import Crowd, Places
from serving.headers import SecurityHeaders
from serving.services import Services

OPEN_ROUTES = frozenset(
    {
        "/healthz",
        "/openapi.json",
        "/oauth/token",
        "/oauth/jwks",
        "/.well-known/oauth-authorization-server",
        "/",
        "/static/{name}",
        "/catalog",
        "/catalog/{name:path}",
        "/elements/{element}",
        "/departments",
        "/departments/{code}",
        "/dcat",
        "/v1/datasets",
        "/v1/datasets/{name:path}",
        "/v1/elements/{element}",
        "/scorecards",
        "/scorecards/{dataset}",
        "/quality",
        "/quality/{name:path}",
        "/forms",
        "/forms/{form_id}",
        "/sign-in",
        "/sign-in/provider",
        "/sign-in/provider/back",
    }
)
"""Every route that answers without a token and without a session. A test walks all routes and holds them to this list."""


class Application(FastAPI):
    """The routes, behind what is asked before any of the framework's layers: who may come in, and the two routes that answer by themselves."""

    def __init__(self, services: Services) -> None:
        super().__init__(
            title="cityhub", responses=problems.RESPONSES, docs_url=None, redoc_url=None, redirect_slashes=False
        )
        self.state.services = services
        self.places, self.answers = Places(services.places), prefill.Answers(services)

    def build_middleware_stack(self) -> ASGIApp:
        """The framework's own layers, behind the two."""
        return Crowd(prefill.Plain(super().build_middleware_stack(), self.answers), self.places)


def create_app(services: Services) -> Application:
    """The application over these services; the demonstration portal's pages only where `services.portal` is set."""
    app = Application(services)
    app.add_middleware(SecurityHeaders)
    app.include_router(prefill.router)
    app.add_api_route("/healthz", _healthy, include_in_schema=False)
    app.include_router(signin.router)
    app.include_router(rights.router)
    app.include_router(requests.router)
    app.include_router(push.router)
    app.include_router(quarantine.router)
    app.include_router(records.router)
    app.include_router(subscriptions.router)
    app.include_router(api.router)
    app.include_router(disputes.router)
    app.include_router(scorecards.api)
    app.include_router(scorecards.pages)
    app.include_router(datasets.router)  # last of /v1/datasets: its path takes whatever follows
    app.include_router(dcat.router)
    app.include_router(pages.router)
    app.include_router(data_docs.router)
    for console in (console_signin, my, office, trail, console_requests, console_portal, register):
        app.include_router(console.router)
    if services.portal is not None:
        app.include_router(portal.router)
    problems.install(app)
    return app


def _healthy() -> JSONResponse:
    return JSONResponse({"status": "ok"})
