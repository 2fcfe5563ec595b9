"""The Celery door to ingestion: a ring, or the sweep every ten seconds, works the queue until it is empty."""

from __future__ import annotations

from celery import shared_task


@shared_task
def ingest_queued_documents() -> int:
    from ingestion.worker import work_until_empty

    return work_until_empty()
