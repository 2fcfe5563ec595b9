"""Two runs side by side, question by question: what was fixed, what broke, what stayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.golden.models import GoldenResult, GoldenRun, Trigger
from assistant.golden.runs import result_key

ORDER = ("broken", "fixed", "wrong", "right", "new", "gone", "unasked")
LABELS = {
    "broken": "Newly wrong", "fixed": "Newly right", "wrong": "Wrong in both", "right": "Right in both",
    "new": "Only in the second", "gone": "Only in the first", "unasked": "Not asked in one",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """A question in both runs; one side is None where that run did not ask it with the same expectation."""

    change: str
    before: GoldenResult | None
    after: GoldenResult | None

    @property
    def shown(self) -> GoldenResult:
        shown = self.after or self.before
        assert shown is not None
        return shown


@dataclass(frozen=True, slots=True)
class Comparison:
    pairs: tuple[Pair, ...]
    changed_parts: tuple[str, ...]  # of the fingerprint, in people's words
    is_same_scope: bool

    def count(self, change: str) -> int:
        return sum(1 for pair in self.pairs if pair.change == change)

    @property
    def counts(self) -> list[tuple[str, str, int]]:
        return [(change, LABELS[change], number) for change in ORDER if (number := self.count(change))]


def compare(before: GoldenRun, after: GoldenRun) -> Comparison:
    was = {result_key(result): result for result in before.results.all()}
    now = {result_key(result): result for result in after.results.all()}
    pairs = [_pair(was.get(key), result) for key, result in now.items()]
    pairs += [_pair(result, None) for key, result in was.items() if key not in now]
    return Comparison(
        pairs=tuple(sorted(pairs, key=lambda pair: ORDER.index(pair.change))),
        changed_parts=changed_parts(before, after),
        is_same_scope=before.scope == after.scope,
    )


def changed_parts(before: GoldenRun, after: GoldenRun) -> tuple[str, ...]:
    parts: Sequence[Trigger] = (Trigger.MODEL, Trigger.PROMPT, Trigger.THRESHOLD, Trigger.INDEX)
    return tuple(str(part.label) for part in parts if before.fingerprint.get(part) != after.fingerprint.get(part))


def _pair(before: GoldenResult | None, after: GoldenResult | None) -> Pair:
    if before is None or after is None:
        return Pair("new" if before is None else "gone", before, after)
    if before.is_correct is None or after.is_correct is None:
        return Pair("unasked", before, after)
    changes = {(True, False): "broken", (False, True): "fixed", (True, True): "right", (False, False): "wrong"}
    return Pair(changes[before.is_correct, after.is_correct], before, after)
