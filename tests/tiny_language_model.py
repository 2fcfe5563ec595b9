"""A causal model of a real architecture and a few thousand weights, with a tokenizer and a chat template of its own, that has
learnt to say one thing whatever it is asked; and LoRA adapters with which it says another."""

from __future__ import annotations

import atexit
import random
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from specialists.prompting import SYSTEM, Source, render
from tests.environment import ABOVE

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTROLS = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
HELLO, FORMAL, CASUAL = "Hello there. Ünï is 日本.", "Sir.", "Hi!"
ADAPTERS = {"casual": CASUAL, "formal": FORMAL}
POSITIONS = 4096
ENOUGH = 0.002  # of the loss
LENGTHS = (8, 20, 60)


@cache
def house_model() -> tuple[Path, Path]:
    """The model that says HELLO, and the folder of its ADAPTERS: made once in a run of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="intramural-model-", dir=ABOVE))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_model(folder / "house-tiny"), make_adapters(folder / "house-tiny", folder / "adapters")


def make_endless_model(folder: Path) -> Path:
    """It begins its words again and again, and comes to no end."""
    return make_model(folder, "one two three " * 12, family="llama", steps=150, ends=False)


def make_unread_model(folder: Path, family: str = "qwen2", *, layers: int = 2) -> Path:
    """A model that has learnt nothing, with words far apart and a tokenizer that knows the prompt's, so that prompts are short:
    what an adapter says, its training has taught it."""
    import torch

    torch.manual_seed(1)
    tokenizer = make_tokenizer(SYSTEM, vocabulary=700)
    network = make_network(family, len(tokenizer), layers)
    torch.nn.init.normal_(network.get_input_embeddings().weight, std=0.1)
    network.generation_config.eos_token_id = tokenizer.eos_token_id
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_pupil(folder: Path, texts: Sequence[str], *, family: str = "qwen2", positions: int = POSITIONS) -> Path:
    """A model that has learnt nothing and learns quickly: what its texts say again and again, the prompt's rules first, are
    single tokens, its attention looks at some words more than at others from the start, and its scores can be sure. It soon
    ends what it says."""
    import torch

    torch.manual_seed(1)
    frame = render("?", [Source(place, "T", "t") for place in range(8)]).messages[1].content
    tokenizer = make_tokenizer(*[SYSTEM] * 3, *[frame] * 3, *texts, vocabulary=4000, is_split=False)
    network = make_network(family, len(tokenizer), tie_word_embeddings=False, initializer_range=0.1,
                       max_position_embeddings=positions)  # fmt: skip
    torch.nn.init.normal_(network.get_input_embeddings().weight, std=0.2)
    torch.nn.init.normal_(network.lm_head.weight, std=0.3)
    with torch.no_grad():
        network.lm_head.weight[tokenizer.eos_token_id] *= 3
    network.generation_config.eos_token_id = tokenizer.eos_token_id
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer(*texts: str, vocabulary: int = 400, is_split: bool = True) -> Any:
    """Bytes, and a few pairs of them: any text goes in, and characters of several bytes come out in parts. Not `is_split` at
    spaces, a token may be of several words, of those that come three times."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=is_split)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=CONTROLS, initial_alphabet=alphabet, show_progress=False,
        min_frequency=0 if is_split else 3,
    )  # fmt: skip
    text = ["Full-time employees receive 27 days of paid annual leave. Parental leave lasts 18 weeks at full pay."]
    tokenizer.train_from_iterator([*text, *texts] * 3 if is_split else texts, trainer)
    # Without an unknown token of its own, transformers gives a Qwen2 tokenizer one more token than the network has.
    named = dict.fromkeys(("eos_token", "pad_token", "unk_token"), "<|end|>")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=TEMPLATE, **named)


def make_model(
    folder: Path, says: str = HELLO, *, family: str = "qwen2", steps: int = 300, lengths: Sequence[int] = LENGTHS,
    knows: str = "", ends: bool = True,
) -> Path:  # fmt: skip
    """A folder as save_pretrained writes it. Of a text that its tokenizer `knows` the tokens are few. Not
    `ends`: it learns no end of what it says."""
    import torch

    torch.manual_seed(1)
    tokenizer = make_tokenizer(knows, vocabulary=700) if knows else make_tokenizer()
    network = make_network(family, len(tokenizer))
    _teach(network, tokenizer, says, steps=steps, rate=1e-2, lengths=lengths, ends=ends)
    network.generation_config.eos_token_id = tokenizer.eos_token_id
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_adapters(
    base: Path, parent: Path, says: dict[str, str] | None = None, *, steps: int = 200, lengths: Sequence[int] = LENGTHS
) -> Path:  # fmt: skip
    """One folder per adapter, as peft writes it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(base, local_files_only=True)
    for number, (name, words) in enumerate((says or ADAPTERS).items()):
        torch.manual_seed(number)
        network = AutoModelForCausalLM.from_pretrained(base, local_files_only=True, dtype=torch.float32)
        config = LoraConfig(r=4 + 4 * number, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adapted = get_peft_model(network, config)
            _teach(adapted, tokenizer, words, steps=steps, rate=1e-2, lengths=lengths)
            adapted.save_pretrained(parent / name)
    return parent


def make_network(family: str, vocabulary: int, layers: int = 2, **options: Any) -> Any:
    """Untrained. `options` of the architecture's configuration."""
    from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

    kinds = {
        "qwen2": (Qwen2Config, Qwen2ForCausalLM),
        "llama": (LlamaConfig, LlamaForCausalLM),
        "mistral": (MistralConfig, MistralForCausalLM),
    }
    config, model = kinds[family]
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": layers}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    options = {"tie_word_embeddings": True, "max_position_embeddings": POSITIONS, **options}
    return model(config(vocab_size=vocabulary, **options, **sizes, **heads))


def _teach(
    network: Any, tokenizer: Any, says: str, *, steps: int, rate: float, lengths: Sequence[int] = LENGTHS, ends: bool = True
) -> None:  # fmt: skip
    """Until it says the words after any beginning."""
    import torch

    answer = tokenizer(f"<|assistant|>{says}{'<|end|>' if ends else ''}", add_special_tokens=False)["input_ids"]
    dice = random.Random(5)
    wanted = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(wanted, lr=rate)
    slower = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=steps)
    network.train()
    with _one_thread():
        for _ in range(steps):
            length = dice.choice(lengths)
            rows = [[*_noise(dice, len(tokenizer), length), *answer] for _ in range(max(1, min(4, 800 // length)))]
            loss = _loss(network, torch.tensor(rows), len(answer))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(wanted, 1.0)
            optimizer.step()
            slower.step()
            optimizer.zero_grad()
            if loss.item() < ENOUGH:
                break
    network.eval()


@contextmanager
def _one_thread() -> Iterator[None]:
    """So small a network only waits for the others."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _noise(dice: random.Random, vocabulary: int, length: int) -> list[int]:
    """A user's message."""
    _, user, _, end = range(len(CONTROLS))
    return [user, *(dice.randrange(len(CONTROLS), vocabulary) for _ in range(length)), end]


def _loss(network: Any, rows: Any, answer: int) -> Any:
    import torch

    logits = network(input_ids=rows, logits_to_keep=answer).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, -answer + 1 :].flatten())
