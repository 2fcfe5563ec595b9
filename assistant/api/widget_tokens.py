"""/api/widget-tokens: the intranet's server vouches for the person who sees its page."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import BaseModel, Field

from assistant.api.errors import ApiError
from assistant.api.gate import ApiRequest
from assistant.widget.tokens import make_token

logger = logging.getLogger(__name__)
router = Router(tags=["Widget"])

OFF = "The widget is off: WIDGET_ORIGINS names no page."
NO_SERVICE = "Only a service's token can vouch for others. Make one on the server with manage.py create_token."
NOT_LISTED = "Pages of this origin may not hold the widget. WIDGET_ORIGINS names those that may."
NOBODY = "There is no active account of this name."


class WidgetTokenIn(BaseModel):
    username: str = Field(min_length=1, max_length=150, description="the account of the person who sees the page")
    origin: str = Field(max_length=300, description="the page's origin, such as https://intranet.example.org")


class WidgetTokenOut(Schema):
    token: str = Field(description="for this person, on pages of this origin, in the widget only")
    expires_at: datetime


@router.post("/widget-tokens", url_name="widget_tokens", response={201: WidgetTokenOut}, summary="A token for the widget")
def create_widget_token(request: HttpRequest, body: WidgetTokenIn) -> Status[dict[str, Any]]:
    """Ask for it when somebody whom you have signed in loads the page, and give it to that page alone. It lasts ten minutes."""
    service = cast(ApiRequest, request).token
    if not settings.WIDGET_ORIGINS:
        raise ApiError(404, "widget_off", OFF)
    if not service.is_service:
        raise ApiError(403, "no_service", NO_SERVICE)
    if body.origin not in settings.WIDGET_ORIGINS:
        raise ApiError(400, "unknown_origin", NOT_LISTED, param="origin")
    person = User.objects.filter(username=body.username, is_active=True).first()
    if person is None:
        raise ApiError(404, "unknown_person", NOBODY, param="username")
    token, expires_at = make_token(person=person, service=service, origin=body.origin)
    logger.info("The service token %s vouched for account %s on %s", service.pk, person.pk, body.origin)
    return Status(201, {"token": token, "expires_at": expires_at})
