"""Tells the trainer that work waits. A ring may be lost: the queue is the database, and trainers look anyway."""

from __future__ import annotations

import logging

from django.conf import settings

logger = logging.getLogger(__name__)


def ring() -> None:
    if not settings.CELERY_BROKER_URL:
        return
    from kombu.exceptions import OperationalError

    from assistant.tasks import work_finetuning

    try:
        work_finetuning.apply_async(expires=60, retry=False)
    except OperationalError:
        logger.warning("The broker does not answer; the sweep will find the training.")
