"""Questions about pages become training rows over the passages that the pages are cut into."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from specialists.reader.rows import load_rows

PAGE = """# Parking

## Bicycles

Bicycles stand in the cellar, behind the blue door. A key is at the desk.

## Cars

Cars stand on level 2. A place costs 40 euros a month.
"""


def write(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Path]:
    (folder / "pages").mkdir(exist_ok=True)
    (folder / "pages" / "parking.md").write_text(PAGE)
    (folder / "pages" / "unread.md").write_text("# Nothing is asked of this page\n\nIt says little.\n")
    (folder / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"asked": folder / "asked.jsonl", "documents": folder / "pages", "output": folder / "rows.json"}


@pytest.mark.slow
def test_it_lays_questions_beside_the_passages_that_answer_or_come_close(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        [
            {"question": "What does parking a car cost?", "answers": ["40 euros a month", "40  euros"], "document": "parking.md"},
            {"question": "When is the bicycle cellar locked?", "answers": [], "document": "parking.md"},
        ],
    )
    out = StringIO()

    call_command("export_questions", **files, stdout=out)

    assert "2 rows written" in out.getvalue()
    assert "1 of them without an answer" in out.getvalue()
    lacking, car = sorted(load_rows(files["output"]), key=lambda row: len(row.answers))
    assert [answer for _, answer in car.answers] == ["40 euros a month", "40 euros"]
    assert car.context == "Parking > Cars"
    assert "level 2" in car.text
    assert "cellar" not in car.text
    assert lacking.context == "Parking > Bicycles"


def test_it_says_which_line_is_wrong(tmp_path: Path) -> None:
    files = write(tmp_path, [{"question": "Where?", "answers": ["on the roof"], "document": "parking.md"}])

    with pytest.raises(CommandError, match=r"asked.jsonl, line 1: “on the roof” does not stand in its page"):
        call_command("export_questions", **files)

    assert not files["output"].exists()
    with pytest.raises(CommandError, match=r"no such is not a folder"):
        call_command("export_questions", **{**files, "documents": tmp_path / "no such"})
