"""GPTQ and AWQ: the process that rounds, what is kept of what it leaves, and models by both where its environment is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from specialists.compression.calibrated import SCRIPT, check_calibrated, write_calibrated
from specialists.errors import SpecialistError
from specialists.finetuning.encoding import encode_rows
from specialists.language_models.chat import Chat
from specialists.language_models.folders import ModelFolder, read_model_folder
from specialists.language_models.loading import load_network
from specialists.language_models.local_folder import LocalFolder
from specialists.language_models.memory import needed_bytes
from specialists.language_models.types import Message, Piece
from tests.quantiser import PYTHON, needs_quantiser, stand_in
from tests.specialists.test_finetuning_training import ROWS
from tests.tiny_language_model import house_model, make_model, make_unread_model

pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture
def base(tmp_path: Path) -> ModelFolder:
    return read_model_folder(make_unread_model(tmp_path / "models" / "base"))


def left(base: ModelFolder) -> list[str]:
    return sorted(path.name for path in base.path.parent.iterdir())


def test_it_keeps_a_models_folder_of_what_was_made_and_nothing_else(
    base: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_MODEL_KEY", "a secret")
    told = tmp_path / "told.json"
    python = stand_in(tmp_path, f"Path({str(told)!r}).write_text(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd(), job]))")

    made = write_calibrated(base, ROWS, base.path.parent / "fewer", method="gptq", bits=4, python=python)

    assert (made.group, made.rows, made.folder.quantised_by) == (64, len(ROWS), "compressed-tensors")
    assert sorted(path.name for path in made.folder.path.iterdir()) == [
        "chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    assert "auto_map" not in json.loads((made.folder.path / "config.json").read_text())
    assert left(base) == ["base", "fewer"]
    arguments, environment, folder, job = json.loads(told.read_text())
    assert arguments[:3] == ["-I", "-B", str(SCRIPT)]
    assert "JUDGE_MODEL_KEY" not in environment and "INTRAMURAL_DATA" not in environment
    assert environment["HF_HUB_OFFLINE"] == "1" and environment["CUDA_VISIBLE_DEVICES"] == ""
    assert environment["HOME"] == folder
    assert job["rows"] == [list(row.tokens) for row in encode_rows(ROWS, Chat(base.path), 4096)]
    assert (job["method"], job["bits"], job["dtype"]) == ("gptq", 4, "float32")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("(made / 'pytorch_model.bin').write_bytes(b'')", "it wrote pytorch_model.bin, which can run any program"),
        ("(made / 'modeling.py').write_text('')", "it wrote modeling.py, which can run any program"),
        ("(made / 'more').mkdir()", "it wrote more, which is no file"),
        ("(made / 'config.json').write_text('{}')", "what it wrote is not quantised"),
        ("said = 'Done.'", "it did not say what it has done, but: Done"),
        ("said = '[]'", "it did not say what it has done"),
        ("raise RuntimeError('no room')", "it said: RuntimeError: no room"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "it was ended by signal 9, perhaps since the memory"),
    ],
)
def test_what_is_no_quantised_model_is_refused_and_not_kept(more: str, says: str, base: ModelFolder, tmp_path: Path) -> None:
    python = stand_in(tmp_path, more)

    with pytest.raises(SpecialistError, match=says):
        write_calibrated(base, ROWS, base.path.parent / "fewer", method="awq", bits=4, python=python)

    assert left(base) == ["base"]


def test_it_ends_with_whoever_asked_for_it(base: ModelFolder, tmp_path: Path) -> None:
    number = tmp_path / "number"
    python = stand_in(tmp_path, f"Path({str(number)!r}).write_text(str(os.getpid()))\nsignal.pause()")

    with pytest.raises(SpecialistError, match=r"nothing of that was kept"):
        write_calibrated(
            base, ROWS, base.path.parent / "fewer", method="gptq", bits=4, python=python,
            on_wait=lambda: not (number.is_file() and number.read_text()),
        )  # fmt: skip

    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), 0)
    assert left(base) == ["base"]


def test_only_a_whole_model_is_rounded(base: ModelFolder, tmp_path: Path) -> None:
    rounded = replace(base, quantised_by="compressed-tensors")
    with pytest.raises(SpecialistError, match="is quantised already, by compressed-tensors"):
        write_calibrated(rounded, ROWS, tmp_path / "fewer", method="gptq", bits=4, python=stand_in(tmp_path))
    with pytest.raises(SpecialistError, match="is there already"):
        write_calibrated(base, ROWS, base.path, method="gptq", bits=4, python=stand_in(tmp_path))


def test_a_packed_model_has_the_numbers_that_it_stands_for_and_needs_their_memory(base: ModelFolder) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    tensors = load_file(base.weights[0])
    for name in [name for name in tensors if name.endswith("_proj.weight")]:
        rows, columns = tensors.pop(name).shape
        tensors[f"{name}_packed"] = torch.zeros(rows, columns // 8, dtype=torch.int32)
        tensors[f"{name}_scale"] = torch.ones(rows, 1)
        tensors[f"{name}_shape"] = torch.tensor([rows, columns])
    save_file(tensors, base.weights[0])
    config = json.loads((base.path / "config.json").read_text())
    groups = {"group_0": {"weights": {"num_bits": 4}}}
    config["quantization_config"] = {"quant_method": "compressed-tensors", "config_groups": groups}
    (base.path / "config.json").write_text(json.dumps(config))

    packed = read_model_folder(base.path)

    assert packed.parameters == base.parameters
    assert packed.stored_bytes < base.stored_bytes
    assert needed_bytes(packed, device="cpu", quantisation="") == needed_bytes(base, device="cpu", quantisation="")


def test_a_missing_environment_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecialistError, match=r"none/python is missing\. Install it with make quantiser"):
        check_calibrated(tmp_path / "none" / "python")


@pytest.mark.skipif(find_spec("compressed_tensors") is not None, reason="compressed-tensors is installed, and so not missing.")
def test_a_folder_whose_package_is_missing_names_it(base: ModelFolder, tmp_path: Path) -> None:
    made = write_calibrated(base, ROWS, tmp_path / "fewer", method="gptq", bits=4, python=stand_in(tmp_path))

    with pytest.raises(SpecialistError, match=r"needs a package that is not installed \(for compressed-tensors\)"):
        load_network(made.folder, device="cpu", quantisation="")


def said(folder: Path) -> str:
    model = LocalFolder(folder=str(folder), device="cpu", patience_s=600)
    pieces = model.generate([Message("user", "Hello?")], most_tokens=40)
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece))


@pytest.mark.slow
@needs_quantiser
@pytest.mark.parametrize(
    ("method", "bits", "family", "near"),
    [("gptq", 4, "qwen2", 0.1), ("gptq", 8, "llama", 0.01), ("awq", 4, "llama", 0.1), ("awq", 8, "qwen2", 0.01)],
)
def test_a_model_in_fewer_bits_is_close_to_the_whole_and_says_the_same(
    method: str, bits: int, family: str, near: float, tmp_path: Path
) -> None:
    import torch

    folder = house_model()[0] if family == "qwen2" else make_model(tmp_path / family, family=family)
    whole = read_model_folder(folder)

    made = write_calibrated(whole, ROWS, tmp_path / "fewer", method=method, bits=bits, python=PYTHON).folder

    assert made.quantised_by == "compressed-tensors" and made.parameters == whole.parameters
    assert made.stored_bytes < 0.6 * whole.stored_bytes
    row = torch.tensor([[1, 50, 60, 70, 80, 3, 2]])
    networks = [load_network(item, device="cpu", quantisation="") for item in (whole, made)]
    with torch.inference_mode():
        first, second = (network(row).logits for network in networks)
    assert 0 < (first - second).abs().max() < near * (first.max() - first.min())
    levels = [len(network.model.layers[0].mlp.down_proj.weight[0, :64].unique()) for network in networks]
    assert levels[0] > 2**bits // 5 and levels[1] <= min(64, 2**bits)
    assert said(made.path) == said(folder)
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    "ask", ["create_connection(('127.0.0.1', 9))", "getaddrinfo('localhost', 80)", "gethostbyname('localhost')"]
)
def test_the_quantiser_asks_no_network(ask: str, tmp_path: Path) -> None:
    """The guard is there before its libraries are."""
    (tmp_path / "llmcompressor.py").write_text(f"import socket\nsocket.{ask}")
    (tmp_path / "torch.py").write_text("")
    run = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"

    done = subprocess.run([sys.executable, "-I", "-B", "-c", run], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "PermissionError: The quantiser asks no network" in done.stderr
