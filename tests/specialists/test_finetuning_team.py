"""Several processes train one adapter: as one alone would, and through a kill of one of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file

from specialists.errors import SpecialistError
from specialists.finetuning.encoding import EncodedRow
from specialists.finetuning.training import Finetuning, Told, chosen_devices, estimate_rows, finetune
from specialists.language_models.folders import read_model_folder
from specialists.training import team as teams
from specialists.training.team import Team
from tests.specialists.test_finetuning_training import RECIPE, ROWS
from tests.tiny_language_model import make_unread_model

pytestmark = [pytest.mark.usefixtures("one_core"), pytest.mark.slow]
QUICK = replace(RECIPE, epochs=6, r=4, lora_alpha=8)  # batches of four rows


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_unread_model(tmp_path_factory.mktemp("base") / "unread-tiny")


def run(base: Path, output: Path, report: Callable[[Told], bool] = lambda told: True, *, devices: int = 1) -> Finetuning:
    rows = [*ROWS[:3], replace(ROWS[3], rejected="Nobody knows.")]
    return Finetuning(
        read_model_folder(base), QUICK, rows, (), output, report, device="cpu", devices=devices, checkpoint_s=0.0
    )  # fmt: skip


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "adapter_model.safetensors"))


def assert_close(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    furthest = max(abs(first[name] - second[name]).max() for name in first)
    assert furthest < 1e-4 * max(abs(first[name]).max() for name in first)


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def test_two_processes_learn_what_one_learns_also_when_one_of_them_was_killed(base: Path, tmp_path: Path) -> None:
    one: list[float] = []
    two: list[float] = []
    finetune(run(base, tmp_path / "one", lambda told: bool(one.append(told.loss)) or True))
    figures = finetune(run(base, tmp_path / "two", lambda told: bool(two.append(told.loss)) or True, devices=2))
    before = children()

    def kill(told: Told) -> bool:
        if told.step == 3:
            (other,) = set(children()) - set(before)
            os.kill(other, signal.SIGKILL)
        return True

    with pytest.raises(SpecialistError, match="goes on from its last checkpoint") as died:
        finetune(run(base, tmp_path / "killed", kill, devices=2))
    steps: list[int] = []
    finetune(run(base, tmp_path / "killed", lambda told: bool(steps.append(told.step)) or True, devices=2))

    assert figures["devices"] == 2
    assert two == pytest.approx(one, rel=1e-4)
    assert_close(weights(tmp_path / "two"), weights(tmp_path / "one"))
    assert (died.value.code, died.value.permanent, steps[0]) == ("companion_died", False, 4)
    assert_close(weights(tmp_path / "killed"), weights(tmp_path / "one"))
    assert children() == before
    assert list(tmp_path.glob(".*")) == []  # of what they had in hand


def test_what_another_process_cannot_do_is_the_sentence_of_the_training(base: Path, tmp_path: Path) -> None:
    order = {"base": str(tmp_path / "gone"), "recipe": {}, "rows": [], "work_folder": str(tmp_path), "fingerprint": ""}
    with (
        pytest.raises(SpecialistError, match="there is no model in") as failed,
        teams.start_team(["cpu", "cpu"], tmp_path, "specialists.finetuning.companion", order) as team,
    ):
        team.join()
    assert failed.value.permanent
    assert list(tmp_path.glob(".*")) == []


def test_the_rows_are_shared_out_by_their_lengths() -> None:
    rows = [EncodedRow((0,) * length, 1) for length in (9, 2, 7, 4, 3)]
    shares = [[len(row.tokens) for row in Team(rank, 2).share(rows, lambda row: len(row.tokens))] for rank in (0, 1)]

    assert shares == [[2, 4, 9], [3, 7]]
    assert Team().share(rows, lambda row: len(row.tokens)) == rows


def test_on_gpus_each_process_has_its_own_and_they_speak_by_nccl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the library is told; there were no GPUs to try it on."""
    told: dict[str, Any] = {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: told.update(device=device))
    monkeypatch.setattr(teams.distributed, "init_process_group", lambda backend, **options: told.update(options, backend=backend))

    assert chosen_devices("auto", 2) == ["cuda:0", "cuda:1"]
    assert chosen_devices("cuda:2", 2) == ["cuda:2", "cuda:3"]
    assert chosen_devices("cpu", 2) == ["cpu", "cpu"]
    with pytest.raises(SpecialistError, match=r"FINETUNING_DEVICES is 2, and from cuda:3 on there are 1"):
        chosen_devices("cuda:3", 2)
    with pytest.raises(SpecialistError, match="FINETUNING_DEVICES to the number of GPUs"):
        chosen_devices("cuda:all", 1)
    Team(1, 2, "cuda:3", tmp_path / "meeting").join()
    assert (told["backend"], told["device"], told["rank"], told["world_size"]) == ("nccl", "cuda:3", 1, 2)


def test_of_several_processes_on_a_processor_the_memory_is_that_of_all(base: Path) -> None:
    one, two = (estimate_rows(read_model_folder(base), QUICK, ROWS, device="cpu", devices=count) for count in (1, 2))
    assert two.needed_bytes == 2 * one.needed_bytes
