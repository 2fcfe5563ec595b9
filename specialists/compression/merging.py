"""An adapter's matrices added to the weights of its base: one model, for servers that know no adapters and for llama.cpp's
converter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specialists.compression.folders import check_free, write_folder
from specialists.compression.masking import put_zeros_back, zeros_of
from specialists.language_models.adapters import Adapter, attach, check_sum, choose, read_adapter
from specialists.language_models.folders import ModelFolder
from specialists.language_models.loading import load_network


def merge_adapter(base: ModelFolder, adapter: Path, output: Path, *, device: str = "cpu", keeps_zeros: bool = False) -> None:
    """Write the merged model's folder. `keeps_zeros`: where the base's weights are zero the merged ones are, too; the adapter was
    trained so (masking.py). Raises SpecialistError: `output_exists`, `adapter_refused`, `disk`."""
    check_free(output)
    write_folder(merged_network(base, adapter, device=device, keeps_zeros=keeps_zeros), base, output)


def merged_network(base: ModelFolder, adapter: Path, *, device: str = "cpu", keeps_zeros: bool = False) -> Any:
    """The base with the adapter in its weights. Only on full weights: what is quantised would be rounded anew."""
    found = read_adapter(adapter, "merged", base)
    check_sum(found, base.weights_sha256)
    network = load_network(base, device=device, quantisation="")
    zeros = zeros_of(network) if keeps_zeros else {}
    attach(network, found)
    choose(network, found)
    merged = _merged(network, found)
    put_zeros_back(merged, zeros)
    return merged


def _merged(network: Any, adapter: Adapter) -> Any:
    for name in adapter.shapes:
        parent, _, last = name.rpartition(".")
        layer = network.get_submodule(name)
        layer.merge(safe_merge=True, adapter_names=[adapter.inner])  # refuses what is no number
        setattr(network.get_submodule(parent), last, layer.get_base_layer())
    return network
