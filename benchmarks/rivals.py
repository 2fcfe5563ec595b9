"""Puts the product and its rivals into one table in one run: the same passages, the same weights, the same machine.

    python benchmarks/rivals.py SET [SET …] [--queries 200] [--documents 5000] [--venv FOLDER] [--only NAME …]
                               [--times-only] [--json]

SETs are those of benchmarks/judged.py. The rivals are installed into an environment of their own (benchmarks/rivals.txt); what
cannot be installed or does not work is n/a, with the reason. Each system is a process of its own and runs alone. Prints nDCG@10
and Recall@10 for each set, over all judged queries, and passages ingested per second; then the time of a query, embedding
included, over the first --documents passages of the sets together. “As a corpus decides”: whether the reranker is used is
decided by other queries of the set, as an installation decides it by its own. Measures are the product's; pytrec_eval must
agree."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
SYSTEMS_FILE = ROOT / "benchmarks" / "rival_systems.py"
REQUIREMENTS = ROOT / "benchmarks" / "rivals.txt"
OWN = {"product", "product, reranked", "product, as a corpus decides"}  # run in the product's environment
TOP_K = 10
AGREEMENT = 1e-6
LONGEST_S = 3600
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description="The product and its rivals in one table.")
    parser.add_argument("sets", nargs="+")
    parser.add_argument(
        "--queries", type=int, default=200, help="of a set, every n-th, so that there are at most so many; 0: all"
    )
    parser.add_argument("--documents", type=int, default=5000, help="passages that the timed queries search; 0 leaves it out")
    parser.add_argument(
        "--venv", type=Path, default=ROOT / "var" / "rivals", help="the rivals' environment, made if it is missing"
    )
    parser.add_argument("--only", nargs="+", help="the names of systems; all by default")
    parser.add_argument("--times-only", action="store_true", help="measure no set, only the times")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.times_only and not arguments.documents:
        parser.error("--times-only needs --documents of at least 1.")

    import django

    django.setup()
    from benchmarks.judged import load_set
    from benchmarks.rival_systems import SYSTEMS

    problem = install(arguments.venv)
    judged = [load_set(name, arguments.queries) for name in arguments.sets]
    names = [name for name in SYSTEMS if not arguments.only or name in arguments.only]
    with tempfile.TemporaryDirectory(prefix="intramural-rivals-") as scratch:
        works = write_works(Path(scratch), judged, arguments.documents)
        if arguments.times_only:
            works, judged = {"": works[""]}, []
        table = {name: measure(name, works, arguments.venv, problem) for name in names}
        for item in judged:
            score(item, table, arguments.venv, Path(scratch), problem)
    if arguments.json:
        print(json.dumps(table, indent=1))
    else:
        print_table([item.name for item in judged], table, arguments.documents)


def python_of(name: str, venv: Path) -> str:
    return sys.executable if name in OWN else str(venv / "bin" / "python")


def install(venv: Path) -> str:
    """Make the rivals' environment; the reason when that cannot be done."""
    installed = venv / ".installed"
    if installed.is_file() and installed.read_bytes() == REQUIREMENTS.read_bytes():
        return ""
    print(f"installing the rivals into {venv}", file=sys.stderr)
    commands = [
        [sys.executable, "-m", "venv", str(venv)],
        [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)],
    ]
    for command in commands:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            return f"its packages cannot be installed: {last_line(done.stderr)}"
    installed.write_bytes(REQUIREMENTS.read_bytes())
    return ""


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][:200]


def write_works(scratch: Path, judged: list[Any], documents: int) -> dict[str, Path]:
    """One file for each set, and one for the times, whose queries are the sets' by turns."""
    works = {}
    for item in judged:
        rows = list(zip(item.contexts, item.texts, strict=True))
        works[item.name] = scratch / f"{item.name}.json"
        work = {"passages": rows, "queries": item.queries, "known": item.others, "top_k": TOP_K}
        works[item.name].write_text(json.dumps(work), encoding="utf-8")
    if documents:
        rows = [row for item in judged for row in zip(item.contexts, item.texts, strict=True)][:documents]
        queries = list(dict.fromkeys(query for item in judged for query in item.queries[:100]))
        works[""] = scratch / "times.json"
        works[""].write_text(json.dumps({"passages": rows, "queries": queries, "top_k": TOP_K}), encoding="utf-8")
    return works


def measure(name: str, works: dict[str, Path], venv: Path, problem: str) -> dict[str, Figures]:
    """What a system did with each file, or {"n/a": reason}."""
    outcomes: dict[str, Figures] = {}
    for work, path in works.items():
        if problem and name not in OWN:
            outcomes[work] = {"n/a": problem}
            continue
        print(f"{name}: {work or 'times'}", file=sys.stderr)
        output = path.with_suffix(".run")
        command = [python_of(name, venv), str(SYSTEMS_FILE), name, str(path), str(output)]
        try:
            done = subprocess.run(
                command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, timeout=LONGEST_S, check=False
            )
        except subprocess.TimeoutExpired:
            outcomes[work] = {"n/a": f"it took longer than {LONGEST_S} s"}
            continue
        outcomes[work] = {"n/a": last_line(done.stderr)} if done.returncode else summary(json.loads(output.read_bytes()), path)
        if name in OWN:
            print(done.stderr, end="", file=sys.stderr)
    return outcomes


def summary(run: Figures, work: Path) -> Figures:
    import numpy as np

    passages = len(json.loads(work.read_bytes())["passages"])
    return {
        "passages": passages, "passages_per_s": round(passages / run["seconds"], 1), "memory_mb": round(run["memory_mb"]),
        "p50_ms": round(float(np.percentile(run["ms"], 50)), 2), "p95_ms": round(float(np.percentile(run["ms"], 95)), 2),
        "found": run["found"],
    }  # fmt: skip


def score(judged: Any, table: dict[str, dict[str, Figures]], venv: Path, scratch: Path, problem: str) -> None:
    """Put the measures of this set into the table. RuntimeError when pytrec_eval measures something else."""
    from retrieval.metrics import ndcg_at_k, recall_at_k

    qrels = judged.named_qrels()
    runs = {
        name: {str(query): {str(place): -float(rank) for rank, place in enumerate(places)} for query, places in enumerate(found)}
        for name, outcomes in table.items()
        if (found := outcomes[judged.name].pop("found", None)) is not None
    }
    for name, run in runs.items():
        figures = {"ndcg@10": ndcg_at_k(run, qrels, TOP_K), "recall@10": recall_at_k(run, qrels, TOP_K)}
        table[name][judged.name] |= {measure: round(100 * value, 2) for measure, value in figures.items()}
    if problem or not runs:
        return
    file = scratch / "runs.json"
    file.write_text(json.dumps({"qrels": qrels, "runs": runs}), encoding="utf-8")
    subprocess.run([python_of("", venv), str(SYSTEMS_FILE), "check", str(file), str(file)], check=True)
    for name, measured in json.loads(file.read_bytes()).items():
        own = [ndcg_at_k(runs[name], qrels, TOP_K), recall_at_k(runs[name], qrels, TOP_K)]
        if any(abs(one - other) > AGREEMENT for one, other in zip(own, measured, strict=True)):
            raise RuntimeError(f"{judged.name}, {name}: {own} by the product's measures, {measured} by pytrec_eval")


def print_table(sets: list[str], table: dict[str, dict[str, Figures]], documents: int) -> None:
    if sets:
        print("| system | set | nDCG@10 | Recall@10 | passages/s |\n|---|---|---|---|---|")
    for name in sets:
        for system, outcomes in table.items():
            row = outcomes[name]
            shown = [f"n/a: {row['n/a']}", "", ""] if "n/a" in row else [row["ndcg@10"], row["recall@10"], row["passages_per_s"]]
            print("| " + " | ".join(str(cell) for cell in (system, name, *shown)) + " |")
    if documents:
        print(
            f"\n| system, {documents} passages at most | passages/s | query p50 ms | p95 ms | memory MB |\n|---|---|---|---|---|"
        )
        for system, outcomes in table.items():
            row = outcomes[""]
            keys = ("passages_per_s", "p50_ms", "p95_ms", "memory_mb")
            shown = [f"n/a: {row['n/a']}", "", "", ""] if "n/a" in row else [row[key] for key in keys]
            print("| " + " | ".join(str(cell) for cell in (system, *shown)) + " |")


if __name__ == "__main__":
    main()
