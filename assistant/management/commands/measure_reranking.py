"""Measures what the reranker does to corpora's own questions, now and in this process."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assistant.reranking.measuring import claim_measurement, queue_measurement, work_on
from assistant.reranking.models import MeasuringState
from assistant.reranking.presentation import Shown, present_reranking
from assistant.reranking.questions import corpora_with_questions
from ingestion.models import Corpus

FIGURES = ("questions", "accepted", "first_before", "first_after", "ndcg_before", "ndcg_after", "low", "high")


class Command(BaseCommand):
    help = "Ask corpora's questions whose source is known, in the search's order and in the reranker's, and say what changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--corpus", action="append", default=[], metavar="SLUG", help="by default all that have questions")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, corpus: list[str], **options: Any) -> None:
        shown = [self._measure(one) for one in _chosen(corpus)]
        if options["json"]:
            rows = [{"corpus": item.row.corpus.slug, **_as_json(item)} for item in shown]
            self.stdout.write(json.dumps(rows))
        elif not shown:
            self.stdout.write("No corpus has a question whose source is known.")
        if any(item.row.state == MeasuringState.FAILED for item in shown):
            raise CommandError("Not everything could be measured; see above.")

    def _measure(self, corpus: Corpus) -> Shown:
        claim = claim_measurement(only=queue_measurement(corpus))
        if claim is None:
            raise CommandError(f"“{corpus}” is being measured by a worker. Try again in a minute.")
        work_on(claim)
        shown = present_reranking(corpus)
        self.stderr.write(f"{corpus}: {' '.join(filter(None, (shown.figures, shown.state, shown.why, shown.progress)))}")
        return shown


def _chosen(slugs: list[str]) -> list[Corpus]:
    if not slugs:
        return list(Corpus.objects.filter(pk__in=corpora_with_questions()))
    found = list(Corpus.objects.filter(slug__in=slugs))
    missing = set(slugs) - {corpus.slug for corpus in found}
    if missing:
        raise CommandError(f"There is no corpus “{min(missing)}”. Its short name stands in the address of its page.")
    return found


def _as_json(shown: Shown) -> dict[str, Any]:
    return {"choice": shown.choice, "is_used": shown.is_used, **{name: getattr(shown.row, name) for name in FIGURES}}
