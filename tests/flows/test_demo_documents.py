"""The demo organization holds together: people, documents, questions, and binary files that match their sources."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from demo.source_files import DEMO, DOCUMENTS, MANIFEST, SOURCES, current_manifest

FORMATS = {".pdf", ".docx", ".pptx", ".xlsx", ".csv", ".html", ".md", ".txt", ".eml"}
BUILT_FORMATS = {".pdf", ".docx", ".pptx", ".xlsx"}
ORGANIZATION: dict[str, Any] = json.loads((DEMO / "organization.json").read_text(encoding="utf-8"))
QUESTIONS: list[dict[str, Any]] = json.loads((DEMO / "questions.json").read_text(encoding="utf-8"))
PEOPLE: dict[str, dict[str, Any]] = {person["username"]: person for person in ORGANIZATION["people"]}
CORPORA: dict[str, dict[str, Any]] = {corpus["slug"]: corpus for corpus in ORGANIZATION["corpora"]}
ANSWERS = [question for question in QUESTIONS if question["expect"] == "answer"]
ANSWERS += [question["follow_up"] | {"ask_as": question["ask_as"]} for question in QUESTIONS if "follow_up" in question]


def documents() -> list[Path]:
    return sorted(path for path in DOCUMENTS.rglob("*") if path.is_file())


def source_text(document: str) -> str:
    source = SOURCES / f"{document}.md"
    return (source if source.exists() else DOCUMENTS / document).read_text(encoding="utf-8")


def can_read(username: str, document: str) -> bool:
    """The rule of access, from organization.json alone: owner, or in the corpus's audience and in the document's."""
    slug, _, name = document.partition("/")
    corpus, groups = CORPORA[slug], set(PEOPLE[username]["groups"])
    narrowed = [row["groups"] for row in corpus["narrowed"] if row["document"] == name]
    in_corpus = corpus["everyone"] or bool(groups & set(corpus["groups"]))
    return bool(corpus["owner"] == username or (in_corpus and all(groups & set(row) for row in narrowed)))


def lines_of(document: str) -> list[str]:
    """The sentences, list items and table rows of a source, roughly: its lines, and the lines cut after full stops."""
    return [part for line in source_text(document).splitlines() for part in line.replace(". ", ".\n").splitlines()]


def built_text(path: Path) -> str:
    """The text that a reader finds in a binary file, with its white space made even."""
    readers = {".pdf": pdf_text, ".docx": docx_text, ".pptx": pptx_text, ".xlsx": xlsx_text}
    return " ".join(readers[path.suffix](path).split())


def pdf_text(path: Path) -> str:
    import pypdfium2

    with pypdfium2.PdfDocument(path) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document)


def docx_text(path: Path) -> str:
    import docx

    return "\n".join(paragraph.text for paragraph in docx.Document(str(path)).paragraphs)


def pptx_text(path: Path) -> str:
    import pptx

    return "\n".join(
        shape.text_frame.text for slide in pptx.Presentation(str(path)).slides for shape in slide.shapes if shape.has_text_frame
    )


def xlsx_text(path: Path) -> str:
    import openpyxl

    book = openpyxl.load_workbook(path, data_only=True)  # not read_only, which keeps the file open
    return "\n".join(" | ".join(map(str, row)) for sheet in book.worksheets for row in sheet.iter_rows(values_only=True))


def test_it_has_three_groups_five_people_and_one_administrator() -> None:
    assert len(set(ORGANIZATION["groups"])) == 3
    assert len(PEOPLE) == len(ORGANIZATION["people"]) == 5
    assert sum(person["is_admin"] for person in PEOPLE.values()) == 1
    assert all(set(person["groups"]) <= set(ORGANIZATION["groups"]) for person in PEOPLE.values())
    assert all(person["full_name"] and person["role"] for person in PEOPLE.values())


def test_it_keeps_no_password() -> None:
    assert not any("password" in key for person in PEOPLE.values() for key in person)


def test_it_gives_every_corpus_an_owner_an_audience_and_documents() -> None:
    assert 4 <= len(CORPORA) <= 6
    assert {path.relative_to(DOCUMENTS).parts[0] for path in documents()} == set(CORPORA)
    for corpus in CORPORA.values():
        assert corpus["owner"] in PEOPLE
        assert corpus["everyone"] != bool(corpus["groups"])
        assert set(corpus["groups"]) <= set(ORGANIZATION["groups"])


def test_it_narrows_only_documents_that_exist_and_only_to_fewer_groups() -> None:
    rows = [(corpus, row) for corpus in CORPORA.values() for row in corpus["narrowed"]]
    assert rows
    for corpus, row in rows:
        assert (DOCUMENTS / corpus["slug"] / row["document"]).is_file()
        assert row["groups"]
        assert set(row["groups"]) < set(ORGANIZATION["groups"] if corpus["everyone"] else corpus["groups"])


def test_it_has_every_format_and_stays_small() -> None:
    assert {path.suffix for path in documents()} == FORMATS
    assert 55 <= len(documents()) <= 75
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file() and path.suffix != ".pyc") < 3_000_000


def test_it_has_built_every_binary_file_from_the_source_that_stands_beside_it() -> None:
    built = {str(path.relative_to(DOCUMENTS)) for path in documents() if path.suffix in BUILT_FORMATS}
    assert built == set(current_manifest())
    assert json.loads(MANIFEST.read_text(encoding="utf-8")) == current_manifest()


def test_it_has_documents_of_real_length() -> None:
    short = [str(path) for path in documents() if len(re.findall(r"\w+", source_text(str(path.relative_to(DOCUMENTS))))) < 150]
    assert short == []


def test_it_asks_questions_of_which_five_have_no_answer_and_two_are_for_one_group() -> None:
    assert Counter(question["expect"] for question in QUESTIONS) == {"answer": 17, "abstain": 5}
    assert sum("hidden_from" in question for question in QUESTIONS) == 2
    assert sum("follow_up" in question for question in QUESTIONS) == 1
    assert sum(question.get("suggested", False) for question in QUESTIONS) == 6
    assert len({question["question"] for question in QUESTIONS}) == 22


def test_it_asks_about_every_kind_of_format() -> None:
    asked = {Path(question["document"]).suffix for question in ANSWERS}
    assert {".pdf", ".docx", ".xlsx", ".html", ".md", ".eml", ".pptx"} <= asked


@pytest.mark.parametrize("question", ANSWERS, ids=lambda question: question["question"])
def test_it_answers_in_one_sentence_of_a_document_that_the_asker_may_read(question: dict[str, Any]) -> None:
    assert can_read(question["ask_as"], question["document"])
    assert any(all(words in line for words in question["must_contain"]) for line in lines_of(question["document"]))


@pytest.mark.parametrize(
    "question",
    [question for question in ANSWERS if Path(question["document"]).suffix in BUILT_FORMATS],
    ids=lambda row: row["question"],
)
def test_it_shows_the_words_of_the_answer_in_the_binary_file_too(question: dict[str, Any]) -> None:
    text = built_text(DOCUMENTS / question["document"])
    assert all(words in text for words in question["must_contain"])


@pytest.mark.parametrize("question", [row for row in QUESTIONS if "hidden_from" in row], ids=lambda row: row["question"])
def test_it_hides_the_answer_from_a_person_outside_the_group(question: dict[str, Any]) -> None:
    outsider = question["hidden_from"]
    assert not can_read(outsider, question["document"])
    readable = [str(path.relative_to(DOCUMENTS)) for path in documents() if can_read(outsider, str(path.relative_to(DOCUMENTS)))]
    leaking = [name for name in readable if all(words in source_text(name) for words in question["must_contain"])]
    assert leaking == []


@pytest.mark.parametrize("words", ["pet insurance", "gym", "stock option", "shuttle", "Norway"])
def test_it_never_mentions_what_it_is_asked_in_vain(words: str) -> None:
    mentions = [str(path) for path in documents() if words.lower() in source_text(str(path.relative_to(DOCUMENTS))).lower()]
    assert mentions == []


def test_it_suggests_only_questions_that_are_answered_for_everyone() -> None:
    suggested = [question for question in QUESTIONS if question.get("suggested")]
    assert all(question["expect"] == "answer" for question in suggested)  # the loader hangs a suggestion on its document
    assert all(can_read(person, question["document"]) for person in PEOPLE for question in suggested)


# --- Golden questions -------------------------------------------------------------------------------------------------

GOLDEN: list[dict[str, Any]] = json.loads((DEMO / "golden.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", [row for row in GOLDEN if row["expects"] == "answer"], ids=lambda row: row["question"])
def test_it_has_golden_answers_that_stand_in_their_document(row: dict[str, Any]) -> None:
    lines = [line.lower() for line in lines_of(f"{row['corpus']}/{row['document']}")]
    assert all(any(phrase.lower() in line for phrase in phrases for line in lines) for phrases in row["must_contain"])


@pytest.mark.parametrize("row", [row for row in GOLDEN if row["expects"] == "refusal"], ids=lambda row: row["question"])
def test_it_has_golden_refusals_about_what_the_corpus_never_mentions(row: dict[str, Any]) -> None:
    texts = [
        source_text(str(path.relative_to(DOCUMENTS))).lower() for path in (DOCUMENTS / row["corpus"]).rglob("*") if path.is_file()
    ]
    assert row["absent"]
    assert not any(word.lower() in text for word in row["absent"] for text in texts)


def test_it_has_golden_questions_for_every_corpus_each_with_a_refusal() -> None:
    refusals = {row["corpus"] for row in GOLDEN if row["expects"] == "refusal"}
    assert refusals == {row["corpus"] for row in GOLDEN if row["expects"] == "answer"} == set(CORPORA)
    assert not {row["question"] for row in GOLDEN} & {row["question"] for row in QUESTIONS}
