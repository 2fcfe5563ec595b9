"""LoRA and QLoRA learn 32 rows of the demo's documents to the word, on a processor, with tiny models of real architectures."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from specialists.finetuning.encoding import MOST_COMPLETION
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row, RowPassage, render_row
from specialists.finetuning.training import Finetuning, Told, finetune
from specialists.language_models.folders import read_model_folder
from specialists.language_models.local_folder import LocalFolder
from specialists.language_models.types import Piece
from tests.environment import ROOT
from tests.tiny_language_model import make_pupil

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_core")]

logger = logging.getLogger(__name__)
FAMILIES = os.environ.get("OVERFIT_FAMILIES", "qwen2").split(",")  # the others by hand: qwen2,llama,mistral
ROWS = 32
WINDOW = 1024
RECIPE = FinetuneRecipe(epochs=120, batch=32, learning_rate=1e-2, r=32, lora_alpha=64, dropout=0.0, window=WINDOW)
needs_4bit = pytest.mark.skipif(
    find_spec("bitsandbytes") is None, reason="bitsandbytes is not there: pip install bitsandbytes==0.50.2"
)


def demo_rows() -> list[Row]:
    """What a section's first sentence says. Two sections are shown, each of which answers one row."""
    found: list[tuple[str, str, str]] = []
    for file in sorted((ROOT / "demo" / "documents").rglob("*.md")):
        for section in file.read_text(encoding="utf-8").split("\n## ")[1:]:
            heading, _, body = section.partition("\n")
            text = " ".join(body.strip().partition("\n\n")[0].split())
            sentence = re.split(r"(?<=[.!?])\s", text)[0]
            if text[:1].isalpha() and 20 < len(sentence) < 110 and sentence.endswith("."):
                found.append((f"{file.stem} > {heading.strip()}", text, sentence))
    passages = [RowPassage(place, title, text) for place, (title, text, _) in enumerate(found)]
    rows = []
    for place, (title, _, sentence) in enumerate(found[:ROWS]):
        first = place - place % 2
        asked = f"What do I need to know about {title.partition(' > ')[2]}?"
        rows.append(Row(asked, tuple(passages[first : first + 2]), sentence, place))
    return rows


@pytest.fixture(scope="module", params=FAMILIES)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    shown = [text for row in demo_rows() for text in (row.question, *(f"{item.title} {item.text}" for item in row.passages))]
    words = [f" {word}" for text in shown for word in text.split()] * 3  # a token each, as the rules of the prompt are one
    return make_pupil(tmp_path_factory.mktemp("base") / "pupil-tiny", words, family=request.param)


@pytest.mark.parametrize("quantisation", ["", pytest.param("4bit", marks=needs_4bit)])
def test_an_adapter_gives_32_answers_back_to_the_word(base: Path, quantisation: str, tmp_path: Path) -> None:
    rows, told, folder = demo_rows(), list[Told](), read_model_folder(base)
    recipe, adapters = replace(RECIPE, quantisation=quantisation), tmp_path / "adapters"
    figures = finetune(Finetuning(folder, recipe, rows, rows, adapters / "demo-v1", collect(told), device="cpu"))

    model = LocalFolder(folder=str(base), adapters=str(adapters), window=WINDOW, quantisation=quantisation)
    right = sum(is_right(model, row, "demo-v1") for row in rows)
    loss = told[-1].held_out  # here of the rows that were trained on
    kind = json.loads((base / "config.json").read_text())["model_type"]
    logger.info("%s %s: %s of %s rows, loss %s, %s s", kind, quantisation or "LoRA", right, ROWS, loss, figures["seconds"])
    assert len({row.answer for row in rows}) == ROWS
    assert not any(is_right(model, row, "") for row in rows[:4])
    assert right == ROWS
    assert loss is not None and loss < 0.1


def collect(told: list[Told]) -> Callable[[Told], bool]:
    return lambda item: bool(told.append(item)) or True


def is_right(model: LocalFolder, row: Row, adapter: str) -> bool:
    asked = render_row(row, count_tokens=model.count_tokens, window=WINDOW, most_tokens=MOST_COMPLETION)
    pieces = model.generate(asked.prompt.messages, most_tokens=64, adapter=adapter)
    return (
        "".join(piece.text for piece in pieces if isinstance(piece, Piece))
        == asked.completion
        == f"{row.answer} [{row.gold % 2 + 1}]"
    )
