"""A model from a folder on this host, in this process: transformers, with LoRA adapters of which each request may choose one.

Several answers are written at once, in one batch (docs/adr/0021); further ones wait in line. Torch is imported when the first one
is asked for."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from specialists.errors import SpecialistError
from specialists.language_models.adapters import Adapter
from specialists.language_models.breaker import Breaker
from specialists.language_models.chat import Chat, TextStream
from specialists.language_models.decoding import Batch
from specialists.language_models.folders import COMPRESSED, read_model_folder
from specialists.language_models.guarding import Pieces, guarded
from specialists.language_models.line import Line
from specialists.language_models.loading import chosen_device, load_network
from specialists.language_models.once import Once
from specialists.language_models.shelf import Shelf
from specialists.language_models.types import End, Message, Piece, Schema, Waiting, check_name, schema_refused

logger = logging.getLogger(__name__)

LONGEST_S = 180.0  # of one answer; with the time in line, less than its lease
MIXED = ("", "bitsandbytes", COMPRESSED)  # stored so, peft can give each row of a batch another adapter
PACKAGES = {"": "", "8bit": "bitsandbytes", "4bit": "bitsandbytes"}
INSTALL = "pip install -r requirements-4bit.txt"
_DEVICE = re.compile(r"auto|cpu|cuda(:(\d+|all))?")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network on its device, what is being written with it, and the tokens that end an answer."""

    network: Any
    batch: Batch
    stops: frozenset[int]


class LocalFolder:
    """`folder` as saved by transformers, `adapters` the folder of the adapters' folders. `quantisation`: 8bit, 4bit, or nothing;
    `device`: auto, cpu, cuda, cuda:1 … or cuda:all. `requests`: answers at once, of models that can write several. Raises
    SpecialistError for what can be seen without loading the model."""

    def __init__(
        self, *, folder: str, name: str = "", window: int = 8192, adapters: str = "", device: str = "auto",
        quantisation: str = "", requests: int = 4, patience_s: float = 5.0,
    ) -> None:  # fmt: skip
        self._folder = read_model_folder(Path(folder))
        self.name = name or Path(folder).resolve().name
        self.window = min(window, self._folder.positions or window)
        self.line = Line(requests)
        self.breaker = Breaker()
        self._device = device
        self._quantisation = quantisation
        check_name(self.name)
        _check_choices(device, quantisation)
        self._shelf = Shelf(_adapters_folder(adapters), self._folder)
        self._chat = Once(lambda: Chat(self._folder.path), patience_s=patience_s)
        self._loaded = Once(self._load, patience_s=patience_s)

    @property
    def adapters(self) -> tuple[str, ...]:
        """See LanguageModel. Folders that came since the start count, too; one that turns out not to fit is out of it."""
        return self._shelf.names()

    @property
    def loaded_on(self) -> str:
        """The device, or nothing while the model is not loaded."""
        loaded = self._loaded.peek()
        return str(loaded.network.device) if loaded else ""

    @property
    def loaded_adapters(self) -> tuple[str, ...]:
        """Those that are beside the model in memory."""
        return self._shelf.attached()

    @property
    def takes_schemas(self) -> bool:
        """Never: it writes the likeliest token, whatever form that gives."""
        return False

    def generate(
        self, messages: Sequence[Message], *, most_tokens: int, adapter: str = "", schema: Schema | None = None
    ) -> Iterator[Waiting | Piece | End]:  # fmt: skip
        """See LanguageModel. While it is loaded by another thread: SpecialistError `model_loading`, after some seconds."""
        if schema is not None:
            raise schema_refused()
        loaded = self._loaded.get()
        chosen = self._shelf.get(adapter)
        prompt = self._chat.get().prompt(messages)
        room = self.window - len(prompt)
        if room < most_tokens // 2:  # a little less is no harm: some templates take more than the prompt's module allows for
            message = f"A prompt of {len(prompt)} tokens leaves no room for an answer in the model's window, {self.window}."
            raise SpecialistError("prompt_too_long", message, permanent=True)
        yield from guarded(self.line, self.breaker, lambda: self._generate(loaded, chosen, prompt, min(room, most_tokens)))

    def count_tokens(self, text: str) -> int:
        return self._chat.get().count(text)

    def warm_up(self) -> None:
        """See LanguageModel."""
        self._loaded.get()

    def weights_bytes(self) -> int:
        """What the weights take in memory, loaded as they are; those of adapters that were asked for, too."""
        network = self._loaded.get().network
        return sum(tensor.numel() * tensor.element_size() for tensor in (*network.parameters(), *network.buffers()))

    def _generate(self, loaded: Loaded, adapter: Adapter | None, prompt: Sequence[int], most_tokens: int) -> Pieces:
        if adapter is not None and adapter.name not in self._shelf.attached():
            with loaded.batch.paused():
                self._shelf.attach(loaded.network, adapter)
        text, written, reason = TextStream(self._chat.get()), 0, "length"
        tokens = loaded.batch.decode(
            prompt, most_tokens=most_tokens, deadline=time.monotonic() + LONGEST_S, stops=loaded.stops, adapter=adapter
        )
        try:
            with closing(tokens):
                for token in tokens:
                    if token in loaded.stops:
                        reason = "stop"
                        break
                    written += 1
                    if new := text.feed(token):
                        yield Piece(new)
        except RuntimeError as error:
            logger.exception("The language model failed")
            raise SpecialistError("model_broken", "The language model failed in the middle of its answer.") from error
        if rest := text.rest():
            yield Piece(rest)
        yield End(reason, len(prompt), written)

    def _load(self) -> Loaded:
        started = time.monotonic()
        chat = self._chat.get()
        device = chosen_device(self._device)
        network = load_network(self._folder, device=device, quantisation=self._quantisation)
        loaded = Loaded(network, Batch(network), _stops(network, chat))
        self._try_out(loaded.batch, chat)
        if not (loaded.batch.takes_several and self._folder.quantised_by in MIXED):
            self.line = Line(1)  # nobody has come to the other one: the model is loaded first
        logger.info("The language model %s is loaded on %s after %.0f s", self.name, device, time.monotonic() - started)
        return loaded

    def _try_out(self, batch: Batch, chat: Chat) -> None:
        """Two tokens: a model of a kind that cannot be decoded so is found now, and the first question is not the slow one."""
        prompt = chat.prompt([Message("user", "Hello")])
        try:
            list(batch.decode(prompt, most_tokens=2, deadline=time.monotonic() + LONGEST_S))
        except (TypeError, ValueError, AttributeError, RuntimeError) as error:
            logger.exception("The language model cannot be tried out")
            message = f"The model in {self._folder.path} is of a kind that cannot be served. Take a causal language model."
            raise SpecialistError("model_unsupported", message, permanent=True) from error


def _stops(network: Any, chat: Chat) -> frozenset[int]:
    """The end of the text by the tokenizer and by the generation's settings, which name one token or several."""
    named = getattr(network.generation_config, "eos_token_id", None)
    several = named if isinstance(named, list) else [named]
    return frozenset(token for token in [*several, chat.end_of_text] if isinstance(token, int))


def _check_choices(device: str, quantisation: str) -> None:
    if not _DEVICE.fullmatch(device):
        message = f"LANGUAGE_MODEL_DEVICE must be auto, cpu, cuda, a GPU such as cuda:1, or cuda:all, not {device}."
        raise SpecialistError("bad_device", message, permanent=True)
    if quantisation not in PACKAGES:
        message = f"LANGUAGE_MODEL_QUANTISATION must be empty, 8bit or 4bit, not {quantisation}."
        raise SpecialistError("bad_quantisation", message, permanent=True)
    if missing := missing_package(quantisation):
        message = (
            f"LANGUAGE_MODEL_QUANTISATION={quantisation} needs the package {missing}, which is not installed. "
            f"Run {INSTALL}, or leave the setting empty."
        )
        raise SpecialistError("package_missing", message, permanent=True)


def missing_package(quantisation: str) -> str:
    """The package without which this host cannot do it; empty where nothing is missing."""
    package = PACKAGES[quantisation]
    return package if package and find_spec(package) is None else ""


def _adapters_folder(name: str) -> Path | None:
    if not name:
        return None
    if not Path(name).is_dir():
        message = f"LANGUAGE_MODEL_ADAPTERS_DIR: there is no folder {name}. Make it, or leave the setting empty."
        raise SpecialistError("no_adapters_folder", message, permanent=True)
    return Path(name)
