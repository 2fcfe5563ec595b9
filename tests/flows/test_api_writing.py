"""A language model behind the API: named as a model, streamed sentence by sentence, and stopped when the program goes away."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing

import openai
import pytest

from tests.flows.conftest import secret_for
from tests.flows.installation import Installation, wait_for
from tests.flows.test_language_model import about_leave
from tests.model_server import ModelServer, model_server
from tests.people import LEAVE

pytestmark = pytest.mark.slow
QUESTION = "How long is parental leave, and how is it paid?"


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server(about_leave) as served:
        yield served


@pytest.fixture(scope="module")
def installation(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation({"LANGUAGE_MODEL_URL": server.url, "LANGUAGE_MODEL_NAME": "house-7b"}).prepare()
    folder = tmp_path_factory.mktemp("documents")
    (folder / "leave.md").write_text(LEAVE)
    made.create_people({"ada": ["--admin"]}, ["import_folder", str(folder), "--corpus", "Handbook"])
    made.start()
    yield made
    made.stop()


@pytest.fixture
def client(installation: Installation) -> Iterator[openai.OpenAI]:
    secret = secret_for(installation, "ada")
    with openai.OpenAI(base_url=f"{installation.url}/v1", api_key=secret, max_retries=0) as opened:
        yield opened


def rows(installation: Installation, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{installation.data}/intramural.sqlite3?mode=ro", uri=True)) as database:
        return database.execute(sql).fetchall()


def ask(client: openai.OpenAI) -> openai.Stream[openai.types.chat.ChatCompletionChunk]:
    messages = [{"role": "user", "content": QUESTION}]
    return client.chat.completions.create(model="intramural-specialist", messages=messages, stream=True)  # type: ignore[arg-type]


def test_it_writes_with_the_model_that_is_named(client: openai.OpenAI, server: ModelServer) -> None:
    server.answer = about_leave
    chunks = list(ask(client))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Parental leave lasts 18 weeks at full pay. [1]"
    about = (chunks[-1].model_extra or {})["intramural"]
    assert (about["route"], about["status"]) == ("specialist", "answered")
    assert about["citations"][0]["quote"] in LEAVE


def test_it_shows_each_sentence_as_it_comes_and_stops_when_the_program_goes_away(
    client: openai.OpenAI, server: ModelServer, installation: Installation
) -> None:
    goes_on = threading.Event()
    more = ("It can be taken in up to three parts [1]. ", "And so on. ")
    server.answer = lambda request: about_leave(request, *more, waits_for=goes_on)
    before = rows(installation, "SELECT max(id) FROM assistant_tieruse")[0][0] or 0
    stream = ask(client)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            assert chunk.choices[0].delta.content.startswith("Parental leave lasts 18 weeks")
            break
    stream.close()
    newest = "SELECT state FROM assistant_answer ORDER BY id DESC LIMIT 1"
    wait_for(lambda: rows(installation, newest) == [("stopped",)], "the answer to be stopped", 20)
    goes_on.set()
    tried = f"SELECT tokens_out FROM assistant_tieruse WHERE id > {before}"
    wait_for(lambda: rows(installation, tried), "its try", 20)
    assert rows(installation, tried)[0][0]  # what went out counts


def test_it_gives_no_sentence_that_was_withdrawn(client: openai.OpenAI, server: ModelServer) -> None:
    """A sentence that holds, then two that no passage supports: what is left would say something else than was written."""
    wrong = ("The canteen opens at 7 on Mars [1]. ", "Every dog receives 400 euros [1]. ", "The moon is closed on Sundays [1]. ")
    server.answer = lambda request: about_leave(request, *wrong)
    messages = [{"role": "user", "content": QUESTION}]
    whole = client.chat.completions.create(model="intramural-specialist", messages=messages)  # type: ignore[arg-type]
    content = whole.choices[0].message.content or ""
    about = (whole.model_extra or {})["intramural"]
    assert about["route"] == "reader"
    assert not content.startswith("Parental leave lasts 18 weeks at full pay.")
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in ask(client))
    assert streamed.endswith(f"The words above are withdrawn: no document that you may read supports them.\n\n{content}")


def test_it_tells_nothing_more_once_the_token_has_ended(
    client: openai.OpenAI, server: ModelServer, installation: Installation
) -> None:
    goes_on = threading.Event()
    more = ("It can be taken in up to three parts [1]. ", " ")
    server.answer = lambda request: about_leave(request, *more, waits_for=goes_on)
    stream = ask(client)
    told = ""
    for chunk in stream:
        told += chunk.choices[0].delta.content or ""
        if told:
            break
    end = "from assistant.api.models import ApiToken; from assistant.api.tokens import revoke_token; "
    installation.manage("shell", "-v", "0", "-c", end + "revoke_token(token=ApiToken.objects.order_by('pk').last())")
    goes_on.set()
    with pytest.raises(openai.APIError, match="access to it has ended"):
        list(stream)
    assert "[1]" in told
