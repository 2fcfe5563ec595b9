"""Conversations, the answers in them with their evidence, and what people say of the answers."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models

from ingestion.models import Corpus, Document


class Door(models.TextChoices):
    """Where a conversation is held."""

    WEB = "web", "Browser"
    API = "api", "API"
    MCP = "mcp", "MCP"
    SLACK = "slack", "Slack"
    WIDGET = "widget", "Widget"


class Conversation(models.Model):
    """One person’s thread of questions. `corpora` narrows the search where `is_narrowed`: one that is deleted leaves fewer, and
    never all that the person may read. Where `is_common`, it is held in a place that several people read: only what every one of
    `readers` may read is searched, and it is shown nowhere but there."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=200)
    corpora = models.ManyToManyField(Corpus, blank=True, related_name="+")
    is_narrowed = models.BooleanField(default=False)
    readers = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="+")
    is_common = models.BooleanField(default=False)  # without a reader, nothing is searched
    share_token = models.CharField(max_length=64, null=True, unique=True)  # null: not shared
    door = models.CharField(max_length=8, choices=Door, default=Door.WEB)
    is_internal = models.BooleanField(default=False)  # asked by a run or a command, not by a person: shown nowhere
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-updated_at"]

    def __str__(self) -> str:
        return self.title


class AnswerState(models.TextChoices):
    PENDING = "pending", "Waiting"
    ANSWERING = "answering", "Answering"
    ANSWERED = "answered", "Answered"
    ABSTAINED = "abstained", "Not answered by the documents"
    FAILED = "failed", "Failed"
    STOPPED = "stopped", "Stopped"


OPEN_STATES = (AnswerState.PENDING, AnswerState.ANSWERING)
FINAL_STATES = frozenset({AnswerState.ANSWERED, AnswerState.ABSTAINED, AnswerState.FAILED, AnswerState.STOPPED})


SEARCH_ANYWAY = "search_anyway"  # in Answer.refusal: the asker wants the documents searched, whatever the router thinks


class Answer(models.Model):
    """A question and what became of it: enough to show it again, and enough to replay it."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="answers")
    question = models.TextField(max_length=4000)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")  # see asker
    standalone_question = models.TextField(blank=True)  # the question understood in its conversation
    summary_of = models.ForeignKey(Document, null=True, on_delete=models.SET_NULL, related_name="+")  # what is to be summarised
    tier_wanted = models.CharField(max_length=40, blank=True)  # the one model that the asker wants; empty: the router decides
    api_token = models.ForeignKey("assistant.ApiToken", null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=10, choices=AnswerState, default=AnswerState.PENDING)
    text = models.TextField(blank=True)
    sentences = models.JSONField(default=list, blank=True)  # [{"text": str, "citations": [number, …], …}, …]: see composing.py
    error_message = models.CharField(max_length=500, blank=True)

    route = models.CharField(max_length=80, blank=True)
    model = models.CharField(max_length=120, blank=True)
    confidence = models.FloatField(null=True)  # the composer's score, compared with the threshold; not a probability
    refusal = models.JSONField(default=dict, blank=True)  # how it was decided whether to answer: see assistant/calibration
    corpora_searched = models.PositiveIntegerField(default=0)
    passages = models.JSONField(default=list, blank=True)  # what was retrieved: ids, scores, revisions, in order
    timings_ms = models.JSONField(default=dict, blank=True)
    lease_until = models.DateTimeField(null=True)  # past it, an unfinished answer is known to be lost
    written_by = models.CharField(max_length=120, blank=True)  # the web process that makes it: see writers.py

    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["created_at", "pk"]
        # Each question looks for unfinished ones, which are a handful of all.
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["state"], name="answers_by_state")]

    def __str__(self) -> str:
        return self.question[:80]

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def asker(self) -> User:
        """Who asked: the conversation's person, but for another's question in a common conversation."""
        return self.asked_by or self.conversation.user


class Citation(models.Model):
    """Evidence of an answer: a span of a document as it was. `document` is null once the document is deleted."""

    answer = models.ForeignKey(Answer, on_delete=models.CASCADE, related_name="citations")
    number = models.PositiveSmallIntegerField()
    document = models.ForeignKey(Document, null=True, on_delete=models.SET_NULL, related_name="+")
    document_revision = models.PositiveIntegerField()
    passage_id = models.BigIntegerField()
    title = models.CharField(max_length=300)
    page = models.PositiveIntegerField(null=True)
    heading_path = models.JSONField(default=list, blank=True)
    quote = models.TextField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()

    class Meta:
        ordering: ClassVar[list[str]] = ["number"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["answer", "number"], name="one_citation_per_number")
        ]

    def __str__(self) -> str:
        return f"[{self.number}] {self.title}"


class Feedback(models.Model):
    """What a person says of an answer."""

    class Verdict(models.TextChoices):
        HELPFUL = "helpful", "Helpful"
        NOT_HELPFUL = "not_helpful", "Not helpful"

    class Reason(models.TextChoices):
        NONE = "", "No reason given"
        WRONG = "wrong", "The answer is wrong"
        INCOMPLETE = "incomplete", "Something is missing"
        WRONG_SOURCE = "wrong_source", "The source does not fit"
        OUTDATED = "outdated", "The source is outdated"
        SHOULD_ANSWER = "should_answer", "The documents do answer this"

    answer = models.OneToOneField(Answer, on_delete=models.CASCADE, related_name="feedback")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    verdict = models.CharField(max_length=12, choices=Verdict)
    reason = models.CharField(max_length=20, choices=Reason, blank=True)
    comment = models.TextField(blank=True, max_length=2000)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.verdict} {self.reason}".strip()


class SuggestedQuestion(models.Model):
    """A good question for the first page, offered to those who may read the document that answers it."""

    text = models.CharField(max_length=300)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar[list[str]] = ["position", "pk"]

    def __str__(self) -> str:
        return self.text


from assistant.api.models import ApiToken  # noqa: E402, F401 - models of this app
from assistant.calibration.models import CorpusCalibration, RefusalJudgement  # noqa: E402, F401 - models of this app
from assistant.escalations.models import Escalation, EscalationMessage  # noqa: E402, F401 - models of this app
from assistant.finetuning.models import (  # noqa: E402, F401 - models of this app
    DataSet,
    DataSetRow,
    RowPassage,
    Specialist,
    SpecialistVersion,
    TrainedDocument,
    VersionChange,
)
from assistant.finetuning.trials.models import Trial, TrialAnswer  # noqa: E402, F401 - models of this app
from assistant.golden.models import GoldenQuestion, GoldenResult, GoldenRun  # noqa: E402, F401 - models of this app
from assistant.jobs.models import Extraction, ExtractionRow, ReplyDraft  # noqa: E402, F401 - models of this app
from assistant.ledger.models import TierUse  # noqa: E402, F401
from assistant.limits.models import DailyUse, Limit  # noqa: E402, F401
from assistant.reranking.models import CorpusReranking  # noqa: E402, F401 - models of this app
from assistant.slack.models import SlackChannel, SlackEvent, SlackThread  # noqa: E402, F401 - models of this app
from assistant.slack.source.models import SlackPart, SlackSource  # noqa: E402, F401 - models of this app
