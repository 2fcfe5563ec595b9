from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingestion import embedding, pipeline, services, worker
from ingestion.embedding import EmbeddingBatch
from ingestion.models import Chunk, Corpus, Document, DocumentState, PendingRemoval
from ingestion.permissions import readable_chunks, readable_documents, readable_partitions
from ingestion.pipeline import IN_WORK
from ingestion.verification import verify
from ingestion.worker import ingest, work_until_empty
from retrieval.embedders import get_embedder
from retrieval.errors import RetrievalError
from retrieval.indexing import partition_ids
from retrieval.search import search
from tests.people import LEAVE, People, add_text, make_corpora

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def handbook(people: People) -> Corpus:
    return make_corpora(people)[0]


def add(corpus: Corpus, name: str, text: str, **options: Any) -> services.AddedDocument:
    return services.add_document(
        corpus=corpus, source_name=name, content=io.BytesIO(text.encode()), uploaded_by=corpus.owner, **options
    )


def found_texts(person: Any, question: str) -> str:
    hits = search(question, scope=[partition.key for partition in readable_partitions(person)]).hits
    return " ".join(chunk.text for chunk in readable_chunks(person, [hit.id for hit in hits]))


def make_live(draft: pipeline.Draft) -> None:
    with ThreadPoolExecutor(1) as pool:
        EmbeddingBatch([draft], pool).write()


def test_it_takes_no_groups_for_nobody_and_never_for_everyone(people: People, handbook: Corpus) -> None:
    for number, nobody in enumerate(([], (), frozenset())):
        document = add(handbook, f"secret-{number}.md", LEAVE, groups=nobody).document
        assert not readable_documents(people.ben).filter(pk=document.pk).exists()
        assert readable_documents(handbook.owner).filter(pk=document.pk).exists()


def test_it_skips_unchanged_bytes(handbook: Corpus, settings: Any) -> None:
    document = add_text(handbook, "leave.md", LEAVE)
    chunks = set(document.chunks.values_list("pk", flat=True))
    assert add(handbook, "leave.md", LEAVE).outcome == "unchanged"
    assert work_until_empty() == 0
    assert set(document.chunks.values_list("pk", flat=True)) == chunks
    assert [path for path in Path(settings.UPLOADS_DIR).rglob("*") if path.is_file()] == [services.original_path(document)]


def test_it_replaces_a_changed_file_and_leaves_no_tail(people: People, handbook: Corpus) -> None:
    add_text(handbook, "leave.md", LEAVE + "\n\n## Sabbatical\n\nA sabbatical lasts up to six months without pay.\n")
    add_text(handbook, "leave.md", LEAVE.replace("27 days", "31 days"))
    assert "31 days" in found_texts(people.ben, "annual leave days")
    assert "27 days" not in found_texts(people.ben, "annual leave days")
    assert "sabbatical" not in found_texts(people.ben, "sabbatical without pay")
    assert verify() == []


def test_it_embeds_only_the_passages_that_have_changed(people: People, handbook: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder, embedded = get_embedder(), []
    embed_passages = embedder.embed_passages
    monkeypatch.setattr(embedder, "embed_passages", lambda texts: embedded.extend(texts) or embed_passages(texts))
    more = "\n\n## Sabbatical\n\nA sabbatical lasts up to six months without pay.\n\n## Sickness\n\nCall before nine.\n"
    document = add_text(handbook, "leave.md", LEAVE + more)
    assert len(embedded) == document.chunk_count > 2
    embedded.clear()
    document = add_text(handbook, "leave.md", LEAVE + more.replace("six months", "nine months"))
    assert ["nine months" in text for text in embedded] == [True]
    assert document.chunk_count > 2
    assert "nine months" in found_texts(people.ben, "sabbatical without pay")
    assert "Call before nine" in found_texts(people.ben, "what to do when sick")
    assert verify() == []


def test_it_charges_no_document_with_an_embedder_that_cannot_be_loaded(handbook: Corpus, settings: Any) -> None:
    document = add(handbook, "leave.md", LEAVE).document
    builds = Path(settings.INDEXES_DIR) / "builds.json"
    builds.parent.mkdir(parents=True, exist_ok=True)
    builds.write_text("{")
    with pytest.raises(RetrievalError, match="builds_corrupt"):
        work_until_empty()
    document.refresh_from_db()
    assert (document.state, document.attempts) == (DocumentState.QUEUED, 0)
    builds.unlink()
    assert work_until_empty() == 1


def test_it_charges_only_the_document_whose_passages_cannot_be_embedded(
    people: People, handbook: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = get_embedder()
    embed_passages = embedder.embed_passages

    def embed(texts: list[str]) -> Any:
        if any("unembeddable" in text for text in texts):
            raise ValueError("no vector")
        return embed_passages(texts)

    monkeypatch.setattr(embedder, "embed_passages", embed)
    for name, text in (("good-1.md", LEAVE), ("bad.md", LEAVE + "\n\nAn unembeddable word.\n"), ("good-2.md", LEAVE)):
        add(handbook, name, text)
    work_until_empty()
    found = dict(Document.objects.values_list("source_name", "attempts"))
    assert found == {"good-1.md": 1, "bad.md": 3, "good-2.md": 1}
    bad = Document.objects.get(source_name="bad.md")
    assert (bad.state, bad.error_code, bad.chunks.count()) == (DocumentState.FAILED, "gave_up", 0)
    assert "could not be embedded" in bad.error_message
    assert set(Document.objects.exclude(pk=bad.pk).values_list("state", flat=True)) == {DocumentState.READY}
    assert verify() == []


def test_it_charges_no_document_with_an_embedder_that_embeds_nothing(handbook: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(texts: list[str]) -> Any:
        raise RuntimeError("the card is gone")

    monkeypatch.setattr(worker, "CLAIMED_AT_ONCE", 1)
    monkeypatch.setattr(worker, "BATCH_CHUNKS", 1)  # one is embedded while the next is read, and all are given back
    for name in ("leave.md", "notice.md", "travel.md"):
        add(handbook, name, LEAVE)
    with monkeypatch.context() as broken:
        broken.setattr(get_embedder(), "embed_passages", fail)
        with pytest.raises(RuntimeError, match="the card is gone"):
            work_until_empty()
    assert set(Document.objects.values_list("state", "attempts", "lease_owner")) == {(DocumentState.QUEUED, 0, "")}
    assert not Chunk.objects.exists()
    assert work_until_empty() == 3
    assert verify() == []


def test_it_reads_the_next_documents_while_a_batch_is_embedded(
    people: People, handbook: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first batch's vectors come only when the next batch has been read."""
    monkeypatch.setattr(worker, "BATCH_CHUNKS", 1)
    embedder, second_was_read = get_embedder(), threading.Event()
    embed_passages, parse = embedder.embed_passages, worker.parse

    def parse_and_tell(claim: pipeline.Claim) -> Any:
        if claim.document.source_name == "second.md":
            second_was_read.set()
        return parse(claim)

    monkeypatch.setattr(worker, "parse", parse_and_tell)
    monkeypatch.setattr(worker, "CLAIMED_AT_ONCE", 1)
    monkeypatch.setattr(
        embedder, "embed_passages", lambda texts: embed_passages(texts) if second_was_read.wait(20) else np.zeros((0, 0))
    )
    for name in ("first.md", "second.md"):
        add(handbook, name, LEAVE)
    assert work_until_empty() == 2
    assert set(Document.objects.values_list("state", flat=True)) == {DocumentState.READY}
    assert verify() == []


def test_it_answers_from_the_old_version_until_the_new_one_is_ready(people: People, handbook: Corpus) -> None:
    document = add_text(handbook, "leave.md", LEAVE)
    add(handbook, "leave.md", LEAVE.replace("27 days", "31 days"))
    assert "27 days" in found_texts(people.ben, "annual leave days")
    claims = pipeline.claim_documents(owner="test", limit=5)
    parsed = pipeline.parse(claims[0])
    assert parsed is not None
    assert pipeline.draft(claims[0], parsed, lambda texts: [len(text.split()) for text in texts]) is not None
    assert "27 days" in found_texts(people.ben, "annual leave days")
    assert document.chunks.filter(revision=2).exists()


def test_it_keeps_the_good_version_when_the_new_one_cannot_be_read(people: People, handbook: Corpus) -> None:
    document = add_text(handbook, "leave.md", LEAVE)
    add(handbook, "leave.md", "%PDF-1.4 no text at all")
    work_until_empty()
    document.refresh_from_db()
    assert document.state == DocumentState.FAILED
    assert document.error_message.endswith(".")
    assert "27 days" in found_texts(people.ben, "annual leave days")


def test_it_takes_a_deleted_document_out_of_database_store_and_index_at_once(handbook: Corpus) -> None:
    document = add_text(handbook, "leave.md", LEAVE)
    path, key = services.original_path(document), document.partition.key
    services.delete_document(document=document)
    assert not path.exists()
    assert partition_ids(key) == (set(), set())
    assert not PendingRemoval.objects.exists()
    assert verify() == []


@pytest.mark.parametrize("moment", ["claimed", "drafted"])
def test_it_has_one_outcome_when_a_document_is_deleted_during_its_ingestion(handbook: Corpus, moment: str) -> None:
    document = add(handbook, "leave.md", LEAVE).document
    claims = pipeline.claim_documents(owner="test", limit=5)
    if moment == "drafted":
        parsed = pipeline.parse(claims[0])
        item = pipeline.draft(claims[0], parsed, lambda texts: [len(text.split()) for text in texts])
        services.delete_document(document=document)
        make_live(item)
    else:
        services.delete_document(document=document)
        ingest(claims)
    work_until_empty()
    assert not Document.objects.exists()
    assert not Chunk.objects.exists()
    assert verify() == []


def test_it_embeds_nothing_more_of_a_document_that_is_deleted(
    people: People, handbook: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Others wait for its turn to end."""
    monkeypatch.setattr(embedding, "EMBED_AT_ONCE", 2)
    monkeypatch.setattr(embedding, "LOOK_EVERY_S", 0.01)
    long = add(handbook, "long.md", "\n\n".join(f"# Part {n}\n\n" + f"Rule {n} is about thing {n}. " * 60 for n in range(12)))
    add(handbook, "leave.md", LEAVE)
    embedder, embedded, looked = get_embedder(), [], threading.Event()
    embed_passages, report = embedder.embed_passages, EmbeddingBatch.report

    def embed(texts: list[str]) -> Any:
        embedded.append(len(texts))
        assert looked.wait(20)  # the first time until the deletion was seen
        return embed_passages(texts)

    def look(batch: EmbeddingBatch) -> None:
        if not looked.is_set():
            services.delete_document(document=Document.objects.get(pk=long.document.pk))
        report(batch)
        looked.set()

    monkeypatch.setattr(embedder, "embed_passages", embed)
    monkeypatch.setattr(EmbeddingBatch, "report", look)

    work_until_empty()

    assert sum(embedded) <= 2 + len(Chunk.objects.all())
    assert "27 days" in found_texts(people.ben, "annual leave days")
    assert verify() == []


def test_it_lets_short_documents_pass_a_long_one(people: People, handbook: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that came with it, and one that is uploaded while it is embedded: nothing of the long one is embedded before they
    can be found."""
    monkeypatch.setattr(worker, "BATCH_CHUNKS", 8)
    monkeypatch.setattr(embedding, "LOOK_EVERY_S", 0.01)
    add(handbook, "before.md", LEAVE)
    add(handbook, "long.md", "\n\n".join(f"# Part {n}\n\n" + f"Rule {n} is about thing {n}. " * 60 for n in range(12)))
    add(handbook, "after.md", LEAVE)
    embedder, wanted, passed = get_embedder(), {"before.md", "after.md", "later.md"}, threading.Event()
    embed_passages, report, make_live = embedder.embed_passages, EmbeddingBatch.report, embedding.make_live

    def embed(texts: list[str]) -> Any:
        if any("Rule" in text for text in texts):
            assert passed.wait(20)
        return embed_passages(texts)

    def upload(batch: EmbeddingBatch) -> None:
        if not Document.objects.filter(source_name="later.md").exists():
            add(handbook, "later.md", LEAVE)
        report(batch)

    def live(key: str, drafts: list[pipeline.Draft], *rest: Any) -> None:
        make_live(key, drafts, *rest)
        wanted.difference_update(item.claim.document.source_name for item in drafts)
        if not wanted:
            passed.set()

    monkeypatch.setattr(embedder, "embed_passages", embed)
    monkeypatch.setattr(EmbeddingBatch, "report", upload)
    monkeypatch.setattr(embedding, "make_live", live)
    assert work_until_empty() == 4
    assert set(Document.objects.values_list("source_name", "state", "attempts")) == {
        (name, DocumentState.READY, 1) for name in ("before.md", "long.md", "after.md", "later.md")
    }
    assert verify() == []


def test_it_holds_few_long_documents_at_once(people: People, handbook: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are queued: what is read and not embedded yet stands in memory."""
    for name, value in (("BATCH_CHUNKS", 1), ("CLAIMED_AT_ONCE", 1), ("PASSING_AT_ONCE", 1), ("LONG_WAITING", 2)):
        monkeypatch.setattr(worker, name, value)
    monkeypatch.setattr(embedding, "LOOK_EVERY_S", 0.01)
    for number in range(10):
        add(handbook, f"long-{number}.md", "\n\n".join(f"# Part {n}\n\n" + f"Rule {n} of {number}. " * 60 for n in range(3)))
    embedder, waited_for, in_work = get_embedder(), threading.Event(), []
    embed_passages, report = embedder.embed_passages, EmbeddingBatch.report

    def embed(texts: list[str]) -> Any:
        assert waited_for.wait(20)  # the first time until the reading of more has paused
        return embed_passages(texts)

    def look(batch: EmbeddingBatch) -> None:
        in_work.append(Document.objects.filter(state__in=IN_WORK).count())
        report(batch)
        waited_for.set()

    monkeypatch.setattr(embedder, "embed_passages", embed)
    monkeypatch.setattr(EmbeddingBatch, "report", look)
    assert work_until_empty() == 10
    assert max(in_work) <= 4  # one is embedded, two wait, and one more was read
    assert set(Document.objects.values_list("state", "attempts")) == {(DocumentState.READY, 1)}
    assert verify() == []


def test_it_has_one_outcome_when_a_file_comes_again_during_its_ingestion(people: People, handbook: Corpus) -> None:
    add(handbook, "leave.md", LEAVE)
    claims = pipeline.claim_documents(owner="test", limit=5)
    assert add(handbook, "leave.md", LEAVE).outcome == "unchanged"
    assert add(handbook, "leave.md", LEAVE.replace("27 days", "31 days")).outcome == "changed"
    ingest(claims)
    work_until_empty()
    assert Document.objects.get().state == DocumentState.READY
    assert "31 days" in found_texts(people.ben, "annual leave days")
    assert "27 days" not in found_texts(people.ben, "annual leave days")
    assert verify() == []


def test_it_closes_the_document_at_once_when_it_is_narrowed(people: People, handbook: Corpus) -> None:
    document = add_text(handbook, "leave.md", LEAVE)
    assert "27 days" in found_texts(people.cy, "annual leave days")
    services.narrow_document(document=document, groups=[people.sales])
    assert "27 days" not in found_texts(people.cy, "annual leave days")
    work_until_empty()
    assert "27 days" not in found_texts(people.cy, "annual leave days")
    assert "27 days" in found_texts(people.ben, "annual leave days")
    assert verify() == []


def test_it_gives_up_on_a_document_that_is_lost_three_times_and_on_no_neighbour(handbook: Corpus) -> None:
    """The worker is killed whenever it holds bad.md; the good ones were in the same batch the first time."""
    for name in ("good-1.md", "bad.md", "good-2.md"):
        add(handbook, name, LEAVE)
    for _ in range(12):
        claims = pipeline.claim_documents(owner="test", limit=10)
        if any(claim.document.source_name == "bad.md" for claim in claims):
            pipeline.release_leases()
        else:
            ingest(claims)
    states = dict(Document.objects.values_list("source_name", "state"))
    assert states == {"good-1.md": "ready", "good-2.md": "ready", "bad.md": "failed"}
    assert "three times" in Document.objects.get(source_name="bad.md").error_message


def test_it_finds_and_repairs_what_differs_between_index_and_database(handbook: Corpus) -> None:
    from retrieval.indexing import drop_partition, remove_passages

    document = add_text(handbook, "leave.md", LEAVE)
    key = document.partition.key
    remove_passages(key, [document.chunks.first().pk])
    assert {finding.code for finding in verify()} == {"missing_dense", "missing_lexical"}
    assert verify(repair=True)
    assert verify() == []
    drop_partition(key)
    assert verify(repair=True)
    assert verify() == []
    ids = list(document.chunks.values_list("pk", flat=True))
    Chunk.objects.filter(pk=ids[0]).delete()
    assert {finding.code for finding in verify()} == {"orphan_dense", "orphan_lexical"}
    assert verify(repair=True)
    assert verify() == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/absolute/name.md", "absolute/name.md"),
        ("C:\\Users\\ada\\plan.docx", "C:/Users/ada/plan.docx"),
        ("a/./b//c.txt", "a/b/c.txt"),
        ("evil\x00\x1b[2Jname.md", "evil[2Jname.md"),
        ("\u202etxt.exe.md", "txt.exe.md"),
        ("..", ""),
    ],
)
def test_it_keeps_a_name_but_never_a_path(name: str, kept: str) -> None:
    assert services.clean_source_name(name) == kept


def test_it_refuses_a_file_over_the_limit_with_what_to_do(handbook: Corpus, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 1000
    added = add(handbook, "big.txt", "x" * 1001)
    assert added.outcome == "refused"
    assert "Split it" in added.message
    assert not any(path.is_file() for path in Path(settings.UPLOADS_DIR).rglob("*"))


def test_it_leaves_the_next_worker_s_draft_alone_when_a_claim_was_lost(handbook: Corpus) -> None:
    document = add(handbook, "leave.md", LEAVE).document
    late = pipeline.claim_documents(owner="late", limit=5)[0]
    pipeline.release_leases()
    claim = pipeline.claim_documents(owner="next", limit=5)[0]
    parsed = pipeline.parse(claim)
    item = pipeline.draft(claim, parsed, lambda texts: [len(text.split()) for text in texts])
    pipeline.fail(late, "took_too_long", "Too late.")
    pipeline.put_back(late, "Too late.")
    make_live(item)
    document.refresh_from_db()
    assert document.state == DocumentState.READY
    assert document.chunks.count() == len(item.chunks) > 0
    assert verify() == []
