"""Imports a BEIR folder into a data folder of its own, runs its queries and prints the usual measures."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Evaluate ingestion and retrieval on a folder in BEIR's format. The installation's own data are not touched."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--qrels", type=Path, required=True)
        parser.add_argument("--top-k", type=int, default=100)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, folder: Path, qrels: Path, top_k: int, **options: Any) -> None:
        for path in (folder / "corpus.jsonl", folder / "queries.jsonl", qrels):
            if not path.is_file():
                raise CommandError(f"{path} does not exist.")
        figures = _in_own_data_folder(folder, qrels, top_k)
        if options["json"]:
            self.stdout.write(json.dumps(figures))
        else:
            for name, value in figures.items():
                self.stdout.write(f"{name:24} {value}")


def _in_own_data_folder(folder: Path, qrels: Path, top_k: int) -> dict[str, Any]:
    """A process of its own on an empty data folder, with the installation's prepared models: a true ingestion, no trace."""
    with tempfile.TemporaryDirectory(prefix="intramural-evaluation-") as data:
        os.symlink(settings.MODELS_DIR, Path(data) / "models")
        environment = {**os.environ, "INTRAMURAL_DATA": data, "DATABASE_URL": "", "CELERY_BROKER_URL": ""}
        environment.pop("DATABASE_URL")
        command = [sys.executable, "-m", "assistant.evaluation", str(folder), str(qrels), str(top_k)]
        done = subprocess.run(command, env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise CommandError("The evaluation failed; its log is above.")
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {**figures, "peak_memory_mb": round(children / 1024)}
