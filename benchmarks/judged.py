"""Judged sets for the benchmarks: passages, queries and which passages answer them, out of three forms of files.

A set is a BEIR folder (corpus.jsonl, queries.jsonl, qrels.tsv); a file in SQuAD's form, whose paragraphs are the passages and
whose answerable questions the queries (equal questions are one query); or QUESTIONS.jsonl@FOLDER, questions about Markdown
pages, which are cut up as the product cuts them: a passage of the named page that holds an answer is relevant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PIECE_WORDS = 150  # a longer paragraph is cut
PASSAGE_TOKENS = 200


@dataclass
class JudgedSet:
    """`qrels`: for each query, the numbers of the relevant passages with their grades. `others`: queries that were left out, with
    theirs."""

    name: str
    texts: list[str] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    qrels: list[dict[int, int]] = field(default_factory=list)
    others: list[tuple[str, dict[int, int]]] = field(default_factory=list)

    def named_qrels(self) -> dict[str, dict[str, int]]:
        return {str(n): {str(passage): grade for passage, grade in found.items()} for n, found in enumerate(self.qrels)}


def load_set(name: str | Path, most: int = 0) -> JudgedSet:
    """The set; of its queries every n-th, so that there are at most `most` (0: all), and as `others` the ones behind these."""
    path, at, pages = str(name).partition("@")
    if at:
        judged = _pages(Path(path), Path(pages))
    elif Path(path).is_dir():
        judged = _beir(Path(path))
    else:
        judged = _squad(Path(path))
    if most and len(judged.queries) > most:
        step = -(-len(judged.queries) // most)
        judged.others = list(zip(judged.queries[1::step], judged.qrels[1::step], strict=True))
        judged.queries, judged.qrels = judged.queries[::step], judged.qrels[::step]
    return judged


def _beir(folder: Path) -> JudgedSet:
    from retrieval.beir_format import read_corpus, read_qrels, read_queries

    judged, numbers = JudgedSet(folder.name), {}
    for document in read_corpus(folder / "corpus.jsonl"):
        numbers[document.id] = len(judged.texts)
        judged.texts.append(document.text)
        judged.contexts.append(document.title)
    texts = read_queries(folder / "queries.jsonl")
    for query, grades in read_qrels(folder / "qrels.tsv").items():
        judged.queries.append(texts[query])
        judged.qrels.append({numbers[name]: grade for name, grade in grades.items() if name in numbers})
    return judged


def _squad(path: Path) -> JudgedSet:
    from specialists.reader.rows import load_rows

    judged = JudgedSet(path.stem)
    numbers: dict[tuple[str, int], int] = {}
    places: dict[str, int] = {}
    for row in load_rows(path):
        for start, end in pieces(row.text):
            if (row.text, start) not in numbers:
                numbers[row.text, start] = len(judged.texts)
                judged.texts.append(row.text[start:end])
                judged.contexts.append(row.context)
            if any(start <= answer < end for answer, _ in row.answers):
                place = places.setdefault(row.question.lower(), len(places))
                if place == len(judged.queries):
                    judged.queries.append(row.question)
                    judged.qrels.append({})
                judged.qrels[place][numbers[row.text, start]] = 1
    return judged


def pieces(text: str) -> Iterator[tuple[int, int]]:
    """The text in pieces of about PIECE_WORDS words that end with a sentence."""
    from ingestion.sentences import sentence_spans

    first, words, last = 0, 0, 0
    for start, end in sentence_spans(text):
        size = len(text[start:end].split())
        if words and words + size > PIECE_WORDS:
            yield first, last
            first, words = start, 0
        words, last = words + size, end
    if words:
        yield first, len(text)


def _pages(questions: Path, folder: Path) -> JudgedSet:
    judged, by_page = JudgedSet(questions.stem), {}
    for path in sorted(folder.rglob("*.md")):
        first = len(judged.texts)
        for text, context in cut_page(path):
            judged.texts.append(text)
            judged.contexts.append(context)
        by_page[path.relative_to(folder).as_posix()] = range(first, len(judged.texts))
    for line in questions.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        answers = [" ".join(answer.lower().split()) for answer in row["answers"]]
        relevant = {n: 1 for n in by_page.get(row["document"], ()) if any(answer in plain(judged.texts[n]) for answer in answers)}
        if relevant:
            judged.queries.append(row["question"])
            judged.qrels.append(relevant)
    return judged


def plain(text: str) -> str:
    return " ".join(text.lower().split())


def cut_page(path: Path, max_tokens: int = PASSAGE_TOKENS) -> Iterator[tuple[str, str]]:
    """A page's passages as the product makes them: text and context."""
    from ingestion.chunking import chunk_document
    from ingestion.parsers.markdown import MarkdownParser
    from retrieval.embedders import get_embedder

    parsed = MarkdownParser().parse(path)
    title = parsed.title or path.stem
    for draft in chunk_document(parsed, title=title, count_tokens=get_embedder().count_tokens, max_tokens=max_tokens):
        yield parsed.text[draft.start : draft.end], draft.context
