"""Which specialist writes an answer: of those in use, the one whose corpora hold most of what was found. It is asked only where
all that it was trained on is within what the question searches; whoever may not read one of its documents gets the base model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from assistant.finetuning.models import Specialist, SpecialistVersion, VersionState
from assistant.finetuning.permissions import is_in_audience
from assistant.finetuning.trials.models import Trial
from assistant.finetuning.trials.taking import Choice, is_on_trial, is_served, running_trials
from assistant.models import Answer
from ingestion.models import Chunk
from specialists.router.types import SPECIALIST

NO_DOCUMENT = 0


def choose_adapter(chunks: Sequence[Chunk], partitions: Callable[[], Collection[int]], *, asker: int | None) -> Choice:
    """`chunks`: what was found, best first; `partitions`: what was searched, asked for only where a specialist could
    answer; `asker`: None where no person asks, who is not in any trial."""
    if not _may_any_answer():
        return Choice()
    found: defaultdict[int, float] = defaultdict(float)
    for rank, chunk in enumerate(chunks, start=1):
        found[chunk.document.corpus_id] += 1 / rank
    trials = running_trials(found) if asker is not None else {}
    best, most = Choice(), 0.0
    unused: tuple[float, Trial | None] = (0.0, None)  # of specialists of which none is in use: the base model is tried against
    specialists = Specialist.objects.filter(corpora__in=found).distinct().prefetch_related("corpora")
    versions = SpecialistVersion.objects.filter(state=VersionState.PROMOTED, specialist__in=specialists)
    promoted = {version.specialist_id: version for version in versions.select_related("specialist")}
    if not promoted and not trials:
        return best
    searched = partitions()
    for specialist in specialists:
        weight = sum(found.get(corpus.pk, 0.0) for corpus in specialist.corpora.all())
        choice = _choose_of(promoted.get(specialist.pk), trials.get(specialist.pk), searched, asker)
        if choice.adapter and weight > most:
            best, most = choice, weight
        elif not choice.adapter and choice.trial is not None and weight > unused[0]:
            unused = (weight, choice.trial)
    return best if best.adapter else Choice(trial=unused[1])


def _may_any_answer() -> bool:
    """Most installations have no specialist in use or on trial, and each of their questions asks for that."""
    return SpecialistVersion.objects.filter(state=VersionState.PROMOTED).exists() or Trial.objects.filter(ended_at=None).exists()


def _choose_of(
    promoted: SpecialistVersion | None, trial: Trial | None, partitions: Collection[int], asker: int | None
) -> Choice:  # fmt: skip
    """Of one specialist. A trial is for those only who may be answered by its candidate, whoever answers them."""
    used = promoted if promoted is not None and is_in_audience(promoted, partitions) else None
    adapter = used.adapter_name if used else ""
    if trial is None or asker is None or not is_in_audience(trial.version, partitions):
        return Choice(adapter)
    if is_served(trial, asker):
        return Choice(trial.version.adapter_name, trial, is_candidate=True)
    return Choice(adapter, trial if trial.incumbent_id == (used.pk if used else None) else None)


def may_use(adapter: str, partitions: Collection[int]) -> bool:
    """Whether the adapter is still in use, or on trial, and for them."""
    version = _version_of(adapter)
    if version is None or not is_in_audience(version, partitions):
        return False
    return version.state == VersionState.PROMOTED or is_on_trial(version)


def documents_behind(answer: Answer) -> set[int]:
    """See documents_behind_all."""
    return documents_behind_all([answer])[answer.pk]


def documents_behind_all(answers: Sequence[Answer]) -> dict[int, set[int]]:
    """By answer, what a model had before it when it wrote it, and what it was trained on: its words may come from any of them,
    whatever it cites. Of an answer that quotes there is nothing. Two queries for each adapter, however many answers."""
    written = [answer for answer in answers if answer.route == SPECIALIST]
    adapters = {str(answer.refusal.get("adapter", "")) for answer in written}
    trained = {adapter: trained_documents(adapter) for adapter in adapters}
    behind: dict[int, set[int]] = {answer.pk: set() for answer in answers}
    for answer in written:
        shown = {int(item.get("document", NO_DOCUMENT)) for item in answer.passages}
        behind[answer.pk] = shown | trained[str(answer.refusal.get("adapter", ""))]
    return behind


def trained_documents(adapter: str) -> set[int]:
    """The documents in an adapter's weights; with one that nobody may read where one of them was deleted, or the version was."""
    if not adapter:
        return set()
    version = _version_of(adapter)
    documents = set(version.documents.values_list("document_id", flat=True)) if version else set()
    return documents if version and len(documents) == version.document_count else documents | {NO_DOCUMENT}


def _version_of(adapter: str) -> SpecialistVersion | None:
    slug, _, number = adapter.rpartition("-v")
    if not number.isdecimal():
        return None
    return SpecialistVersion.objects.filter(specialist__slug=slug, number=int(number)).first()
