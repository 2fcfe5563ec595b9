"""Synchronises the channels that fill a corpus, now."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone

from assistant.slack.source.marks import compare_now
from assistant.slack.source.models import SlackSource, SourceState
from assistant.slack.source.presentation import source_rows
from assistant.slack.source.worker import sync_slack_sources
from assistant.slack.switch import is_on

LOOK_EVERY_S = 1.0
SLICE_S = 600.0


class Command(BaseCommand):
    help = "Bring the corpora that Slack channels fill up to date, beside any worker. What changed is then read in by the worker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default="", help="its name or ID; all when left out")
        parser.add_argument("--compare", action="store_true", help="read everything anew, and find what no event told of")

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_on():
            raise CommandError("Slack is off: set SLACK_BOT_TOKEN. docs/slack.md says how.")
        name = options["channel"].lstrip("#")
        sources = SlackSource.objects.filter(Q(channel=name) | Q(name=name)) if name else SlackSource.objects.all()
        if name and not sources.exists():
            raise CommandError(f"No channel {options['channel']!r} fills a corpus.")
        for source in sources:
            if options["compare"]:
                compare_now(source)
        sources.update(next_at=timezone.now())
        sources.exclude(problem="").update(not_before=None)  # somebody looked; what Slack asked to wait for stays
        for source in sources.exclude(state=SourceState.CLOSED):
            self._bring_up_to_date(source)
        for row in source_rows():
            if not name or name in (row.source.channel, row.source.name):
                problem = f" {row.source.problem}" if row.source.problem else ""
                self.stdout.write(f"{row.source}: {row.documents} documents, {row.source.get_state_display().lower()}.{problem}")

    def _bring_up_to_date(self, source: SlackSource) -> None:
        """Until nothing is due, or something is wrong. Where Slack asks to wait, or another worker has it, this waits."""
        began = timezone.now()
        while True:
            sync_slack_sources(slice_s=SLICE_S, channel=source.channel)
            source.refresh_from_db()
            is_done = source.synced_at is not None and source.synced_at >= began and source.next_at > began
            if is_done or source.state != SourceState.FOLLOWED or source.problem:
                return
            time.sleep(LOOK_EVERY_S)
