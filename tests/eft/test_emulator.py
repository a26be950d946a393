"""The formula, against the models asked one by one without a cache; drawing, ends, limits."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

NEEDS = "make test-eft needs torch and transformers: pip install 'torch>=2.8,<3' 'transformers>=4.56,<6'"
torch = pytest.importorskip("torch", reason=NEEDS)
transformers = pytest.importorskip("transformers", reason=NEEDS)

from eft.emulator import EmulatedSampling, Emulator, choose  # noqa: E402
from eft.errors import ModelError, RequestError  # noqa: E402
from eft.load import load  # noqa: E402

pytestmark = pytest.mark.eft
WIDTH = 35
PROMPT = "<user>how many are there?<assistant>"


@pytest.fixture(scope="module")
def emulator(folders: tuple[Path, Path, Path]) -> Emulator:
    return load(folders)


@pytest.fixture(scope="module")
def prompt(emulator: Emulator) -> list[int]:
    ids: list[int] = emulator.tokenizer(PROMPT).input_ids
    return ids


def by_the_formula(folders: tuple[Path, Path, Path], tokens: list[int]) -> Any:
    """Compute p_large * p_tuned / p_base after a text, summing to 1: one pass a model, no cache, double precision."""
    parts = []
    for folder in folders:
        model = transformers.LlamaForCausalLM.from_pretrained(folder).double()
        with torch.no_grad():
            logits = model(torch.tensor([tokens]), use_cache=False).logits[0, -1, :WIDTH]
        parts.append(logits.exp() / logits.exp().sum())
    large, tuned, base = parts
    product = large * tuned / base
    return (product / product.sum()).log()


def test_every_token_s_distribution_is_the_formula_s(
    emulator: Emulator, folders: tuple[Path, Path, Path], prompt: list[int]
) -> None:
    after = emulator.distributions(prompt)
    text = list(prompt)
    for token in [7, 9, 30, 7, 12, 5]:
        assert torch.allclose(after.logprobs.double(), by_the_formula(folders, text), atol=2e-4)
        after.add(token)
        text.append(token)
    assert torch.allclose(after.logprobs.double(), by_the_formula(folders, text), atol=2e-4)


def test_at_temperature_0_the_likeliest_token_of_the_formula_is_taken(
    emulator: Emulator, folders: tuple[Path, Path, Path], prompt: list[int]
) -> None:
    reply = emulator.write(prompt, EmulatedSampling(max_tokens=8, temperature=0))
    text = list(prompt)
    for one in reply.drawn:
        expected = by_the_formula(folders, text)
        assert one.token == int(expected.argmax()) and one.logprob == pytest.approx(float(expected.max()), abs=2e-4)
        text.append(one.token)


def test_draws_follow_the_formula(emulator: Emulator, folders: tuple[Path, Path, Path], prompt: list[int]) -> None:
    logprobs = emulator.distributions(prompt).logprobs
    dice = torch.Generator().manual_seed(1)
    drawn = torch.tensor([choose(logprobs, EmulatedSampling(1, temperature=2.0), dice) for _ in range(4000)])
    shares = torch.bincount(drawn, minlength=WIDTH) / len(drawn)
    expected = torch.softmax(by_the_formula(folders, prompt) / 2.0, dim=-1)
    assert float((shares - expected).abs().sum()) / 2 < 0.05


def test_top_p_draws_from_the_fewest_likeliest_tokens_that_make_it_up(emulator: Emulator, prompt: list[int]) -> None:
    logprobs = torch.log(torch.tensor([0.1, 0.4, 0.2, 0.3]))
    dice = torch.Generator().manual_seed(1)

    def drawn(top_p: float) -> set[int]:
        return {choose(logprobs, EmulatedSampling(1, top_p=top_p), dice) for _ in range(300)}

    halves = EmulatedSampling(1, top_p=0.5)
    assert {choose(torch.zeros(2), halves, dice) for _ in range(50)} == {0}, "no more than make it up"
    assert (drawn(0.0), drawn(0.4), drawn(0.65), drawn(1.0)) == ({1}, {1}, {1, 3}, {0, 1, 2, 3})


def test_a_seed_draws_the_same_reply_again_and_another_one_another(emulator: Emulator, prompt: list[int]) -> None:
    texts = [emulator.write(prompt, EmulatedSampling(20, seed=seed)).text for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_where_the_small_models_are_one_the_large_one_speaks(
    folders: tuple[Path, Path, Path], prompt: list[int]
) -> None:
    large, small, _ = folders
    alone = transformers.LlamaForCausalLM.from_pretrained(large)
    alone.generation_config.eos_token_id = None
    expected = alone.generate(
        torch.tensor([prompt]), max_new_tokens=12, do_sample=False, suppress_tokens=[1, *range(35, 42)]
    )
    emulated = load((large, small, small))
    with torch.no_grad():
        logits = alone(torch.tensor([prompt])).logits[0, -1, :WIDTH]
    assert torch.allclose(emulated.distributions(prompt).logprobs, torch.log_softmax(logits, dim=-1), atol=1e-4)
    text = list(prompt)
    for token in expected[0, len(prompt) :].tolist():
        logprobs = emulated.distributions(text).logprobs
        logprobs[1] = -torch.inf
        assert int(logprobs.argmax()) == token
        text.append(token)


def test_a_stop_text_or_an_end_token_ends_the_reply_and_stays_out_of_it(emulator: Emulator, prompt: list[int]) -> None:
    long = emulator.write(prompt, EmulatedSampling(30, seed=5))
    stop = long.text[4:6]
    cut = emulator.write(prompt, EmulatedSampling(30, seed=5, stop=("?!?!", stop)))
    assert (cut.text, cut.finish_reason) == (long.text[: long.text.index(stop)], "stop")
    ended = Emulator(emulator.models, emulator.tokenizer, [long.drawn[3].token]).write(
        prompt, EmulatedSampling(30, seed=5)
    )
    assert ended.finish_reason == "stop" and ended.drawn == long.drawn[: len(ended.drawn)]
    assert ended.text == emulator.tokenizer.decode([one.token for one in ended.drawn[:-1]], skip_special_tokens=True)


def test_a_reply_ends_at_its_maximum_at_the_context_s_or_when_nobody_waits(
    emulator: Emulator, prompt: list[int]
) -> None:
    emulator = Emulator(emulator.models, emulator.tokenizer, [])
    short = emulator.write(prompt, EmulatedSampling(3, seed=1))
    full = emulator.write(prompt * 10, EmulatedSampling(1000, seed=1))
    given_up = threading.Event()
    given_up.set()
    assert (len(short.drawn), short.finish_reason) == (3, "length")
    assert (len(full.drawn) + 10 * len(prompt), full.finish_reason) == (256, "length")
    assert len(emulator.write(prompt, EmulatedSampling(1000), given_up).drawn) == 1
    with pytest.raises(RequestError, match="maximum context length is 256 tokens") as refused:
        emulator.write(prompt * 20, EmulatedSampling(3))
    assert refused.value.error["code"] == "context_length_exceeded"


def test_too_little_memory_is_said_in_words(
    emulator: Emulator, prompt: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(emulator.models[0], "forward", fail)
    with pytest.raises(RequestError, match=r"does not hold a text of \d+ tokens beside the three models") as refused:
        emulator.write(prompt, EmulatedSampling(3))
    assert refused.value.error["code"] == "out_of_memory"


def test_models_that_cannot_write_together_are_refused_with_a_reason(
    folders: tuple[Path, Path, Path], make: Any, tmp_path: Path
) -> None:
    large, tuned, base = folders
    with pytest.raises(ModelError, match=r"--large-base .* has another vocabulary .* 1 tokens differ, such as 'ä'"):
        load((make(4, characters="abcdefghijklmnopqrstuvwxyz .?!ä"), tuned, base))
    with pytest.raises(ModelError, match=r"--small-tuned .* has no chat template"):
        load((large, make(5, template=None), base))
    with pytest.raises(ModelError, match=r"--small-base .* holds no model: there is no config.json"):
        load((large, tuned, tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ModelError, match=r"--small-base .* cannot be read"):
        load((large, tuned, tmp_path))
