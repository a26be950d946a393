"""Runs in axolotl's environment: its chat_template strategy, configured as the export's YAML is."""

import json
import sys

from axolotl.prompt_strategies.chat_template import load
from axolotl.utils.dict import DictDefault
from transformers import AutoTokenizer

job = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(job["tokenizer"])
cfg = DictDefault({"chat_template": "tokenizer_default", "sequence_len": 10_000, "eot_tokens": job["eot_tokens"]})
dataset = {"type": "chat_template", "field_messages": "messages", "message_field_training": "train"}
strategy = load(tokenizer, cfg, ds_cfg=DictDefault(dataset))
rows = []
for record in job["records"]:
    made = strategy.tokenize_prompt(record)
    rows.append({"input_ids": list(made["input_ids"]), "labels": list(made["labels"])})
print("RESULT", json.dumps({"rows": rows}))
