"""The seam of generating models: messages go in, pieces of text come out, and at the end what it took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from specialists.errors import SpecialistError

MOST_NAME = 120  # characters, as an answer keeps it

SCHEMA_REFUSED = "schema_refused"
CUT = "length"  # the reason of an End that came before the model had said all

Role = Literal["system", "user", "assistant"]
Schema = Mapping[str, Any]  # a JSON schema of an object, as servers of language models take it


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The model is busy. `before`: how many requests in line come before this one; None once it has its place."""

    before: int | None


@dataclass(frozen=True, slots=True)
class Piece:
    """Text as it comes; pieces end anywhere, in the middle of a word too."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """`reason`: stop (the model had said all), length (it was cut at `most_tokens`). Tokens are 0 where the backend does not
    say them."""

    reason: str
    tokens_in: int = 0
    tokens_out: int = 0


class LanguageModel(Protocol):
    """A model that answers messages. `name` is kept with the answers; `window` is in tokens, prompt and answer together."""

    name: str
    window: int

    @property
    def adapters(self) -> tuple[str, ...]:
        """The names of the adapters that a request may choose."""
        ...

    @property
    def takes_schemas(self) -> bool:
        """Whether a request may give a JSON schema. Where the backend shows that it cannot, it is False from then on."""
        ...

    def generate(
        self, messages: Sequence[Message], *, most_tokens: int, adapter: str = "", schema: Schema | None = None
    ) -> Iterator[Waiting | Piece | End]:  # fmt: skip
        """The answer, greedy, of the model itself or of one of its adapters; with a `schema`, JSON of that form unless it is cut.
        Ends with End. Closing the iterator stops the model.
        Where all its places are taken it begins with Waiting, again every second, so that the asker can see it or go away.
        Raises SpecialistError: `model_busy`, `model_loading`, `model_unreachable`, `model_broken`, `out_of_memory`,
        `prompt_too_long`, `adapter_unknown`, `schema_refused`."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens of the window the text takes, never fewer than it does."""
        ...

    def warm_up(self) -> None:
        """Load what the first request would wait for. Raises SpecialistError."""
        ...


@runtime_checkable
class AdapterLoader(Protocol):
    """A language model that can be asked for an adapter which is not among its `adapters`."""

    def load_adapter(self, name: str) -> bool:
        """Whether a request may choose it from now on."""
        ...


def check_name(name: str) -> None:
    if len(name) > MOST_NAME:
        message = f"LANGUAGE_MODEL_NAME is longer than {MOST_NAME} characters. Call the model by a shorter name."
        raise SpecialistError("bad_name", message, permanent=True)


def known_adapter(name: str, adapters: Sequence[str]) -> str:
    """The name, which is empty for the model itself. Raises SpecialistError `adapter_unknown`."""
    if name and name not in adapters:
        message = f"The language model has no adapter {name}. It has: {', '.join(adapters) or 'none'}."
        raise SpecialistError("adapter_unknown", message, permanent=True)
    return name


def usable_adapter(model: LanguageModel, name: str) -> str:
    """The name, or nothing where the model neither has this adapter nor can be given it."""
    has_it = name in model.adapters or (isinstance(model, AdapterLoader) and model.load_adapter(name))
    return name if name and has_it else ""


def schema_refused() -> SpecialistError:
    return SpecialistError(SCHEMA_REFUSED, "The language model takes no JSON schema.", permanent=True)
