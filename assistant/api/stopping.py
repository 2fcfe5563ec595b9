"""Stop sequences: a program's text ends before the first of them, wherever the pieces of a stream are cut."""

from __future__ import annotations

from collections.abc import Sequence

MOST = 4
LONGEST = 200


class Stopper:
    """Lets text through up to the first stop sequence. It holds back only what could be the beginning of one."""

    def __init__(self, sequences: Sequence[str]) -> None:
        self.sequences = [sequence for sequence in sequences if sequence]
        self.is_stopped = False
        self._held = ""

    def feed(self, piece: str) -> str:
        """What can be shown now."""
        if self.is_stopped:
            return ""
        text = self._held + piece
        found = [place for sequence in self.sequences if (place := text.find(sequence)) >= 0]
        if found:
            self.is_stopped, self._held = True, ""
            return text[: min(found)]
        self._held = text[len(text) - self._beginning(text) :]
        return text[: len(text) - len(self._held)]

    def finish(self) -> str:
        """What was held back and began no sequence after all."""
        held, self._held = self._held, ""
        return held

    def _beginning(self, text: str) -> int:
        """How many characters at the end may be the beginning of a sequence."""
        longest = max((len(sequence) for sequence in self.sequences), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(sequence.startswith(text[-length:]) for sequence in self.sequences):
                return length
        return 0
