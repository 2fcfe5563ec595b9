from __future__ import annotations

import os
import subprocess
import sys

from tests.environment import ROOT

HEAVY = ["torch", "transformers", "sentence_transformers", "faiss", "onnxruntime", "tantivy", "llama_index", "nltk",
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


def test_it_starts_the_web_process_without_a_heavy_library() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(heavy=HEAVY)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
