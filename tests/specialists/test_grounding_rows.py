from __future__ import annotations

import json
from pathlib import Path

import pytest

from specialists.errors import DataError
from specialists.grounding.changing import changed_spans
from specialists.grounding.corruptions import load_grounding_rows, make_rows
from specialists.grounding.evaluation import Judged, choose_threshold, evaluate, load_refchecker, measure
from specialists.grounding.rows import Row, read_rows, write_rows
from specialists.grounding.rules import Ruling
from specialists.grounding.sources import load_sources
from specialists.grounding.statements import make_statement
from specialists.measures import auroc
from tests.environment import ROOT

DEMO = ROOT / "demo" / "documents"
FALSE_KINDS = {"number", "date", "unit", "name", "negation", "modal", "opposite", "wrong_passage", "half_truth"}


def test_it_makes_the_same_rows_from_one_seed_and_others_from_another() -> None:
    sources = load_sources(DEMO)
    rows = list(make_rows(sources, seed=1))
    assert rows == list(make_rows(sources, seed=1))
    assert rows != list(make_rows(sources, seed=2))
    assert {row.kind for row in rows if not row.label} >= FALSE_KINDS
    assert {"verbatim", "reworded", "respelled", "merged"} <= {row.kind for row in rows if row.label}
    shares = sum(row.label for row in rows) / len(rows)
    assert 0.4 < shares < 0.6
    true = {(row.claim, row.passage) for row in rows if row.label}
    assert not any((row.claim, row.passage) in true for row in rows if not row.label)


def test_it_says_which_words_of_a_false_claim_are_wrong() -> None:
    false = [row for row in make_rows(load_sources(DEMO), seed=1) if not row.label]
    assert all(row.wrong for row in false)
    assert all(0 <= start < end <= len(row.claim) for row in false for start, end in row.wrong)
    numbers = [row for row in false if row.kind == "number"]
    assert sum(len(row.claim[start:end].split()) for row in numbers for start, end in row.wrong) < 2 * len(numbers)
    assert all(row.wrong == ((0, len(row.claim)),) for row in false if row.kind == "wrong_passage")
    halves = [row for row in false if row.kind == "half_truth"]
    assert all(row.wrong[0][0] > 0 or row.wrong[0][1] < len(row.claim) for row in halves)


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("Staff get 20 days.", "Staff get 25 days.", ["25"]),
        ("Staff may not smoke here.", "Staff may smoke here.", ["may smoke"]),
        ("Staff may smoke here.", "Staff may not smoke here.", ["not"]),
        ("Anna paid Ben.", "Ben paid Anna.", ["Ben", "Anna."]),
        ("The same.", "The same.", []),
    ],
)
def test_it_finds_the_words_that_were_changed(old: str, new: str, wrong: list[str]) -> None:
    assert [new[start:end] for start, end in changed_spans(old, new)] == wrong


def test_its_rules_alone_find_most_false_sentences_of_the_demo_and_accuse_few_true_ones() -> None:
    """Kinds together; what the figures are on other documents is in docs/grounding.md."""
    found = evaluate(list(make_rows(load_sources(DEMO), seed=5)), None)["rules"]
    assert found.recall.value >= 0.70
    assert found.precision.value >= 0.98


def test_it_makes_statements_of_questions(tmp_path: Path) -> None:
    questions = [{"id": str(n), "question": q, "answers": [{"text": a, "answer_start": 0}]} for n, (q, a) in enumerate(ASKED)]
    text = "The guild was founded by Anna Berg in 1871 and by Carl Holm in 1902. " * 4
    content = {"data": [{"title": "Guild", "paragraphs": [{"context": text, "qas": questions}]}]}
    (tmp_path / "squad.json").write_text(json.dumps(content))
    rows = load_grounding_rows(tmp_path / "squad.json", seed=1)
    answers = {row.claim: row.label for row in rows if row.kind in ("answer", "wrong_answer")}
    assert answers["Anna Berg founded the guild."] == 1
    assert answers["Carl Holm founded the guild."] == 0
    assert all(row.passage.startswith("Guild\n") for row in rows)
    wrong = next(row for row in rows if row.claim == "Carl Holm founded the guild.")
    assert [wrong.claim[start:end] for start, end in wrong.wrong] == ["Carl Holm"]


ASKED = [("Who founded the guild?", "Anna Berg"), ("Who joined in 1902?", "Carl Holm")]


@pytest.mark.parametrize(
    ("question", "answer", "statement"),
    [
        ("What year did Iqbal return to Lahore?", "1908", "The year that Iqbal did return to Lahore is 1908."),
        ("Who wrote the report?", "Ada", "Ada wrote the report."),
        ("What is the limit?", "20 GB", "The limit is 20 GB."),
        ("How many desks are in the hall?", "forty", "The number of desks that are in the hall is forty."),
        ("Which team won the cup?", "Sales", "The team that won the cup is Sales."),
        ("The office closes when?", "at noon", "As to the office closes when, the answer is at noon."),
    ],
)
def test_it_turns_a_question_and_its_answer_into_a_statement(question: str, answer: str, statement: str) -> None:
    assert make_statement(question, answer) == statement


def test_it_reads_its_own_rows_and_names_broken_lines(tmp_path: Path) -> None:
    rows = [Row("A claim.", "A passage.", 1, "verbatim", "a.md"), Row("Another.", "A passage.", 0, "number", "a.md", ((0, 7),))]
    path = tmp_path / "rows.jsonl"
    write_rows(rows, path)
    assert read_rows(path) == rows
    path.write_text(path.read_text() + "{not json\n" + '{"claim": "x", "passage": "", "label": 1}\n')
    with pytest.raises(DataError, match=r"line 3, 4: a row is"):
        read_rows(path)
    path.write_text("")
    with pytest.raises(DataError, match="has no row"):
        load_grounding_rows(path, seed=1)
    with pytest.raises(DataError, match="25 words or more"):
        load_sources(tmp_path)


def _judged(label: int, probability: float, *, fault: bool = False) -> Judged:
    from specialists.grounding.rules import Fault

    faults = (Fault("number", "…"),) if fault else ()
    return Judged(Row("c", "p", label, "kind", ""), Ruling(faults, is_verbatim=False, containment=0.5), probability)


def test_it_chooses_the_threshold_for_a_precision_and_measures_both_halves() -> None:
    judged = [_judged(0, 0.9, fault=True), _judged(0, 0.1), _judged(0, 0.2), _judged(1, 0.3), _judged(0, 0.4), _judged(1, 0.8)]
    threshold = choose_threshold(judged, precision=0.8)
    assert 0.4 < threshold < 0.8
    found = measure(judged, threshold)
    assert (found.precision.hits, found.precision.all, found.recall.hits, found.recall.all) == (4, 5, 4, 4)
    alone = measure(judged, None)
    assert (alone.precision.hits, alone.precision.all, alone.recall.hits) == (1, 1, 1)
    assert choose_threshold([_judged(1, 0.1), _judged(0, 0.9)], precision=0.9) == 0.0


def test_it_computes_the_area_under_the_curve_with_ties() -> None:
    assert auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == pytest.approx(0.75)
    assert auroc([0.5, 0.5], [0, 1]) == pytest.approx(0.5)


def test_it_says_that_labels_without_their_texts_cannot_be_used(tmp_path: Path) -> None:
    labels = tmp_path / "benchmark" / "human_annotations_v1" / "accurate_context"
    labels.mkdir(parents=True)
    triplets = [
        {"triplet": ["June", "is", "a month"], "human_label": "Entailment"},
        {"triplet": ["a", "b", "c"], "human_label": None},
    ]
    (labels / "dolly_x_answers.json").write_text(json.dumps([{"id": "7", "response": "…", "claude2_response_kg": triplets}]))
    with pytest.raises(DataError, match=r"not the texts .* gather_benchmark_data\.py"):
        load_refchecker(tmp_path)
    texts = tmp_path / "benchmark" / "data" / "accurate_context"
    texts.mkdir(parents=True)
    (texts / "dolly.json").write_text(json.dumps([{"id": "7", "context": ["June is a month."]}]))
    assert load_refchecker(tmp_path) == [Row("June is a month", "June is a month.", 1, "accurate_context", "7")]
