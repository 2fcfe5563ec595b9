"""Messages as Markdown: who said what and when, with a link to each. Slack's own marks become words, and nothing of a message is
mark-up that it was not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.dateformat import format as formatted

from assistant.services import plain_text
from assistant.slack.source.names import Names

TITLE = 80  # characters of the first message that name a thread
MOST_MESSAGES = 2_000  # of one document, so that no day and no thread fills the memory
MOST_CHARACTERS = 2_000_000
SUBTYPES = frozenset({"", "file_share", "thread_broadcast", "me_message"})  # what people say; not who joined, left or renamed
LEFT_OUT = "More was said here than one document holds; the rest is left out."
_FENCE = "```"
_MARKED = re.compile(r"<([^<>\n]{1,3000})>")
_STRESSED = re.compile(r"(?<![\w/])([*_~`])(?=\S)([^\n]{1,3000}?)(?<=\S)\1(?![\w/])")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&%!])")
_BEGINS_A_LIST = re.compile(r"^(\s*(?:[+\-=]|\d{1,9}(?=[.)])))")
_BULLETS = ("• ", "◦ ", "▪︎ ", "- ")


@dataclass(frozen=True, slots=True)
class Written:
    """A document of messages."""

    title: str
    text: str
    url: str  # where it begins in Slack


@dataclass(frozen=True, slots=True)
class Place:
    """Where messages stand, for the links to them. `us`: the app's own account, whose answers are no source."""

    workspace_url: str
    channel: str
    name: str
    us: str

    def link_to(self, message: dict[str, Any]) -> str:
        ts, thread = str(message["ts"]), str(message.get("thread_ts") or "")
        link = f"{self.workspace_url}archives/{self.channel}/p{ts.replace('.', '')}" if self.workspace_url else ""
        return f"{link}?thread_ts={thread}&cid={self.channel}" if link and thread not in ("", ts) else link


def is_said(message: dict[str, Any], us: str) -> bool:
    """Whether a person said it, in words: not a program, not ourselves, not Slack about the channel, not a file alone."""
    of_program = bool(message.get("bot_id")) or message.get("user") in (None, "", us, "USLACKBOT")
    return not of_program and (message.get("subtype") or "") in SUBTYPES and bool(str(message.get("text") or "").strip())


def write_thread(messages: Sequence[dict[str, Any]], place: Place, names: Names, *, is_cut: bool) -> Written:
    """A thread by the beginning of its first message."""
    first = messages[0]
    title = _beginning(_plain(str(first.get("text") or ""), names)) or f"Thread in #{place.name}"
    return _written(title, f"Thread in #{place.name}", messages, place, names, is_cut)


def write_day(day: date, messages: Sequence[dict[str, Any]], place: Place, names: Names, *, is_cut: bool) -> Written:
    return _written(f"#{place.name} on {formatted(day, 'j F Y')}", "", messages, place, names, is_cut)


def _written(
    title: str, about: str, messages: Sequence[dict[str, Any]], place: Place, names: Names, is_cut: bool
) -> Written:  # fmt: skip
    pieces, room = [f"# {_escaped(title)}"], MOST_CHARACTERS
    if about:
        pieces.append(_escaped(about))
    for message in messages:
        text = as_markdown(str(message.get("text") or ""), names)
        room -= len(text)
        if room < 0:
            is_cut = True
            break
        at = formatted(timezone.localtime(moment_of(str(message["ts"]))), "j F Y, H:i")
        link = place.link_to(message)
        pieces += [f"**{_escaped(names.person(str(message['user'])))}**, {f'[{at}]({link})' if link else at}", text]
    if is_cut:
        pieces.append(LEFT_OUT)
    return Written(title=title, text="\n\n".join(pieces) + "\n", url=place.link_to(messages[0]))


def moment_of(ts: str) -> datetime:
    return datetime.fromtimestamp(int(ts.partition(".")[0]), tz=timezone.get_default_timezone())


def as_markdown(text: str, names: Names) -> str:
    """A message's text. Each line is a paragraph of its own, as it is in Slack; code stays code."""
    parts = plain_text(text).split(_FENCE)
    if len(parts) % 2 == 0:  # a fence that is not closed is none
        parts[-2:] = [_FENCE.join(parts[-2:])]
    blocks = [_code(part, names) if number % 2 else _lines(part, names) for number, part in enumerate(parts)]
    return "\n\n".join(block for block in blocks if block)


def _code(text: str, names: Names) -> str:
    code = _unmarked(text, names).strip("\n")
    return f"{_FENCE}\n{code}\n{_FENCE}" if code.strip() else ""


def _lines(text: str, names: Names) -> str:
    return "\n\n".join(_line(line.strip(), names) for line in text.split("\n") if line.strip())


def _line(line: str, names: Names) -> str:
    if line.startswith("&gt;"):
        return f"> {_escaped(_plain(line.removeprefix('&gt;'), names))}"
    bullet = next((mark for mark in _BULLETS if line.startswith(mark)), "")
    return f"{'- ' if bullet else ''}{_escaped(_plain(line.removeprefix(bullet), names))}"


def _plain(text: str, names: Names) -> str:
    """Without Slack's marks for people, channels and links, and without those for bold, italics and the like."""
    marks = iter(_MARKED.findall(text))
    words = _MARKED.sub("\0", text)  # what is in a mark is nobody's stress: an address, a name
    for _ in range(2):  # one may stand in another
        words = _STRESSED.sub(r"\2", words)
    words = _without_entities("".join(_words_of(next(marks), names) if char == "\0" else char for char in words))
    return " ".join(words.split())


def _unmarked(text: str, names: Names) -> str:
    return _without_entities(_MARKED.sub(lambda match: _words_of(match[1], names), text))


def _without_entities(words: str) -> str:
    return words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _words_of(mark: str, names: Names) -> str:
    target, _, label = mark.partition("|")
    if target.startswith("@"):
        return f"@{names.person(target[1:])}"
    if target.startswith("#"):
        return f"#{label or names.channel(target[1:])}"
    if target.startswith("!"):
        return label or f"@{target[1:].partition('^')[0]}"  # @here; a group or a date has its words
    return label or target


def _escaped(text: str) -> str:
    text = _SPECIAL.sub(r"\\\1", text).replace("{:", "{\\:")
    found = _BEGINS_A_LIST.match(text)
    if found is None:
        return text
    mark = found[1]
    return f"{mark}\\{text[len(mark) :]}" if mark[-1].isdigit() else f"{mark[:-1]}\\{mark[-1]}{text[len(mark) :]}"


def _beginning(text: str) -> str:
    if len(text) <= TITLE:
        return text
    return f"{text[:TITLE].rpartition(' ')[0] or text[:TITLE]}…"
