"""What one person sees of a specialist: its versions with figures as words, the curves of a training, and the rows they may
read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Count, F, Q

from assistant.finetuning.models import DataSet, DataSetRow, Specialist, SpecialistVersion, Split, VersionState
from assistant.finetuning.permissions import is_withdrawn, passages_left, withdrawn_versions
from assistant.finetuning.registry import why_against
from assistant.finetuning.trials.models import Trial
from specialists.finetuning.gate import LABELS, signed

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 220, 52, 14, 12, 30
MANY_SECONDS = 90
MANY_MINUTES = 90
RECIPE_LABELS = {
    "epochs": "Epochs", "batch": "Rows in a step", "learning_rate": "Learning rate", "warmup": "Warm-up", "r": "Rank (r)",
    "lora_alpha": "Alpha", "use_rslora": "Alpha by the root of r", "dropout": "Dropout", "window": "Window, in tokens",
    "part_tokens": "Tokens computed at once", "beta": "Weight of rejected answers", "quantisation": "Base in", "seed": "Seed",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShownMeasure:
    """Shares in percent; the interval of the difference in points."""

    label: str
    rows: int
    incumbent: float
    candidate: float
    difference: str
    is_worse: bool
    is_better: bool


@dataclass(frozen=True, slots=True)
class ShownVersion:
    row: SpecialistVersion
    is_withdrawn: bool
    is_tried: bool
    left: str  # of its training, in words
    measures: tuple[ShownMeasure, ...]
    can_promote: bool
    against: str  # why putting it into use takes a reason
    can_retry: bool
    made: tuple[tuple[str, str], ...]  # how, in labels and values


@dataclass(frozen=True, slots=True)
class ShownSpecialist:
    row: Specialist
    promoted: ShownVersion | None
    latest: SpecialistVersion | None


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of an SVG polyline."""

    label: str
    kind: str
    line: str
    last: tuple[float, float]
    value: float  # the loss at its end


@dataclass(frozen=True, slots=True)
class LossChart:
    width: int
    height: int
    left: int
    right: int
    base: int
    grid: tuple[tuple[float, str], ...]
    steps: tuple[tuple[float, str], ...]
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class DataSetFigures:
    training: int
    held_out: int
    dropped: int
    flagged: int  # kept, with personal data in them
    withdrawn: int  # a document of theirs was deleted


def show_specialists(specialists: Sequence[Specialist]) -> list[ShownSpecialist]:
    """With a fixed number of queries, where their versions are fetched already."""
    promoted = {
        version.specialist_id: version
        for specialist in specialists
        for version in specialist.versions.all()
        if version.state == VersionState.PROMOTED
    }
    gone = withdrawn_versions(promoted.values())
    return [_show_specialist(specialist, promoted.get(specialist.pk), gone) for specialist in specialists]


def _show_specialist(specialist: Specialist, promoted: SpecialistVersion | None, gone: Collection[int]) -> ShownSpecialist:
    versions = list(specialist.versions.all())
    return ShownSpecialist(
        specialist,
        _shown(promoted, is_gone=promoted.pk in gone) if promoted else None,
        versions[0] if versions else None,
    )


def show_versions(versions: Sequence[SpecialistVersion]) -> list[ShownVersion]:
    """As a list shows them, with two queries."""
    gone = withdrawn_versions(versions)
    tried = set(Trial.objects.filter(version__in=versions, ended_at=None).values_list("version", flat=True))
    return [_shown(version, is_gone=version.pk in gone, is_tried=version.pk in tried) for version in versions]


def show_version(version: SpecialistVersion) -> ShownVersion:
    return _shown(version, is_gone=is_withdrawn(version), against=why_against(version))


def _shown(version: SpecialistVersion, *, is_gone: bool, is_tried: bool = False, against: str = "") -> ShownVersion:
    return ShownVersion(
        version,
        is_gone,
        is_tried,
        in_words(version.seconds_left) if version.seconds_left is not None else "",
        tuple(_measure(item) for item in version.judgement.get("comparisons", ())),
        can_promote=version.state in (VersionState.CANDIDATE, VersionState.RETIRED) and not is_gone,
        against=against,
        can_retry=version.state in (VersionState.FAILED, VersionState.STOPPED),
        made=tuple(_made(version)),
    )


def _made(version: SpecialistVersion) -> Iterator[tuple[str, str]]:
    for name, value in version.recipe.items():
        if value:
            yield RECIPE_LABELS.get(name, name), "yes" if value is True else str(value)
    figures = version.figures
    if "trained_parameters" in figures:
        yield "Numbers trained", f"{figures['trained_parameters']:,}"
    if "seconds" in figures:
        yield "Time", in_words(figures["seconds"]).removeprefix("about ")
        yield "Device", str(figures["device"])
    yield "Documents", f"{version.document_count:,}"


def _measure(item: dict[str, float | str | bool]) -> ShownMeasure:
    old, new, low, high = (100 * float(item[name]) for name in ("incumbent", "candidate", "low", "high"))
    label = LABELS.get(str(item["name"]), str(item["name"]))
    is_worse = bool(item["is_worse"])
    return ShownMeasure(
        label[0].upper() + label[1:], int(item["rows"]), old, new, f"{signed(low)} to {signed(high)}", is_worse, low > 0
    )


def in_words(seconds: float) -> str:
    """“about 4 minutes”"""
    if seconds < MANY_SECONDS:
        return f"about {max(1, round(seconds))} seconds"
    minutes = seconds / 60
    return f"about {round(minutes)} minutes" if minutes < MANY_MINUTES else f"about {minutes / 60:.1f} hours"


def figures_of(data_set: DataSet) -> DataSetFigures:
    return figures_of_all([data_set])[data_set.pk]


def figures_of_all(data_sets: Sequence[DataSet]) -> dict[int, DataSetFigures]:
    """By data set, with one query."""
    whole = Q(left=F("passage_count"))
    kept = whole & Q(is_dropped=False)
    rows = DataSetRow.objects.filter(data_set__in=data_sets).annotate(left=passages_left()).order_by().values("data_set")
    counted = rows.annotate(
        training=Count("pk", filter=kept & Q(split=Split.TRAIN)),
        held_out=Count("pk", filter=kept & Q(split=Split.HELD_OUT)),
        dropped=Count("pk", filter=whole & Q(is_dropped=True)),
        flagged=Count("pk", filter=kept & ~Q(findings=[])),
        withdrawn=Count("pk", filter=~whole),
    )
    found = {
        item["data_set"]: DataSetFigures(
            item["training"], item["held_out"], item["dropped"], item["flagged"], item["withdrawn"]
        )
        for item in counted
    }  # fmt: skip
    return {data_set.pk: found.get(data_set.pk, DataSetFigures(0, 0, 0, 0, 0)) for data_set in data_sets}


def draw_losses(version: SpecialistVersion) -> LossChart | None:
    """None until there are two points."""
    if len(version.losses) < 2:
        return None
    most = max(value for _, value in [*version.losses, *version.held_out_losses])
    last = max(
        version.total if version.state == VersionState.TRAINING else 0,
        version.losses[-1][0],
        *(step for step, _ in version.held_out_losses[-1:]),
    )
    curves = [_curve("rows trained on", "training", version.losses, last, most)]
    if len(version.held_out_losses) > 1:
        curves.append(_curve("rows held out", "held-out", version.held_out_losses, last, most))
    return LossChart(
        width=WIDTH, height=HEIGHT, left=LEFT, right=WIDTH - RIGHT, base=HEIGHT - BOTTOM,
        grid=tuple((_y(share * most, most), f"{share * most:.2f}") for share in (0.0, 0.5, 1.0)),
        steps=tuple((_x(step, last), f"{step}") for step in sorted({1, last // 2, last}) if step),
        curves=tuple(curves),
    )  # fmt: skip


def _curve(label: str, kind: str, points: Sequence[Sequence[float]], last: int, most: float) -> Curve:
    placed = [(_x(step, last), _y(value, most)) for step, value in points]
    return Curve(label, kind, " ".join(f"{x},{y}" for x, y in placed), placed[-1], points[-1][1])


def _x(step: float, last: int) -> float:
    return round(LEFT + step / max(last, 1) * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, most: float) -> float:
    return round(TOP + (1 - value / (most or 1.0)) * (HEIGHT - TOP - BOTTOM), 1)
