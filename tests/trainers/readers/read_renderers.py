"""Runs in TRL's environment: renderers' hand-written families render rows, the loss on the messages that it is told."""

import json
import sys

from renderers import base, configs
from transformers import AutoTokenizer

CONFIGS = {"qwen3": configs.Qwen3RendererConfig, "glm-4.5": configs.GLM45RendererConfig}

job = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(job["tokenizer"])
made = base.create_renderer(tokenizer, CONFIGS[job["renderer"]]())
rows = []
for record in job["records"]:
    said = base.build_training_sample(made, record["messages"], message_loss_mask=record["loss"])
    rows.append({"input_ids": list(said.token_ids), "loss": [int(one) for one in said.loss_mask]})
print("RESULT", json.dumps({"rows": rows}))
