"""Training examples. They come from above (replies, feedback) and know a corpus and a document only by number."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from specialists.router.models import RoutingRule

__all__ = ["RoutingRule", "TrainingExample"]


class TrainingExample(models.Model):
    """A question, a text, and the words of the text that answer it, or that none do. Trained on only once reviewed."""

    class Label(models.TextChoices):
        ANSWERABLE = "answerable", "The passage answers it"
        UNANSWERABLE = "unanswerable", "The passage does not answer it"

    question = models.TextField(max_length=4000)
    title = models.CharField(max_length=300, blank=True)  # of the document
    passage = models.TextField()
    answer = models.TextField(blank=True)  # word for word in the passage; empty where the passage does not answer
    label = models.CharField(max_length=12, choices=Label)
    is_reviewed = models.BooleanField(default=False)
    is_removed = models.BooleanField(default=False)  # emptied and kept, so that it is not made from the same source again
    corpus_id = models.BigIntegerField(null=True, db_index=True)  # null: it belongs to no corpus
    document_id = models.BigIntegerField(null=True, db_index=True)  # the passage is a copy of this document's text
    source = models.CharField(max_length=60, unique=True)  # such as "escalation:12", so that each is made once
    provenance = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-pk"]

    def __str__(self) -> str:
        return self.question[:80]
