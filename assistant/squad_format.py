"""Reads files in SQuAD 2.0's form, as documents of the product: each article a text with its title as heading."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ingestion.parsers.base import Block, ParsedDocument


@dataclass(frozen=True, slots=True)
class SquadQuestion:
    """`answers` are spans of the article's text; none means that the article does not answer the question."""

    text: str
    answers: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class SquadArticle:
    title: str
    document: ParsedDocument
    questions: tuple[SquadQuestion, ...]


def read_squad(file: Path) -> list[SquadArticle]:
    """The articles of the file. Raises ValueError for a file of another form."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))["data"]
        return [_article(item["title"].replace("_", " "), item["paragraphs"]) for item in data]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file} is not in SQuAD's form.") from error


def _article(title: str, paragraphs: list[dict]) -> SquadArticle:
    parts, blocks, questions, position = [], [], [], 0
    for paragraph in paragraphs:
        text = paragraph["context"]
        blocks.append(Block("paragraph", position, position + len(text), heading_path=(title,)))
        for item in paragraph["qas"]:
            spans = () if item.get("is_impossible") else tuple(_spans(item["answers"], position))
            questions.append(SquadQuestion(item["question"].strip(), spans))
        parts.append(text)
        position += len(text) + 2
    document = ParsedDocument(text="\n\n".join(parts), blocks=tuple(blocks), title=title)
    return SquadArticle(title, document, tuple(questions))


def _spans(answers: list[dict], position: int) -> list[tuple[int, int]]:
    return [(position + item["answer_start"], position + item["answer_start"] + len(item["text"])) for item in answers]
