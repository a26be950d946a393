"""Runs in TRL's environment: two steps of SFTTrainer on a tiny random Llama a job, and the labels that it made."""

import json
import sys
import tempfile

from datasets import load_dataset
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import SFTConfig, SFTTrainer

READ = ("messages", "prompt", "completion", "tools", "input_ids", "labels")


def train(job):
    tokenizer = AutoTokenizer.from_pretrained(job["tokenizer"])
    if "release" in job:
        data = load_dataset(job["release"], "messages", split="train")
    else:
        data = load_dataset("json", data_files=job["file"], split="train")
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    with tempfile.TemporaryDirectory() as out:
        trainer = SFTTrainer(
            model=LlamaForCausalLM(config),
            args=SFTConfig(
                output_dir=out,
                max_steps=2,
                per_device_train_batch_size=2,
                use_cpu=True,
                report_to=[],
                save_strategy="no",
                disable_tqdm=True,
                **job["config"],
            ),
            train_dataset=data.select_columns([name for name in data.column_names if name in READ]),
            processing_class=tokenizer,
        )
        loss = trainer.train().training_loss
        rows = [{"input_ids": one["input_ids"], "labels": one["labels"]} for one in trainer.train_dataset]
    return {"rows": rows, "loss": loss}


print("RESULT", json.dumps({name: train(job) for name, job in json.load(sys.stdin)["jobs"].items()}))
