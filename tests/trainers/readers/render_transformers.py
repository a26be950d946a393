"""Runs with transformers: renders conversations through TRL's packaged templates, and says what these mark."""

import json
import sys
from pathlib import Path

import trl
from transformers import AutoTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

job = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(job["tokenizer"])
found = {}
for path in sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja")):
    source = path.read_text(encoding="utf-8")
    rendered = []
    for messages, tools, prompt in job["chats"]:
        given = {"tools": tools, "add_generation_prompt": prompt}
        try:
            text = tokenizer.apply_chat_template(messages, chat_template=source, tokenize=False, **given)
            _, marks = render_jinja_template(
                conversations=[[{k: v for k, v in one.items() if v is not None} for one in messages]],
                chat_template=source,
                return_assistant_tokens_mask=True,
                **tokenizer.special_tokens_map,
                **given,
            )
            rendered.append([text, [list(mark) for mark in marks[0]]])
        except Exception as error:
            rendered.append([None, type(error).__name__])
    found[path.stem] = {"source": source, "rendered": rendered}
print("RESULT", json.dumps(found))
