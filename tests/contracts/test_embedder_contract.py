from __future__ import annotations

import subprocess
import sys
import threading
from functools import cache
from typing import Any

import numpy as np
import pytest
from django.utils.module_loading import import_string

from retrieval.embedders import Embedder, get_embedder
from retrieval.errors import RetrievalError
from tests.environment import ROOT

BACKENDS = [
    "tests.retrieval.embedders.HashingEmbedder",
    "retrieval.embedders.onnx.OnnxEmbedder",
    pytest.param("retrieval.embedders.torch.SentenceTransformerEmbedder", marks=pytest.mark.slow),
]
TEXTS = [
    "Who approves travel?",
    "Claims for travel must reach the finance desk within thirty days of the journey.",
    "",
    "word " * 2000,
    "Ünïcödé 日本語 🙂 \x00",
    "half a pair \ud800",
]


@cache
def _embedder(backend: str, **options: Any) -> Embedder:
    return import_string(backend)(**options)


@pytest.fixture(params=BACKENDS)
def embedder(request: Any) -> Embedder:
    return _embedder(request.param)


def test_it_makes_unit_rows_of_float32(embedder: Embedder) -> None:
    for vectors in (embedder.embed_passages(TEXTS), embedder.embed_queries(TEXTS)):
        assert vectors.shape == (len(TEXTS), embedder.dimension)
        assert vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_half_the_precision_is_nearly_the_same_and_another_embedder() -> None:
    whole = _embedder("retrieval.embedders.torch.SentenceTransformerEmbedder")
    half = _embedder("retrieval.embedders.torch.SentenceTransformerEmbedder", device="cpu", precision="fp16")
    first, second = whole.embed_passages(TEXTS[:2]), half.embed_passages(TEXTS[:2])

    assert half.name == whole.name.replace("fp32", "fp16")
    assert second.dtype == np.float32
    assert np.allclose(np.linalg.norm(second, axis=1), 1, atol=1e-5)
    assert ((first * second).sum(axis=1) > 0.9995).all()
    assert not np.array_equal(first, second)


def test_a_precision_that_a_gpu_embedder_has_not_is_a_sentence() -> None:
    with pytest.raises(RetrievalError, match="must be auto, fp32 or fp16"):
        _embedder("retrieval.embedders.torch.SentenceTransformerEmbedder", precision="int8")


def test_it_embeds_nothing_into_no_rows(embedder: Embedder) -> None:
    assert embedder.embed_passages([]).shape == (0, embedder.dimension)
    assert embedder.embed_queries([]).shape == (0, embedder.dimension)
    assert embedder.count_tokens([]) == []


def test_it_gives_a_text_the_same_vector_whatever_its_neighbours(embedder: Embedder) -> None:
    together = embedder.embed_passages(TEXTS)
    alone = np.concatenate([embedder.embed_passages([text]) for text in TEXTS])
    reversed_ = embedder.embed_passages(TEXTS[::-1])[::-1]
    assert np.allclose(together, alone, atol=1e-5)
    assert np.allclose(together, reversed_, atol=1e-5)


def test_it_counts_the_tokens_of_whole_texts(embedder: Embedder) -> None:
    counts = embedder.count_tokens(TEXTS)
    assert counts[2] == 0
    assert counts[3] == 2000 > embedder.max_tokens
    assert 3 <= counts[0] <= 6
    assert all(isinstance(count, int) for count in counts)


def test_it_serves_several_threads_at_once(embedder: Embedder) -> None:
    expected = embedder.embed_passages(TEXTS)
    results: list[Any] = [None] * 4

    def work(slot: int) -> None:
        results[slot] = embedder.embed_passages(TEXTS)

    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(np.allclose(result, expected, atol=1e-5) for result in results)


def test_it_has_a_name_that_tells_models_apart(embedder: Embedder) -> None:
    assert embedder.name == embedder.name.strip() != ""


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_it_cuts_at_the_models_window(backend: str) -> None:
    embedder = _embedder(backend)
    assert embedder.max_tokens == 254
    inside, outside = "word " * 254, "word " * 254 + "entirely different ending"
    assert np.allclose(*embedder.embed_passages([inside, outside]), atol=1e-5)
    assert not np.allclose(*embedder.embed_passages(["word " * 253, "word " * 252 + "heron"]), atol=1e-3)


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_it_understands_meaning(backend: str) -> None:
    embedder = _embedder(backend)
    question = embedder.embed_queries(["How much holiday do I get?"])
    near, far = embedder.embed_passages(["Employees have 27 days of annual leave.", "The pump runs at four bar."])
    assert float(question[0] @ near) > float(question[0] @ far) + 0.2


@pytest.mark.slow
def test_it_agrees_with_the_original_model_in_torch() -> None:
    texts = [text for text in TEXTS if text.isascii()] + ["The display shows E-417 when the sensor is dry."]
    onnx = _embedder("retrieval.embedders.onnx.OnnxEmbedder").embed_passages(texts)
    torch = _embedder("retrieval.embedders.torch.SentenceTransformerEmbedder").embed_passages(texts)
    assert float((onnx * torch).sum(axis=1).mean()) >= 0.98


@pytest.mark.slow
def test_it_gives_the_same_vector_in_another_process() -> None:
    script = (
        "import django; django.setup(); from retrieval.embedders.onnx import OnnxEmbedder;"
        "print(OnnxEmbedder(threads=1).embed_queries(['Who approves travel?']).tobytes().hex())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    here = _embedder("retrieval.embedders.onnx.OnnxEmbedder").embed_queries(["Who approves travel?"])
    assert done.stdout.strip() == here.tobytes().hex()


def test_it_loads_the_configured_embedder_once(settings: Any) -> None:
    settings.EMBEDDER = {"BACKEND": "tests.retrieval.embedders.HashingEmbedder", "OPTIONS": {"name": "once"}}
    loaded: list[Embedder] = []
    threads = [threading.Thread(target=lambda: loaded.append(get_embedder())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(loaded) == 8
    assert len({id(embedder) for embedder in loaded}) == 1
    assert loaded[0].name == "once"
