"""What every page shows around its content: the person's recent conversations, and whether there is something to manage."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from assistant.escalations.asker import waiting_replies
from assistant.escalations.inbox import open_count
from assistant.limits.using import nearest_limit
from assistant.models import Conversation, Door
from assistant.permissions import conversations_of
from ingestion.permissions import AnyUser, can_manage_something, is_administrator

SHOWN = 60


def navigation(request: HttpRequest) -> dict[str, object]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    return {
        "nav_conversations": SimpleLazyObject(lambda: conversations_by_age(user)),
        "can_manage": SimpleLazyObject(lambda: can_manage_something(user)),
        "is_administrator": is_administrator(user),
        "nav_replies": SimpleLazyObject(lambda: waiting_replies(user)),
        "nearest_limit": SimpleLazyObject(lambda: nearest_limit(user)),
        "nav_inbox": SimpleLazyObject(lambda: open_count(user)),
    }


def conversations_by_age(user: AnyUser) -> list[tuple[str, list[Conversation]]]:
    now = timezone.localtime()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    groups: dict[str, list[Conversation]] = {"Today": [], "This week": [], "Earlier": []}
    for conversation in conversations_of(user).filter(door__in=(Door.WEB, Door.WIDGET))[:SHOWN]:
        if conversation.updated_at >= today:
            groups["Today"].append(conversation)
        elif conversation.updated_at >= today - timedelta(days=6):
            groups["This week"].append(conversation)
        else:
            groups["Earlier"].append(conversation)
    return [(label, conversations) for label, conversations in groups.items() if conversations]
