"""Reads a folder's weights onto a device: safetensors only, nothing from outside, no code of the folder's own."""

from __future__ import annotations

import logging
from typing import Any

from specialists.errors import SpecialistError
from specialists.language_models.folders import COMPRESSED, ModelFolder, broken
from specialists.language_models.memory import ALL_GPUS, check_room, memory_errors_named, out_of_memory

logger = logging.getLogger(__name__)


def chosen_device(wanted: str) -> str:
    """`wanted`: auto, cpu, cuda, cuda:1 …, or cuda:all, whose layers all GPUs share. Raises SpecialistError `no_device`."""
    import torch

    if wanted == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if wanted == ALL_GPUS and torch.cuda.device_count() > 1:
        return ALL_GPUS
    name = "cuda:0" if wanted in ("cuda", ALL_GPUS) else wanted
    if name.startswith("cuda") and int(name.partition(":")[2]) >= torch.cuda.device_count():
        message = f"LANGUAGE_MODEL_DEVICE is {wanted}, and there is no such GPU. Set it to auto, or check the driver."
        raise SpecialistError("no_device", message, permanent=True)
    return name


def load_network(folder: ModelFolder, *, device: str, quantisation: str) -> Any:
    """The causal model, frozen, on `device`: bfloat16 on a GPU, float32 on a processor, where bfloat16 is slow.

    Raises SpecialistError `out_of_memory`, `broken_folder` or `package_missing`."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    check_room(folder, device=device, quantisation=quantisation)
    disable_progress_bar()
    on_gpu = device.startswith("cuda")
    dtype = torch.bfloat16 if on_gpu else torch.float32
    options: dict[str, Any] = {"device_map": _placing(device)} if on_gpu or quantisation else {}
    if quantisation:  # None would undo what the folder is stored with: its integers would be read as the numbers themselves
        options["quantization_config"] = _quantisation(quantisation, dtype)
    try:
        if folder.quantised_by == COMPRESSED:
            options["config"] = _made_whole(folder)
        with memory_errors_named():
            network, said = AutoModelForCausalLM.from_pretrained(
                folder.path, local_files_only=True, use_safetensors=True, trust_remote_code=False, output_loading_info=True,
                dtype=dtype, **options,
            )  # fmt: skip
    except SpecialistError:
        raise
    except ImportError as error:
        what = folder.quantised_by or quantisation or "its kind"
        message = (
            f"The model in {folder.path} needs a package that is not installed (for {what}). Install it, or take another model."
        )
        raise SpecialistError("package_missing", message, permanent=True) from error
    except Exception as error:  # the library raises whatever the files make it stumble on
        logger.exception("The language model cannot be loaded")
        raise broken(folder.path, "its weights do not fit its config.json, or they are of a kind that is not known") from error
    if said["missing_keys"] or said["mismatched_keys"]:  # the library would go on with random numbers in their place
        raise broken(folder.path, f"{len(said['missing_keys']) + len(said['mismatched_keys'])} of its weights are missing")
    if on_gpu and _is_spilt(network):
        raise out_of_memory(folder, device=device, quantisation=quantisation)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network.eval()


def _is_spilt(network: Any) -> bool:
    """Whether layers that no GPU had room for are kept elsewhere: they would be moved for every token."""
    return bool({"cpu", "disk"} & set(map(str, getattr(network, "hf_device_map", {}).values())))


def _placing(device: str) -> Any:
    """Of several GPUs, the library gives each some of the layers, and moves what passes through them."""
    return "balanced" if device == ALL_GPUS else {"": device}


def _made_whole(folder: ModelFolder) -> Any:
    """The configuration with which packed weights become numbers as they are read. The library's other way does so at the first
    token, in no less memory, and cannot read four bits with zero points."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    config.quantization_config = {**config.quantization_config, "dequantize": True}
    return config


def _quantisation(bits: str, dtype: Any) -> Any:
    from transformers import BitsAndBytesConfig

    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # on a processor it warns at every layer of every token
    if bits == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
