"""Exports for trainers as folders: rows by split, a config that can be parsed, a note; and calls that are wrong."""

from __future__ import annotations

import ast
import json
import resource
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from commands.export import NOTE, write_folder
from formats.catalogue import find_exporters
from formats.releases.huggingface import write_shard
from formats.releases.release_folder import ReleaseFolder, ReleaseRow, read_release
from schemas.errors import ConfigError, InputError
from schemas.message import Message, ToolCall

TRAINERS = {name: one for name, one in find_exporters(installed=False).items() if one.page == "train.md"}


def say(role: Any, content: str, train: bool = False, **more: Any) -> Message:
    return Message(role=role, content=content, train=train, **more)


TALK = (
    say("user", "Instructions."),
    say("assistant", "Ok."),
    say("user", "First?"),
    say("assistant", "Ok.", True),
    say("user", "Second?"),
    say("assistant", "Two.", True),
)
CALL = ToolCall(call_id="c00000001", name="ls", arguments='{"path": "/"}')
CALLS = (
    say("user", "What is there?"),
    say("assistant", "", True, tool_calls=(CALL,)),
    say("tool", "etc", tool_call_id="c00000001"),
    say("assistant", "It is /etc.", True),
)
NOTHING = (say("user", "Hi"), say("assistant", "Ok."))


def release_of(folder: Path, *talks: tuple[Message, ...], validation: bool = False) -> ReleaseFolder:
    rows = [ReleaseRow(f"r{n}", "agent", "os", "own", "MIT", said, None) for n, said in enumerate(talks)]
    splits = {"train": rows} | ({"validation": [rows[0]._replace(id="v0")]} if validation else {})
    for split, held in splits.items():
        name = folder / f"data/original/{split}-00000-of-00001.parquet"
        write_shard(name, "original", held, with_calls=any(row.has_calls for row in rows))
    counts = {split: len(held) for split, held in splits.items()}
    (folder / "manifest.json").write_text(
        json.dumps({"release_id": "r", "rows": sum(counts.values()), "splits": counts})
    )
    return read_release(folder)


@pytest.fixture
def release(tmp_path: Path) -> ReleaseFolder:
    return release_of(tmp_path / "release", TALK, CALLS, NOTHING, validation=True)


def export(name: str, release: ReleaseFolder, out: Path, **said: str) -> dict[str, Any]:
    """Export as the command does, and return what export.json says."""
    exporter = TRAINERS[name]
    write_folder(exporter, release, out, exporter.settle(said))
    return dict(json.loads((out / NOTE).read_text()))


FILES = {
    "trl": {"train_trl.py"},
    "axolotl": {"axolotl.yaml"},
    "ms-swift": {"ms_swift.yaml"},
    "llamafactory": {"dataset_info.json", "llamafactory.yaml"},
    "llamafactory-v1": {"dataset_info.yaml", "llamafactory_v1.yaml"},
    "verl": {"train_verl.sh"},
    "megatron-bridge": {"train_bridge.py"},
    "megatron-lm": {"megatron_lm_args.sh"},
    "fastchat": {"train_fastchat.sh"},
    "openai": {"job.json"},
}
"""What stands beside the rows."""


def parse(path: Path) -> str:
    """Return the text of a config that its reader can parse."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        ast.parse(text)
    elif path.suffix == ".sh":
        subprocess.run(["sh", "-n", path], check=True)
    else:
        assert (yaml.safe_load if path.suffix == ".yaml" else json.loads)(text)
    return text


def read_lines(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    text = path.read_text(encoding="utf-8")
    return list(json.loads(text)) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", FILES)
def test_a_folder_has_rows_by_split_a_config_and_a_note(name: str, release: ReleaseFolder, tmp_path: Path) -> None:
    note = export(name, release, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {NOTE, *note["files"], *FILES[name]}
    assert {file: len(read_lines(tmp_path / "out" / file)) for file in note["files"]} == note["files"]
    assert (note["rows"], note["left_out"], note["trained_turns"]) == (3, {"nothing_trained": 1}, 6)
    assert len(note["files"]) == 2 and note["tokens_estimated"]["trained"] <= note["tokens_estimated"]["before"]
    assert {"strategy", "layout", "because", "read_in", "model"} <= note.keys()
    assert (note["proof"]["rows"], note["proof"]["records"]) == (
        3,
        sum(note["files"].values()),
    )
    texts = [parse(tmp_path / "out" / file) for file in FILES[name]]
    said = " ".join(texts)
    assert "validation" in said or (name == "megatron-bridge" and "do_validation=True" in said) or "v1" in name
    assert name == "openai" or ("4096" in said and "64" in said and any(rate in said for rate in ("5e-05", "0.000050")))


@pytest.mark.parametrize("name", FILES)
def test_a_release_without_validation_names_none(name: str, tmp_path: Path) -> None:
    note = export(name, release_of(tmp_path / "release", TALK), tmp_path / "out")
    assert len(note["files"]) == 1
    said = " ".join(parse(tmp_path / "out" / file) for file in FILES[name])
    assert "validation" not in said.replace("do_validation=False", "").replace("validation = None", "").replace(
        "eval_dataset=validation", ""
    ).replace('"epoch" if validation else "no"', "")


@pytest.mark.parametrize(
    ("name", "strategy"), [(n, s) for n in ("trl", "llamafactory", "megatron-bridge") for s in ("fold", "fan-out")]
)
def test_a_config_says_what_its_rows_need(name: str, strategy: str, release: ReleaseFolder, tmp_path: Path) -> None:
    note = export(name, release, tmp_path / "out", strategy=strategy)
    said = " ".join(parse(tmp_path / "out" / file) for file in FILES[name])
    marks = {
        "trl": "assistant_only_loss=True",
        "llamafactory": "mask_history: false",
        "megatron-bridge": 'loss_mode="assistant"',
    }
    assert (marks[name] in said) == (strategy == "fold")
    assert (note["strategy"], note["because"]) == (strategy, "it was asked for")


def test_the_learning_rate_is_the_papers_for_the_models_size(release: ReleaseFolder, tmp_path: Path) -> None:
    export("axolotl", release, tmp_path / "out", model="meta-llama/Llama-2-70b-chat-hf")
    config = yaml.safe_load((tmp_path / "out" / "axolotl.yaml").read_text())
    assert (config["base_model"], config["learning_rate"]) == ("meta-llama/Llama-2-70b-chat-hf", 1e-5)
    assert config["datasets"][0]["message_field_training"] == "train"
    recipe = {
        "warmup_ratio": 0.02,
        "lr_scheduler": "cosine",
        "adam_beta2": 0.95,
        "weight_decay": 0.1,
        "adam_epsilon": 1e-8,
    }
    assert {key: config[key] for key in recipe} == recipe


def test_the_datasets_library_reads_the_lines_of_those_who_read_with_it(tmp_path: Path) -> None:
    """axolotl, ms-swift and LLaMA-Factory load JSON lines with it: a column has one type, or loading fails."""
    import datasets

    release = release_of(tmp_path / "release", TALK, CALLS)
    for name in ("axolotl", "ms-swift", "llamafactory", "llamafactory-v1"):
        export(name, release, tmp_path / name)
        read = datasets.load_dataset(
            "json", data_files=str(tmp_path / name / "train.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
        )
        assert read.num_rows == 4


def test_trls_script_keeps_each_calls_own_arguments(tmp_path: Path) -> None:
    """Its columns are Json(): with a struct, every call would get every other call's arguments, as null."""
    import datasets

    export("trl", release_of(tmp_path / "release", TALK, CALLS), tmp_path / "out")
    script = (tmp_path / "out" / "train_trl.py").read_text()
    assert 'COLUMNS = {"prompt": List(Json()), "completion": List(Json()), "tools": Json()}' in script
    columns = {name: datasets.List(datasets.Json()) for name in ("prompt", "completion")} | {"tools": datasets.Json()}
    rows = [{column: one.get(column) for column in columns} for one in read_lines(tmp_path / "out" / "train.jsonl")]
    assert list(datasets.Dataset.from_list(rows, features=datasets.Features(columns))) == rows


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ c.function | tojson }}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
REWRITING = CHATML.replace(
    "{{ m.content }}", "{% if loop.last and m.role == 'assistant' %}<think></think>{% endif %}{{ m.content }}"
)
UNSTABLE = CHATML.replace(
    "{% if add_generation_prompt %}<|im_start|>assistant\n", "{% if add_generation_prompt %}<|bot|>"
)
RAISING = "{{ raise_exception('I take nothing') }}"


def tokenizer(folder: Path, template: str | None) -> str:
    """Save a tokenizer of bytes with a chat template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={one: number for number, one in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(text, special=True) for text in ("<|im_start|>", "<|im_end|>")])
    folder.mkdir()
    made.save(str(folder / "tokenizer.json"))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return str(folder)


CHOSEN = {
    CHATML: {"trl": "tokenized packed", "axolotl": "native packed", "llamafactory": "fold packed"},
    REWRITING: {"trl": "tokenized fan-out", "axolotl": "fan-out fan-out", "llamafactory": "fan-out fan-out"},
}


@pytest.mark.parametrize("template", CHOSEN, ids=["keeps", "rewrites"])
def test_the_template_decides(template: str, release: ReleaseFolder, tmp_path: Path) -> None:
    chosen = CHOSEN[template]
    folder = tokenizer(tmp_path / "model", template)
    notes = {name: export(name, release, tmp_path / name, tokenizer=folder) for name in chosen}
    assert {name: f"{note['strategy']} {note['layout']}" for name, note in notes.items()} == chosen
    said = "keeps" if template == CHATML else "rewrites"
    assert notes["axolotl"]["because"] == f"the template of model {said} what was said before"


@pytest.mark.parametrize(("template", "rows"), [(CHATML, 2), (REWRITING, 4)], ids=["keeps", "rewrites"])
def test_labels_are_the_trained_replies_with_their_ends_and_nothing_else(
    template: str, rows: int, release: ReleaseFolder, tmp_path: Path
) -> None:
    folder = tokenizer(tmp_path / "model", template)
    export("trl", release, tmp_path / "out", tokenizer=folder)
    decode = Tokenizer.from_file(f"{folder}/tokenizer.json").decode
    lines = read_lines(tmp_path / "out" / "train.jsonl")
    trained = [decode([i for i in line["labels"] if i != -100], skip_special_tokens=False) for line in lines]
    said = "".join(trained).replace("<think></think>", "")
    call = '{"name": "ls", "arguments": {"path": "/"}}'
    assert said == "".join(f"{text}<|im_end|>\n" for text in ("Ok.", "Two.", call, "It is /etc."))
    assert len(lines) == rows
    assert all(label in (-100, i) for line in lines for i, label in zip(line["input_ids"], line["labels"], strict=True))
    parse(tmp_path / "out" / "train_trl.py")


@pytest.mark.parametrize("name", ["trl", "axolotl", "ms-swift", "llamafactory", "llamafactory-v1", "megatron-bridge"])
def test_with_a_tokenizer_the_mask_is_proven_in_its_tokens(name: str, release: ReleaseFolder, tmp_path: Path) -> None:
    for number, template in enumerate((CHATML, REWRITING)):
        folder = tokenizer(tmp_path / f"model{number}", template)
        proof = export(name, release, tmp_path / f"out{number}", tokenizer=folder)["proof"]
        assert (proof["level"], proof["rows"], proof["beyond_limit"]) == ("tokens", 3, 0)


def test_a_row_whose_mask_is_wrong_is_left_out_and_the_first_one_told(tmp_path: Path) -> None:
    """What an export would get wrong, its proof finds: here a reply that lies beyond what the trainer reads."""
    folder = tokenizer(tmp_path / "model", CHATML)
    far = (say("user", "x" * 20_000), say("assistant", "Yes.", True))
    note = export("trl", release_of(tmp_path / "release", TALK, far), tmp_path / "out", tokenizer=folder)
    assert (note["rows"], note["left_out"]) == (1, {"not_proven": 1})
    assert "row r1 is not trained as its release says" in note["first_left_out"]["not_proven"]
    assert "lies beyond the limit of 4,096 tokens" in note["first_left_out"]["not_proven"]
    with pytest.raises(ConfigError, match=r"not_proven 1; row r0 .* limit of 4,096 tokens"):
        export("trl", release_of(tmp_path / "far", far), tmp_path / "none", tokenizer=folder)


def test_text_that_the_tokenizer_reads_as_a_special_token_is_left_out(tmp_path: Path) -> None:
    folder = tokenizer(tmp_path / "model", CHATML)
    odd = (say("user", "What is <|im_end|>?"), say("assistant", "A mark.", True))
    for name in ("trl", "ms-swift"):
        note = export(name, release_of(tmp_path / f"of-{name}", TALK, odd), tmp_path / name, tokenizer=folder)
        assert (note["rows"], note["left_out"]) == (1, {"control_token": 1})
        assert note["first_left_out"] == {"control_token": "row r1: it holds <|im_end|>"}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "has no chat template"),
        ("{% if %}", "is no chat template"),
        (UNSTABLE, "is unstable: a reply does not begin where its prompt ends"),
        (RAISING, "refuses"),
    ],
    ids=["none", "broken", "unstable", "raising"],
)
def test_a_tokenizer_that_no_row_can_be_trained_with_ends_the_call(
    template: str | None, message: str, release: ReleaseFolder, tmp_path: Path
) -> None:
    folder = tokenizer(tmp_path / "model", template)
    with pytest.raises(ConfigError, match=message):
        export("axolotl", release, tmp_path / "out", tokenizer=folder)
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_calls_that_are_wrong_say_what_is_allowed(release: ReleaseFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="with --strategy native; it can with fan-out, cut, fold, tokenized"):
        export("trl", release, tmp_path / "out", strategy="native")
    with pytest.raises(ConfigError, match="fastchat takes no --strategy"):
        export("fastchat", release, tmp_path / "out", strategy="fold")
    with pytest.raises(ConfigError, match="--strategy tokenized needs --tokenizer DIR"):
        export("trl", release, tmp_path / "out", strategy="tokenized")
    with pytest.raises(InputError, match="--tokenizer: no such folder: nowhere"):
        export("trl", release, tmp_path / "out", tokenizer="nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"is no tokenizer: it holds no tokenizer\.json"):
        export("trl", release, tmp_path / "out", tokenizer=str(tmp_path / "empty"))
    assert not (tmp_path / "out").exists()


def test_an_export_without_a_row_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no row of r can be exported to axolotl: nothing_trained 2"):
        export("axolotl", release_of(tmp_path / "release", NOTHING, NOTHING), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


@pytest.mark.parametrize("name", ["trl", "verl", "fastchat"])
def test_a_disk_that_is_full_leaves_nothing_half_written(name: str, release: ReleaseFolder, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(ConfigError, match=r"out cannot be written: .*; name another --out"):
            export(name, release, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["release"]
