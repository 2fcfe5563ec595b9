"""What the reader learns from: questions with one or two passages, and the loss over all their tokens at once."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from specialists.encoders.base import BaseEncoder, load_tokenizer
from specialists.encoders.network import SpecialistNetwork, to_device
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
    something else, and those with an entry in `negatives` get 1 to `wrong` further passages."""

    def __init__(
        self, base: BaseEncoder, sources: Sequence[tuple[Sequence[ReaderRow], float]], *,
        negatives: Mapping[Key, Sequence[str]], seed: int, window: int = 256, altered: float = 0.15,
        teachers: Sequence[SpecialistNetwork] = (), wrong: int = 1,
    ) -> None:  # fmt: skip
        self.sources = sources
        self.negatives = negatives
        self.seed = seed
        self.altered = altered
        self.teachers = teachers
        self.wrong = wrong
        self.pairs = PairEncoder(load_tokenizer(base), window=window, cache=200_000)
        self.pairs.remember(text for rows, _ in sources for row in rows for text in (row.question, row.text))
        self.names = names_in([row for rows, _ in sources for row in rows])

    def epoch(self, number: int) -> list[Group]:
        groups: list[Group] = []
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
            texts += chooser.sample(list(wrong), min(len(wrong), chooser.randint(1, self.wrong)))
        context = row.context if chooser.random() < 0.5 else ""
        group = make_group(self.pairs, row, texts, context=context, chooser=chooser)
        return [group] if group else []

    def loss(self, network: SpecialistNetwork, rows: Sequence[Group], device: str) -> Tensor:
        """Minus the log-likelihood of the right starts and ends under one softmax per question, and the relevance's
        cross-entropy; with teachers, mostly the distance to the mean of their distributions (Hinton et al. 2015)."""
        windows = [window for group in rows for window in group.windows]
        inputs = [to_device(torch.from_numpy(array), device) for array in stack(windows)]
        forbidden = to_device(_forbidden(windows, inputs[0].shape[1]), device)[:, :, None]
        right = to_device(_right(rows, inputs[0].shape[1]), device)
        labels = to_device(torch.tensor([label for group in rows for label in group.relevance]), device)
        places = to_device(_places([len(group.windows) for group in rows]), device)

        span, relevance = network(*inputs)
        logits = _by_question(span.masked_fill(forbidden, NEVER), places)
        chosen = logits.masked_fill(~_by_question(right, places), float("-inf"))
        total = (logits.logsumexp(dim=1) - chosen.logsumexp(dim=1)).mean()
        total = total + RELEVANCE_WEIGHT * _relevance_loss(relevance[:, 0], labels)
        if not self.teachers:
            return total
        with torch.no_grad():
            taught = [teacher.to(device)(*inputs) for teacher in self.teachers]
            spans = [_by_question(span.masked_fill(forbidden, NEVER), places) for span, _ in taught]
            wanted = torch.stack([(given / TEMPERATURE).softmax(dim=1) for given in spans]).mean(dim=0)
            relevant = torch.stack([given[:, 0].sigmoid() for _, given in taught]).mean(dim=0)
        distance = -(wanted * (logits / TEMPERATURE).log_softmax(dim=1)).sum(dim=1).mean()
        distance = distance + RELEVANCE_WEIGHT * binary_cross_entropy_with_logits(relevance[:, 0], relevant)
        return TEACHER_WEIGHT * distance + (1 - TEACHER_WEIGHT) * total


def _places(sizes: Sequence[int]) -> Tensor:
    """(questions, most windows): the batch's row of each question's windows; behind the last row where it has fewer."""
    most, count = max(sizes), sum(sizes)
    rows, first = [], 0
    for size in sizes:
        rows.append([*range(first, first + size), *(count,) * (most - size)])
        first += size
    return torch.tensor(rows)


def _by_question(values: Tensor, places: Tensor) -> Tensor:
    """(windows, tokens, 2) → (questions, most windows * tokens, 2): what a question has fewer of is NEVER, or False."""
    missing = torch.zeros_like(values[:1]) if values.dtype == torch.bool else torch.full_like(values[:1], NEVER)
    found = torch.cat([values, missing]).index_select(0, places.flatten())
    return found.view(len(places), -1, values.shape[2])


def _right(rows: Sequence[Group], longest: int) -> Tensor:
    """(windows, tokens, 2): where a right answer begins and ends; [CLS] of every window where there is none."""
    mask = torch.zeros(sum(len(group.windows) for group in rows), longest, 2, dtype=torch.bool)
    first = 0
    for group in rows:
        for side, places in enumerate((group.starts, group.ends)):
            for window, token in places or [(window, 0) for window in range(len(group.windows))]:
                mask[first + window, token, side] = True
        first += len(group.windows)
    return mask


def _relevance_loss(logits: Tensor, labels: Tensor) -> Tensor:
    known = (labels != NO_LABEL).float()
    losses = binary_cross_entropy_with_logits(logits, labels.clamp(min=0.0), reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1.0)


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
        first = bisect_right(window.offsets, start, key=itemgetter(1))  # the first token that ends behind the start
        last = bisect_left(window.offsets, end, key=itemgetter(0)) - 1  # the last one that begins before the end
        if first <= last:
            found.append((window.text_start + first, window.text_start + last))
    return found
