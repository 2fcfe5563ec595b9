"""Golden questions from a file: CSV with a header line, or JSON objects one per line. All or none are taken.

Columns or keys: question (needed); expects: answer or refusal; must_contain: phrases, in CSV divided by “;” with
alternatives divided by “|”, in JSON a list of phrases or of lists of alternatives; document; tags. Files of
`evaluate_answers` (question, answers, is_impossible) are understood, too: any of the answers is right.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from assistant.golden.editing import Draft, Phrases, add_question, check_draft, key_of, phrases_of, tags_of
from assistant.golden.errors import GoldenError
from assistant.golden.models import Expectation, GoldenQuestion, Source
from ingestion.models import Corpus

MAX_BYTES = 4 * 1024 * 1024
PROBLEMS_NAMED = 20
KNOWN = {"question", "expects", "must_contain", "document", "tags", "answers", "is_impossible", "id"}

Row = tuple[int, dict[str, Any]]


class ImportRefusedError(GoldenError):
    """Every line that cannot be taken, with its sentence. Nothing was imported."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("import", "Nothing was imported. Correct these lines and import the file again.")
        self.problems = problems


def import_questions(
    *, corpus: Corpus, content: bytes, name: str, created_by: User | None, source: str = Source.IMPORTED
) -> tuple[int, int]:
    """Returns how many were added, and how many were there already and left as they are. Raises ImportRefusedError."""
    drafts = _drafts(corpus, list(_rows(content, name)))
    known = set(GoldenQuestion.objects.filter(corpus=corpus).values_list("key", flat=True))
    fresh = [draft for draft in drafts if key_of(draft.question) not in known]
    with transaction.atomic():
        for draft in fresh:
            add_question(corpus=corpus, draft=draft, created_by=created_by, source=source)
    return len(fresh), len(drafts) - len(fresh)


def _drafts(corpus: Corpus, rows: list[Row]) -> list[Draft]:
    if not rows:
        raise ImportRefusedError(["The file holds no questions."])
    drafts, problems, seen = [], [], dict[str, int]()
    for number, row in rows:
        try:
            draft = check_draft(_draft(row), corpus)
            first = seen.setdefault(key_of(draft.question), number)
            if first != number:
                raise GoldenError("twice", f"The question stands in line {first} already.")
            drafts.append(draft)
        except GoldenError as error:
            problems.append(f"Line {number}: {error.public_message}")
    if problems:
        more = len(problems) - PROBLEMS_NAMED
        raise ImportRefusedError([*problems[:PROBLEMS_NAMED], *([f"…and {more} more lines."] if more > 0 else [])])
    return drafts


def _rows(content: bytes, name: str) -> Iterator[Row]:
    if len(content) > MAX_BYTES:
        raise ImportRefusedError([f"The file is larger than {MAX_BYTES // 1024 // 1024} MB. Import it in parts."])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ImportRefusedError(["The file is not UTF-8 text. Save it as CSV (UTF-8) or as JSON lines."]) from None
    if name.lower().endswith((".jsonl", ".ndjson", ".json")) or text.lstrip().startswith("{"):
        yield from _json_rows(text)
    else:
        yield from _csv_rows(text)


def _json_rows(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        yield number, row if isinstance(row, dict) else {}


def _csv_rows(text: str) -> Iterator[Row]:
    sample = text[:4096].partition("\n")[0]
    delimiter = max(",;\t", key=sample.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        if "question" not in (reader.fieldnames or ()):
            raise ImportRefusedError(["Line 1: the header needs a column named question."])
        for row in reader:
            if None in row:
                raise ImportRefusedError(
                    [f"Line {reader.line_num}: it has more fields than the header. Quote a text with “{delimiter}”."]
                )
            if any(row.values()):
                yield reader.line_num, {column: value for column, value in row.items() if value}
    except csv.Error as error:
        raise ImportRefusedError([f"Line {reader.line_num}: it is not CSV ({error})."]) from None


def _draft(row: dict[str, Any]) -> Draft:
    unknown = row.keys() - KNOWN
    if "question" not in row or not isinstance(row["question"], str):
        raise GoldenError("no_question", "It is not an object or row with a question.")
    if unknown:
        raise GoldenError("unknown_column", f"“{min(unknown)[:40]}” is not known here. Known are {', '.join(sorted(KNOWN))}.")
    refuses = _is_true(row.get("is_impossible")) or ("answers" in row and not row["answers"])
    expects = str(row.get("expects") or (Expectation.REFUSAL if refuses else Expectation.ANSWER)).strip().lower()
    phrases = _phrases(row.get("must_contain"))
    if not phrases and row.get("answers"):
        phrases = (_texts(row["answers"]),)
    tags = row.get("tags") or ()
    return Draft(
        question=row["question"],
        expects={"abstain": Expectation.REFUSAL.value, "refuse": Expectation.REFUSAL.value}.get(expects, expects),
        must_contain=phrases,
        document_name=str(row.get("document") or "").strip(),
        tags=tags_of(tags) if isinstance(tags, str) else _texts(tags),
    )


def _is_true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() in ("1", "true", "yes"))


def _phrases(value: object) -> Phrases:
    if not value:
        return ()
    if isinstance(value, str):
        return phrases_of(value.replace(";", "\n"))
    if not isinstance(value, list):
        raise GoldenError("phrases", "must_contain is a list of phrases.")
    return tuple(_texts(item) if isinstance(item, list) else _texts([item]) for item in value)


def _texts(value: object) -> tuple[str, ...]:
    items: Iterable[Any] = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else [None]
    texts = tuple(item.strip() if isinstance(item, str) else "" for item in items)
    if not all(texts):
        raise GoldenError("texts", "Every phrase, answer and tag is a text.")
    return texts
