"""Mailboxes: messages one after another, put together by thread, each thread under its subject."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

from ingestion.parsers.base import ParsedDocument, ParseError
from ingestion.parsers.builder import DocumentBuilder
from ingestion.parsers.eml import add_message, header_of, read_message, warn_of_attachments

MAX_MESSAGES = 5_000
# A line of the body that begins so should be written as ">From ", and is not by every program: no header follows it.
_BEGINS = re.compile(rb"(?:\AFrom [^\n]*\n|\n\r?\nFrom [^\n]*\n(?=[!-9;-~]+[ \t]*:|>From ))")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_ID = re.compile(r"<[^<>\s]{1,200}>")
_ANSWERED = re.compile(r"^(?:\s*(?:re|aw|fw|fwd|wg|antw|sv|vs|r)\s*(?:\[\d+\])?\s*:)+\s*", re.IGNORECASE)


@dataclass(slots=True)
class _Thread:
    subject: str
    messages: list[EmailMessage] = field(default_factory=list)


class MboxParser:
    """Messages of a thread keep their order in the file."""

    formats = frozenset({"mbox"})

    def parse(self, path: Path) -> ParsedDocument:
        data = path.read_bytes().lstrip()
        starts = [match.span() for match in _BEGINS.finditer(data)]
        if len(starts) > MAX_MESSAGES:
            raise ParseError(
                "too_many_messages", f"The mailbox holds more than {MAX_MESSAGES:,} messages. Split it and upload the parts."
            )
        if not starts:
            raise ParseError("damaged", "The mailbox is damaged. Export it again.")
        ends = [*(start for start, _ in starts), len(data)][1:]
        messages = [
            read_message(_QUOTED.sub(rb"\1", data[body:end])) for (_, body), end in zip(starts, ends, strict=True)
        ]  # fmt: skip
        builder = DocumentBuilder()
        for thread in threads_of(messages):
            builder.leave_headings()
            builder.heading(thread.subject or "Without a subject", 1)
            for message in thread.messages:
                add_message(builder, message)
        warn_of_attachments(builder, messages)
        return builder.build()


def threads_of(messages: list[EmailMessage]) -> list[_Thread]:
    """By the ids that a message names, else by its subject without “Re:”, in the order of their first messages."""
    threads: list[_Thread] = []
    by_id: dict[str, _Thread] = {}
    by_subject: dict[str, _Thread] = {}
    for message in messages:
        own, *named = [_ID.findall(header_of(message, name)) for name in ("message-id", "in-reply-to", "references")]
        written = header_of(message, "subject")
        subject = _ANSWERED.sub("", written)
        thread = next((by_id[item] for items in (own, *named) for item in items if item in by_id), None)
        if thread is None and subject != written:
            thread = by_subject.get(subject.lower())
        if thread is None:
            thread = _Thread(subject)
            threads.append(thread)
        thread.messages.append(message)
        by_subject.setdefault(subject.lower(), thread)
        for items in (own, *named):
            by_id.update(dict.fromkeys(items, thread))
    return threads
