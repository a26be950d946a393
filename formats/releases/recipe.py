"""AgentTuning's recipe (Zeng et al., 2023, section 3 and appendix B), and the trainers' configs made of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

_TEMPLATES = Path(__file__).with_name("configs")
_LARGE = 30
"""Billions of parameters from which on the smaller learning rate is taken; the paper has 7, 13 and 70."""
_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[bB](?![a-zA-Z])")

_LLAMAFACTORY = {
    "qwen3": "qwen3",
    "qwen": "qwen",
    "llama-3": "llama3",
    "llama-2": "llama2",
    "mistral": "mistral",
    "gemma-3": "gemma3",
    "phi-4": "phi4",
}
"""Parts of models' names -> templates of LLaMA-Factory 0.9.5, data/template.py."""


class Recipe(NamedTuple):
    """Numbers of the paper; epochs it does not say."""

    learning_rate: float
    batch: int = 64
    tokens: int = 4096
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    weight_decay: float = 0.1
    clip: float = 1.0
    warmup: float = 0.02
    epochs: int = 3
    """Vicuna's; the paper names none."""


def recipe_for(model: str) -> Recipe:
    """Return the recipe for a model, whose size is read off its name.

    >>> [recipe_for(name).learning_rate for name in ("Llama-2-7b-hf", "Qwen2.5-72B-Instruct", "mine")]
    [5e-05, 1e-05, 5e-05]
    """
    sizes = [float(size) for size in _SIZE.findall(model)]
    return Recipe(1e-5 if sizes and max(sizes) >= _LARGE else 5e-5)


def render_config(name: str, **facts: Any) -> str:
    """Render one of the templates in configs/; a fact that it wants and does not get is an error."""
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    environment = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["llamafactory_template"] = llamafactory_template
    return environment.get_template(f"{name}.jinja").render(**facts)


def llamafactory_template(model: str) -> str:
    """Guess what LLaMA-Factory calls a model's template, from the model's name; `default` where it is not known.

    >>> [llamafactory_template(name) for name in ("Qwen/Qwen3-8B", "Qwen/Qwen2.5-7B-Instruct", "me/mine")]
    ['qwen3', 'qwen', 'default']
    """
    name = model.lower().replace("_", "-")
    return next((template for part, template in _LLAMAFACTORY.items() if part in name), "default")
