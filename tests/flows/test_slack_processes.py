from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.environment import ROOT
from tests.flows.installation import Installation, wait_for
from tests.people import LEAVE
from tests.slack_server import BOT, SlackServer, event_body, slack_server
from tests.slack_socket import SlackSocket, slack_socket

QUESTIONS = 24
MAKE = f"""
from django.contrib.auth.models import User
from ingestion.models import Corpus
Corpus.objects.update(is_for_slack=True)
User.objects.bulk_create(User(username=f"p{{n}}", email=f"p{{n}}@example.org") for n in range({QUESTIONS + 1}))
"""


@pytest.fixture(scope="module")
def workspace() -> Iterator[tuple[SlackServer, SlackSocket]]:
    with slack_server() as served, slack_socket() as socket:
        served.before = lambda call: (
            (200, {}, {"ok": True, "url": socket.url}) if call.method == "apps.connections.open" else None
        )
        for number in range(QUESTIONS + 1):
            served.add_user(f"U{number}", f"p{number}@example.org")
            served.add_channel(f"C{number}", [f"U{number}"])
        served.add_user(BOT, "", is_bot=True)
        yield served, socket


@pytest.fixture(scope="module")
def installation(workspace: tuple[SlackServer, SlackSocket], tmp_path_factory: pytest.TempPathFactory) -> Installation:
    served, _ = workspace
    made = Installation({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "SLACK_API_URL": served.url}).prepare()
    folder = tmp_path_factory.mktemp("documents")
    (folder / "leave.md").write_text(LEAVE)
    made.create_people(
        {"ada": ["--admin"]}, ["import_folder", str(folder), "--corpus", "Handbook"], ["shell", "-v", "0", "-c", MAKE]
    )
    return made


@contextmanager
def answering(installation: Installation) -> Iterator[subprocess.Popen[bytes]]:
    with Path(installation.log).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_slack"], cwd=ROOT, env=installation._environment(), stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)


def mention(number: int) -> dict[str, Any]:
    text = f"<@{BOT}> How many days of paid annual leave do full-time employees receive?"
    event = {"type": "app_mention", "user": f"U{number}", "channel": f"C{number}", "ts": f"{number}.1", "text": text}
    return event_body(event, event_id=f"Ev{number}")


def posted(served: SlackServer) -> int:
    return sum(len(messages) for messages in served.messages.values())


@pytest.mark.slow
def test_it_answers_each_question_once_through_duplicates_and_two_killed_workers(
    workspace: tuple[SlackServer, SlackSocket], installation: Installation
) -> None:
    served, socket = workspace
    told = [(number, copy) for number in range(QUESTIONS) for copy in range(2)]
    random.Random(5).shuffle(told)
    with answering(installation) as process:
        for number, copy in told:
            socket.tell(f"E{number}-{copy}", "events_api", mention(number))
        wait_for(lambda: posted(served) >= 5, "some answers", 120)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    with answering(installation) as process:
        wait_for(lambda: posted(served) >= 12, "more answers", 120)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    with answering(installation):
        wait_for(lambda: posted(served) >= QUESTIONS and not socket.waiting, "all answers", 120)
        wait_for(lambda: served.reactions.count("white_check_mark") >= QUESTIONS, "the end of all", 60)
    assert {channel: len(messages) for channel, messages in served.messages.items()} == {
        f"C{number}": 1 for number in range(QUESTIONS)
    }
    assert all("27 days" in str(message["blocks"]) for messages in served.messages.values() for message in messages.values())


@pytest.mark.slow
def test_it_acknowledges_a_command_with_a_sentence_and_ends_when_it_is_asked_to(
    workspace: tuple[SlackServer, SlackSocket], installation: Installation
) -> None:
    served, socket = workspace
    command = {
        "command": "/ask", "text": "How long does parental leave last?", "user_id": f"U{QUESTIONS}", "team_id": "T1",
        "channel_id": f"C{QUESTIONS}", "trigger_id": "t1", "response_url": served.url.replace("/api/", "/response"),
    }  # fmt: skip
    with answering(installation) as process:
        socket.tell("E-command", "slash_commands", command)
        wait_for(lambda: served.called("response"), "the answer", 120)
        assert socket.replies["E-command"] == {"response_type": "ephemeral", "text": "Searching…"}
        assert "18 weeks" in served.called("response")[0].words
        process.terminate()
        assert process.wait(30) == 0
