"""Corpora, documents and chunks, and who may read them. The database is the truth; the indexes follow it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models


class Audience(models.Model):
    """A set of groups, or everyone in the organization. Rows are shared: the same set of groups is the same row."""

    key = models.CharField(max_length=500, unique=True)  # "everyone" or the sorted group ids
    everyone = models.BooleanField(default=False)
    groups = models.ManyToManyField(Group, blank=True, related_name="audiences")

    def __str__(self) -> str:
        return "Everyone" if self.everyone else self._names() or "Only its owner"

    @property
    def in_words(self) -> str:
        """As it stands within a sentence."""
        return "everyone" if self.everyone else self._names() or "only its owner"

    def _names(self) -> str:
        return ", ".join(group.name for group in self.groups.all())


class Corpus(models.Model):
    """A body of documents with an owner and a default audience."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=140, unique=True)
    description = models.TextField(blank=True, max_length=2000)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="owned_corpora")
    audience = models.ForeignKey(Audience, on_delete=models.PROTECT, related_name="corpora")
    is_for_slack = models.BooleanField(default=False)  # may be answered in Slack, which is outside the walls
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "corpora"
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class Partition(models.Model):
    """One index: the passages of a corpus that have one audience (null: the corpus's own). Searched whole or not at all."""

    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="partitions")
    audience = models.ForeignKey(Audience, on_delete=models.PROTECT, null=True, blank=True, related_name="partitions")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["corpus", "audience"], name="one_partition_per_audience"),
            models.UniqueConstraint(fields=["corpus"], condition=models.Q(audience=None), name="one_unnarrowed_partition"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """The name of the partition's index."""
        return f"partition-{self.pk}"


class DocumentState(models.TextChoices):
    QUEUED = "queued", "Queued"
    PARSING = "parsing", "Reading"
    INDEXING = "indexing", "Indexing"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"


MAY_SUCCEED_AGAIN = ("gave_up", "crashed", "took_too_long", "too_big_to_read")  # codes that do not lie in the file alone


class Document(models.Model):
    """An uploaded file and where it stands. States: queued, parsing, indexing, then ready or failed."""

    corpus = models.ForeignKey(Corpus, on_delete=models.CASCADE, related_name="documents")
    partition = models.ForeignKey(Partition, on_delete=models.PROTECT, related_name="documents")
    source_name = models.CharField(max_length=500)  # the name at upload, with its folders; unique in the corpus
    title = models.CharField(max_length=300, blank=True)
    source_url = models.CharField(max_length=500, blank=True)  # where the original stands, when it was not uploaded
    file = models.CharField(max_length=200)  # the generated name in the upload store
    format = models.CharField(max_length=20, blank=True)
    family = models.CharField(max_length=200, blank=True, db_index=True)  # the name without its version (versions.py)
    is_retired = models.BooleanField(default=False)  # superseded, by its name or by its own words
    sha256 = models.CharField(max_length=64)
    tagged_sha256 = models.CharField(max_length=64, blank=True)  # of the file whose own keywords have become tags
    size = models.BigIntegerField()
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="uploaded_documents"
    )

    state = models.CharField(max_length=10, choices=DocumentState, default=DocumentState.QUEUED)
    revision = models.PositiveIntegerField(default=0)  # the live revision of text and chunks; 0 = none yet
    pages = models.PositiveIntegerField(null=True)
    chunk_count = models.PositiveIntegerField(default=0)
    chunks_embedded = models.PositiveIntegerField(default=0)  # progress while indexing
    warnings = models.JSONField(default=list, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.CharField(max_length=500, blank=True)

    attempts = models.PositiveSmallIntegerField(default=0)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["source_name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["corpus", "source_name"], name="one_document_per_source_name")
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["state", "lease_until"])]

    def __str__(self) -> str:
        return self.title or self.source_name


class Tag(models.Model):
    """What an owner, or its file, put on a document. `key`: without case and accents, by which it is found (tags.py)."""

    NAME_LENGTH, KEY_LENGTH = 40, 160

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=NAME_LENGTH)
    key = models.CharField(max_length=KEY_LENGTH, db_index=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["key"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["document", "key"], name="one_tag_per_key")
        ]

    def __str__(self) -> str:
        return self.name


class DocumentText(models.Model):
    """The extracted text of a document's live revision, with its blocks: what citations point into."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="content")
    text = models.TextField()
    blocks = models.JSONField()

    def __str__(self) -> str:
        return f"text of {self.document_id}"


class Chunk(models.Model):
    """A passage as stored: a span of the document's text. Its primary key is the passage's id in the indexes."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    revision = models.PositiveIntegerField()  # live when equal to the document's
    position = models.PositiveIntegerField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    page = models.PositiveIntegerField(null=True)
    sheet = models.CharField(max_length=120, blank=True)
    heading_path = models.JSONField(default=list, blank=True)
    context = models.TextField(blank=True)  # embedded with the text, not shown as text
    text = models.TextField()
    content_key = models.BigIntegerField(null=True, db_index=True)  # of context and text; none for what an earlier release wrote
    sentences = models.JSONField(default=list, blank=True)  # [[start, end], …] as spans of the document's text

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["document", "revision", "position"], name="one_chunk_per_position")
        ]

    def __str__(self) -> str:
        return f"{self.document_id}:{self.position}"


class PendingRemoval(models.Model):
    """A passage that has left the database and must leave its index. Written in the transaction that removes it."""

    partition_key = models.CharField(max_length=40, db_index=True)
    passage_id = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.partition_key}:{self.passage_id}"
