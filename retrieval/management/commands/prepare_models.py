"""Makes the embedding model ready for this host; run once after installing and after changing EMBEDDING_MODEL."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from retrieval.builds import model_folder, read_builds
from retrieval.embedders.prepare import prepare_model
from retrieval.embedders.prepared import PREPARED, PreparedModel
from retrieval.embedders.sources import model_slug
from retrieval.errors import RetrievalError


class Command(BaseCommand):
    help = "Prepare the embedding model that EMBEDDING_MODEL names, and those of builds. Does nothing when they are ready."

    def handle(self, *args: Any, **options: Any) -> None:
        model = settings.EMBEDDING_MODEL
        precision = cast("dict[str, Any]", settings.EMBEDDER)["OPTIONS"].get("precision", "auto")
        try:
            prepared = prepare_model(model, settings.MODELS_DIR / model_slug(model), precision)
        except RetrievalError as error:
            raise CommandError(error.public_message) from error
        self._tell(prepared)
        try:
            for name in read_builds().builds:  # the embedders that the search has moved to, or may
                folder = model_folder(name)
                self._tell(prepare_model(str(folder), folder / PREPARED, precision))
        except RetrievalError as error:
            raise CommandError(error.public_message) from error

    def _tell(self, prepared: PreparedModel) -> None:
        self.stdout.write(f"{prepared.name} is ready: {prepared.dimension} dimensions, cosine to torch {prepared.agreement:.4f}")
