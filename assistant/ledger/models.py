"""The ledger's rows: which models tried to answer, what came of it, and what it took."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class TierUse(models.Model):
    """One try of one tier at one answer. Goes with its answer: whoever deletes a conversation deletes its ledger."""

    class Outcome(models.TextChoices):
        ANSWERED = "answered", "Answered"
        ABSTAINED = "abstained", "Abstained"
        ESCALATED = "escalated", "Passed on"
        FAILED = "failed", "Failed"

    answer = models.ForeignKey("assistant.Answer", on_delete=models.CASCADE, related_name="tier_uses")
    tier = models.CharField(max_length=40)
    order = models.PositiveSmallIntegerField()  # of the tries, from 0
    outcome = models.CharField(max_length=10, choices=Outcome)
    cpu_seconds = models.FloatField(default=0.0)
    gpu_seconds = models.FloatField(default=0.0)
    tokens_in = models.PositiveIntegerField(default=0)
    tokens_out = models.PositiveIntegerField(default=0)
    latency_ms = models.FloatField(default=0.0)
    price = models.DecimalField(max_digits=14, decimal_places=8, default=0)  # by the cost table of that day
    confidence = models.FloatField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    decision = models.JSONField(default=dict, blank=True)  # the router's scores, thresholds and rule; never words of a question

    class Meta:
        ordering: ClassVar[list[str]] = ["answer", "order"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["answer", "order"], name="one_tier_use_per_order")
        ]

    def __str__(self) -> str:
        return f"{self.answer_id}: {self.tier} {self.outcome}"
