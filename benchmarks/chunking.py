"""Compares ways to cut documents: how many tokens in a passage, what is embedded before its text, and whether passages overlap.

    python benchmarks/chunking.py SET [SET …] [--queries 300] [--only NAME …] [--json]

A SET is QUESTIONS.jsonl@FOLDER (questions about Markdown pages) or a file in SQuAD's form, whose articles are the documents.
Passages of different sizes cannot be compared by rank, so the measure is what a reader has after so many tokens of the best
passages: the share of questions whose answer stands in one of them. Everything goes through write_passages and search, in a
temporary folder."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

BUDGETS = (400, 1600)  # tokens; the second is what the answer path reads
DEPTH = 60
CHOSEN = "200 path"
RESAMPLED = 1000


@dataclass(frozen=True)
class Cut:
    """`header`: "none", "title" or "path" (title and headings). `overlap`: sentences of the passage before."""

    tokens: int
    header: str = "path"
    overlap: int = 0

    @property
    def name(self) -> str:
        return f"{self.tokens} {self.header}" + (f" +{self.overlap}" if self.overlap else "")


CUTS = (
    Cut(60), Cut(100), Cut(150), Cut(200), Cut(240), Cut(200, "title"), Cut(200, "none"), Cut(100, "none"), Cut(150, overlap=1),
    Cut(200, overlap=1),
)  # fmt: skip


@dataclass(frozen=True)
class Question:
    text: str
    document: str
    answers: tuple[str, ...]


@dataclass
class Documents:
    name: str
    parsed: dict[str, Any]
    questions: list[Question]


def main() -> None:
    parser = argparse.ArgumentParser(description="Ways to cut documents, compared.")
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--queries", type=int, default=300, help="of a set, every n-th, so that there are at most so many")
    parser.add_argument("--only", nargs="+", help="names of cuts, such as “150 path”")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import django

    django.setup()
    rows = []
    for name in arguments.sets:
        with tempfile.TemporaryDirectory(prefix="intramural-chunking-") as scratch:
            documents = load(name, Path(scratch), arguments.queries)
            cuts = [cut for cut in CUTS if not arguments.only or cut.name in (*arguments.only, CHOSEN)]
            hits = {}
            for number, cut in enumerate(cuts):
                print(f"{documents.name}: {cut.name}", file=sys.stderr)
                hits[cut.name] = measure(documents, cut, Path(scratch), f"cut-{number}")
            rows += list(summaries(documents, hits))
    if arguments.json:
        print(json.dumps(rows, indent=1))
    else:
        print_table(rows)


def load(name: str, scratch: Path, most: int) -> Documents:
    path, at, pages = name.partition("@")
    documents = _pages(Path(path), Path(pages)) if at else _articles(Path(path), scratch)
    if not documents.questions:
        sys.exit(
            f"No question of {path} is about a page of {pages or path}: take the questions that were written about that folder."
        )
    step = max(1, -(-len(documents.questions) // most))
    documents.questions = documents.questions[::step]
    return documents


def _pages(questions: Path, folder: Path) -> Documents:
    """`document` of a question is the page's path in FOLDER; questions about other pages are left out."""
    from ingestion.parsers.markdown import MarkdownParser

    parsed = {path.relative_to(folder).as_posix(): MarkdownParser().parse(path) for path in sorted(folder.rglob("*.md"))}
    rows = [json.loads(line) for line in questions.read_text(encoding="utf-8").splitlines()]
    asked = [
        Question(row["question"], page, tuple(row["answers"]))
        for row in rows
        for page in (row["document"], row["document"].removeprefix(f"{folder.name}/"))
        if row["answers"] and page in parsed
    ]
    return Documents(folder.name, parsed, asked)


def _articles(path: Path, scratch: Path) -> Documents:
    """The answer of a question is the sentence that holds it: a bare number may stand in many passages of an article."""
    from ingestion.parsers.markdown import MarkdownParser
    from ingestion.sentences import sentence_spans
    from specialists.reader.rows import load_rows

    paragraphs: dict[str, dict[str, None]] = {}
    asked = []
    for row in load_rows(path):
        paragraphs.setdefault(row.context, {})[row.text] = None
        places = [at for at, _ in row.answers]
        sentences = [row.text[start:end] for start, end in sentence_spans(row.text) if any(start <= at < end for at in places)]
        if sentences:
            asked.append(Question(row.question, row.context, tuple(sentences)))
    parsed = {}
    for title, texts in paragraphs.items():
        file = scratch / "article.md"
        file.write_text(f"# {title}\n\n" + "\n\n".join(texts), encoding="utf-8")
        parsed[title] = MarkdownParser().parse(file)
    return Documents(path.stem, parsed, asked)


def passages_of(documents: Documents, cut: Cut) -> Iterator[tuple[str, str, str]]:
    """The document's name, the context and the text of every passage."""
    from ingestion.chunking import chunk_document
    from retrieval.embedders import get_embedder

    count = get_embedder().count_tokens
    for name, parsed in documents.parsed.items():
        title = parsed.title or Path(name).stem
        before: list[str] = []
        for draft in chunk_document(parsed, title=title, count_tokens=count, max_tokens=cut.tokens):
            context = {"none": "", "title": title, "path": draft.context}[cut.header]
            own = [parsed.text[start:end] for start, end in draft.sentences]
            yield name, context, " ".join([*before, parsed.text[draft.start : draft.end]])
            before = own[len(own) - cut.overlap :] if cut.overlap else []


def measure(documents: Documents, cut: Cut, scratch: Path, partition: str) -> dict[str, Any]:
    """For each budget, which questions have their answer within it."""
    import numpy as np
    from django.conf import settings

    from benchmarks.judged import plain
    from retrieval.embedders import get_embedder
    from retrieval.indexing import write_passages
    from retrieval.passages import Passage
    from retrieval.search import search

    settings.INDEXES_DIR = scratch / "indexes"
    rows = list(passages_of(documents, cut))
    passages = [Passage(number, text, context) for number, (_, context, text) in enumerate(rows)]
    embedder = get_embedder()
    vectors = embedder.embed_passages([passage.searchable_text for passage in passages])
    write_passages(partition, add=passages, vectors=vectors)
    sizes = embedder.count_tokens([text for _, _, text in rows])
    plains = [plain(text) for _, _, text in rows]
    found = np.zeros((len(BUDGETS), len(documents.questions)), bool)
    for number, question in enumerate(documents.questions):
        answers = [plain(answer) for answer in question.answers]
        used = 0
        for hit in search(question.text, scope=[partition], top_k=DEPTH).hits:
            used += sizes[hit.id]
            if rows[hit.id][0] == question.document and any(answer in plains[hit.id] for answer in answers):
                found[[budget >= used for budget in BUDGETS], number] = True
                break
    return {"passages": len(rows), "tokens": float(np.mean(sizes)), "found": found}


def summaries(documents: Documents, hits: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for each cut, with the difference to CHOSEN and its 90 % interval over questions."""
    import numpy as np

    chance = np.random.default_rng(1)
    size = len(documents.questions)
    drawn = chance.integers(0, size, (RESAMPLED, size))
    for name, outcome in hits.items():
        row = {
            "set": documents.name, "documents": len(documents.parsed), "questions": size, "cut": name,
            "passages": outcome["passages"], "tokens": round(outcome["tokens"]),
        }  # fmt: skip
        for place, budget in enumerate(BUDGETS):
            found = outcome["found"][place].astype(float)
            gain = found - hits[CHOSEN]["found"][place]
            low, high = np.percentile(gain[drawn].mean(axis=1), [5, 95])
            row[f"in_{budget}"] = round(100 * float(found.mean()), 1)
            row[f"gain_{budget}"] = [round(100 * float(value), 1) for value in (gain.mean(), low, high)]
        yield row


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    cells = [cell for budget in BUDGETS for cell in (f"in {budget} tokens", "to the chosen (90 %)")]
    print("| " + " | ".join(["set", "cut", "passages", "tokens", *cells]) + " |\n|" + "---|" * (4 + len(cells)))
    for row in rows:
        shown = [row["set"], row["cut"], row["passages"], row["tokens"]]
        for budget in BUDGETS:
            mean, low, high = row[f"gain_{budget}"]
            shown += [row[f"in_{budget}"], "" if row["cut"] == CHOSEN else f"{mean:+} ({low:+} to {high:+})"]
        print("| " + " | ".join(map(str, shown)) + " |")


if __name__ == "__main__":
    main()
