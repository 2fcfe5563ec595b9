"""Asks golden questions and gives the verdict by its exit status, for scripts and CI."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from tqdm import tqdm

from assistant.asking import person_named
from assistant.golden.errors import GoldenError
from assistant.golden.models import GoldenRun, RunState, Trigger
from assistant.golden.running import work_on
from assistant.golden.runs import claim_run, queue_run, stop_run
from ingestion.models import Corpus

POLL_S = 0.5


class Command(BaseCommand):
    help = "Run the golden questions of the named corpora, or of all that have some. Status 0 only if every run passes its gate."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--corpus", action="append", default=[], help="a name or slug; may be repeated")
        parser.add_argument("--as", dest="username", help="ask with this person's rights; else those of each corpus's owner")
        parser.add_argument("--fail-below", type=float, metavar="PERCENT", help="instead of the gate: this share must be right")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, corpus: list[str], username: str | None, fail_below: float | None, **options: Any) -> None:
        person = person_named(username) if username else None
        runs = [_run(found, person) for found in _corpora(corpus)]
        if options["json"]:
            self.stdout.write(json.dumps([_as_json(run) for run in runs]))
        else:
            for run in runs:
                self.stdout.write(f"{run.corpus}: {run.verdict or run.error_message or run.get_state_display()}")
        failed = [str(run.corpus) for run in runs if not _is_good(run, fail_below)]
        if failed:
            raise CommandError(f"Not good enough: {', '.join(failed)}.")


def _corpora(names: list[str]) -> list[Corpus]:
    if not names:
        found = list(Corpus.objects.filter(golden_questions__isnull=False).distinct().select_related("owner"))
        if not found:
            raise CommandError("No corpus has golden questions yet.")
        return found
    corpora = []
    for name in names:
        corpus = Corpus.objects.filter(Q(name=name) | Q(slug=name)).select_related("owner").first()
        if corpus is None:
            raise CommandError(f"There is no corpus named {name!r}.")
        corpora.append(corpus)
    return corpora


def _run(corpus: Corpus, person: User | None) -> GoldenRun:
    """Queue a run and work on it here; when a worker was quicker, wait for it."""
    try:
        run = queue_run(corpus=corpus, asked_as=person or corpus.owner, started_by=person, trigger=Trigger.COMMAND)
    except GoldenError as error:
        raise CommandError(f"{corpus}: {error.public_message}") from error
    try:
        with tqdm(total=run.total, desc=corpus.name, unit="question", file=sys.stderr) as progress:
            while run.is_open:
                claim = claim_run(only=run)  # at first, and again when the worker that was quicker has gone
                if claim is not None:
                    work_on(claim, on_answer=progress.update)
                run.refresh_from_db()
                progress.update(run.done - progress.n)
                if run.is_open:
                    time.sleep(POLL_S)
    except KeyboardInterrupt:
        stop_run(run=run)
        raise CommandError("Stopped.") from None
    return run


def _is_good(run: GoldenRun, fail_below: float | None) -> bool:
    if run.state != RunState.FINISHED:
        return False
    return bool(run.passed) if fail_below is None else run.correct * 100 >= fail_below * run.total


def _as_json(run: GoldenRun) -> dict[str, Any]:
    wrong = run.results.filter(is_correct=False).values_list("text", "outcome", "problem")
    return {
        "corpus": run.corpus.slug,
        "run": run.pk,
        "state": run.state,
        "total": run.total,
        "correct": run.correct,
        "broken": run.broken,
        "fixed": run.fixed,
        "passed": run.passed,
        "verdict": run.verdict or run.error_message,
        "fingerprint": run.fingerprint,
        "wrong": [{"question": text, "outcome": outcome, "problem": problem} for text, outcome, problem in wrong],
    }
