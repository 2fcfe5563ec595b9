"""Smaller models: an adapter in the weights of its base, and a base with fewer layers, both served as any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from specialists.compression.compressing import compress
from specialists.compression.folders import zero_share
from specialists.compression.merging import merge_adapter
from specialists.compression.reporting import judge_side, report_on
from specialists.compression.sparsity import Sparsity
from specialists.errors import DataError, SpecialistError
from specialists.finetuning.encoding import encode_rows
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.training import Told
from specialists.language_models.chat import Chat
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


@pytest.mark.parametrize(("text", "gone"), [("0.5", [1, 3, 5, 7]), ("0.25", [3, 7]), ("2:4", [1, 3, 4, 6])])
def test_of_each_row_the_weights_with_the_least_scores_go(text: str, gone: list[int]) -> None:
    import torch

    from specialists.compression.pruning import least

    scores = torch.tensor(
        [[9.0, 2.0, 8.0, 0.0, 4.0, 3.0, 5.0, 1.0] if text != "2:4" else [9.0, 2.0, 8.0, 0.0, 4.0, 7.0, 5.0, 6.0]]
    )
    assert least(scores, Sparsity.read(text))[0].nonzero().flatten().tolist() == gone


@pytest.mark.parametrize("family", ["qwen2", "mistral"])
def test_weights_are_taken_out_by_what_they_do_in_a_model_whose_layers_before_are_pruned_already(
    family: str, tmp_path: Path
) -> None:
    """Of the matrices that see a layer's input, which pruning the layer itself does not change."""
    import torch

    from specialists.compression.pruning import least, prune
    from specialists.language_models.loading import load_network

    base = read_model_folder(make_unread_model(tmp_path / "unread", family, layers=3))
    whole, pruned = (load_network(base, device="cpu", quantisation="") for _ in range(2))
    rows = [[1, 50, 60, 70, 3, 2, 81], [1, 90, 91, 3, 2]]

    share = prune(pruned, rows, Sparsity.read("0.5"))

    seen = [torch.zeros(64) for _ in range(3)]

    def look(number: int) -> Callable[..., None]:
        def hook(_: object, given: tuple[torch.Tensor, ...]) -> None:
            seen[number] += given[0][0].square().sum(0)

        return hook

    for number, layer in enumerate(pruned.model.layers):
        layer.self_attn.q_proj.register_forward_pre_hook(look(number))
    with torch.inference_mode():
        for row in rows:
            pruned(torch.tensor([row]))
    for number in range(3):
        before, after = (network.model.layers[number].self_attn.q_proj.weight for network in (whole, pruned))
        gone = least(before.abs() * seen[number].sqrt(), Sparsity.read("0.5"))
        assert torch.equal(after == 0, gone) and torch.equal(after[~gone], before[~gone])
    assert share == pytest.approx(0.5, abs=0.01)
    assert torch.equal(whole.lm_head.weight, pruned.lm_head.weight)


def test_a_healed_model_has_its_zeros_and_computes_what_was_trained(tmp_path: Path) -> None:
    import torch

    from specialists.finetuning.losses import held_out_loss
    from specialists.language_models.loading import load_network

    base = read_model_folder(make_unread_model(tmp_path / "models" / "deep", layers=3))
    recipe = FinetuneRecipe(epochs=40, batch=4, learning_rate=1e-2, r=8, dropout=0.0, window=1024)
    losses: list[float] = []

    made = compress(
        base, ROWS, tmp_path / "models" / "sparse", layers=1, sparsity=Sparsity.read("2:4"), healing=recipe, device="cpu",
        report=lambda told: not losses.append(told.loss),
    )  # fmt: skip

    assert len(made.dropped) == 1 and made.zeros == 0.5 and losses[-1] < losses[0] / 2
    network = load_network(made.folder, device="cpu", quantisation="")
    matrices = [module.weight for module in network.model.layers.modules() if isinstance(module, torch.nn.Linear)]
    assert len(matrices) == 14
    for weight in matrices:
        assert torch.equal((weight.unflatten(1, (-1, 4)) == 0).sum(-1), torch.full((weight.shape[0], weight.shape[1] // 4), 2))
    assert 0 < zero_share(base) + 0.3 < zero_share(made.folder) < 0.5
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["deep", "sparse"]
    rows = encode_rows(ROWS, Chat(base.path), 1024)
    assert held_out_loss(network, rows, recipe, "cpu") == pytest.approx(losses[-1], rel=0.2)


def test_what_cannot_be_pruned_is_refused() -> None:
    with pytest.raises(DataError, match="must be 2:4, or a share from"):
        Sparsity.read("1:4")


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
