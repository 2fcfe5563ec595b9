"""Rows of data sets, versions and what they were trained on, as a trainer would have left them."""

from __future__ import annotations

from typing import Any

from assistant.finetuning.models import (
    DataSet,
    DataSetRow,
    DataSetState,
    RowPassage,
    Specialist,
    SpecialistVersion,
    TrainedDocument,
    VersionState,
)
from ingestion.models import Document


def make_row(data_set: DataSet, position: int, *documents: Document, **fields: Any) -> DataSetRow:
    """A row that was made from the first of the documents, and shows passages of them all."""
    values = {"kind": "near", "split": "train", "origin": "heading", "answer": f"Answer {position}.", **fields}
    row = DataSetRow.objects.create(
        data_set=data_set, position=position, question=f"Question {position}?", document=documents[0], gold_chunk=position,
        passage_count=len(documents), **values,
    )  # fmt: skip
    for number, document in enumerate(documents):
        RowPassage.objects.create(
            row=row, document=document, chunk_id=position + 1000 * number, revision=1, title=document.title,
            text=f"Words {position} of {document.title}. Answer {position}.",
        )  # fmt: skip
    return row


def make_data_set(specialist: Specialist, **fields: Any) -> DataSet:
    return DataSet.objects.create(
        specialist=specialist, number=specialist.data_sets.count() + 1, **{"state": DataSetState.READY, **fields}
    )


def make_version(specialist: Specialist, *documents: Document, **fields: Any) -> SpecialistVersion:
    data_set = fields.pop("data_set", None) or specialist.data_sets.first() or make_data_set(specialist)
    values = {
        "state": VersionState.CANDIDATE,
        "is_better": True,
        "verdict": "As told.",
        "document_count": len(documents),
        **fields,
    }
    version = SpecialistVersion.objects.create(
        specialist=specialist, number=specialist.versions.count() + 1, data_set=data_set, **values
    )
    for document in documents:
        TrainedDocument.objects.create(version=version, document=document)
    return version
