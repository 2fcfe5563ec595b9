"""A language model behind the API: named as a model, streamed sentence by sentence, and stopped when the program goes away."""

from __future__ import annotations

import threading
from collections.abc import Iterator

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
def client(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    made = Installation({"LANGUAGE_MODEL_URL": server.url, "LANGUAGE_MODEL_NAME": "house-7b"}).prepare()
    folder = tmp_path_factory.mktemp("documents")
    (folder / "leave.md").write_text(LEAVE)
    made.create_person("ada", "--admin")
    made.manage("import_folder", str(folder), "--corpus", "Handbook")
    made.start()
    with openai.OpenAI(base_url=f"{made.url}/v1", api_key=secret_for(made, "ada"), max_retries=0) as opened:
        yield opened
    made.stop()


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
    client: openai.OpenAI, server: ModelServer
) -> None:
    goes_on = threading.Event()
    server.answer = lambda request: about_leave(
        request, "It can be taken in up to three parts [1]. ", "And so on. ", waits_for=goes_on
    )
    stream = ask(client)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            assert chunk.choices[0].delta.content.startswith("Parental leave lasts 18 weeks")
            break
    stream.close()
    web = client.with_options(base_url=str(client.base_url).replace("/v1/", "/api/"))

    def status() -> str:
        newest = web.get("conversations", cast_to=object)["conversations"][0]["id"]  # type: ignore[index]
        return str(web.get(f"conversations/{newest}", cast_to=object)["answers"][0]["status"])  # type: ignore[index]

    wait_for(lambda: status() == "stopped", "the answer to be stopped", 20)
    goes_on.set()
