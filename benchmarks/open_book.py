"""Asks questions about company handbooks as an employee does, once with the sentence composer and once with the reader.

    python benchmarks/open_book.py HANDBOOKS [--specialists FOLDER] [--risk 0.1] [--data FOLDER]

HANDBOOKS is a folder with 18f_handbook/pages, sourcegraph/content and ms_engineering_playbook/docs. They are imported into an
empty data folder (or into --data, where they stay for the next time), and all are searched for every question. Prints, for each
of the two: right answers and right refusals with their 95 % intervals, the precision of the citations, times and memory.

Right: a question with an answer was answered, and the answer's words hold a known one; a question without one was refused.
Offered: refused, and the words that the page shows as perhaps the answer (or the first of them) hold a known one. A citation is
precise when the sentence's words (or, for a further citation, its own quote) stand in the cited passage as it is in the
database."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PARTS = ("18f_handbook/pages", "sourcegraph/content", "ms_engineering_playbook/docs")
TIERS = ("quotes", "reader")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--questions", type=Path, default=ROOT / "benchmarks" / "questions" / "handbooks.jsonl")
    parser.add_argument("--data", type=Path, help="a data folder to make or to use again")
    parser.add_argument("--specialists", type=Path, help="the folder of reader and reranker; the installed ones by default")
    parser.add_argument("--risk", type=float, help="share of the reader's answers that may be wrong; the product's by default")
    parser.add_argument("--show", action="store_true", help="every question with what came of it")
    parser.add_argument("--tier", choices=TIERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tier:
        print(json.dumps(ask_all(arguments.questions, risk=arguments.risk, show=arguments.show)))
        return
    with tempfile.TemporaryDirectory(prefix="intramural-benchmark-") as scratch:
        data = (arguments.data or Path(scratch)).resolve()
        environment = {
            **os.environ,
            "INTRAMURAL_DATA": str(data),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LOG_LEVEL": "ERROR",
        }
        if not (data / "models").exists():
            fill(data, arguments.folder.resolve(), environment)
        table = {tier: run_tier(tier, Path(scratch), arguments, environment) for tier in TIERS}
    print(json.dumps(table, indent=1))


def fill(data: Path, handbooks: Path, environment: dict[str, str]) -> None:
    installed = Path(os.environ.get("INTRAMURAL_DATA", ROOT / "var"))
    (data / "models").mkdir(parents=True)
    for model in (installed / "models").iterdir():  # one by one: the reader that is measured is prepared beside them
        (data / "models" / model.name).symlink_to(model.resolve())

    def manage(*words: str) -> None:
        subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=environment, stdout=sys.stderr, check=True)

    manage("migrate", "--verbosity", "0")
    manage("create_person", "ada", "--admin")
    for part in PARTS:
        manage("import_folder", str(handbooks / part), "--corpus", part.split("/", maxsplit=1)[0], "--json")


def run_tier(tier: str, scratch: Path, arguments: argparse.Namespace, environment: dict[str, str]) -> dict[str, Any]:
    """In a process of its own, so that memory and caches are its own. Without a reader's folder the composer answers."""
    trained = ROOT / "specialists" / "trained"
    folder = scratch / tier
    folder.mkdir()
    (folder / "router").symlink_to(trained / "router")
    if tier == "reader":
        for kind in ("reader", "reranker"):
            source = ((arguments.specialists or trained) / kind).resolve()
            if source.is_dir():
                (folder / kind).symlink_to(source)
    command = [sys.executable, __file__, str(arguments.folder), "--questions", str(arguments.questions), "--tier", tier]
    command += ["--risk", str(arguments.risk)] if arguments.risk else []
    command += ["--show"] if arguments.show else []
    own = {**environment, "SPECIALISTS_DIR": str(folder)}
    subprocess.run([sys.executable, "manage.py", "prepare_specialists"], cwd=ROOT, env=own, stdout=sys.stderr, check=True)
    done = subprocess.run(command, cwd=ROOT, env=own, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def ask_all(questions: Path, *, risk: float | None, show: bool) -> dict[str, Any]:
    import django

    django.setup()
    import numpy as np
    from django.contrib.auth.models import User

    from assistant.asking import ask
    from assistant.calibration.services import set_risk
    from ingestion.models import Corpus
    from specialists.refusal.calibrator import DEFAULT_RISK, is_installed
    from specialists.squad_metrics import holds

    person = User.objects.get(username="ada")
    for corpus in Corpus.objects.all() if is_installed() else ():
        set_risk(corpus=corpus, risk=risk or DEFAULT_RISK)
    rows = [json.loads(line) for line in questions.read_text(encoding="utf-8").splitlines() if line.strip()]
    ask(person=person, question="What is the purpose of this handbook?")
    names = (
        "right answers",
        "right or offered first",
        "right or offered",
        "right refusals",
        "wrong among answers",
        "precise citations",
    )
    found: dict[str, list[bool]] = {name: [] for name in names}
    times, routes = [], set()
    for row in rows:
        result = ask(person=person, question=row["question"])
        routes.add(result["route"])
        is_answered, golds = result["status"] == "answered", row["answers"]
        is_right = is_answered and bool(golds) and holds(result["answer"], golds)
        found["right answers" if golds else "right refusals"].append(is_right if golds else not is_answered)
        if golds:
            offered = [holds(item["quote"], golds) for item in result["offered"]]
            found["right or offered first"].append(is_right or any(offered[:1]))
            found["right or offered"].append(is_right or any(offered if result["is_unsure"] else offered[:1]))
            found.setdefault(f"right answers, {row['document'].split('/')[0]}", []).append(is_right)
        found["wrong among answers"] += [not is_right] if is_answered else []
        found["precise citations"] += precise(result) if is_answered else []
        times.append(result["timings_ms"]["total"])
        if show:
            mark = "right" if is_right or not (golds or is_answered) else "WRONG"
            said = result["answer"] if is_answered else f"({result['status']})"
            confidence = result["confidence"]
            print(
                f"{mark} {confidence if confidence is None else round(confidence, 2)} | {row['question']} | {golds} | {said}",
                file=sys.stderr,
            )
    return {
        "routes": sorted(routes),
        **{name: share(values) for name, values in found.items()},
        "p50_ms": round(float(np.percentile(times, 50))),
        "p95_ms": round(float(np.percentile(times, 95))),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def precise(result: dict[str, Any]) -> list[bool]:
    """Per citation, whether the sentence's words stand in the passage that it cites, or, for a further one, its own quote."""
    from ingestion.models import Chunk
    from specialists.squad_metrics import normalise

    quotes = {item["n"]: item["quote"] for item in result["citations"]}
    passages = {item["n"]: Chunk.objects.get(pk=item["passage"]) for item in result["citations"]}
    found = []
    for sentence in result["sentences"]:
        for place, number in enumerate(sentence["citations"]):
            chunk = passages[number]
            if place:  # it agrees with the sentence in words of its own, which are quoted
                found.append(normalise(quotes[number]) in normalise(chunk.text))
                continue
            passage, said = normalise(f"{chunk.context} {chunk.text}"), normalise(sentence["text"])
            is_row = "·" in sentence["text"]  # a table's row, said with its column names
            found.append(said in passage or (is_row and set(said.split()) - {"·"} <= set(passage.split())))
    return found


def share(values: list[bool]) -> str:
    from specialists.measures import wilson

    low, high = wilson(sum(values), len(values))
    return f"{sum(values)} of {len(values)}: {100 * sum(values) / max(1, len(values)):.1f} % ({100 * low:.1f}–{100 * high:.1f})"


if __name__ == "__main__":
    main()
