"""Making, checking and ending tokens, and counting their requests. Each function is one whole change."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Case, F, QuerySet, Value, When
from django.utils import timezone

from assistant.api.models import ApiToken
from assistant.services import plain_text
from ingestion.permissions import AnyUser

PREFIX = "im_"
SHOWN_CHARACTERS = len(PREFIX) + 6
MAX_TOKENS = 50
SCOPES = {
    "ask": "Ask questions, read one’s own conversations, give feedback",
    "search": "Search passages, make embeddings",
    "read": "List corpora, read documents",
    "manage": "Upload and delete documents, run golden questions, where the person may",
}


SERVICE_SCOPES = {"widget": "Make short-lived tokens by which the widget acts as the person who sees the page"}
ALL_SCOPES = {**SCOPES, **SERVICE_SCOPES}


class TokenError(Exception):
    """A token that cannot be made. Nothing was stored."""

    def __init__(self, public_message: str) -> None:
        super().__init__(public_message)
        self.public_message = public_message


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a token's requests in this minute. `reset_s`: seconds until it is whole again."""

    limit: int
    remaining: int
    reset_s: int
    is_exceeded: bool = False


def create_token(
    *, user: User, name: str, scopes: Iterable[str], days: int, is_service: bool = False
) -> tuple[ApiToken, str]:  # fmt: skip
    """The token and its secret, which is shown once and kept nowhere. Only a service may have a scope that acts as others."""
    offered = ALL_SCOPES if is_service else SCOPES
    name, chosen = " ".join(plain_text(name).split()), [scope for scope in offered if scope in set(scopes)]
    if not name:
        raise TokenError("Give the token a name that says which program uses it.")
    if len(name) > 80:
        raise TokenError("The name has more than 80 characters. Shorten it.")
    if not chosen:
        raise TokenError("Choose at least one thing that the token may do.")
    if not 1 <= days <= settings.API_TOKEN_DAYS:
        raise TokenError(f"A token lasts from 1 to {settings.API_TOKEN_DAYS} days.")
    if tokens_of(user).filter(revoked_at=None, expires_at__gt=timezone.now()).count() >= MAX_TOKENS:
        raise TokenError(f"There are {MAX_TOKENS} tokens already. Revoke those that no program uses.")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user, name=name, beginning=secret[:SHOWN_CHARACTERS], digest=_digest(secret), scopes=chosen, is_service=is_service,
        expires_at=timezone.now() + timedelta(days=days),
    )  # fmt: skip
    return token, secret


def revoke_token(*, token: ApiToken) -> None:
    """End it at once. One that has ended stays as it is."""
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())


def tokens_of(user: AnyUser) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(user=user.pk)


def valid_tokens() -> QuerySet[ApiToken]:
    """Those that open something now: neither revoked nor expired, of active people."""
    return ApiToken.objects.filter(revoked_at=None, expires_at__gt=timezone.now(), user__is_active=True)


def token_of(secret: str) -> ApiToken | None:
    if not secret.startswith(PREFIX) or len(secret) > 200:
        return None
    return valid_tokens().select_related("user").filter(digest=_digest(secret)).first()


def count_request(token: ApiToken) -> Allowance:
    """Count a request, in one query that also keeps when the token was last used."""
    now = time.time()
    minute, limit = int(now // 60), settings.API_REQUESTS_PER_MINUTE
    counted = Case(When(minute=minute, then=F("requests_in_minute") + 1), default=Value(1))
    ApiToken.objects.filter(pk=token.pk).update(requests_in_minute=counted, minute=minute, last_used_at=timezone.now())
    token.refresh_from_db(fields=["requests_in_minute"])
    reset = 60 - int(now % 60)
    return Allowance(limit, max(0, limit - token.requests_in_minute), reset, token.requests_in_minute > limit)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
