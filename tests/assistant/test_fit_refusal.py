"""The commands that fit and measure: files in, numbers out, with a reader that marks what it is told to."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from assistant.calibration.gathering import says
from specialists.reader import serving
from specialists.reader.decoding import Reading, Span
from specialists.refusal.calibrator import from_json
from tests.people import People, make_corpora

TOPICS = ["Falcons", "Harbours", "Glaciers", "Bridges", "Orchards", "Lanterns"]


class Marker:
    """Marks the figures of every passage, and trusts those that hold the question's third word."""

    name = "reader@test"

    def read(self, question: str, passages: Any) -> Reading:
        asked = question.split()[2].lower()
        spans, relevance = [], {}
        for item in passages:
            is_near = asked in item.text.lower()
            relevance[item.id] = 3.0 if is_near else -3.0
            for order, figure in enumerate(re.finditer(r"(?<= )\d\d", item.text)):
                score = (4.0 if is_near else -2.0) - order
                spans.append(Span(item.id, *figure.span(), figure[0], score, 0.3 if is_near else 0.02))
        return Reading(tuple(sorted(spans, key=lambda span: -span.score)[:12]), 0.1, relevance)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Marker:
    marker = Marker()
    monkeypatch.setattr(serving, "get_reader", lambda: marker)
    return marker


def write_squad(file: Path, topics: list[str]) -> Path:
    data = [{"title": topic, "paragraphs": [_paragraph(topic, number) for number in range(10, 18)]} for topic in topics]
    file.write_text(json.dumps({"data": data}))
    return file


def _paragraph(topic: str, number: int) -> dict[str, Any]:
    text = f"The {topic} of region {topic[:3]}{number} were counted, and {number} were found there by the wardens."
    answer = {"text": str(number), "answer_start": text.index(f" {number} ") + 1}
    region = f"{topic[:3]}{number}"
    questions = [(f"How many {topic} were found in {region}?", False), (f"How many {topic} did wardens find in {region}?", False)]
    questions.append((f"How many {topic} were lost in {region}?", True))
    qas = [{"question": asked, "answers": [] if no else [answer], "is_impossible": no} for asked, no in questions]
    return {"context": text, "qas": qas}


@pytest.mark.slow
def test_it_fits_ranking_and_refusal_and_goes_on_from_its_readings(
    tmp_path: Path, reader: Marker, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:  # fmt: skip
    data = write_squad(tmp_path / "squad.json", TOPICS)
    options = {"data": data, "questions": 60, "readings": tmp_path / "readings.jsonl"}
    files = {"output": tmp_path / "refusal.json", "ranking": tmp_path / "ranking.json"}
    call_command("fit_refusal", **options, **files)
    calibration = from_json(json.loads(files["output"].read_text()))
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert calibration.reader == "reader@test"
    assert figures["questions"] == len(calibration.held_out)
    assert figures["auroc"] > 0.5
    assert json.loads(files["ranking"].read_text())["made_by"].startswith("manage.py fit_refusal --data squad.json")
    first = files["output"].read_text()
    monkeypatch.setattr(reader, "read", lambda *_: pytest.fail("it read again"))
    call_command("fit_refusal", **options, **files)
    assert files["output"].read_text() == first
    reader.name = "reader@other"
    with pytest.raises(CommandError, match="what another reader read"):
        call_command("fit_refusal", **options, **files)


def write_pages(folder: Path) -> Path:
    """A page per topic, and beside the folder questions of which every third has no answer."""
    folder.mkdir()
    rows: list[dict[str, Any]] = []
    for topic in TOPICS:
        body = "\n\n".join(_paragraph(topic, number)["context"] for number in range(10, 18))
        (folder / f"{topic}.md").write_text(f"# {topic}\n\n{body}\n")
        for number in range(10, 18):
            question = f"How many {topic} were found in {topic[:3]}{number}?"
            rows.append({"question": question, "answers": [f"{number} were found"], "document": f"{topic}.md"})
            if number % 2:
                rows.append({"question": f"How many Owls of {topic}{number} were lost?", "answers": [], "document": ""})
    file = folder.with_suffix(".jsonl")
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.mark.slow
def test_it_moves_to_documents_of_another_kind(tmp_path: Path, reader: Marker, capsys: Any) -> None:
    data, asked = write_squad(tmp_path / "squad.json", TOPICS), write_pages(tmp_path / "pages")
    files = {"output": tmp_path / "refusal.json", "ranking": tmp_path / "ranking.json"}
    own = {"asked": asked, "documents": tmp_path / "pages"}
    call_command("fit_refusal", data=data, questions=60, **own, **files)
    figures = json.loads(capsys.readouterr().out)
    calibration = from_json(json.loads(files["output"].read_text()))
    assert figures["organisation"]["questions"] == len(calibration.held_out) > 0
    assert len(calibration.held_out) + len(calibration.chosen_on) == 72
    assert "--asked pages.jsonl" in json.loads(files["ranking"].read_text())["made_by"]

    with pytest.raises(CommandError, match="Give --documents"):
        call_command("fit_refusal", data=data, questions=60, asked=asked, **files)
    asked.write_text('{"question": "How many?", "answers": ["a thousand"], "document": "Falcons.md"}\n')
    with pytest.raises(CommandError, match=r"pages.jsonl, line 1: “a thousand” does not stand in its page"):
        call_command("fit_refusal", data=data, questions=60, **own, **files)
    asked.write_text('{"question": "How many?", "answers": ["10"]}\n')
    with pytest.raises(CommandError, match=r"pages.jsonl, line 1: not a row with question"):
        call_command("fit_refusal", data=data, questions=60, **own, **files)
    asked.write_text('{"question": "How many?", "answers": ["10"], "document": "Crows.md"}\n')
    with pytest.raises(CommandError, match=r"has no page Crows.md"):
        call_command("fit_refusal", data=data, questions=60, **own, **files)


@pytest.mark.parametrize(
    ("words", "sentence", "gold", "is_right"),
    [
        ("by using a “selective resolution”", "You can pin it by using a “selective resolution”.", "selective resolution", True),
        ("1-5 with 5s", "Rate the candidate on a scale of 1-5 with 5s being great.", "1 – 5", True),
        ("a scale", "Rate the candidate on a scale of 1-5.", "1 – 5", False),
        ("two days", "It takes two days.", "ten days", False),
        ("within two days", "It takes two days.", "two days", True),
    ],
)
def test_it_compares_words_and_not_their_typography(words: str, sentence: str, gold: str, is_right: bool) -> None:
    assert says(words, sentence, [gold]) is is_right


def test_it_says_what_is_wrong_with_the_file(tmp_path: Path, reader: Marker) -> None:
    with pytest.raises(CommandError, match="too few articles"):
        call_command("fit_refusal", data=write_squad(tmp_path / "few.json", TOPICS[:3]))
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(CommandError, match="not in SQuAD's form"):
        call_command("fit_refusal", data=tmp_path / "other.json")
    with pytest.raises(CommandError, match="Give --data"):
        call_command("fit_refusal")


def test_it_says_when_a_corpus_has_too_few_judged_answers(people: People) -> None:
    make_corpora(people)
    with pytest.raises(CommandError, match="too few judged answers: 40 are needed"):
        call_command("fit_refusal", corpus="Sales")
    with pytest.raises(CommandError, match="no corpus named 'Nowhere'"):
        call_command("fit_refusal", corpus="Nowhere")


def test_it_measures_lists(tmp_path: Path, reader: Marker, capsys: Any) -> None:
    words = ["The", "offices", "are", "10", "and", "20", "."]
    row = {"question": ["which", "two", "offices"], "context": words, "label": ["O", "O", "O", "B", "O", "B", "O"]}
    file = tmp_path / "lists.jsonl"
    file.write_text(json.dumps(row) + "\n")
    call_command("evaluate_lists", file)
    figures = json.loads(capsys.readouterr().out)
    assert (figures["questions"], figures["spans_known"]) == (1, 2.0)
    assert figures["exact_precision"] == 1.0
    file.write_text(json.dumps(row) + "\n" + json.dumps({**row, "label": ["O"]}) + "\n")
    with pytest.raises(CommandError, match="line 2: not a row"):
        call_command("evaluate_lists", file)
