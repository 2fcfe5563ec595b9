"""What the API's door adds to an answer, and many streams through it at once on one web process.

    python benchmarks/api.py [--questions 40] [--streams 100]

Runs the server on an empty data folder with the demo organization. Prints JSON; exit status 1 when a stream was dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PEOPLE = 25
QUESTIONS = ["How many days of annual leave are there?", "What does E-417 mean?", "Who repairs a laptop?", "What is a gateway?"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--streams", type=int, default=100)
    arguments = parser.parse_args()
    import tests.environment  # noqa: F401 - makes a data folder of its own
    from tests.flows.installation import Installation

    installation = Installation(environment={"API_REQUESTS_PER_MINUTE": "100000"}).prepare()
    installation.manage("load_demo")
    secrets = make_tokens(installation)
    installation.start()
    try:
        figures = overhead(installation.url, secrets[0], arguments.questions)
        figures |= asyncio.run(streams(installation.url, secrets, arguments.streams))
    finally:
        installation.stop()
    print(json.dumps(figures, indent=2))
    sys.exit(figures["finished"] != arguments.streams)


def make_tokens(installation: object) -> list[str]:
    """One for each of PEOPLE people: one person may have five open questions."""
    script = (
        "import json\nfrom django.contrib.auth.models import User\nfrom assistant.api.tokens import create_token\nout = []\n"
        f"for number in range({PEOPLE}):\n"
        "    user, _ = User.objects.get_or_create(username=f'reader{number}')\n"
        "    out.append(create_token(user=user, name='benchmark', scopes=['ask'], days=1)[1])\nprint(json.dumps(out))"
    )
    printed = installation.manage("shell", "-v", "0", "-c", script)  # type: ignore[attr-defined]
    return list(json.loads(printed.strip().splitlines()[-1]))


def body(number: int, **more: object) -> dict[str, object]:
    question = f"{QUESTIONS[number % len(QUESTIONS)]} ({number})"  # never the same, so that nothing is remembered
    return {"model": "intramural", "messages": [{"role": "user", "content": question}], **more}


def overhead(url: str, secret: str, questions: int) -> dict[str, object]:
    """The time of a request less the time that the answer path says it took, one after another."""
    extra, whole = [], []
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as client:
        for number in range(questions + 5):
            started = time.perf_counter()
            reply = client.post("/v1/chat/completions", json=body(number))
            took = (time.perf_counter() - started) * 1000
            reply.raise_for_status()
            if number >= 5:  # the first ones load the models
                whole.append(took)
                extra.append(took - reply.json()["intramural"]["timings_ms"]["total"])
    whole.sort()
    extra.sort()
    middle, late = len(extra) // 2, int(len(extra) * 0.95)
    return {
        "questions": questions,
        "whole_p50_ms": round(whole[middle], 1),
        "door_p50_ms": round(extra[middle], 1),
        "door_p95_ms": round(extra[late], 1),
    }


async def streams(url: str, secrets: list[str], count: int) -> dict[str, object]:
    limits = httpx.Limits(max_connections=count, max_keepalive_connections=count)
    async with httpx.AsyncClient(base_url=url, timeout=180, limits=limits) as client:
        started = time.perf_counter()
        results = await asyncio.gather(*(follow(client, secrets[number % len(secrets)], number) for number in range(count)))
        seconds = time.perf_counter() - started
    return {"streams": count, "finished": sum(results), "all_finished_after_s": round(seconds, 2)}


async def follow(client: httpx.AsyncClient, secret: str, number: int) -> bool:
    """Whether the stream came to its end with an answer or a refusal."""
    headers = {"Authorization": f"Bearer {secret}"}
    async with client.stream("POST", "/v1/chat/completions", json=body(number, stream=True), headers=headers) as response:
        text = "".join([part async for part in response.aiter_text()])
    return response.status_code == 200 and '"finish_reason": "stop"' in text and text.endswith("data: [DONE]\n\n")


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
