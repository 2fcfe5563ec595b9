"""The place decides the audience: a direct message is read by the asker, a channel by every member, and in a channel with
outsiders nothing is said. Who they are is asked of Slack at every question, again before the second gate, and again before words
appear."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User

from assistant.finetuning.choosing import trained_documents
from assistant.models import Answer, AnswerState
from assistant.permissions import common_partitions
from assistant.slack.client import SlackClient, SlackError
from assistant.slack.models import Outcome
from assistant.slack.people import Directory, person_with
from assistant.slack.sentences import EXTERNAL, GUESTS, STRANGERS, TOO_MANY, UNSEEN, NotAnsweredError
from ingestion.models import Document
from specialists.router.types import SPECIALIST

MOST_MEMBERS = 100  # Slack tells of about a hundred accounts in a minute
EXTERNAL_FLAGS = ("is_ext_shared", "is_shared", "is_pending_ext_shared", "is_org_shared")
UNSEEN_CODES = frozenset({"channel_not_found", "not_in_channel", "missing_scope", "method_not_supported_for_channel_type"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is said, and the people who read it there. In a direct message that is the asker alone."""

    is_direct: bool
    readers: tuple[User, ...]


def find_place(client: SlackClient, directory: Directory, *, channel: str, slack_user: str) -> Place:
    """The place as it is now. Raises NotAnsweredError where nothing may be said."""
    about = _about(client, channel)
    if any(about.get(flag) for flag in EXTERNAL_FLAGS):
        raise NotAnsweredError(Outcome.OUTSIDERS, EXTERNAL)
    asker = directory.person(slack_user)
    if about.get("is_im"):
        if about.get("user") != slack_user:
            raise NotAnsweredError(Outcome.NO_PERMISSION, UNSEEN)
        return Place(is_direct=True, readers=(asker,))
    readers = {asker.pk: asker, **_members(client, directory, channel)}
    return Place(is_direct=False, readers=tuple(readers.values()))


def _about(client: SlackClient, channel: str) -> dict[str, object]:
    try:
        return client.channel(channel)
    except SlackError as error:
        if error.code in UNSEEN_CODES:
            raise NotAnsweredError(Outcome.NO_PERMISSION, UNSEEN) from None
        raise


def _members(client: SlackClient, directory: Directory, channel: str) -> dict[int, User]:
    people: dict[int, User] = {}
    is_complete = True
    try:
        for number, member in enumerate(client.members(channel)):
            if number >= MOST_MEMBERS:
                raise NotAnsweredError(Outcome.NO_PERMISSION, TOO_MANY.format(most=MOST_MEMBERS))
            account = directory.account(member)
            if not account.reads:
                continue
            if account.is_outsider:
                raise NotAnsweredError(Outcome.OUTSIDERS, GUESTS)
            person = person_with(account.email)
            if person is None:
                is_complete = False
            else:
                people[person.pk] = person
    except SlackError as error:
        if error.code in UNSEEN_CODES:
            raise NotAnsweredError(Outcome.NO_PERMISSION, UNSEEN) from None
        raise
    if not is_complete:
        raise NotAnsweredError(Outcome.NO_PERMISSION, STRANGERS)
    return people


def may_all_read(answer: Answer, readers: tuple[User, ...]) -> bool:
    """Whether every one of these people may read, now and in Slack, all that the answer shows or was written from."""
    shown = _documents_of(answer)
    if shown is None:
        return False
    partitions = common_partitions(readers).filter(corpus__is_for_slack=True)
    return Document.objects.filter(pk__in=shown, partition__in=partitions).count() == len(shown)


def _documents_of(answer: Answer) -> set[int] | None:
    """None when a cited document is gone."""
    cited = set(answer.citations.values_list("document", flat=True))
    documents = {document for document in cited if document is not None}
    if len(documents) < len(cited):
        return None
    if answer.state != AnswerState.ANSWERED or answer.route == SPECIALIST:  # words of any passage may be in it
        documents |= {int(item["document"]) for item in answer.passages if "document" in item}
        documents |= trained_documents(answer.refusal.get("adapter", ""))
    return documents
