from __future__ import annotations

import json
from pathlib import Path

import pytest

from specialists.errors import DataError
from specialists.grounding.rows import read_rows as read_claims
from specialists.reader.rows import load_rows, questions_in_common
from specialists.router.rows import read_rows as read_labelled
from specialists.training.recipe import DataFile
from tests.specialists.tiny_rows import squad, write_squad


def test_it_reads_squad_with_and_without_answers(tmp_path: Path) -> None:
    rows = load_rows(write_squad(tmp_path / "rows.json"))

    assert len(rows) == 80
    assert sum(not row.answers for row in rows) == 20
    start, answer = rows[0].answers[0]
    assert rows[0].text[start:].startswith(answer)


def test_it_names_the_question_whose_answer_is_not_in_its_text(tmp_path: Path) -> None:
    content = squad()
    content["data"][2]["paragraphs"][1]["qas"][0]["answers"][0]["answer_start"] += 1
    path = write_squad(tmp_path / "rows.json", content)

    with pytest.raises(DataError) as caught:
        load_rows(path)

    assert "rows.json: article 3, paragraph 2, question 2-1: the answer “24” is not at character" in caught.value.public_message
    assert "Correct or remove" in caught.value.public_message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 200_000, "cannot be read as JSON"),
        ('["a"]', 'has no list "data"'),
        ('{"data": []}', "has no question"),
    ],
)
def test_it_says_what_is_wrong_with_a_file(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(DataError, match=says):
        load_rows(path)


def test_it_reads_clauses_of_whole_documents(tmp_path: Path) -> None:
    text = "This agreement ends on 3 May.\u2028It is governed by the law of Belgium."
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"_id": "c", "title": "c", "text": text}, ensure_ascii=False) + "\n")
    clauses = [{"text": "law of Belgium", "answer_start": text.index("law of")}]
    rows = [
        {"_id": "c__law", "text": "Which law?", "doc_id": "c", "clauses": clauses},
        {"_id": "c__cap", "text": "Which cap?", "doc_id": "c", "clauses": []},
    ]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    law, cap = load_rows(tmp_path)

    assert law.answers == ((text.index("law of"), "law of Belgium"),)
    assert cap.answers == ()


def write_clauses(folder: Path, text: str, clauses: list[dict[str, object]]) -> None:
    (folder / "corpus.jsonl").write_text(json.dumps({"_id": "c", "title": "c", "text": text}) + "\n")
    row = {"_id": "c__limits", "text": "Which limits?", "doc_id": "c", "clauses": clauses}
    (folder / "questions.jsonl").write_text(json.dumps(row) + "\n")


def test_a_clause_that_stands_in_several_parts_is_found_part_by_part(tmp_path: Path) -> None:
    text = "You shall not (a) sell to others, (b) lease the tools, or (c) copy them."
    write_clauses(tmp_path, text, [{"text": "You shall not <omitted>(c) copy them.", "answer_start": None}])

    (limits,) = load_rows(tmp_path)

    assert limits.answers == ((0, "You shall not"), (text.index("(c)"), "(c) copy them."))


@pytest.mark.parametrize("place", [None, "three", 7])
def test_a_clause_that_does_not_stand_in_its_contract_is_named(tmp_path: Path, place: object) -> None:
    write_clauses(tmp_path, "You may copy it.", [{"text": "You shall not<omitted>sell it.", "answer_start": place}])

    with pytest.raises(DataError, match="line 1: the answer “You shall not"):
        load_rows(tmp_path)


def test_it_keeps_the_judged_questions_whose_words_stand_in_their_document(tmp_path: Path) -> None:
    (tmp_path / "train.corpus.jsonl").write_text(json.dumps({"_id": "d", "text": "The Sun rose at six."}) + "\n")
    queries = [
        {"_id": "q1", "text": "What rose?", "answers": ["the sun."]},
        {"_id": "q2", "text": "Why?", "answers": ["because it was time"]},
    ]
    (tmp_path / "train.queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    (tmp_path / "train.qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td\t1\nq2\td\t1\n")

    (row,) = load_rows(tmp_path / "train")

    assert row.answers == ((0, "The Sun"),)


def test_it_finds_test_questions_that_were_trained_on(tmp_path: Path) -> None:
    rows = load_rows(write_squad(tmp_path / "rows.json"))

    assert questions_in_common(rows, rows[:2]) == [rows[0].id, rows[1].id]
    assert questions_in_common(rows[2:], rows[:1]) == []


@pytest.mark.parametrize("text", ["rows.json=2", "rows.json=half", "rows.json=0"])
def test_it_refuses_a_share_that_is_none(text: str) -> None:
    with pytest.raises(DataError, match="not a number above 0"):
        DataFile.parse(text)


def test_it_reads_a_json_line_whose_text_holds_a_line_separator(tmp_path: Path) -> None:
    claim = {"claim": "Leave is 27 days.", "passage": "Leave is\u202827 days.", "label": 1}
    (tmp_path / "claims.jsonl").write_text(json.dumps(claim, ensure_ascii=False) + "\n", encoding="utf-8")
    labelled = {"text": "How many\u2028days?", "label": "fact"}
    (tmp_path / "intent.jsonl").write_text(json.dumps(labelled, ensure_ascii=False) + "\n", encoding="utf-8")

    assert [row.passage for row in read_claims(tmp_path / "claims.jsonl")] == [claim["passage"]]
    assert [row.label for row in read_labelled(tmp_path / "intent.jsonl")] == ["fact"]
