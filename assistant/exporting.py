"""A conversation as Markdown, with its evidence as numbered notes."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils.text import Truncator

from assistant.models import AnswerState, Conversation
from assistant.presentation import PresentedAnswer, PresentedCitation, present_conversation
from assistant.wording import word_answer

LONGEST = 400  # characters of a quote, as on the page


def export_markdown(conversation: Conversation, user: User) -> str:
    """What `user` may not read is left out."""
    lines = [f"# {conversation.title}", ""]
    for item in present_conversation(conversation, user):
        lines += [f"## {item.question}", "", word_answer(item).text, ""]
        lines += _nearest(item)
        lines += _replies(item)
        available = [citation for citation in item.citations if citation.is_available]
        lines += ["Sources:", ""] if available else []  # so that they do not go on with a numbered answer
        lines += [
            f"{citation.number}. {citation.title}{f', {citation.place}' if citation.place else ''}: “{citation.quote}”"
            for citation in available
        ]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _nearest(item: PresentedAnswer) -> list[str]:
    """Of a refusal, what the screen shows of it: the sentences that may be the answer, else the closest passage's words."""
    is_searched = item.state == AnswerState.ABSTAINED and item.has_documents and not (item.is_for_person or item.is_summary)
    if not is_searched:
        return []
    hidden = [item.closest_hidden, ""] if item.closest_hidden else []
    if not item.is_unsure and item.closest and not hidden:
        return [f"Closest: {_words(item.closest[0])}", ""]
    if not item.offered or not item.is_unsure:
        return hidden
    which = "One of these may be it" if len(item.offered) > 1 else "This may be it"
    offered = [f"- {_words(citation)}" for citation in item.offered]
    return [f"{which}. Read it where it stands before you rely on it.", "", *offered, "", *hidden]


def _words(citation: PresentedCitation) -> str:
    quote = Truncator(" ".join(citation.quote.split())).chars(LONGEST)
    return f"{citation.title}{f', {citation.place}' if citation.place else ''}: “{quote}”"


def _replies(item: PresentedAnswer) -> list[str]:
    said = item.escalation.messages if item.escalation else ()
    return [line for message in said if message.is_reply for line in (f"{message.author} replied: {message.text}", "")]
