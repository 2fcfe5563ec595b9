"""What a language model is trained on and judged by: a question, passages, and the sentence that is to be written.

The same prompt module renders the rows here and the questions of people (specialists/prompting.py)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from specialists.prompting import NO_ANSWER, PROMPT_VERSION, Prompt, Source, fit

LEAST_TRAINING_ROWS = 20
LEAST_HELD_OUT_ROWS = 10
LATER = ("rejected", "cited")  # fields that came later: empty, they do not change the sum of older rows


@dataclass(frozen=True, slots=True)
class RowPassage:
    """`chunk` orders the passages of a prompt, as it does when people ask."""

    chunk: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """`answer` is in the words of the passage `gold`, a sentence in a line; empty where none of the passages answers. They
    are best first. `rejected`: what a model wrote instead, and a person said was wrong; empty where nobody did. `cited`: of an
    answer that a model has written, per line the passages that it cites; else each line cites `gold`."""

    question: str
    passages: tuple[RowPassage, ...]
    answer: str
    gold: int
    rejected: str = ""
    cited: tuple[tuple[int, ...], ...] = ()

    @property
    def is_answerable(self) -> bool:
        return bool(self.answer)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The messages, the words that are to follow them, and those that are not; empty where nobody has rejected any."""

    prompt: Prompt
    completion: str
    rejected: str = ""


def render_row(row: Row, *, count_tokens: Callable[[str], int], window: int, most_tokens: int) -> Rendered:
    """The gold passage is fitted in first, so that a small window drops the others. Where it cuts the answer off, the row teaches
    to refuse, and never to answer from nothing."""
    ordered = sorted(row.passages, key=lambda passage: passage.chunk != row.gold)
    sources = [Source(passage.chunk, passage.title, passage.text) for passage in ordered]
    prompt = fit(row.question, sources, count_tokens=count_tokens, window=window, most_tokens=most_tokens)
    number = next((number for number, place in prompt.numbers.items() if place == row.gold), None)
    rejected = f"{row.rejected} [{number}]" if row.rejected and number is not None else ""
    if not row.is_answerable:
        return Rendered(prompt, NO_ANSWER, rejected)
    if row.cited:
        return Rendered(prompt, _as_written(row, prompt), rejected)
    if number is None or not _is_left(row, ordered[0].text, prompt.messages[-1].content):
        return Rendered(prompt, NO_ANSWER)
    return Rendered(prompt, "\n".join(f"{line} [{number}]" for line in row.answer.split("\n")), rejected)


def _as_written(row: Row, prompt: Prompt) -> str:
    """The lines with the numbers that their passages have here; a refusal where the window lacks one of them, or its end."""
    places = {place: number for number, place in prompt.numbers.items()}
    shown = " ".join(prompt.messages[-1].content.split())
    for passage in row.passages:
        is_cited = any(passage.chunk in line for line in row.cited)
        if is_cited and (passage.chunk not in places or " ".join(f"{passage.text}\n</passage>".split()) not in shown):
            return NO_ANSWER
    lines = zip(row.answer.split("\n"), row.cited, strict=True)
    return "\n".join(f"{line} {''.join(f'[{places[place]}]' for place in cited)}" for line, cited in lines)


def _is_left(row: Row, gold: str, shown: str) -> bool:
    """Whether the answer is still there, of a passage whose end the window may have cut off."""
    return any(" ".join(words.split()) in " ".join(shown.split()) for words in (f"{gold}\n</passage>", row.answer))


def rows_sha256(rows: Iterable[Row]) -> str:
    """Of the rows in their order and of the prompt's version."""
    digest = hashlib.sha256(f"prompt {PROMPT_VERSION}\n".encode())
    for row in rows:
        content = {name: value for name, value in asdict(row).items() if name not in LATER or value}
        digest.update(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def check_enough(training: Sequence[Row], held_out: Sequence[Row]) -> str:
    """What is wrong with so few rows, as a sentence; empty when there are enough."""
    if len(training) < LEAST_TRAINING_ROWS or len(held_out) < LEAST_HELD_OUT_ROWS:
        return (
            f"There are {len(training)} rows to train on and {len(held_out)} to judge by; at least {LEAST_TRAINING_ROWS} and "
            f"{LEAST_HELD_OUT_ROWS} are needed. Add documents, or review more examples."
        )
    return ""
