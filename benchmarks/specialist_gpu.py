"""What a 7B specialist takes on one GPU: memory and speed of training it, speed of serving it, by the product's own code.

    python benchmarks/specialist_gpu.py [--device auto|cuda|cuda:1|cpu] [--size 7b|tiny] [--scratch FOLDER]

The base has Qwen2-7B's shape and random numbers, made on the device and saved as a model's folder (15 GB in the scratch folder),
so nothing is fetched; what it writes has no sense, and memory and speed do not depend on that. Trained by
specialists/finetuning/training.py, served by specialists/language_models/local_folder.py. `--device cpu --size tiny` runs the
same code on a processor in seconds; its figures say nothing and are printed as n/a."""

from __future__ import annotations

import argparse
import gc
import itertools
import math
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from benchmarks.gpu_figures import (
    TINY,
    Figure,
    Target,
    attempt,
    copy_bandwidth,
    describe_host,
    has_gpu,
    print_table,
    wait_for,
    why_it_does_not_count,
)
from specialists.finetuning.encoding import encode_rows, make_steps
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row, RowPassage
from specialists.finetuning.training import Finetuning, Told, estimate_rows, finetune
from specialists.language_models.chat import Chat
from specialists.language_models.folders import read_model_folder
from specialists.language_models.local_folder import LocalFolder
from specialists.language_models.types import End, Message
from specialists.prompting import SYSTEM

CONTROLS = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ADAPTERS = 4
REPEATS = 5  # of what is timed; the median counts

TARGETS: dict[str, tuple[str, str, Target | None]] = {
    "qlora_peak": ("peak memory of QLoRA training, base in 4 bits", "GB", Target(14, is_most=True)),
    "lora_peak": ("peak memory of LoRA training, base in bfloat16", "GB", Target(24, is_most=True)),
    "training_rate": ("training, LoRA in bfloat16", "tokens/s", Target(5000)),
    "qlora_rate": ("training, QLoRA", "tokens/s", None),
    "decoding_share": ("decoding one answer, share of what the memory's bandwidth allows", "of 1", Target(0.6)),
    "decoding_rate": ("decoding one answer", "tokens/s", None),
    "together_rate": ("answers at once, all of the base", "tokens/s", Target(2500)),
    "one_adapter_rate": ("answers at once, all of one adapter", "tokens/s", None),
    "mixed_slower": ("answers at once of several adapters: slower than of one", "%", Target(35, is_most=True)),
    "switch_ms": ("another adapter than the answer before", "ms", Target(50, is_most=True)),
    "attach_ms": ("an adapter that is asked for the first time, from disk", "ms", None),
    "qlora_estimate": ("QLoRA: memory that the product had estimated, by the measured peak", "× the peak", None),
    "lora_estimate": ("LoRA: memory that the product had estimated, by the measured peak", "× the peak", None),
}


@dataclass(frozen=True, slots=True)
class Size:
    """`window`: tokens of a row that is trained on; `steps` of each training; `answer` and `prompt`: tokens of an answer and
    about those of its question; `copied`: bytes by whose copying the bandwidth is measured."""

    config: dict[str, int]
    window: int
    batch: int
    steps: int
    answer: int
    prompt: int
    copied: int


SIZES = {
    "7b": Size(
        {
            "hidden_size": 3584, "intermediate_size": 18_944, "num_hidden_layers": 28, "num_attention_heads": 28,
            "num_key_value_heads": 4, "vocab_size": 152_064, "max_position_embeddings": 32_768,
        },
        window=2048, batch=16, steps=4, answer=64, prompt=256, copied=2 << 30,
    ),
    TINY: Size(
        {
            "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "vocab_size": 2048, "max_position_embeddings": 1024,
        },
        window=640, batch=2, steps=2, answer=8, prompt=24, copied=1 << 20,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bench:
    base: Path
    scratch: Path
    device: str
    size: Size
    requests: int

    @property
    def words(self) -> list[str]:
        return list(itertools.islice(invented_words(), 400))

    def text(self, tokens: int, seed: str) -> str:
        """So many words, of which each is one token."""
        return " ".join(random.Random(seed).choices(self.words, k=tokens))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1, cpu")
    parser.add_argument("--size", choices=sorted(SIZES), default="7b")
    parser.add_argument("--requests", type=int, default=64, help="answers at once")
    parser.add_argument(
        "--scratch", type=Path, help="where the base and the adapters go; the base is kept there for the next run"
    )
    options = parser.parse_args()
    device = ("cuda:0" if has_gpu() else "cpu") if options.device in ("auto", "cuda") else options.device
    if options.size != TINY and not (device.startswith("cuda") and has_gpu()):
        print_table(as_figures({}, {}, otherwise="there is no GPU on this host"))
        return
    with tempfile.TemporaryDirectory(prefix="intramural-specialist-") as temporary:
        scratch = options.scratch or Path(temporary)
        figures, notes = run(scratch, device=device, size=options.size, requests=options.requests)
        print_table(figures, notes)


def run(scratch: Path, *, device: str, size: str, requests: int) -> tuple[list[Figure], list[str]]:
    """All figures, and what else is to be known of them. The base is made where it is not there yet."""
    started = time.monotonic()
    base = scratch / f"random-{size}"
    if not (base / "config.json").is_file():
        make_base(base, SIZES[size], device)
    bench = Bench(base, scratch, device, SIZES[size], requests)
    folder = read_model_folder(base)
    shape = "a toy" if size == TINY else "Qwen2-7B"
    took = time.monotonic() - started
    notes = [f"{describe_host(device)}; {folder.parameters:,} numbers of the shape of {shape}, made and saved in {took:.0f} s"]
    values: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for names, measure in (
        (("qlora_peak", "qlora_rate", "qlora_estimate"), lambda: trained(bench, "4bit", notes)),
        (("lora_peak", "training_rate", "lora_estimate"), lambda: trained(bench, "", notes)),
    ):
        found, reason = attempt(measure)
        values |= dict(zip(names, found.values(), strict=False))
        reasons |= dict.fromkeys(names, reason)
        free_memory()
    serving = [name for name in TARGETS if name not in reasons]
    found, reason = attempt(lambda: served(bench, notes))
    values |= found
    reasons |= dict.fromkeys(serving, reason)
    return as_figures(values, reasons, otherwise=why_it_does_not_count(device, size)), notes


def as_figures(values: dict[str, float], reasons: dict[str, str], *, otherwise: str) -> list[Figure]:
    """`otherwise`: why none of the values counts, where nothing failed."""
    return [
        Figure(
            name, unit, target, values.get(key), reasons.get(key, "") or otherwise or ("" if key in values else "not measured")
        )
        for key, (name, unit, target) in TARGETS.items()
    ]


# --- The base -------------------------------------------------------------------------------------------------------------


def make_base(folder: Path, size: Size, device: str) -> None:
    """A model's folder as transformers saves it, complete under its name. It never ends an answer by itself."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    config = Qwen2Config(**size.config, tie_word_embeddings=False, rope_theta=1_000_000.0, rms_norm_eps=1e-6)
    torch.manual_seed(1)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            network = Qwen2ForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    tokenizer = make_tokenizer(size.config["vocab_size"])
    with torch.no_grad():
        network.lm_head.weight[tokenizer.eos_token_id] = 0  # some other score is always above nothing
    network.generation_config.eos_token_id = tokenizer.eos_token_id
    temporary = folder.with_name(f".{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    network.save_pretrained(temporary, max_shard_size="4GB")
    tokenizer.save_pretrained(temporary)
    temporary.rename(folder)
    del network
    free_memory()


def make_tokenizer(vocabulary: int) -> Any:
    """As many tokens as the model has: the bytes, the words of the prompt, and invented ones."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    cut = pre_tokenizers.ByteLevel(add_prefix_space=False)
    prompt = [piece for piece, _ in cut.pre_tokenize_str(SYSTEM)]
    known = dict.fromkeys([*CONTROLS, *sorted(pre_tokenizers.ByteLevel.alphabet()), *prompt])
    for word in invented_words():
        if len(known) >= vocabulary:
            break
        known.setdefault(f"Ġ{word}")
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(known)}, [], ignore_merges=True))
    tokenizer.pre_tokenizer, tokenizer.decoder = cut, decoders.ByteLevel()
    tokenizer.add_special_tokens(list(CONTROLS))
    end = CONTROLS[-1]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, pad_token=end, chat_template=TEMPLATE)


def invented_words() -> Iterator[str]:
    syllables = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
    for parts in itertools.product(syllables, repeat=3):
        yield "".join(parts)


def make_rows(bench: Bench, count: int) -> list[Row]:
    """Rows that fill the window: the passage that answers, and more others than there is room for."""
    answer_tokens = min(240, bench.size.window // 8)
    rows = []
    for number in range(count):
        answer = bench.text(answer_tokens, f"answer {number}")
        others = [
            RowPassage(1000 + place, "Other", bench.text(200, f"other {number} {place}"))
            for place in range(bench.size.window // 200 + 1)
        ]
        passages = (RowPassage(number, "Gold", answer), *others)
        rows.append(Row(bench.text(12, f"question {number}"), passages, answer, number))
    return rows


# --- Training -------------------------------------------------------------------------------------------------------------


def trained(bench: Bench, quantisation: str, notes: list[str]) -> dict[str, float]:
    """The measured peak in GB, tokens a second after the first step, and the estimate by the peak. The adapter stays."""
    if quantisation and find_spec("bitsandbytes") is None:
        raise ModuleNotFoundError("bitsandbytes is not installed here (pip install bitsandbytes)")
    size, folder = bench.size, read_model_folder(bench.base)
    recipe = FinetuneRecipe(
        epochs=1, batch=size.batch, window=size.window, part_tokens=size.window, quantisation=quantisation
    )  # fmt: skip
    rows = make_rows(bench, size.batch * size.steps)
    steps = make_steps(encode_rows(rows, Chat(bench.base), size.window), recipe)
    estimated = estimate_rows(folder, recipe, rows, device=bench.device).needed_bytes
    times: list[float] = []

    def report(told: Told) -> bool:
        wait_for(bench.device)
        times.append(time.perf_counter())
        return True

    output = bench.scratch / "adapters" / f"trained-{quantisation or 'whole'}"
    shutil.rmtree(output, ignore_errors=True)
    figures = finetune(Finetuning(folder, recipe, rows, (), output, report, device=bench.device, checkpoint_s=math.inf))
    tokens = sum(len(row.tokens) for step in steps[1:] for row in step)
    name = "QLoRA" if quantisation else "LoRA"
    longest = max(len(row.tokens) for step in steps for row in step)
    notes.append(
        f"{name}: {figures['steps']} steps of {size.batch} rows of at most {longest} tokens, r {recipe.r}, "
        f"{figures['trained_parameters']:,} trained numbers, estimated {estimated / 1e9:.1f} GB"
    )
    peak = (figures["peak_bytes"] or math.nan) / 1e9  # torch counts none on a processor
    return {"peak": peak, "rate": tokens / (times[-1] - times[0]), "estimate": estimated / 1e9 / peak}


# --- Serving --------------------------------------------------------------------------------------------------------------


def served(bench: Bench, notes: list[str]) -> dict[str, float]:
    adapters = copied_adapters(bench)
    model = LocalFolder(
        folder=str(bench.base), adapters=str(adapters), device=bench.device, requests=bench.requests, patience_s=600.0
    )
    model.warm_up()
    model.line.longest, model.line.patience_s = max(model.line.longest, bench.requests), 3600.0
    names = model.adapters
    ask(model, bench, seed="warm up")
    read = bytes_of_a_token(bench)
    bandwidth = copy_bandwidth(bench.device, bench.size.copied)
    rate = decoding_rate(model, bench)
    notes.append(
        f"memory copies {bandwidth / 1e9:,.0f} GB/s, a token reads {read / 1e9:.2f} GB of weights; "
        f"{bench.requests} answers at once of {bench.size.answer} tokens on prompts of {bench.size.prompt}, "
        f"{model.line.places} of them written at a time, {len(names)} adapters"
    )
    attach = statistics.median(seconds(model, bench, adapter=name) for name in names) - seconds(model, bench)
    one = together(model, bench, [names[0]])
    return {
        "decoding_rate": rate, "decoding_share": rate * read / bandwidth, "together_rate": together(model, bench, [""]),
        "one_adapter_rate": one, "mixed_slower": 100 * (1 - together(model, bench, names) / one),
        "attach_ms": 1000 * attach, "switch_ms": 1000 * switch_seconds(model, bench, names),
    }  # fmt: skip


def copied_adapters(bench: Bench) -> Path:
    """Adapters of other names: what they compute is the same, and costs as much as if it were not."""
    adapters = bench.scratch / "served"
    shutil.rmtree(adapters, ignore_errors=True)
    for number in range(ADAPTERS):
        shutil.copytree(bench.scratch / "adapters" / "trained-whole", adapters / f"copy-{number}")
    return adapters


def ask(model: LocalFolder, bench: Bench, *, seed: str, adapter: str = "", tokens: int | None = None) -> int:
    """The tokens that were written."""
    messages = [Message("user", bench.text(bench.size.prompt, seed))]
    *_, end = model.generate(messages, most_tokens=tokens or bench.size.answer, adapter=adapter)
    assert isinstance(end, End)
    return end.tokens_out


def seconds(model: LocalFolder, bench: Bench, *, adapter: str = "", tokens: int = 1) -> float:
    started = time.perf_counter()
    ask(model, bench, seed="the same", adapter=adapter, tokens=tokens)
    return time.perf_counter() - started


def decoding_rate(model: LocalFolder, bench: Bench) -> float:
    """Tokens a second behind the first one, whose time is that of reading the prompt."""
    whole = statistics.median(seconds(model, bench, tokens=bench.size.answer) for _ in range(REPEATS))
    first = statistics.median(seconds(model, bench) for _ in range(REPEATS))
    return (bench.size.answer - 1) / max(whole - first, 1e-9)


def bytes_of_a_token(bench: Bench) -> int:
    """The weights that are read for a token: all but the table of words, of which one row is."""
    config = bench.size.config
    width = 2 if bench.device.startswith("cuda") else 4
    return (read_model_folder(bench.base).parameters - config["vocab_size"] * config["hidden_size"]) * width


def together(model: LocalFolder, bench: Bench, adapters: Sequence[str]) -> float:
    """Tokens a second of all answers that are asked for in one moment, the adapters in turns."""
    written, failures = [0] * bench.requests, list[Exception]()
    start = threading.Barrier(bench.requests + 1)

    def work(number: int) -> None:
        start.wait()
        try:
            written[number] = ask(model, bench, seed=f"question {number}", adapter=adapters[number % len(adapters)])
        except Exception as error:  # noqa: BLE001 - told by the thread that counts
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(bench.requests)]
    for thread in threads:
        thread.start()
    start.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - started
    if failures:
        raise failures[0]
    return sum(written) / took


def switch_seconds(model: LocalFolder, bench: Bench, names: Sequence[str]) -> float:
    """By how much a first token comes later when the adapter is another one than before."""
    same, other = [], []
    for number in range(2 * REPEATS):
        seconds(model, bench, adapter=names[number % len(names)])
        other.append(seconds(model, bench, adapter=names[(number + 1) % len(names)]))
        same.append(seconds(model, bench, adapter=names[(number + 1) % len(names)]))
    return statistics.median(other) - statistics.median(same)


def free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
