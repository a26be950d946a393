"""FastChat's own cleaning, splitting and format filter, for an interpreter that has FastChat (fschat 0.2.36).

    python benchmarks/fastchat_cleaning.py IN.json OUT.json [TOKENIZER]

Its scripts run one behind the other with files between them, as its prepare_all.py runs them; language is left out.
TOKENIZER is a folder that transformers loads. Without one words are counted, which costs next to nothing: FastChat
itself cannot do without.
"""

from __future__ import annotations

import runpy
import sys
from types import SimpleNamespace
from typing import Any

WORDS = "words"


def main(source: str, target: str, tokenizer: str = WORDS) -> None:
    """Do what prepare_all.py does of these steps, with its length of 4096 tokens."""
    from fastchat.data import clean_sharegpt, split_long_conversation

    if tokenizer == WORDS:
        split_long_conversation.transformers = SimpleNamespace(AutoTokenizer=SimpleNamespace(from_pretrained=_words))
    cleaned, split = f"{target}.clean", f"{target}.split"
    clean_sharegpt.main({"in_file": source, "out_file": cleaned, "begin": None, "end": None})
    asked = {"in_file": cleaned, "out_file": split, "begin": None, "end": None, "max_length": 4096}
    split_long_conversation.main(SimpleNamespace(**asked, model_name_or_path=tokenizer))
    sys.argv = ["filter_wrong_format", "--in-file", split, "--out-file", target]
    runpy.run_module("fastchat.data.filter_wrong_format", run_name="__main__")


def _words(name: str, **_: Any) -> Any:
    return lambda text: SimpleNamespace(input_ids=text.split())


if __name__ == "__main__":
    main(*sys.argv[1:])
