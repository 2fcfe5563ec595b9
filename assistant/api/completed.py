"""A finished answer as programs get it: words, citations as annotations, and what it took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Sum
from django.urls import reverse

from assistant.api.errors import ErrorBody
from assistant.api.stopping import Stopper
from assistant.ledger.models import TierUse
from assistant.ledger.recording import about_tokens
from assistant.models import Answer, AnswerState
from assistant.permissions import get_answer_for
from assistant.presentation import PresentedAnswer, PresentedCitation, present_for_program
from assistant.wording import Wording, why_not, word_sentences

NEAREST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Completed:
    """`wording`: what is said. `closing`: its end, which no sentence of the answer is. `about`: our own account of the answer."""

    wording: Wording
    closing: str
    annotations: list[dict[str, Any]]
    about: dict[str, Any]
    tokens_in: int
    tokens_out: int
    is_cut: bool
    error: ErrorBody | None

    def until(self, stop: Sequence[str]) -> tuple[str, Sequence[dict[str, Any]]]:
        """The whole text as far as the stop sequences let it, with its annotations; none when it is cut."""
        stopper = Stopper(stop)
        text = stopper.feed(self.wording.text) + stopper.finish()
        return text, () if stopper.is_stopped else self.annotations


def complete(answer_id: int, user: User, absolute: Callable[[str], str]) -> Completed:
    """The answer as `user` may see it now. Raises Http404 when it is no longer theirs."""
    row = get_answer_for(user, answer_id)
    item = present_for_program(row, user)
    wording = word_sentences(item.sentences) if item.state == AnswerState.ANSWERED else Wording()
    closing = _closing(item)
    wording.text += closing if not wording.text or not closing else f"\n\n{closing}"
    shown = {citation.number: citation for citation in item.citations if citation.is_available}
    used = TierUse.objects.filter(answer=row).aggregate(read=Sum("tokens_in"), written=Sum("tokens_out"))
    return Completed(
        wording=wording,
        closing=closing,
        annotations=[
            {"start_index": mark.start, "end_index": mark.end, "title": shown[mark.number].title,
             "url": absolute(_url(shown[mark.number]))}
            for mark in wording.markers if mark.number in shown
        ],
        about=_about(row, item, absolute),
        tokens_in=used["read"] or about_tokens(row.question),
        tokens_out=used["written"] or about_tokens(wording.text),
        is_cut=item.is_cut,
        error=_error(item),
    )  # fmt: skip


def _closing(item: PresentedAnswer) -> str:
    """What follows the sentences, or stands in their place: why there are none, with the words that may be it, and help for
    someone in distress."""
    parts = []
    if item.state == AnswerState.ABSTAINED:
        parts.append(why_not(item))
        if item.is_unsure:
            parts.append("\n".join(f"- This may be it: “{offer.quote}” ({_source(offer)})" for offer in item.offered))
        parts.append(item.closest_hidden)
    return "\n\n".join(part for part in (*parts, item.help_in_distress) if part)


def _source(citation: PresentedCitation) -> str:
    return f"{citation.title}, {citation.place}" if citation.place else citation.title


def _url(citation: PresentedCitation) -> str:
    return reverse("assistant:citation", args=[citation.answer_id, citation.number])


def _about(row: Answer, item: PresentedAnswer, absolute: Callable[[str], str]) -> dict[str, Any]:
    return {
        "answer": row.pk,
        "conversation": row.conversation_id,
        "status": row.state,
        "understood_as": item.standalone_question or item.question,
        "is_unsure": item.is_unsure,
        "route": row.route,
        "model": item.steps.model,
        "reason": item.steps.reason,
        "confidence": row.confidence,
        "timings_ms": row.timings_ms,
        "url": absolute(reverse("assistant:conversation", args=[row.conversation_id])),
        "citations": [
            {"n": citation.number, **_passage(citation), "url": absolute(_url(citation))}
            for citation in item.citations if citation.is_available
        ],
        "nearest": [_passage(citation) for citation in _nearest(item)],
    }  # fmt: skip


def _nearest(item: PresentedAnswer) -> Sequence[PresentedCitation]:
    return item.closest[:NEAREST_SHOWN] if item.state == AnswerState.ABSTAINED else ()


def _passage(citation: PresentedCitation) -> dict[str, Any]:
    return {
        "document": citation.document_id, "title": citation.title, "place": citation.place, "quote": citation.quote,
        "start": citation.start, "end": citation.end, "updated": citation.updated.isoformat() if citation.updated else None,
        "is_superseded": citation.is_retired, "newer": citation.newer or None,
    }  # fmt: skip


def _error(item: PresentedAnswer) -> ErrorBody | None:
    if item.state == AnswerState.FAILED:
        return ErrorBody(500, "answer_failed", item.error_message)
    if not item.is_final or item.state == AnswerState.STOPPED:
        return ErrorBody(503, "stopped", "The answer was stopped before it was finished.")
    return None
