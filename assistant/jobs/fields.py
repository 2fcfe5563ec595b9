"""The fields of an extraction: what people type, and what the reader is asked for each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from django.utils.text import get_text_list

from assistant.errors import QuestionError
from assistant.services import plain_text

MOST_FIELDS = 12
NAME_CHARACTERS = 120
SHOWN = 40  # characters of a name that was left out


@dataclass(frozen=True, slots=True)
class Wanted:
    name: str
    question: str


CONTRACT = (
    Wanted("Parties", "Who are the parties to this agreement?"),
    Wanted("Effective date", "On which date does this agreement take effect?"),
    Wanted("Term", "How long is the term?"),
    Wanted("Notice period", "What is the notice period?"),
    Wanted("Payment terms", "When are invoices payable?"),
    Wanted("Liability cap", "To what amount is liability limited?"),
    Wanted("Governing law", "Which law governs this agreement?"),
)
PRESETS: dict[str, tuple[Wanted, ...]] = {"contract": CONTRACT}
_ALSO_CALLED = {"party": "parties", "start date": "effective date", "liability": "liability cap", "law": "governing law"}
_KNOWN = {wanted.name.casefold(): wanted for wanted in CONTRACT}


def read_fields(typed: str, preset: str = "") -> list[dict[str, str]]:
    """What is typed, by commas, semicolons or lines, after the preset's fields; each once. Raises QuestionError."""
    wanted = [*PRESETS.get(preset, ()), *(_wanted(name) for name in _typed(typed) if _says_something(name))]
    different = {item.name.casefold(): item for item in reversed(wanted)}
    kept = [item for item in dict.fromkeys(wanted) if different[item.name.casefold()] is item]
    if not kept:
        sentences = (left_out(typed), "Type the fields that you want, such as “party, term, notice period”.")
        raise QuestionError("no_fields", " ".join(filter(None, sentences)))
    if len(kept) > MOST_FIELDS:
        raise QuestionError("too_many_fields", f"These are {len(kept)} fields; {MOST_FIELDS} are allowed in one table.")
    if any(len(item.name) > NAME_CHARACTERS for item in kept):
        raise QuestionError("long_field", f"A field has at most {NAME_CHARACTERS} characters. Separate fields by commas.")
    return [asdict(item) for item in kept]


def left_out(typed: str) -> str:
    """A sentence on what was typed and is no field; empty where all is."""
    names = [f"“{name[:SHOWN]}”" for name in dict.fromkeys(_typed(typed)) if not _says_something(name)]
    if not names:
        return ""
    return f"{get_text_list(names, 'and')} {'was' if len(names) == 1 else 'were'} left out: a field needs a letter or a digit."


def _typed(typed: str) -> list[str]:
    names = (" ".join(part.split()) for part in re.split(r"[,;\n]", plain_text(typed)))
    return [name for name in names if name]


def _says_something(name: str) -> bool:
    return any(char.isalnum() for char in name)


def _wanted(name: str) -> Wanted:
    """A whole question is asked as it is."""
    key = name.casefold().rstrip("?")
    known = _KNOWN.get(_ALSO_CALLED.get(key, key))
    if known is not None:
        return Wanted(name, known.question)
    return Wanted(name, name if name.endswith("?") else f"What is the {name[0].lower() + name[1:]}?")


def names_of(fields: Iterable[dict[str, str]]) -> list[str]:
    return [field["name"] for field in fields]
