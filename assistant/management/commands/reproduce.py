"""Runs published figures again and says which of them come out as they were published."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from assistant.reproducing import ConditionsError, Outcome, Run, read_conditions, reproduce


class Command(BaseCommand):
    help = "Run the commands behind the published figures. Status 0 only if each comes out within its tolerance."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, help="the folder of the data sets; runs that need it are left out without")
        parser.add_argument("--only", nargs="+", metavar="NAME", help="these runs")
        parser.add_argument("--quick", action="store_true", help="those that need no data and little time")
        parser.add_argument("--long", action="store_true", help="also those that take half an hour or more")
        parser.add_argument(
            "--conditions", type=Path, default=Path(settings.BASE_DIR) / "evaluation" / "conditions.toml", help="another file"
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, data: Path | None, only: list[str] | None, conditions: Path, **options: Any) -> None:
        try:
            runs = _chosen(
                read_conditions(conditions), only, is_quick=options["quick"], is_long=options["long"], has_data=data is not None
            )
        except ConditionsError as error:
            raise CommandError(str(error)) from error
        outcomes: list[tuple[str, Outcome]] = []
        for run in runs:
            self.stderr.write(f"{run.name}: {run.command}")
            for outcome in reproduce(run, root=Path(settings.BASE_DIR), data=data.resolve() if data else None):
                outcomes.append((run.name, outcome))
                if not options["json"]:
                    self.stdout.write(_line(outcome))
        if options["json"]:
            self.stdout.write(json.dumps([_as_json(name, outcome) for name, outcome in outcomes], ensure_ascii=False))
        missed = [outcome for _, outcome in outcomes if not outcome.is_reproduced]
        if missed:
            self.stderr.write(f"{len(missed)} of {len(outcomes)} figures did not come out.")
            sys.exit(1)


def _chosen(runs: list[Run], only: list[str] | None, *, is_quick: bool, is_long: bool, has_data: bool) -> list[Run]:
    """What is named runs, however long it takes."""
    unknown = set(only or ()) - {run.name for run in runs}
    if unknown:
        known = ", ".join(run.name for run in runs)
        raise ConditionsError(f"There is no run {', '.join(sorted(unknown))}. There are: {known}.")
    chosen = [run for run in runs if run.name in only] if only else [run for run in runs if is_long or not run.is_long]
    chosen = [run for run in chosen if run.is_quick] if is_quick else chosen
    return chosen if has_data or only else [run for run in chosen if not run.needs_data]


def _line(outcome: Outcome) -> str:
    figure = outcome.figure
    value = outcome.problem if outcome.value is None else f"{outcome.value:g}"
    published = "depends on the machine" if figure.expected is None else f"published {figure.expected:g} ± {figure.tolerance:g}"
    return f"{'ok    ' if outcome.is_reproduced else 'MISSED'} {figure.what}: {value} ({published})"


def _as_json(run: str, outcome: Outcome) -> dict[str, Any]:
    figure = outcome.figure
    return {
        "run": run, "what": figure.what, "value": outcome.value, "expected": figure.expected, "tolerance": figure.tolerance,
        "is_reproduced": outcome.is_reproduced, "problem": outcome.problem,
    }  # fmt: skip
