"""FastChat's own cleaning, deduplication and splitting of a file, for an interpreter that has FastChat (fschat 0.2.36).

    python benchmarks/fastchat_cleaning.py IN.json OUT.json

Its tokenizer is replaced by one that counts words: a model's own costs more.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace


def main(source: str, target: str) -> None:
    """Do what prepare_all.py does of these steps."""
    from fastchat.data.clean_sharegpt import clean_html_all
    from fastchat.data.filter_wrong_format import should_skip
    from fastchat.data.split_long_conversation import filter_invalid_roles, split_all

    content = json.loads(Path(source).read_text(encoding="utf-8"))
    content = clean_html_all(content, None, None)
    content = split_all(content, None, None, lambda text: SimpleNamespace(input_ids=text.split()), 4096)
    content = [one for one in filter_invalid_roles(content) if not should_skip(one)]
    Path(target).write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
