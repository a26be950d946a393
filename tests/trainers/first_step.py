"""docs/train.md as a newcomer follows it: its blocks, run one by one, with a tiny model in the place of the page's."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from formats.releases.release_folder import read_release
from tests.conftest import clean_environment
from tests.test_readme import blocks_of
from tests.tiny_tokenizer import CHATML, save_tokenizer
from tests.trainers.conftest import OFFLINE, find_python

PAGE = "docs/train.md"
MODEL = "Qwen/Qwen2.5-0.5B-Instruct"
"""The page's; trainers know a model's template by its name, so the tiny one is called the same."""
SPECIAL = ("<|endoftext|>", "<|im_end|>", "<|im_start|>")
TINY = {
    "model_type": "qwen2",
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
INITIALIZE = """\
import sys
from transformers import AutoConfig, AutoModelForCausalLM
AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(sys.argv[1])).save_pretrained(sys.argv[1])
"""


class FirstStep(NamedTuple):
    """A block of the page that exports, and trains one step."""

    out: str
    """The folder that `trajmill export` is told to write."""
    text: str

    @property
    def arguments(self) -> list[str]:
        """Of the training command, the last line: its file in the export's folder, and what follows it."""
        words = shlex.split(self.text.strip().splitlines()[-1], comments=True)
        at = next(at for at, word in enumerate(words) if word.endswith((".yaml", ".py")))
        return [Path(words[at]).name, *words[at + 1 :]]


def step_of(export: str) -> FirstStep:
    """Return the page's first step with an export: the one block that is run and names it."""
    wanted = re.compile(rf"trajmill export {export} --out (\S+)")
    (found,) = [b for b in blocks_of(PAGE) if b.note == "run" and wanted.search(b.text)]
    match = wanted.search(found.text)
    assert match
    return FirstStep(match[1], found.text)


def save_model(folder: Path, trainer: str) -> Path:
    """Save a random Qwen2 of one layer with a trained tokenizer, as a trainer's own transformers writes it."""
    save_tokenizer(folder, CHATML, 1200, SPECIAL)
    (folder / "config.json").write_text(json.dumps({**TINY, "vocab_size": 1200}))
    subprocess.run([find_python(trainer), "-c", INITIALIZE, folder], check=True, env=environment_of(trainer, folder))
    return folder


def environment_of(trainer: str, folder: Path) -> dict[str, str]:
    """Return what a shell has in which the trainer's environment is active and `trajmill` is in the path.

    `pip install` stands on the page: without an index it says whether what it names is there, of the version named.
    """
    path = [find_python(trainer).parent, os.environ["PATH"], Path(sys.executable).parent]
    kept = {"HF_HOME": str(folder / "hf"), "MODELSCOPE_CACHE": str(folder / "ms"), "PIP_NO_INDEX": "1"}
    return clean_environment() | OFFLINE | kept | {"PATH": ":".join(map(str, path)), "PIP_NO_DEPS": "1"}


def take_step(step: FirstStep, trainer: str, home: Path, folder: Path) -> str:
    """Run the block as it stands, in a folder of its own, and return what it printed."""
    model = save_model(folder / MODEL, trainer)
    ran = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step.text.replace(MODEL, str(model))],
        cwd=folder,
        env=environment_of(trainer, folder) | {"TRAJMILL_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    return ran.stdout + ran.stderr


def replies_of(home: Path, out: Path) -> list[str]:
    """Return what each line of an export should train: the release says it, its id names row and reply."""
    (release,) = (home / "releases").iterdir()
    rows: Mapping[str, list[str]] = {
        row.id: [message.content for message in row.messages if message.train]
        for row in read_release(release).rows("train")
    }
    ids = [json.loads(line)["id"] for line in (out / "train.jsonl").read_text().splitlines()]
    assert set(rows) == {name.partition("#")[0] for name in ids}, "every row of the release is there"
    assert len(ids) == sum(map(len, rows.values())), "with each of its replies"
    return [rows[row][int(number or 1) - 1] for row, _, number in (name.partition("#") for name in ids)]
