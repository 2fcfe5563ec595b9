"""A conversation as Markdown, with its evidence as numbered notes."""

from __future__ import annotations

from django.contrib.auth.models import User

from assistant.models import Conversation
from assistant.presentation import PresentedAnswer, present_conversation
from assistant.wording import word_answer


def export_markdown(conversation: Conversation, user: User) -> str:
    """What `user` may not read is left out."""
    lines = [f"# {conversation.title}", ""]
    for item in present_conversation(conversation, user):
        lines += [f"## {item.question}", "", word_answer(item).text, ""]
        lines += _replies(item)
        available = [citation for citation in item.citations if citation.is_available]
        lines += ["Sources:", ""] if available else []  # so that they do not go on with a numbered answer
        lines += [
            f"{citation.number}. {citation.title}{f', {citation.place}' if citation.place else ''}: “{citation.quote}”"
            for citation in available
        ]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _replies(item: PresentedAnswer) -> list[str]:
    said = item.escalation.messages if item.escalation else ()
    return [line for message in said if message.is_reply for line in (f"{message.author} replied: {message.text}", "")]
