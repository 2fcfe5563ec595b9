"""E-mail messages: subject, sender and date, then the text body; attachments are named, not read."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import EmailPolicy
from pathlib import Path
from typing import Any

from ingestion.parsers.base import ParsedDocument, ParseError
from ingestion.parsers.builder import DocumentBuilder
from ingestion.parsers.cleaning import one_line
from ingestion.parsers.decoding import decode
from ingestion.parsers.html import add_html
from ingestion.parsers.text import add_text

MAX_HEADER = 64 * 1024  # characters
MAX_PARTS = 200
_SHOWN = 500  # characters of a list of recipients
_NAMES = 10


class _CappedPolicy(EmailPolicy):
    """The default policy, which parses a header when it is asked for; a giant one would take gigabytes."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        if len(value) > MAX_HEADER:
            raise ParseError(
                "header_too_long", f"A header of the e-mail is longer than {MAX_HEADER // 1024} KB. Save it without."
            )
        return super().header_fetch_parse(name, value)


class EmlParser:
    """One message."""

    formats = frozenset({"eml"})

    def parse(self, path: Path) -> ParsedDocument:
        data = path.read_bytes()
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8)):
            data = decode(data).encode()
        if data.startswith((b"From ", b">From ")):  # an mbox line before the message
            data = data.partition(b"\n")[2]
        message = read_message(data)
        builder = DocumentBuilder()
        subject = header_of(message, "subject")
        builder.heading(subject, 1)
        add_message(builder, message)
        warn_of_attachments(builder, [message])
        return builder.build(title=subject)


def read_message(data: bytes) -> EmailMessage:
    """Raises ParseError."""
    if data.lower().count(b"\ncontent-type:") > MAX_PARTS:
        raise ParseError("too_many_parts", f"The e-mail has more than {MAX_PARTS} parts. Save its text alone.")
    message = message_from_bytes(data.lstrip(), policy=_CappedPolicy())
    if not isinstance(message, EmailMessage):
        raise ParseError("damaged", "The e-mail is damaged. Save the message as .eml again.")
    return message


def add_message(builder: DocumentBuilder, message: EmailMessage) -> None:
    """Who wrote to whom and when, and the text."""
    builder.paragraph("\n".join(_summary(message)))
    _add_body(builder, message)


def header_of(message: EmailMessage, name: str) -> str:
    """A header's text; plain ASCII, and what the standard library cannot parse, is shown as it stands. Parsing a list of
    addresses takes milliseconds, a long one of message ids many, and a mailbox has thousands of either."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name), "")
    if raw.isascii() and "=?" not in raw and len(raw) <= MAX_HEADER:
        return one_line(raw)
    try:
        return one_line(str(message.get(name, "")))
    except (MessageError, ValueError, IndexError, AttributeError, TypeError, LookupError):
        return one_line(raw[:_SHOWN])


def _summary(message: EmailMessage) -> list[str]:
    names = ("from", "to", "cc", "date")
    return [f"{name.capitalize()}: {value[:_SHOWN]}" for name in names if (value := header_of(message, name))]


def _add_body(builder: DocumentBuilder, message: EmailMessage) -> None:
    before = len(builder.blocks)
    for kind in ("plain", "html"):
        part = message.get_body(preferencelist=(kind,))
        if part is None:
            continue
        text = _part_text(part)
        if kind == "plain":
            add_text(builder, text, has_headings=False)
        else:
            add_html(builder, text)
        if len(builder.blocks) > before:
            return


def _part_text(part: Any) -> str:
    payload = part.get_payload(decode=True)
    return decode(payload if isinstance(payload, bytes) else b"", declared=str(part.get_content_charset() or ""))


def warn_of_attachments(builder: DocumentBuilder, messages: Iterable[EmailMessage]) -> None:
    names = []
    for part in (part for message in messages for part in message.walk()):
        name = part.get_filename()
        if part.get_content_type() == "message/rfc822":
            names.append(name or "a forwarded message")
        elif name and part.get_content_disposition() != "inline":
            names.append(name)
    if names:
        shown = ", ".join(one_line(name)[:80] for name in names[:_NAMES]) + (" and others" if len(names) > _NAMES else "")
        count = "1 attachment was" if len(names) == 1 else f"{len(names)} attachments were"
        builder.warnings.append(f"{count} left out: {shown}. Upload what should be found by itself.")
