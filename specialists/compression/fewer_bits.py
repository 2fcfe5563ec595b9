"""A model's folder in eight or four bits, as bitsandbytes keeps it: served as any other, where that package is."""

from __future__ import annotations

from pathlib import Path

from specialists.compression.folders import check_free, write_folder
from specialists.errors import SpecialistError
from specialists.language_models.folders import ModelFolder, read_model_folder
from specialists.language_models.loading import load_network
from specialists.language_models.local_folder import INSTALL, missing_package

KINDS = {8: "8bit", 4: "4bit"}


def check_bits(bits: int) -> None:
    """Raises SpecialistError `package_missing`."""
    if package := missing_package(KINDS[bits]):
        message = f"{bits} bits need the package {package}, which is not installed. Run {INSTALL}, and try again."
        raise SpecialistError("package_missing", message, permanent=True)


def check_whole(folder: ModelFolder) -> None:
    """Raises SpecialistError `quantised_already`."""
    if folder.quantised_by:
        message = f"The model in {folder.path} is quantised already, by {folder.quantised_by}. Take the whole one."
        raise SpecialistError("quantised_already", message, permanent=True)


def write_bits(folder: ModelFolder, bits: int, output: Path, *, device: str) -> ModelFolder:
    """Four bits are NF4 (Dettmers et al. 2023), eight are LLM.int8 (Dettmers et al. 2022). Raises SpecialistError."""
    check_free(output)
    check_bits(bits)
    check_whole(folder)
    write_folder(load_network(folder, device=device, quantisation=KINDS[bits]), folder, output)
    return read_model_folder(output)
