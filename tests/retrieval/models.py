from __future__ import annotations

import json
from pathlib import Path


def fake_model(folder: Path) -> Path:
    """What passes for a sentence-transformers folder where nothing is computed with it. Each name has weights of its own."""
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(folder.name.encode())
    (folder / "tokenizer.json").write_text("{}")
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 512}))
    kinds = [{"type": f"sentence_transformers.models.{name}"} for name in ("Transformer", "Pooling", "Normalize")]
    (folder / "modules.json").write_text(json.dumps(kinds))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return folder
