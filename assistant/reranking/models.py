"""Whether what is found in a corpus is put in order by the reranker, and what that was measured to do to its own questions."""

from __future__ import annotations

from django.db import models

from ingestion.models import Corpus


class Choice(models.TextChoices):
    AUTOMATIC = "automatic", "Automatic"
    ON = "on", "On"
    OFF = "off", "Off"


class MeasuringState(models.TextChoices):
    IDLE = "idle", "Not measuring"
    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Measuring"
    FAILED = "failed", "Failed"


OPEN_MEASUREMENTS = (MeasuringState.QUEUED, MeasuringState.RUNNING)


class CorpusReranking(models.Model):
    """A corpus's choice, the figures of its last measurement, and the one under way: a job with a lease, which a killed worker's
    successor takes up where it stood. A corpus without a row has the automatic choice and no figures."""

    corpus = models.OneToOneField(Corpus, on_delete=models.CASCADE, related_name="reranking")
    choice = models.CharField(max_length=9, choices=Choice, default=Choice.AUTOMATIC)

    # Before: in the search's order. After: in the reranker's. Gains in points of nDCG@10.
    questions = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)  # of them, answers that somebody found helpful
    first_before = models.PositiveIntegerField(default=0)  # questions whose source came first
    first_after = models.PositiveIntegerField(default=0)
    ndcg_before = models.FloatField(null=True)
    ndcg_after = models.FloatField(null=True)
    low = models.FloatField(null=True)  # of the gain's 95 % interval
    high = models.FloatField(null=True)
    measured_at = models.DateTimeField(null=True)
    measured_on = models.CharField(max_length=64, blank=True)  # the fingerprint of questions, documents and models

    state = models.CharField(max_length=8, choices=MeasuringState, default=MeasuringState.IDLE)
    measuring = models.CharField(max_length=64, blank=True)  # the fingerprint of what is being measured
    found = models.JSONField(default=list, blank=True)  # a row for each question so far: see measuring.py
    total = models.PositiveIntegerField(default=0)
    error_message = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # claims since the last question
    lease_owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.corpus_id}: {self.choice}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_MEASUREMENTS

    @property
    def gain(self) -> float:
        return (self.ndcg_after or 0.0) - (self.ndcg_before or 0.0)
