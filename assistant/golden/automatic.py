"""Queues runs by itself when something that can change answers has changed: weights, code, thresholds or documents."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.utils import timezone

from assistant.golden.errors import GoldenError
from assistant.golden.fingerprint import fingerprint_of, is_settled, what_changed
from assistant.golden.models import OPEN_RUNS, GoldenQuestion, GoldenRun
from assistant.golden.runs import queue_run
from ingestion.models import Corpus

logger = logging.getLogger(__name__)

QUIET = timedelta(seconds=60)  # after the last change to a document: uploads come one by one


def queue_changed_runs(*, now: datetime | None = None) -> list[GoldenRun]:
    """A run for each corpus whose last run saw other weights, code, thresholds or documents. A corpus whose questions were
    never run waits for a person. The run has the rights of the corpus's owner."""
    now = now or timezone.now()
    with_questions = GoldenQuestion.objects.values("corpus")
    corpora = Corpus.objects.filter(pk__in=with_questions, owner__is_active=True).select_related("owner")
    return [run for corpus in corpora if (run := _queue_if_changed(corpus, now)) is not None]


def _queue_if_changed(corpus: Corpus, now: datetime) -> GoldenRun | None:
    last = GoldenRun.objects.filter(corpus=corpus).first()
    if last is None or last.state in OPEN_RUNS or not is_settled(corpus):
        return None
    if corpus.documents.filter(updated_at__gt=now - QUIET).exists():
        return None
    changed = what_changed(last.fingerprint, fingerprint_of(corpus))
    if changed is None:
        return None
    try:
        run = queue_run(corpus=corpus, asked_as=corpus.owner, started_by=None, trigger=changed)
    except GoldenError as error:
        logger.warning("No golden run for %s: %s", corpus.slug, error.public_message)
        return None
    logger.info("Golden questions of %s are asked again: %s.", corpus.slug, changed.label)
    return run
