"""Runs in ms-swift's environment: its own template encodes rows for training."""

import json
import sys

from swift.model import get_processor
from swift.template import get_template

job = json.load(sys.stdin)
processor = get_processor(job["tokenizer"], model_type=job["model_type"])
template = get_template(processor, template_type=job["template"], loss_scale="default", agent_template="hermes")
template.set_mode("train")
rows = []
for record in job["records"]:
    made = template.encode(record)
    rows.append({"input_ids": list(made["input_ids"]), "labels": list(made["labels"])})
print("RESULT", json.dumps({"rows": rows}))
