"""Channels that fill a corpus, and the parts that each is cut into. No words of a message are kept here: documents have them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone


class SourceState(models.TextChoices):
    FOLLOWED = "followed", "Followed"
    AWAY = "away", "Not followed"  # the app is not in the channel, or it is archived: goes on by itself when that changes
    CLOSED = "closed", "Closed"  # not public any more: an administrator decides


class SlackSource(models.Model):
    """A public channel that fills a corpus.

    What is new is found by a walk from the newest message down to `seen_ts`, page by page: `walk_top` is where it began,
    `walk_ts` how far down it has come, so that another worker goes on there. Only its end moves `seen_ts` up.
    """

    channel = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=80)  # as Slack told it last
    corpus = models.OneToOneField("ingestion.Corpus", on_delete=models.CASCADE, related_name="slack_source")
    chosen_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=8, choices=SourceState, default=SourceState.FOLLOWED)
    problem = models.CharField(max_length=300, blank=True)  # why it is not followed, or what went wrong last

    seen_ts = models.CharField(max_length=32, blank=True)
    walk_top = models.CharField(max_length=32, blank=True)
    walk_ts = models.CharField(max_length=32, blank=True)
    walk_floor = models.CharField(max_length=32, blank=True)

    next_at = models.DateTimeField(default=timezone.now)  # when it is looked at again
    not_before = models.DateTimeField(null=True)  # Slack asked to wait, or something went wrong
    compare_at = models.DateTimeField(default=timezone.now)  # when the whole channel is compared next
    synced_at = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name", "pk"]

    def __str__(self) -> str:
        return f"#{self.name}"


class SlackPart(models.Model):
    """What becomes one document: a thread, by the ts of its first message, or what stands by itself on one day. A part with
    `due_at` is to be read anew from Slack; who tells of a change only sets it."""

    source = models.ForeignKey(SlackSource, on_delete=models.CASCADE, related_name="parts")
    key = models.CharField(max_length=32)  # "1764150000.000100" or "2026-11-26"
    day = models.DateField()  # of the first message
    fingerprint = models.CharField(max_length=100, blank=True)  # of a thread: what the channel's history says of it
    due_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["source", "key"], name="one_part_per_key")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["source", "due_at"]),
            models.Index(fields=["source", "day"]),
        ]

    def __str__(self) -> str:
        return self.source_name

    @property
    def is_thread(self) -> bool:
        return "." in self.key

    @property
    def source_name(self) -> str:
        """The document's name. Digits alone: no name of a version may be read out of it."""
        return f"threads/{self.key}.md" if self.is_thread else f"days/{self.key}.md"
