"""A model's folder in fewer bits by GPTQ (Frantar et al. 2023) or AWQ (Lin et al. 2024): rounded so that little changes on the
organization's own rows. llm-compressor does it, in an environment and a process of its own (quantiser.py), which gets no secret
and asks no network; what it leaves is looked through before it is kept."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from retrieval.files import fsync_path
from specialists.compression.fewer_bits import check_whole
from specialists.compression.folders import BESIDES, check_free
from specialists.errors import SpecialistError
from specialists.finetuning.encoding import encode_rows
from specialists.finetuning.rows import Row
from specialists.language_models.chat import Chat
from specialists.language_models.folders import COMPRESSED, PICKLES, ModelFolder, read_json, read_model_folder

METHODS = ("gptq", "awq")
CALIBRATED_ON = 128  # rows: as many sequences as both papers take
SCRIPT = Path(__file__).with_name("quantiser.py")
KEPT = ("config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json")
PROGRAMS = (*PICKLES, "*.py")
LOOK_EVERY_S = 0.5
HOW = "Install it with make quantiser, or name the Python of its environment with QUANTISER_PYTHON."
PACKAGE = "compressed-tensors==0.19.0"
STOPPED = "It was stopped while the weights were rounded, and nothing of that was kept."
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "CUDA_HOME", "CUDA_VISIBLE_DEVICES")
OFFLINE = {
    "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Calibrated:
    """`group`: how many weights of an output share a scale, 0 where all do; `rows`: how many it was calibrated on."""

    folder: ModelFolder
    group: int
    rows: int


def check_calibrated(python: Path) -> None:
    """Raises SpecialistError for what can be seen before anything is made."""
    if not python.is_file():
        raise SpecialistError("tool_missing", f"The quantiser is not there: {python} is missing. {HOW}", permanent=True)
    if find_spec("compressed_tensors") is None:
        message = (
            "A model by --method is judged in this process, which needs the package compressed-tensors, and that is not "
            f"installed. Run pip install {PACKAGE}, and try again."
        )
        raise SpecialistError("package_missing", message, permanent=True)


def write_calibrated(
    folder: ModelFolder, rows: Sequence[Row], output: Path, *, method: str, bits: int, python: Path, device: str = "cpu",
    on_wait: Callable[[], bool] = lambda: True,
) -> Calibrated:  # fmt: skip
    """The folder, there wholly or not at all. `on_wait` is asked every half second whether to go on. Raises SpecialistError:
    `output_exists`, `quantised_already`, `not_quantised`, `quantising_stopped`, `disk`."""
    check_free(output)
    check_whole(folder)
    work = output.with_name(f".{output.name}.tmp")
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir(parents=True, mode=0o700)
        tokens = [row.tokens for row in encode_rows(rows[:CALIBRATED_ON], Chat(folder.path), folder.positions or 4096)]
        made, job = work / "made", work / "job.json"
        asked = {
            "model": str(folder.path.resolve()),
            "output": str(made.resolve()),
            "method": method,
            "bits": bits,
            "rows": tokens,
        }
        job.write_text(json.dumps({**asked, "dtype": "float32" if device == "cpu" else "bfloat16"}), encoding="utf-8")
        said = _run([str(python), "-I", "-B", str(SCRIPT), str(job.resolve())], work, device, on_wait)
        _keep(made, folder)
        made.rename(output)
        fsync_path(output.parent)
    except OSError as error:
        raise SpecialistError("disk", f"The model could not be written to {output}. Free some space and try again.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Calibrated(read_model_folder(output), said["group"], len(tokens))


def _run(command: list[str], work: Path, device: str, on_wait: Callable[[], bool]) -> dict[str, Any]:
    """What it says of itself. It has a group of its own: Ctrl-C is for the command, which ends it."""
    with (work / "said.txt").open("wb") as file:
        process = subprocess.Popen(
            command, cwd=work, env=_environment(work, device), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            while not _has_ended(process):
                if not on_wait():
                    raise SpecialistError("quantising_stopped", STOPPED)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    lines = [line.strip() for line in (work / "said.txt").read_text(errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "nothing"
    if process.returncode < 0:
        raise _refused(f"it was ended by signal {-process.returncode}, perhaps since the memory was not enough")
    if process.returncode:
        raise _refused(f"it said: {last[:300]}")
    try:
        said = json.loads(last)
        return {"group": int(said["group"])}
    except (ValueError, KeyError, TypeError) as error:
        raise _refused(f"it did not say what it has done, but: {last[:300]}") from error


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=LOOK_EVERY_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _environment(work: Path, device: str) -> Mapping[str, str]:
    """Nothing of this process but what its libraries need; what they store for themselves goes with the folder."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    seen = [number for number in passed.get("CUDA_VISIBLE_DEVICES", "").split(",") if number]
    kind, _, number = device.partition(":")
    if kind == "cpu":
        passed["CUDA_VISIBLE_DEVICES"] = ""
    elif number.isdigit():
        passed["CUDA_VISIBLE_DEVICES"] = seen[int(number)] if seen else number
    return {**passed, **OFFLINE, "HOME": str(work.resolve()), "HF_HOME": str(work.resolve() / "cache")}


def _keep(made: Path, folder: ModelFolder) -> None:
    """Look through what was made, leave only what a model's folder has, and put the tokenizer of the whole one beside it."""
    programs = [file.name for pattern in PROGRAMS for file in made.glob(pattern)]
    if programs:
        raise _refused(f"it wrote {programs[0]}, which can run any program when it is read")
    for file in made.glob("*"):
        if file.is_symlink() or not file.is_file():
            raise _refused(f"it wrote {file.name}, which is no file")
        if not any(file.match(pattern) for pattern in KEPT):
            file.unlink()
    config = read_json(made / "config.json")
    if config.pop("auto_map", None) is not None:  # names code to be fetched
        (made / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    for name in BESIDES:
        if (folder.path / name).is_file():
            shutil.copyfile(folder.path / name, made / name)
    found = read_model_folder(made)
    if found.quantised_by != COMPRESSED:
        raise _refused("what it wrote is not quantised")
    for file in made.iterdir():
        fsync_path(file)


def _refused(why: str) -> SpecialistError:
    return SpecialistError("not_quantised", f"The quantiser could not make the model: {why}.", permanent=True)
