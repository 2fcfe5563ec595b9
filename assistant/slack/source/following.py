"""Whether a channel may fill a corpus: public, of this workspace alone, and the app is in it. When it is public no more, its
corpus is closed at once: nobody but its owner reads it from then on, and it is not used in Slack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from assistant.slack.client import SlackClient, SlackError
from assistant.slack.places import EXTERNAL_FLAGS
from assistant.slack.source.claims import SourceClaim, advance
from assistant.slack.source.models import SlackSource, SourceState
from ingestion.models import Corpus
from ingestion.services import update_corpus

UNSEEN = frozenset({"channel_not_found"})  # what is private now, and was never ours, looks like this
VOID = frozenset({"token_revoked", "account_inactive"})  # Slack's words for an app that was removed
GONE = "The channel was deleted or made private."
REMOVED = "The app was removed from Slack."
PRIVATE = "The channel is private."
DIRECT = "It is a direct message, not a channel."
SHARED = "The channel is shared with another organization."
ARCHIVED = "The channel is archived."
NOT_THERE = "The app is not in the channel: invite it there."


def state_of(about: Mapping[str, Any]) -> tuple[str, str]:
    """The state in which Slack's words about a channel leave a source, and why."""
    if about.get("is_im") or about.get("is_mpim"):
        return SourceState.CLOSED, DIRECT
    if about.get("is_private") or about.get("is_group"):
        return SourceState.CLOSED, PRIVATE
    if any(about.get(flag) for flag in EXTERNAL_FLAGS):
        return SourceState.CLOSED, SHARED
    if about.get("is_archived"):
        return SourceState.AWAY, ARCHIVED
    if about.get("is_member") is False:
        return SourceState.AWAY, NOT_THERE
    return SourceState.FOLLOWED, ""


def look_at_channel(client: SlackClient, claim: SourceClaim) -> bool:
    """Ask Slack what the channel is now, and act on it. Whether it may be read."""
    try:
        about = client.channel(claim.source.channel)
    except SlackError as error:
        if error.code not in UNSEEN:
            raise
        close(claim.source, GONE)
        return False
    state, why = state_of(about)
    if state == SourceState.CLOSED:
        close(claim.source, why)
        return False
    name = str(about.get("name") or "")[:80] or claim.source.name
    if (state, name) != (claim.source.state, claim.source.name) or (why and why != claim.source.problem):
        was_away = claim.source.state != SourceState.FOLLOWED  # nobody told us what was said and deleted meanwhile
        advance(claim, state=state, name=name, problem=why, **({"compare_at": timezone.now()} if was_away and not why else {}))
    return state == SourceState.FOLLOWED


@transaction.atomic
def close(source: SlackSource, why: str) -> None:
    """Not a matter of who holds the lease: what must not be read is closed by whoever learns of it."""
    SlackSource.objects.filter(pk=source.pk).update(state=SourceState.CLOSED, problem=why, lease_owner="", lease_until=None)
    close_corpus(source.corpus)


def close_corpus(corpus: Corpus) -> None:
    current = Corpus.objects.get(pk=corpus.pk)
    update_corpus(
        corpus=current, name=current.name, description=current.description, owner=current.owner, groups=[], is_for_slack=False
    )
