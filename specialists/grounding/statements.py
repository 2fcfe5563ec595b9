"""A question and its answer as one statement. Plain templates: the statement need not be elegant, it must say what the
question and the answer say, in other words than the passage's."""

from __future__ import annotations

import re

from specialists.grounding.words import word_set

_DO = {"do", "does", "did"}
_BE = {"is", "are", "was", "were"}
_AUXILIARIES = _DO | _BE | word_set("has have had can could will would should may might must")
_DETERMINERS = word_set("the a an of in on at to for from by with and or his her its their this that these those many much")
_PREPOSITIONS = "in|on|at|for|to|from|by|with|under|during|after|before|since|into|through|about"
_WH = re.compile(
    rf"^(?P<before>(?:{_PREPOSITIONS}) )?"
    r"(?P<wh>what|which|who|whom|when|where|how many|how much|how long|how old|why|how)\b ?(?P<rest>.*)$",
    re.IGNORECASE,
)
_IN = re.compile(rf"^(?:{_PREPOSITIONS}|around|about|between|until|because|near) ", re.IGNORECASE)


def make_statement(question: str, answer: str) -> str:
    """ "How many days do staff get?", "20" → "The number of days that staff do get is 20."""
    asked = " ".join(question.split()).rstrip("? .")
    answer = " ".join(answer.split()).rstrip(" .,;:")
    found = _WH.match(asked)
    text = _from_parts(found, answer) if found else ""
    text = text or f"As to {asked[:1].lower() if asked[1:2].islower() else asked[:1]}{asked[1:]}, the answer is {answer}"
    return f"{text[0].upper()}{text[1:]}."


def _from_parts(found: re.Match[str], answer: str) -> str:
    wh, rest = found["wh"].lower(), found["rest"].split()
    place = next((index for index, word in enumerate(rest) if word.lower() in _AUXILIARIES), -1)
    if wh == "who" and place == 0 and rest[0].lower() not in _DO | _BE:
        return f"{answer} {' '.join(rest)}"
    if wh in ("who", "what", "which") and rest and place != 0 and not found["before"]:
        return f"{answer} {' '.join(rest)}" if wh == "who" else _with_noun(rest, place, answer)
    if wh in ("what", "which", "whom", "how many", "how much") and place > 0:
        return _with_noun(
            rest, place, answer, {"how many": "number of ", "how much": "amount of "}.get(wh, ""), found["before"] or ""
        )
    if wh in ("what", "who", "whom") and place == 0:
        return _with_auxiliary(wh, rest, answer)
    if wh in ("when", "where") and place == 0 and rest[0].lower() in _DO:
        joint = "" if _IN.match(answer) else ("in " if wh == "where" or re.fullmatch(r"\d{4}", answer) else "on ")
        return f"{_inverted(rest)} {joint}{answer}"
    return ""


def _with_noun(rest: list[str], place: int, answer: str, count: str = "", before: str = "") -> str:
    """ "What year did X die" → "the year that X did die is ANSWER"."""
    if place < 0:  # "which team won the cup": the noun is taken to be one word
        return f"the {count}{rest[0]} that {' '.join(rest[1:])} is {answer}" if len(rest) > 2 and rest[1] != "of" else ""
    noun, clause = " ".join(rest[:place]), rest[place:]
    does = clause[0].lower() in _DO
    if before and not does:
        return ""
    if does and len(clause) > 1 and clause[1] != "not":
        return f"the {count}{noun} {before.lower()}{'which' if before else 'that'} {_inverted(clause)} is {answer}"
    return f"the {count}{noun} that {' '.join(clause)} is {answer}"


def _with_auxiliary(wh: str, rest: list[str], answer: str) -> str:
    auxiliary = rest[0].lower()
    if auxiliary in _BE and rest[-1] in ("called", "named", "termed"):
        return f"{' '.join(rest[1:-1])} {auxiliary} {rest[-1]} {answer}"
    if auxiliary in _BE:
        return f"{' '.join(rest[1:])} {auxiliary} {answer}" if len(rest) > 1 else ""
    if auxiliary not in _DO:
        return ""
    what = "what" if wh == "what" else "the one whom"
    return f"{what} {_inverted(rest)} is {answer}"


def _inverted(clause: list[str]) -> str:
    """ "did the king sign the law" → "the king did sign the law": the verb is guessed to be the first plain word that follows
    no determiner."""
    auxiliary, words = clause[0].lower(), clause[1:]
    for place in range(1, len(words)):
        word = words[place]
        if word.islower() and word.isalpha() and word not in _DETERMINERS and words[place - 1].lower() not in _DETERMINERS:
            return " ".join([*words[:place], auxiliary, *words[place:]])
    return " ".join([*words, auxiliary])
