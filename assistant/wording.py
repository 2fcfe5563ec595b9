"""An answer as plain text, for those who read no page: programs, exports and messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from assistant.models import AnswerState
from assistant.presentation import PresentedAnswer, PresentedSentence

STOPPED_HERE = "The answer was stopped here."
_NUMBER = re.compile(r"\d+[.)]\s")  # an item with a number of its own needs no second mark


@dataclass(frozen=True, slots=True)
class Marker:
    """A citation's number as it stands in the text: characters `start` to `end` are “[number]”."""

    number: int
    start: int
    end: int


@dataclass(slots=True)
class Wording:
    """Sentences put after one another, as paragraphs and lists, each followed by the numbers of its citations."""

    text: str = ""
    markers: list[Marker] = field(default_factory=list)
    _is_item: bool = False

    def add(self, sentence: str, citations: Sequence[int], *, lead: str = "", is_item: bool = False) -> str:
        """What this sentence adds to the text so far. A lead opens its own paragraph."""
        before = len(self.text)
        self.text += self._break(is_new_block=bool(lead) or is_item != self._is_item, is_item=is_item)
        self.text += f"{lead}\n\n" if lead else ""
        self.text += f"- {sentence}" if is_item and not _NUMBER.match(sentence) else sentence
        for number in citations:
            start = len(self.text) + 1
            self.text += f" [{number}]"
            self.markers.append(Marker(number, start, len(self.text)))
        self._is_item = is_item
        return self.text[before:]

    def _break(self, *, is_new_block: bool, is_item: bool) -> str:
        if not self.text:
            return ""
        if is_new_block:
            return "\n\n"
        return "\n" if is_item else " "


def word_sentences(sentences: Sequence[PresentedSentence]) -> Wording:
    wording = Wording()
    for sentence in sentences:
        numbers = [citation.number for citation in sentence.citations]
        wording.add(sentence.text, numbers, lead=sentence.lead, is_item=sentence.is_item)
    return wording


def word_answer(item: PresentedAnswer) -> Wording:
    """The answer, or the sentence that says why there is none. Of one that was stopped, what was written by then."""
    if item.state == AnswerState.STOPPED and item.sentences:
        wording = word_sentences(item.sentences)
        wording.text += f"\n\n{STOPPED_HERE}"
        return wording
    return word_sentences(item.sentences) if item.state == AnswerState.ANSWERED else Wording(why_not(item))


def why_not(item: PresentedAnswer) -> str:
    """For an answer that has no sentences."""
    if item.is_wish and not item.escalation:
        return "Nobody has been told yet. Open the conversation in the browser, and say there what it is about."
    if item.is_for_person:
        return "A person was asked." if item.escalation else "This looked like something for a person; nothing was searched."
    if item.state == AnswerState.ABSTAINED:
        return "No answer was sure enough." if item.is_unsure else "No answer was found in the documents you may read."
    return item.error_message or AnswerState(item.state).label
