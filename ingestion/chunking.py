"""Cuts a parsed document into passages that fit the embedder, at headings, blocks, rows and sentences, offsets exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise

from ingestion.parsers.base import Block, ParsedDocument
from ingestion.sentences import sentence_spans, trim

CountTokens = Callable[[Sequence[str]], list[int]]
Span = tuple[int, int]

CHARACTERS_PER_TOKEN = 8  # a word-piece model calls any giant word one token; no text is sparser than this
_CONTEXT_SHARE = 0.5  # of the tokens, at most


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A passage: text[start:end] of the document. `context` is embedded with it and not shown; sentences are absolute spans."""

    position: int
    start: int
    end: int
    page: int | None
    sheet: str | None
    heading_path: tuple[str, ...]
    context: str
    sentences: tuple[Span, ...]


def chunk_document(parsed: ParsedDocument, *, title: str, count_tokens: CountTokens, max_tokens: int = 200) -> list[ChunkDraft]:
    """The document's passages in reading order. `count_tokens` is the embedder's; text and context fit `max_tokens` together."""
    return _Chunker(parsed, title, count_tokens, max_tokens).run()


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is packed whole: a block, a short table, or a piece of something longer."""

    blocks: tuple[Block, ...]
    start: int
    end: int
    weight: int
    header: str = ""  # a long table's column names
    alone: bool = False


class _Chunker:
    def __init__(self, parsed: ParsedDocument, title: str, count_tokens: CountTokens, max_tokens: int) -> None:
        self.parsed = parsed
        self.text = parsed.text
        self.title = " ".join(title.split())
        self.count_tokens = count_tokens
        self.max_tokens = max_tokens
        self.weights: dict[Span, int] = {}
        self.contexts: dict[tuple[tuple[str, ...], str], tuple[str, int]] = {}
        self.chunks: list[ChunkDraft] = []

    def run(self) -> list[ChunkDraft]:
        spans = [(block.start, block.end) for block in self.parsed.blocks]
        self.weights = dict(zip(spans, self.weigh([self.text[start:end] for start, end in spans]), strict=True))
        for section in self._sections():
            self._pack(section)
        return self.chunks

    def weigh(self, texts: Sequence[str]) -> list[int]:
        """Tokens, or what a giant word's characters would be worth."""
        counts = self.count_tokens(texts) if texts else []
        return [max(count, -(-len(text) // CHARACTERS_PER_TOKEN)) for count, text in zip(counts, texts, strict=True)]

    def _sections(self) -> Iterator[list[Block]]:
        """Runs of blocks under one heading, on one page and sheet. A heading is its section's path; alone, it is a section."""
        blocks = self.parsed.blocks
        body = [block for block in blocks if block.kind != "heading" or self._is_bare(block)]

        def place(block: Block) -> tuple[object, ...]:
            return block.heading_path, block.page, block.sheet, block.start if block.kind == "heading" else None

        for _, section in groupby(body, key=place):
            yield list(section)

    @cached_property
    def _bare_headings(self) -> set[int]:
        """The starts of headings with nothing under them, which no other block has in its path."""
        bare = set()
        for block, following in pairwise((*self.parsed.blocks, None)):
            if block is not None and block.kind == "heading":
                path = (*block.heading_path, self.text[block.start : block.end])
                if following is None or following.heading_path[: len(path)] != path:
                    bare.add(block.start)
        return bare

    def _is_bare(self, block: Block) -> bool:
        return block.start in self._bare_headings

    # --- Context ------------------------------------------------------------------------------------------------------

    def context(self, path: tuple[str, ...], header: str = "") -> tuple[str, int]:
        """What is embedded before the text (title > headings, then a table's column names), and its weight."""
        key = (path, header)
        if key not in self.contexts:
            names = [self.title, *path] if self.title and self.title not in path[:1] else list(path)
            limit = int(self.max_tokens * _CONTEXT_SHARE)
            head = self._shortened(" > ".join(filter(None, names)), limit // 2 if header else limit, from_front=True)
            columns = self._shortened(header, limit - self.weigh([head])[0], from_front=False) if header else ""
            context = "\n".join(filter(None, (head, columns)))
            self.contexts[key] = context, self.weigh([context])[0] if context else 0
        return self.contexts[key]

    def _shortened(self, text: str, limit: int, *, from_front: bool) -> str:
        """At most `limit` tokens: of a path the end says most, of column names the beginning."""
        weight = self.weigh([text])[0] if text else 0
        while weight > limit and text:
            keep = min(len(text) - 1, int(len(text) * limit / weight))
            text = text[len(text) - keep :] if from_front else text[:keep]
            text = text.partition(" ")[2] if from_front else text.rpartition(" ")[0]
            weight = self.weigh([text])[0] if text else 0
        return text.strip(" >|") if from_front else text.strip()

    # --- Packing ------------------------------------------------------------------------------------------------------

    def _pack(self, section: Sequence[Block]) -> None:
        room = self.max_tokens - self.context(section[0].heading_path)[1]
        waiting: list[_Unit] = []
        for unit in self._units(section, room):
            is_full = sum(item.weight for item in waiting) + unit.weight > room
            if waiting and (is_full or unit.header != waiting[-1].header or unit.alone or waiting[-1].alone):
                self._emit(waiting)
                waiting = []
            waiting.append(unit)
        if waiting:
            self._emit(waiting)

    def _emit(self, units: Sequence[_Unit]) -> None:
        first = units[0].blocks[0]
        start, end = units[0].start, units[-1].end
        sentences = tuple(span for unit in units for span in self._sentences(unit))
        context = self.context(first.heading_path, units[0].header)[0]
        self.chunks.append(
            ChunkDraft(len(self.chunks), start, end, first.page, first.sheet, first.heading_path, context, sentences)
        )  # fmt: skip

    def _sentences(self, unit: _Unit) -> Iterator[Span]:
        for block in unit.blocks:
            start, end = max(block.start, unit.start), min(block.end, unit.end)
            if block.is_header and len(unit.blocks) > 1:
                continue  # column names say nothing by themselves
            if block.kind in ("table_row", "list_item", "heading"):
                yield start, end
            elif block.kind == "code":
                yield from _line_groups(self.text, start, end)
            else:
                yield from ((start + left, start + right) for left, right in sentence_spans(self.text[start:end]))

    # --- Units --------------------------------------------------------------------------------------------------------

    def _units(self, section: Sequence[Block], room: int) -> Iterator[_Unit]:
        for table, group in groupby(section, key=lambda block: block.table):
            blocks = tuple(group)
            if table is not None:
                yield from self._table_units(blocks, room)
                continue
            for block in blocks:
                yield from self._block_units(block, room)

    def _block_units(self, block: Block, room: int) -> Iterator[_Unit]:
        weight = self.weights[block.start, block.end]
        if weight <= room:
            yield _Unit((block,), block.start, block.end, weight)
            return
        spans = self._split(block, room)
        for (start, end), size in zip(spans, self.weigh([self.text[start:end] for start, end in spans]), strict=True):
            yield _Unit((block,), start, end, size)

    def _table_units(self, rows: tuple[Block, ...], room: int) -> Iterator[_Unit]:
        """A table that fits stays whole; a longer one is cut between rows, its column names in every piece's context."""
        weight = sum(self.weights[row.start, row.end] for row in rows)
        if weight <= room:
            yield _Unit(rows, rows[0].start, rows[-1].end, weight)
            return
        header = self.text[rows[0].start : rows[0].end] if rows[0].is_header and len(rows) > 1 else ""
        room = self.max_tokens - self.context(rows[0].heading_path, header)[1]
        waiting: list[_Unit] = []
        for row in rows[1:] if header else rows:
            for unit in self._block_units(row, room):
                if waiting and sum(item.weight for item in waiting) + unit.weight > room:
                    yield _merged(waiting, header)
                    waiting = []
                waiting.append(unit)
        if waiting:
            yield _merged(waiting, header)

    # --- Splitting a long block ---------------------------------------------------------------------------------------

    def _split(self, block: Block, room: int) -> list[Span]:
        if block.kind == "code":
            return self._split_at(block, room, _line_spans(self.text, block.start, block.end))
        if block.kind == "table_row" and block.cells:
            return self._split_at(block, room, [trim(self.text, *cell) for cell in block.cells])
        return self._split_prose(block.start, block.end, room)

    def _split_at(self, block: Block, room: int, parts: Sequence[Span]) -> list[Span]:
        """Pack lines or cells; one that is too long by itself is split as prose is."""
        parts = [part for part in parts if part[0] < part[1]]
        packed: list[Span] = []
        used = 0
        for part, weight in zip(parts, self.weigh([self.text[start:end] for start, end in parts]), strict=True):
            if weight > room:
                packed += self._split_prose(*part, room)
                used = room
            elif packed and used + weight < room:
                packed[-1] = (packed[-1][0], part[1])
                used += weight + 1
            else:
                packed.append(part)
                used = weight
        return packed

    def _split_prose(self, start: int, end: int, room: int) -> list[Span]:
        """By llama-index's splitter: sentences, else phrases, else words. What has no spaces is cut hard before."""
        from llama_index.core.node_parser import SentenceSplitter

        splitter = SentenceSplitter(
            chunk_size=max(room, 8),
            chunk_overlap=0,
            tokenizer=lambda text: range(self.weigh([text])[0]),
            chunking_tokenizer_fn=_sentence_texts,
        )
        spans: list[Span] = []
        for left, right in _without_giant_words(self.text, start, end, room * CHARACTERS_PER_TOKEN // 2):
            at = left
            for piece in splitter.split_text(self.text[left:right]):
                found = self.text.find(piece.strip(), at, right)
                if found < 0:  # the splitter changed the text: cut by length rather than lose it
                    spans += _slices(at, right, room * CHARACTERS_PER_TOKEN // 4)
                    break
                spans.append((found, found + len(piece.strip())))
                at = spans[-1][1]
        return [span for span in (trim(self.text, *span) for span in spans) if span[0] < span[1]]


def _merged(units: Sequence[_Unit], header: str) -> _Unit:
    blocks = tuple(dict.fromkeys(block for unit in units for block in unit.blocks))
    weight = sum(unit.weight for unit in units)
    return replace(units[0], blocks=blocks, end=units[-1].end, weight=weight, header=header, alone=True)


def _sentence_texts(text: str) -> list[str]:
    """The sentences as texts that make up the whole text, white space with the sentence before it."""
    starts = [0, *(start for start, _ in sentence_spans(text)[1:]), len(text)]
    return [text[left:right] for left, right in pairwise(starts)]


def _without_giant_words(text: str, start: int, end: int, longest: int) -> Iterator[Span]:
    """The span, cut where `longest` characters pass without a space."""
    at, since = start, start
    for index in range(start, end):
        if text[index].isspace():
            since = index
        elif index - since > longest:
            yield at, index
            at = since = index
    yield at, end


def _slices(start: int, end: int, size: int) -> list[Span]:
    size = max(size, 1)
    return [(at, min(at + size, end)) for at in range(start, end, size)]


def _line_spans(text: str, start: int, end: int) -> list[Span]:
    spans, at = [], start
    for line in text[start:end].splitlines(keepends=True):
        spans.append((at, at + len(line.rstrip())))
        at += len(line)
    return spans


def _line_groups(text: str, start: int, end: int) -> Iterator[Span]:
    """Code by its blank lines: each group of lines is what a sentence is in prose."""
    group: Span | None = None
    for left, right in _line_spans(text, start, end):
        if left < right:
            group = (group[0] if group else left, right)
        elif group:
            yield group
            group = None
    if group:
        yield group
