"""How cautious the answers from a corpus are, and what has been learnt of it there."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from ingestion.models import Corpus
from specialists.refusal.calibrator import DEFAULT_RISK


class CorpusCalibration(models.Model):
    """A corpus's risk, and its own slope and intercept once enough of its answers have been judged. A corpus without a row has
    the default risk and the shipped calibration."""

    corpus = models.OneToOneField(Corpus, on_delete=models.CASCADE, related_name="calibration")
    risk = models.FloatField(default=DEFAULT_RISK)  # the share of answers that may be wrong
    slope = models.FloatField(null=True)  # null: the shipped calibration
    intercept = models.FloatField(null=True)
    threshold = models.FloatField(null=True)  # chosen on its own judged answers; above 1: none keeps the risk; null: too few
    judged = models.PositiveIntegerField(default=0)  # answers that slope and intercept were fitted on
    is_complete = models.BooleanField(default=False)  # learnt from golden questions alone, which are judged shown or not
    base = models.CharField(max_length=64, blank=True)  # the shipped calibration that they belong to
    fitted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.corpus_id}: at most {self.risk:.0%} wrong"


class RefusalJudgement(models.Model):
    """A golden question's answer: what was decided on, and whether it was right. People's feedback is read where it is."""

    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="refusal_judgements")
    key = models.CharField(max_length=80)  # of the question: the newest judgement counts
    reader = models.CharField(max_length=80, blank=True)  # whose odds the features are
    features = models.JSONField()
    is_right = models.BooleanField()
    is_unanswerable = models.BooleanField(default=False)  # no document answers the question
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["corpus", "key"], name="one_refusal_judgement_per_question")
        ]

    def __str__(self) -> str:
        return f"{self.corpus_id} {self.key}: {'right' if self.is_right else 'wrong'}"
