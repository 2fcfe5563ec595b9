"""Slack's mark-up, both ways: what somebody typed as plain words, and our words so that nothing in them is mark-up."""

from __future__ import annotations

import re

LEAST_WORDS = 3  # of a question that stands by itself
_ASKS = re.compile(r"[^.!?\n]*\?")
_MARKED = re.compile(r"<([^<>]{1,3000})>")


def question_in(text: str) -> str:
    """The words of a message: without mentions of people, with the names of channels and the words of links."""
    words = _MARKED.sub(_words_of, text)
    return " ".join(words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").split())


def asks_everybody(text: str) -> bool:
    """Whether a message in a channel is a question to whoever knows: a sentence with a question mark, that names nobody."""
    if "<@" in text or "<!" in text:
        return False
    return any(len(sentence.split()) >= LEAST_WORDS for sentence in _ASKS.findall(question_in(text)))


def _words_of(match: re.Match[str]) -> str:
    target, _, label = match[1].partition("|")
    if target[:1] in ("@", "!"):
        return f" {label.lstrip('@')} " if label else " "
    return f"#{label}" if target[:1] == "#" and label else label or target


def escaped(text: str) -> str:
    """For mrkdwn: with these three characters gone, no link and no mention can come out of a document."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def link(url: str, label: str) -> str:
    return f"<{url}|{escaped(label).replace('|', '∣')}>" if url else escaped(label)
