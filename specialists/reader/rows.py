"""The reader's training rows, and the files that they come from: SQuAD's form, contract clauses (CUAD), and questions with a
corpus (queries, corpus, qrels). What is wrong in a file is said with its place and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.files import text_lines
from specialists.errors import DataError

MAX_PROBLEMS = 5
OMITTED = "<omitted>"  # between a clause's parts, in CUAD
NOWHERE = -1


@dataclass(frozen=True, slots=True)
class ReaderRow:
    """A question about a text. `answers` are (start, text) in `text`; none: the text does not answer it."""

    id: str
    question: str
    text: str
    context: str
    answers: tuple[tuple[int, str], ...]


Key = tuple[str, str]


def key_of(row: ReaderRow) -> Key:
    """What tells rows apart: files need not have ids, and two files may have the same."""
    return row.question, row.text


def load_rows(path: Path) -> list[ReaderRow]:
    """All rows of a file (SQuAD's form) or of a folder (corpus.jsonl with questions.jsonl, or NAME.corpus.jsonl,
    NAME.queries.jsonl and NAME.qrels.tsv: give the folder and the name, as in fairytales/train).

    Raises DataError."""
    if path.is_dir() and (path / "questions.jsonl").is_file():
        rows = list(_clauses(path))
    elif path.with_name(f"{path.name}.queries.jsonl").is_file():
        rows = list(_judged_questions(path))
    elif path.is_file():
        rows = list(_squad(path))
    else:
        raise DataError(f"{path} is not there. Give a file in SQuAD's form, or a folder with corpus.jsonl and questions.jsonl.")
    if not rows:
        raise DataError(f"{path} has no question. Give a file in SQuAD's form with at least one.")
    return rows


def _squad(path: Path) -> Iterator[ReaderRow]:
    articles = _read_json(path)
    if not isinstance(articles, dict) or not isinstance(articles.get("data"), list):
        raise DataError(f'{path} has no list "data". SQuAD\'s form is {{"data": [{{"title", "paragraphs"}}]}}.')
    problems: list[str] = []
    for place, article in enumerate(articles["data"], start=1):
        for number, paragraph in enumerate(article.get("paragraphs", []), start=1):
            for question in paragraph.get("qas", []):
                where = f"article {place}, paragraph {number}, question {question.get('id', '?')}"
                row = _squad_row(article, paragraph, question)
                problem = _problem(row)
                if problem:
                    problems.append(f"{where}: {problem}")
                else:
                    yield row
    _complain(path, problems)


def _squad_row(article: dict[str, Any], paragraph: dict[str, Any], question: dict[str, Any]) -> ReaderRow:
    found = [] if question.get("is_impossible") else question.get("answers") or []
    return ReaderRow(
        id=str(question.get("id", "")),
        question=" ".join(str(question.get("question", "")).split()),
        text=str(paragraph.get("context", "")),
        context=str(article.get("title", "")).replace("_", " "),
        answers=tuple(dict.fromkeys((int(item.get("answer_start", NOWHERE)), str(item.get("text", ""))) for item in found)),
    )


def _clauses(folder: Path) -> Iterator[ReaderRow]:
    """Questions about whole documents, each with all the clauses that answer it."""
    texts = {str(row["_id"]): str(row["text"]) for row in _read_lines(folder / "corpus.jsonl")}
    problems = []
    for line, row in enumerate(_read_lines(folder / "questions.jsonl"), start=1):
        text = texts.get(str(row["doc_id"]), "")
        found = [place for clause in row.get("clauses", []) for place in _clause_places(clause, text)]
        item = ReaderRow(str(row["_id"]), str(row["text"]), text, "", tuple(dict.fromkeys(found)))
        problem = _problem(item)
        if problem:
            problems.append(f"line {line}: {problem}")
        else:
            yield item
    _complain(folder / "questions.jsonl", problems)


def _clause_places(clause: dict[str, Any], text: str) -> list[tuple[int, str]]:
    """Where the clause stands. CUAD joins the parts of one that is spread over its contract, and says no place for it: each
    part counts where it is first found."""
    words, start = str(clause.get("text", "")), clause.get("answer_start")
    if isinstance(start, int) or OMITTED not in words:
        return [(start if isinstance(start, int) else NOWHERE, words)]
    parts = [part.strip() for part in words.split(OMITTED) if part.strip()]
    return [(text.find(part), part) for part in parts]


def _judged_questions(path: Path) -> Iterator[ReaderRow]:
    """Questions with the answer's words: those whose words stand in their document; the others cannot be learnt by a reader."""
    texts = {str(row["_id"]): str(row["text"]) for row in _read_lines(path.with_name(f"{path.name}.corpus.jsonl"))}
    documents: dict[str, str] = {}
    for line in path.with_name(f"{path.name}.qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document = line.split("\t")[:2]
        documents.setdefault(query, document)
    for row in _read_lines(path.with_name(f"{path.name}.queries.jsonl")):
        text = texts.get(documents.get(str(row["_id"]), ""), "")
        found = tuple(dict.fromkeys(_occurrence(text, answer) for answer in row.get("answers", [])))
        answers = tuple(item for item in found if item is not None)
        if answers:
            yield ReaderRow(str(row["_id"]), str(row["text"]), text, "", answers)


def _occurrence(text: str, answer: str) -> tuple[int, str] | None:
    words = answer.strip().rstrip(".")
    found = re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) if words else None
    return (found.start(), found.group()) if found else None


def _problem(row: ReaderRow) -> str:
    if not row.question:
        return "it has no question"
    if not row.text.strip():
        return "it has no text"
    for start, answer in row.answers:
        if start == NOWHERE:
            return f"the answer “{answer[:60]}” does not stand in its text"
        if not answer or row.text[start : start + len(answer)] != answer:
            return f"the answer “{answer[:60]}” is not at character {start} of its text"
    return ""


def _complain(path: Path, problems: list[str]) -> None:
    if problems:
        shown = "; ".join(problems[:MAX_PROBLEMS])
        more = f" (and {len(problems) - MAX_PROBLEMS} more)" if len(problems) > MAX_PROBLEMS else ""
        raise DataError(f"{path}: {shown}{more}. Correct or remove these questions and run the command again.")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}. Save it again as UTF-8 JSON.") from error


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = text_lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    for number, line in enumerate(lines, start=1):
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}, is not JSON: {error}. Correct or remove the line.") from error


def questions_in_common(rows: Iterable[ReaderRow], others: Iterable[ReaderRow]) -> list[str]:
    """The ids of `others` whose question and text are in `rows` too: a test must not contain what was trained on."""
    known = {(row.question.lower(), row.text) for row in rows}
    return [row.id for row in others if (row.question.lower(), row.text) in known]
