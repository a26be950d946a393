from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from commands.cli import run
from formats.releases.huggingface import write_shard
from formats.releases.release_folder import ReleaseRow
from schemas.message import Message, ToolCall
from tests.tiny_tokenizer import CHATML, FORGETFUL, MARKED, STRICT, save_tokenizer

ROWS = (
    ReleaseRow(
        "agent-1",
        "agent",
        "os",
        "own",
        "MIT",
        (
            Message(role="user", content="You have a shell."),
            Message(role="assistant", content="Ok."),
            Message(role="user", content="How many users?"),
            Message(role="assistant", content="Act: answer(3)", train=True),
        ),
    ),
    ReleaseRow(
        "agent-2",
        "agent",
        "os",
        "own",
        "MIT",
        (
            Message(role="user", content="Look."),
            Message(
                role="assistant",
                content="",
                train=True,
                reasoning_content="I look.",
                tool_calls=(ToolCall(call_id="a", name="look", arguments='{"at": "x"}'),),
            ),
            Message(role="tool", content="saw x", tool_call_id="a"),
            Message(role="assistant", content="Done.", train=True),
        ),
    ),
)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    write_shard(folder / "data" / "original" / "train-00000-of-00001.parquet", "original", ROWS, with_calls=True)
    manifest = {"release_id": "r-1", "rows": len(ROWS), "splits": {"train": len(ROWS)}}
    (folder / "manifest.json").write_bytes(orjson.dumps(manifest))
    return folder


def preview(release: Path, *options: str) -> int:
    return run(["preview", "--release", str(release), *options])


def test_what_carries_loss_stands_between_marks_and_is_counted(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(save_tokenizer(tmp_path / "t", CHATML))
    assert preview(release, "--for", "axolotl", "--tokenizer", folder) == 0
    shown = capsys.readouterr().out
    assert "row 0 of r-1: agent-1, for axolotl (axolotl 0.21.0 prompt_strategies/chat_template.py)" in shown
    assert "<|im_start|>assistant\nOk.<|im_end|>\n" in shown
    assert "<|im_start|>assistant\n⟦Act: answer(3)<|im_end|>\n⟧" in shown
    assert "tokens carry loss\n" in shown and "estimated" not in shown


def test_what_is_wrong_with_the_mask_is_said(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(save_tokenizer(tmp_path / "t", MARKED))
    assert preview(release, "--for", "openrlhf", "--tokenizer", folder) == 0
    shown = capsys.readouterr().out
    assert "⟦Ok.<|im_end|>\n⟧" in shown
    assert "note row agent-1 is not trained as its release says by openrlhf: 2 turns carry loss, 1 should" in shown


def test_what_an_export_makes_right_is_shown_right(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(save_tokenizer(tmp_path / "t", MARKED))
    assert preview(release, "--for", "trl", "--tokenizer", folder) == 0
    shown = capsys.readouterr().out
    assert "⟦Act: answer(3)<|im_end|>\n⟧" in shown and "⟦Ok." not in shown and "note" not in shown


def test_without_a_tokenizer_turns_are_marked_and_tokens_estimated(
    release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert preview(release, "--for", "axolotl", "--row", "1") == 0
    shown = capsys.readouterr().out
    assert 'assistant: ⟦I look.\n\nlook({"at":"x"})⟧\n' in shown
    assert "tool: saw x\n" in shown and "assistant: ⟦Done.⟧\n" in shown
    assert "(estimated: UTF-8 bytes / 4; --tokenizer DIR counts them)" in shown


def test_programs_get_spans_and_counts(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(save_tokenizer(tmp_path / "t", CHATML))
    assert preview(release, "--for", "axolotl", "--tokenizer", folder, "--json") == 0
    said = orjson.loads(capsys.readouterr().out)
    (record,) = said.pop("records")
    assert said == {"release": "r-1", "row": 0, "id": "agent-1", "trainer": "axolotl", "fault": None}
    assert [record["text"][slice(*span)] for span in record["trained"]] == ["Act: answer(3)<|im_end|>\n"]
    assert 0 < record["trained_tokens"] < record["tokens"] and not record["is_estimated"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--for", "nobody"], "unknown trainer 'nobody'; masks are proven for: trl, axolotl"),
        (["--for", "trl", "--row", "2"], "r-1 has no row 2: it holds 2, and the first is 0"),
        (["--for", "trl", "--tokenizer", "{}/none"], "is no tokenizer: it holds no tokenizer.json"),
        (["--for", "trl", "--tokenizer", "{}/base"], "has no chat template: neither chat_template.jinja"),
        (
            ["--for", "axolotl", "--tokenizer", "{}/strict", "--row", "1"],
            "refuses a conversation of user, assistant, tool",
        ),
        (
            ["--for", "axolotl", "--tokenizer", "{}/forgetful", "--row", "1"],
            "turn 1 (assistant, its call) should carry loss, and the template leaves it out",
        ),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_sentence(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    for name, template in (("base", None), ("strict", STRICT), ("forgetful", FORGETFUL)):
        save_tokenizer(tmp_path / name, template)
    assert preview(release, *(option.format(tmp_path) for option in options)) in (1, 2)
    assert words in capsys.readouterr().err
