"""8 and 4 bits by bitsandbytes, which is not among the requirements: close to the whole model, and the same once saved."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from specialists.language_models.folders import read_model_folder
from specialists.language_models.loading import load_network
from specialists.language_models.local_folder import LocalFolder
from specialists.language_models.types import Message, Piece
from tests.tiny_language_model import house_model

pytestmark = [
    pytest.mark.usefixtures("one_core"),
    pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not there: pip install bitsandbytes==0.50.2"),
]
STORED = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def said(folder: Path, **options: str) -> str:
    model = LocalFolder(folder=str(folder), **options)
    pieces = model.generate([Message("user", "Hello?")], most_tokens=40)
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece))


@pytest.mark.parametrize(("bits", "near"), [("8bit", 0.02), ("4bit", 0.15)])
def test_fewer_bits_are_close_to_the_whole_and_the_same_once_saved_and_loaded(bits: str, near: float, tmp_path: Path) -> None:
    import torch

    folder, saved = house_model()[0], tmp_path / "fewer"
    row = torch.tensor([[1, 50, 60, 70, 80, 3, 2]])
    whole, fewer = (load_network(read_model_folder(folder), device="cpu", quantisation=wanted) for wanted in ("", bits))
    fewer.save_pretrained(saved)
    for name in STORED:
        (saved / name).write_bytes((folder / name).read_bytes())
    kept = read_model_folder(saved)
    again = load_network(kept, device="cpu", quantisation="")

    with torch.inference_mode():
        first, second, third = (network(row).logits for network in (whole, fewer, again))
    assert 0 < (first - second).abs().max() < near * (first.max() - first.min())
    assert torch.equal(second, third)
    assert kept.quantised_by == "bitsandbytes"
    assert kept.stored_bytes < read_model_folder(folder).stored_bytes
    assert said(folder, quantisation=bits).startswith("Hello")
    assert said(saved) == said(folder, quantisation=bits)
