"""The Celery door to ingestion: a ring, or the sweep every ten seconds, works the queue until it is empty or time is up.

A long queue is worked in several tasks, so that none meets Celery's time limit with documents in its hands.
"""

from __future__ import annotations

import time

from celery import shared_task

WORK_S = 600.0


@shared_task
def ingest_queued_documents() -> int:
    from ingestion.worker import work_until_empty

    end = time.monotonic() + WORK_S
    return work_until_empty(should_stop=lambda: time.monotonic() > end)
