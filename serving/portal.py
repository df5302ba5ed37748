"""The demonstration portal: what a department's own site would do with the hub's answer.

It is a client like any other: it acts under its own id, grant and purpose, and every look-up leaves an audit entry. The
identifier comes by POST, or inside an invitation that only the hub can read: it is in no address, history or access log.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse

from prefill.envelope import Answer
from prefill.forms import Form as HubForm
from schemas.errors import NotFound
from serving.disclosure import Wish, disclose
from serving.rendering import page
from serving.security import FormProof
from serving.services import Portal, Services, services_of

router = APIRouter(prefix="/forms", include_in_schema=False)
_PRIVATE = {"Cache-Control": "no-store"}


@router.get("")
def forms(request: Request) -> HTMLResponse:
    """List the forms to try."""
    services = services_of(request)
    kinds = services.kinds()
    return page(request, "forms.html", forms=[f for f in services.forms().values() if f.id not in kinds], kinds=kinds)


@router.get("/{form_id}")
def ask(request: Request, form_id: str, invitation: str = "") -> HTMLResponse:
    """Ask for the applicant's identifier; with an invitation, show the form filled in at once."""
    services, portal = _present(request)
    form = _form(services, form_id)
    if not invitation:
        return _ask(request, services, portal, form)
    invited = portal.invited(invitation, form_id)
    return _filled(
        request,
        form,
        disclose(
            services,
            Wish(portal.client, form_id, invited.subject, portal.purpose, select=invited.select, case=portal.case),
        ),
    )


@router.post("/{form_id}")
def show(
    request: Request,
    form_id: str,
    subject: Annotated[str, Form(max_length=64)] = "",
    proof: Annotated[str, Form(max_length=128)] = "",
) -> HTMLResponse:
    """Show the form filled in, or ask again and say why."""
    services, portal = _present(request)
    form = _form(services, form_id)
    FormProof(portal.form_key).check(request, proof)
    try:
        answer = disclose(services, Wish(portal.client, form_id, subject.strip(), portal.purpose, case=portal.case))
    except NotFound:
        return _ask(request, services, portal, form, wrong="error_unknown_subject", status=404)
    return _filled(request, form, answer)


def _filled(request: Request, form: HubForm, answer: Answer) -> HTMLResponse:
    return page(request, "form.html", headers=_PRIVATE, form=form, answer=answer)


def _present(request: Request) -> tuple[Services, Portal]:
    services = services_of(request)
    if services.portal is None:
        raise NotFound("the demonstration portal is switched off here")
    return services, services.portal


def _form(services: Services, form_id: str) -> HubForm:
    form = services.forms().get(form_id)
    if form is None:
        raise NotFound("there is no such form", todo="choose one from the list of forms")
    return form


def _ask(
    request: Request, services: Services, portal: Portal, form: HubForm, *, wrong: str = "", status: int = 200
) -> HTMLResponse:
    proofs = FormProof(portal.form_key)
    cookie, proof = proofs.value(request)
    response = page(
        request,
        "ask.html",
        status=status,
        headers=_PRIVATE,
        form=form,
        kind=services.kinds()[form.subject],
        samples=portal.samples(form.id),
        proof=proof,
        wrong=wrong,
    )
    proofs.keep(response, request, cookie)
    return response
