"""Training an adapter: it learns, survives a kill with the same weights, says what is wrong, and is served as it was trained."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from specialists.errors import DataError, SpecialistError
from specialists.finetuning import losses, training
from specialists.finetuning.encoding import encode_rows
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row, RowPassage, render_row
from specialists.finetuning.training import Finetuning, Told, estimate_rows, finetune
from specialists.language_models.chat import Chat
from specialists.language_models.folders import read_model_folder
from specialists.language_models.local_folder import LocalFolder
from specialists.language_models.types import Piece
from tests.environment import ROOT
from tests.tiny_language_model import house_model, make_unread_model

pytestmark = pytest.mark.usefixtures("one_core")

THINGS = ("leave", "parking", "badges", "laptops")
ANSWERS = ("Wait for the manager.", "Ask at the desk.", "Send the form in.", "Call the office.")
RECIPE = FinetuneRecipe(epochs=120, batch=4, learning_rate=1e-2, r=32, lora_alpha=64, dropout=0.0, window=1024)
LUNCH = "It is free."
ROWS = [
    Row(f"What about {thing}?", (RowPassage(place, thing.title(), answer), RowPassage(place + 9, "Lunch", LUNCH)), answer, place)
    for place, (thing, answer) in enumerate(zip(THINGS, ANSWERS, strict=True))
]


FORECAST = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from specialists.finetuning.forecasting import forecast
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row, RowPassage
from specialists.language_models.folders import read_model_folder
rows = [Row(**{**row, "passages": tuple(RowPassage(**item) for item in row["passages"])}) for row in json.load(open(sys.argv[2]))]
found = forecast(read_model_folder(Path(sys.argv[1])), FinetuneRecipe(**json.loads(sys.argv[3])), rows, device="cpu")
print(json.dumps([asdict(found), [name for name in ("torch", "transformers", "peft") if name in sys.modules]]))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_unread_model(tmp_path_factory.mktemp("base") / "unread-tiny")


def run(base: Path, output: Path, report: Callable[[Told], bool] = lambda told: True, **recipe: object) -> Finetuning:
    chosen = replace(RECIPE, **recipe)  # type: ignore[arg-type]
    return Finetuning(read_model_folder(base), chosen, ROWS, ROWS, output, report, device="cpu", checkpoint_s=0.0)


def said(model: LocalFolder, row: Row, adapter: str) -> str:
    messages = render_row(row, count_tokens=model.count_tokens, window=model.window, most_tokens=60).prompt.messages
    return "".join(piece.text for piece in model.generate(messages, most_tokens=60, adapter=adapter) if isinstance(piece, Piece))


@pytest.mark.slow
def test_an_adapter_learns_its_rows_and_answers_them_where_it_is_served(base: Path, tmp_path: Path) -> None:
    told: list[Told] = []
    figures = finetune(run(base, tmp_path / "adapters" / "desk-v1", lambda item: bool(told.append(item)) or True))

    assert told[-1].loss < told[0].loss / 5
    assert told[-1].held_out is not None and (told[-1].step, told[-1].steps) == (120, 120)
    model = LocalFolder(folder=str(base), adapters=str(tmp_path / "adapters"), window=1024)
    assert [said(model, row, "desk-v1") for row in ROWS] == [f"{answer} [1]" for answer in ANSWERS]
    assert said(model, ROWS[0], "") != f"{ANSWERS[0]} [1]"
    card = json.loads((tmp_path / "adapters/desk-v1/card.json").read_text())
    assert card["base"]["weights_sha256"] == read_model_folder(base).weights_sha256()
    assert (card["rows"], card["prompt_version"], card["figures"]["steps"]) == (4, 1, figures["steps"])
    assert sorted(path.name for path in (tmp_path / "adapters").iterdir()) == ["desk-v1"]
    assert str(base) not in (tmp_path / "adapters/desk-v1/adapter_config.json").read_text()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not there: pip install bitsandbytes==0.50.2")
def test_an_adapter_learns_its_rows_on_a_base_of_four_bits(base: Path, tmp_path: Path) -> None:
    finetune(run(base, tmp_path / "adapters" / "desk-v1", quantisation="4bit"))

    model = LocalFolder(folder=str(base), adapters=str(tmp_path / "adapters"), window=1024, quantisation="4bit")
    assert [said(model, row, "desk-v1") for row in ROWS] == [f"{answer} [1]" for answer in ANSWERS]


def test_a_training_that_was_stopped_ends_with_the_weights_of_one_that_was_not(base: Path, tmp_path: Path) -> None:
    finetune(run(base, tmp_path / "whole", epochs=6, dropout=0.1))
    with pytest.raises(SpecialistError) as stopped:
        finetune(run(base, tmp_path / "parts", lambda told: told.step < 3, epochs=6, dropout=0.1))
    assert stopped.value.code == "stopped"
    assert not (tmp_path / "parts").exists()

    steps: list[int] = []
    finetune(run(base, tmp_path / "parts", lambda told: bool(steps.append(told.step)) or True, epochs=6, dropout=0.1))

    assert steps[0] == 4
    whole, parts = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all((whole[name] == parts[name]).all() for name in whole)


def test_layers_that_are_computed_again_have_the_gradients_of_those_that_are_kept(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, with dropout, whose noise must be the same the second time."""
    import torch

    rows = encode_rows(ROWS, Chat(base), 1024)
    found, read = [], training.load_network
    for again in (False, True):
        with monkeypatch.context() as patched:
            if again:
                patched.setattr(training, "load_network", lambda *args, **options: _computing_again(read(*args, **options)))
            network = training._load(read_model_folder(base), replace(RECIPE, dropout=0.2), "cpu")
        network.train()
        torch.manual_seed(3)
        losses.summed_loss(network, rows, "cpu").backward()
        found.append([parameter.grad for parameter in training._trained(network)])
        assert not again or len(network.get_base_model().calls) == 2

    assert all(torch.allclose(kept, computed, atol=1e-6) for kept, computed in zip(*found, strict=True))
    assert any(float(grad.abs().max()) > 0 for grad in found[0])


def _computing_again(network: Any) -> Any:
    training.compute_layers_again(network)
    layer = network.model.layers[0]
    forward, calls = layer.mlp.forward, []

    def counted(*args: Any) -> Any:
        calls.append(1)
        return forward(*args)

    layer.mlp.forward = counted
    network.calls = calls
    return network


def test_a_checkpoint_of_other_rows_is_not_gone_on_from(base: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecialistError):
        finetune(run(base, tmp_path / "adapter", lambda told: False, epochs=2))

    with pytest.raises(SpecialistError) as refused:
        finetune(replace(run(base, tmp_path / "adapter", epochs=2), training=ROWS[:3]))
    assert refused.value.code == "other_training"


def test_a_training_that_runs_away_ends_with_a_sentence(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken-tiny"
    folder.mkdir()
    for file in base.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][:] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(SpecialistError, match="Take a smaller learning rate") as refused:
        finetune(run(folder, tmp_path / "adapter", epochs=1))
    assert refused.value.code == "loss_not_finite"


def test_it_says_before_the_start_what_it_takes_and_refuses_what_does_not_fit(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = estimate_rows(read_model_folder(base), RECIPE, ROWS, device="cpu")
    assert (found.steps, found.shape.layers) == (120, 2)
    assert found.shape.trained > 0 and found.seconds > 0 and found.needed_bytes > found.shape.parameters * 4

    monkeypatch.setattr(training, "free_bytes", lambda device: found.needed_bytes // 2)
    with pytest.raises(SpecialistError, match="quantisation 4bit, a smaller window") as refused:
        finetune(run(base, tmp_path / "adapter"))
    assert refused.value.code == "out_of_memory"


def test_a_page_says_about_the_same_without_the_libraries_that_load_a_network(base: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([asdict(row) for row in ROWS]))
    done = subprocess.run(
        [sys.executable, "-c", FORECAST, str(base), str(tmp_path / "rows.json"), json.dumps(asdict(RECIPE))],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, loaded = json.loads(done.stdout)
    exact = estimate_rows(read_model_folder(base), RECIPE, ROWS, device="cpu")

    assert loaded == []
    assert (said["steps"], said["shape"]["trained"]) == (exact.steps, exact.shape.trained)
    assert 1.0 <= said["tokens"] / exact.tokens < 1.2
    assert 1.0 <= said["needed_bytes"] / exact.needed_bytes < 1.2
    assert said["free_bytes"] > 0 and said["seconds"] > 0


def test_a_window_that_holds_hardly_a_row_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecialistError, match="Take a larger window"):
        finetune(
            replace(run(base, tmp_path / "adapter", window=256), training=[replace(row, question="Why? " * 200) for row in ROWS])
        )


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"epochs": 0}, "epochs must be from 1 to 300, not 0"),
        ({"learning_rate": 1.0}, "learning_rate must be from 1e-06 to 0.1, not 1"),
        ({"quantisation": "2bit"}, "quantisation must be empty, 8bit or 4bit"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(values: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match=says):
        FinetuneRecipe.read(values)


@pytest.mark.slow
def test_adapters_that_were_trained_apart_never_show_in_each_other(base: Path, tmp_path: Path) -> None:
    """Each knows one answer to the same question; in turns on one base each says its own."""
    adapters = tmp_path / "adapters"
    for number, answer in enumerate(ANSWERS[:2]):
        row = replace(ROWS[0], answer=answer, passages=(RowPassage(0, "Leave", "See below."),))
        finetune(replace(run(base, adapters / f"desk-v{number}", epochs=60), training=[row] * 4))
    model = LocalFolder(folder=str(base), adapters=str(adapters), window=1024)
    asked = replace(ROWS[0], passages=(RowPassage(0, "Leave", "See below."),))

    turns = [said(model, asked, name) for name in ("desk-v0", "desk-v1", "", "desk-v0", "desk-v1")]
    assert [turns[0], turns[1], turns[3], turns[4]] == [f"{ANSWERS[place]} [1]" for place in (0, 1, 0, 1)]
    assert turns[2] not in (turns[0], turns[1])


def test_an_adapter_trained_on_another_base_is_refused(base: Path, tmp_path: Path) -> None:
    finetune(run(base, tmp_path / "adapters" / "desk-v1", epochs=1))
    model = LocalFolder(folder=str(house_model()[0]), adapters=str(tmp_path / "adapters"))

    with pytest.raises(SpecialistError, match="other weights of its base"):
        said(model, ROWS[0], "desk-v1")


def test_an_answer_that_people_prefer_becomes_likelier_than_the_one_that_they_reject(base: Path) -> None:
    import torch

    recipe = replace(RECIPE, r=8, learning_rate=1e-3)
    row = replace(ROWS[0], rejected=ANSWERS[1])
    encoded = encode_rows([row], Chat(base), 1024)
    network = training._load(read_model_folder(base), recipe, "cpu")
    optimizer = torch.optim.AdamW(training._trained(network), lr=recipe.learning_rate)

    def gains() -> tuple[float, float]:
        """By how much each is likelier than it is to the base."""
        with torch.no_grad():
            pair = [encoded[0], encoded[0].rejected]
            now = losses.token_losses(network, pair, "cpu").sum(1)
            with network.disable_adapter():
                before = losses.token_losses(network, pair, "cpu").sum(1)
        return tuple((before - now).tolist())

    first = losses.preference_loss(network, encoded, 0.5, "cpu")
    assert float(first.detach()) == pytest.approx(math.log(2), abs=1e-5)  # the adapter is its base yet
    for _ in range(8):
        losses.preference_loss(network, encoded, 0.5, "cpu").backward()
        optimizer.step()
        optimizer.zero_grad()

    preferred, rejected = gains()
    assert preferred > 0 > rejected
    assert float(losses.preference_loss(network, encoded, 0.5, "cpu").detach()) < 0.9 * math.log(2)


def test_rejected_answers_are_trained_against_unless_the_recipe_leaves_them_out(base: Path, tmp_path: Path) -> None:
    rows = [replace(row, rejected="Nobody knows.") for row in ROWS]
    for name, beta in (("with", 0.5), ("without", 0.0), ("plain", 0.5)):
        kept = ROWS if name == "plain" else rows
        finetune(replace(run(base, tmp_path / name, epochs=2, beta=beta), training=kept))

    weights = {name: load_file(tmp_path / name / "adapter_model.safetensors") for name in ("with", "without", "plain")}
    plain = weights["plain"]
    assert all((plain[key] == weights["without"][key]).all() for key in plain)
    assert not all((plain[key] == weights["with"][key]).all() for key in plain)
