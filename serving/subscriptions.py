"""A client's own subscriptions: its webhook is told when a dataset that it holds a grant for is published."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from serving.services import services_of
from serving.signin import caller

router = APIRouter(prefix="/v1", dependencies=[Depends(caller)], tags=["records"])
_PLAIN = r"^[^\x00-\x20\x7f]*$"


class SubscriptionRequest(BaseModel):
    """Which dataset's loads are told of, and to which address."""

    model_config = ConfigDict(extra="forbid")

    dataset: Annotated[str, Field(min_length=1, max_length=64, pattern=_PLAIN)]
    url: Annotated[str, Field(min_length=1, max_length=500, pattern=_PLAIN)]


class Subscription(BaseModel):
    """A subscription; of its address the host alone is shown."""

    id: str
    dataset: str
    host: str
    types: list[str]
    subscribed_at: datetime


class NewSubscription(Subscription):
    """A subscription with the key that its messages are signed with, which is shown this once."""

    secret: str


@router.post("/subscriptions", status_code=201, summary="Be told, by a signed webhook, when a dataset is published")
def subscribe(request: Request, asked: SubscriptionRequest, client: Annotated[str, Depends(caller)]) -> NewSubscription:
    """Subscribe; keep the key, it is not shown again."""
    made = services_of(request).subscriptions.subscribe(client, asked.dataset, asked.url)
    return NewSubscription.model_validate(made)


@router.get("/subscriptions", summary="This client's subscriptions")
def listed(request: Request, client: Annotated[str, Depends(caller)]) -> list[Subscription]:
    """List them."""
    return [Subscription.model_validate(one) for one in services_of(request).subscriptions.listed(client)]


@router.delete("/subscriptions/{number}", status_code=204, summary="Be told no more")
def unsubscribe(
    request: Request, number: Annotated[str, Path(max_length=32)], client: Annotated[str, Depends(caller)]
) -> Response:
    """Remove one of one's own."""
    services_of(request).subscriptions.unsubscribe(client, number)
    return Response(status_code=204)
