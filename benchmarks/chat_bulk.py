"""Makes general chat in bulk, and a tokenizer of its words; the same number of chats gives the same bytes.

5 % of the messages are HTML, 10 % hold a code fence, a twentieth of the chats is in another language, as many are there
twice, and a fiftieth is long: 20 to 40 exchanges. Numbers between the words make no two texts the same.
"""

from __future__ import annotations

import json
import random
from itertools import islice
from pathlib import Path
from typing import Any

_ENGLISH = """the bread rises in a warm oven because yeast eats sugar and gives off gas which lifts dough so bakers
wait an hour before they shape loaves and let them rest again while water flour and salt decide how firm they are"""
_OTHERS = (
    "das Brot geht im warmen Ofen auf weil die Hefe den Zucker frisst und Gas abgibt das den Teig hebt",
    "le pain lève dans un four chaud parce que la levure mange le sucre et dégage un gaz qui soulève la pâte",
    "el pan sube en un horno tibio porque la levadura come azúcar y suelta un gas que levanta la masa",
    "хлеб поднимается в тёплой печи потому что дрожжи едят сахар и выделяют газ который поднимает тесто",
    "面包 在 温暖的 烤箱 里 发起来 因为 酵母 吃 糖 并 放出 气体 使 面团 膨胀",
)
_FEW, _MANY = (1, 4), (20, 40)
_VOCABULARY = 8000
_TRAINED_ON = 2000


def make_bulk(path: Path, rows: int) -> Path:
    """Write a ShareGPT array of so many chats, about 3 KB each."""
    rng, before = random.Random(rows), ""
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            text = before if before and rng.random() < 0.05 else json.dumps(_chat(rng, number), ensure_ascii=False)
            before = text
            file.write(("[\n" if not number else ",\n") + text)
        file.write("\n]\n")
    return path


def make_tokenizer(folder: Path, bulk: Path) -> Path:
    """Train a byte-level BPE on the bulk's first chats and save it as Hugging Face's libraries load one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=_VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    with bulk.open(encoding="utf-8") as lines:
        tokenizer.train_from_iterator(islice(lines, _TRAINED_ON), trainer)
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}', "utf-8")
    return folder


def _chat(rng: random.Random, number: int) -> dict[str, Any]:
    words = (rng.choice(_OTHERS) if rng.random() < 0.05 else _ENGLISH).split()
    exchanges = rng.randint(*(_MANY if rng.random() < 0.02 else _FEW))
    said = [_text(rng, words, 20 if place % 2 == 0 else 170) for place in range(2 * exchanges)]
    return {
        "id": f"bulk_{number}",
        "conversations": [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(said)],
    }


def _text(rng: random.Random, words: list[str], count: int) -> str:
    text, kind = f"{rng.randint(0, 10**6)} " + " ".join(rng.choices(words, k=count)), rng.random()
    if kind < 0.05:
        return f"<div><p>{text}</p><ul><li>one</li><li>two <b>bold</b></li></ul></div>"
    return f"{text}\n```\npythonCopy codeprint({count})\n```" if kind < 0.15 else text
