"""Lines that tell of a document and not of its subject: who owns it, which version it is, the company's name above it. They are
no answer to a question about the subject, and no sentence of a summary."""

from __future__ import annotations

import re

from specialists.grounding.words import word_set

MOST_WORDS = 45  # of a line that has its facts in it; one name after a key has MOST_OF_A_NAME
MOST_OF_A_NAME = 9
MOST_IN_CAPITALS = 6

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = (
    rf"(?:(?:\d{{1,2}}\.? )?{_MONTH} \d{{4}}|{_MONTH} \d{{1,2}},? \d{{4}}|\d{{4}}-\d\d-\d\d|"
    r"\d{1,2}[./]\d{1,2}[./]\d{4}|\d{4})"
)
_BY = r"(?:written|prepared|approved|reviewed|kept|maintained|issued) by"
_KEY = (
    r"(?:(?:document |page |policy |process )?(?:owners?|authors?)|(?:document )?(?:references?|ref\.?|number|id)|"
    rf"version|revision|status|date|date of issue|{_BY}|classification|distribution)"
)
_DONE = (
    r"(?:checked|changed?|revised|revision|updated?|reviewed?|modified|edited|tested|used|published|issued|printed|signed|"
    r"approved)"
)
_FACT = re.compile(
    rf"{_KEY}: .+|{_DATE}|(?:version|revision|edition|v\.?) ?(?:\d[\w.]*)?(?: ?of)?(?: {_DATE})?|[A-Z]{{2,}}-\d[\w-]*|"
    rf"(?:last )?{_DONE}(?: on|:| in)? {_DATE}|(?:valid|in force|effective) (?:from|since|for|until) {_DATE}|"
    r"(?:handbook |help )?page [A-Z]{2,}-\d+|.*\bpage \d+ of \d+|confidential|internal|draft",
    re.IGNORECASE,
)
_NAMED = re.compile(rf"(?:{_KEY}:|{_BY}) (?P<name>.+)", re.IGNORECASE)
_COLUMN = re.compile(
    r"(?:^|(?<=\s))(?:Reference|Version|Owner|Author|Status|Date|Department|Classification|From|To|Subject)\b:?(?= \S)"
)
_JOINT = re.compile(r"\s+[·•|]\s+")
_LIST = re.compile(r",\s+")
_VERBS = word_set(
    """is are was were be been has have had does do did will would can cannot could must may might should shall need needs
    decides approves pays signs who whoever that which you your we our if when"""
)
_LOUD = word_set("a an the do not no never only must is are danger warning caution stop wear use keep read call of for in on to")


def is_metadata_line(sentence: str) -> bool:
    """“Owner: Rui Fonseca, IT · Last checked on 12 October 2026”, “Reference HB-11 Version 8 Owner …”, “Version 2, in force since
    1 October 2025.”, “BRACKWELL INSTRUMENTS”. In doubt it is a sentence: one with a verb stays, whatever it tells of."""
    text = " ".join(sentence.split())
    bare = text.rstrip(".").strip()
    if not bare or len(bare.split()) > MOST_WORDS:
        return False
    if _is_name_in_capitals(text) or len(_COLUMN.findall(bare)) >= 3:
        return True
    joined = _JOINT.split(bare)
    if len(joined) > 1:
        is_row = "|" in bare and not any(map(_NAMED.fullmatch, joined))  # of a table, whose cells are facts of the subject
        return not is_row and 2 * sum(map(_is_fact, joined)) >= len(joined)
    if _has_verb(bare):
        return False
    named = _NAMED.fullmatch(bare)
    if named is not None and len(named["name"].split()) <= MOST_OF_A_NAME:
        return True
    listed = _LIST.split(bare)
    return sum(map(_is_fact, listed)) >= max(2, len(listed) - 1) or _is_fact(bare)


def _is_fact(part: str) -> bool:
    return _FACT.fullmatch(part.strip()) is not None


def _has_verb(text: str) -> bool:
    return not _VERBS.isdisjoint(text.lower().replace(",", " ").split())


def _is_name_in_capitals(text: str) -> bool:
    words = text.lower().split()
    return text.isupper() and text[-1].isalpha() and len(words) <= MOST_IN_CAPITALS and _LOUD.isdisjoint(words)
