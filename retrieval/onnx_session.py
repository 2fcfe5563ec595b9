"""Opens an ONNX graph on the processor, as every model of this product is run: one thread a run, many runs side by side. Only a
question, for whose vector a person waits, has more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# Fused with the addition before it, a layer normalisation is computed by a kernel that ONNX Runtime 1.32 has not vectorised:
# 13 % of an embedding's time on a processor with AVX2, where both apart take 3 %.
_SLOWER_FUSIONS = ["SkipLayerNormFusion"]


def open_session(path: Path, *, threads: int = 1) -> Any:
    """An onnxruntime.InferenceSession; `threads` within one run."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # other runs need the core that would wait busily
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER_FUSIONS
    )
