"""Runs in FastChat's environment: its own preprocessing, with its template for Vicuna."""

import json
import sys

from fastchat.train.train import preprocess
from transformers import LlamaTokenizerFast

job = json.load(sys.stdin)
tokenizer = LlamaTokenizerFast.from_pretrained(job["tokenizer"], legacy=True, model_max_length=job["limit"])
tokenizer.pad_token, tokenizer.padding_side = tokenizer.unk_token, "right"
rows = []
for record in job["records"]:
    made = preprocess([record["conversations"]], tokenizer)
    rows.append({"input_ids": made["input_ids"][0].tolist(), "labels": made["labels"][0].tolist()})
    runs, run = [], []
    for one, label in zip(rows[-1]["input_ids"], rows[-1]["labels"], strict=True):
        if label == -100:
            runs, run = ([*runs, run] if run else runs), []
        else:
            run.append(one)
    rows[-1]["trained"] = [tokenizer.decode(one) for one in ([*runs, run] if run else runs)]
print("RESULT", json.dumps({"rows": rows}))
