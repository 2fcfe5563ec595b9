"""Who works the trainer's queue: manage.py run_trainer wherever it runs, a Celery worker of the queue `train`, or a process that
the embedded worker starts when something waits. It is a process of its own: a training must not hold up documents and answers."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from assistant.finetuning.claims import claim_work, has_waiting
from assistant.finetuning.making import make_data_set
from assistant.finetuning.models import DataSet
from assistant.finetuning.training import train_version

logger = logging.getLogger(__name__)
NICE = 10  # of the process that trains on the same machine

_trainer: subprocess.Popen[bytes] | None = None


def work_until_empty(*, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Make data sets and train versions until nothing waits, or `should_stop` says so: what was begun is then given back, with
    its checkpoint. Returns how many were taken up."""
    taken = 0
    while not should_stop():
        claim = claim_work(should_stop=should_stop)
        if claim is None:
            return taken
        taken += 1
        if isinstance(claim.work, DataSet):
            make_data_set(claim)
        else:
            train_version(claim)
    return taken


def start_trainer(*, should_stop: Callable[[], bool] = lambda: False) -> int:
    """What the embedded worker does in its turn: see that somebody trains while there is something to train."""
    global _trainer  # noqa: PLW0603 - one trainer of this process
    if not settings.FINETUNING_EMBEDDED or (_trainer is not None and _trainer.poll() is None) or not has_waiting():
        return 0
    command = [str(Path(sys.executable).absolute()), "manage.py", "run_trainer", "--once"]
    _trainer = subprocess.Popen(["nice", "-n", str(NICE), *command], cwd=settings.BASE_DIR)
    logger.info("A trainer was started (process %d).", _trainer.pid)
    return 1
