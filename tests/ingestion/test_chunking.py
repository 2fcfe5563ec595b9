from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from ingestion.chunking import ChunkDraft, chunk_document
from ingestion.parsers.base import ParsedDocument
from ingestion.parsers.builder import DocumentBuilder
from ingestion.sentences import sentence_spans

Fill = Callable[[DocumentBuilder], None]


def count_words(texts: Sequence[str]) -> list[int]:
    """A stand-in for the embedder's tokenizer: words and punctuation marks."""
    return [len(re.findall(r"\w+|[^\w\s]", text)) for text in texts]


def built(fill: Fill) -> ParsedDocument:
    builder = DocumentBuilder()
    fill(builder)
    return builder.build()


def chunked(fill: Fill, *, title: str = "Handbook", max_tokens: int = 60) -> tuple[ParsedDocument, list[ChunkDraft]]:
    parsed = built(fill)
    chunks = chunk_document(parsed, title=title, count_tokens=count_words, max_tokens=max_tokens)
    return parsed, chunks


def texts(parsed: ParsedDocument, chunks: Sequence[ChunkDraft]) -> list[str]:
    return [parsed.text[chunk.start : chunk.end] for chunk in chunks]


def sentences(count: int, word: str = "word") -> str:
    return " ".join(f"Sentence number {n} holds the {word} once more." for n in range(count))


def mixed(builder: DocumentBuilder) -> None:
    """Some of everything, short and long."""
    builder.heading("Leave", 1)
    builder.paragraph("Everyone has thirty days.")
    builder.paragraph(sentences(40))
    builder.heading("Kinds", 2)
    for item in ("Parental leave", "Sick leave", "Unpaid leave"):
        builder.list_item(item)
    table = builder.start_table()
    builder.row(["Kind", "Days", "Paid by"], table=table, is_header=True)
    for row in range(40):
        builder.row([f"Kind {row}", str(row), "the company"], table=table)
    builder.heading("Code", 1)
    builder.code("\n\n".join(f"def step_{n}():\n    return {n} * {n}" for n in range(30)))
    builder.paragraph("x" * 5_000)
    builder.quote("休暇は二週間前までに申請してください。" * 60)
    builder.heading("Alone", 1)


def test_it_fits_every_chunk_with_its_context() -> None:
    parsed, chunks = chunked(mixed)
    for chunk, text in zip(chunks, texts(parsed, chunks), strict=True):
        assert count_words([f"{chunk.context}\n{text}"])[0] <= 60
        assert len(text) <= 60 * 8


def test_it_loses_no_word_and_says_none_twice() -> None:
    parsed, chunks = chunked(mixed)
    for before, after in pairwise(chunks):
        assert before.end <= after.start
    kept = "".join(texts(parsed, chunks))
    shown_elsewhere = {block.start for block in parsed.blocks if block.kind == "heading" or block.is_header}
    for block in parsed.blocks:
        if block.start not in shown_elsewhere:
            assert all(word in kept for word in parsed.text[block.start : block.end].split()[:200] if len(word) < 400)
    letters = sum(map(str.isalnum, kept))
    expected = sum(
        sum(map(str.isalnum, parsed.text[block.start : block.end]))
        for block in parsed.blocks
        if block.start not in shown_elsewhere
    )
    assert letters == expected + len("Alone")  # the heading with nothing under it


def test_it_numbers_the_chunks_in_reading_order() -> None:
    _, chunks = chunked(mixed)
    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))


def test_it_puts_the_sentences_inside_their_chunk() -> None:
    _, chunks = chunked(mixed)
    for chunk in chunks:
        assert chunk.sentences
        assert chunk.sentences[0][0] >= chunk.start
        assert chunk.sentences[-1][1] <= chunk.end
        assert all(left[1] <= right[0] for left, right in pairwise(chunk.sentences))


def test_it_packs_what_is_under_one_heading() -> None:
    def fill(builder: DocumentBuilder) -> None:
        builder.heading("Leave", 1)
        builder.paragraph("One.")
        builder.list_item("Two.")
        builder.heading("Travel", 1)
        builder.paragraph("Three.")

    parsed, chunks = chunked(fill)
    assert texts(parsed, chunks) == ["One.\n\nTwo.", "Three."]
    assert [chunk.context for chunk in chunks] == ["Handbook > Leave", "Handbook > Travel"]
    assert [chunk.heading_path for chunk in chunks] == [("Leave",), ("Travel",)]


def test_it_does_not_pack_over_pages_or_sheets() -> None:
    def fill(builder: DocumentBuilder) -> None:
        for page in (1, 2):
            builder.page = page
            builder.paragraph(f"On page {page}.")
        builder.page = None
        for sheet in ("A", "B"):
            builder.sheet = sheet
            builder.paragraph(f"On sheet {sheet}.")

    _, chunks = chunked(fill)
    assert [(chunk.page, chunk.sheet) for chunk in chunks] == [(1, None), (2, None), (None, "A"), (None, "B")]


def test_it_splits_a_long_paragraph_between_sentences() -> None:
    parsed, chunks = chunked(lambda builder: builder.paragraph(sentences(40)))
    assert len(chunks) > 5
    for text in texts(parsed, chunks):
        assert text.startswith("Sentence number")
        assert text.endswith("more.")


def test_it_cuts_a_word_that_is_longer_than_a_chunk() -> None:
    parsed, chunks = chunked(lambda builder: builder.paragraph("y" * 3_000))
    assert "".join(texts(parsed, chunks)) == "y" * 3_000
    assert len(chunks) > 5


def test_it_keeps_a_short_table_whole_with_its_header() -> None:
    def fill(builder: DocumentBuilder) -> None:
        builder.paragraph("The rooms:")
        builder.table([["Room", "Seats"], ["2.14", "8"]], has_header=True)

    parsed, chunks = chunked(fill)
    assert texts(parsed, chunks) == ["The rooms:\n\nRoom | Seats\n2.14 | 8"]
    assert chunks[0].context == "Handbook"


def test_it_cuts_a_long_table_between_rows_and_names_its_columns() -> None:
    def fill(builder: DocumentBuilder) -> None:
        builder.heading("Rooms", 1)
        builder.table([["Room", "Seats"], *([f"{n}.14", f"{n} seats"] for n in range(60))], has_header=True)

    parsed, chunks = chunked(fill)
    assert len(chunks) > 3
    for chunk, text in zip(chunks, texts(parsed, chunks), strict=True):
        assert chunk.context == "Handbook > Rooms\nRoom | Seats"
        assert "Room | Seats" not in text
        assert [parsed.text[start:end] for start, end in chunk.sentences] == text.split("\n")


def test_it_cuts_a_row_that_is_longer_than_a_chunk() -> None:
    rows = [["Name", "Note"], ["Ada", sentences(30)], ["Bob", "short"]]
    parsed, chunks = chunked(lambda builder: builder.table(rows, has_header=True))
    joined = " ".join(texts(parsed, chunks))
    assert "Sentence number 29 holds" in joined
    assert "Bob | short" in joined


def test_it_keeps_a_heading_that_has_nothing_under_it() -> None:
    def fill(builder: DocumentBuilder) -> None:
        builder.heading("Agenda", 1)
        builder.heading("Break", 2)
        builder.heading("Close", 2)
        builder.leave_headings()
        builder.paragraph("No heading above.")

    parsed, chunks = chunked(fill)
    assert texts(parsed, chunks) == ["Break", "Close", "No heading above."]
    assert chunks[0].context == "Handbook > Agenda"


def test_it_does_not_say_the_title_twice() -> None:
    def fill(builder: DocumentBuilder) -> None:
        builder.heading("Handbook", 1)
        builder.paragraph("Words.")

    assert chunked(fill)[1][0].context == "Handbook"


def test_it_shortens_a_giant_context_and_keeps_its_end() -> None:
    def fill(builder: DocumentBuilder) -> None:
        for level in range(1, 7):
            builder.heading(f"{'very ' * 20}deep heading {level}", level)
        builder.paragraph("The words themselves.")

    parsed, chunks = chunked(fill, title="t " * 100)
    assert count_words([chunks[0].context])[0] <= 30
    assert chunks[0].context.endswith("deep heading 6")
    assert texts(parsed, chunks) == ["The words themselves."]


def test_it_finds_sentences_without_taking_abbreviations_for_ends() -> None:
    text = "Is it fig. or no? The answer is no. Ask Dr. Miller, e.g. Anna, as No. 5 says. Das gilt z.B. für alle. "
    text += "She answers at 3.5 p.m. on Mondays! 休暇です。申請してください。"
    assert [text[start:end] for start, end in sentence_spans(text)] == [
        "Is it fig. or no?",
        "The answer is no.",
        "Ask Dr. Miller, e.g. Anna, as No. 5 says.",
        "Das gilt z.B. für alle.",
        "She answers at 3.5 p.m. on Mondays!",
        "休暇です。",
        "申請してください。",
    ]


def test_it_makes_no_chunk_of_nothing() -> None:
    assert chunk_document(ParsedDocument("", ()), title="x", count_tokens=count_words) == []


def test_it_chunks_a_long_document_quickly() -> None:
    def fill(builder: DocumentBuilder) -> None:
        for section in range(1_500):
            builder.heading(f"Section {section}", 1)
            builder.paragraph(sentences(12, word=f"w{section}"))

    began = time.perf_counter()
    _, chunks = chunked(fill, max_tokens=200)
    assert len(chunks) >= 1_500
    assert time.perf_counter() - began < 30


@pytest.mark.slow
def test_it_loads_no_model_library() -> None:
    """Importing it is cheap, and using it asks nothing for a model or a download."""
    program = (
        "import sys\nfrom ingestion.chunking import chunk_document\nfrom ingestion.parsers.builder import DocumentBuilder\n"
        "assert not {'llama_index.core', 'nltk'} & set(sys.modules)\n"
        "import socket\nsocket.socket.connect = None\n"
        "b = DocumentBuilder(); b.paragraph('One sentence here. ' * 300)\n"
        "assert chunk_document(b.build(), title='t', count_tokens=lambda texts: [len(t.split()) for t in texts])\n"
        "assert not {'torch', 'transformers', 'openai', 'faiss', 'django'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
