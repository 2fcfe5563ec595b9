"""The table of before and after, made by the command on files that a network learns in seconds."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from specialists.grounding.rows import write_rows
from specialists.specialisation.comparison import Comparison, as_table
from tests.specialists.router_rows import TEXTS, rows_of, write_jsonl
from tests.specialists.test_training_grounding import weekly_rows
from tests.specialists.tiny_rows import write_squad

UNTRAINED = ("--layers", "1", "--learning-rate", "1e-6", "--epochs", "1", "--batch", "16")


@pytest.mark.slow
def test_it_compares_all_three_before_and_after_on_other_documents(tmp_path: Path) -> None:
    questions = write_squad(tmp_path / "rows.json")
    general = tmp_path / "general"
    call_command(
        "train_specialist", "reader", "--data", str(questions), "--output", str(general / "reader"), *UNTRAINED, stdout=StringIO()
    )
    write_rows(weekly_rows(), tmp_path / "claims.jsonl")
    messages = write_jsonl(
        tmp_path / "messages.jsonl", rows_of({f"team {number}": text for number, text in enumerate(TEXTS.values())})
    )
    options = [
        "--questions", str(questions), "--texts", str(tmp_path / "claims.jsonl"), "--messages", str(messages), "--output",
        str(tmp_path / "mine"), "--specialists", str(general), "--epochs", "2", "--learning-rate", "1e-3",
    ]  # fmt: skip
    out = StringIO()
    call_command("measure_specialisation", *options, stdout=out, stderr=StringIO())
    lines = out.getvalue().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    assert [row[0] for row in rows] == ["Specialist", "---", "reader", *["groundedness check"] * 3, "router"]
    reader, router = rows[2], rows[-1]
    assert float(reader[4].split()[0]) > float(reader[3].split()[0])
    assert float(router[4].split()[0]) > float(router[3].split()[0])
    assert "LoRA Land" in out.getvalue()
    trained, tested = (json.loads((tmp_path / "mine" / f"{part}.json").read_text())["data"] for part in ("train", "test"))
    assert not {item["title"] for item in trained} & {item["title"] for item in tested}

    answers = {
        item["id"]: item["answers"][0]["text"]
        for article in tested for paragraph in article["paragraphs"] for item in paragraph["qas"] if item["answers"]
    }  # fmt: skip
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    out = StringIO()
    only = [*options[:2], *options[6:], "--answers", str(tmp_path / "answers.json")]
    call_command("measure_specialisation", *only, stdout=out, stderr=StringIO())
    assert "| 100.0 (100.0–100.0) |" in out.getvalue()
    answers.popitem()
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    with pytest.raises(CommandError, match="lacks 1 answers"):
        call_command("measure_specialisation", *only, stdout=StringIO(), stderr=StringIO())


def test_it_wants_something_to_measure(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Give --questions, --texts or --messages"):
        call_command("measure_specialisation", "--output", str(tmp_path))


def test_it_writes_a_table_that_markdown_reads() -> None:
    lines = as_table([Comparison("reader", "12 questions", "F1", "10.0", "20.0")]).splitlines()
    assert lines[1] == "| --- | --- | --- | --- | --- | --- |"
    assert lines[2] == "| reader | 12 questions | F1 | 10.0 | 20.0 | – |"
