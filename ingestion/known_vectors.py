"""Vectors that an index holds already: a passage that stands word for word in a live document is not embedded again, whichever
corpus or version it was in. Only the vector is taken over, which says no more than the words that the new document has itself."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from django.db.models import F, Min

from ingestion.models import Chunk, Partition
from retrieval.passages import FloatMatrix

KEYS_AT_ONCE = 500  # of one query


def content_key(context: str, text: str) -> int:
    """64 bits of a hash of what is embedded, signed as databases want it. Equal keys are a hint: the words are compared, too."""
    digest = hashlib.blake2b(f"{context}\n{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def known_vectors(chunks: Sequence[Chunk], embedder: str) -> dict[int, FloatMatrix]:
    """By the place in `chunks`, the vector (dimension,) of each whose context and text a live passage has, too."""
    from retrieval.indexing import stored_vectors

    places: dict[int, list[int]] = defaultdict(list)
    for place, chunk in enumerate(chunks):
        if chunk.content_key is not None:
            places[chunk.content_key].append(place)
    ids: dict[int, list[int]] = defaultdict(list)
    same: dict[int, list[int]] = {}
    keys = list(places)
    for start in range(0, len(keys), KEYS_AT_ONCE):
        for pk, context, text, partition in _live(keys[start : start + KEYS_AT_ONCE]):
            alike = places[content_key(context, text)]
            same[pk] = [place for place in alike if (chunks[place].context, chunks[place].text) == (context, text)]
            ids[partition].append(pk)
    found: dict[int, FloatMatrix] = {}
    for partition, pks in ids.items():
        for pk, vector in stored_vectors(Partition(pk=partition).key, pks, embedder=embedder).items():
            found.update(dict.fromkeys(same[pk], vector))
    return found


def _live(keys: Sequence[int]) -> list[tuple[int, str, str, int]]:
    """One live passage of each key: a footer that stands in every document has thousands."""
    live = Chunk.objects.filter(content_key__in=keys, revision=F("document__revision"))
    first = live.values("content_key").annotate(first=Min("pk")).values_list("first", flat=True)
    rows = Chunk.objects.filter(pk__in=list(first))
    return list(rows.values_list("pk", "context", "text", "document__partition"))
