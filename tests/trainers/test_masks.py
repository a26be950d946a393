"""What trainers train is what the release says, token by token, and what we say that they train is what they do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from formats.releases.huggingface import write_shard
from formats.releases.release_folder import ReleaseRow
from formats.templates.proof import Prover, prove
from formats.templates.template import Template, load_template
from schemas.errors import ExpectationError
from tests.tiny_tokenizer import CHATML, STRIPPING, save_llama_tokenizer, save_tokenizer
from tests.trainers.conftest import ask_trainer, find_python
from tests.trainers.rows import CALLS, CONTEXT, MARKS, PLAIN, SAME, THOUGHTS, fan_out, flagged, folded, reply, row, user

pytestmark = pytest.mark.trainers

IGNORED = -100
Record = Mapping[str, Any]
FAMILIES = {
    "qwen3": ("<|endoftext|>", "<|im_end|>", "<|im_start|>"),
    "llama3": ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
    "glm4moe": ("[gMASK]", "<|endoftext|>", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
    "gptoss": ("<|startoftext|>", "<|return|>", "<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|call|>"),
}
"""Packaged templates, and the special tokens of their models; the first two begin a text and end it."""


LOST = {"llama3": (CALLS, THOUGHTS), "gptoss": (CALLS,)}
"""What a template has no place for: Llama 3's for calls and thoughts, gpt-oss's for a second call at once."""


def packaged(name: str) -> str:
    """Return one of TRL's packaged templates."""
    found = find_python("trl").parents[1].glob(f"lib/python*/site-packages/trl/chat_templates/{name}.jinja")
    return next(found).read_text(encoding="utf-8")


def ours(
    template: Template, trainer: str, rows: Iterable[ReleaseRow], records: Any, **config: bool
) -> list[tuple[list[int], list[int]]]:
    """Prove an export, and return tokens and labels as we say that the trainer makes them."""
    prover = Prover(trainer, template, **config)
    made = []
    for held in rows:
        prover.prove_row(held, records(held))
        for record in records(held):
            masked = prover.mask(held, record)
            assert masked
            trained = set(masked.trained)
            ids = list(masked.tokens.ids)
            made.append((ids, [one if at in trained else IGNORED for at, one in enumerate(ids)]))
    return made


def theirs(said: Mapping[str, Any]) -> list[tuple[list[int], list[int]]]:
    return [(one["input_ids"], one["labels"]) for one in said["rows"]]


def write(path: Path, records: Iterable[Record]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def write_release(folder: Path, rows: Sequence[ReleaseRow]) -> Path:
    with_calls = any(held.has_calls for held in rows)
    write_shard(folder / "data" / "messages" / "train-00000.parquet", "messages", rows, with_calls=with_calls)
    (folder / "manifest.json").write_bytes(orjson.dumps({"release_id": folder.name, "rows": len(rows)}))
    card = "---\nconfigs:\n- config_name: messages\n  data_files: data/messages/*.parquet\n---\n"
    (folder / "README.md").write_text(card)
    return folder


SIZES = (400, 800)
MARKED = ("qwen3_training", "llama3_training")
LONG = row("long", user("word " * 400), reply("Act: answer(3)"))
EVERY_REPLY = {"assistant_only_loss": True, "max_length": None}


def as_messages(held: ReleaseRow) -> list[Record]:
    return [{"messages": [{"role": message.role, "content": message.content} for message in held.messages]}]


def cut(held: ReleaseRow) -> list[Record]:
    """Prompt and all that comes after it, questions among it: TRL's two masks together pick the replies."""
    first = next(at for at, message in enumerate(held.messages) if message.train)
    said = as_messages(held)[0]["messages"]
    return [{"prompt": said[:first], "completion": said[first:]}]


def rows_of(family: str) -> list[ReleaseRow]:
    return [held for held in (*PLAIN, CALLS, THOUGHTS) if held not in LOST.get(family, ())]


class Trained(NamedTuple):
    """What TRL made of every job; one process for all, since to import it takes longer than to train."""

    folder: Path
    said: Mapping[str, Any]
    limit: int

    def template(self, name: str) -> Template:
        return load_template(self.folder / name)


@pytest.fixture(scope="module")
def trl(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trl")
    jobs: dict[str, Any] = {}

    def add(name: str, tokenizer: str, config: Mapping[str, Any], **data: str) -> None:
        jobs[name] = {"tokenizer": str(folder / tokenizer), "config": config, **data}

    for family, special in FAMILIES.items():
        records = [record for held in rows_of(family) for record in fan_out(held)]
        file = write(folder / f"{family}.jsonl", records)
        for size in SIZES:
            save_tokenizer(folder / f"{family}-{size}", packaged(family), size, special)
            add(f"{family}-{size}", f"{family}-{size}", {"max_length": None}, file=file)
    before, after = write_release(folder / "before", PLAIN), write_release(folder / "after", [*map(folded, PLAIN)])
    for family in MARKED:
        save_tokenizer(folder / family, packaged(family), 500, FAMILIES[family.removesuffix("_training")])
        add(f"{family}-before", family, EVERY_REPLY, release=str(before))
        add(f"{family}-after", family, EVERY_REPLY, release=str(after))
        completions = write(folder / f"{family}-cut.jsonl", [record for held in PLAIN for record in cut(held)])
        add(f"{family}-cut", family, EVERY_REPLY, file=completions)
    save_tokenizer(folder / "chatml", CHATML)
    limit = prove([(CONTEXT, fan_out(CONTEXT))], "trl", load_template(folder / "chatml")).longest - 3
    file = write(folder / "long.jsonl", [*fan_out(CONTEXT), *fan_out(LONG)])
    add("long", "chatml", {"max_length": limit}, file=file)
    return Trained(folder, ask_trainer(folder, "trl", "read_trl", jobs=jobs), limit)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("family", FAMILIES)
def test_trl_trains_each_prompts_completion_and_no_other_token(trl: Trained, family: str, size: int) -> None:
    template = trl.template(f"{family}-{size}")
    rows = rows_of(family)
    expected = ours(template, "trl", rows, fan_out)
    said = trl.said[f"{family}-{size}"]
    assert theirs(said) == expected
    assert said["loss"] > 0
    for record, (_, labels) in zip((r for held in rows for r in fan_out(held)), expected, strict=True):
        trained = template.decode([label for label in labels if label != IGNORED])
        words = record["completion"][0]["content"].strip()
        assert words in trained and trained.count("Act: answer(3)") == words.count("Act: answer(3)")
    for held in LOST.get(family, ()):
        with pytest.raises(
            ExpectationError, match=rf"row {held.id} .* should carry loss, and the template leaves it out"
        ):
            prove([(held, fan_out(held))], "trl", template)


@pytest.mark.parametrize("family", MARKED)
def test_trl_trains_a_releases_own_rows_where_every_reply_is_trained(trl: Trained, family: str) -> None:
    """From the release's folder through `load_dataset`, under assistant_only_loss."""
    expected = ours(trl.template(family), "trl", [folded(held) for held in PLAIN], as_messages)
    assert theirs(trl.said[f"{family}-after"]) == expected


@pytest.mark.parametrize("family", MARKED)
def test_trl_trains_the_replies_of_a_completion_under_both_masks(trl: Trained, family: str) -> None:
    expected = ours(trl.template(family), "trl", PLAIN, cut, replies_only=True)
    assert theirs(trl.said[f"{family}-cut"]) == expected


@pytest.mark.parametrize("family", MARKED)
def test_trl_trains_context_of_rows_with_flags_and_the_proof_says_so(trl: Trained, family: str) -> None:
    """What a user met: TRL knows no flag, and trains on every reply of the rows as they stand."""
    template = trl.template(family)
    before, after = (
        sum(label != IGNORED for _, labels in theirs(trl.said[f"{family}-{name}"]) for label in labels)
        for name in ("before", "after")
    )
    should = sum(label != IGNORED for _, labels in ours(template, "trl", PLAIN, fan_out) for label in labels)
    assert before > after
    assert should <= after <= should + sum(message.train for held in PLAIN for message in held.messages)
    with pytest.raises(ExpectationError, match=r"row context .* 3 turns carry loss, 2 should; .* should not: 'Ok\.'"):
        prove([(CONTEXT, as_messages(CONTEXT))], "trl", template)


def test_trl_cuts_off_what_the_proof_says_lies_beyond_the_limit(trl: Trained) -> None:
    template, limit = trl.template("chatml"), trl.limit
    expected = [(ids[:limit], labels[:limit]) for ids, labels in ours(template, "trl", [CONTEXT], fan_out)]
    assert theirs(trl.said["long"]) == expected, "the last turn lost its end, and the long row is gone without a word"
    assert prove([(CONTEXT, fan_out(CONTEXT))], "trl", template, limit=limit).beyond_limit == 1
    with pytest.raises(ExpectationError, match=rf"row long .* lies beyond the limit of {limit} tokens"):
        prove([(LONG, fan_out(LONG))], "trl", template, limit=limit)


def turns(ids: Sequence[int], labels: Sequence[int], template: Template) -> list[str]:
    """Return what carries loss, run by run, without the white space that some trainers leave out at its end."""
    runs: list[list[int]] = [[]]
    for one, label in zip(ids, labels, strict=True):
        if label == IGNORED:
            runs.append([])
        else:
            assert label == one
            runs[-1].append(one)
    return [template.decode(run).rstrip() for run in runs if run]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("source", [CHATML, STRIPPING], ids=["chatml", "stripping"])
def test_axolotl_trains_flagged_turns_and_no_others(ask: Any, tmp_path: Path, source: str, size: int) -> None:
    folder = save_tokenizer(tmp_path / "t", source, size, eos_token="<|im_end|>")
    template = load_template(folder)
    rows = [CONTEXT, SAME, CALLS]
    records = [record for held in rows for record in flagged(held, "train")]
    said = ask("axolotl", "read_axolotl", tokenizer=str(folder), eot_tokens=["<|im_end|>"], records=records)
    expected = ours(template, "axolotl", rows, lambda held: flagged(held, "train"))
    assert [ids for ids, _ in theirs(said)] == [ids for ids, _ in expected]
    assert [turns(*one, template) for one in theirs(said)] == [turns(*one, template) for one in expected]
    assert turns(*theirs(said)[1], template) == ["Act: answer(3)<|im_end|>"]


@pytest.mark.parametrize("size", SIZES)
def test_ms_swift_trains_flagged_turns_and_no_others(ask: Any, tmp_path: Path, size: int) -> None:
    folder = save_tokenizer(tmp_path / "t", CHATML, size, eos_token="<|im_end|>")
    model = {"model_type": "llama", "vocab_size": size, "hidden_size": 16, "num_attention_heads": 2}
    (folder / "config.json").write_text(
        json.dumps({**model, "num_hidden_layers": 1, "architectures": ["LlamaForCausalLM"]})
    )
    template = load_template(folder)
    rows = [CONTEXT, SAME, MARKS]
    records = [record for held in rows for record in flagged(held, "loss")]
    said = ask(
        "ms-swift", "read_ms_swift", tokenizer=str(folder), template="chatml", model_type="llama", records=records
    )
    expected = ours(template, "ms-swift", rows, lambda held: flagged(held, "loss"))
    assert [turns(*one, template) for one in theirs(said)] == [turns(*one, template) for one in expected]
    assert turns(*theirs(said)[1], template) == ["Act: answer(3)<|im_end|>"]


def test_fastchat_trains_every_reply_and_nothing_of_a_row_with_its_own_marks(ask: Any, tmp_path: Path) -> None:
    folder = save_llama_tokenizer(tmp_path / "t")

    def record(held: ReleaseRow) -> dict[str, Any]:
        names = {"user": "human", "assistant": "gpt"}
        return {"conversations": [{"from": names[m.role], "value": m.content} for m in held.messages]}

    sound = [folded(CONTEXT), folded(SAME)]
    marked = row("marked", user("say ASSISTANT: no"), reply("Act: answer(3)"))
    said = ask(
        "fastchat",
        "read_fastchat",
        tokenizer=str(folder),
        limit=2000,
        records=[record(one) for one in (*sound, marked)],
    )
    trained = [[text.replace(" ", "") for text in one["trained"]] for one in said["rows"]]
    for held, runs in zip(sound, trained, strict=False):
        assert runs == [f"{m.content}</s>".replace(" ", "") for m in held.messages if m.train]
        assert prove([(held, [record(held)])], "fastchat").rows == 1
    assert trained[-1] == [], "masked whole, without an error"
    with pytest.raises(
        ExpectationError, match=r"row marked .* stands in its text, where fastchat takes it for the end"
    ):
        prove([(marked, [record(marked)])], "fastchat")
