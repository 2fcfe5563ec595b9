"""Makes a data set: the pairs of question and passage that the documents give, each put among other passages as a search finds
them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from django.db import transaction

from assistant.errors import UNEXPECTED
from assistant.finetuning.claims import KILLED, MAX_ATTEMPTS, Claim
from assistant.finetuning.models import DataSet, DataSetRow, DataSetState, RowPassage, Split
from assistant.finetuning.permissions import may_make, partitions_for
from assistant.finetuning.sections import pairs_in, read_sections
from ingestion.connections import lend_connection
from ingestion.models import Document, Partition
from ingestion.renewing import renewing
from retrieval.errors import RetrievalError
from specialists.errors import SpecialistError
from specialists.finetuning.asking import NOT_WRITTEN, ask_about
from specialists.finetuning.duplicates import NEARLY_SAME, without_near_duplicates
from specialists.finetuning.findings import find
from specialists.finetuning.mixing import Mixed, hold_out_enough, mix
from specialists.finetuning.pairs import Pair, Section, distinct, in_turn
from specialists.finetuning.presets import GENERAL, NOT_WANTED, PRESETS, Preset, choose_pairs, lacks_its_subject
from specialists.prompting import PROMPT_VERSION

logger = logging.getLogger(__name__)

MOST_ROWS = 4000
MOST_WRITTEN = 1000
BATCH = 25
FOUND = 30
NOT_ALLOWED = "Whoever asked for this data set may no longer make one of these corpora."
NOT_AGREED = "the reader finds other words than the language model does"


def make_data_set(claim: Claim) -> None:
    """Bring a claimed data set to its end. A trainer that dies leaves it to the next, which begins anew: one seed, one
    outcome."""
    assert isinstance(claim.work, DataSet)
    if claim.work.attempts > MAX_ATTEMPTS:
        claim.end(state=DataSetState.FAILED, error_message=KILLED)
        return
    try:
        with renewing(claim.renew):
            _make(claim, claim.work)
        if claim.should_stop():
            claim.release()  # does nothing to a set that has come to its end
    except (SpecialistError, RetrievalError) as error:
        claim.end(state=DataSetState.FAILED, error_message=error.public_message[:500])
    except Exception:  # a bug must end as a failed data set, not as one that waits for ever
        logger.exception("Data set %s failed", claim.work.pk)
        claim.end(state=DataSetState.FAILED, error_message=UNEXPECTED)


def _make(claim: Claim, data_set: DataSet) -> None:
    person, specialist = data_set.made_as, data_set.specialist
    if person is None or not may_make(person, specialist):
        claim.end(state=DataSetState.FAILED, error_message=NOT_ALLOWED)
        return
    data_set.rows.all().delete()
    partitions = partitions_for(person, specialist)
    sections = read_sections(partitions)
    preset = PRESETS.get(data_set.recipe, GENERAL)
    left_out: Counter[str] = Counter()
    written = _written(claim, sections, left_out) if data_set.has_written else ()
    every = distinct([*pairs_in(specialist, person, sections), *written])
    if lacks_its_subject(every, preset):
        claim.end(state=DataSetState.FAILED, error_message=preset.missing)
        return
    pairs = _chosen(every, preset, left_out)[:MOST_ROWS]
    held_out = hold_out_enough(Counter(pair.section.unit for pair in pairs), seed=data_set.seed)  # of those that ask something
    if not claim.progress(total=len(pairs), done=0):
        return
    rows: list[Mixed] = []
    position = 0
    for number, pair in enumerate(pairs, start=1):
        made = mix(pair, _found(pair.question, partitions), sections, held_out=held_out, seed=data_set.seed, shares=preset.shares)
        if isinstance(made, str):
            left_out[made] += 1
        else:
            rows.append(made)
        if len(rows) >= BATCH or number == len(pairs):
            if not _keep(claim, data_set, rows, sections, position, number):
                return
            position += len(rows)
            rows = []
    claim.end(state=DataSetState.READY, left_out=dict(+left_out), prompt_version=PROMPT_VERSION)


def _chosen(every: Sequence[Pair], preset: Preset, left_out: Counter[str]) -> list[Pair]:
    """Without what is nearly the same as another, and what the recipe does not take."""
    different = without_near_duplicates(every)
    wanted, unwanted = choose_pairs(in_turn(different), preset)
    left_out.update({NEARLY_SAME: len(every) - len(different), NOT_WANTED: unwanted})
    return wanted


def _found(question: str, partitions: Sequence[Partition]) -> list[int]:
    from retrieval.search import search

    lend_connection()
    return [hit.id for hit in search(question, scope=[partition.key for partition in partitions], top_k=FOUND).hits]


def _written(claim: Claim, sections: dict[int, Section], left_out: Counter[str]) -> Iterator[Pair]:
    """By the language model, where the reader agrees on the answer, while somebody wants them. Raises SpecialistError."""
    from specialists.language_models import get_language_model
    from specialists.reader.serving import ReaderPassage, get_reader

    model = get_language_model()
    if model is None:
        raise SpecialistError("no_model", "No language model is installed, so none can write questions. Make the set without.")
    reader = get_reader()
    for section in list(sections.values())[:MOST_WRITTEN]:
        if not claim.renew():
            return
        lend_connection()
        pair = ask_about(model, section) if not section.columns else None
        if pair is None:
            left_out[NOT_WRITTEN] += 1
            continue
        spans = reader.read(pair.question, [ReaderPassage(section.chunk, section.text, section.context)]).spans
        if spans and spans[0].text.strip() in pair.answer:
            yield pair
        else:
            left_out[NOT_AGREED] += 1


@transaction.atomic
def _keep(
    claim: Claim, data_set: DataSet, rows: Sequence[Mixed], sections: dict[int, Section], position: int, done: int
) -> bool:  # fmt: skip
    """False when the data set is no longer this claim's."""
    if not claim.progress(done=done):
        return False
    documents = {sections[passage.chunk].document for item in rows for passage in item.row.passages}
    revisions = dict(Document.objects.select_for_update().filter(pk__in=documents).values_list("pk", "revision"))
    for number, item in enumerate(rows, start=position + 1):
        if item.pair.section.document in revisions:  # or it was deleted while the set was made
            _store(data_set, number, item, sections, revisions)
    return True


def _store(
    data_set: DataSet, number: int, item: Mixed, sections: dict[int, Section], revisions: dict[int, int]
) -> None:  # fmt: skip
    shown = [passage for passage in item.row.passages if sections[passage.chunk].document in revisions]
    documents = {sections[passage.chunk].document for passage in shown}
    rejected = item.row.rejected if item.pair.rejected_from <= documents else ""  # it goes, and is shown, with these alone
    findings = find("\n".join([item.row.question, rejected, *(passage.text for passage in shown)]))
    secret = next((finding for finding in findings if finding.is_secret), None)
    row = DataSetRow.objects.create(
        data_set=data_set, position=number, kind=item.kind, origin=item.pair.origin, question=item.row.question,
        split=Split.HELD_OUT if item.is_held_out else Split.TRAIN, answer=item.row.answer, rejected=rejected,
        document_id=item.pair.section.document, gold_chunk=item.row.gold, passage_count=len(item.row.passages),
        findings=[asdict(finding) for finding in findings], is_dropped=secret is not None,
        dropped_because=f"holds a secret: {secret.kind}" if secret else "",
    )  # fmt: skip
    RowPassage.objects.bulk_create([
        RowPassage(
            row=row, document_id=sections[passage.chunk].document, chunk_id=passage.chunk, title=passage.title,
            revision=revisions[sections[passage.chunk].document], text=passage.text,
        )
        for passage in shown
    ])  # fmt: skip
