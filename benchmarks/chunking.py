"""Compares ways to cut documents: how many tokens in a passage, what is embedded before its text, whether passages overlap, and
how the rows of tables are cut.

    python benchmarks/chunking.py SET [SET …] [--queries 300] [--in-tables] [--only NAME …] [--json]

A SET is QUESTIONS.jsonl@FOLDER (questions about Markdown pages), a file in SQuAD's form, whose articles are the documents, or
tables@FOLDER (long-tables@FOLDER), whose questions are made by rule from the tables of Markdown pages: see `_by_rule`.
Passages of different sizes cannot be compared by rank, so the measure is what a reader has after so many tokens of the best
passages: the share of questions whose answer stands in one of them. Everything goes through write_passages and search, in a
temporary folder."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

if TYPE_CHECKING:
    from ingestion.parsers.base import Block, ParsedDocument

BUDGETS = (400, 1600)  # tokens; the second is what the answer path reads
DEPTH = 60
CHOSEN = "200 path"
RESAMPLED = 1000
TABLES, LONG_TABLES = "tables", "long-tables"
LONG_TABLE = 1000  # characters; a table up to about there is one passage, and nothing of it is cut
LONGEST_NAME, LONGEST_ROW = 80, 400  # characters of what a question names, and of the row that answers it


@dataclass(frozen=True)
class Cut:
    """`header`: "none", "title" or "path" (title and headings). `overlap`: sentences of the passage before. `rows` of a table
    that is longer than a passage: "packed" under its column names, as the product does; "bare", packed without them. "single":
    every row of every table alone, under the column names."""

    tokens: int
    header: str = "path"
    overlap: int = 0
    rows: str = "packed"

    @property
    def name(self) -> str:
        overlap = f" +{self.overlap}" if self.overlap else ""
        return f"{self.tokens} {self.header}{overlap}" + ("" if self.rows == "packed" else f" {self.rows}")


CUTS = (
    Cut(60), Cut(100), Cut(150), Cut(200), Cut(240), Cut(200, "title"), Cut(200, "none"), Cut(100, "none"), Cut(150, overlap=1),
    Cut(200, overlap=1), Cut(200, rows="single"), Cut(200, rows="bare"),
)  # fmt: skip


@dataclass(frozen=True)
class Question:
    text: str
    document: str
    answers: tuple[str, ...]


@dataclass
class Documents:
    name: str
    parsed: dict[str, ParsedDocument]
    questions: list[Question]


def main() -> None:
    parser = argparse.ArgumentParser(description="Ways to cut documents, compared.")
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--queries", type=int, default=300, help="of a set, every n-th, so that there are at most so many")
    parser.add_argument("--in-tables", action="store_true", help="only questions whose answer stands in a table and nowhere else")
    parser.add_argument("--only", nargs="+", help="names of cuts, such as “150 path”")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import django

    django.setup()
    rows = []
    vectors: dict[str, Any] = {}
    for name in arguments.sets:
        with tempfile.TemporaryDirectory(prefix="intramural-chunking-") as scratch:
            documents = load(name, Path(scratch), arguments.queries, in_tables=arguments.in_tables)
            cuts = [cut for cut in CUTS if not arguments.only or cut.name in (*arguments.only, CHOSEN)]
            hits: dict[str, dict[str, Any]] = {}
            for number, cut in enumerate(cuts):
                print(f"{documents.name}: {cut.name}", file=sys.stderr)
                hits[cut.name] = measure(documents, cut, Path(scratch), f"cut-{number}", vectors)
            rows += list(summaries(documents, hits))
    if arguments.json:
        print(json.dumps(rows, indent=1))
    else:
        print_table(rows)


def load(name: str, scratch: Path, most: int, *, in_tables: bool = False) -> Documents:
    path, at, pages = name.partition("@")
    if path in (TABLES, LONG_TABLES):
        documents = _by_rule(Path(pages), least=LONG_TABLE if path == LONG_TABLES else 0)
    else:
        documents = _pages(Path(path), Path(pages)) if at else _articles(Path(path), scratch)
    if in_tables:
        documents.questions = [asked for asked in documents.questions if _is_in_table(asked, documents.parsed[asked.document])]
    if not documents.questions:
        sys.exit(
            f"No question of {path} is about a page of {pages or path}: take the questions that were written about that folder."
        )
    step = max(1, -(-len(documents.questions) // most))
    documents.questions = documents.questions[::step]
    return documents


def _read(folder: Path) -> dict[str, ParsedDocument]:
    from ingestion.parsers.markdown import MarkdownParser

    return {path.relative_to(folder).as_posix(): MarkdownParser().parse(path) for path in sorted(folder.rglob("*.md"))}


def _pages(questions: Path, folder: Path) -> Documents:
    """`document` of a question is the page's path in FOLDER; questions about other pages are left out."""
    parsed = _read(folder)
    rows = [json.loads(line) for line in questions.read_text(encoding="utf-8").splitlines()]
    asked = [
        Question(row["question"], page, tuple(row["answers"]))
        for row in rows
        for page in dict.fromkeys((row["document"], row["document"].removeprefix(f"{folder.name}/")))
        if row["answers"] and page in parsed
    ]
    return Documents(folder.name, parsed, asked)


def _is_in_table(question: Question, parsed: ParsedDocument) -> bool:
    from benchmarks.judged import plain

    def is_answer(block: Block) -> bool:
        text = plain(parsed.text[block.start : block.end])
        return any(plain(answer) in text for answer in question.answers)

    holding = [block for block in parsed.blocks if is_answer(block)]
    return bool(holding) and all(block.table is not None for block in holding)


def _by_rule(folder: Path, least: int) -> Documents:
    """“What is the COLUMN of FIRST CELL?”: one question for a row, columns by turns. The answer is the row from its first cell
    to that column's, since a cell by itself may stand anywhere. A question that two rows of the folder could be meant by is left
    out, and so are columns without a name, rows that begin with no word, and tables of less than `least` characters."""
    parsed = _read(folder)
    asked = [
        question
        for page, document in parsed.items()
        for header, rows in _tables(document)
        if rows[-1].end - header.start >= least
        for number, row in enumerate(rows)
        if (question := _about_row(page, document.text, header, row, number)) is not None
    ]
    times = Counter(question.text.lower() for question in asked)
    name = f"{folder.name}, {LONG_TABLES if least else TABLES}"
    return Documents(name, parsed, [question for question in asked if times[question.text.lower()] == 1])


def _tables(parsed: ParsedDocument) -> Iterator[tuple[Block, list[Block]]]:
    """Of each table whose columns have names, the header and the rows."""
    for table, group in groupby(parsed.blocks, key=lambda block: block.table):
        rows = list(group)
        if table is not None and rows[0].is_header:
            yield rows[0], rows[1:]


def _about_row(page: str, text: str, header: Block, row: Block, number: int) -> Question | None:
    cells = [(start, text[start:end], end) for start, end in row.cells]
    start, name, _ = cells[0]
    if len(name) > LONGEST_NAME or not any(character.isalpha() for character in name):
        return None
    columns = [text[left:right] for left, right in header.cells]
    could = [
        (column, end)
        for column, (_, cell, end) in zip(columns[1:], cells[1:], strict=False)  # empty cells at a row's end are left out
        if 0 < len(column) <= LONGEST_NAME and cell and end - start <= LONGEST_ROW
    ]
    if not could:
        return None
    column, end = could[number % len(could)]
    return Question(f"What is the {column} of {name}?", page, (text[start:end],))


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
        shaped, columns = with_rows(parsed, cut.rows)
        for draft in chunk_document(shaped, title=title, count_tokens=count, max_tokens=cut.tokens):
            context = {"none": "", "title": title, "path": draft.context}[cut.header]
            context = "\n".join(filter(None, (context, columns.get(draft.sheet or ""))))
            own = [parsed.text[start:end] for start, end in draft.sentences]
            yield name, context, " ".join([*before, parsed.text[draft.start : draft.end]])
            before = own[len(own) - cut.overlap :] if cut.overlap else []


def with_rows(parsed: ParsedDocument, rows: str) -> tuple[ParsedDocument, dict[str, str]]:
    """The document as it is to be cut, and the column names that stand before the passages of a sheet. Single rows are each on a
    sheet of their own, because no passage is of two."""
    if rows == "packed":
        return parsed, {}
    if rows == "bare":
        return replace(parsed, blocks=tuple(replace(block, is_header=False) for block in parsed.blocks)), {}
    headers = {block.table: parsed.text[block.start : block.end] for block in parsed.blocks if block.is_header}
    blocks, columns = [], {}
    for number, block in enumerate(parsed.blocks):
        if block.table is None:
            blocks.append(block)
        elif not block.is_header:
            sheet = f"row {number}"
            blocks.append(replace(block, sheet=sheet))
            columns[sheet] = headers.get(block.table, "")
    return replace(parsed, blocks=tuple(blocks)), columns


def embed(texts: Sequence[str], known: dict[str, Any]) -> Any:
    """(texts, dimension). Most short sections are the same passage however documents are cut: `known` keeps their vectors."""
    import numpy as np

    from retrieval.embedders import get_embedder

    fresh = [text for text in dict.fromkeys(texts) if text not in known]
    if fresh:
        known.update(zip(fresh, get_embedder().embed_passages(fresh), strict=True))
    return np.stack([known[text] for text in texts])


def measure(documents: Documents, cut: Cut, scratch: Path, partition: str, known: dict[str, Any]) -> dict[str, Any]:
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
    write_passages(partition, add=passages, vectors=embed([passage.searchable_text for passage in passages], known))
    sizes = get_embedder().count_tokens([text for _, _, text in rows])
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
