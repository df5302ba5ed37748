"""A portal's own backend: `uvicorn --factory examples.portal.backend:app`. The browser never talks to the hub and never sees its token."""

import os
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse

from examples.portal.hub_client import HubClient, HubRefused, Json


def app() -> FastAPI:
    """The page, the form filled in, the form taken in; where the hub refuses, the page shows the form empty."""
    hub = HubClient(os.environ["HUB_URL"], os.environ["HUB_CLIENT"], Path(os.environ["HUB_KEY"]).read_text())
    who = os.environ["DEMO_SUBJECT"]  # yours: the citizen ID of the session, from your sign-in, never from the browser

    def prefill(draft: Json) -> Json | None:
        return hub.prefill("hk_macao_permit_renewal", who, "permit-renewal", case="application", draft=draft)

    def submit(fields: Json) -> Json:
        return hub.verify("hk_macao_permit_renewal", who, fields)  # then keep the values, if `intact`

    async def refused(_: Request, error: HubRefused) -> JSONResponse:
        return JSONResponse({"detail": error.detail}, 503 if error.wait else 502)

    portal = FastAPI(exception_handlers={HubRefused: refused})
    portal.get("/")(lambda: FileResponse(Path(__file__).with_name("page.html")))
    portal.post("/prefill")(prefill)
    portal.post("/submit")(submit)
    return portal
