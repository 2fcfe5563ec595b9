"""A small specialist as a torch network: the base encoder and a few linear heads on it. Torch is imported by whoever calls."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from specialists.encoders.base import BaseEncoder

Method = Literal["full", "lora"]
LORA_RANK = 32


class SpecialistNetwork(nn.Module):
    """Heads over tokens (`token_heads`) and over the first token (`pair_heads`); each maps a name to its outputs."""

    def __init__(
        self, base: BaseEncoder, *, token_heads: Mapping[str, int], pair_heads: Mapping[str, int], layers: int | None = None,
        neurons: int | None = None, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder: Any = _load_encoder(base, dropout)
        shrink(self.encoder, layers=layers, neurons=neurons)
        self.token_heads = nn.ModuleDict({name: nn.Linear(base.hidden_size, size) for name, size in token_heads.items()})
        self.pair_heads = nn.ModuleDict({name: nn.Linear(base.hidden_size, size) for name, size in pair_heads.items()})

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> tuple[Tensor, ...]:
        """Rows of tokens (rows, tokens) → per token head (rows, tokens, outputs), then per pair head (rows, outputs)."""
        with _in_bfloat16() if input_ids.is_cuda else nullcontext():
            hidden = self.encoder(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state
        hidden = hidden.float()
        tokens = tuple(head(hidden) for head in self.token_heads.values())
        pairs = tuple(head(hidden[:, 0]) for head in self.pair_heads.values())
        return (*tokens, *pairs)


def to_device(tensor: Tensor, device: str) -> Tensor:
    """On a GPU the copy does not wait for the work that is under way there."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.startswith("cuda") else tensor


def _in_bfloat16() -> AbstractContextManager[None]:
    """On a GPU the layers compute in bfloat16; the heads, whose differences count, in float32."""
    return torch.autocast("cuda", torch.bfloat16)


def _load_encoder(base: BaseEncoder, dropout: float) -> Any:
    """Attention without dropout, because only then torch uses its fused kernel on processors."""
    from transformers import AutoModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    return AutoModel.from_pretrained(
        base.folder, local_files_only=True, trust_remote_code=False, dtype=torch.float32, attn_implementation="sdpa",
        attention_probs_dropout_prob=0.0, hidden_dropout_prob=dropout, add_pooling_layer=False,
    )  # fmt: skip


def shrink(encoder: Any, *, layers: int | None, neurons: int | None) -> None:
    """Drop layers evenly, keeping the last one (6 → 3 keeps the second, fourth and sixth), and of each layer left the
    feed-forward neurons with the smallest weights (the product of their norms in and out)."""
    have = encoder.encoder.layer
    if layers is not None and layers < len(have):
        kept = sorted({round((index + 1) * len(have) / layers) - 1 for index in range(layers)})
        encoder.encoder.layer = nn.ModuleList(have[index] for index in kept)
        encoder.config.num_hidden_layers = len(kept)
    if neurons is not None and neurons < encoder.config.intermediate_size:
        for layer in encoder.encoder.layer:
            _keep_neurons(layer.intermediate, layer.output, neurons)
        encoder.config.intermediate_size = neurons


def _keep_neurons(first: Any, second: Any, neurons: int) -> None:
    importance = first.dense.weight.norm(dim=1) * second.dense.weight.norm(dim=0)
    kept = importance.topk(neurons).indices.sort().values
    inward, outward = nn.Linear(first.dense.in_features, neurons), nn.Linear(neurons, second.dense.out_features)
    with torch.no_grad():
        inward.weight.copy_(first.dense.weight[kept])
        inward.bias.copy_(first.dense.bias[kept])
        outward.weight.copy_(second.dense.weight[:, kept])
        outward.bias.copy_(second.dense.bias)
    first.dense, second.dense = inward, outward


def prepare_for_training(network: SpecialistNetwork, method: Method) -> list[nn.Parameter]:
    """Choose what is trained and return it. Word embeddings stay the base's: they are half of the weights, they need not be
    shipped, and words that the training data lack keep their meaning."""
    if method == "lora":
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules="all-linear", use_rslora=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that goes away
            network.encoder = get_peft_model(network.encoder, config)
    else:
        network.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def merge_adapter(network: SpecialistNetwork) -> None:
    """Fold a LoRA adapter into the encoder's weights, so that what is saved does not depend on how it was trained."""
    if hasattr(network.encoder, "merge_and_unload"):
        network.encoder = network.encoder.merge_and_unload()


def own_weights(network: SpecialistNetwork) -> dict[str, Tensor]:
    """All weights but the word embeddings, which are the base's."""
    return {name: value for name, value in network.state_dict().items() if "word_embeddings" not in name}
