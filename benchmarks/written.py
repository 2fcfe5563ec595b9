"""What the product adds around a language model's answer, and many such answers at once on one web process.

    python benchmarks/written.py [--questions 40] [--streams 100] [--tokens-per-second 20]

Runs the server on an empty data folder with the demo organization, and beside it, in a process of its own, a model's server that
writes sentences of the passages token by token at a fixed pace. Both note the time on the machine's one clock. Prints JSON; exit
status 1 when a stream was dropped. `written`: the answers of which the check left enough; the reader gave the others.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.streams import PEOPLE, browse, sign_in  # noqa: E402

QUESTION = "Tell me in your own words: {} (question {})"
ABOUT = ["how many days of annual leave are there?", "what does E-417 mean?", "who repairs a laptop?", "what is a gateway?"]
SENTENCES = 4  # of one answer
AT_ONCE = 1000  # from this number on the model waits until it has all the questions, and writes all the answers together
ASKED_AT_ONCE, TOGETHER_S = 8, 150.0
TICKS = os.sysconf("SC_CLK_TCK")
BEFORE = ("authorize", "route", "gate")  # stages before the model that are neither retrieval nor generation
RETRIEVAL = ("embed", "retrieve", "rerank")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--tokens-per-second", type=float, default=20.0)
    parser.add_argument("--be-model", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.be_model:
        be_model(arguments.be_model, arguments.tokens_per_second, arguments.streams)
        return
    import tests.environment  # noqa: F401 - makes a data folder of its own
    from tests.flows import installation as installations

    installations.START_S = 300  # where others use the machine
    installation = installations.Installation()
    notes = installation.data / "model.jsonl"
    with model(notes, arguments) as url:
        installation.environment = {
            "LANGUAGE_MODEL_URL": url, "LANGUAGE_MODEL_REQUESTS": str(arguments.streams), "LANGUAGE_MODEL_NAME": "paced",
            "DATABASE_POOL_SIZE": "12",
            "LANGUAGE_MODEL_TIMEOUT": "300",  # the first of many questions wait here until the last one is there
        }  # fmt: skip
        installation.prepare().manage("load_demo")
        add_rule(installation)
        try:
            installation.start()
            figures = asyncio.run(measure(installation, notes, arguments))
        finally:
            installation.stop()
    print(json.dumps(figures, indent=2))
    sys.exit(figures["at_once"]["finished"] != arguments.streams)


@contextmanager
def model(notes: Path, arguments: argparse.Namespace) -> Iterator[str]:
    options = ["--tokens-per-second", str(arguments.tokens_per_second), "--streams", str(arguments.streams)]
    command = [sys.executable, __file__, "--be-model", str(notes), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def be_model(notes: Path, rate: float, streams: int) -> None:
    from tests.model_server import Reply, Request, model_server

    lock, all_are_here = threading.Lock(), threading.Barrier(streams)

    def answer(request: Request) -> Reply:
        came = time.monotonic()
        prompt = request["messages"][1]["content"]
        found = re.search(r"\(question (\d+)\)", prompt)  # the demo's golden questions have no number
        return Reply(paced(words_of(prompt), int(found[1]) if found else -1, came))

    def paced(words: list[str], number: int, came: float) -> Iterator[str]:
        """A sentence is complete for its reader with the word after it."""
        made: list[float] = []
        if number >= AT_ONCE:
            with suppress(threading.BrokenBarrierError):  # some of them never came: the others go on
                all_are_here.wait(TOGETHER_S)
        for place, word in enumerate(words):
            if place:
                time.sleep(1 / rate)
            if place and words[place - 1].endswith("]. "):
                made.append(time.monotonic())
            yield word
        made.append(time.monotonic())
        with lock, notes.open("a") as file:
            file.write(json.dumps({"number": number, "came": came, "made": made}) + "\n")

    with model_server(answer) as served:
        print(served.url, flush=True)
        threading.Event().wait()


def words_of(prompt: str) -> list[str]:
    """Sentences of the passages, each with the number of its passage, word by word."""
    passages = re.findall(r'<passage number="(\d+)"[^>]*>\n(.*?)\n</passage>', prompt, re.DOTALL)
    found = [(sentence, number) for number, text in passages for sentence in re.findall(r"[A-Z][^.!?\n|#*]{30,200}(?=\.)", text)]
    text = " ".join(f"{sentence} [{number}]." for sentence, number in found[:SENTENCES])
    return [f"{word} " for word in text.split()]


def add_rule(installation: Any) -> None:
    script = (
        "from specialists.models import RoutingRule\n"
        "RoutingRule.objects.create(position=1, condition='phrase', value='in your own words', tier='specialist')"
    )
    installation.manage("shell", "-v", "0", "-c", script)


async def measure(installation: Any, notes: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    cookies = [httpx.Cookies(cookie) for cookie in sign_in(installation)]
    limits = httpx.Limits(max_connections=arguments.streams + 20, max_keepalive_connections=arguments.streams + 20)
    async with httpx.AsyncClient(base_url=installation.url, timeout=180, limits=limits) as client:
        token = await form_token(client, cookies[0])
        await one(client, cookies[0], token, 0)  # which loads the models
        single = [await one(client, cookies[0], token, number) for number in range(1, arguments.questions + 1)]
        tokens = {person: await form_token(client, cookies[person]) for person in range(min(PEOPLE, arguments.streams))}
        done = asyncio.Event()
        pages = asyncio.create_task(browse(client, cookies[0], done))
        cpu, started = cpu_of(installation), time.monotonic()
        numbers, asking = range(AT_ONCE, AT_ONCE + arguments.streams), asyncio.Semaphore(ASKED_AT_ONCE)
        people = [number % len(tokens) for number in numbers]
        asked = (one(client, cookies[who], tokens[who], n, asking) for who, n in zip(people, numbers, strict=True))
        many = await asyncio.gather(*asked)
        seconds, cpu = time.monotonic() - started, cpu_of(installation) - cpu
        done.set()
        browsed = await pages
    kept = recorded(installation)
    model_notes = {note["number"]: note for note in map(json.loads, notes.read_text().splitlines())}
    return {
        "one_by_one": one_by_one(single, model_notes, kept),
        "at_once": at_once(many, model_notes, kept) | {
            "seconds": round(seconds, 1), "web_cpu_s": round(cpu, 1), "other_pages_ms": spread(browsed, 1000),
        },
        "load_average": os.getloadavg()[0],
    }  # fmt: skip


async def form_token(client: httpx.AsyncClient, cookies: httpx.Cookies) -> str:
    page = await client.get("/", cookies=cookies)
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert found, page.status_code
    cookies.set("csrftoken", page.cookies["csrftoken"])
    return found[1]


async def one(
    client: httpx.AsyncClient, cookies: httpx.Cookies, token: str, number: int, asking: asyncio.Semaphore | None = None
) -> dict[str, Any]:  # fmt: skip
    """Asks as the page does, and notes when each sentence came."""
    data = {"question": QUESTION.format(ABOUT[number % len(ABOUT)], number), "csrfmiddlewaretoken": token}
    async with asking or asyncio.Semaphore(1):
        asked = time.monotonic()
        response = await client.post("/ask", data=data, cookies=cookies)
    assert response.status_code == 302, response.text[:500]
    answer, came, text = response.headers["Location"].rpartition("#turn-")[2], [], ""
    async with client.stream("GET", f"/answers/{answer}/stream", cookies=cookies) as stream:
        async for part in stream.aiter_text():
            came += [time.monotonic()] * part.count("event: sentence")
            text += part
    return {"number": number, "answer": int(answer), "asked": asked, "came": came, "is_done": "event: done" in text}


def recorded(installation: Any) -> dict[int, dict[str, Any]]:
    script = (
        "import json\nfrom assistant.models import Answer\n"
        "print(json.dumps({row.pk: [row.route, row.timings_ms] for row in Answer.objects.all()}))"
    )
    printed = installation.manage("shell", "-v", "0", "-c", script)
    return {
        int(pk): {"route": route, "timings": timings} for pk, (route, timings) in json.loads(printed.splitlines()[-1]).items()
    }


def one_by_one(asked: Sequence[dict[str, Any]], notes: dict[int, Any], kept: dict[int, Any]) -> dict[str, Any]:
    around: list[float] = []
    stages: dict[str, list[float]] = {stage: [] for stage in (*BEFORE, *RETRIEVAL)}
    for item in asked:
        timings = kept[item["answer"]]["timings"]
        before = notes[item["number"]]["came"] - item["asked"]
        around.append(before * 1000 - sum(timings[stage] for stage in RETRIEVAL))
        for stage, values in stages.items():
            values.append(timings[stage])
    return {
        "questions": len(asked),
        "to_the_model_without_retrieval_ms": spread(around),
        "sentence_from_the_model_to_the_reader_ms": spread(delays(asked, notes), 1000),
        "stages_ms": {stage: spread(values) for stage, values in stages.items()},
    }


def at_once(asked: Sequence[dict[str, Any]], notes: dict[int, Any], kept: dict[int, Any]) -> dict[str, Any]:
    spans = [(notes[item["number"]]["came"], notes[item["number"]]["made"][-1]) for item in asked if item["number"] in notes]
    return {
        "streams": len(asked),
        "finished": sum(item["is_done"] for item in asked),
        "written": sum(kept[item["answer"]]["route"] == "specialist" for item in asked),
        "most_written_at_the_same_time": max(sum(start <= begin < end for start, end in spans) for begin, _ in spans),
        "sentences": sum(len(item["came"]) for item in asked),
        "sentence_from_the_model_to_the_reader_ms": spread(delays(asked, notes), 1000),
    }


def delays(asked: Sequence[dict[str, Any]], notes: dict[int, Any]) -> list[float]:
    """From when a sentence was complete to when its reader had it; of answers none of whose sentences was left out."""
    found = []
    for item in asked:
        made = notes[item["number"]]["made"]
        if len(made) == len(item["came"]):
            found += [came - at for came, at in zip(item["came"], made, strict=True)]
    return found


def spread(values: Sequence[float], scale: float = 1.0) -> dict[str, float]:
    ordered = sorted(value * scale for value in values) or [float("nan")]
    places = {"min": 0.0, "p50": 0.5, "p95": 0.95, "max": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) for name, share in places.items()}


def cpu_of(installation: Any) -> float:
    """Seconds of the web process."""
    for pid in installation._descendants():
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"uvicorn" in command:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / TICKS
    return 0.0


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
