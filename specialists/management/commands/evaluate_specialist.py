"""Prints how good a trained specialist is on a file of rows, as it is served: prepared for this host."""

from __future__ import annotations

import json
import tempfile
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from retrieval.errors import RetrievalError
from specialists.errors import SpecialistError
from specialists.training.cards import record_figures
from specialists.training.kinds import KINDS

if TYPE_CHECKING:
    from specialists.reader.reporting import ReaderReport
    from specialists.reranker.evaluation import RerankerReport


class Command(BaseCommand):
    help = "Evaluate a specialist on held-out rows, in the forms that train_specialist reads."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=KINDS)
        parser.add_argument("--data", type=Path, nargs="+", required=True)
        parser.add_argument("--model", type=Path, help="a specialist's folder; the installed one by default")
        parser.add_argument("--precision", choices=["int8", "fp32"], default="int8")
        parser.add_argument("--trained-on", type=Path, nargs="*", default=[], help="files that must share no question with it")
        parser.add_argument("--limit", type=int, default=0, help="every n-th row, so that there are at most so many")
        parser.add_argument("--record", metavar="NAME", help="write the figures into the card under this name")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        source = options["model"] or settings.SPECIALISTS_DIR / options["kind"]
        kinds = {"reader": self._reader, "reranker": self._reranker, "grounding": self._grounding, "router": self._router}
        evaluate = kinds[options["kind"]]
        try:
            evaluate(source, options)
        except (SpecialistError, RetrievalError) as error:
            raise CommandError(error.public_message) from error

    def _reader(self, source: Path, options: dict[str, Any]) -> None:
        from specialists.reader.reporting import report_reader, rows_to_test

        rows = rows_to_test(options["data"], trained_on=options["trained_on"], limit=options["limit"])
        report = report_reader(source, rows, precision=options["precision"])
        further = {"ms per question": report.milliseconds, "MB": report.megabytes}
        title = f"{report.questions} questions, {report.unanswerable} of them without an answer"
        self._show(source, report, title, {**report.measures, **further}, options)

    def _reranker(self, source: Path, options: dict[str, Any]) -> None:
        from specialists.encoders.export import prepare_specialist
        from specialists.reader.reporting import rows_to_test
        from specialists.reranker.evaluation import evaluate_reranker
        from specialists.reranker.serving import KIND, Reranker

        rows = rows_to_test(options["data"], trained_on=options["trained_on"], limit=options["limit"])
        with tempfile.TemporaryDirectory() as name:
            prepare_specialist(source, KIND, Path(name) / KIND, options["precision"])
            report = evaluate_reranker(Reranker(source, Path(name) / KIND), rows)
        self._show(source, report, f"{report.questions} questions, {report.passages} passages", report.measures, options)

    def _show(
        self, source: Path, report: ReaderReport | RerankerReport, title: str, lines: Mapping[str, Any], options: dict[str, Any]
    ) -> None:  # fmt: skip
        if options["record"]:
            record_figures(source, options["kind"], f"{options['record']} ({options['precision']})", report.measures)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report), indent=1))
        else:
            self.stdout.write("\n".join([title, *(f"{label:<40} {value}" for label, value in lines.items())]))

    def _grounding(self, source: Path, options: dict[str, Any]) -> None:
        from specialists.encoders.bundle import CARD
        from specialists.encoders.export import prepare_specialist
        from specialists.grounding.evaluation import describe, evaluate_data
        from specialists.grounding.serving import KIND, GroundingHead

        with tempfile.TemporaryDirectory() as name:
            head = None
            if (source / CARD).is_file():
                prepare_specialist(source, KIND, Path(name) / KIND, options["precision"])
                head = GroundingHead(source, Path(name) / KIND)
            found = evaluate_data(options["data"], head, limit=options["limit"])
        if head is None:
            self.stderr.write(f"No head is installed in {source}: these are the rules alone.")
        self.stdout.write(json.dumps(found, indent=1) if options["json"] else "\n".join(describe(found)))

    def _router(self, source: Path, options: dict[str, Any]) -> None:
        from specialists.router.evaluation import describe, evaluate_router

        for data in options["data"]:
            reports = evaluate_router(folder=source, data=data, report=self.stderr.write)
            found = json.dumps([asdict(report) for report in reports], indent=1)
            self.stdout.write(found if options["json"] else "\n".join(describe(reports)))
