"""Turns a composed answer into what is stored and streamed: sentences with their marks, and one citation per quote.

A stored sentence is {"text", "citations"} and, where they say something, "marks" (spans of the text), "lead" (the words before
it that no document says), "layout" ("item": one of a list) and "is_quoted" (the text is the first citation's own words).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assistant.events import Sentence
from assistant.models import Answer, Citation
from ingestion.models import Chunk
from specialists.composition.types import Composition


def sentence_rows(composition: Composition) -> list[dict[str, Any]]:
    """For Answer.sentences; citations are numbered from 1 in the order of the quotes."""
    rows: list[dict[str, Any]] = []
    for sentence in composition.sentences:
        row: dict[str, Any] = {"text": sentence.text, "citations": [place + 1 for place in sentence.quotes]}
        if sentence.is_quoted:
            row["is_quoted"] = True
        if sentence.marks:
            row["marks"] = [list(mark) for mark in sentence.marks]
        if sentence.lead:
            row["lead"] = sentence.lead
        if sentence.layout != "plain":
            row["layout"] = sentence.layout
        rows.append(row)
    return rows


def answer_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """For Answer.text: the answer as plain words."""
    return " ".join(" ".join(filter(None, (row.get("lead", ""), row["text"]))) for row in rows)


def citation_rows(answer: Answer, chunks: Mapping[int, Chunk], composition: Composition) -> list[Citation]:
    """One citation per quote, not saved yet."""
    citations = []
    for number, quote in enumerate(composition.quotes, start=1):
        chunk = chunks[quote.passage]
        citations.append(
            Citation(
                answer=answer,
                number=number,
                document_id=chunk.document_id,
                document_revision=chunk.revision,
                passage_id=chunk.pk,
                title=chunk.document.title or chunk.document.source_name,
                page=chunk.page,
                heading_path=chunk.heading_path,
                quote=quote.text,
                start=chunk.start + quote.start,
                end=chunk.start + quote.end,
            )
        )
    return citations


def sentence_events(rows: Iterable[Mapping[str, Any]]) -> Iterator[Sentence]:
    for row in rows:
        marks = tuple((int(start), int(end)) for start, end in row.get("marks", ()))
        yield Sentence(row["text"], tuple(row["citations"]), marks, row.get("lead", ""), row.get("layout", "plain"))


def segments(text: str, marks: Iterable[tuple[int, int]]) -> list[tuple[str, bool]]:
    """The text cut at its marks: (words, whether they are marked). Marks that do not fit the text are passed over."""
    parts: list[tuple[str, bool]] = []
    at = 0
    for start, end in sorted(marks):
        if at <= start < end <= len(text):
            parts += [(text[at:start], False), (text[start:end], True)]
            at = end
    return [part for part in (*parts, (text[at:], False)) if part[0]]
