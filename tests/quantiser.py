"""The environment in which GPTQ and AWQ are made, where it is there, and what stands in for it where it is not."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.environment import ROOT

PYTHON = Path(os.environ.get("QUANTISER_PYTHON") or ROOT / ".quantiser" / "bin" / "python")
needs_quantiser = pytest.mark.skipif(
    not PYTHON.is_file() or find_spec("compressed_tensors") is None,
    reason="GPTQ and AWQ need make quantiser, or QUANTISER_PYTHON, and pip install compressed-tensors==0.19.0.",
)

STAND_IN = """#!{python}
import json, os, shutil, signal, sys
from pathlib import Path
job = json.loads(Path(sys.argv[-1]).read_text())
made = Path(job["output"])
made.mkdir()
shutil.copyfile(Path(job["model"]) / "model.safetensors", made / "model.safetensors")
config = json.loads((Path(job["model"]) / "config.json").read_text())
config["quantization_config"] = {{"quant_method": "compressed-tensors"}}
config["auto_map"] = {{"AutoModelForCausalLM": "elsewhere--code.Model"}}
(made / "config.json").write_text(json.dumps(config))
(made / "recipe.yaml").write_text("stages: []")
said = json.dumps({{"group": 64}})
{more}
print("Loading: 100%")
print(said)
"""


def stand_in(folder: Path, more: str = "") -> Path:
    """An interpreter that runs no script, but leaves what a quantiser would, and then does `more`."""
    file = folder / "python"
    file.write_text(STAND_IN.format(python=sys.executable, more=more))
    file.chmod(0o755)
    return file
