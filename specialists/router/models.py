"""The administrator's rules of routing, in their order: the first that applies decides."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class RoutingRule(models.Model):
    """`value` is an intent, an urgency, a sentiment, a corpus's number, or the words that the question must contain."""

    class When(models.TextChoices):
        INTENT = "intent", "The question is a"
        PHRASE = "phrase", "The question contains"
        CORPUS = "corpus", "Asked in the corpus"
        URGENCY = "urgency", "The urgency is"
        SENTIMENT = "sentiment", "The tone is"

    position = models.PositiveIntegerField(db_index=True)
    condition = models.CharField(max_length=12, choices=When)
    value = models.CharField(max_length=200)
    tier = models.CharField(max_length=20)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["position", "pk"]

    def __str__(self) -> str:
        return f"{self.condition} {self.value} → {self.tier}"[:80]
