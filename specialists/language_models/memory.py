"""How much memory a model's weights will take and how much there is: asked before loading, since on a processor too large a model
does not raise an error, but has the whole process killed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from specialists.errors import SpecialistError
from specialists.language_models.folders import COMPRESSED, ModelFolder

BYTES = {"": {"cpu": 4.0, "cuda": 2.0}, "8bit": {"cpu": 1.2, "cuda": 1.2}, "4bit": {"cpu": 0.7, "cuda": 0.7}}  # per number
BESIDES = 1.1  # buffers, the beginnings of an answer
GIB = 2**30
ALL_GPUS = "cuda:all"
_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def needed_bytes(folder: ModelFolder, *, device: str, quantisation: str) -> int:
    is_as_stored = bool(folder.quantised_by) and folder.quantised_by != COMPRESSED
    weights = folder.stored_bytes if is_as_stored else folder.parameters * BYTES[quantisation][device.partition(":")[0]]
    return int(weights * BESIDES)


def free_bytes(device: str) -> int | None:
    """None where it is not known."""
    if device.startswith("cuda"):
        import torch

        devices = range(torch.cuda.device_count()) if device == ALL_GPUS else (device,)
        return sum(int(torch.cuda.mem_get_info(one)[0]) for one in devices)
    try:
        available = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(), re.MULTILINE)
    except OSError:
        return None
    found = [int(available[1]) * 1024] if available else []
    return min([*found, *_left_in_container()], default=None)


def check_room(folder: ModelFolder, *, device: str, quantisation: str) -> None:
    """Raises SpecialistError `out_of_memory`."""
    needed, free = needed_bytes(folder, device=device, quantisation=quantisation), free_bytes(device)
    if free is not None and needed > free:
        raise out_of_memory(folder, device=device, quantisation=quantisation)


def out_of_memory(folder: ModelFolder, *, device: str, quantisation: str) -> SpecialistError:
    needed, free = needed_bytes(folder, device=device, quantisation=quantisation), free_bytes(device) or 0
    where = "all GPUs together" if device == ALL_GPUS else device
    message = (
        f"The language model needs about {needed / GIB:.1f} GiB on {where}, and {free / GIB:.1f} GiB are free. "
        "Free some, set LANGUAGE_MODEL_QUANTISATION, or take a smaller model."
    )
    return SpecialistError("out_of_memory", message)


@dataclass(slots=True)
class Peak:
    """`bytes`: None where it is not known."""

    bytes: int | None = None


@contextmanager
def peak_memory(device: str) -> Iterator[Peak]:
    """The most memory meanwhile: on a processor what this process had resident, on GPUs what torch had allocated on all of them.
    `device` empty, as of a model on a server: not known."""
    peak = Peak()
    is_measured = _forget_peak(device)
    yield peak
    if is_measured:
        peak.bytes = _peak_bytes(device)


def _forget_peak(device: str) -> bool:
    """Whether the peak counts from now on."""
    if device.startswith("cuda"):
        import torch

        for one in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(one)
        return True
    if device != "cpu":
        return False
    try:
        _CLEAR.write_text("5")  # which sets the mark of the most resident memory to what is resident now
    except OSError:
        return False
    return True


def _peak_bytes(device: str) -> int | None:
    if device.startswith("cuda"):
        import torch

        return sum(int(torch.cuda.max_memory_allocated(one)) for one in range(torch.cuda.device_count()))
    found = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


@contextmanager
def memory_errors_named() -> Iterator[None]:
    """What torch raises when memory runs out, as SpecialistError `out_of_memory`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search("out of memory|can't allocate memory", str(error)):
            raise
        release_cached()
        message = "The language model has run out of memory. Lower LANGUAGE_MODEL_WINDOW, or take a smaller or a quantised model."
        raise SpecialistError("out_of_memory", message) from error


def release_cached() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _left_in_container() -> list[int]:
    """By the limit of the control group, whose count of what is used holds files that can be dropped."""
    try:
        limit, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        droppable = re.search(r"^inactive_file (\d+)", (_CGROUP / "memory.stat").read_text(), re.MULTILINE)
    except OSError:
        return []
    return [] if limit == "max" else [int(limit) - int(used) + (int(droppable[1]) if droppable else 0)]
