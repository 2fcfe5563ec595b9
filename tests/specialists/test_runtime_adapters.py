"""Adapters that a server is asked to load while it runs: once, again when it has lost them, and what becomes of a refusal."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

import pytest

from specialists.language_models.openai_server import OpenAIServer
from specialists.language_models.runtime_adapters import REST_S, RuntimeAdapters
from specialists.language_models.types import Message, Piece, usable_adapter
from tests.model_server import ModelServer, Reply, model_server

AT = "/data/adapters"
ADAPTER = "policies-v3"
ASKED = (Message("user", "Hello?"),)


class Vllm:
    """What the server of the tests answers: adapters are loaded by name, and only what is loaded is answered by."""

    def __init__(self, loaded: Iterable[str] = (), refuses: int = 0) -> None:
        self.loaded = set(loaded)
        self.refuses = refuses

    def __call__(self, request: dict[str, Any]) -> Reply:
        if "lora_name" in request:
            return self._load(request["lora_name"])
        if request["model"] not in {"house-7b", *self.loaded}:
            return Reply(status=404, raw=b'{"error": {"message": "The model does not exist.", "type": "NotFoundError"}}')
        return Reply((f"By {request['model']}.",))

    def _load(self, name: str) -> Reply:
        if self.refuses:
            return Reply(status=self.refuses, raw=b'{"error": {"message": "secret words", "type": "NotFoundError"}}')
        if name in self.loaded:
            message = f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, set"
            return Reply(status=400, raw=json.dumps({"error": {"message": message, "type": "InvalidUserInput"}}).encode())
        self.loaded.add(name)
        return Reply(raw=b"Success: LoRA adapter added successfully.", content_type="application/json")


def client_of(server: ModelServer, **options: Any) -> OpenAIServer:
    return OpenAIServer(url=server.url, model="house-7b", **{"adapters_at": AT, "timeout_s": 5.0, **options})


def said_by(client: OpenAIServer, adapter: str) -> str:
    """As an answer asks: with the adapter where it can be had."""
    pieces = client.generate(ASKED, most_tokens=50, adapter=usable_adapter(client, adapter))
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece))


def loads(server: ModelServer) -> list[dict[str, Any]]:
    return [body for body, path in zip(server.requests, server.paths, strict=True) if path == "/v1/load_lora_adapter"]


@pytest.mark.parametrize("loaded", [(), (ADAPTER,)])
def test_it_has_an_adapter_loaded_once_and_takes_one_that_is_there_already(loaded: tuple[str, ...]) -> None:
    with model_server(Vllm(loaded)) as server:
        client = client_of(server, key="k-1")
        assert (said_by(client, ADAPTER), client.adapters) == (f"By {ADAPTER}.", (ADAPTER,))
        assert (said_by(client, ADAPTER), said_by(client, "")) == (f"By {ADAPTER}.", "By house-7b.")

    assert loads(server) == [{"lora_name": ADAPTER, "lora_path": f"{AT}/{ADAPTER}"}]
    assert set(server.keys) == {"Bearer k-1"}


def test_an_adapter_that_is_listed_is_not_asked_for() -> None:
    with model_server(Vllm((ADAPTER,))) as server:
        assert said_by(client_of(server, adapters=(ADAPTER,)), ADAPTER) == f"By {ADAPTER}."

    assert loads(server) == []


@pytest.mark.parametrize("status", [400, 404, 500])
def test_the_base_model_answers_where_an_adapter_is_refused_and_it_is_said_once(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with model_server(Vllm(refuses=status)) as server:
        client = client_of(server)
        assert [said_by(client, ADAPTER) for _ in range(3)] == ["By house-7b."] * 3

    assert len(loads(server)) == 1
    (line,) = [record.getMessage() for record in caplog.records if ADAPTER in record.getMessage()]
    assert f"did not load {AT}/{ADAPTER} (status {status})" in line and "LANGUAGE_MODEL_ADAPTERS_AT" in line
    assert "secret words" not in caplog.text


def test_it_asks_again_after_a_while_and_says_a_refusal_only_once(caplog: pytest.LogCaptureFixture) -> None:
    now, answers = [0.0], iter(["It is away.", "It is away.", ""])
    adapters = RuntimeAdapters(AT, lambda name, path: next(answers), clock=lambda: now[0])

    assert [adapters.load(ADAPTER), adapters.load(ADAPTER)] == [False, False]
    now[0] = REST_S + 1
    assert not adapters.load(ADAPTER)
    now[0] = 2 * REST_S + 2
    assert adapters.load(ADAPTER) and adapters.names == (ADAPTER,)
    assert list(answers) == []
    assert caplog.text.count("It is away.") == 1


def test_a_server_that_was_started_anew_is_given_its_adapter_again() -> None:
    vllm = Vllm()
    with model_server(vllm) as server:
        client = client_of(server)
        said_by(client, ADAPTER)
        vllm.loaded.clear()
        assert said_by(client, ADAPTER) == f"By {ADAPTER}."

    assert len(loads(server)) == 2


@pytest.mark.parametrize(("at", "name"), [("", ADAPTER), (AT, "../uploads"), (AT, "a/b"), (AT, ".."), (AT, "")])
def test_nothing_is_asked_without_a_folder_or_for_a_name_that_leaves_it(at: str, name: str) -> None:
    with model_server(Vllm()) as server:
        assert said_by(client_of(server, adapters_at=at), name) == "By house-7b."

    assert loads(server) == []


def test_a_server_that_is_away_costs_no_traceback() -> None:
    client = OpenAIServer(url="http://127.0.0.1:9/v1", model="house-7b", adapters_at=AT)
    assert usable_adapter(client, ADAPTER) == ""
