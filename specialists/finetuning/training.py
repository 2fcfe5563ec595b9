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
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from retrieval.files import fsync_path, sha256_of
from specialists.errors import SpecialistError
from specialists.finetuning.encoding import EncodedRow, encode_rows, make_steps, parts_of
from specialists.finetuning.losses import Guide, held_out_loss, preference_loss, summed_loss
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row, rows_sha256
from specialists.finetuning.sizing import Estimate, check_fits, estimate, share_out
from specialists.language_models.adapters import CARD, WEIGHTS
from specialists.language_models.chat import Chat
from specialists.language_models.folders import ModelFolder
from specialists.language_models.loading import chosen_device, load_network
from specialists.language_models.memory import ALL_GPUS, free_bytes, memory_errors_named
from specialists.prompting import PROMPT_VERSION
from specialists.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from specialists.training.loop import SEED_STRIDE, settle_processor
from specialists.training.team import Team, start_team

COMPANION = "specialists.finetuning.companion"
STOPPED = "stopped"  # the code of what is raised when nobody wants the adapter any more
REPORTS = 100  # of a training, about
HELD_OUT_LOOKED_AT = 32
HELD_OUT_LOOKS = 10
CLIP = 1.0
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


def leave(network: Any) -> None:
    """As it is."""


@dataclass(frozen=True, slots=True)
class Finetuning:
    """One training. `output` is there when it is whole; until then its checkpoint is in `work_folder`. `report` is told how far
    it is and says whether to go on; `checkpoint_s`: seconds of work that a kill may cost. `devices`: how many processes share
    the rows of each step, each on a GPU of its own, from `device` on. `arrange`: what is done to the network with its adapter
    before the first step; a training that is arranged or guided has one process."""

    base: ModelFolder
    recipe: FinetuneRecipe
    training: Sequence[Row]
    held_out: Sequence[Row]
    output: Path
    report: Callable[[Told], bool]
    device: str = "auto"
    devices: int = 1
    checkpoint_s: float = 120.0
    card: dict[str, Any] = field(default_factory=dict)  # what else is to stand in the adapter's card
    arrange: Callable[[Any], None] = leave
    guide: Guide | None = None

    @property
    def work_folder(self) -> Path:
        """Beside the output, with a dot: nobody takes it for an adapter."""
        return self.output.with_name(f".{self.output.name}")

    @property
    def processes(self) -> int:
        return self.devices if self.guide is None and self.arrange is leave else 1


def estimate_rows(
    base: ModelFolder, recipe: FinetuneRecipe, rows: Sequence[Row], *, device: str = "auto", devices: int = 1
) -> Estimate:  # fmt: skip
    """What a training on the rows will take; the base's weights are not loaded. Raises SpecialistError."""
    chosen = chosen_devices(device, devices)
    steps = make_steps(encode_rows(rows, Chat(base.path), _window(base, recipe)), recipe)
    found = estimate(base, recipe, steps, device=chosen[0], flops=measure_flops(chosen[0]), free=free_bytes(chosen[0]))
    return share_out(found, device=chosen[0], devices=devices)


def chosen_devices(wanted: str, count: int) -> list[str]:
    """`wanted` and those after it; a processor is shared. Raises SpecialistError `no_device`."""
    if wanted == ALL_GPUS:
        message = f"FINETUNING_DEVICE cannot be {wanted}: set it to auto, and FINETUNING_DEVICES to the number of GPUs."
        raise SpecialistError("no_device", message, permanent=True)
    first = chosen_device(wanted)
    if count == 1 or first == "cpu":
        return [first] * count
    start, there = int(first.partition(":")[2]), torch.cuda.device_count()
    if start + count > there:
        message = f"FINETUNING_DEVICES is {count}, and from {first} on there are {there - start}. Set it to as many as there are."
        raise SpecialistError("no_device", message, permanent=True)
    return [f"cuda:{number}" for number in range(start, start + count)]


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
    devices, recipe = chosen_devices(run.device, run.processes), run.recipe
    device = devices[0]
    chat, window = Chat(run.base.path), _window(run.base, recipe)
    steps = make_steps(encode_rows(run.training, chat, window), recipe)
    held_out = encode_rows(run.held_out, chat, window)[:HELD_OUT_LOOKED_AT]
    found = estimate(run.base, recipe, steps, device=device, flops=measure_flops(device), free=free_bytes(device))
    check_fits(share_out(found, device=device, devices=len(devices)), device)
    base_sha256, data_sha256 = run.base.weights_sha256(), rows_sha256(run.training)
    learnt_from = f"{data_sha256} {run.guide.name}" if run.guide else data_sha256
    fingerprint = recipe.fingerprint(base_sha256=base_sha256, rows_sha256=learnt_from)
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    with start_team(devices, run.work_folder, COMPANION, _order(run, fingerprint)) as team, memory_errors_named():
        network, optimizer, progress = _start(run.base, recipe, team, run.work_folder, fingerprint, run.arrange)
        rate = _learn(network, optimizer, steps, held_out, progress, run, team)
    figures = {
        "seconds": round(progress.seconds, 1), "tokens_per_second": round(rate, 1), "steps": len(steps),
        "rows": len(run.training), "trained_parameters": sum(parameter.numel() for parameter in _trained(network)),
        "peak_bytes": torch.cuda.max_memory_allocated() if device.startswith("cuda") else None, "device": device,
        "devices": len(devices),
    }  # fmt: skip
    _write(network, run, progress, figures, base_sha256, data_sha256)
    return figures


def _order(run: Finetuning, fingerprint: str) -> dict[str, Any]:
    """What the other processes of a training are told."""
    return {
        "base": str(run.base.path), "recipe": asdict(run.recipe), "rows": [asdict(row) for row in run.training],
        "work_folder": str(run.work_folder), "fingerprint": fingerprint,
    }  # fmt: skip


def accompany(team: Team, base: ModelFolder, recipe: FinetuneRecipe, rows: Sequence[Row], folder: Path, fingerprint: str) -> None:
    """The training of `rows` as another process than the first: it computes its share, and neither reports nor saves."""
    steps = make_steps(encode_rows(rows, Chat(base.path), _window(base, recipe)), recipe)
    with memory_errors_named():
        network, optimizer, progress = _start(base, recipe, team, folder, fingerprint)
        network.train()
        for number in range(progress.step, len(steps)):
            _step(network, optimizer, steps[number], _rate(recipe, number, len(steps)), recipe, number, team)


def _window(base: ModelFolder, recipe: FinetuneRecipe) -> int:
    return min(recipe.window, base.positions or recipe.window)


def _start(
    base: ModelFolder, recipe: FinetuneRecipe, team: Team, folder: Path, fingerprint: str,
    arrange: Callable[[Any], None] = leave,
) -> tuple[Any, torch.optim.Optimizer, Progress]:  # fmt: skip
    """Every process of a team reads the checkpoint by itself: the first one saves none before all are there."""
    settle_processor(team.device)
    team.settle()
    network = _load(base, recipe, team.device)
    arrange(network)
    optimizer = torch.optim.AdamW(_trained(network), lr=recipe.learning_rate, weight_decay=0.0)
    progress = load_checkpoint(folder, network, optimizer, fingerprint)
    team.join()
    return network, optimizer, progress


def _load(base: ModelFolder, recipe: FinetuneRecipe, device: str) -> Any:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(recipe.seed)
    network = load_network(base, device=device, quantisation=recipe.quantisation)
    network.config.use_cache = False
    if device.startswith("cuda"):
        compute_layers_again(network)
    config = LoraConfig(
        r=recipe.r, lora_alpha=recipe.lora_alpha, lora_dropout=recipe.dropout, use_rslora=recipe.use_rslora,
        target_modules="all-linear", task_type="CAUSAL_LM",
    )  # fmt: skip
    with _quiet():
        adapted = get_peft_model(network, config)
    return adapted.to(device)


def compute_layers_again(network: Any) -> None:
    """For their gradients, in place of keeping what they need for them: a third more work, a tenth of the memory."""
    network.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    network.enable_input_require_grads()


def _learn(
    network: Any, optimizer: torch.optim.Optimizer, steps: Sequence[Sequence[EncodedRow]], held_out: Sequence[EncodedRow],
    progress: Progress, run: Finetuning, team: Team,
) -> float:  # fmt: skip
    """All steps from where the progress stands. Returns the tokens of a second."""
    network.train()
    report_every = max(1, len(steps) // REPORTS)
    look_every = max(report_every, len(steps) // HELD_OUT_LOOKS)
    started = saved = time.monotonic()
    before, first, tokens, losses = progress.seconds, progress.step, 0, []
    for number in range(progress.step, len(steps)):
        rate = _rate(run.recipe, number, len(steps))
        losses.append(_step(network, optimizer, steps[number], rate, run.recipe, number, team, run.guide))
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
            held_out_loss(network, held_out, run.recipe, team.device) if looked and held_out else None,
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
    network: Any, optimizer: torch.optim.Optimizer, rows: Sequence[EncodedRow], rate: float, recipe: FinetuneRecipe,
    number: int, team: Team, guide: Guide | None = None,
) -> float:  # fmt: skip
    """The loss of a step, of which a team's processes compute a share each."""
    torch.manual_seed(number * SEED_STRIDE + 1 + team.rank)
    for group in optimizer.param_groups:
        group["lr"] = rate
    learnt = sum(row.learnt for row in rows)
    total = 0.0
    for part in parts_of(team.share(rows, _length), recipe.part_tokens):
        loss = summed_loss(network, part, team.device, guide) / learnt
        loss.backward()
        total += float(loss.detach())
    pairs = [row for row in rows if row.rejected is not None and recipe.beta > 0]
    for part in parts_of(team.share(pairs, _length), recipe.part_tokens // 2):
        preference = preference_loss(network, part, recipe.beta, team.device) / len(pairs)
        preference.backward()
        total += float(preference.detach())
    total = team.sum(_trained(network), total)
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


def _rate(recipe: FinetuneRecipe, step: int, steps: int) -> float:
    """Linear warm-up, then a half cosine down to a tenth."""
    warm = max(1, int(steps * recipe.warmup))
    if step < warm:
        return recipe.learning_rate * (step + 1) / warm
    share = (step - warm) / max(1, steps - warm)
    return recipe.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * share)))


def _length(row: EncodedRow) -> int:
    return len(row.tokens)


def _trained(network: Any) -> list[torch.nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


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
