"""Our rendering of chat templates is transformers', over every template that TRL packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from formats.templates.kind import PROBES
from formats.templates.template import Template, TemplateRefusal
from tests.tiny_tokenizer import save_tokenizer

pytestmark = pytest.mark.trainers

KINDS = {
    "qwen2_5": "append_only",
    "qwen3": "rewriting",
    "qwen3_training": "append_only",
    "qwen3_5_think": "rewriting",
    "qwen3_5_think_training": "append_only",
    "llama3": "append_only",
    "llama3_training": "append_only",
    "glm4moe": "rewriting",
    "gptoss": "rewriting",
    "nemotron_3_nano": "rewriting",
    "phi3": "rewriting",
    "deepseek_r1_distill": "unstable",
}
"""Read off the templates: what each does with earlier thoughts, or, gpt-oss and Phi, with the end of the last turn."""


def test_every_packaged_template_renders_as_transformers_renders_it(ask: Any, tmp_path: Path) -> None:
    chats = [(list(messages), tools, prompt) for messages, tools in PROBES.values() for prompt in (False, True)]
    found = ask("trl", "render_transformers", tokenizer=str(save_tokenizer(tmp_path / "t")), chats=chats)
    assert len(found) >= 70
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}
    compared = 0
    for name, said in found.items():
        template = Template(said["source"], name=name, special=special)
        for (messages, tools, prompt), (text, marks) in zip(chats, said["rendered"], strict=True):
            try:
                rendered = template.render(messages, tools, prompt=prompt)
            except TemplateRefusal:
                assert text is None, f"{name} takes it in transformers"
                continue
            assert rendered.text == text, name
            assert [list(span) for span in rendered.marked] == marks, name
            compared += 1
    assert compared > 500
    kinds = {name: Template(found[name]["source"], special=special).kind for name in KINDS}
    assert kinds == KINDS
