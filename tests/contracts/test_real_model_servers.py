"""The client of a language model's server against real ones; each test is left out where its server is not there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from specialists.errors import SpecialistError
from specialists.language_models.breaker import Breaker
from specialists.language_models.chat import Chat
from specialists.language_models.local_folder import LocalFolder
from specialists.language_models.openai_server import OpenAIServer
from specialists.language_models.types import End, Message, Piece
from specialists.structured import fields_schema
from tests.flows.installation import wait_for
from tests.real_model_servers import (
    RealServer,
    llama_server,
    needs_llama,
    needs_serve,
    quantised,
    to_gguf,
    tokens_of,
    transformers_serve,
)
from tests.tiny_language_model import house_model, make_endless_model, make_model

pytestmark = pytest.mark.slow
ASKED = (Message("system", "Be brief."), Message("user", "Hello?"))
WINDOW = 2048
SAYS = "Parental leave lasts 18 weeks at full pay."
CLIENTS: list[OpenAIServer] = []
BOTH = [pytest.param("llama", marks=needs_llama), pytest.param("serve", marks=needs_serve)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "house-tiny", SAYS, family="llama")


@pytest.fixture(scope="module")
def words(folder: Path) -> str:
    """What the model says in this process."""
    pieces = LocalFolder(folder=str(folder)).generate(ASKED, most_tokens=60)
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece))


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_endless_model(tmp_path_factory.mktemp("endless") / "endless")


@pytest.fixture(scope="module")
def gguf(folder: Path) -> Path:
    return to_gguf(folder, folder.with_suffix(".gguf"))


@pytest.fixture(scope="module")
def endless_gguf(endless: Path) -> Path:
    return to_gguf(endless, endless.with_suffix(".gguf"))


@pytest.fixture(scope="module")
def servers(folder: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], RealServer]]:
    """Each is started once, when a test asks for it first."""
    with ExitStack() as opened:
        running: dict[str, RealServer] = {}

        def get(kind: str) -> RealServer:
            if kind not in running:
                is_llama = kind == "llama"
                server = llama_server(request.getfixturevalue("gguf"), window=WINDOW) if is_llama else transformers_serve(folder)
                running[kind] = opened.enter_context(server)
            return running[kind]

        yield get


@pytest.fixture(autouse=True)
def _no_open_connections() -> Iterator[None]:
    yield
    while CLIENTS:
        CLIENTS.pop()._client.close()


def client_of(server: RealServer, **options: Any) -> OpenAIServer:
    client = OpenAIServer(url=server.url, **{"model": server.name, "window": WINDOW, "timeout_s": 60.0, **options})
    CLIENTS.append(client)
    return client


def said_by(client: OpenAIServer, most_tokens: int = 60) -> tuple[list[str], End]:
    *pieces, end = list(client.generate(ASKED, most_tokens=most_tokens))
    assert isinstance(end, End)
    return [piece.text for piece in pieces if isinstance(piece, Piece)], end


def failure_of(client: OpenAIServer, text: str = "Hello?") -> SpecialistError:
    with pytest.raises(SpecialistError) as failed:
        list(client.generate([Message("user", text)], most_tokens=20))
    return failed.value


@pytest.mark.parametrize("kind", BOTH)
def test_it_streams_what_the_model_says_and_what_it_took(
    kind: str, servers: Callable[[str], RealServer], folder: Path, words: str
) -> None:  # fmt: skip
    pieces, end = said_by(client_of(servers(kind)))

    assert len(pieces) > 5
    assert "".join(pieces) == words
    assert (end.reason, end.tokens_in) == ("stop", len(Chat(folder).prompt(ASKED)))
    assert len(pieces) <= end.tokens_out < 60


@pytest.mark.parametrize("kind", BOTH)
def test_it_ends_at_the_limit_and_says_so(kind: str, servers: Callable[[str], RealServer]) -> None:
    _, end = said_by(client_of(servers(kind)), most_tokens=4)

    assert (end.reason, end.tokens_out) == ("length", 4)


@pytest.mark.parametrize("kind", BOTH)
def test_an_answer_that_is_closed_leaves_its_place_to_the_next(
    kind: str, servers: Callable[[str], RealServer], words: str
) -> None:  # fmt: skip
    client = client_of(servers(kind), requests=1)
    for _ in range(3):
        answer = client.generate(ASKED, most_tokens=60)
        next(answer)
        answer.close()  # type: ignore[attr-defined]

    assert "".join(said_by(client)[0]) == words


@pytest.mark.parametrize("kind", BOTH)
def test_it_keeps_to_a_schema_or_is_asked_for_none_again(kind: str, servers: Callable[[str], RealServer], words: str) -> None:
    """llama-server can, whatever the model would say; transformers serve passes over it."""
    client, place = client_of(servers(kind)), {"enum": ["court of Aarhus", "court of Ghent"]}
    schema = {**fields_schema("place"), "properties": {"place": place}}
    said, codes = [], []
    for _ in range(2):
        try:
            pieces = client.generate(ASKED, most_tokens=100, schema=schema)
            said.append("".join(piece.text for piece in pieces if isinstance(piece, Piece)))
        except SpecialistError as error:
            codes.append(error.code)

    assert client.takes_schemas == (kind == "llama")
    if kind == "llama":
        assert codes == []
        assert all(json.loads(text)["place"] in place["enum"] for text in said)
    else:
        assert (said, codes) == ([words], ["schema_refused"])
    assert "".join(said_by(client)[0]) == words


@needs_llama
def test_it_stops_working_when_nobody_reads_on(endless_gguf: Path) -> None:
    with llama_server(endless_gguf, window=4096) as server:
        answer = client_of(server).generate(ASKED, most_tokens=4000)
        assert isinstance(next(answer), Piece)
        assert server.is_busy()
        answer.close()  # type: ignore[attr-defined]
        wait_for(lambda: not server.is_busy(), "the server to stop", 20)

        (slot,) = server.slots()
        assert slot["next_token"][0]["n_decoded"] < 3000


@needs_serve
def test_a_model_that_it_does_not_know_is_named_with_what_to_do(servers: Callable[[str], RealServer]) -> None:
    failure = failure_of(client_of(servers("serve"), model="nobody"))

    assert (failure.code, failure.permanent) == ("model_unknown", True)
    assert "Check LANGUAGE_MODEL_NAME" in failure.public_message


@needs_llama
def test_one_with_a_single_model_answers_by_any_name(servers: Callable[[str], RealServer], words: str) -> None:
    assert "".join(said_by(client_of(servers("llama"), model="nobody"))[0]) == words


@needs_llama
def test_a_prompt_longer_than_the_window_is_named(servers: Callable[[str], RealServer], words: str) -> None:
    client = client_of(servers("llama"))
    failure = failure_of(client, "word " * 2 * WINDOW)

    assert (failure.code, failure.permanent) == ("prompt_too_long", True)
    assert "".join(said_by(client)[0]) == words


@pytest.mark.parametrize("kind", BOTH)
def test_one_that_is_killed_while_it_writes_is_tried_again_once_it_is_back(
    kind: str, endless: Path, request: pytest.FixtureRequest
) -> None:  # fmt: skip
    is_llama = kind == "llama"
    opened = llama_server(request.getfixturevalue("endless_gguf"), window=4096) if is_llama else transformers_serve(endless)
    with opened as server:
        client = client_of(server)
        now = [0.0]
        client.breaker = Breaker(clock=lambda: now[0])
        answer = client.generate(ASKED, most_tokens=3000)
        assert isinstance(next(answer), Piece)
        server.kill()
        with pytest.raises(SpecialistError) as broken:
            list(answer)
        codes = [failure_of(client).code for _ in range(3)]
        server.start()
        assert failure_of(client).code == "model_unreachable"  # it is left alone for a while
        now[0] = 11.0
        pieces, _ = said_by(client, 20)

    assert broken.value.code == "model_broken"
    assert codes == ["model_unreachable"] * 3
    assert pieces


@needs_llama
@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_gguf_says_token_for_token_what_the_folder_says(family: str, endless: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder = endless if family == "llama" else house_model()[0]
    prompt, end = Chat(folder).prompt(ASKED), Chat(folder).end_of_text
    network = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    row = torch.tensor([prompt])
    wanted = network.generate(row, attention_mask=torch.ones_like(row), do_sample=False, max_new_tokens=40)[0, len(prompt) :]
    with llama_server(to_gguf(folder, tmp_path / "whole.gguf")) as server:
        found = tokens_of(server, prompt, 40)

    assert [token for token in found if token != end] == [token for token in wanted.tolist() if token != end]
    assert len(found) > 8


@needs_llama
@pytest.mark.parametrize("kind", ["f16", "q8_0", "q4_0"])
def test_smaller_numbers_say_what_was_learnt(kind: str, gguf: Path, words: str, tmp_path: Path) -> None:
    file = quantised(gguf, tmp_path / f"{kind}.gguf", kind)
    with llama_server(file) as server:
        said = "".join(said_by(client_of(server))[0])

    assert file.stat().st_size < gguf.stat().st_size
    assert said[:4] == words[:4] if kind == "q4_0" else said == words
