"""The Celery door to golden runs: a ring, or the sweep every ten seconds, works them for a while."""

from __future__ import annotations

import time

from celery import shared_task

WORK_S = 600.0


@shared_task
def work_golden_runs() -> int:
    from assistant.golden.running import work_golden_runs as work

    end = time.monotonic() + WORK_S
    return work(should_stop=lambda: time.monotonic() > end, slice_s=WORK_S)
