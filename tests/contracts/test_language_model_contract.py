"""What every backend of the LanguageModel seam does: the server's client, and the model in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from specialists.errors import SpecialistError
from specialists.language_models.local_folder import LocalFolder
from specialists.language_models.openai_server import OpenAIServer
from specialists.language_models.types import End, LanguageModel, Message, Piece, Waiting
from specialists.structured import fields_schema
from tests.model_server import Reply, Request, model_server
from tests.tiny_language_model import ADAPTERS, HELLO, house_model

pytestmark = pytest.mark.slow
ASKED = (Message("system", "Be brief."), Message("user", "Hello?"))
WINDOW = 1024


def served(request: Request) -> Reply:
    """As vLLM: an adapter by its name, at most so many tokens, no prompt beyond the window, JSON where a schema asks for it."""
    if "response_format" in request:
        return Reply(list(json.dumps({"words": HELLO})))
    if len(str(request["messages"])) > 4 * WINDOW:
        return Reply(status=400, raw=b'{"message": "exceeds the maximum context length"}')
    said = ADAPTERS.get(request["model"], HELLO)
    most = request["max_tokens"]
    return Reply(list(said)[:most], finish="length" if most < len(said) else "stop")


@pytest.fixture(scope="module", params=["server", "folder"])
def model(request: pytest.FixtureRequest) -> Iterator[LanguageModel]:
    if request.param == "server":
        with model_server(served) as server:
            yield OpenAIServer(url=server.url, model="house-tiny", window=WINDOW, adapters=tuple(ADAPTERS), timeout_s=20)
        return
    folder, adapters = house_model()
    yield LocalFolder(folder=str(folder), adapters=str(adapters), window=WINDOW)


def ask(model: LanguageModel, adapter: str = "", most_tokens: int = 100) -> tuple[str, End]:
    said = model.generate(ASKED, most_tokens=most_tokens, adapter=adapter)
    *pieces, end = [item for item in said if not isinstance(item, Waiting)]  # its place in the line, where others ask as well
    assert isinstance(end, End)
    assert all(isinstance(piece, Piece) and piece.text for piece in pieces)
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece)), end


def test_it_has_a_name_and_a_window(model: LanguageModel) -> None:
    assert (model.name, model.window) == ("house-tiny", WINDOW)


def test_it_streams_its_answer_in_order(model: LanguageModel) -> None:
    pieces = [piece.text for piece in model.generate(ASKED, most_tokens=100) if isinstance(piece, Piece)]

    assert len(pieces) > 5
    assert "".join(pieces) == HELLO
    assert not any("\ufffd" in piece for piece in pieces)  # never half a character


def test_it_says_what_it_took_and_why_it_ended(model: LanguageModel) -> None:
    _, end = ask(model)

    assert end.reason == "stop"
    assert end.tokens_in > 0
    assert end.tokens_out > 0


def test_it_ends_at_the_limit_of_tokens(model: LanguageModel) -> None:
    text, end = ask(model, most_tokens=4)

    assert (end.reason, end.tokens_out) == ("length", 4)
    assert HELLO.startswith(text)
    assert 0 < len(text) < len(HELLO)


def test_it_stops_when_nobody_reads_on_and_answers_the_next(model: LanguageModel) -> None:
    for _ in range(6):  # more often than there are places
        answer = model.generate(ASKED, most_tokens=100)
        next(answer)
        answer.close()  # type: ignore[attr-defined]

    assert ask(model)[0] == HELLO


def test_each_request_chooses_its_adapter_and_the_model_stays_itself(model: LanguageModel) -> None:
    assert set(model.adapters) == set(ADAPTERS)
    for adapter in ("", "formal", "casual", "", "casual", "formal", ""):
        assert ask(model, adapter)[0] == ADAPTERS.get(adapter, HELLO)


def test_an_answer_that_was_stopped_leaves_nothing_of_its_adapter(model: LanguageModel) -> None:
    answer = model.generate(ASKED, most_tokens=100, adapter="formal")
    next(answer)
    answer.close()  # type: ignore[attr-defined]

    assert ask(model)[0] == HELLO


def test_requests_at_the_same_time_never_mix_their_adapters(model: LanguageModel) -> None:
    wanted = ["", "formal", "casual"] * 4
    said: dict[int, str] = {}

    def work(number: int) -> None:
        said[number] = ask(model, wanted[number])[0]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [said.get(number) for number in range(len(wanted))] == [ADAPTERS.get(adapter, HELLO) for adapter in wanted]


@pytest.mark.parametrize(
    ("options", "asked", "code"),
    [
        ({"adapter": "french"}, ASKED, "adapter_unknown"),
        ({}, (Message("user", "word " * 5 * WINDOW),), "prompt_too_long"),
    ],
)
def test_what_it_cannot_do_is_a_sentence(model: LanguageModel, options: Any, asked: Any, code: str) -> None:
    with pytest.raises(SpecialistError) as failed:
        list(model.generate(asked, most_tokens=20, **options))

    assert (failed.value.code, failed.value.permanent) == (code, True)
    assert failed.value.public_message.endswith(".")
    assert ask(model)[0] == HELLO


def test_it_keeps_to_a_schema_or_says_that_it_takes_none(model: LanguageModel) -> None:
    schema = fields_schema("words")
    if model.takes_schemas:
        pieces = [piece.text for piece in model.generate(ASKED, most_tokens=100, schema=schema) if isinstance(piece, Piece)]
        assert json.loads("".join(pieces)).keys() == {"words"}
    else:
        with pytest.raises(SpecialistError) as refused:
            list(model.generate(ASKED, most_tokens=100, schema=schema))
        assert (refused.value.code, refused.value.permanent) == ("schema_refused", True)
    assert model.takes_schemas == isinstance(model, OpenAIServer)
    assert ask(model)[0] == HELLO


def test_it_counts_tokens_and_never_too_few(model: LanguageModel) -> None:
    *_, end = model.generate(ASKED, most_tokens=1)
    contents = sum(model.count_tokens(message.content) for message in ASKED)

    assert model.count_tokens("") == 0
    assert model.count_tokens("half a pair \ud800") > 0
    assert isinstance(end, End)
    if isinstance(model, LocalFolder):
        assert end.tokens_in == contents + 5  # two beginnings and ends of a message, and the beginning of the answer
    else:
        assert contents >= 4


def test_it_can_be_loaded_before_the_first_question(model: LanguageModel) -> None:
    model.warm_up()
    assert ask(model)[0] == HELLO
