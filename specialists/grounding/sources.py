"""The texts that groundedness rows are made from: files in SQuAD's form, and folders of Markdown and plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from specialists.errors import DataError
from specialists.grounding.words import plain

SUFFIXES = (".md", ".markdown", ".txt")
PASSAGE_WORDS = 120
LEAST_WORDS = 25
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_CODE = re.compile(r"```.*?```|<!--.*?-->|\{[%{].*?[%}]\}", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<[^>\n]{1,200}>")
_MARKS = re.compile(r"(?<!\w)[*_`]{1,3}|[*_`]{1,3}(?!\w)")
_WRAPPED = re.compile(r"(?<=[^\s|:])\n[ \t]*(?=[^\s|#>*+\-=\d])")
_BULLET = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a passage; without an answer when the passage has none."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Source:
    """A passage of a document, its title before it as the product gives it, with the questions that people wrote about it."""

    document: str
    text: str
    asked: tuple[Asked, ...] = ()


def load_sources(path: Path) -> list[Source]:
    """Raises DataError."""
    found = list(_folder(path)) if path.is_dir() else list(_squad(path))
    if not found:
        raise DataError(
            f"{path} has no text of {LEAST_WORDS} words or more. Give a folder of Markdown or text, or a file in SQuAD's form."
        )
    return found


def _squad(path: Path) -> Iterator[Source]:
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read in SQuAD's form ({error}). Give a file with {{“data”: [{{“title”, “paragraphs”}}]}}."
        ) from error
    for place, article in enumerate(articles):
        title = str(article.get("title") or place)
        for paragraph in article.get("paragraphs", []):
            asked = [
                Asked(
                    str(item["question"]),
                    "" if item.get("is_impossible") or not item.get("answers") else str(item["answers"][0]["text"]),
                )
                for item in paragraph.get("qas", [])
            ]
            text = str(paragraph.get("context", ""))
            if len(text.split()) >= LEAST_WORDS:
                yield Source(f"{path.stem}/{title}", f"{title.replace('_', ' ')}\n{text}", tuple(asked))


def _folder(folder: Path) -> Iterator[Source]:
    for file in sorted(item for item in folder.rglob("*") if item.suffix.lower() in SUFFIXES and item.is_file()):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{file} cannot be read: {error}. Save it again as UTF-8, or take it out of the folder.") from error
        for passage in _passages(text):
            yield Source(str(file.relative_to(folder)), f"{file.stem.replace('-', ' ').replace('_', ' ')}\n{passage}")


def _passages(text: str) -> Iterator[str]:
    """Paragraphs joined until they make a passage; a heading begins a new one."""
    text = _MARKS.sub("", _LINK.sub(r"\1", _CODE.sub("", _FRONT_MATTER.sub("", text))))
    text = _WRAPPED.sub(" ", text)
    lines: list[str] = []
    for line in [*text.splitlines(), "# "]:
        bare = _BULLET.sub("", line).strip(" |")
        is_heading = line.startswith("#")
        if is_heading or sum(len(item.split()) for item in lines) > PASSAGE_WORDS:
            if sum(len(item.split()) for item in lines) >= LEAST_WORDS:
                yield "\n".join(lines)
            lines = []
        if bare and not is_heading and not set(bare) <= set("-|=: "):
            lines.append(plain(bare))
