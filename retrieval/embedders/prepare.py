"""Prepares an embedding model for the processor: safetensors → ONNX → fused → int8, compared with torch on the way."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.embedders.prepared import FILES, LAYOUT, Precision, PreparedModel, read_prepared
from retrieval.embedders.sources import ModelSource, find_source
from retrieval.errors import RetrievalError
from retrieval.files import fsync_path, locked, sha256_of
from retrieval.onnx_export import fuse, quantise, quiet_export
from retrieval.onnx_session import open_session
from retrieval.passages import FloatMatrix

LEAST_AGREEMENT = 0.98
WAIT_S = 900
SAMPLE = (
    "How many days of leave may I carry over?",
    "reset two-factor authentication",
    "E-417",
    "Claims for travel must reach the finance desk within thirty days of the journey, with the receipts.",
    """The pump restarts by itself after a power failure unless the maintenance switch is set to manual. In that case the
    display shows the time of the failure, and the operator has to confirm it before the pressure is built up again.""",
    """Either party may end this agreement with three months' notice to the end of a quarter. Notice must be in writing. The
    fees that were paid for the time after the end are returned within fourteen days, less what the customer still owes.""",
    "| Country | Hotel, per night | Meals, per day |\n| Belgium | 140 | 45 |\n| Portugal | 110 | 38 |\n| England | 165 | 52 |",
    """On Tuesday night the gateway refused one request in twelve for about forty minutes, because the certificate of the
    second node had run out and the health check asked only the first. The node was taken out at 02:10 and came back with
    a new certificate at 02:31. From now on the check asks every node, and a warning is sent three weeks before the date.""",
)


def prepare_model(model: str, target: Path, precision: Precision = "auto") -> PreparedModel:
    """Write the prepared model to the folder `target`, whole or not at all; do nothing when it is there and sound.

    The rule for the precision, the same on every machine: int8 (weights per channel, in seven bits, since eight saturate on
    processors without VNNI) when its vectors for SAMPLE agree with torch's by a mean cosine of at least 0.98, else float32.
    "fp32" asks for float32. On two cores of an EPYC with AVX2, int8 embedded 1.5 times as many 200-token passages per second.
    Raises RetrievalError `embedder_unknown`, `embedder_unsupported` or `embedder_busy`."""
    source = find_source(model)
    busy = RetrievalError("embedder_busy", "Another process is preparing this model. Try again when it has finished.")
    with locked(target.parent / f"{target.name}.lock", wait_s=WAIT_S, busy=busy):
        existing = _usable(target, source, precision)
        if existing is not None:
            return existing
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as name:
            folder = Path(name) / "new"
            folder.mkdir()
            prepared = _prepare(source, folder, Path(name), precision)
            _swap(folder, target, Path(name))
        return prepared


def _usable(target: Path, source: ModelSource, precision: Precision) -> PreparedModel | None:
    try:
        prepared = read_prepared(target)
    except RetrievalError:
        return None
    is_same = prepared.source_sha256 == source.weights_sha256 and prepared.wanted == precision
    return prepared if is_same else None


def _swap(folder: Path, target: Path, scratch: Path) -> None:
    for path in (*folder.iterdir(), folder):
        fsync_path(path)
    if target.exists():
        target.rename(scratch / "old")
    folder.rename(target)
    fsync_path(target.parent)


def _prepare(source: ModelSource, folder: Path, scratch: Path, precision: Precision) -> PreparedModel:
    shutil.copyfile(source.folder / "tokenizer.json", folder / "tokenizer.json")
    with quiet_export():
        reference = _export(source, scratch / "raw.onnx")
        fused = fuse(scratch / "raw.onnx", scratch / "fused.onnx", config=source.folder / "config.json")
        chosen, kind = fused, "fp32"
        if precision != "fp32":
            int8 = quantise(fused, scratch / "int8.onnx")
            if precision == "int8" or _agreement(source, int8, reference) >= LEAST_AGREEMENT:
                chosen, kind = int8, "int8"
        agreement = _agreement(source, chosen, reference)
    shutil.copyfile(chosen, folder / "model.onnx")
    prepared = PreparedModel(
        layout=LAYOUT,
        name=f"{source.slug}@{source.weights_sha256[:12]}:{kind}",
        source_sha256=source.weights_sha256,
        wanted=precision,
        precision=kind,
        agreement=round(agreement, 4),
        dimension=reference.shape[1],
        window=source.window,
        query_prompt=source.query_prompt,
        passage_prompt=source.passage_prompt,
        sha256={name: sha256_of(folder / name) for name in FILES},
    )
    prepared.write(folder)
    return prepared


def _tokenizer(source: ModelSource) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source.folder / "tokenizer.json"))
    tokenizer.enable_truncation(source.window)
    tokenizer.no_padding()
    return tokenizer


def _export(source: ModelSource, path: Path) -> FloatMatrix:
    """Write the encoder with its pooling as ONNX; return torch's vectors of SAMPLE, (texts, dimension)."""
    import torch
    from transformers import AutoModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()

    class SentenceEncoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(
                source.folder, attn_implementation="eager", local_files_only=True, trust_remote_code=False, dtype=torch.float32
            )

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = hidden[:, 0] if source.pooling == "cls" else (hidden * mask).sum(1) / mask.sum(1)
            return pooled / pooled.norm(dim=1, keepdim=True)

    encoder = SentenceEncoder().eval()
    rows = [torch.tensor([encoding.ids]) for encoding in _tokenizer(source).encode_batch(list(SAMPLE))]
    example = (torch.cat([rows[0], rows[0]]), torch.ones(2, rows[0].shape[1], dtype=torch.int64))
    axes = {0: "texts", 1: "tokens"}
    with torch.no_grad():
        torch.onnx.export(
            encoder, example, str(path), dynamo=False, opset_version=17,
            input_names=["input_ids", "attention_mask"], output_names=["vectors"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "vectors": {0: "texts"}},
        )  # fmt: skip
        vectors = torch.cat([encoder(row, torch.ones_like(row)) for row in rows])
    return np.asarray(vectors.numpy(), np.float32)


def _agreement(source: ModelSource, model: Path, reference: FloatMatrix) -> float:
    """Mean cosine between an ONNX model's vectors of SAMPLE and the reference, one text per run."""
    session = open_session(model, threads=len(os.sched_getaffinity(0)))
    vectors = []
    for encoding in _tokenizer(source).encode_batch(list(SAMPLE)):
        ids = np.array([encoding.ids], np.int64)
        vectors.append(session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0])
    return float((np.stack(vectors) * reference).sum(axis=1).mean())
