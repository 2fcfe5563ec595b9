"""A model behind a server that speaks OpenAI's chat protocol: vLLM, llama.cpp's llama-server, SGLang, `transformers serve`.

The server must be inside (addresses.py); no proxy and no redirect is followed. A request is repeated only when the server has
refused it before it began: no connection, too many requests, not ready. What was begun is never asked twice."""

from __future__ import annotations

import json
import logging
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from specialists.errors import SpecialistError
from specialists.language_models.addresses import check_inside, read_networks
from specialists.language_models.breaker import Breaker
from specialists.language_models.guarding import Pieces, guarded
from specialists.language_models.line import Line
from specialists.language_models.marks import without_marks
from specialists.language_models.runtime_adapters import RuntimeAdapters
from specialists.language_models.types import (
    CUT,
    SCHEMA_REFUSED,
    End,
    Message,
    Piece,
    Schema,
    Waiting,
    check_name,
    known_adapter,
    schema_refused,
)

logger = logging.getLogger(__name__)

CONNECT_S = 3.0
LONGEST_S = 180.0  # with the time in line, less than the lease of an answer
TRIES = 3
WAIT_S = 0.3  # before the second try, with jitter; doubled before the third
LONGEST_WAIT_S = 2.0
UNKNOWN = "model_unknown"
NOT_BEGUN = frozenset({429, 503})
NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
SERVER_ERROR = 500
NOT_KNOWN = frozenset({400, 422, 500, 501})  # of requests with something that a server does not know; some stumble on it
MOST_CHARACTERS = 100_000  # of one answer: more is a server gone mad
MOST_LINE = 1_000_000
BYTES_PER_TOKEN = 2.5  # few, so that the estimate is rather too high; English has about four
DONE = "[DONE]"
SEE_LOG = "The server's log says why: look there."
FASTER = "A GPU, a smaller model or fewer questions at once (LANGUAGE_MODEL_REQUESTS) help."
SLOW = f"See in its server's log whether it still works, and if so raise LANGUAGE_MODEL_TIMEOUT. {FASTER}"
WHICH_SERVER = "Check that a server of OpenAI's chat protocol stands at LANGUAGE_MODEL_URL, which ends in /v1."


class OpenAIServer:
    """`url` ends in /v1; `model` and `adapters` as the server calls them; `timeout_s` without a piece of text ends a request,
    LONGEST_S ends it in any case. `adapters_at`: where the server sees the adapters' folder, if it loads adapters while it
    runs. `schemas`: whether it is asked for answers of a JSON schema, until it refuses or ignores one.
    Raises SpecialistError for an address that is not inside."""

    def __init__(  # noqa: PLR0913 - each is a setting
        self, *, url: str, model: str, key: str = "", window: int = 8192, networks: Sequence[str] = ("127.0.0.0/8",),
        tokenizer: str = "", requests: int = 4, timeout_s: float = 60.0, adapters: Sequence[str] = (),
        adapters_at: str = "", schemas: bool = True,
    ) -> None:  # fmt: skip
        self.name = model
        self.window = window
        self._listed = tuple(adapters)
        self._runtime = RuntimeAdapters(adapters_at, self._ask_for_adapter)
        self.url = url.rstrip("/")
        self.networks = read_networks(networks)
        self.line = Line(requests)
        self.breaker = Breaker()
        self._takes_schemas = schemas
        self._tokenizer_file = tokenizer
        check_inside(self.url, self.networks)
        if not key.isascii() or not key.isprintable():
            message = "LANGUAGE_MODEL_KEY holds characters that no key has. Copy it again."
            raise SpecialistError("bad_key", message, permanent=True)
        check_name(model)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_S, pool=CONNECT_S)
        limits = httpx.Limits(max_connections=requests)
        self._client = httpx.Client(headers=headers, timeout=timeout, limits=limits, trust_env=False, follow_redirects=False)

    @property
    def takes_schemas(self) -> bool:
        """See LanguageModel. What the server showed is known until the next start."""
        return self._takes_schemas

    @property
    def adapters(self) -> tuple[str, ...]:
        """See LanguageModel."""
        return tuple(dict.fromkeys((*self._listed, *self._runtime.names)))

    def load_adapter(self, name: str) -> bool:
        """See AdapterLoader."""
        return self._runtime.load(name)

    def generate(
        self, messages: Sequence[Message], *, most_tokens: int, adapter: str = "", schema: Schema | None = None
    ) -> Iterator[Waiting | Piece | End]:  # fmt: skip
        """See LanguageModel."""
        if schema is not None and not self.takes_schemas:
            raise schema_refused()
        model = known_adapter(adapter, self.adapters) or self.name
        yield from guarded(self.line, self.breaker, lambda: self._generate(model, messages, most_tokens, schema))

    def warm_up(self) -> None:
        """See LanguageModel."""
        _ = self._tokenizer

    def count_tokens(self, text: str) -> int:
        if self._tokenizer is not None:
            return len(self._tokenizer.encode(text, add_special_tokens=False).ids)
        return math.ceil(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN)

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        if not self._tokenizer_file:
            return None
        try:
            tokenizer = Tokenizer.from_str(Path(self._tokenizer_file).read_text(encoding="utf-8"))
        except Exception as error:  # the library raises plain Exceptions
            message = f"LANGUAGE_MODEL_TOKENIZER: {self._tokenizer_file} is no tokenizer.json that can be read."
            raise SpecialistError("bad_tokenizer", message, permanent=True) from error
        tokenizer.no_padding()  # some files ask for it, and every text would count as long as the longest
        tokenizer.no_truncation()
        return tokenizer

    def _generate(self, model: str, messages: Sequence[Message], most_tokens: int, schema: Schema | None) -> Pieces:
        check_inside(self.url, self.networks)  # names can move
        deadline = time.monotonic() + LONGEST_S
        body = {
            "model": model, "messages": [_sent(message) for message in messages], "max_tokens": most_tokens,
            "temperature": 0, "stream": True, "stream_options": {"include_usage": True},
        }  # fmt: skip
        if schema is not None:
            wanted = {"name": "answer", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        try:
            with self._opened(body) as response:
                pieces = _pieces(_events(response, deadline))
                yield from pieces if schema is None else self._watched(pieces)
        except SpecialistError as error:
            if error.code == SCHEMA_REFUSED:
                self._no_schemas("refuses")
            raise

    def _watched(self, pieces: Pieces) -> Pieces:
        """The pieces of an answer that was to be JSON. Some servers pass over what they do not know."""
        text = ""
        for piece in pieces:
            if isinstance(piece, Piece):
                text += piece.text
            elif piece.reason != CUT and not _is_json(text):
                self._no_schemas("ignores")
            yield piece

    def _no_schemas(self, does: str) -> None:
        self._takes_schemas = False
        logger.warning("The language model's server %s JSON schemas: it is not asked for them until the next start", does)

    @contextmanager
    def _opened(self, body: dict[str, Any]) -> Iterator[httpx.Response]:
        """The response of the first try that the server begins to answer."""
        with named_faults():
            for number in range(1, TRIES + 1):
                with ExitStack() as trying:
                    response, wait = self._tried(body, number, trying)
                    if response is not None:
                        yield response
                        return
                time.sleep(wait)

    def _tried(self, body: dict[str, Any], number: int, trying: ExitStack) -> tuple[httpx.Response | None, float]:
        """The response, open as long as `trying`; or None and the seconds until the next try. Raises what ends the tries."""
        try:
            response = trying.enter_context(self._client.stream("POST", f"{self.url}/chat/completions", json=body))
        except NO_CONNECTION:
            if number == TRIES:
                raise
            return None, _jittered(number)
        if response.status_code == httpx.codes.OK:
            return response, 0.0
        if response.status_code not in NOT_BEGUN or number == TRIES:
            error = _refusal(response, body["model"], has_schema="response_format" in body)
            if error.code == UNKNOWN and number < TRIES and self._runtime.load_again(body["model"]):
                return None, 0.0
            raise error
        return None, _wait_of(response, number)

    def _ask_for_adapter(self, name: str, path: str) -> str:
        """Why the server did not load it; nothing where it has it now."""
        try:
            check_inside(self.url, self.networks)
            with named_faults():
                response = self._client.post(f"{self.url}/load_lora_adapter", json={"lora_name": name, "lora_path": path})
        except SpecialistError as error:
            return error.public_message
        if response.status_code == httpx.codes.OK or (
            response.status_code == httpx.codes.BAD_REQUEST and "already been loaded" in response.text[:4000]
        ):
            return ""
        return (
            f"The language model's server did not load {path} (status {response.status_code}). It must see the adapters' folder "
            "there (LANGUAGE_MODEL_ADAPTERS_AT) and load adapters while it runs (vLLM: --enable-lora, "
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True); its log says more."
        )


@contextmanager
def named_faults() -> Iterator[None]:
    """What the connection raises, as SpecialistErrors."""
    try:
        yield
    except NO_CONNECTION as problem:
        raise _unreachable("There is no connection to it: start its server, or check LANGUAGE_MODEL_URL") from problem
    except httpx.TimeoutException as problem:
        raise SpecialistError("model_unreachable", f"The language model took too long to answer. {SLOW}") from problem
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise SpecialistError("model_broken", f"The language model's server broke off its answer. {SEE_LOG}") from problem


def _events(response: httpx.Response, deadline: float) -> Iterator[dict[str, Any]]:
    """The objects of a stream of server-sent events, up to its end."""
    if "text/event-stream" not in response.headers.get("content-type", ""):
        raise _garbage("no stream of events")
    waiting = ""
    for text in response.iter_text():
        if time.monotonic() > deadline:
            message = f"The language model had not finished its answer after {LONGEST_S:.0f} s. {FASTER}"
            raise SpecialistError("model_unreachable", message)
        waiting += text
        *lines, waiting = waiting.split("\n")
        if len(waiting) > MOST_LINE:
            raise _garbage("a line without end")
        for line in lines:
            data = line.strip().removeprefix("data:").strip() if line.startswith("data:") else ""
            if data == DONE:
                return
            if data:
                yield _object(data)


def _object(data: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _garbage("no JSON") from error
    if not isinstance(found, dict):
        raise _garbage("no object")
    if found.get("error"):
        message = f"The language model's server reported an error in the middle of its answer. {SEE_LOG}"
        raise SpecialistError("model_broken", message)
    return found


def _pieces(events: Iterator[dict[str, Any]]) -> Pieces:
    usage: object = None
    reason, written = "", 0
    for event in events:
        usage = event.get("usage") or usage
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            delta = choice.get("delta") if isinstance(choice, dict) else None
            reason = str(choice.get("finish_reason") or reason) if isinstance(choice, dict) else reason
            text = delta.get("content") if isinstance(delta, dict) else None
            if isinstance(text, str) and text:
                written += len(text)
                if written > MOST_CHARACTERS:
                    raise _garbage("an answer without end")
                yield Piece(text)
    if not reason:
        raise SpecialistError("model_broken", f"The language model's server stopped in the middle of its answer. {SEE_LOG}")
    yield End(reason, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))


def _count(usage: object, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else 0
    return value if isinstance(value, int) else 0


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _refusal(response: httpx.Response, model: str, *, has_schema: bool) -> SpecialistError:
    """What a status other than 200 means. The server's own words may hold the prompt: they are neither shown nor logged."""
    status = response.status_code
    said = response.read()[:4000].decode("utf-8", "replace").lower()
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return SpecialistError("model_busy", "The language model is busy. Ask again in a minute.")
    if status in NOT_BEGUN:
        return _unreachable(f"Its server is not ready (status {status}): wait until it has loaded its model, or see its log")
    if status in (401, 403):
        message = "The language model's server refuses the key. Check LANGUAGE_MODEL_KEY."
        return SpecialistError("model_refuses", message, permanent=True)
    if status == httpx.codes.NOT_FOUND or (status == httpx.codes.BAD_REQUEST and _does_not_know(model, said)):
        message = "The language model's server does not know this model. Check LANGUAGE_MODEL_NAME and LANGUAGE_MODEL_URL."
        return SpecialistError(UNKNOWN, message, permanent=True)
    if status in (400, 413, 422) and any(word in said for word in ("context", "too long", "maximum", "exceed")):
        message = "The prompt is longer than the language model's window. Lower LANGUAGE_MODEL_WINDOW."
        return SpecialistError("prompt_too_long", message, permanent=True)
    if has_schema and status in NOT_KNOWN:  # of all that is asked for, what a server is likeliest not to know
        return schema_refused()
    code = "model_broken" if status >= SERVER_ERROR else "model_rejects"
    remedy = SEE_LOG if status >= SERVER_ERROR else f"{SEE_LOG} {WHICH_SERVER}"
    return SpecialistError(code, f"The language model's server answered with status {status}. {remedy}")


def _does_not_know(model: str, said: str) -> bool:
    """Some servers say so with status 400, which has other causes; `said` is in small letters."""
    return model.lower() in said and any(words in said for words in ("pinned to", "not found", "does not exist", "not loaded"))


def _wait_of(response: httpx.Response, number: int) -> float:
    try:
        return min(max(float(response.headers.get("retry-after", "")), 0.0), LONGEST_WAIT_S)
    except ValueError:
        return _jittered(number)


def _jittered(number: int) -> float:
    return float(WAIT_S * 2 ** (number - 1) * random.uniform(0.5, 1.5))


def _sent(message: Message) -> dict[str, str]:
    """A server reads the marks of its chat template wherever they stand, in a document's words, too."""
    return {"role": message.role, "content": without_marks(message.content)}


def _unreachable(why: str) -> SpecialistError:
    return SpecialistError("model_unreachable", f"The language model cannot be reached. {why}.")


def _garbage(what: str) -> SpecialistError:
    message = f"The language model's server sent something that cannot be read: {what}. {WHICH_SERVER}"
    return SpecialistError("model_broken", message)
