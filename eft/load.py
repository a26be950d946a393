"""Reads three models from disk and makes sure that they can write together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from eft.emulator import Emulator
from eft.errors import ModelError, is_out_of_memory

ROLES = ("--large-base", "--small-tuned", "--small-base")


def load(folders: Sequence[Path], *, device: str = "cpu", dtype: str = "auto") -> Emulator:
    """Load large base, small tuned and small base from their folders; nothing is downloaded.

    The tokenizer, its chat template and the tokens that end a reply are the small tuned model's.

    Raises:
        ModelError: no model there, vocabularies that differ, no chat template, or too little memory.
    """
    for role, folder in zip(ROLES, folders, strict=True):
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"{role} {folder} holds no model: there is no config.json. Name a folder of one on this disk"
            )
    tokenizers = [_read(AutoTokenizer, role, folder) for role, folder in zip(ROLES, folders, strict=True)]
    _require_one_vocabulary(tokenizers, folders)
    tuned = tokenizers[1]
    if not tuned.chat_template:
        raise ModelError(
            f"--small-tuned {folders[1]} has no chat template, so nobody knows how it was shown conversations. Put "
            "the one it was tuned with there, as chat_template.jinja"
        )
    models = [_load(role, folder, device, dtype) for role, folder in zip(ROLES, folders, strict=True)]
    return Emulator(models, tuned, _ends(models[1], tuned))


def _load(role: str, folder: Path, device: str, dtype: str) -> Any:
    try:
        model: Any = _read(
            AutoModelForCausalLM, role, folder, dtype=dtype if dtype == "auto" else getattr(torch, dtype)
        )
        return model.to(device).eval()
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise ModelError(
                f"{role} {folder} does not fit into the memory of {device} beside the others. Take a smaller model, "
                "--dtype bfloat16 or another --device"
            ) from error
        raise ModelError(f"{role} {folder} cannot be moved to {device}: {error}. Name another --device") from error


def _read(kind: Any, role: str, folder: Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(
            f"{role} {folder} cannot be read ({type(error).__name__}: {error}). Name a folder as transformers saves "
            "it, with config.json, the weights and the tokenizer"
        ) from error


def _require_one_vocabulary(tokenizers: Sequence[Any], folders: Sequence[Path]) -> None:
    first = tokenizers[1].get_vocab()
    for role, folder, tokenizer in zip(ROLES, folders, tokenizers, strict=True):
        other = tokenizer.get_vocab()
        differing = sorted(token for token in first.keys() | other.keys() if first.get(token) != other.get(token))
        if differing:
            raise ModelError(
                f"{role} {folder} has another vocabulary than --small-tuned {folders[1]}: {len(differing)} tokens "
                f"differ, such as {differing[0]!r}. The three models must share one; take them from one family"
            )


def _ends(model: Any, tokenizer: Any) -> list[int]:
    """Return the tokens that end a reply of the tuned model."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return [token for token in (*listed, tokenizer.eos_token_id) if token is not None]
