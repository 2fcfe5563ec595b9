"""Messages as Slack shows them. All that is not ours is escaped; the only links lead into the product."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from assistant.models import AnswerState, Feedback
from assistant.presentation import PresentedAnswer, PresentedCitation
from assistant.slack.client import Message
from assistant.slack.sentences import CUT, CUT_HERE, NO_EVIDENCE_HERE, STOPPED, WHAT_WAS_WRONG, WISH
from assistant.slack.texts import escaped, link
from assistant.wording import Wording, why_not, word_sentences

SECTION = 3000  # characters that Slack takes in one block
MOST_SECTIONS = 4  # of fifty blocks: longer messages are folded away, or refused
MOST_SOURCES = 10
NOTICE = 150
_WORD = 500


def plain(text: str) -> Message:
    """Words alone, most often one sentence of ours."""
    return Message(escaped(text[:NOTICE]), [_section(part) for part in _sections(_words(text))[0]])


def answer_message(
    item: PresentedAnswer, *, is_direct: bool, is_share_offered: bool = False, has_buttons: bool = True
) -> Message:
    """The end of an answer: its sentences with links to their sources, or why there are none, and what one can do now."""
    wording = (
        word_sentences(item.sentences) if item.state == AnswerState.ANSWERED else Wording(_why_not(item, is_direct=is_direct))
    )
    sections, is_cut = _sections(_atoms(wording, item.citations))
    blocks = [_section(text) for text in sections]
    blocks += [_context(text) for text in _notes(item, is_direct=is_direct, is_cut=is_cut)]
    if has_buttons and item.is_final and not (item.is_wish and not item.escalation):
        blocks.append(_buttons(item, is_direct=is_direct, is_share_offered=is_share_offered))
    return Message(escaped(wording.text[:NOTICE]), blocks)


def growing_message(wording: Wording) -> Message:
    """An answer that is being written: its citations cannot be opened yet."""
    sections, _ = _sections(_words(f"{wording.text} …"))
    return Message(escaped(wording.text[:NOTICE]), [_section(text) for text in sections])


def reasons_message(answer: int) -> Message:
    """What may be wrong with an answer, to choose from."""
    reasons = [choice for choice in Feedback.Reason if choice.value]
    buttons = [_button(f"reason:{choice.value}", str(choice.label), f"{answer}:{choice.value}") for choice in reasons]
    return Message(WHAT_WAS_WRONG, [_section(WHAT_WAS_WRONG), {"type": "actions", "elements": buttons}])


def _why_not(item: PresentedAnswer, *, is_direct: bool) -> str:
    if item.state == AnswerState.STOPPED:
        return STOPPED
    if item.is_wish and not item.escalation:
        return WISH
    is_nothing = item.state == AnswerState.ABSTAINED and not item.is_for_person and not item.is_unsure
    said = NO_EVIDENCE_HERE if is_nothing and not is_direct else why_not(item)
    offered = [f"This may be it: “{offer.quote}” ({_source(offer)})" for offer in item.offered] if item.is_unsure else []
    return "\n\n".join([said, *offered, *([item.help_in_distress] if item.help_in_distress and is_direct else [])])


def _notes(item: PresentedAnswer, *, is_direct: bool, is_cut: bool) -> Iterator[str]:
    places = [
        (citation, numbers) for citation, numbers in item.sources if citation.is_available and item.state == AnswerState.ANSWERED
    ]
    if places:
        listed = [f"{numbers} {link(_document_url(citation), _source(citation))}" for citation, numbers in places[:MOST_SOURCES]]
        yield _whole_lines([*listed, f"and {len(places) - MOST_SOURCES} more"] if len(places) > MOST_SOURCES else listed)
    if item.left_out:
        yield f"Left out because no source supports it: {item.left_out} of the sentences that the model wrote."
    whole = (
        f"{settings.PUBLIC_URL}{reverse('assistant:conversation', args=[item.conversation_id])}" if settings.PUBLIC_URL else ""
    )
    if is_cut:
        yield CUT if is_direct else CUT_HERE
    if is_direct and whole:
        yield link(whole, "The whole answer" if is_cut else "Continue in the browser")


def _whole_lines(lines: Iterable[str]) -> str:
    """As many of them as fit: half a link would be mark-up gone wrong."""
    kept: list[str] = []
    for line in lines:
        if sum(map(len, kept)) + len(kept) + len(line) > SECTION:
            break
        kept.append(line)
    return "\n".join(kept)


def _buttons(item: PresentedAnswer, *, is_direct: bool, is_share_offered: bool) -> dict[str, Any]:
    """What was asked before goes to a person only with a button that says so, and only where it is the asker's own."""
    is_answered, answer = item.state == AnswerState.ANSWERED, str(item.id)
    elements = (
        [_button("helpful", "Helpful", answer), _button("not_helpful", "Not helpful", answer)]
        if is_answered and not item.is_hidden
        else []
    )
    if item.escalation is None and not item.is_short_reply:
        elements.append(_button("ask_person", "Ask a person", answer))
        if is_direct and item.standalone_question:
            elements.append(_button("ask_person:turns", "Ask with my earlier questions", f"{answer}:turns"))
    if is_share_offered and is_answered:
        elements.append(_button("share", "Share with the channel", answer))
    return (
        {"type": "actions", "elements": elements} if elements else _context("A person was asked; the reply comes to “Replies”.")
    )


# --- Cutting ----------------------------------------------------------------------------------------------------------


def _sections(atoms: Iterable[str]) -> tuple[list[str], bool]:
    """Pieces that must stay whole, packed into what Slack takes. Second: whether something was left out."""
    sections = [""]
    for atom in atoms:
        if len(sections[-1]) + len(atom) > SECTION:
            if len(sections) == MOST_SECTIONS:
                return _filled(sections), True
            sections.append("")
        sections[-1] += atom
    return _filled(sections), False


def _filled(sections: list[str]) -> list[str]:
    return [text for text in sections if text.strip()] or ["…"]


def _atoms(wording: Wording, citations: Iterable[PresentedCitation]) -> Iterator[str]:
    """The words, escaped, and the markers as links."""
    urls = {citation.number: _document_url(citation) for citation in citations if citation.is_available}
    at = 0
    for marker in wording.markers:
        yield from _words(wording.text[at : marker.start])
        yield link(urls.get(marker.number, ""), wording.text[marker.start : marker.end])
        at = marker.end
    yield from _words(wording.text[at:])


def _words(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find(" ", start, start + _WORD) + 1 or min(start + _WORD, len(text))
        yield escaped(text[start:end])
        start = end


# --- Parts ------------------------------------------------------------------------------------------------------------


def _document_url(citation: PresentedCitation) -> str:
    """The document at the cited words: whoever follows it passes the document's own gate."""
    if not settings.PUBLIC_URL or citation.document_id is None:
        return ""
    place = urlencode({"start": citation.start, "end": citation.end})
    return f"{settings.PUBLIC_URL}{reverse('ingestion:document', args=[citation.document_id])}?{place}"


def _source(citation: PresentedCitation) -> str:
    return f"{citation.title}, {citation.place}" if citation.place else citation.title


def _section(text: str) -> dict[str, Any]:
    """Verbatim: addresses in a document do not become links."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def _button(action: str, label: str, value: str) -> dict[str, Any]:
    return {"type": "button", "action_id": action, "text": {"type": "plain_text", "text": label}, "value": value}
