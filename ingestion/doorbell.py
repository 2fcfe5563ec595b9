"""Tells the workers that there is something to do. A ring may be lost: the queue is the database, and workers look anyway."""

from __future__ import annotations

import logging

from django.conf import settings

logger = logging.getLogger(__name__)


def ring() -> None:
    """Wake the Celery workers. Without a broker nothing is sent: the embedded worker reads the database by itself."""
    if not settings.CELERY_BROKER_URL:
        return
    from kombu.exceptions import OperationalError

    from ingestion.tasks import ingest_queued_documents

    try:
        ingest_queued_documents.apply_async(expires=60, retry=False)
    except OperationalError:
        logger.warning("The broker does not answer; the sweep will find the queued documents.")
