"""What the reader learns from: questions with one or two passages, and the loss over all their tokens at once."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from specialists.encoders.base import BaseEncoder, load_tokenizer
from specialists.encoders.network import SpecialistNetwork
from specialists.encoders.pairs import PairEncoder, Window, stack
from specialists.reader.negatives import alter_question, names_in
from specialists.reader.rows import Key, ReaderRow, key_of

TOKEN_HEADS = {"span": 2}
PAIR_HEADS = {"relevance": 1}
RELEVANCE_WEIGHT = 0.3
MAX_TRAINING_WINDOWS = 2
NO_LABEL = -1.0
NEVER = -1e4
TEACHER_WEIGHT = 0.8
TEMPERATURE = 1.5


@dataclass(frozen=True, slots=True)
class Group:
    """A question's windows. `starts` and `ends` are (window, token) pairs of right answers: none means that [CLS] of every
    window is right. `relevance` has one label per window, NO_LABEL where it would be a guess."""

    windows: tuple[Window, ...]
    starts: tuple[tuple[int, int], ...]
    ends: tuple[tuple[int, int], ...]
    relevance: tuple[float, ...]


class ReaderTask:
    """`sources` are rows with the share of them that an epoch uses. A share `altered` of the answerable ones is asked about
    something else, and those with an entry in `negatives` get a second passage."""

    def __init__(
        self, base: BaseEncoder, sources: Sequence[tuple[Sequence[ReaderRow], float]], *,
        negatives: Mapping[Key, Sequence[str]], seed: int, window: int = 256, altered: float = 0.15,
        teacher: SpecialistNetwork | None = None,
    ) -> None:  # fmt: skip
        self.sources = sources
        self.negatives = negatives
        self.seed = seed
        self.altered = altered
        self.teacher = teacher
        self.pairs = PairEncoder(load_tokenizer(base), window=window, cache=20_000)
        self.names = names_in([row for rows, _ in sources for row in rows])

    def epoch(self, number: int) -> list[Group]:
        groups = []
        for place, (rows, share) in enumerate(self.sources):
            chosen = list(rows)
            random.Random(self.seed + place).shuffle(chosen)
            count = round(len(chosen) * share)
            first = (number * count) % len(chosen)
            part = (chosen + chosen)[first : first + count]
            groups += [group for row in part for group in self._group(row, number)]
        return groups

    def length(self, row: Group) -> int:
        return max(len(window.ids) for window in row.windows)

    def _group(self, row: ReaderRow, epoch: int) -> list[Group]:
        chooser = random.Random(f"{self.seed} {epoch} {row.id} {row.question}")
        wrong = self.negatives.get(key_of(row))
        if row.answers and chooser.random() < self.altered:
            row = alter_question(row, self.names, chooser) or row
        texts = [row.text]
        if wrong:
            texts.append(chooser.choice(wrong))
        context = row.context if chooser.random() < 0.5 else ""
        group = make_group(self.pairs, row, texts, context=context, chooser=chooser)
        return [group] if group else []

    def loss(self, network: SpecialistNetwork, rows: Sequence[Group], device: str) -> Tensor:
        """Minus the log-likelihood of the right starts and ends under one softmax per question, and the relevance's
        cross-entropy; with a teacher, mostly the distance to its distribution (Hinton et al. 2015)."""
        windows = [window for group in rows for window in group.windows]
        inputs = [torch.from_numpy(array).to(device) for array in stack(windows)]
        forbidden = _forbidden(windows, inputs[0].shape[1]).to(device)[:, :, None]
        span, relevance = network(*inputs)
        span = span.masked_fill(forbidden, NEVER)
        losses, first = [], 0
        for group in rows:
            logits = span[first : first + len(group.windows)]
            losses += [_surprise(logits[:, :, 0], group.starts), _surprise(logits[:, :, 1], group.ends)]
            first += len(group.windows)
        total = torch.stack(losses).mean() + RELEVANCE_WEIGHT * _relevance_loss(relevance[:, 0], rows)
        if self.teacher is None:
            return total
        with torch.no_grad():
            taught = self.teacher.to(device)(*inputs)[0].masked_fill(forbidden, NEVER)
        return TEACHER_WEIGHT * _distance(span, taught, rows) + (1 - TEACHER_WEIGHT) * total


def _distance(span: Tensor, taught: Tensor, rows: Sequence[Group]) -> Tensor:
    """Cross-entropy of the student's starts and ends under the teacher's, per question, at TEMPERATURE."""
    losses, first = [], 0
    for group in rows:
        part = slice(first, first + len(group.windows))
        for side in (0, 1):
            wanted = (taught[part, :, side].reshape(-1) / TEMPERATURE).softmax(0)
            given = (span[part, :, side].reshape(-1) / TEMPERATURE).log_softmax(0)
            losses.append(-(wanted * given).sum())
        first += len(group.windows)
    return torch.stack(losses).mean()


def _relevance_loss(logits: Tensor, rows: Sequence[Group]) -> Tensor:
    labels = torch.tensor([label for group in rows for label in group.relevance], device=logits.device)
    known = labels != NO_LABEL
    if not bool(known.any()):
        return logits.sum() * 0.0
    return torch.nn.functional.binary_cross_entropy_with_logits(logits[known], labels[known])


def _surprise(logits: Tensor, right: Sequence[tuple[int, int]]) -> Tensor:
    places = right or [(window, 0) for window in range(len(logits))]
    chosen = torch.stack([logits[window, token] for window, token in places])
    return logits.logsumexp(dim=(0, 1)) - chosen.logsumexp(dim=0)


def _forbidden(windows: Sequence[Window], longest: int) -> Tensor:
    """True for tokens that cannot begin or end an answer: all but [CLS] and the text."""
    mask = torch.ones(len(windows), longest, dtype=torch.bool)
    for row, window in enumerate(windows):
        mask[row, 0] = False
        mask[row, window.text_start : window.text_end] = False
    return mask


def make_group(pairs: PairEncoder, row: ReaderRow, texts: Sequence[str], *, context: str, chooser: random.Random) -> Group | None:
    """texts[0] is the row's own. Of a long text, a window with the answer is kept and one without. None when the answer fits
    in no window."""
    windows: list[Window] = []
    starts: list[tuple[int, int]] = []
    ends: list[tuple[int, int]] = []
    relevance: list[float] = []
    own = pairs.windows(row.question, row.text, context)
    right = [spans_in(window, row.answers) for window in own]
    having = [index for index, spans in enumerate(right) if spans]
    if row.answers and not having:
        return None
    if len(own) > MAX_TRAINING_WINDOWS:
        own, right = _choose(own, right, having, chooser)
    for window, spans in zip(own, right, strict=True):
        starts += [(len(windows), start) for start, _ in spans]
        ends += [(len(windows), end) for _, end in spans]
        relevance.append(1.0 if spans else NO_LABEL)
        windows.append(window)
    for text in texts[1:]:
        windows.append(chooser.choice(pairs.windows(row.question, text, context)))
        relevance.append(0.0)
    return Group(tuple(windows), tuple(dict.fromkeys(starts)), tuple(dict.fromkeys(ends)), tuple(relevance))


def _choose(
    own: list[Window], right: list[list[tuple[int, int]]], having: list[int], chooser: random.Random
) -> tuple[list[Window], list[list[tuple[int, int]]]]:
    if not having:
        index = chooser.randrange(len(own))
        return [own[index]], [right[index]]
    index = chooser.choice(having)
    others = [place for place in range(len(own)) if place not in having]
    kept = [index, chooser.choice(others)] if others and chooser.random() < 0.3 else [index]
    return [own[place] for place in kept], [right[place] for place in kept]


def spans_in(window: Window, answers: Sequence[tuple[int, str]]) -> list[tuple[int, int]]:
    """(first, last) tokens of the row for each answer that lies wholly in the window."""
    found = []
    for start, text in answers:
        end = start + len(text)
        if not window.offsets or start < window.offsets[0][0] or end > window.offsets[-1][1]:
            continue
        first = next((i for i, (_, token_end) in enumerate(window.offsets) if token_end > start), None)
        last = next((i for i in range(len(window.offsets) - 1, -1, -1) if window.offsets[i][0] < end), None)
        if first is not None and last is not None and first <= last:
            found.append((window.text_start + first, window.text_start + last))
    return found
