from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.environment import ROOT
from tests.tiny_language_model import house_model

HEAVY = ["torch", "transformers", "peft", "sentence_transformers", "faiss", "onnxruntime", "tantivy", "llama_index", "nltk",
         "pypdfium2", "docx", "pptx", "openpyxl"]  # fmt: skip
SCRIPT = """
import django, sys
django.setup()
import config.asgi, config.urls, ingestion.tasks
from django.core.management import call_command
call_command("check", verbosity=0)
call_command("migrate", "--plan", verbosity=0)
print([name for name in {heavy!r} if name in sys.modules])
"""


@pytest.mark.parametrize("has_model", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_it_starts_the_web_process_without_a_heavy_library(has_model: bool) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    if has_model:
        folder, adapters = house_model()
        environment |= {"LANGUAGE_MODEL_FOLDER": str(folder), "LANGUAGE_MODEL_ADAPTERS_DIR": str(adapters)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(heavy=HEAVY)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
