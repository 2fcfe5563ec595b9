"""Rows out of the database as training and judgement take them, and the freezing of a data set."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from assistant.finetuning.models import (
    DataSet,
    DataSetRow,
    DataSetState,
    SpecialistVersion,
    Split,
    TrainedDocument,
)
from assistant.finetuning.permissions import whole_rows
from ingestion.models import Document
from specialists.errors import SpecialistError
from specialists.finetuning.rows import Row, RowPassage, check_enough, rows_sha256

MOST_JUDGED = 200


def rows_of(data_set: DataSet, split: str) -> list[Row]:
    """The kept rows of a part, in their order."""
    return list(_rows_by_id(data_set, split).values())


def _rows_by_id(data_set: DataSet, split: str) -> dict[int, Row]:
    rows = whole_rows(data_set).filter(is_dropped=False, split=split).prefetch_related("passages")
    return {row.pk: _row(row) for row in rows}


def _row(row: DataSetRow) -> Row:
    passages = tuple(RowPassage(item.chunk_id, item.title, item.text) for item in row.passages.all())
    return Row(row.question, passages, row.answer, row.gold_chunk, row.rejected)


def to_judge(data_set: DataSet) -> dict[int, Row]:
    """Of the held-out rows at most MOST_JUDGED, spread over all of them, by their ids."""
    rows = list(_rows_by_id(data_set, Split.HELD_OUT).items())
    step = max(1, -(-len(rows) // MOST_JUDGED))
    return dict(rows[::step])


@transaction.atomic
def freeze(version: SpecialistVersion) -> tuple[list[Row], list[Row]]:
    """The rows to train on and those to look at, with the documents of the former kept as the version's. From now on nobody
    changes the set; only what is deleted goes. Raises SpecialistError `too_few_rows`."""
    data_set = DataSet.objects.select_for_update().get(pk=version.data_set_id)
    documents = _documents_of(data_set)  # before the rows: what is deleted between is counted, and nobody may use the version
    training, held_out = rows_of(data_set, Split.TRAIN), rows_of(data_set, Split.HELD_OUT)
    wrong = check_enough(training, held_out)
    if wrong:
        raise SpecialistError("too_few_rows", wrong, permanent=True)
    if data_set.state != DataSetState.FROZEN:
        DataSet.objects.filter(pk=data_set.pk).update(state=DataSetState.FROZEN, sha256=rows_sha256([*training, *held_out]))
    there = Document.objects.select_for_update().filter(pk__in=documents).values_list("pk", flat=True)
    version.documents.all().delete()
    TrainedDocument.objects.bulk_create([TrainedDocument(version=version, document_id=pk) for pk in sorted(there)])
    SpecialistVersion.objects.filter(pk=version.pk).update(document_count=len(documents))
    version.document_count = len(documents)
    return training, held_out


def _documents_of(data_set: DataSet) -> set[int]:
    kept = whole_rows(data_set).filter(is_dropped=False, split=Split.TRAIN)
    shown: Iterable[int] = data_set.rows.filter(pk__in=kept.values("pk")).values_list("passages__document_id", flat=True)
    return {pk for pk in (*shown, *kept.values_list("document_id", flat=True)) if pk}
