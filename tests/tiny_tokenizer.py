"""Tokenizers that a test trains: byte-level BPE with special tokens, on disk as transformers saves them."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

SPECIAL = ("<s>", "</s>", "<|im_start|>", "<|im_end|>")
TEXTS = (
    "How many users have bash as their shell? Think: I should look at /etc/passwd and count the lines.",
    '{"name": "bash", "arguments": {"command": "grep -c bash$ /etc/passwd"}} The answer is 3. Act: answer(3)',
    "You are a helpful assistant. Answer in one word, please. Ok. First, second, third; user assistant system tool.",
)

CHATML = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + (message.content or '') }}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>' + (call.function | tojson) + '</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
"""Appends, knows neither thoughts nor tools."""
MARKED = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.role == 'assistant' %}
{%- generation %}{{- message.content + '<|im_end|>\\n' }}{%- endgeneration %}
{%- else %}{{- message.content + '<|im_end|>\\n' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
"""The same, and says what is generated."""
FORGETFUL = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.reasoning_content and loop.last %}{{- '<think>' + message.reasoning_content + '</think>' }}{%- endif %}
{{- message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
"""Drops the thoughts of earlier turns, as Qwen3's does."""
UNSTABLE = FORGETFUL.replace("'<|im_start|>assistant\\n' }}", "'<|im_start|>assistant\\n<think>\\n' }}")
"""Asks with an open thought, and writes none."""
STRIPPING = CHATML.replace("(message.content or '')", "(message.content or '') | trim")
STRICT = """\
{%- for message in messages %}
{%- if message.role == 'system' %}{{ raise_exception('System role not supported') }}{%- endif %}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- endif %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
"""Refuses system texts and two of one side, as Gemma's and Llama 2's do."""


def train_tokenizer(size: int, special: tuple[str, ...] = SPECIAL) -> Tokenizer:
    """Train a tokenizer of at most `size` tokens; every byte is one, so every text can be written."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[AddedToken(token, special=True) for token in special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 20, trainer)
    return tokenizer


def save_tokenizer(
    folder: Path, template: str | None = CHATML, size: int = 400, special: tuple[str, ...] = SPECIAL, **config: Any
) -> Path:
    """Save a trained tokenizer with a chat template, as `save_pretrained` does."""
    folder.mkdir(parents=True, exist_ok=True)
    train_tokenizer(size, special).save(str(folder / "tokenizer.json"))
    held = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": special[0],
        "eos_token": special[1],
        "pad_token": special[1],
        "model_max_length": 100_000,
        "clean_up_tokenization_spaces": False,
        **config,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(held))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return folder


def save_llama_tokenizer(folder: Path, size: int = 400) -> Path:
    """Train and save a tokenizer of Llama 2's kind: words with `▁` before them, `<s>` before a text."""
    special = ("<unk>", "<s>", "</s>")
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[AddedToken(token, special=True) for token in special], show_progress=False
    )
    tokenizer.train_from_iterator([*TEXTS * 20, string.printable], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    held = {"tokenizer_class": "LlamaTokenizer", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**held, "legacy": True}))
    return folder
