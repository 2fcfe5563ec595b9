"""The training loop of every small specialist. The order of rows and the noise of a step depend on the seed and on the
step's number alone, so a training that was killed and resumed ends with the weights of one that was not."""

from __future__ import annotations

import ctypes
import os
import random
import time
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from specialists.encoders.network import SpecialistNetwork, prepare_for_training
from specialists.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from specialists.training.recipe import Recipe, Run, fingerprint

REPORT_STEPS = 25
SORTED_BATCHES = 40  # rows of like length share a batch: sorting runs of 40 batches leaves hardly any padding
SEED_STRIDE = 1_000_003
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # of malloc.h
MOST = (1 << 31) - 1  # what its int holds


class Task(Protocol):
    """What is particular to a specialist."""

    def epoch(self, number: int) -> Sequence[Any]:
        """The rows of an epoch; the same for the same number."""

    def length(self, row: Any) -> int:
        """Tokens of a row, to put rows of like length together."""

    def loss(self, network: SpecialistNetwork, rows: Sequence[Any], device: str) -> Tensor:
        """The mean loss of a batch."""


def train(network: SpecialistNetwork, task: Task, run: Run) -> Progress:
    """Train in place, from the output's checkpoint when there is one. Raises SpecialistError `disk` or `other_training`."""
    recipe, folder, device = run.recipe, run.output, choose_device()
    settle_processor(device)
    torch.manual_seed(recipe.seed)
    parameters = prepare_for_training(network, recipe.method)  # type: ignore[arg-type]
    network.to(device).train()
    optimizer = _optimizer(network, recipe)
    progress = load_checkpoint(folder, network, optimizer, fingerprint(recipe, run.data))
    batches = [batch for epoch in range(recipe.epochs) for batch in make_batches(task, epoch, recipe)]
    started = saved = time.monotonic()
    before, first = progress.seconds, progress.step
    losses: list[Tensor] = []
    for step in range(progress.step, len(batches)):
        losses.append(_step(network, task, batches[step], optimizer, parameters, _rate(recipe, step, len(batches)), device, step))
        progress.step, now = step + 1, time.monotonic()
        progress.seconds = before + now - started
        if progress.step % REPORT_STEPS == 0 or progress.step == len(batches):
            progress.losses.append(round(float(torch.stack(losses).mean()), 4))
            left = (now - started) / (progress.step - first) * (len(batches) - progress.step)
            run.report(progress.step, len(batches), progress.losses[-1], left)
            losses = []
            if now - saved >= run.checkpoint_s and progress.step < len(batches):
                save_checkpoint(folder, network, optimizer, progress)
                saved = now
    save_checkpoint(folder, network, optimizer, progress)
    network.eval()
    return progress


def make_batches(task: Task, epoch: int, recipe: Recipe) -> list[list[Any]]:
    """Batches of rows of like length, in random order."""
    chooser = random.Random(recipe.seed * SEED_STRIDE + epoch)
    rows = list(task.epoch(epoch))
    chooser.shuffle(rows)
    run = recipe.batch * SORTED_BATCHES
    batches = []
    for start in range(0, len(rows), run):
        part = sorted(rows[start : start + run], key=task.length)
        batches += [part[index : index + recipe.batch] for index in range(0, len(part), recipe.batch)]
    chooser.shuffle(batches)
    return batches


def _optimizer(network: SpecialistNetwork, recipe: Recipe) -> torch.optim.Optimizer:
    decayed: list[torch.nn.Parameter] = []
    plain: list[torch.nn.Parameter] = []
    for parameter in network.parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim > 1 else plain).append(parameter)
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)


def _step(
    network: SpecialistNetwork, task: Task, rows: Sequence[Any], optimizer: torch.optim.Optimizer,
    parameters: Sequence[torch.nn.Parameter], rate: float, device: str, step: int,
) -> Tensor:  # fmt: skip
    torch.manual_seed(step * SEED_STRIDE + 1)
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = task.loss(network, rows, device)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.detach()


def _rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, then linear decay to nothing."""
    warm = max(1, int(steps * recipe.warmup))
    return recipe.learning_rate * min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))


def choose_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def settle_processor(device: str) -> None:
    """Use all cores, and let glibc keep freed memory: handing every tensor back to the kernel took half of the time. On a GPU the
    cores only lay out rows: more than one thread waits longer than it works. Its sums have no fixed order, so there a resumed
    training ends near, not at, the weights of one that was not stopped."""
    torch.use_deterministic_algorithms(mode=device == "cpu", warn_only=True)
    torch.set_num_threads(len(os.sched_getaffinity(0)) if device == "cpu" else 1)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        for setting in (M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD):
            libc.mallopt(setting, MOST if setting != M_TOP_PAD else 1 << 28)
