"""Fields that are read out of documents into a table: what is wanted, by whom, and a row for each document."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

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
