"""Golden questions: what a corpus must be able to answer (or must refuse), the runs that ask them, and what came of it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from ingestion.models import Corpus


class Expectation(models.TextChoices):
    ANSWER = "answer", "An answer"
    REFUSAL = "refusal", "A refusal"


class Source(models.TextChoices):
    TYPED = "typed", "Typed in"
    IMPORTED = "imported", "Imported"
    FEEDBACK = "feedback", "From feedback"
    DEMO = "demo", "Demo"


class GoldenQuestion(models.Model):
    """A question of a corpus with its known outcome. `must_contain` lists what the answer must say, each item as its
    alternatives; `document_name` is the file that must be cited, by its name in the corpus."""

    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="golden_questions")
    key = models.CharField(max_length=64)  # of the question's words: how runs are compared
    question = models.TextField(max_length=4000)
    expects = models.CharField(max_length=8, choices=Expectation, default=Expectation.ANSWER)
    must_contain = models.JSONField(default=list, blank=True)  # [["27 days", "twenty-seven days"], …]
    document_name = models.CharField(max_length=500, blank=True)
    tags = models.JSONField(default=list, blank=True)
    source = models.CharField(max_length=8, choices=Source, default=Source.TYPED)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["corpus", "key"], name="one_golden_question_per_wording")
        ]

    def __str__(self) -> str:
        return self.question[:80]


class RunState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Running"
    FINISHED = "finished", "Finished"
    STOPPED = "stopped", "Stopped"
    FAILED = "failed", "Failed"


OPEN_RUNS = (RunState.QUEUED, RunState.RUNNING)


class Trigger(models.TextChoices):
    MANUAL = "manual", "Started by hand"
    COMMAND = "command", "Started by a command"
    MODEL = "model", "The model changed"
    PROMPT = "prompt", "The way of answering changed"
    THRESHOLD = "threshold", "A threshold or rule changed"
    INDEX = "index", "The documents changed"


class GoldenRun(models.Model):
    """All golden questions of a corpus, asked once with the rights of `asked_as`. A job with a lease: a killed worker's run
    is taken up where it stood."""

    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="golden_runs")
    state = models.CharField(max_length=8, choices=RunState, default=RunState.QUEUED)
    trigger = models.CharField(max_length=9, choices=Trigger)
    asked_as = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    scope = models.JSONField(default=list)  # the partitions that were open to `asked_as`; runs compare within one scope
    fingerprint = models.JSONField(default=dict)  # everything that can change an answer, by part
    baseline = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")

    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    correct = models.PositiveIntegerField(default=0)
    broken = models.PositiveIntegerField(null=True)  # right in the baseline, wrong now; null: nothing to compare with
    fixed = models.PositiveIntegerField(null=True)
    passed = models.BooleanField(null=True)
    verdict = models.CharField(max_length=300, blank=True)
    error_message = models.CharField(max_length=500, blank=True)

    attempts = models.PositiveSmallIntegerField(default=0)  # claims since the last recorded result
    lease_owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-pk"]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["state", "lease_until"])]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["corpus"], condition=models.Q(state__in=["queued", "running"]), name="one_open_golden_run_per_corpus"
            )
        ]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.corpus_id}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_RUNS

    @property
    def share(self) -> float | None:
        """The share of right answers among all questions of the run."""
        return self.correct / self.total if self.total and self.state == RunState.FINISHED else None


class GoldenResult(models.Model):
    """One question of a run: a copy of what was expected, and, once asked, what came. `outcome` is empty until then."""

    run = models.ForeignKey(GoldenRun, on_delete=models.CASCADE, related_name="results")
    position = models.PositiveIntegerField()
    question = models.ForeignKey(GoldenQuestion, null=True, on_delete=models.SET_NULL, related_name="+")
    key = models.CharField(max_length=64)
    text = models.TextField()
    expects = models.CharField(max_length=8, choices=Expectation)
    must_contain = models.JSONField(default=list)
    document_name = models.CharField(max_length=500, blank=True)
    tags = models.JSONField(default=list, blank=True)

    outcome = models.CharField(max_length=10, blank=True)  # the answer's state: answered, abstained or failed
    is_correct = models.BooleanField(null=True)
    is_cited = models.BooleanField(null=True)  # null: no document was asked for
    problem = models.CharField(max_length=300, blank=True)
    sentences = models.JSONField(default=list, blank=True)  # [{"text": …, "documents": [id, …]}, …]
    cited = models.JSONField(default=list, blank=True)  # [{"document": id, "name": …, "title": …}, …]
    route = models.CharField(max_length=80, blank=True)
    confidence = models.FloatField(null=True)
    latency_ms = models.FloatField(null=True)
    price = models.DecimalField(max_digits=14, decimal_places=8, null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["position"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["run", "key"], name="one_golden_result_per_question")
        ]

    def __str__(self) -> str:
        return f"{self.run_id}:{self.position} {self.outcome or 'waiting'}"
