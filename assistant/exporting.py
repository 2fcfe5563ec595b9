"""A conversation as Markdown, with its evidence as numbered notes. All that was typed or stands in a document is text there: no
program that shows the file makes an element, a link, a picture or a heading of it."""

from __future__ import annotations

import re
from dataclasses import replace

from django.contrib.auth.models import User
from django.utils.text import Truncator

from assistant.models import AnswerState, Conversation
from assistant.presentation import PresentedAnswer, PresentedCitation, present_conversation
from assistant.wording import word_answer

LONGEST = 400  # characters of a quote, as on the page
_MARKUP = re.compile(r"[\\`\[\]]|<|>|&(?=#?\w+;)|^[ \t]*(?:#|=|~|-(?=-|[ \t]*$))", re.MULTILINE)
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def export_markdown(conversation: Conversation, user: User) -> str:
    """What `user` may not read is left out."""
    lines = [f"# {_line(conversation.title)}", ""]
    for item in present_conversation(conversation, user):
        lines += [f"## {_line(item.question)}", "", word_answer(_as_text(item)).text, ""]
        lines += _nearest(item)
        lines += _said(item)
        available = [citation for citation in item.citations if citation.is_available]
        lines += ["Sources:", ""] if available else []  # so that they do not go on with a numbered answer
        lines += [f"{citation.number}. {_source(citation)}: “{_text(citation.quote)}”" for citation in available]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _text(words: str) -> str:
    """Words that Markdown shows as they are. Emphasis, lists and tables stay."""
    return _MARKUP.sub(lambda match: _ENTITIES.get(match[0]) or f"{match[0][:-1]}\\{match[0][-1]}", words)


def _line(words: str) -> str:
    return _text(" ".join(words.split()))


def _as_text(item: PresentedAnswer) -> PresentedAnswer:
    sentences = [replace(sentence, text=_text(sentence.text), lead=_text(sentence.lead)) for sentence in item.sentences]
    return replace(item, sentences=tuple(sentences))


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
    return f"{_source(citation)}: “{_text(Truncator(' '.join(citation.quote.split())).chars(LONGEST))}”"


def _source(citation: PresentedCitation) -> str:
    return _line(f"{citation.title}, {citation.place}" if citation.place else citation.title)


def _said(item: PresentedAnswer) -> list[str]:
    """What the asker and the person whom it went to said, in turn."""
    asked = item.escalation
    if asked is None:
        return []
    lines = [] if asked.question == item.question else [f"Asked of {_line(asked.to)}: {_text(asked.question)}", ""]
    for message in asked.messages:
        verb = "replied" if message.is_reply else "wrote"
        lines += [f"{_line(message.author)} {verb}: {_text(message.text)}", ""]
    return lines
