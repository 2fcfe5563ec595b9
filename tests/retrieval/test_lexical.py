from __future__ import annotations

import random
from pathlib import Path

import pytest
from tantivy import Document, Index, SchemaBuilder

from retrieval import lexical
from retrieval.lexical import ANALYSER, LexicalSnapshot, open_lexical, scope_clauses, write_lexical
from retrieval.passages import Passage
from retrieval.terms import MOST_TERMS, Clause, analyser, query_terms, read_query
from tests.retrieval.writing import found, write


def _open(folder: Path) -> LexicalSnapshot:
    snapshot = open_lexical(folder)
    assert snapshot is not None
    return snapshot


def _found(folder: Path, question: str, top_k: int = 10) -> list[int]:
    snapshot = _open(folder)
    return [hit.id for hit in snapshot.search(scope_clauses([snapshot], read_query(question))[0], top_k)]


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    folder = tmp_path / "lexical"
    write_lexical(folder, add=[Passage(1, "The heron fishes"), Passage(2, "Owls hunt at night", "Birds of prey")], remove=())
    return folder


def test_it_finds_by_stem_case_and_accent(birds: Path) -> None:
    write_lexical(birds, add=[Passage(3, "Das Café der Züge")], remove=())
    assert _found(birds, "FISHING herons") == [1]
    assert _found(birds, "cafe") == [3]
    assert _found(birds, "zuge") == [3]


def test_it_finds_by_context(birds: Path) -> None:
    assert _found(birds, "prey") == [2]


def test_it_ranks_by_bm25(tmp_path: Path) -> None:
    """idf · tf · (k1 + 1) / (tf + k1 · (1 - b + b · length / mean length)), with idf = ln(1 + (3 - 1 + 0.5) / 1.5)."""
    texts = {1: "heron heron pond", 2: "pond reed", 3: "reed"}
    write_lexical(tmp_path, add=[Passage(number, text) for number, text in texts.items()], remove=())
    (hit,) = _open(tmp_path).search([Clause("body", ("heron",))], 10)
    assert hit.id == 1
    assert hit.score == pytest.approx(0.9808 * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2)), rel=1e-3)
    (boosted,) = _open(tmp_path).search([Clause("body", ("heron",), 2.0)], 10)
    assert boosted.score == pytest.approx(2 * hit.score, rel=1e-6)


def test_it_finds_the_same_in_a_large_index_where_pairs_are_looked_for_among_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    dice = random.Random(5)
    words = ["heron", "owl", "pond", "reed", "night", "fish", "hunt", "marsh"]
    passages = [Passage(number, " ".join(dice.choices(words, k=12))) for number in range(200)]
    write_lexical(tmp_path, add=passages, remove=())
    snapshot, clauses = _open(tmp_path), read_query("night owl hunts pond fish")
    whole = snapshot.search(clauses, 10)
    assert [hit.id for hit in whole] != [hit.id for hit in snapshot.search([it for it in clauses if len(it.terms) == 1], 10)]
    monkeypatch.setattr(lexical, "WORDS_FIRST", 1)
    monkeypatch.setattr(lexical, "DEEPER", 20)
    in_two = snapshot.search(clauses, 10)
    assert [hit.id for hit in in_two] == [hit.id for hit in whole]
    assert [hit.score for hit in in_two] == pytest.approx([hit.score for hit in whole], rel=1e-5)
    assert snapshot.search(read_query("an absent pair"), 10) == []


def test_it_gives_equal_scores_in_the_order_of_their_ids(tmp_path: Path) -> None:
    for number in (5, 3, 9, 1):
        write_lexical(tmp_path, add=[Passage(number, "heron")], remove=())
    assert _found(tmp_path, "heron") == [1, 3, 5, 9]


def test_it_replaces_and_removes(birds: Path) -> None:
    write_lexical(birds, add=[Passage(1, "The kestrel hovers")], remove=[2])
    assert _open(birds).ids() == {1}
    assert _found(birds, "heron owls") == []
    assert _found(birds, "kestrel") == [1]


def test_it_shows_each_commit_to_the_next_search_and_keeps_the_snapshot_that_is_held(birds: Path) -> None:
    before = _open(birds)
    write_lexical(birds, add=[Passage(3, "A kestrel")], remove=[1])
    assert before.ids() == {1, 2}
    assert _open(birds).ids() == {2, 3}


def test_it_knows_nothing_of_a_folder_without_a_commit(tmp_path: Path) -> None:
    assert open_lexical(tmp_path / "none") is None


def test_it_holds_an_index_of_nothing(birds: Path) -> None:
    write_lexical(birds, add=(), remove=[1, 2])
    assert _open(birds).ids() == set()
    assert _found(birds, "heron") == []


@pytest.mark.parametrize(
    "question",
    [
        'heron AND "', "heron OR (", "body:heron", "-heron +", "heron~2 ^^^", "[heron TO *]", "heron\\", "/heron/", "*heron*",
        "IN [heron",         "heron\x00", "heron \ud800", "\u202eheron", "heron'; DROP TABLE", "{heron}", "heron && || !",
        "id:1 heron",
    ],
)  # fmt: skip
def test_it_reads_every_character_as_text(birds: Path, question: str) -> None:
    assert _found(birds, question) == [1]


@pytest.mark.parametrize("question", ["", "?!", "the of and", "x" * 100_000, "🙂", "\ud800", "(" * 100_000])
def test_it_finds_nothing_for_a_question_without_words(birds: Path, question: str) -> None:
    assert _found(birds, question) == []


def test_it_limits_the_terms_of_a_long_question(birds: Path) -> None:
    question = "heron " + " ".join(f"word{number}" for number in range(20_000))
    assert len(question) > 100_000
    assert len(query_terms(question)) == MOST_TERMS
    assert _found(birds, question) == [1]


def test_it_leaves_no_writer_behind() -> None:
    """tantivy allows one writer per folder; each write must have let go of it."""
    for number in range(3):
        write("partition-1", {number: "heron"})
    assert sorted(found("heron", "partition-1")) == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("The gateway answers ERR_4021 when full", "what does err_4021 mean"), ("Call it with --dry-run first", "--dry-run"),
        ("Call it with --dry-run first", "dry-run"), ("It calls getUserById twice", "get the user by id"),
        ("get a user by its id", "getUserById"), ("Under § 4.2 leave is paid", "§4.2"), ("Under §4.2 it is paid", "section 4.2"),
        ("休暇は年に二十日です", "休暇"), ("ลาพักร้อนได้ปีละยี่สิบวัน", "พักร้อน"), ("Отпуск длится 20 дней", "ОТПУСК"),
        ("الإجازة عشرون يوما", "الإجازة"), ("cafe\u0301 at noon", "café"), ("room ４０２１ is closed", "room 4021"),
    ],
)  # fmt: skip
def test_it_finds_identifiers_and_other_scripts(birds: Path, text: str, question: str) -> None:
    write_lexical(birds, add=[Passage(3, text)], remove=())
    assert _found(birds, question)[0] == 3


@pytest.mark.parametrize(
    ("better", "worse", "question"),
    [
        ("ERR_4021 is a time-out", "ERR 9 and 4021 other errors, an ERR 4021 time", "ERR_4021"),
        ("§ 4.2 is about leave", "4 of 2 rooms, 2 of 4 floors, 4 and 2", "§ 4.2"),
        ("travel expenses are paid back in time", "expenses for lunch and a week of many days on travel", "travel expenses"),
    ],
)
def test_it_puts_what_was_asked_for_before_its_parts(tmp_path: Path, better: str, worse: str, question: str) -> None:
    write_lexical(tmp_path, add=[Passage(1, worse), Passage(2, better)], remove=())
    assert _found(tmp_path, question) == [2, 1]


def test_it_prefers_words_in_the_title(tmp_path: Path) -> None:
    passages = [Passage(1, "travel rooms and more", "Rooms"), Passage(2, "rooms and more", "Travel"), Passage(3, "an owl")]
    write_lexical(tmp_path, add=passages, remove=())
    assert _found(tmp_path, "travel") == [2, 1]


def test_it_goes_on_with_an_index_of_an_earlier_version(tmp_path: Path) -> None:
    builder = SchemaBuilder()
    builder.add_integer_field("id", stored=False, indexed=True, fast=True)
    builder.add_text_field("body", stored=False, tokenizer_name=ANALYSER, index_option="freq")
    index = Index(builder.build(), path=str(tmp_path))
    index.register_tokenizer(ANALYSER, analyser())
    writer = index.writer(num_threads=1)
    writer.add_document(Document(id=1, body="the ERR_4021 heron"))
    writer.commit()
    writer.wait_merging_threads()
    assert _found(tmp_path, "ERR_4021 heron") == [1]
    write_lexical(tmp_path, add=[Passage(2, "a second heron")], remove=[1])
    assert _found(tmp_path, "second heron") == [2]
