"""Trials: a version that is not in use answers some of the questions, unseen or seen, before anybody decides about it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models

from assistant.finetuning.models import Specialist, SpecialistVersion


class TrialKind(models.TextChoices):
    SHADOW = "shadow", "Unseen, beside what is in use"
    GROUP = "group", "For one group"
    PEOPLE = "people", "For a share of the people"


class Trial(models.Model):
    """One version beside what was in use when it began. It ends by itself as soon as that is no longer so."""

    specialist = models.ForeignKey(Specialist, on_delete=models.CASCADE, related_name="trials")
    version = models.ForeignKey(SpecialistVersion, on_delete=models.CASCADE, related_name="trials")
    incumbent = models.ForeignKey(SpecialistVersion, null=True, on_delete=models.SET_NULL, related_name="+")  # null: the base
    kind = models.CharField(max_length=6, choices=TrialKind)
    share = models.PositiveSmallIntegerField(default=100)  # percent: of the questions when unseen, of the people when seen
    group = models.ForeignKey(Group, null=True, on_delete=models.SET_NULL, related_name="+")  # without one, nobody is in it
    most_answers = models.PositiveIntegerField(default=200)
    dropped = models.PositiveIntegerField(default=0)  # answers that nobody had time to write again
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["specialist"], condition=models.Q(ended_at=None), name="one_running_trial")
        ]

    def __str__(self) -> str:
        return f"{self.kind} trial of {self.version}"

    @property
    def is_running(self) -> bool:
        return self.ended_at is None

    @property
    def is_shadow(self) -> bool:
        return self.kind == TrialKind.SHADOW


class TrialAnswerState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class TrialAnswer(models.Model):
    """An answer that counts in a trial. Of one that is seen: whether the candidate wrote it, and what came of it. Of an unseen
    one: what the candidate wrote for the same passages, beside what was shown. Goes with the answer."""

    trial = models.ForeignKey(Trial, on_delete=models.CASCADE, related_name="answers")
    answer = models.ForeignKey("assistant.Answer", on_delete=models.CASCADE, related_name="trial_answers")
    state = models.CharField(max_length=6, choices=TrialAnswerState, default=TrialAnswerState.QUEUED)
    is_candidate = models.BooleanField(default=False)  # the candidate's words were shown
    was_answered = models.BooleanField()  # by the model that was shown
    shown_ms = models.FloatField()  # that it took
    is_answered = models.BooleanField(null=True)  # by the candidate, unseen
    candidate_ms = models.FloatField(null=True)
    sentences = models.JSONField(default=list, blank=True)  # the candidate's, unseen: [{"text": str, "passages": [id, …]}, …]
    agreement = models.FloatField(null=True)  # F1 of the words, where both answered
    same_sources = models.FloatField(null=True)  # of the passages that either cites, the share that both do
    error_message = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["trial", "answer"], name="one_trial_answer_per_answer")
        ]

    def __str__(self) -> str:
        return f"{self.trial_id}: {self.answer_id}"
