"""Opens many answer streams at once on one web process, and other pages meanwhile.

    python benchmarks/streams.py [--streams 200]

Runs the server on an empty data folder with the demo organization. Prints JSON; exit status 1 when a stream was dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PEOPLE = 50
QUESTIONS = ["How many days of annual leave are there?", "What does E-417 mean?", "Who repairs a laptop?", "What is a gateway?"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    arguments = parser.parse_args()
    import tests.environment  # noqa: F401 - makes a data folder of its own
    from tests.flows.installation import Installation

    installation = Installation().prepare()
    installation.manage("load_demo")
    started = time.perf_counter()
    installation.start()
    start_s = time.perf_counter() - started
    try:
        cookies = sign_in(installation)
        figures = asyncio.run(measure(installation.url, cookies, arguments.streams))
    finally:
        installation.stop()
    figures["start_to_first_page_s"] = round(start_s, 2)
    print(json.dumps(figures, indent=2))
    sys.exit(figures["finished"] != arguments.streams)


def sign_in(installation: object) -> list[dict[str, str]]:
    """Sessions of PEOPLE people, made in the database: signing in is not what is measured."""
    script = (
        "import json\nfrom django.contrib.auth import get_user_model\n"
        "from django.contrib.sessions.backends.db import SessionStore\n"
        "U = get_user_model()\nout = []\n"
        f"for number in range({PEOPLE}):\n"
        "    user, _ = U.objects.get_or_create(username=f'reader{number}')\n"
        "    store = SessionStore()\n"
        "    store['_auth_user_id'] = str(user.pk)\n"
        "    store['_auth_user_backend'] = 'django.contrib.auth.backends.ModelBackend'\n"
        "    store['_auth_user_hash'] = user.get_session_auth_hash()\n"
        "    store.create()\n    out.append(store.session_key)\nprint(json.dumps(out))"
    )
    printed = installation.manage("shell", "-v", "0", "-c", script)  # type: ignore[attr-defined]
    return [{"sessionid": key} for key in json.loads(printed.strip().splitlines()[-1])]


async def measure(url: str, cookies: list[dict[str, str]], streams: int) -> dict[str, object]:
    limits = httpx.Limits(max_connections=streams + 20, max_keepalive_connections=streams + 20)
    async with httpx.AsyncClient(base_url=url, timeout=180, limits=limits) as client:
        clients = [httpx.Cookies(cookie) for cookie in cookies]
        answers = await asyncio.gather(*(ask(client, clients[number % PEOPLE], number) for number in range(streams)))
        done = asyncio.Event()
        pages = asyncio.create_task(browse(client, clients[0], done))
        started = time.perf_counter()
        results = await asyncio.gather(*(follow(client, *answer) for answer in answers))
        seconds = time.perf_counter() - started
        done.set()
        times = sorted(await pages)
    return {
        "streams": streams,
        "finished": sum(results),
        "all_finished_after_s": round(seconds, 2),
        "other_pages": len(times),
        "other_pages_p50_ms": round(times[len(times) // 2] * 1000, 1),
        "other_pages_max_ms": round(times[-1] * 1000, 1),
    }


async def ask(client: httpx.AsyncClient, cookies: httpx.Cookies, number: int) -> tuple[httpx.Cookies, str]:
    page = await client.get("/", cookies=cookies)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token, page.status_code
    sent = httpx.Cookies({**dict(cookies), "csrftoken": page.cookies["csrftoken"]})
    question = f"{QUESTIONS[number % len(QUESTIONS)]} ({number})"
    response = await client.post("/ask", data={"question": question, "csrfmiddlewaretoken": token[1]}, cookies=sent)
    assert response.status_code == 302, response.text[:500]
    return cookies, response.headers["Location"].rpartition("#turn-")[2]


async def follow(client: httpx.AsyncClient, cookies: httpx.Cookies, answer: str) -> bool:
    """Whether the stream came to its end with an answer."""
    async with client.stream("GET", f"/answers/{answer}/stream", cookies=cookies) as response:
        text = "".join([part async for part in response.aiter_text()])
    return response.status_code == 200 and "event: done" in text


async def browse(client: httpx.AsyncClient, cookies: httpx.Cookies, done: asyncio.Event) -> list[float]:
    times = []
    while not done.is_set():
        started = time.perf_counter()
        response = await client.get("/", cookies=cookies)
        assert response.status_code == 200
        times.append(time.perf_counter() - started)
        await asyncio.sleep(0.05)
    return times or [0.0]


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
