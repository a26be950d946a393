"""Tiny models with random weights and one vocabulary of characters, on disk as transformers saves them."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'system' and not loop.first %}"
    "{{ raise_exception('system comes first') }}{% endif %}"
    "<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
SPECIAL = ["<unk>", "<eos>", "<system>", "<user>", "<assistant>"]
CHARACTERS = string.ascii_lowercase + " .?!"
Make = Callable[..., Path]


def tokenizer_of(characters: str = CHARACTERS, template: str | None = TEMPLATE) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(SPECIAL)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>")
    fast.chat_template = template
    return fast


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Make a model's folder; `padded` adds rows to its output beyond the vocabulary."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    def made(seed: int, *, hidden: int = 16, padded: int = 0, context: int = 256, **tokenizer: Any) -> Path:
        folder, words = tmp_path_factory.mktemp(f"model-{seed}"), tokenizer_of(**tokenizer)
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=len(words) + padded,
            hidden_size=hidden,
            intermediate_size=2 * hidden,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=context,
            initializer_range=0.6,
            eos_token_id=words.eos_token_id,
        )
        LlamaForCausalLM(config).save_pretrained(folder)
        words.save_pretrained(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def folders(make: Make) -> tuple[Path, Path, Path]:
    """Large base, small tuned, small base; the large one pads its output, as some families do."""
    return make(1, hidden=32, padded=7), make(2), make(3)
