"""Trains the router anew with the routes that people put right on the page Routing."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from retrieval.errors import RetrievalError
from specialists.errors import SpecialistError
from specialists.router.learning import SHIPPED_DATA, learn_from_outcomes, learnt_folder, outcomes_file


class Command(BaseCommand):
    help = "Train the router on its data and on the corrections; it is used from then on, unless it got worse."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, default=SHIPPED_DATA, help="a folder with intent.train.jsonl")
        parser.add_argument("--outcomes", type=Path, default=None, help="the corrections; those of the page by default")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            learnt = learn_from_outcomes(
                outcomes=options["outcomes"] or outcomes_file(),
                output=learnt_folder(),
                data=options["data"],
                report=self.stderr.write,
            )
        except (SpecialistError, RetrievalError) as error:
            raise CommandError(error.public_message) from error
        self.stdout.write(f"{learnt.outcomes} corrections. {learnt.reason}.")
        if not learnt.is_taken:
            raise CommandError("The router that was trained is worse on the held-out texts, so the old one stays.")
