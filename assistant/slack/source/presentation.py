"""The channels that fill a corpus, as the administrators' page shows them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q
from django.utils import timezone

from assistant.slack.source.models import SlackSource, SourceState

TAGS = {SourceState.FOLLOWED: "good", SourceState.AWAY: "warn", SourceState.CLOSED: "bad"}


@dataclass(frozen=True, slots=True)
class SourceRow:
    source: SlackSource
    documents: int
    waiting: int  # parts that are to be read
    failed: int

    @property
    def tag(self) -> str:
        return (
            "warn" if self.source.problem and self.source.state == SourceState.FOLLOWED else TAGS[SourceState(self.source.state)]
        )

    @property
    def is_closed(self) -> bool:
        return self.source.state == SourceState.CLOSED

    @property
    def is_waiting_for_slack(self) -> bool:
        until = self.source.not_before
        return until is not None and until > timezone.now() and not self.source.problem


def source_rows() -> list[SourceRow]:
    sources = SlackSource.objects.select_related("corpus", "chosen_by").annotate(
        documents=Count("corpus__documents", distinct=True),
        waiting=Count("parts", filter=Q(parts__due_at__isnull=False), distinct=True),
        failed=Count("parts", filter=~Q(parts__problem=""), distinct=True),
    )
    return [SourceRow(source, source.documents, source.waiting, source.failed) for source in sources]
