"""What an embedder is trained by: a question shall lie nearer to its passage than to every other passage of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from retrieval.embedders.sources import ModelSource
from retrieval.passages import without_surrogates
from specialists.embedder.rows import EmbedderRow
from specialists.encoders.base import BaseEncoder
from specialists.encoders.network import SpecialistNetwork, to_device

SCALE = 20.0  # of cosines before the softmax, as in sentence-transformers' MultipleNegativesRankingLoss
QUESTION_TOKENS = 64
PASSAGE_TOKENS = 128  # of 256 that are embedded: headings and the beginning, to be quick


class EmbedderNetwork(SpecialistNetwork):
    """The base encoder with its own pooling, and no head."""

    def __init__(self, base: BaseEncoder, source: ModelSource) -> None:
        super().__init__(base, token_heads={}, pair_heads={})
        self.pooling = source.pooling

    def embed(self, rows: Sequence[Tensor], device: str) -> Tensor:
        """(len(rows), dimension) unit rows."""
        ids = to_device(pad_sequence(list(rows), batch_first=True), device)
        mask = to_device(pad_sequence([torch.ones_like(row) for row in rows], batch_first=True), device)
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        pooled = hidden[:, 0] if self.pooling == "cls" else (hidden * weights).sum(1) / weights.sum(1)
        return torch.nn.functional.normalize(pooled, dim=1)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A row as tokens. `texts`: of its passage and its wrong one, to tell whether two rows have the same."""

    question: Tensor
    passages: tuple[Tensor, ...]
    texts: tuple[str, ...]


class EmbedderTask:
    """Multiple negatives ranking (Henderson et al. 2017) with one mined passage per row; each epoch shows another one."""

    def __init__(self, source: ModelSource, rows: Sequence[EmbedderRow]) -> None:
        from tokenizers import Tokenizer

        self._rows = rows
        self._source = source
        self._tokenizer: Any = Tokenizer.from_file(str(source.folder / "tokenizer.json"))
        self._tokenizer.no_padding()

    def epoch(self, number: int) -> list[Encoded]:
        return [self._encoded(row, number) for row in self._rows]

    def length(self, row: Encoded) -> int:
        return max(len(passage) for passage in row.passages)

    def loss(self, network: SpecialistNetwork, rows: Sequence[Encoded], device: str) -> Tensor:
        """Mean cross-entropy of the right passage among all of the batch; a passage that is right for a row is never wrong for
        it, in whatever other row it stands."""
        assert isinstance(network, EmbedderNetwork)
        right = [row.passages[0] for row in rows]
        wrong = [passage for row in rows for passage in row.passages[1:]]
        texts = [row.texts[0] for row in rows] + [text for row in rows for text in row.texts[1:]]
        questions = network.embed([row.question for row in rows], device)
        scores = SCALE * questions @ network.embed(right + wrong, device).T
        same = [[text == row.texts[0] and at != place for at, text in enumerate(texts)] for place, row in enumerate(rows)]
        scores = scores.masked_fill(torch.tensor(same, device=scores.device), float("-inf"))
        return torch.nn.functional.cross_entropy(scores, torch.arange(len(rows), device=scores.device))

    def _encoded(self, row: EmbedderRow, number: int) -> Encoded:
        texts = (row.passage, *((row.wrong[number % len(row.wrong)],) if row.wrong else ()))
        prompts = self._source.query_prompt, self._source.passage_prompt
        passages = tuple(self._ids(prompts[1] + text, PASSAGE_TOKENS) for text in texts)
        return Encoded(self._ids(prompts[0] + row.question, QUESTION_TOKENS), passages, texts)

    def _ids(self, text: str, most: int) -> Tensor:
        self._tokenizer.enable_truncation(min(most, self._source.window))
        return torch.tensor(self._tokenizer.encode(without_surrogates(text)).ids)
