"""Several answers written at once by a model in this process: each as if it were alone, whatever its neighbours are."""

from __future__ import annotations

import shutil
import threading
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from specialists.errors import SpecialistError
from specialists.language_models import decoding
from specialists.language_models.adapters import Adapter, attach, choose, read_adapter
from specialists.language_models.decoding import Batch
from specialists.language_models.folders import read_model_folder
from specialists.language_models.local_folder import LocalFolder
from specialists.language_models.types import Message, Piece, Waiting
from tests.tiny_language_model import ADAPTERS, HELLO, house_model, make_network, make_tokenizer

pytestmark = pytest.mark.slow
SAID = {"": HELLO, **ADAPTERS}
NAMES = ("first", "second", "third")
PROMPTS = ([1, 40, 41, 42, 3, 2], [1, *range(60, 130), 3, 2], [1, 9, 3, 2], [1, *range(30, 55), 3, 2])
TOKENS = 8


def later() -> float:
    return time.monotonic() + 600


@pytest.fixture(scope="module", params=["qwen2", "llama", "mistral"])
def specialists(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[Adapter]]:
    """A network with three adapters that change what it says from the first token on."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    base = tmp_path_factory.mktemp("batch") / request.param
    make_network(request.param, 400, tie_word_embeddings=False, initializer_range=0.2).save_pretrained(base)
    make_tokenizer().save_pretrained(base)
    for number, name in enumerate(NAMES):
        torch.manual_seed(number)
        config = LoraConfig(r=4 + 4 * number, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights="gaussian")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft asks transformers by a name that goes away
            adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base, local_files_only=True), config)
        for parameter, value in adapted.named_parameters():
            if "lora_B" in parameter:
                torch.nn.init.normal_(value, std=0.05)
        adapted.save_pretrained(base.parent / f"{request.param}-adapters" / name)
    network = AutoModelForCausalLM.from_pretrained(base, local_files_only=True).eval()
    folder = read_model_folder(base)
    adapters = [read_adapter(base.parent / f"{request.param}-adapters" / name, name, folder) for name in NAMES]
    for adapter in adapters:
        attach(network, adapter)
    return network, adapters


class Recorded(Batch):
    """Keeps the logits of each step, by row."""

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        self.logits: dict[int, list[Any]] = {}
        network.register_forward_hook(lambda _, __, output: setattr(self, "last", output.logits[:, -1]))

    def _read(self, row: decoding.Row) -> None:
        super()._read(row)
        if row.read == len(row.prompt):
            self.logits[id(row.prompt)] = [self.last[0]]

    def _write(self) -> None:
        rows = list(self._rows)
        super()._write()
        for row, logits in zip(rows, self.last, strict=True):
            self.logits[id(row.prompt)].append(logits)


def test_three_adapters_and_none_in_one_batch_count_as_one_by_one(
    specialists: tuple[Any, list[Adapter]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    network, adapters = specialists
    monkeypatch.setattr(decoding, "PART_BETWEEN", 16)  # the long prompt is read in parts, between the others' tokens
    chosen = [*adapters, None]
    alone, together = Recorded(network), Recorded(network)
    written = [
        list(alone.decode(prompt, most_tokens=TOKENS, deadline=later(), adapter=adapter))
        for prompt, adapter in zip(PROMPTS, chosen, strict=True)
    ]
    at_once = [
        together.decode(prompt, most_tokens=TOKENS, deadline=later(), adapter=adapter)
        for prompt, adapter in zip(PROMPTS, chosen, strict=True)
    ]
    begun = [next(at_once[0]), next(at_once[0])]  # the others come while it is being written

    rest = [[token for token in tokens if token is not None] for tokens in zip(*zip_longest(*at_once), strict=True)]

    assert [[*begun, *rest[0]], *rest[1:]] == written
    assert len({tuple(tokens) for tokens in written}) == len(chosen)
    for prompt in PROMPTS:
        one, other = (torch.stack(recorded.logits[id(prompt)]) for recorded in (alone, together))
        assert one.shape == other.shape
        assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"sliding_window": 16}], ids=["all", "the last ones"])
def test_rows_beside_each_other_are_what_the_library_writes(options: dict[str, Any]) -> None:
    """Also of layers that look at the last tokens only."""
    import torch

    torch.manual_seed(3)
    network = make_network("mistral", 300, initializer_range=0.2, **options).eval()
    batch = Batch(network)
    answers = [batch.decode(prompt, most_tokens=12, deadline=later()) for prompt in PROMPTS]

    ours = list(zip(*answers, strict=True))

    for prompt, tokens in zip(PROMPTS, zip(*ours, strict=True), strict=True):
        row = torch.tensor([prompt])
        theirs = network.generate(row, attention_mask=torch.ones_like(row), do_sample=False, max_new_tokens=12, eos_token_id=None)
        assert [*prompt, *tokens] == theirs[0].tolist()


def house(**options: Any) -> LocalFolder:
    folder, adapters = house_model()
    made = LocalFolder(folder=str(folder), adapters=str(adapters), **options)
    made.warm_up()
    return made


def ask(model: LocalFolder, adapter: str, question: str = "Hello?") -> Generator[Any, None, None]:
    asked = [Message("system", "Be brief."), Message("user", question)]
    return model.generate(asked, most_tokens=60, adapter=adapter)  # type: ignore[return-value]


def by_turns(answers: Sequence[Iterator[Any]]) -> list[str]:
    """A piece of each, and again until all have ended."""
    texts, left = [""] * len(answers), set(range(len(answers)))
    while left:
        for number in sorted(left):
            piece = next(answers[number], None)
            if piece is None:
                left.remove(number)
            elif isinstance(piece, Piece):
                texts[number] += piece.text
    return texts


def test_no_answer_has_words_of_the_adapter_beside_it() -> None:
    model = house()
    adapters = ["", "casual", "formal", "casual"]

    assert by_turns([ask(model, adapter) for adapter in adapters]) == [SAID[adapter] for adapter in adapters]


def test_who_goes_away_leaves_the_others_as_they_are() -> None:
    model = house()
    gone, stays = (ask(model, adapter) for adapter in ("casual", ""))
    next(gone)
    begun = next(stays).text
    gone.close()

    assert begun + by_turns([stays])[0] == HELLO
    assert by_turns([ask(model, "formal")]) == [SAID["formal"]]
    assert model._loaded.get().batch._cache is None  # and nothing of them is kept


def test_more_than_there_are_places_wait_in_line() -> None:
    model = house(requests=2)
    first, second, third = (ask(model, adapter) for adapter in SAID)
    assert [type(next(answer)) for answer in (first, second, third)] == [Piece, Piece, Waiting]
    first.close()

    assert "".join(piece.text for piece in third if isinstance(piece, Piece)) == SAID["formal"]
    second.close()


def test_many_threads_get_each_its_own_answer() -> None:
    model = house(requests=5)
    asked = [(list(SAID)[number % len(SAID)], f"Question {number}? " * (1 + number % 5)) for number in range(24)]
    alone = [by_turns([ask(model, *each)])[0] for each in asked]
    texts: dict[int, str] = {}

    def work(number: int) -> None:
        texts[number] = by_turns([ask(model, *asked[number])])[0]

    model.line.longest = len(asked)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [texts[number] for number in range(len(asked))] == alone


def test_an_adapter_of_no_numbers_spoils_its_own_answer_only(tmp_path: Path) -> None:
    folder, adapters = house_model()
    copied = Path(shutil.copytree(adapters, tmp_path / "adapters"))
    tensors = load_file(copied / "formal" / "adapter_model.safetensors")
    broken = {name: tensor * float("nan") for name, tensor in tensors.items()}
    save_file(broken, copied / "formal" / "adapter_model.safetensors", metadata={"format": "pt"})
    model = LocalFolder(folder=str(folder), adapters=str(copied))
    model.warm_up()
    sound = ask(model, "casual")
    begun = next(sound).text

    with pytest.raises(SpecialistError) as failed:
        list(ask(model, "formal"))

    assert failed.value.code == "model_broken"
    assert begun + by_turns([sound])[0] == SAID["casual"]


def test_memory_that_a_new_prompt_has_no_room_in_costs_no_other_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = house()
    network = model._loaded.get().network
    forward = type(network).forward
    sound = ask(model, "casual")
    begun = next(sound).text

    def failing(self: Any, input_ids: Any, **options: Any) -> Any:
        if input_ids.shape[1] > 100:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried …")
        return forward(self, input_ids=input_ids, **options)

    monkeypatch.setattr(type(network), "forward", failing)
    with pytest.raises(SpecialistError) as failed:
        list(ask(model, "", "A long question? " * 80))

    assert failed.value.code == "out_of_memory"
    assert begun + by_turns([sound])[0] == SAID["casual"]


def test_memory_that_runs_out_for_all_costs_these_answers_and_no_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = house()
    network = model._loaded.get().network
    answers = [ask(model, adapter) for adapter in ("", "casual")]
    for answer in answers:
        next(answer)
    with monkeypatch.context() as patched:
        patched.setattr(type(network), "forward", lambda *_, **__: (_ for _ in ()).throw(MemoryError()))
        codes = []
        for answer in answers:
            with pytest.raises(SpecialistError) as failed:
                by_turns([answer])
            codes.append(failed.value.code)

    assert codes == ["out_of_memory"] * 2
    assert by_turns([ask(model, "formal")]) == [SAID["formal"]]


def test_a_kind_whose_rows_cannot_be_put_together_writes_one_answer_at_a_time() -> None:
    from transformers import BloomConfig, BloomForCausalLM, JambaConfig, JambaForCausalLM

    bloom = BloomForCausalLM(BloomConfig(vocab_size=300, hidden_size=32, n_layer=1, n_head=2))
    jamba = JambaForCausalLM(
        JambaConfig(vocab_size=300, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                    num_key_value_heads=2, num_experts=2, attn_layer_period=2, attn_layer_offset=1, use_mamba_kernels=False)
    )  # fmt: skip

    assert [Batch(network).takes_several for network in (bloom, jamba, make_network("qwen2", 300))] == [False, False, True]
    assert len(list(Batch(bloom.eval()).decode([1, 2, 3], most_tokens=4, deadline=later()))) == 4


def test_a_model_of_such_a_kind_has_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_takes_several", lambda network: False)

    assert house().line.places == 1


def test_which_adapter_computes_is_said_anew_after_another_has_said_it(specialists: tuple[Any, list[Adapter]]) -> None:
    """A new adapter is put on the network in the middle of an answer."""
    network, adapters = specialists
    batch = Batch(network)
    right = list(batch.decode(PROMPTS[0], most_tokens=TOKENS, deadline=later(), adapter=adapters[0]))
    answer = batch.decode(PROMPTS[0], most_tokens=TOKENS, deadline=later(), adapter=adapters[0])
    begun = [next(answer)]
    with batch.paused():
        choose(network, adapters[1])

    assert [*begun, *answer] == right
