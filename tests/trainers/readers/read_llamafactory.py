"""Runs in LLaMA-Factory's environment: its own loader and template, told what `llamafactory-cli train` is."""

import json
import os
import sys

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer

job = json.load(sys.stdin)
os.chdir(job["folder"])
sys.argv[1:] = job["arguments"]
model, data, training, finetuning, _ = get_train_args()
held = load_tokenizer(model)
template = get_template_and_fix_tokenizer(held["tokenizer"], data)
made = get_dataset(template, model, data, training, stage=finetuning.stage, **held)
rows = [{"input_ids": one["input_ids"], "labels": one["labels"]} for one in made["train_dataset"]]
print("RESULT", json.dumps({"rows": rows}))
