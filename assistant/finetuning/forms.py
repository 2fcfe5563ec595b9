"""Forms of specialists and of their trainings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.db.models import QuerySet

from assistant.finetuning.trials.editing import MOST_ANSWERS
from assistant.finetuning.trials.models import TrialKind
from assistant.numbers import number_errors
from ingestion.models import Corpus
from specialists.finetuning.recipe import LIMITS, FinetuneRecipe, why_not_here

_DEFAULTS = FinetuneRecipe()
ADVANCED = ("use_rslora", "dropout", "seed")


class SpecialistForm(forms.Form):
    name = forms.CharField(max_length=60, widget=forms.TextInput({"autocomplete": "off"}))
    description = forms.CharField(max_length=500, required=False, widget=forms.TextInput({"autocomplete": "off"}))
    corpora = forms.ModelMultipleChoiceField(Corpus.objects.none(), widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, corpora: QuerySet[Corpus], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["corpora"].queryset = corpora  # type: ignore[attr-defined]
        self.fields["corpora"].error_messages["required"] = "Choose at least one corpus."


def _number(name: str, *, is_whole: bool = True, is_required: bool = True) -> forms.Field:
    least, most = LIMITS[name]
    kind: Any = forms.IntegerField if is_whole else forms.FloatField
    usual = getattr(_DEFAULTS, name)
    says = number_errors(least, most, such_as=usual, is_whole=is_whole)
    return kind(min_value=least, max_value=most, initial=usual, localize=False, required=is_required, error_messages=says)


class RecipeForm(forms.Form):
    """The values that people change; the others have their defaults."""

    epochs = _number("epochs")
    learning_rate = _number("learning_rate", is_whole=False)
    r = _number("r")
    lora_alpha = _number("lora_alpha")
    batch = _number("batch")
    window = _number("window")
    quantisation = forms.ChoiceField(
        choices=[("", "full precision"), ("8bit", "8 bits"), ("4bit", "4 bits (QLoRA)")],
        required=False,
        error_messages={"invalid_choice": "Choose full precision, 8 bits or 4 bits."},
    )
    use_rslora = forms.BooleanField(required=False, initial=_DEFAULTS.use_rslora, label="Divide alpha by the root of r (rsLoRA)")
    dropout = _number("dropout", is_whole=False, is_required=False)
    seed = _number("seed", is_required=False)

    @property
    def leading(self) -> list[forms.BoundField]:
        return [field for field in self if field.name not in ADVANCED]

    @property
    def advanced(self) -> list[forms.BoundField]:
        """What is folded away, so that it may be left empty: it is then as the recipe has it."""
        return [self[name] for name in ADVANCED]

    @property
    def has_advanced_errors(self) -> bool:
        return any(self.errors.get(name) for name in ADVANCED)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        left_empty = [name for name in ADVANCED if name in values and values[name] is None]
        return {**values, **{name: self.get_initial_for_field(self.fields[name], name) for name in left_empty}}

    def clean_quantisation(self) -> str:
        """Refused where it would fail: the training would say so only after the base is read."""
        chosen: str = self.cleaned_data["quantisation"]
        if against := why_not_here(chosen):
            raise forms.ValidationError(against)
        return chosen


class TrialForm(forms.Form):
    """Whom a version answers before it is in use."""

    kind = forms.ChoiceField(choices=TrialKind.choices, initial=TrialKind.SHADOW, label="How")
    share = forms.IntegerField(
        min_value=1,
        max_value=100,
        initial=20,
        label="Share, percent",
        required=False,
        error_messages=number_errors(1, 100, such_as=20),
    )
    group = forms.ModelChoiceField(Group.objects.order_by("name"), required=False, empty_label="no group")
    most_answers = forms.IntegerField(
        min_value=1,
        max_value=MOST_ANSWERS,
        initial=200,
        label="Ends after answers",
        error_messages=number_errors(1, MOST_ANSWERS, such_as=200),
    )
    reason = forms.CharField(max_length=300, required=False, widget=forms.TextInput({"autocomplete": "off"}))
