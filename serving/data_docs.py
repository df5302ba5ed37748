"""Data Docs: Great Expectations' pages about what the gate found, as they lie on disk: counts and rules, never a record."""

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, RedirectResponse

from schemas.errors import NotFound
from serving.services import services_of

router = APIRouter(prefix="/quality", include_in_schema=False)
_KINDS = {".html": "text/html; charset=utf-8", ".css": "text/css"}


@router.get("")
def home() -> RedirectResponse:
    """Lead to the list of datasets."""
    return RedirectResponse("/quality/index.html")


@router.get("/{name:path}")
def page(request: Request, name: str) -> FileResponse:
    """Serve a page or its style sheet, nothing else that lies there."""
    docs = services_of(request).docs
    file = (docs / name).resolve() if docs is not None else None
    if (
        docs is None
        or file is None
        or not file.is_relative_to(docs.resolve())
        or file.suffix not in _KINDS
        or not file.is_file()
    ):
        raise NotFound("there is no such page", todo="see /quality")
    return FileResponse(file, media_type=_KINDS[file.suffix], headers={"Cache-Control": "no-cache"})
