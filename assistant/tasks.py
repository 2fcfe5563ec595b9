"""The Celery door to golden runs and to Slack's events: a ring, or the sweep, works them for a while."""

from __future__ import annotations

import time

from celery import shared_task

WORK_S = 600.0
SLACK_WORK_S = 60.0


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
