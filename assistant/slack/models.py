"""What Slack told us and what became of it, and which of its threads is which conversation."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class Kind(models.TextChoices):
    MENTION = "mention", "Mention"
    DIRECT = "direct", "Direct message"
    REPLY = "reply", "Reply in a thread"
    SHORTCUT = "shortcut", "Shortcut on a message"
    CHANNEL = "channel", "Question in a channel"  # that answers by itself: nobody asked us
    COMMAND = "command", "Command"
    BUTTON = "button", "Button"
    CHANGED = "changed", "Message changed"
    DELETED = "deleted", "Message deleted"
    PANE = "pane", "Assistant opened"
    GONE = "gone", "Uninstalled"
    OTHER = "other", "Something else"


ASKED = (Kind.MENTION, Kind.DIRECT, Kind.REPLY, Kind.SHORTCUT)
MESSAGES = (*ASKED, Kind.CHANNEL)  # questions that stand in Slack as somebody's message
QUESTIONS = (*MESSAGES, Kind.COMMAND)


class EventState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    WORKING = "working", "Being worked on"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


OPEN_EVENTS = (EventState.WAITING, EventState.WORKING)


class Outcome(models.TextChoices):
    """What the person was told."""

    NONE = "", "Not worked on yet"
    ANSWERED = "answered", "Answered"
    NO_EVIDENCE = "no_evidence", "Not answered by the documents"
    SENT_ON = "sent_on", "Sent to a person"
    NO_PERMISSION = "no_permission", "Nothing may be used here"
    OUTSIDERS = "outsiders", "Outsiders read along"
    NOT_LINKED = "not_linked", "No account"
    REFUSED = "refused", "Not a question"
    OVER_LIMIT = "over_limit", "Over a limit"
    BUSY = "busy", "Too busy"
    STOPPED = "stopped", "Stopped"
    RECORDED = "recorded", "Recorded"
    WITHDRAWN = "withdrawn", "Withdrawn"
    IGNORED = "ignored", "Ignored"
    BROKEN = "broken", "Broken"


class SlackEvent(models.Model):
    """One thing that happened in Slack. `payload` holds the words until it is worked, and is emptied then.

    A reply that stands in Slack is posted in three steps, each stored before the next: `is_posting`, the post, `reply_ts`. A
    worker that takes the event up after a kill looks for the reply in Slack where only the first step is stored.
    """

    event_id = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=10, choices=Kind)
    slack_user = models.CharField(max_length=32, blank=True)
    channel = models.CharField(max_length=32, blank=True)
    ts = models.CharField(max_length=32, blank=True)  # of the message that it is about
    thread_ts = models.CharField(max_length=32, blank=True)  # of the thread's first message
    payload = models.JSONField(default=dict, blank=True)
    answer = models.OneToOneField("assistant.Answer", null=True, on_delete=models.SET_NULL, related_name="slack_event")
    reply_ts = models.CharField(max_length=32, blank=True)
    is_posting = models.BooleanField(default=False)

    state = models.CharField(max_length=8, choices=EventState, default=EventState.WAITING)
    outcome = models.CharField(max_length=14, choices=Outcome, blank=True)
    reason = models.CharField(max_length=300, blank=True)  # never words of a message
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # Slack tells of one message as a mention and, in a thread, as a message too.
            models.UniqueConstraint(
                fields=["channel", "ts"],
                condition=models.Q(kind__in=["mention", "direct", "reply", "channel"]),
                name="one_event_per_message",
            )
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "not_before"]),
            models.Index(fields=["channel", "thread_ts"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"

    @property
    def is_message(self) -> bool:
        """A question that stands in Slack, where a reply and a reaction can stand beside it."""
        return self.kind in MESSAGES


class SlackChannel(models.Model):
    """A channel that answers by itself: questions that nobody put to us, where the answer is sure enough."""

    channel = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=80)  # as Slack told it when it was switched on
    least_sure = models.PositiveSmallIntegerField()  # percent, of the probability that is stated for an answer
    switched_on_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name", "pk"]

    def __str__(self) -> str:
        return f"#{self.name}"


class SlackThread(models.Model):
    """A thread in a channel or a direct message: the whole of it is one conversation."""

    channel = models.CharField(max_length=32)
    thread_ts = models.CharField(max_length=32)
    conversation = models.OneToOneField("assistant.Conversation", on_delete=models.CASCADE, related_name="slack_thread")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["channel", "thread_ts"], name="one_conversation_per_thread")
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.thread_ts}"
