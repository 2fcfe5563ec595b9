"""Specialists of an organization: what they are for, the data sets made of its documents, and the versions trained on them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from ingestion.models import Corpus, Document


class Work(models.Model):
    """Work of the trainer that takes long: queued, held by a lease, taken up again after a death, stopped by people."""

    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    error_message = models.CharField(max_length=500, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # claims since the last progress
    lease_owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class Specialist(models.Model):
    """A name under which versions of an adapter follow each other, for questions about these corpora."""

    name = models.CharField(max_length=80, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    description = models.CharField(max_length=500, blank=True)
    corpora = models.ManyToManyField(Corpus, related_name="specialists")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class DataSetState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    MAKING = "making", "Being made"
    READY = "ready", "Ready"
    FROZEN = "frozen", "Frozen"
    FAILED = "failed", "Failed"
    STOPPED = "stopped", "Stopped"


OPEN_DATA_SETS = (DataSetState.QUEUED, DataSetState.MAKING)


class DataSet(Work):
    """Rows to train on and rows to judge by, made with the rights of whoever asked for it. Frozen by the first training on it."""

    specialist = models.ForeignKey(Specialist, on_delete=models.CASCADE, related_name="data_sets")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=DataSetState, default=DataSetState.QUEUED)
    made_as = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    seed = models.PositiveIntegerField(default=7)
    recipe = models.CharField(max_length=20, default="general")  # a name of specialists.finetuning.presets.PRESETS
    has_written = models.BooleanField(default=False)  # the language model writes questions, too
    prompt_version = models.PositiveIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)  # of the kept rows, once frozen
    left_out = models.JSONField(default=dict, blank=True)  # why a question became no row, and how many

    class Meta:
        ordering: ClassVar[list[str]] = ["-pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["specialist", "number"], name="one_data_set_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.specialist_id}: data set {self.number}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_DATA_SETS


class RowKind(models.TextChoices):
    NEAR = "near", "Among passages that come close"
    FAR = "far", "Among any passages"
    ALTERED = "altered", "With a changed fact"
    UNANSWERABLE = "unanswerable", "Without the passage that answers"


class Origin(models.TextChoices):
    """What a question was made from."""

    EXAMPLE = "example", "a reviewed example"
    FAQ = "faq", "a heading that asks"
    HEADING = "heading", "a section"
    TABLE = "table", "a table"
    TICKET = "ticket", "a ticket"
    CLAUSE = "clause", "a clause of a contract"
    LABEL = "label", "the type of a clause"
    HOW_TO = "howto", "an instruction or docstring"
    USAGE = "usage", "an example call"
    WRITTEN = "written", "written by the model"


class Split(models.TextChoices):
    TRAIN = "train", "To train on"
    HELD_OUT = "held_out", "Held out"


class DataSetRow(models.Model):
    """A question, the passages shown with it, and what is to be written. `document` is the one that the question was made from;
    with it the row goes. Of the other passages the row lacks one when their document went, and is then left out."""

    data_set = models.ForeignKey(DataSet, on_delete=models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=12, choices=RowKind)
    split = models.CharField(max_length=8, choices=Split)
    origin = models.CharField(max_length=12, choices=Origin)
    question = models.TextField()
    answer = models.TextField(blank=True)  # of the gold passage, a sentence in a line; empty where none answers
    rejected = models.TextField(blank=True)  # what a model wrote instead; all that it may come from is among the passages
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    gold_chunk = models.BigIntegerField()
    passage_count = models.PositiveSmallIntegerField()
    findings = models.JSONField(default=list, blank=True)  # [{"kind": "e-mail address", "is_secret": false}, …]
    is_dropped = models.BooleanField(default=False)
    dropped_because = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["position"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["data_set", "position"], name="one_row_per_position")
        ]

    def __str__(self) -> str:
        return self.question[:80]


class RowPassage(models.Model):
    """A passage of a row as it was: the document may change, the row does not."""

    row = models.ForeignKey(DataSetRow, on_delete=models.CASCADE, related_name="passages")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    chunk_id = models.BigIntegerField()
    revision = models.PositiveIntegerField()
    title = models.TextField()
    text = models.TextField()

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]

    def __str__(self) -> str:
        return self.title


class VersionState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    TRAINING = "training", "Training"
    JUDGING = "judging", "Being judged"
    CANDIDATE = "candidate", "Candidate"
    PROMOTED = "promoted", "In use"
    RETIRED = "retired", "Retired"
    FAILED = "failed", "Failed"
    STOPPED = "stopped", "Stopped"


OPEN_VERSIONS = (VersionState.QUEUED, VersionState.TRAINING, VersionState.JUDGING)


class SpecialistVersion(Work):
    """An adapter: what it was trained on and how, how it compares with what was in use then, and where it stands."""

    specialist = models.ForeignKey(Specialist, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=9, choices=VersionState, default=VersionState.QUEUED)
    data_set = models.ForeignKey(DataSet, on_delete=models.PROTECT, related_name="versions")
    recipe = models.JSONField(default=dict)
    base_name = models.CharField(max_length=120, blank=True)
    base_sha256 = models.CharField(max_length=64, blank=True)
    losses = models.JSONField(default=list, blank=True)  # [[step, loss], …]
    held_out_losses = models.JSONField(default=list, blank=True)  # [[step, loss], …]
    seconds_left = models.FloatField(null=True)
    figures = models.JSONField(default=dict, blank=True)  # of the training: seconds, tokens per second, memory, parameters
    incumbent = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")  # null: the base model
    judgement = models.JSONField(default=dict, blank=True)
    is_better = models.BooleanField(null=True)  # the gate's verdict; null: not judged
    verdict = models.CharField(max_length=500, blank=True)
    document_count = models.PositiveIntegerField(default=0)  # of the documents trained on

    class Meta:
        ordering: ClassVar[list[str]] = ["-pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["specialist", "number"], name="one_version_per_number"),
            models.UniqueConstraint(
                fields=["specialist"], condition=models.Q(state="promoted"), name="one_promoted_version"
            ),
            models.UniqueConstraint(
                fields=["specialist"], condition=models.Q(state__in=["queued", "training", "judging"]),
                name="one_version_in_training",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.adapter_name

    @property
    def adapter_name(self) -> str:
        """Of its folder, and by which the language model knows it."""
        return f"{self.specialist.slug}-v{self.number}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_VERSIONS


class TrainedDocument(models.Model):
    """A document whose words are in a version's weights. Fewer of these than the version counts means that one was deleted."""

    version = models.ForeignKey(SpecialistVersion, on_delete=models.CASCADE, related_name="documents")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["version", "document"], name="one_trained_document")
        ]

    def __str__(self) -> str:
        return f"{self.version_id}: {self.document_id}"


class SmallerModel(models.Model):
    """A compressed variant that was made and judged: of what, how, and what it costs. Its folder is the operator's."""

    specialist = models.ForeignKey(Specialist, on_delete=models.CASCADE, related_name="smaller_models")
    data_set = models.ForeignKey(DataSet, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=500)
    parent = models.CharField(max_length=200)  # the base, and the adapter in it
    made_by = models.JSONField(default=list)  # in words, a step each
    figures = models.JSONField(default=dict)  # bytes, numbers and tokens per second, each [before, after]; comparisons
    is_kept = models.BooleanField()  # the gate's verdict
    verdict = models.CharField(max_length=500)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-pk"]

    def __str__(self) -> str:
        return self.path


class JudgedAnswer(models.Model):
    """What both wrote to a held-out row: the words behind a verdict. It goes with the row, and so with the row's document."""

    version = models.ForeignKey(SpecialistVersion, on_delete=models.CASCADE, related_name="judged_answers")
    row = models.ForeignKey(DataSetRow, on_delete=models.CASCADE, related_name="+")
    is_planted = models.BooleanField(default=False)  # an instruction stood in one of its passages
    incumbent_text = models.TextField(blank=True)
    candidate_text = models.TextField(blank=True)
    incumbent_score = models.FloatField()  # of the main measure, 0 to 1
    candidate_score = models.FloatField()

    class Meta:
        ordering: ClassVar[list[str]] = ["row__position"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["version", "row"], name="one_judged_answer_per_row")
        ]

    def __str__(self) -> str:
        return f"{self.version_id}: {self.row_id}"


class VersionChange(models.Model):
    """Who put which version into use or out of it, when, and why."""

    class Act(models.TextChoices):
        PROMOTED = "promoted", "Put into use"
        OVERRULED = "overruled", "Put into use against the verdict"
        ROLLED_BACK = "rolled_back", "Rolled back to"
        REPLACED = "replaced", "Replaced"
        RETIRED = "retired", "Taken out of use"
        TRIED = "tried", "Tried"

    version = models.ForeignKey(SpecialistVersion, on_delete=models.CASCADE, related_name="changes")
    act = models.CharField(max_length=11, choices=Act)
    reason = models.CharField(max_length=300, blank=True)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-pk"]

    def __str__(self) -> str:
        return f"{self.act} {self.version_id}"
