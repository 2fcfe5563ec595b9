"""Trains a LoRA adapter on rows: the loop, the checkpoints and the adapter's folder. Why not another's trainer: docs/adr/0016.

The order of the rows and the noise of a step depend on the seed and the step's number alone, so a training that was killed and
resumed ends, on a processor, with the weights of one that was not."""

from __future__ import annotations

import json
import math
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from retrieval.files import fsync_path, sha256_of
from specialists.errors import SpecialistError
from specialists.finetuning.encoding import EncodedRow, encode_rows, make_steps, parts_of
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row, rows_sha256
from specialists.finetuning.sizing import Estimate, check_fits, estimate
from specialists.language_models.adapters import CARD, WEIGHTS
from specialists.language_models.chat import Chat
from specialists.language_models.folders import ModelFolder
from specialists.language_models.loading import chosen_device, load_network
from specialists.language_models.memory import free_bytes, memory_errors_named
from specialists.prompting import PROMPT_VERSION
from specialists.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from specialists.training.loop import SEED_STRIDE, settle_processor

STOPPED = "stopped"  # the code of what is raised when nobody wants the adapter any more
REPORTS = 100  # of a training, about
HELD_OUT_LOOKED_AT = 32
HELD_OUT_LOOKS = 10
CLIP = 1.0
NOT_LEARNT = -100
LIBRARIES = ("torch", "transformers", "peft", "tokenizers")


@dataclass(frozen=True, slots=True)
class Told:
    """How far a training is. `held_out` is the loss on rows that are not trained on, where it was looked at just now."""

    step: int
    steps: int
    loss: float
    seconds_left: float
    tokens_per_second: float
    held_out: float | None = None


class Guide(Protocol):
    """A further loss beside that of the words, such as how far a student's scores are from its teacher's. `share` of the whole
    loss is its; trainings with guides of other names are others."""

    name: str
    share: float

    def loss(self, rows: Sequence[EncodedRow], scores: Tensor, wanted: Tensor, device: str) -> Tensor:
        """The sum over the learnt tokens. `scores`: rows × tokens × vocabulary; `wanted`: the tokens, NOT_LEARNT beside them."""
        ...


def leave(network: Any) -> None:
    """As it is."""


@dataclass(frozen=True, slots=True)
class Finetuning:
    """One training. `output` is there when it is whole; until then its checkpoint is in `work_folder`. `report` is told how far
    it is and says whether to go on; `checkpoint_s`: seconds of work that a kill may cost; `arrange`: what is done to the network
    with its adapter before the first step."""

    base: ModelFolder
    recipe: FinetuneRecipe
    training: Sequence[Row]
    held_out: Sequence[Row]
    output: Path
    report: Callable[[Told], bool]
    device: str = "auto"
    checkpoint_s: float = 120.0
    card: dict[str, Any] = field(default_factory=dict)  # what else is to stand in the adapter's card
    arrange: Callable[[Any], None] = leave
    guide: Guide | None = None

    @property
    def work_folder(self) -> Path:
        """Beside the output, with a dot: nobody takes it for an adapter."""
        return self.output.with_name(f".{self.output.name}")


def estimate_rows(base: ModelFolder, recipe: FinetuneRecipe, rows: Sequence[Row], *, device: str = "auto") -> Estimate:
    """What a training on the rows will take; the base's weights are not loaded. Raises SpecialistError."""
    chosen = chosen_device(device)
    steps = make_steps(encode_rows(rows, Chat(base.path), _window(base, recipe)), recipe)
    return estimate(base, recipe, steps, device=chosen, flops=measure_flops(chosen), free=free_bytes(chosen))


def measure_flops(device: str, size: int = 1024) -> float:
    """Multiplications and additions that the device does in a second, by a product of two matrices."""
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    left = torch.randn(size, size, device=device, dtype=dtype)
    best = math.inf
    for _ in range(4):
        started = time.perf_counter()
        _ = (left @ left).sum().item()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def finetune(run: Finetuning) -> dict[str, Any]:
    """Train, from the checkpoint in `output` when there is one, and write the adapter there. Returns the figures of the training.

    Raises SpecialistError: `out_of_memory`, `window_too_small`, `loss_not_finite`, `disk`, `other_training`, `stopped`."""
    device, recipe = chosen_device(run.device), run.recipe
    settle_processor(device)
    chat, window = Chat(run.base.path), _window(run.base, recipe)
    steps = make_steps(encode_rows(run.training, chat, window), recipe)
    held_out = encode_rows(run.held_out, chat, window)[:HELD_OUT_LOOKED_AT]
    found = estimate(run.base, recipe, steps, device=device, flops=measure_flops(device), free=free_bytes(device))
    check_fits(found, device)
    base_sha256, data_sha256 = run.base.weights_sha256(), rows_sha256(run.training)
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    network = _start(run.base, recipe, device)
    run.arrange(network)
    optimizer = torch.optim.AdamW(_trained(network), lr=recipe.learning_rate, weight_decay=0.0)
    learnt_from = f"{data_sha256} {run.guide.name}" if run.guide else data_sha256
    fingerprint = recipe.fingerprint(base_sha256=base_sha256, rows_sha256=learnt_from)
    progress = load_checkpoint(run.work_folder, network, optimizer, fingerprint)
    with memory_errors_named():
        rate = _learn(network, optimizer, steps, held_out, progress, run, device)
    figures = {
        "seconds": round(progress.seconds, 1), "tokens_per_second": round(rate, 1), "steps": len(steps),
        "rows": len(run.training), "trained_parameters": sum(parameter.numel() for parameter in _trained(network)),
        "peak_bytes": torch.cuda.max_memory_allocated() if device.startswith("cuda") else None, "device": device,
    }  # fmt: skip
    _write(network, run, progress, figures, base_sha256, data_sha256)
    return figures


def _window(base: ModelFolder, recipe: FinetuneRecipe) -> int:
    return min(recipe.window, base.positions or recipe.window)


def _start(base: ModelFolder, recipe: FinetuneRecipe, device: str) -> Any:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(recipe.seed)
    network = load_network(base, device=device, quantisation=recipe.quantisation)
    network.config.use_cache = False
    if device.startswith("cuda"):  # layers are computed again for their gradient: a third more work, a tenth of the memory
        network.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        network.enable_input_require_grads()
    config = LoraConfig(
        r=recipe.r, lora_alpha=recipe.lora_alpha, lora_dropout=recipe.dropout, use_rslora=recipe.use_rslora,
        target_modules="all-linear", task_type="CAUSAL_LM",
    )  # fmt: skip
    with _quiet():
        adapted = get_peft_model(network, config)
    return adapted.to(device)


def _learn(
    network: Any, optimizer: torch.optim.Optimizer, steps: Sequence[Sequence[EncodedRow]], held_out: Sequence[EncodedRow],
    progress: Progress, run: Finetuning, device: str,
) -> float:  # fmt: skip
    """All steps from where the progress stands. Returns the tokens of a second."""
    network.train()
    report_every = max(1, len(steps) // REPORTS)
    look_every = max(report_every, len(steps) // HELD_OUT_LOOKS)
    started = saved = time.monotonic()
    before, first, tokens, losses = progress.seconds, progress.step, 0, []
    for number in range(progress.step, len(steps)):
        losses.append(_step(network, optimizer, steps[number], _rate(run.recipe, number, len(steps)), run, number, device))
        tokens += sum(len(row.tokens) for row in steps[number])
        progress.step, now = number + 1, time.monotonic()
        progress.seconds = before + now - started
        is_last = progress.step == len(steps)
        if progress.step % report_every and not is_last:
            continue
        progress.losses.append(round(sum(losses) / len(losses), 4))
        losses = []
        looked = is_last or progress.step % look_every < report_every
        told = Told(
            progress.step, len(steps), progress.losses[-1],
            (now - started) / (progress.step - first) * (len(steps) - progress.step), tokens / max(now - started, 1e-9),
            held_out_loss(network, held_out, run.recipe, device) if looked and held_out else None,
        )  # fmt: skip
        is_wanted = run.report(told)
        if now - saved >= run.checkpoint_s or not is_wanted or is_last:
            save_checkpoint(run.work_folder, network, optimizer, progress)
            saved = now
        if not is_wanted:
            raise SpecialistError(STOPPED, "The training was stopped.")
    network.eval()
    return tokens / max(time.monotonic() - started, 1e-9)


def _step(
    network: Any, optimizer: torch.optim.Optimizer, rows: Sequence[EncodedRow], rate: float, run: Finetuning, number: int,
    device: str,
) -> float:  # fmt: skip
    recipe = run.recipe
    torch.manual_seed(number * SEED_STRIDE + 1)
    for group in optimizer.param_groups:
        group["lr"] = rate
    learnt = sum(row.learnt for row in rows)
    total = 0.0
    for part in parts_of(rows, recipe.part_tokens):
        loss = _loss(network, part, device, run.guide) / learnt
        loss.backward()
        total += float(loss.detach())
    pairs = [row for row in rows if row.rejected is not None and recipe.beta > 0]
    for part in parts_of(pairs, recipe.part_tokens // 2):
        preference = preference_loss(network, part, recipe.beta, device) / len(pairs)
        preference.backward()
        total += float(preference.detach())
    if not math.isfinite(total):
        message = (
            f"The loss is no number any more after {number} steps: the training has run away. Take a smaller learning rate, or a "
            "base in a higher precision."
        )
        raise SpecialistError("loss_not_finite", message, permanent=True)
    torch.nn.utils.clip_grad_norm_(_trained(network), CLIP)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total


def preference_loss(network: Any, rows: Sequence[EncodedRow], beta: float, device: str) -> Tensor:
    """The sum over the pairs of −log σ(β (gain of the preferred answer − gain of the rejected one)), where a gain is by how much
    the adapter raises the log-probability over its base's (DPO, Rafailov et al. 2023). The base is the network without its
    adapter: a second one would take its memory again."""
    both = [*rows, *(row.rejected for row in rows if row.rejected is not None)]
    with torch.no_grad(), network.disable_adapter():
        before = _token_losses(network, both, device).sum(1)
    gains = before - _token_losses(network, both, device).sum(1)
    return -torch.nn.functional.logsigmoid(beta * (gains[: len(rows)] - gains[len(rows) :])).sum()


def _loss(network: Any, rows: Sequence[EncodedRow], device: str, guide: Guide | None = None) -> Tensor:
    """The sum of the losses of the learnt tokens."""
    scores, wanted = scores_of(network, rows, device)
    losses = _cross_entropy(scores, wanted).sum()
    if guide is None:
        return losses
    return (1 - guide.share) * losses + guide.share * guide.loss(rows, scores, wanted, device)


def _token_losses(network: Any, rows: Sequence[EncodedRow], device: str) -> Tensor:
    """The losses of the learnt tokens, rows × the longest completion, 0 before a shorter one."""
    return _cross_entropy(*scores_of(network, rows, device))


def _cross_entropy(scores: Tensor, wanted: Tensor) -> Tensor:
    losses = torch.nn.functional.cross_entropy(
        scores.flatten(0, 1), wanted.flatten(), ignore_index=NOT_LEARNT, reduction="none"
    )  # fmt: skip
    return losses.view_as(wanted)


def scores_of(network: Any, rows: Sequence[EncodedRow], device: str) -> tuple[Tensor, Tensor]:
    """The scores from which the learnt tokens are told, rows × the longest completion × vocabulary, and those tokens, NOT_LEARNT
    before a shorter completion. Padding is on the left, so that the completions end together and only their scores are
    computed."""
    longest, learnt = max(len(row.tokens) for row in rows), max(row.learnt for row in rows)
    tokens = torch.tensor([[0] * (longest - len(row.tokens)) + list(row.tokens) for row in rows], device=device)
    lengths = torch.tensor([len(row.tokens) for row in rows], device=device)
    places = torch.arange(longest, device=device)[None, :] - (longest - lengths)[:, None]
    wanted = tokens[:, -learnt:].clone()
    counted = torch.tensor([row.learnt for row in rows], device=device)
    wanted[torch.arange(learnt, device=device)[None, :] < (learnt - counted)[:, None]] = NOT_LEARNT
    with _precision(device):
        output = network(
            input_ids=tokens, attention_mask=(places >= 0).long(), position_ids=places.clamp(min=0), logits_to_keep=learnt + 1,
        )  # fmt: skip
    return output.logits[:, :-1].float(), wanted


def held_out_loss(network: Any, rows: Sequence[EncodedRow], recipe: FinetuneRecipe, device: str) -> float:
    """The mean loss of the learnt tokens."""
    network.eval()
    with torch.no_grad():
        total = sum(float(_loss(network, part, device)) for part in parts_of(rows, recipe.part_tokens))
    network.train()
    return round(total / sum(row.learnt for row in rows), 4)


def _rate(recipe: FinetuneRecipe, step: int, steps: int) -> float:
    """Linear warm-up, then a half cosine down to a tenth."""
    warm = max(1, int(steps * recipe.warmup))
    if step < warm:
        return recipe.learning_rate * (step + 1) / warm
    share = (step - warm) / max(1, steps - warm)
    return recipe.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * share)))


def _trained(network: Any) -> list[torch.nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _precision(device: str) -> AbstractContextManager[Any]:
    return torch.autocast("cuda", torch.bfloat16) if device.startswith("cuda") else nullcontext()


@contextmanager
def _quiet() -> Iterator[None]:
    """peft asks transformers by names that go away, and warns of what is meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _write(
    network: Any, run: Finetuning, progress: Progress, figures: dict[str, Any], base_sha256: str, data_sha256: str
) -> None:  # fmt: skip
    """The adapter as peft writes it, with its card: there wholly or not at all. Raises SpecialistError `disk`."""
    network.peft_config["default"].base_model_name_or_path = run.base.path.name  # no path of this host
    folder = run.work_folder / "adapter"
    try:
        with _quiet():
            network.save_pretrained(folder, safe_serialization=True)
        (folder / "README.md").unlink(missing_ok=True)  # a form to fill in
        card = {
            **run.card,
            "base": {"name": run.base.path.name, "weights_sha256": base_sha256},
            "recipe": asdict(run.recipe), "rows_sha256": data_sha256, "rows": len(run.training),
            "prompt_version": PROMPT_VERSION, "losses": progress.losses, "figures": figures,
            "versions": {name: version(name) for name in LIBRARIES}, "adapter_sha256": sha256_of(folder / WEIGHTS),
        }  # fmt: skip
        (folder / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False), encoding="utf-8")
        for path in (folder / WEIGHTS, folder / CARD, folder):
            fsync_path(path)
        if run.output.exists():  # of a training that ended, and was not seen to
            run.output.rename(run.work_folder / "before")
        folder.rename(run.output)
        fsync_path(run.output.parent)
    except OSError as error:
        message = f"The adapter could not be written to {run.output}. Free some space, and start the training again: it goes on."
        raise SpecialistError("disk", message) from error
    shutil.rmtree(run.work_folder, ignore_errors=True)
