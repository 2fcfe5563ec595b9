"""Tokens of the widget: signed, good for ten minutes, for one person and one page's origin, in the widget and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.utils import timezone

from assistant.api.models import ApiToken
from assistant.api.tokens import valid_tokens

LASTS = timedelta(minutes=10)
SCOPE = "widget"
_SALT = "assistant.widget"
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token stands for, and the service that vouches for them."""

    person: User
    service: ApiToken


def make_token(*, person: User, service: ApiToken, origin: str) -> tuple[str, datetime]:
    """The token, and when it ends. The caller has checked the service's scope and the origin."""
    claims = {"person": person.pk, "service": service.pk, "origin": origin}
    return signing.dumps(claims, salt=_SALT), timezone.now() + LASTS


def read_token(token: str, *, origin: str) -> Bearer | None:
    """None when it opens nothing: forged, too old, made for another page, or its service or person has been shut out since."""
    if len(token) > _LONGEST:
        return None
    try:
        claims = signing.loads(token, salt=_SALT, max_age=LASTS)
    except signing.BadSignature:
        return None
    if claims["origin"] != origin or origin not in settings.WIDGET_ORIGINS:
        return None
    service = service_token(claims["service"])
    person = User.objects.filter(pk=claims["person"], is_active=True).first()
    return Bearer(person, service) if person and service else None


def service_token(number: int) -> ApiToken | None:
    """The service's token, if it may still make tokens of the widget."""
    found = valid_tokens().filter(pk=number, is_service=True).first()
    return found if found and SCOPE in found.scopes else None
