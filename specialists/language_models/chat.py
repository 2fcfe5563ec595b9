"""Messages to tokens by the model's own chat template, tokens to text as they come. Training and serving use the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from specialists.language_models.folders import broken
from specialists.language_models.marks import BREAK, without_marks
from specialists.language_models.types import Message

UNFINISHED = "\ufffd"  # what a part of a character decodes to


class Chat:
    """A folder's tokenizer. Thread-safe: transformers' own keeps state between calls, the one beneath it does not."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer
        from transformers import PreTrainedTokenizerFast  # AutoTokenizer adds tokens of its own to what the folder holds

        try:
            self._template: Any = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
            self._tokenizer: Any = Tokenizer.from_str(self._template.backend_tokenizer.to_str())
        except Exception as error:  # the tokenizers library raises plain Exceptions
            raise broken(folder, "its tokenizer cannot be read") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._folder = folder
        added = [token.content for token in self._tokenizer.get_added_tokens_decoder().values() if len(token.content.strip()) > 1]
        self._special = sorted(added, key=len, reverse=True)
        self.end_of_text: int | None = self._template.eos_token_id

    def count(self, text: str) -> int:
        return len(self._encoded(self._inert(text)))

    def vocabulary(self) -> dict[str, int]:
        """The tokens and their numbers, those of control too."""
        return dict(self._tokenizer.get_vocab(with_added_tokens=True))

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of the messages and of the beginning of an answer. Raises SpecialistError `broken_folder`."""
        inert = [Message(message.role, self._inert(message.content)) for message in messages]
        try:
            return self._encoded(self._rendered(inert))
        except _template_errors():  # some templates know no system message
            pass
        try:
            return self._encoded(self._rendered(_without_system(inert)))
        except _template_errors() as error:
            raise broken(self._folder, "its chat template cannot be used") from error

    def completion(self, text: str) -> list[int]:
        """The tokens of an answer with its end: what is learnt to follow a prompt. Raises SpecialistError `broken_folder`."""
        if self.end_of_text is None:
            raise broken(self._folder, "its tokenizer names no token that ends an answer (eos_token)")
        return [*self._encoded(self._inert(text)), self.end_of_text]

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))

    def _rendered(self, messages: Sequence[Message]) -> str:
        """Without thinking aloud, where the template can say so: nobody would see it, and it takes the answer's room."""
        said = [asdict(message) for message in messages]
        return str(self._template.apply_chat_template(said, tokenize=False, add_generation_prompt=True, enable_thinking=False))

    def _encoded(self, text: str) -> list[int]:
        """A template has the beginning of the text itself, where the model wants one."""
        return list(self._tokenizer.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False).ids)

    def _inert(self, text: str) -> str:
        """Words that the tokenizer would take for tokens of its own, and the role marks that some templates write as ordinary
        words ([INST]), are broken, so that no document can end its message and begin one of the system's."""
        text = without_marks(text)
        for token in self._special:
            if token in text:
                text = text.replace(token, token[:1] + BREAK + token[1:])
        return text


class TextStream:
    """Text out of tokens. What depends on the token to come (a half character, a space) is kept until then."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._tokens: list[int] = []
        self._start = self._told = 0  # tokens that set the scene; tokens whose text has gone out

    def feed(self, token: int) -> str:
        self._tokens.append(token)
        new = self._new()
        if not new or new.endswith(UNFINISHED):
            return ""
        self._start, self._told = self._told, len(self._tokens)
        return new

    def rest(self) -> str:
        return self._new().rstrip(UNFINISHED)

    def _new(self) -> str:
        before = self._chat.decode(self._tokens[self._start : self._told])
        return self._chat.decode(self._tokens[self._start :])[len(before) :]


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The system's words at the beginning of the first message after them."""
    system = [message.content for message in messages if message.role == "system"]
    others = [message for message in messages if message.role != "system"]
    if not others:
        return [Message("user", "\n\n".join(system))]
    return [Message(others[0].role, "\n\n".join([*system, others[0].content])), *others[1:]]


def _template_errors() -> tuple[type[Exception], ...]:
    from jinja2.exceptions import TemplateError

    return TemplateError, TypeError, ValueError
