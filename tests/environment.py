"""Loaded by pytest before Django: the tests write to a folder of their own, and use the models that were prepared."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PREPARED_MODELS = Path(os.environ.get("INTRAMURAL_DATA", ROOT / "var")) / "models"
# Where several processes divide the tests, theirs are in the folder of the one that started them, which removes it at the end.
ABOVE = os.environ["INTRAMURAL_DATA"] if "PYTEST_XDIST_WORKER" in os.environ else None


def share_processors() -> None:
    """Where several processes divide the tests, each has processors of its own, and so has what it starts: servers and trainings
    take a thread for every processor that they may use, and more threads than processors wait for each other."""
    number, processes = os.environ.get("PYTEST_XDIST_WORKER"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if number is not None:
        every = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, every[int(number.removeprefix("gw")) % processes :: processes] or every)


def make_data_folder() -> Path:
    """An empty data folder that has the prepared models."""
    folder = Path(tempfile.mkdtemp(prefix="intramural-test-", dir=ABOVE))
    (folder / "models").symlink_to(PREPARED_MODELS)
    (folder / "static").mkdir()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


if not any(PREPARED_MODELS.glob("*/manifest.json")):
    sys.exit("The models are not prepared. Run: make prepare")

for _name in ("DATABASE_URL", "CELERY_BROKER_URL", "INTRAMURAL_HTTPS", "DEBUG", "SECRET_KEY", "ALLOWED_HOSTS"):
    os.environ.pop(_name, None)
os.environ["INTRAMURAL_DATA"] = str(make_data_folder())
share_processors()
