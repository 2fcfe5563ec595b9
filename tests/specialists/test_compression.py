"""Smaller models: an adapter in the weights of its base, and a base with fewer layers, both served as any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialists.compression.compressing import compress
from specialists.compression.merging import merge_adapter
from specialists.compression.reporting import judge_side, report_on
from specialists.errors import SpecialistError
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.training import Told
from specialists.language_models.folders import read_model_folder
from specialists.language_models.local_folder import LocalFolder
from specialists.language_models.types import Message, Piece
from tests.specialists.test_finetuning_training import ROWS
from tests.tiny_language_model import ADAPTERS, house_model, make_unread_model

pytestmark = pytest.mark.usefixtures("one_core")

ASKED = [Message("user", "Hello?")]


def said(folder: Path) -> str:
    model = LocalFolder(folder=str(folder))
    return "".join(piece.text for piece in model.generate(ASKED, most_tokens=40) if isinstance(piece, Piece))


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_a_merged_model_computes_what_base_and_adapter_compute(name: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from specialists.language_models.adapters import attach, choose, read_adapter
    from specialists.language_models.loading import load_network

    folder, adapters = house_model()
    base = read_model_folder(folder)
    merge_adapter(base, adapters / name, tmp_path / "merged")

    adapted = load_network(base, device="cpu", quantisation="")
    adapter = read_adapter(adapters / name, "one", base)
    attach(adapted, adapter)
    choose(adapted, adapter)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", local_files_only=True, dtype=torch.float32).eval()
    row = torch.tensor([[1, 50, 60, 3, 2]])
    with torch.inference_mode():
        assert torch.allclose(adapted(row).logits, merged(row).logits, atol=1e-3)
    assert said(tmp_path / "merged") == ADAPTERS[name]


def test_it_leaves_out_the_layers_that_change_least_and_never_the_first_or_the_last(tmp_path: Path) -> None:
    base = read_model_folder(make_unread_model(tmp_path / "models" / "deep", layers=6))

    made = compress(base, ROWS, tmp_path / "models" / "smaller", layers=2, healing=None, device="cpu")

    inner = sorted(range(1, 5), key=lambda number: made.changes[number])
    assert made.dropped == tuple(sorted(inner[:2]))
    assert made.folder.parameters < base.parameters
    assert isinstance(said(tmp_path / "models" / "smaller"), str)
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["deep", "smaller"]


def test_what_was_left_out_is_healed_on_the_rows(tmp_path: Path) -> None:
    base = read_model_folder(make_unread_model(tmp_path / "models" / "deep", layers=4))
    recipe = FinetuneRecipe(epochs=30, batch=4, learning_rate=1e-2, r=16, dropout=0.0, window=1024)
    losses: list[float] = []

    def keep(told: Told) -> bool:
        losses.append(told.loss)
        return True

    made = compress(
        base,
        ROWS,
        tmp_path / "models" / "healed",
        layers=1,
        healing=recipe,
        device="cpu",
        report=lambda told: not losses.append(told.loss),
    )

    assert len(made.changes) == 4 and len(made.dropped) == 1
    assert losses[-1] < losses[0]
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["deep", "healed"]


def test_it_refuses_to_leave_out_too_much_or_to_write_over_something(tmp_path: Path) -> None:
    base = read_model_folder(make_unread_model(tmp_path / "models" / "deep", layers=4))

    with pytest.raises(SpecialistError, match="Leave out at most 2 of them"):
        compress(base, ROWS, tmp_path / "models" / "smaller", layers=3, healing=None, device="cpu")
    with pytest.raises(SpecialistError, match="is there already"):
        compress(base, ROWS, tmp_path / "models" / "deep", layers=1, healing=None, device="cpu")


def test_the_report_says_what_is_lost(tmp_path: Path) -> None:
    folder, adapters = house_model()
    rows = [(row, False) for row in ROWS * 3]
    base = LocalFolder(folder=str(folder), adapters=str(adapters))
    sides = [judge_side(name, base, rows, stored_bytes=1, parameters=1, adapter=name) for name in ("", "formal")]

    same = report_on(sides[0], sides[0])
    assert (same.is_kept, same.sentence) == (True, "Nothing is lost beyond its margin.")
    assert report_on(*sides).before.tokens_per_second > 0
