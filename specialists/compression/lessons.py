"""What a teacher answers to the organization's own questions, kept where it is cited, supported and not against the answer that
is recorded: what a student is to be trained on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from specialists.citing import CitedSentence, SentenceParser
from specialists.errors import SpecialistError
from specialists.finetuning.encoding import MOST_COMPLETION
from specialists.finetuning.rows import Row, render_row, rows_sha256
from specialists.grounding.alignment import find_changes
from specialists.grounding.checker import Claim, Head, check_answer
from specialists.grounding.facts import facts_of
from specialists.grounding.rules import judge
from specialists.grounding.words import clauses
from specialists.language_models.types import End, LanguageModel, Piece
from specialists.prompting import NO_ANSWER, PROMPT_VERSION, Prompt

CUT = "the teacher did not come to an end"
REFUSED = "the teacher refused what the row answers"
ANSWERED = "the teacher answered what no passage answers"
UNSUPPORTED = "a sentence of the teacher's is not supported by what it cites"
EMPTY = "the teacher states nothing that a source could support"
ELSEWHERE = "the teacher does not cite the passage that answers"
AGAINST = "the teacher contradicts the recorded answer"
FIGURES = frozenset({"number", "unit", "date", "time"})


@dataclass(frozen=True, slots=True)
class Lessons:
    """`rows` with the teacher's words in place of the recorded ones; `left_out`: why others became none, and how many."""

    rows: tuple[Row, ...]
    left_out: dict[str, int]


@dataclass(frozen=True, slots=True)
class Teacher:
    """`key` names its weights: answers of another one are not taken over. `adapter` is empty for the model itself."""

    model: LanguageModel
    key: str
    adapter: str = ""


def make_lessons(
    teacher: Teacher, rows: Sequence[Row], head: Head | None, file: Path, *, on_row: Callable[[], bool] = lambda: True
) -> Lessons:  # fmt: skip
    """Asks what `file` does not hold yet, and keeps each answer there as soon as it is written. `on_row` says whether to go on.
    Raises SpecialistError, `stopped` too: the next call goes on where this one was."""
    kept: list[Row] = []
    left_out: Counter[str] = Counter()
    for row, (text, is_cut) in zip(rows, _answers(teacher, rows, file, on_row), strict=True):
        prompt = _shown(teacher.model, row)
        lesson, why = read_lesson(row, prompt, text, head, is_cut=is_cut)
        if lesson is None:
            left_out[why] += 1
        else:
            kept.append(lesson)
    return Lessons(tuple(kept), dict(left_out))


def read_lesson(row: Row, prompt: Prompt, text: str, head: Head | None, *, is_cut: bool = False) -> tuple[Row | None, str]:
    """The row with the teacher's answer, or None and why not. Sentences that state nothing are left out of it, as when people
    ask."""
    if is_cut:
        return None, CUT
    parser = SentenceParser(prompt.numbers)
    sentences = [*parser.feed(text), *parser.close()]
    is_refused = not sentences or any(sentence.text.upper().strip(" .!\"'*") == NO_ANSWER for sentence in sentences)
    if is_refused or not row.is_answerable:
        if is_refused and not row.is_answerable:
            return row, ""
        return None, REFUSED if is_refused else ANSWERED
    said = _supported(row, prompt, sentences, head)
    if not said:
        return None, UNSUPPORTED if said is None else EMPTY
    cited = tuple(tuple(prompt.numbers[number] for number in sentence.citations) for sentence in said)
    if not any(row.gold in places for places in cited):
        return None, ELSEWHERE
    if contradicts([sentence.text for sentence in said], row.answer):
        return None, AGAINST
    return replace(row, answer="\n".join(sentence.text for sentence in said), cited=cited), ""


def contradicts(sentences: Sequence[str], recorded: str) -> bool:
    """Whether they turn round what is recorded, say another figure in the same words, or have figures and none of those that
    are recorded. Words of their own are no contradiction."""
    recorded, said = recorded.replace("\n", " "), " ".join(sentences)
    if any(find_changes(clause, (recorded,)) for sentence in sentences for clause in clauses(sentence)):
        return True
    figures = _figures(recorded)
    missing = sum(fault.kind in FIGURES for fault in judge(recorded, [said]).faults)
    return bool(figures) and missing >= figures and bool(_figures(said))


def _figures(text: str) -> int:
    """How many; “a year” is none."""
    found = facts_of(text)
    counted = [item for item in found.quantities if not item.text.lower().startswith(("a ", "an "))]
    return len(counted) + len(found.dates) + len(found.times)


def _supported(row: Row, prompt: Prompt, sentences: Sequence[CitedSentence], head: Head | None) -> list[CitedSentence] | None:
    """The sentences that state something; None where one of them lacks its support."""
    texts = {passage.chunk: f"{passage.title}\n{passage.text}" for passage in row.passages}
    passages = {number: texts[place] for number, place in prompt.numbers.items()}
    checked = check_answer([Claim(item.text, item.citations) for item in sentences], passages, head=head).sentences
    if any(item.verdict != "supported" for item in checked):
        return None
    return [sentence for sentence, item in zip(sentences, checked, strict=True) if item.citations and sentence.citations]


def _shown(model: LanguageModel, row: Row) -> Prompt:
    return render_row(row, count_tokens=model.count_tokens, window=model.window, most_tokens=MOST_COMPLETION).prompt


def _answers(
    teacher: Teacher, rows: Sequence[Row], file: Path, on_row: Callable[[], bool]
) -> Iterator[tuple[str, bool]]:  # fmt: skip
    """Per row what the teacher says, and whether it was cut."""
    key = {"teacher": teacher.key, "adapter": teacher.adapter, "rows": rows_sha256(rows), "prompt": PROMPT_VERSION}
    known = _known(file, key)
    yield from known
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f"{file.name}.tmp")
        temporary.write_text("".join(f"{json.dumps(item, ensure_ascii=False)}\n" for item in (key, *known)), encoding="utf-8")
        temporary.replace(file)
        with file.open("a", encoding="utf-8") as kept:
            for row in rows[len(known) :]:
                answer = _asked(teacher, row)
                kept.write(f"{json.dumps(answer, ensure_ascii=False)}\n")
                kept.flush()
                yield answer
                if not on_row():
                    raise SpecialistError("stopped", "It was stopped.")
    except OSError as error:
        raise SpecialistError("disk", f"The answers could not be written to {file}. Free some space and try again.") from error


def _known(file: Path, key: dict[str, object]) -> list[tuple[str, bool]]:
    """The answers that the same teacher has given to the same rows; half a line, of a process that was killed, is none."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return []
    if not lines or json.loads(lines[0]) != key:
        return []
    return [(str(text), bool(is_cut)) for text, is_cut in map(json.loads, lines[1:])]


def _asked(teacher: Teacher, row: Row) -> tuple[str, bool]:
    text, end = "", End("stop")
    messages = _shown(teacher.model, row).messages
    for piece in teacher.model.generate(messages, most_tokens=MOST_COMPLETION, adapter=teacher.adapter):
        if isinstance(piece, Piece):
            text += piece.text
        elif isinstance(piece, End):
            end = piece
    return text, end.reason == "length"
