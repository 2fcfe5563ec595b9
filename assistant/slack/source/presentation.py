"""The channels that fill a corpus, as the administrators' page shows them."""

from __future__ import annotations

from dataclasses import dataclass

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
    """Counted one by one: a channel has thousands of parts, and as many documents."""
    return [
        SourceRow(
            source,
            documents=source.corpus.documents.count(),
            waiting=source.parts.filter(due_at__isnull=False).count(),
            failed=source.parts.exclude(problem="").count(),
        )
        for source in SlackSource.objects.select_related("corpus")
    ]
