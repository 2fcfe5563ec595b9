"""benchmarks/chunking.py: the questions that it makes of tables, and how it cuts their rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import chunking
from benchmarks.chunking import Cut

PAGE = """# Limits

## Travel

| Place | Hotel | Meals | |
|---|---|---|---|
| Lisbon | 90 euro | 30 euro | old |
| Porto | 80 euro | 28 euro | |
| 12 | 1 euro | 2 euro | |
| Faro | 70 euro | | |

The head of the team may allow more.

| Place | Meals |
|---|---|
| Porto | 35 euro |
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "limits.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "plain.md").write_text("# Plain\n\nNo table, and the hotel in Faro costs more.", encoding="utf-8")
    return tmp_path


def test_it_asks_once_for_a_cell_of_each_row_that_can_be_meant(folder: Path) -> None:
    documents = chunking.load(f"tables@{folder}", folder, 100)
    asked = {question.text: (question.document, question.answers) for question in documents.questions}
    assert asked == {
        "What is the Hotel of Lisbon?": ("limits.md", ("Lisbon | 90 euro",)),
        "What is the Hotel of Faro?": ("limits.md", ("Faro | 70 euro",)),
    }  # Porto's meals stand in two tables, and 12 is no word


def test_it_takes_written_questions_about_tables_alone(folder: Path) -> None:
    rows = folder / "questions.jsonl"
    rows.write_text(
        '{"question": "meals in Lisbon?", "answers": ["30 euro"], "document": "limits.md"}\n'
        '{"question": "who allows more?", "answers": ["The head"], "document": "limits.md"}\n',
        encoding="utf-8",
    )
    assert len(chunking.load(f"{rows}@{folder}", folder, 100).questions) == 2
    (question,) = chunking.load(f"{rows}@{folder}", folder, 100, in_tables=True).questions
    assert question.text == "meals in Lisbon?"
    with pytest.raises(SystemExit, match="No question"):
        chunking.load(f"long-tables@{folder}", folder, 100)


COLUMNS = "Place | Hotel | Meals"
LISBON, PORTO, TWELVE = "Lisbon | 90 euro | 30 euro | old", "Porto | 80 euro | 28 euro", "12 | 1 euro | 2 euro"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("packed", [(COLUMNS, f"{LISBON}\n{PORTO}"), (COLUMNS, f"{TWELVE}\nFaro | 70 euro")]),
        ("single", [(COLUMNS, LISBON), (COLUMNS, PORTO), ("Place | Meals", "Porto | 35 euro")]),
        ("bare", [("", f"{COLUMNS}\n{LISBON}\n{PORTO}"), ("", f"{TWELVE}\nFaro | 70 euro")]),
    ],
)
def test_it_cuts_rows_in_three_ways(folder: Path, rows: str, expected: list[tuple[str, str]]) -> None:
    documents = chunking.load(f"tables@{folder}", folder, 100)
    passages = chunking.passages_of(documents, Cut(16, rows=rows))
    made = [(context.partition("\n")[2], text) for name, context, text in passages if name == "limits.md"]
    assert set(expected) <= set(made), made
    assert len(made) == {"packed": 3, "single": 6, "bare": 3}[rows]
