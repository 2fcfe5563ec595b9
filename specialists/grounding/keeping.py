"""Changes that leave a sentence true: so that "not word for word" is no sign of a false one."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from specialists.grounding.facts import MONTHS, facts_of
from specialists.grounding.numerals import in_words
from specialists.grounding.words import STOP_WORDS, plain

Keep = Callable[[str, random.Random], str | None]
_LEAD_INS = (
    "According to the document, ", "The document says that ", "As the text states, ", "Note that ", "In short, ",
    "It is stated that ", "The passage explains that ", "Yes: ", "In general, ",
)  # fmt: skip
LEADING_WORDS = frozenset(text.split(maxsplit=1)[0].lower() for text in _LEAD_INS)
_SAME = """
must|has to; required to|obliged to; purchase|buy; purchased|bought; approximately|about; about|roughly; such as|like; obtain|get;
however|but; for example|for instance; in order to|to; assist|help; additional|further; begin|start; began|started; large|big;
located|situated; numerous|many; employees|staff; people|persons; prior to|before; because|since; also|too; primarily|mainly;
often|frequently; usually|normally; may|might; ensure|make sure; use|make use of; uses|makes use of; is called|is known as;
is known as|is called; due to|because of; according to|as stated by; created|made; shows|demonstrates; receive|get;
provides|gives; needs to|has to; several|a number of;
at least|no fewer than; more than|over; less than|under; around|about; became|turned into;
"""
_SYNONYMS = [tuple(pair.strip().split("|")) for pair in _SAME.replace("\n", " ").split(";") if pair.strip()]
_ASIDE = re.compile(r" \([^()]*\)")
_CLAUSE = re.compile(
    r",? (?:which|who|where|while|whereas|although|though|because|so that|making|including|such as)\b[^,;]*(?=[.]?$)"
)
_OPENING = re.compile(
    r"^((?:In|On|At|During|After|Before|By|For|Since|From|Under|With) [^,;:]{3,45}), "
    r"((?:the|a|an|it|they|he|she|this|these|we|you|its|their)\b.*[^.])\.?$",
    re.IGNORECASE,
)
_SHORT = (
    ("do not", "don't"), ("does not", "doesn't"), ("did not", "didn't"), ("is not", "isn't"), ("are not", "aren't"),
    ("was not", "wasn't"), ("were not", "weren't"), ("can not", "cannot"), ("should not", "shouldn't"), ("will not", "won't"),
)  # fmt: skip
LEAST_WORDS = 5
LED_IN = 0.25  # it is always possible; the others are rarer


def verbatim(claim: str, _: random.Random) -> str | None:
    return claim


def led_in(claim: str, chooser: random.Random) -> str | None:
    if chooser.random() > LED_IN:
        return None
    first = claim[:1].lower() + claim[1:] if claim.split(maxsplit=1)[0].lower() in STOP_WORDS - {"i"} else claim
    return chooser.choice(_LEAD_INS) + first


def respelled(claim: str, chooser: random.Random) -> str | None:
    """A number in words that was in figures, or the other way round; a thousand with or without its comma."""
    found = [
        item for item in facts_of(claim).quantities if len(item.readings) == 1 and not item.text.lower().startswith(("a ", "an "))
    ]
    found = [item for item in found if not _is_part(claim, item.start, item.end)]
    for item in chooser.sample(found, len(found)):
        value = next(iter(item.readings))
        written = claim[item.start : item.end]
        if item.is_spelled and value == int(value):
            return claim[: item.start] + f"{int(value):,}" + claim[item.end :]
        if written.isdigit() and 0 < value <= 100:
            return claim[: item.start] + in_words(int(value)) + claim[item.end :]
        if "," in written and written.replace(",", "").isdigit():
            return claim[: item.start] + written.replace(",", "") + claim[item.end :]
        if written.isdigit() and value >= 10_000:
            return claim[: item.start] + f"{int(value):,}" + claim[item.end :]
    return None


def _is_part(claim: str, start: int, end: int) -> bool:
    """Of a longer expression ("12-4", "1/2") or of a quotation."""
    return (
        claim[start - 1 : start] in ("-", "/", ".", ":")
        or claim[end : end + 1] in ("-", "/", ":", "'")
        or claim[:start].count('"') % 2 == 1
    )


def redated(claim: str, chooser: random.Random) -> str | None:
    found = [date for date in facts_of(claim).dates if date.year and date.month and date.day and not date.alternative]
    if not found:
        return None
    date = chooser.choice(found)
    month = MONTHS[(date.month or 1) - 1].capitalize()
    forms = [f"{date.day} {month} {date.year}", f"{month} {date.day}, {date.year}", f"{date.year}-{date.month:02}-{date.day:02}"]
    return claim[: date.start] + chooser.choice([form for form in forms if form != date.text]) + claim[date.end :]


def shortened(claim: str, chooser: random.Random) -> str | None:
    """Without what stands in parentheses, and without a last clause that only adds; conditions ("unless", "if") stay."""
    short = _ASIDE.sub("", claim)
    if short == claim or chooser.random() < 0.5:
        short = _CLAUSE.sub("", short.rstrip("."))
        short = f"{short.rstrip(' ,;')}."
    return short if short != claim and len(short.split()) >= LEAST_WORDS else None


def turned(claim: str, _: random.Random) -> str | None:
    """ "In 2019, the company moved." → "The company moved in 2019"."""
    found = _OPENING.match(claim)
    if not found:
        return None
    opening, rest = found.groups()
    return f"{rest[0].upper()}{rest[1:]} {opening[0].lower()}{opening[1:]}."


def reworded(claim: str, chooser: random.Random) -> str | None:
    for words, others in chooser.sample(_SYNONYMS, len(_SYNONYMS)):
        found = re.search(rf"(?<![\w'-]){re.escape(words)}(?![\w'-])", claim)
        if found:
            return claim[: found.start()] + others + claim[found.end() :]
    return None


def contracted(claim: str, _: random.Random) -> str | None:
    for words, others in _SHORT:
        if f" {words} " in claim:
            return claim.replace(f" {words} ", f" {others} ", 1)
    return None


KEEPING: dict[str, Keep] = {
    "verbatim": verbatim, "led_in": led_in, "respelled": respelled, "redated": redated, "shortened": shortened, "turned": turned,
    "reworded": reworded, "contracted": contracted,
}  # fmt: skip


def rephrase(claim: str, chooser: random.Random, *, times: int) -> tuple[str, str]:
    """Up to so many different changes, and the last one's name. "verbatim" when none applies."""
    name, claim = "verbatim", plain(claim)
    for kind in chooser.sample(list(KEEPING)[1:], len(KEEPING) - 1):
        changed = KEEPING[kind](plain(claim), chooser) if times else None
        if changed and changed != claim:
            claim, name, times = changed, kind, times - 1
    return claim, name
