"""Processes of this host that train one network together: each computes some of a step's rows, and their gradients are summed.

The first of them is whoever was asked to train. It starts the others, which have a GPU each, tells them what to do on their
standard input, and ends them. They speak with each other over the loopback interface alone, and meet by a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO, TypeVar

import torch
from torch import distributed

from specialists.errors import SpecialistError

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
LONGEST_WAIT = timedelta(hours=1)  # of one process for another: the first one alone looks at the held-out rows and saves
POLL_S = 0.001
READY = "ready"

T = TypeVar("T")


@dataclass(slots=True)
class Team:
    """`size` processes, of which this is number `rank`. A team of one does nothing. `others`: those that this one has started;
    `answers`: where this one answers to the one that has started it."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    meeting: Path | None = None
    others: Sequence[subprocess.Popen[str]] = field(default=())
    answers: TextIO | None = None

    def settle(self) -> None:
        """Divide the cores of a processor, which each process would take all of."""
        if self.size > 1 and self.device == "cpu":
            torch.set_num_threads(max(1, torch.get_num_threads() // self.size))

    def join(self) -> None:
        """Once this process could begin: wait for all of the others. Raises SpecialistError when one of them has ended."""
        if self.size == 1:
            return
        if self.answers is not None:
            print(READY, file=self.answers, flush=True)
        for other in self.others:
            assert other.stdout is not None
            answer = other.stdout.readline().strip()
            if answer != READY:
                raise _read_error([answer])
        is_on_gpu = self.device.startswith("cuda")
        if is_on_gpu:
            torch.cuda.set_device(self.device)
        store = distributed.FileStore(str(self.meeting), self.size)
        distributed.init_process_group(
            "nccl" if is_on_gpu else "gloo", store=store, rank=self.rank, world_size=self.size, timeout=LONGEST_WAIT
        )  # fmt: skip

    def share(self, rows: Sequence[T], length: Callable[[T], int]) -> list[T]:
        """This process's rows: every size-th by length, so that all have about as much to do."""
        return list(rows) if self.size == 1 else sorted(rows, key=length)[self.rank :: self.size]

    def sum(self, parameters: Sequence[torch.nn.Parameter], total: float) -> float:
        """Have the gradients of all processes in each of them; the sum of their totals. Raises SpecialistError."""
        if self.size == 1:
            return total
        found = [torch.zeros_like(item) if item.grad is None else item.grad for item in parameters]
        flat = torch.cat([*(item.flatten() for item in found), torch.tensor([total], device=self.device)])
        self._all_reduce(flat)
        for parameter, part in zip(parameters, flat[:-1].split([item.numel() for item in found]), strict=True):
            parameter.grad = part.view_as(parameter)
        return float(flat[-1])

    def _all_reduce(self, values: torch.Tensor) -> None:
        """One that has ended would be waited for in vain on a GPU, so this looks after the others meanwhile."""
        try:
            work = distributed.all_reduce(values, async_op=True)
            while not work.is_completed():
                self._check()
                time.sleep(POLL_S)
            work.wait()
        except RuntimeError as error:
            self._check(has_ended=True)
            raise _died() from error

    def _check(self, *, has_ended: bool = False) -> None:
        """Raises what one of the others has ended with. `has_ended`: one has, and may not be gone quite yet."""
        for other in self.others:
            if has_ended:
                try:
                    other.wait(5)
                except subprocess.TimeoutExpired:
                    continue
            if other.poll():
                assert other.stdout is not None
                raise _read_error(other.stdout.readlines())
        if has_ended:
            raise _died()


@contextmanager
def start_team(devices: Sequence[str], folder: Path, module: str, order: dict[str, Any]) -> Iterator[Team]:
    """A team of which this process is the first. The others run `module`, whose `told` gives them the order; they have ended
    when this ends."""
    if len(devices) == 1:
        yield Team(device=devices[0])
        return
    folder.mkdir(parents=True, exist_ok=True)
    meeting = folder / f".meeting-{uuid.uuid4().hex[:12]}"
    os.environ.update(LOOPBACK)
    others: list[subprocess.Popen[str]] = []
    try:
        for _ in devices[1:]:
            command = [sys.executable, "-m", module]
            others.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for rank, other in enumerate(others, start=1):
            place = {"rank": rank, "size": len(devices), "device": devices[rank], "meeting": str(meeting)}
            _tell(other, {"place": place, "order": order})
        yield Team(0, len(devices), devices[0], meeting, others)
    finally:
        _end(others)
        if distributed.is_initialized():
            distributed.destroy_process_group()
        meeting.unlink(missing_ok=True)


def _tell(other: subprocess.Popen[str], line: dict[str, Any]) -> None:
    assert other.stdin is not None
    try:
        other.stdin.write(json.dumps(line) + "\n")
        other.stdin.flush()
    except OSError as error:  # it has ended before it could read
        raise _died() from error


def _end(others: Iterable[subprocess.Popen[str]]) -> None:
    for other in others:
        other.kill()
        other.wait()
        for pipe in (other.stdin, other.stdout):
            if pipe is not None:
                with suppress(OSError):  # what is still to be written has no reader any more
                    pipe.close()


@contextmanager
def told() -> Iterator[tuple[Team, dict[str, Any]]]:
    """In a process that another one has started: its team and the order. It ends with the one that has started it, however that
    ends, and what it cannot do is told as a sentence."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    line = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    place = line["place"]
    team = Team(place["rank"], place["size"], place["device"], Path(place["meeting"]), answers=answers)
    try:
        yield team, line["order"]
    except SpecialistError as error:
        said = {"code": error.code, "message": error.public_message, "permanent": error.permanent}
        print(json.dumps(said), file=answers, flush=True)
        raise
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _end_with_the_first() -> None:
    while os.read(0, 4096):  # not by sys.stdin, whose lock would be held when the interpreter ends
        pass
    os._exit(1)


def _read_error(lines: Sequence[str]) -> SpecialistError:
    try:
        said = json.loads(lines[-1])
        return SpecialistError(said["code"], said["message"], permanent=said["permanent"])
    except (IndexError, ValueError, TypeError, KeyError):
        return _died()


def _died() -> SpecialistError:
    message = "One of the processes that train together has ended. Start the training again: it goes on from its last checkpoint."
    return SpecialistError("companion_died", message)
