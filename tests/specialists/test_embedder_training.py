"""Hard negatives, the loss, and a training of the embedder that survives a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.embedders.sources import PACKAGED_MODEL, find_source
from retrieval.files import sha256_of
from specialists.embedder.mining import MinedPassage, mine
from specialists.embedder.rows import EmbedderRow, read_rows, write_rows
from specialists.embedder.training import train_embedder
from specialists.errors import DataError
from specialists.training.recipe import DataFile, Recipe, Run
from tests.environment import ROOT

LONG = "The porter feeds the herons at nine in the morning and again at four, when the gate is closed."


def test_it_mines_what_is_close_and_neither_the_document_nor_a_copy_of_it() -> None:
    passages = {
        1: MinedPassage(LONG, 1),
        2: MinedPassage("Herons sleep standing on one leg in the shallow water near the old mill.", 1),
        3: MinedPassage(LONG + " The porter has a key.", 2),  # a longer copy
        4: MinedPassage("Herons sleep standing on one leg in the shallow water near the old mill!", 3),  # of the document's other
        5: MinedPassage("The porter closes the gate at six and feeds nobody after that hour.", 4),
        6: MinedPassage("Owls are fed by nobody.", 5),
    }
    (row,) = mine([("When are the herons fed?", 1)], passages, lambda question: [1, 2, 3, 4, 99, 5, 6])
    assert row == EmbedderRow("When are the herons fed?", LONG, (passages[5].text, passages[6].text))


def test_it_reads_what_it_wrote_and_names_a_bad_line(tmp_path: Path) -> None:
    rows = [EmbedderRow("a\u2028b", "passage", ("wrong",)), EmbedderRow("c", "d")]
    path = tmp_path / "rows.jsonl"
    write_rows(path, rows)
    assert read_rows(path) == rows
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text('{"question": "x"}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl:1"):
        read_rows(path)


def test_it_counts_no_right_passage_as_wrong() -> None:
    import torch

    from specialists.embedder.task import EmbedderTask

    class Given:
        """A network whose vectors are the first two tokens."""

        def embed(self, rows: list[torch.Tensor], device: str) -> torch.Tensor:
            return torch.nn.functional.one_hot(torch.tensor([int(row[1]) % 2 for row in rows]), 2).float()

    source = find_source(PACKAGED_MODEL)
    same = [EmbedderRow("one", "the same passage"), EmbedderRow("one", "the same passage")]
    task = EmbedderTask(source, same)
    from specialists.embedder import task as module

    original = module.EmbedderNetwork
    module.EmbedderNetwork = Given  # type: ignore[assignment,misc]
    try:
        assert float(task.loss(Given(), task.epoch(0), "cpu")) == pytest.approx(0)  # type: ignore[arg-type]
        other = EmbedderTask(source, [*same, EmbedderRow("one", "another passage", ("a wrong one",))])
        assert float(other.loss(Given(), other.epoch(0), "cpu")) >= 0  # type: ignore[arg-type]
    finally:
        module.EmbedderNetwork = original  # type: ignore[misc]


TRAINING = """
import os, sys
import django; django.setup()
from pathlib import Path
from specialists.embedder.training import train_embedder
from specialists.training import loop
from specialists.training.recipe import DataFile, Recipe, Run
loop.REPORT_STEPS = 2
loop.os.sched_getaffinity = lambda process: {0}  # a second thread only waits for the first
def report(step, steps, loss, left):
    print(loss, flush=True)
    if sys.argv[3] == "killed" and step == 4: os.kill(os.getpid(), 9)
recipe = Recipe(epochs=1, batch=10, learning_rate=1e-4, dropout=0.0)
run = Run([DataFile(Path(sys.argv[1]))], Path(sys.argv[2]), recipe, report, print, checkpoint_s=0)
train_embedder(run, share=0.5)
"""


def _train(rows: Path, output: Path, how: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-c", TRAINING, str(rows), str(output), how]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


@pytest.mark.slow
def test_it_ends_with_the_same_weights_after_kill_9_and_leaves_no_words(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    write_rows(rows, [EmbedderRow(f"where is item {n}", f"item {n} is in room {n * 7}", (f"item {n + 1}",)) for n in range(60)])
    whole = _train(rows, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    assert _train(rows, tmp_path / "killed", "killed").returncode == -9
    assert (tmp_path / "killed" / "checkpoint.safetensors").exists()
    resumed = _train(rows, tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr
    assert len(resumed.stdout.split()) < len(whole.stdout.split())
    digests = {sha256_of(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed")}
    assert len(digests) == 1
    assert digests != {find_source(PACKAGED_MODEL).weights_sha256}
    assert not (tmp_path / "killed" / "checkpoint.safetensors").exists()
    model = tmp_path / "killed" / "model"
    assert find_source(str(model)).pooling == find_source(PACKAGED_MODEL).pooling
    assert json.loads((model / "adapted.json").read_text())["pairs"] == 60


def test_it_refuses_too_few_pairs(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    write_rows(rows, [EmbedderRow("a", "b")])
    run = Run([DataFile(rows)], tmp_path / "few", Recipe(), lambda *args: None, lambda text: None)
    with pytest.raises(DataError, match="at least 50"):
        train_embedder(run, share=1.0)
