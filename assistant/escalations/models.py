"""Questions that went to a person, what was known when they went, and what the two said to each other."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from ingestion.models import Corpus, Document


class Escalation(models.Model):
    """A question that a person is asked to answer: the owner of `corpus`, or the administrators where there is none.

    It keeps a copy of the question, so that the reply outlives the conversation; `answer` is null once that is deleted.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ANSWERED = "answered", "Answered"

    class Reason(models.TextChoices):
        ABSTAINED = "abstained", "The documents did not answer it"
        FAILED = "failed", "The answer could not be made"
        ASKED = "asked", "The answer was not enough for the asker"
        ROUTED = "routed", "A rule sends such questions to a person"
        WISHED = "wished", "The asker wished for a person"

    answer = models.OneToOneField("assistant.Answer", null=True, on_delete=models.SET_NULL, related_name="escalation")
    asker = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="escalations")
    corpus = models.ForeignKey(Corpus, null=True, on_delete=models.SET_NULL, related_name="+")
    question = models.TextField(max_length=4000)
    standalone_question = models.TextField(blank=True)
    reason = models.CharField(max_length=10, choices=Reason)
    why = models.CharField(max_length=500, blank=True)  # a sentence with the figures: what was not enough
    has_turns = models.BooleanField(default=True)  # the questions before it in the conversation go with it
    searched = models.JSONField(default=list, blank=True)  # ids of the corpora; each reader sees the names of their own
    passages = models.JSONField(default=list, blank=True)  # what was found, best first, as in Answer.passages

    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    version = models.PositiveIntegerField(default=0)  # raised by each message: who answers what they did not see is told
    is_helpful = models.BooleanField(null=True)  # what the asker says of the last reply
    has_news = models.BooleanField(default=False)  # a reply that the asker has not seen
    document = models.ForeignKey(Document, null=True, on_delete=models.SET_NULL, related_name="+")

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-updated_at", "-pk"]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["state", "corpus"])]

    def __str__(self) -> str:
        return self.question[:80]

    @property
    def is_at_once(self) -> bool:
        """It went to a person without a search."""
        return self.reason in (self.Reason.ROUTED, self.Reason.WISHED)

    @property
    def is_withdrawn(self) -> bool:
        """The asker deleted the conversation before anyone answered."""
        return self.answer_id is None and self.state == self.State.OPEN


class EscalationMessage(models.Model):
    """What the asker adds to the question, or a person's reply."""

    escalation = models.ForeignKey(Escalation, on_delete=models.CASCADE, related_name="messages")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    is_reply = models.BooleanField()
    text = models.TextField(max_length=10_000)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]

    def __str__(self) -> str:
        return self.text[:80]
