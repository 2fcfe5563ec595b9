"""Understands a question in its conversation: “and for contractors?” becomes a question that can be searched for. Pure rules."""

from __future__ import annotations

import re
from collections.abc import Sequence

TURNS_REMEMBERED = 20  # of a conversation
_CONNECTIVE = re.compile(r"^(?:and|but|or|so|then|also|ok(?:ay)?|what about|how about)\b[\s,]*", re.IGNORECASE)
_ABOUT = re.compile(r"^(?:and |but |or |so )?(?:what|how) about\b", re.IGNORECASE)
_PREPOSITION = re.compile(r"^(?:for|in|on|at|with|without|during|after|before|from|to|as|if|when|under|over|by)\b", re.IGNORECASE)
_WH = re.compile(
    r"^(?:who|whom|whose|what|when|where|why|which|how|is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have)\b",
    re.IGNORECASE,
)
_AUXILIARY = r"is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|had|be|been"
_LINK = rf"{_AUXILIARY}|of|for|in|on|at|with|without|about|after|before|to|from|by|than|and|like|as"
_REFERENCE = re.compile(
    rf"""
    \b(?:they|them|theirs|those|these|he|him|she|hers|same)\b
    | \bits?\b(?!\s+(?:(?:allowed|possible|ok(?:ay)?|necessary|required|permitted|forbidden|true|enough)\s+(?:to|for|that|if)))
    | \b(?:their|his|her)\b
    | (?:^|\b(?:{_LINK})\s+)that\b                                    # not “the probe that measures”
    | \bthis\b(?!\s+(?:year|month|week|quarter|summer|winter|time))
    | (?<!\bis\s)(?<!\bare\s)(?<!\bwas\s)(?<!\bwere\s)\bthere\b(?!\s+(?:{_AUXILIARY})\b)  # not “is there a canteen”
    | \bones?\b(?=\s*(?:$|[?.!,]|(?:{_AUXILIARY})\b))
    """,
    re.IGNORECASE | re.VERBOSE,
)
_OWN = re.compile(
    r"\bIT\b|\b(?:day|week|month|year|step|part|level|tier|stage|phase|page|section)\s+one\b"
    r"|(?<=[a-z]{3}s\s)(?:\w+\s+){0,2}(?:their|them|they)\b"
)  # words that look like a reference and are none: the department, “day one”, “employees … their”
_LEADS = re.compile(
    r"^(?:(?:and|but|so|then|also|please)\s+)*(?:(?:how|what|which|who|whom|whose|when|where|why)\b\s*)?", re.IGNORECASE
)
_FUNCTION_WORDS = re.compile(
    r"\b(?:many|much|long|far|often|soon|is|are|was|were|be|been|do|does|did|can|could|may|must|might|should|shall|will|would|has|have|had"
    r"|i|you|we|he|she|it|they|me|us|him|them|my|your|our|his|its|their|a|an|the|this|that|these|those|there|who|which|what|when"
    r"|where|why|how|get|gets|got|need|needs|want|happens|happen|mean|means|if|and|or|but|to|in|on|at|with|from|by|as|than|any|some"
    r"|not|no|so|per)\b|[,;?!]",
    re.IGNORECASE,
)
_PRONOUN_ALONE = re.compile(r"(?:it|this|that|these|those|them|him|her|(?:the )?same)(?: ones?)?", re.IGNORECASE)
_QUESTION_WORD_ALONE = re.compile(r"(?:why|how|when|where|who)(?: so| not| then)?", re.IGNORECASE)
_PARENTHESIS = re.compile(r"\s*\(([^()]*)\)\s*$")
_SHORT_WORDS = 9
_FRAGMENT_WORDS = 4


def standalone_question(question: str, previous: str | None) -> str:
    """The question with what it leaves out taken from `previous`, the conversation's topic (see `topic`)."""
    question = " ".join(question.split())
    if not previous:
        return question
    rest = _CONNECTIVE.sub("", _CONNECTIVE.sub("", question)).strip(" ?!.")
    if not rest:
        return question
    if _PRONOUN_ALONE.fullmatch(rest):
        return previous
    if _QUESTION_WORD_ALONE.fullmatch(rest):
        return f"{rest[0].upper()}{rest[1:]}?{_about(previous)}"
    if _is_fragment(question, rest):
        return _with_fragment(previous.rstrip(" ?!."), rest)
    if len(question.split()) <= _SHORT_WORDS and _REFERENCE.search(_OWN.sub(" ", rest)):
        return f"{rest[0].upper()}{rest[1:]}?{_about(previous)}"
    return question


def topic(turns: Sequence[tuple[str, str]]) -> str | None:
    """What a follow-up refers to: the last question that was whole, or was made whole by putting one phrase for another.

    `turns` are (question, standalone question), oldest first. What was only appended to an older question is let go, so that
    follow-ups do not pile up.
    """
    earlier = [standalone for _, standalone in turns]
    for index in range(len(turns) - 1, -1, -1):
        standalone = earlier[index]
        if not any(_is_appended(standalone, older) for older in earlier[:index]):
            return standalone
    return None


def _is_appended(standalone: str, older: str) -> bool:
    """Whether the older question was put to it: as a whole, or by what it is about."""
    stem, about = older.rstrip(" ?!."), _about(older)
    return (standalone.startswith(f"{stem},") and len(standalone) > len(older) + 1) or bool(about and standalone.endswith(about))


def _about(question: str) -> str:
    """What a question is about, to be put behind one that refers to it: “ (days of leave, first year)”. The question itself is
    left out: read with another, it would be answered again."""
    text = _LEADS.sub("", _PARENTHESIS.sub("", question).strip(" ?!.") + " ")
    phrases = [" ".join(run.split()).strip(" ,;:'’\"“”") for run in _FUNCTION_WORDS.split(text)]
    kept = [phrase for phrase in dict.fromkeys(phrases) if phrase]
    own = _PARENTHESIS.search(question)
    return f" ({', '.join(kept + ([own[1]] if own else []))})" if kept or own else ""


def _with_fragment(previous: str, fragment: str) -> str:
    """“in Porto” takes the place of “in Leeds”; where the question has no such phrase, it is appended."""
    opening = _PREPOSITION.match(fragment)
    if not opening:
        return f"{previous}, for {fragment}?"
    named = re.compile(rf"\b{opening[0]}(?:\s+[A-Z][\w-]*)+")
    phrase = re.compile(rf"\b{opening[0]}\b(?:(?!\b{_PREPOSITION.pattern[1:]})[^,?!])*", re.IGNORECASE)
    found = list(named.finditer(previous)) or list(phrase.finditer(previous))
    if not found:
        return f"{previous}, {fragment}?"
    last = found[-1]
    return f"{previous[: last.start()]}{fragment[0].lower()}{fragment[1:]} {previous[last.end() :].lstrip()}".rstrip() + "?"


def _is_fragment(question: str, rest: str) -> bool:
    """No question of its own: a few words after “and …”, or hardly any words at all."""
    if _WH.match(rest):
        return False
    words = len(rest.split())
    if _PREPOSITION.match(rest):
        return words <= _SHORT_WORDS if _CONNECTIVE.match(question) or _ABOUT.match(question) else words <= _FRAGMENT_WORDS
    return bool(_CONNECTIVE.match(question) or _ABOUT.match(question)) and words < _FRAGMENT_WORDS
