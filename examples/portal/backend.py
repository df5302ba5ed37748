"""A portal's own backend: `uvicorn --factory examples.portal.backend:app`. The browser never talks to the hub and never sees its token."""

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, JSONResponse

from examples.portal.hub_client import HubClient, HubRefused

FORM, PURPOSE = "hk_macao_permit_renewal", "permit-renewal"


def app() -> FastAPI:
    """The page, the form filled in, the form taken in."""
    hub = HubClient(os.environ["HUB_URL"], os.environ["HUB_CLIENT"], Path(os.environ["HUB_KEY"]).read_text())
    signed_in = os.environ[
        "DEMO_SUBJECT"
    ]  # yours: the citizen ID of the session, from your sign-in, never from the browser
    portal = FastAPI()

    @portal.get("/")
    def page() -> FileResponse:
        return FileResponse(Path(__file__).with_name("page.html"))

    @portal.post("/prefill")
    def prefill(draft: dict[str, Any]) -> Any:
        return hub.prefill(FORM, signed_in, PURPOSE, case="application", draft=draft)

    @portal.post("/submit")
    def submit(fields: dict[str, Any]) -> Any:
        return hub.verify(FORM, signed_in, fields)  # then keep the values, if `intact`

    @portal.exception_handler(HubRefused)
    def refused(_request: Any, error: HubRefused) -> JSONResponse:
        return JSONResponse({"detail": error.detail}, 503 if error.wait else 502)  # the page shows the form empty

    return portal
