"""What people would ask of whom who knows what stands below a heading, in sentences of English; of headings that are slogans,
dates or commands nothing is asked."""

from __future__ import annotations

import re

from specialists.finetuning.verbs import how_do_i
from specialists.grounding.words import word_set

# People ask in many ways: with one form alone a model would learn the form. Whether a question finds its passage is tried later.
FORMS = (
    "What does “{title}” say about {topic}?", "What do I need to know about {topic}?", "Is there a rule about {topic}?",
    "What applies to {topic}?", "Can you tell me about {topic}?",
)  # fmt: skip
OF_ONE_WORD = ("What does “{title}” say about {topic}?", "What is there to know about {topic} in “{title}”?")  # “Codes” of what?
OF_CELLS = ("What does “{title}” say under “{column}” for “{row}”?", "In “{title}”, what stands under “{column}” for “{row}”?")
MOST_WORDS = 8
_USELESS = re.compile(
    r"^(?:introduction|overview|summary|contents|table of contents|appendix.*|annex.*|general|miscellaneous|notes?|references?|"
    r"see also|change ?log|version.*|history|contact|about|page \d+|afterwards|\W*)$",
    re.IGNORECASE,
)
_ASKS = word_set("what how who why where which")
_TIMES = word_set("when if before after during while")
# With these a heading goes on from another (“By office”), commands (“Add workers”) or tells of its writer (“My phone”).
_OPENS_NOTHING = word_set(
    """by in into on at of to from for with without not no never also and or but my our i we you it this that these those there
    let do does did add allow become choose come connect create decide define describe enable disable fail find get give go
    install join keep make open remove replace select send stay take tell think try turn use write"""
)
_FINITE = word_set(
    "is are was were be been am has have had does do did will would can could must may might should shall gets goes"
)
_RELATIVE = re.compile(r"\b(?:that|which|who|whose|where)\b")
_MONTHS = word_set("january february march april may june july august september october november december")
_SPOKEN_TO = re.compile(r"\byour\b")


def question_about(heading: str, title: str, text: str, *, turn: int) -> str:
    """Empty where there is none. `text`: of the section, which tells names from other words; `turn` chooses among the forms."""
    words = heading.lower().split()
    first = words[0] if words else ""
    if len(heading) < 3 or len(words) > MOST_WORDS or not heading[0].isalpha() or _USELESS.match(heading):
        return ""
    if re.search(r"[:…?!.;]$|[:;]\s|\.\.\.", heading) or heading.count(",") > 1:
        return ""
    if "," in heading and not re.search(r"\b(?:and|or) ", heading.partition(",")[2]):  # “First look, two minutes”
        return ""
    topic = _SPOKEN_TO.sub("my", _lowered(heading, text))
    if len(words) > 1 and first in _TIMES:
        return f"What applies {topic}?"
    if first in _ASKS:
        return f"Can you tell me {topic}?" if len(words) > 2 else ""
    if first in _OPENS_NOTHING | _TIMES or not _FINITE.isdisjoint(_RELATIVE.split(heading.lower())[0].split()):
        return ""
    forms = FORMS if len(words) > 1 else OF_ONE_WORD
    return forms[turn % len(forms)].format(title=title, topic=topic)


def question_of(heading: str) -> str:
    """A heading that is a question itself, as it stands."""
    return heading if heading.endswith("?") and len(heading.split()) > 2 else ""


def question_of_cell(column: str, row: str, title: str, *, turn: int) -> str:
    """Whatever the column is called: “For whom” is no word that one could ask for."""
    return OF_CELLS[turn % len(OF_CELLS)].format(title=title, column=column, row=row)


def doing(heading: str) -> str:
    return _SPOKEN_TO.sub("my", how_do_i(heading))


def _lowered(heading: str, text: str) -> str:
    """A name keeps its capital: a word with other capitals, a month, or one that has it in the midst of a sentence."""
    first = re.match(r"[^\W\d_]+", heading)
    word = first.group() if first else ""
    is_name = word.lower() in _MONTHS or heading[1:2].isupper() or re.search(rf"[a-z,] {re.escape(word)}\b", text)
    return heading if is_name else heading[0].lower() + heading[1:]
