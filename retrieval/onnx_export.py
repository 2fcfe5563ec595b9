"""From an exported graph to what a processor runs fast: fused operators, then int8 weights."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FUSED_FAMILIES = {"bert", "roberta", "xlm-roberta"}


@contextmanager
def quiet_export() -> Iterator[None]:
    """The exporters warn about every traced shape and every fused node; none of it is for the administrator."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


def fuse(raw: Path, fused: Path, *, config: Path) -> Path:
    """Merge attention, GELU and normalisation into ONNX Runtime's own operators, for the families that it knows. `config` is
    the encoder's config.json. Returns the graph to go on with. Normalisations stay apart from the additions before them, as
    in open_session."""
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    encoder = json.loads(config.read_text(encoding="utf-8"))
    if encoder.get("model_type") not in FUSED_FAMILIES:
        return raw
    heads, size = int(encoder["num_attention_heads"]), int(encoder["hidden_size"])
    options = FusionOptions("bert")
    options.enable_skip_layer_norm = False
    optimised = optimizer.optimize_model(
        str(raw), model_type="bert", num_heads=heads, hidden_size=size, optimization_options=options, opt_level=0
    )
    optimised.save_model_to_file(str(fused))
    return fused


def quantise(fused: Path, path: Path, *, keep_float: tuple[str, ...] = ()) -> Path:
    """Weights in int8, per channel, in seven bits (eight saturate on processors without VNNI); activations are scaled per run.
    `keep_float` names nodes that stay as they are."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(fused),
        str(path),
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=list(keep_float),
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # the fused operators have no shape inference
    )
    return path
