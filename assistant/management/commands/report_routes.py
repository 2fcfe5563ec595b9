"""Prints what each route did: quality, latency and cost, and what the router saved."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime, timedelta
from datetime import time as datetime_time
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from django.utils.dateparse import parse_date

from assistant.ledger.presentation import as_json, as_table
from assistant.ledger.report import report_routes


class Command(BaseCommand):
    help = "Report the routes of all answers, or of those since a day."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=parse_since, help="a day such as 2026-11-01, or a number of days such as 30d")
        parser.add_argument("--format", choices=["table", "json"], default="table")
        parser.add_argument("--json", action="store_const", const="json", dest="format")

    def handle(self, *args: Any, since: datetime | None, format: str, **options: Any) -> None:
        report = report_routes(since=since)
        self.stdout.write(json.dumps(as_json(report)) if format == "json" else as_table(report))


def parse_since(text: str) -> datetime:
    if text.endswith("d") and text[:-1].isdecimal() and len(text) < 7:
        return timezone.now() - timedelta(days=int(text[:-1]))
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise ArgumentTypeError(f"{text!r} is neither a day such as 2026-11-01 nor a number of days such as 30d.")
    return datetime.combine(day, datetime_time.min, tzinfo=timezone.get_current_timezone())
