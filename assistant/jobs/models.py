"""Jobs that are worked in the background: fields that are read out of documents into a table, and drafts of replies."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from assistant.escalations.models import Escalation
from ingestion.models import Corpus, Document


class ExtractionState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Reading"
    FINISHED = "finished", "Finished"
    STOPPED = "stopped", "Stopped"
    FAILED = "failed", "Failed"


OPEN_EXTRACTIONS = (ExtractionState.QUEUED, ExtractionState.RUNNING)


class Extraction(models.Model):
    """A table of one person's. A job with a lease: a killed worker's is taken up where it stood."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="extractions")
    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="+")
    fields = models.JSONField()  # [{"name": "Term", "question": "How long is the term?"}, …]
    state = models.CharField(max_length=8, choices=ExtractionState, default=ExtractionState.QUEUED)
    error_message = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # claims since the last row was read
    lease_owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    cpu_seconds = models.FloatField(default=0.0)
    tokens = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-pk"]

    def __str__(self) -> str:
        return ", ".join(field["name"] for field in self.fields)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_EXTRACTIONS


class ExtractionRow(models.Model):
    """One document's cells, which are copies of its words: they go with it. A cell is {"value", "quote", "start", "end", "page",
    "heading_path", "confidence", "tier"}, or {"confidence"} where nothing was found that is sure enough."""

    extraction = models.ForeignKey(Extraction, on_delete=models.CASCADE, related_name="rows")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveSmallIntegerField()
    is_done = models.BooleanField(default=False)
    cells = models.JSONField(default=list, blank=True)  # in the order of the fields
    problem = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["position"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["extraction", "document"], name="one_extraction_row_per_document")
        ]

    def __str__(self) -> str:
        return f"{self.extraction_id}: {self.document_id}"


class DraftState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Drafting"
    FINISHED = "finished", "Finished"
    FAILED = "failed", "Failed"


OPEN_DRAFTS = (DraftState.QUEUED, DraftState.RUNNING)


class ReplyDraft(models.Model):
    """A draft of a reply, its author's alone until it is sent, replaced or a day old. A job with a lease: a killed process's is
    begun anew."""

    escalation = models.ForeignKey(Escalation, on_delete=models.CASCADE, related_name="drafts")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    is_for_both = models.BooleanField(default=True)  # drawn only from what author and asker may read
    conversation = models.ForeignKey("assistant.Conversation", null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=8, choices=DraftState, default=DraftState.QUEUED)
    text = models.TextField(blank=True)
    message = models.CharField(max_length=300, blank=True)  # why there is no text, or what is being done
    documents = models.JSONField(default=list, blank=True)  # ids of those whose words are in the text
    closed = models.JSONField(default=list, blank=True)  # titles of those that the asker may not read
    is_unsure = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["escalation", "author"], name="one_reply_draft_per_author")
        ]

    def __str__(self) -> str:
        return f"{self.escalation_id}: {self.state}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_DRAFTS
