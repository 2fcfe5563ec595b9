"""The thesis as a table: the same small specialists before and after training on a domain's own data, on others of that domain.

A column for an installation's large model is filled from a file of its answers; published figures are labelled as such."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from retrieval.errors import RetrievalError
from specialists.errors import SpecialistError
from specialists.specialisation.comparison import Comparison, as_table
from specialists.specialisation.plan import Plan
from specialists.specialisation.published import SPECIALISATION
from specialists.training.reporting import ProgressBar


class Command(BaseCommand):
    help = "Train the small specialists on part of a domain's data and measure them before and after on the rest."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--questions", type=Path, help="the domain's questions, as train_specialist reader takes them")
        parser.add_argument("--texts", type=Path, help="the domain's texts, as train_specialist grounding takes them")
        parser.add_argument("--messages", type=Path, help="its labelled messages, as train_specialist router takes them")
        parser.add_argument("--output", type=Path, required=True, help="folder for the parts and the trained specialists")
        parser.add_argument("--specialists", type=Path, help="the folder of the general ones; the installed ones by default")
        parser.add_argument("--test-share", type=float, default=Plan.test_share)
        parser.add_argument("--epochs", type=int, default=Plan.epochs)
        parser.add_argument("--learning-rate", type=float, default=Plan.learning_rate)
        parser.add_argument("--seed", type=int, default=Plan.seed)
        parser.add_argument("--limit", type=int, default=0, help="at most so many held-out rows of each")
        parser.add_argument("--answers", type=Path, help='a large model\'s answers to test.json: {"question id": "answer", …}')

    def handle(self, *args: Any, **options: Any) -> None:
        if not (options["questions"] or options["texts"] or options["messages"]):
            raise CommandError("Give --questions, --texts or --messages, or several of them.")
        plan = Plan(
            output=options["output"],
            specialists=options["specialists"] or settings.SPECIALISTS_DIR,
            say=self.stderr.write,
            report=ProgressBar(),
            **{name: options[name] for name in ("test_share", "epochs", "learning_rate", "seed", "limit")},
        )
        try:
            rows = self._compare(plan, options)
        except (SpecialistError, RetrievalError) as error:
            raise CommandError(error.public_message) from error
        self.stdout.write(as_table(rows))
        self.stdout.write("\nPublished by others, on their own data:")
        for item in SPECIALISATION:
            self.stdout.write(f"- {item.what}: {item.before} → {item.after} ({item.source})")

    def _compare(self, plan: Plan, options: dict[str, Any]) -> list[Comparison]:
        from specialists.specialisation.grounding import compare_grounding
        from specialists.specialisation.reader import compare_reader
        from specialists.specialisation.router import compare_router

        rows = []
        if options["questions"]:
            rows.append(compare_reader(options["questions"], plan, answers=options["answers"]))
        if options["texts"]:
            rows += compare_grounding(options["texts"], plan)
        if options["messages"]:
            rows += compare_router(options["messages"], plan)
        return rows
