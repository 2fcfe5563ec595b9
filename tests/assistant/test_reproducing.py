"""Published figures are run again: what comes out, what does not, and what is wrong with the file that lists them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

SCRIPT = """
import sys
print("hybrid 0.5000\\nms 12.5")
sys.exit(int(sys.argv[1]))
"""


def conditions(
    tmp_path: Path, *, find: str = "hybrid ([0-9.]+)", expected: str = "0.498", status: int = 0, more: str = ""
) -> Path:
    script = tmp_path / "measure.py"
    script.write_text(SCRIPT, encoding="utf-8")
    published = f"what = 'nDCG', find = '{find}', expected = {expected}, tolerance = 0.003"
    figures = f"[{{ {published} }}, {{ what = 'ms', find = 'ms ([0-9.]+)' }}]"
    file = tmp_path / "conditions.toml"
    file.write_text(
        f"[[run]]\nname = 'one'\ncommand = '{script} {status}'\nfigures = {figures}\n"
        f"[[run]]\nname = 'two'\ncommand = '{script} 0 {{data}}'\nfigures = {figures}\n{more}",
        encoding="utf-8",
    )
    return file


def reproduced(file: Path, *arguments: str) -> tuple[int, list[dict[str, object]]]:
    output, status = io.StringIO(), 0
    try:
        call_command("reproduce", "--conditions", str(file), "--json", *arguments, stdout=output, stderr=io.StringIO())
    except SystemExit as end:
        status = int(end.code or 0)
    return status, json.loads(output.getvalue())


def test_it_compares_what_is_printed_with_what_was_published(tmp_path: Path) -> None:
    status, rows = reproduced(conditions(tmp_path))
    assert status == 0
    assert [(row["run"], row["what"], row["value"], row["is_reproduced"]) for row in rows] == [
        ("one", "nDCG", 0.5, True), ("one", "ms", 12.5, True),
    ]  # fmt: skip


@pytest.mark.parametrize("changed", [{"expected": "0.6"}, {"find": "BM25 ([0-9.]+)"}, {"status": 3}])
def test_it_fails_for_a_figure_that_does_not_come_out(tmp_path: Path, changed: dict[str, str]) -> None:
    status, rows = reproduced(conditions(tmp_path, **changed))  # type: ignore[arg-type]
    assert status == 1
    assert rows[0]["is_reproduced"] is False


def test_it_runs_what_needs_data_only_with_data(tmp_path: Path) -> None:
    file = conditions(tmp_path)
    assert {row["run"] for row in reproduced(file)[1]} == {"one"}
    assert {row["run"] for row in reproduced(file, "--data", str(tmp_path))[1]} == {"one", "two"}
    assert reproduced(file, "--only", "two")[0] == 1


def test_it_runs_what_takes_long_only_when_that_is_asked_for(tmp_path: Path) -> None:
    file = conditions(tmp_path, more="long = true\n")  # of the run that is last
    data = ("--data", str(tmp_path))
    assert {row["run"] for row in reproduced(file, *data)[1]} == {"one"}
    assert {row["run"] for row in reproduced(file, *data, "--long")[1]} == {"one", "two"}
    assert {row["run"] for row in reproduced(file, *data, "--only", "two")[1]} == {"two"}


@pytest.mark.parametrize(
    "text", ["", "[[run]]\nname = 1", "no toml", "[[run]]\nname='a'\ncommand='b'\nfigures=[{what='c', find='('}]"]
)
def test_it_names_what_is_wrong_with_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "conditions.toml").write_text(text, encoding="utf-8")
    with pytest.raises(CommandError, match="conditions"):
        reproduced(tmp_path / "conditions.toml")


def test_it_names_the_runs_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There are: one, two"):
        reproduced(conditions(tmp_path), "--only", "three")


@pytest.mark.slow
def test_it_reproduces_the_quick_published_figures() -> None:
    output = io.StringIO()
    call_command("reproduce", "--quick", stdout=output, stderr=io.StringIO())
    assert "MISSED" not in output.getvalue()
    assert "demo organization" in output.getvalue()
