"""The Celery door to golden runs, Slack, tables, drafts, reranking's figures, fine-tuning and unseen trials: a ring, or the
sweep, works them for a while."""

from __future__ import annotations

import time

from celery import shared_task

WORK_S = 600.0
SLACK_WORK_S = 60.0
SHADOW_WORK_S = 60.0
EXTRACTION_WORK_S = 60.0
MEASURING_WORK_S = 60.0


@shared_task
def work_golden_runs() -> int:
    from assistant.golden.running import work_golden_runs as work

    end = time.monotonic() + WORK_S
    return work(should_stop=lambda: time.monotonic() > end, slice_s=WORK_S)


@shared_task
def work_slack_events() -> int:
    from assistant.slack.worker import work_slack_events as work

    end = time.monotonic() + SLACK_WORK_S
    return work(should_stop=lambda: time.monotonic() > end, slice_s=SLACK_WORK_S)


@shared_task
def sync_slack_sources() -> int:
    from assistant.slack.source.worker import sync_slack_sources as sync

    end = time.monotonic() + SLACK_WORK_S
    return sync(should_stop=lambda: time.monotonic() > end, slice_s=SLACK_WORK_S)


@shared_task
def work_shadows() -> int:
    from assistant.finetuning.trials.shadowing import work_shadows as work

    return work(slice_s=SHADOW_WORK_S)


@shared_task
def work_drafts() -> int:
    from assistant.jobs.drafts import work_drafts as work

    return work(slice_s=EXTRACTION_WORK_S)


@shared_task
def work_measurements() -> int:
    from assistant.reranking.measuring import work_measurements as work

    return work(slice_s=MEASURING_WORK_S)


@shared_task
def work_extractions() -> int:
    from assistant.jobs.extracting import work_extractions as work

    return work(slice_s=EXTRACTION_WORK_S)


@shared_task(time_limit=30 * 24 * 3600)
def work_finetuning() -> int:
    """On the queue `train`. However long it takes: the lease on the work is what says that somebody does it. In a worker of the
    pool `solo` it hears that the worker is to end, and gives its work back with a checkpoint."""
    from celery.worker import state

    from assistant.finetuning.worker import work_until_empty

    return work_until_empty(should_stop=lambda: state.should_stop is not None)
