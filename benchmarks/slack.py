"""Slack's events over HTTP, with a worker that answers meanwhile, on one SQLite file: how soon each is acknowledged at fifty in a
second, and whether each is answered exactly once through duplicates, reordering and two workers killed with -9.

    python benchmarks/slack.py [--events 1000] [--rate 50] [--burst 400]

Runs a web process and a worker (manage.py run_slack) on an empty data folder, against a Slack of our own on loopback. The first
events come in a burst at the full rate, during which the time is taken; the others as fast as the queue allows. A quarter of all
is told twice or three times, and none in its order. Prints JSON; exit status 1 when an event was answered never or twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PEOPLE = 200  # of whom one may ask ten times in a minute
QUESTIONS = ["How many days of paid annual leave are there?", "How long does parental leave last?", "When do unused days expire?"]
DOCUMENT = """# Leave policy

## Annual leave

Full-time employees receive 27 days of paid annual leave per calendar year. Unused days expire on 31 March of the next year.

## Parental leave

Parental leave lasts 18 weeks at full pay and can be taken in up to three parts.
"""
MAKE = f"""
from django.contrib.auth.models import User
from ingestion.models import Corpus
Corpus.objects.update(is_for_slack=True)
User.objects.bulk_create(User(username=f"p{{n}}", email=f"p{{n}}@example.org") for n in range({PEOPLE}))
"""
MOST_AHEAD = 300  # events that wait while more are sent: beyond five hundred the product says that it is busy
PATIENCE_S = 1800


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=50.0, help="events in a second, duplicates among them")
    parser.add_argument("--burst", type=int, default=400, help="events that come at that rate; the queue takes five hundred")
    arguments = parser.parse_args()
    import tests.environment  # noqa: F401 - makes a data folder of its own
    from tests.slack_server import slack_server

    with slack_server() as served:
        figures = run(served, arguments.events, arguments.rate, min(arguments.burst, arguments.events))
    print(json.dumps(figures, indent=2))
    sys.exit(figures["answered_once"] != arguments.events)


def run(served: Any, count: int, rate: float, burst: int) -> dict[str, Any]:
    from tests.flows.installation import free_port
    from tests.slack_server import SECRET

    populate(served)
    port = free_port()
    environment = {
        **os.environ, "SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": SECRET, "SLACK_API_URL": served.url,
        "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    prepare(environment)
    web = start(["-m", "uvicorn", "config.asgi:application", "--port", str(port), "--no-access-log"], environment)
    worker = start(["manage.py", "run_slack"], environment)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(url)
        told = tellings(count, burst)
        started = time.monotonic()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as sender:
            sending = sender.submit(send_at, url, told[0], rate)
            at_once = sending.result()
            rest, kills = list(told[1]), [count // 4, count // 2]
            while sum(answered(served).values()) < count and time.monotonic() - started < PATIENCE_S:
                done = len(answered(served))
                if kills and done >= kills[0]:
                    kills.pop(0)
                    os.kill(worker.pid, signal.SIGKILL)
                    worker.wait()
                    worker = start(["manage.py", "run_slack"], environment)
                ahead = burst + (len(told[1]) - len(rest)) * (count - burst) // max(len(told[1]), 1) - done
                some = max(0, min(MOST_AHEAD - ahead, len(rest), 50))
                if some:
                    sender.submit(send_at, url, rest[:some], rate).result()
                    rest = rest[some:]
                else:
                    time.sleep(0.5)
        return report(served, count, told, at_once, time.monotonic() - started, 2 - len(kills))
    finally:
        for process in (web, worker):
            process.kill()
            process.wait()


def populate(served: Any) -> None:
    from tests.slack_server import BOT

    for number in range(PEOPLE):
        served.add_user(f"U{number}", f"p{number}@example.org")
        served.add_channel(f"C{number}", [f"U{number}"])
    served.add_user(BOT, "", is_bot=True)


def prepare(environment: dict[str, str]) -> None:
    folder = Path(environment["INTRAMURAL_DATA"]) / "documents"
    folder.mkdir()
    (folder / "leave.md").write_text(DOCUMENT)
    commands = [
        ["migrate", "--verbosity", "0"], ["collectstatic", "--noinput", "--verbosity", "0"],
        ["create_person", "ada", "--admin"], ["import_folder", str(folder), "--corpus", "Handbook"],
        ["shell", "-v", "0", "-c", MAKE],
    ]  # fmt: skip
    for command in commands:
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def start(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=sys.stderr)


def wait_until_up(url: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"{url}/health/").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("The web process did not start.")


def tellings(count: int, burst: int) -> tuple[list[str], list[str]]:
    """The bodies in the order in which they are sent: those of the burst, and the others."""
    chance = random.Random(7)
    parts = []
    for numbers in (range(burst), range(burst, count)):
        copies = [number for number in numbers for _ in range(chance.choice((1, 1, 1, 1, 1, 1, 2, 3)))]
        chance.shuffle(copies)
        parts.append([body(number) for number in copies])
    return parts[0], parts[1]


def body(number: int) -> str:
    from tests.slack_server import BOT, event_body

    place, text = number % PEOPLE, QUESTIONS[number % len(QUESTIONS)]
    event = {"type": "app_mention", "user": f"U{place}", "channel": f"C{place}", "ts": f"{number}.1", "text": f"<@{BOT}> {text}"}
    return json.dumps(event_body(event, event_id=f"Ev{number}"))


def send_at(url: str, bodies: list[str], rate: float) -> list[tuple[int, float]]:
    """Each at its time, whatever became of those before it. Returns the statuses and the milliseconds."""
    from tests.slack_server import signed

    async def one(client: httpx.AsyncClient, text: str, at: float) -> tuple[int, float]:
        await asyncio.sleep(at)
        started = time.perf_counter()
        headers = {**signed(text), "Content-Type": "application/json"}
        reply = await client.post("/slack/events", content=text, headers=headers)
        return reply.status_code, (time.perf_counter() - started) * 1000

    async def all_of_them() -> list[tuple[int, float]]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
            return list(await asyncio.gather(*(one(client, text, place / rate) for place, text in enumerate(bodies))))

    return asyncio.run(all_of_them())


def answered(served: Any) -> Counter[tuple[str, str]]:
    """How often each message has an answer in its thread now."""
    return Counter(
        (channel, message["thread_ts"])
        for channel, messages in dict(served.messages).items()
        for message in list(messages.values())
    )


def report(
    served: Any, count: int, told: tuple[list[str], list[str]], at_once: list[tuple[int, float]], took: float, kills: int
) -> dict[str, Any]:
    times = sorted(ms for _, ms in at_once)
    replies = answered(served)
    right = sum(
        "27 days" in str(m) or "18 weeks" in str(m) or "31 March" in str(m) for c in served.messages.values() for m in c.values()
    )
    return {
        "events": count,
        "tellings": len(told[0]) + len(told[1]),
        "workers_killed": kills,
        "answered_once": sum(times == 1 for times in replies.values()),
        "answered_more_than_once": sum(times > 1 for times in replies.values()),
        "with_the_right_words": right,
        "acknowledged_at_the_rate": sum(status == 200 for status, _ in at_once),
        "sent_at_the_rate": len(at_once),
        "acknowledgement_p50_ms": round(times[len(times) // 2], 1),
        "acknowledgement_p95_ms": round(times[int(len(times) * 0.95)], 1),
        "acknowledgement_p99_ms": round(times[int(len(times) * 0.99)], 1),
        "acknowledgement_max_ms": round(times[-1], 1),
        "seconds": round(took, 1),
    }


if __name__ == "__main__":
    main()
