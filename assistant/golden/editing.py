"""Writing golden questions: what is accepted, and the changes themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from assistant.calibration.services import forget_golden
from assistant.errors import QuestionError
from assistant.golden.errors import GoldenError
from assistant.golden.models import Expectation, GoldenQuestion, Source
from assistant.services import check_question
from ingestion.models import Corpus, Document
from specialists.squad_metrics import normalise

MAX_QUESTIONS = 2000
MAX_PHRASES = 20
MAX_PHRASE_CHARACTERS = 400
MAX_TAGS = 10
MAX_TAG_CHARACTERS = 40

Phrases = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A golden question before it is stored. `must_contain`: phrases that must all be there, each as its alternatives."""

    question: str
    expects: str = Expectation.ANSWER
    must_contain: Phrases = ()
    document_name: str = ""
    tags: tuple[str, ...] = ()


def phrases_of(text: str) -> Phrases:
    """One phrase a line, alternatives divided by “|”: “27 days | twenty-seven days”."""
    lines = (tuple(part.strip() for part in line.split("|") if part.strip()) for line in text.splitlines())
    return tuple(line for line in lines if line)


def text_of(must_contain: Sequence[Sequence[str]]) -> str:
    return "\n".join(" | ".join(alternatives) for alternatives in must_contain)


def tags_of(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for part in text.split(",") if (tag := " ".join(part.split()))))


def key_of(question: str) -> str:
    """The same for questions that differ only in case, space and punctuation."""
    return hashlib.sha256((normalise(question) or question).encode()).hexdigest()


def check_draft(draft: Draft, corpus: Corpus) -> Draft:
    """The draft as it is stored, or GoldenError with what to do."""
    try:
        question = check_question(draft.question)
    except QuestionError as error:
        raise GoldenError(error.code, error.public_message) from error
    if draft.expects not in Expectation.values:
        raise GoldenError("unknown_expectation", "Say whether an answer or a refusal is expected.")
    if draft.expects == Expectation.REFUSAL:
        if draft.must_contain or draft.document_name:
            raise GoldenError("refusal_with_answer", "A refusal contains nothing and cites nothing. Leave both empty.")
        return Draft(question, draft.expects, tags=_checked_tags(draft.tags))
    _check_phrases(draft.must_contain)
    if not draft.must_contain and not draft.document_name:
        raise GoldenError("nothing_expected", "Say what the answer must contain, or which document it must cite.")
    _check_text(draft.document_name)
    if draft.document_name and not Document.objects.filter(corpus=corpus, source_name=draft.document_name).exists():
        raise GoldenError("no_such_document", f"The corpus has no document named “{draft.document_name[:120]}”.")
    return Draft(question, draft.expects, draft.must_contain, draft.document_name, _checked_tags(draft.tags))


def _check_phrases(must_contain: Phrases) -> None:
    if len(must_contain) > MAX_PHRASES:
        raise GoldenError("too_many_phrases", f"At most {MAX_PHRASES} phrases can be asked for.")
    for phrase in (phrase for alternatives in must_contain for phrase in alternatives):
        _check_text(phrase)
        if len(phrase) > MAX_PHRASE_CHARACTERS:
            raise GoldenError(
                "phrase_too_long", f"A phrase may have {MAX_PHRASE_CHARACTERS} characters. Take the words that matter."
            )
        if not any(char.isalnum() for char in phrase):
            raise GoldenError("phrase_without_words", f"“{phrase[:60]}” has no word or number to look for.")


def _checked_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG_CHARACTERS for tag in tags):
        raise GoldenError("tags", f"At most {MAX_TAGS} tags of at most {MAX_TAG_CHARACTERS} characters each.")
    for tag in tags:
        _check_text(tag)
    return tags


def _check_text(text: str) -> None:
    """Characters that no page can show would make the whole list unreadable."""
    if any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise GoldenError("not_text", "A phrase or tag holds characters that are not text. Type it, or paste it as plain text.")


def add_question(*, corpus: Corpus, draft: Draft, created_by: User | None, source: str = Source.TYPED) -> GoldenQuestion:
    checked = check_draft(draft, corpus)
    if GoldenQuestion.objects.filter(corpus=corpus).count() >= MAX_QUESTIONS:
        raise GoldenError("full", f"A corpus has at most {MAX_QUESTIONS:,} golden questions. Delete some first.")
    try:
        with transaction.atomic():
            return GoldenQuestion.objects.create(corpus=corpus, created_by=created_by, source=source, **_fields(checked))
    except IntegrityError:
        raise _already_there() from None


def change_question(*, question: GoldenQuestion, draft: Draft) -> None:
    for name, value in _fields(check_draft(draft, question.corpus)).items():
        setattr(question, name, value)
    try:
        with transaction.atomic():
            question.save()
            forget_golden(key=calibration_key(question.pk))
    except IntegrityError:
        raise _already_there() from None


def delete_question(*, question: GoldenQuestion) -> None:
    """Later runs do not ask it; earlier ones keep what came of it. The calibration forgets what it taught."""
    with transaction.atomic():
        forget_golden(key=calibration_key(question.pk))
        question.delete()


def calibration_key(question_id: int) -> str:
    return f"golden-{question_id}"


def _fields(draft: Draft) -> dict[str, object]:
    return {
        "key": key_of(draft.question),
        "question": draft.question,
        "expects": draft.expects,
        "must_contain": [list(alternatives) for alternatives in draft.must_contain],
        "document_name": draft.document_name,
        "tags": list(draft.tags),
    }


def _already_there() -> GoldenError:
    return GoldenError("already_there", "This corpus has this golden question already.")
