from __future__ import annotations

from typing import Any, cast

import pytest

from retrieval.embedders import get_embedder
from tests.retrieval.embedders import HashingEmbedder


@pytest.fixture(autouse=True)
def embedder(settings: Any) -> HashingEmbedder:
    settings.EMBEDDER = {"BACKEND": "tests.retrieval.embedders.HashingEmbedder", "OPTIONS": {}}
    hashing = cast("HashingEmbedder", get_embedder())
    hashing.embedded.clear()
    return hashing
