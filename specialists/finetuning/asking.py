"""Questions that a language model writes about a passage, kept only where the answer stands in the passage word for word."""

from __future__ import annotations

import re

from specialists.finetuning.pairs import MOST_ANSWER, Pair, Section, sentence_with
from specialists.language_models.types import LanguageModel, Message, Piece
from specialists.prompting import Source, render
from specialists.relaying import drained
from specialists.structured import fill_in

MOST_TOKENS = 160
ASK = """Write one question that an employee could ask and that the passage answers, and copy the words of the passage that answer
it, letter by letter."""
LINES = f"""{ASK} Write two lines and nothing else:
Question: …
Answer: …"""
FORM = f"""{ASK} Write JSON with "question" and "answer"."""
NAMES = ("question", "answer")
_LINES = re.compile(r"Question:\s*(?P<question>[^\n]{8,300}\?)\s*\n\s*Answer:\s*(?P<answer>[^\n]{2,400})", re.IGNORECASE)

NOT_WRITTEN = "the language model wrote no question that its passage answers word for word"


def ask_about(model: LanguageModel, section: Section) -> Pair | None:
    """None where what it wrote cannot be read, or the answer is not in the passage. Raises SpecialistError."""
    shown = render("", [Source(1, section.context, section.text)]).messages[1].content
    passage = Message("user", shown.partition("\n\n<question>")[0])
    filled = drained(fill_in(model, (Message("system", FORM), passage), NAMES, most_tokens=MOST_TOKENS)).values
    written = "Question: {question}\nAnswer: {answer}".format_map(filled) if filled else _in_lines(model, passage)
    found = _LINES.search(written)
    if found is None:
        return None
    words = found["answer"].strip().strip("“”\"'")
    if not words or words not in section.text:
        return None
    answer = sentence_with(section, words)
    return Pair(found["question"].strip(), answer, section, "written") if len(answer) <= MOST_ANSWER else None


def _in_lines(model: LanguageModel, passage: Message) -> str:
    """Of a model that cannot be held to a form."""
    said = model.generate((Message("system", LINES), passage), most_tokens=MOST_TOKENS)
    return "".join(piece.text for piece in said if isinstance(piece, Piece))
