"""Turns of the OS world as models write them: each kind of deviation once or more, and what is no act at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from environments.base import Action, Reading
from environments.os.dialect import OsDialect
from schemas.completion import Completion, CompletionRequest
from schemas.episode import Turn
from schemas.message import ToolCall
from teachers.scripted import receipt

DIALECT = OsDialect(prompts.load("solve_os"))
LS = Action("bash", "ls -la /srv")
HEREDOC = "cat > README.md <<'EOF'\n# Use\n\n```bash\nmake\n```\n\n```\nplain\n```\nEOF\nls"


def read(reply: str, *calls: ToolCall, is_cut: bool = False) -> Reading:
    request = CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=())
    ended = {"finish_reason": "length" if is_cut else "stop", "tool_calls": calls}
    completion: Completion = receipt(request, reply).model_copy(update=ended)
    return DIALECT.read(completion)


@pytest.mark.parametrize(
    "reply",
    [
        "Think: I look.\n\nAct: bash\n\n```bash\nls -la /srv\n```",
        "**Think:** I look.\n**Act:** bash\n```sh\nls -la /srv\n```",
        "**Think**: I look.\n**Act**: `bash`\n```shell\nls -la /srv\n```",
        "**Think: I look.**\n\n**Act: bash**\n\n```bash \nls -la /srv\n```",
        "### Think\nI look.\n### Act\nbash\n```\nls -la /srv\n```",
        "# Thought:\nI look.\n\n# Action: bash\n\n~~~bash\nls -la /srv\n~~~",
        "###### Thought 1: I look.\n###### Action 1: Bash\n````bash\nls -la /srv\n````",
        "1. Think: I look.\n2. Act: bash\n   ```bash\n   ls -la /srv\n   ```",
        "- **Think**: I look.\n- **Act**: bash\n  ```bash\n  ls -la /srv\n  ```",
        "> Think: I look.\n>\n> Act: bash\n>\n> ```bash\n> ls -la /srv\n> ```",
        "Think: I look.\r\nAct: bash\r\n```bash\r\nls -la /srv\r\n```\r\n",
        "Think: I look.\nAct: bash\n```bash\nls -la /srv",
        "Think: I look.\nAct: bash\n```bash\nls -la /srv```",
        "Think: I look.\nAct: bash\n```bash ls -la /srv```",
        "Think: I look.\nAct: bash\n```bash ls -la /srv\n```",
        "Think: I look.\nAct: bash ```ls -la /srv```",
        "Think: I look.\nAct: bash\n    ```bash\n    ls -la /srv\n    ```",
        "Think: I look.\nAct: bash\nls -la /srv",
        "Think: I look.\nAct: bash\n\nls -la /srv\n\nThis shows the files of the folder.",
        "Think: I look.\nAct: bash ls -la /srv",
        "Think: I look.\nAct: bash: ls -la /srv",
        "Think: I look.\nAct: bash(ls -la /srv)",
        'Think: I look.\nAct: bash(command="ls -la /srv")',
        "Think: I look.\nAct: bash `ls -la /srv`",
        "Think: I look.\nAct: `ls -la /srv`",
        "Think: I look.\nAct: ```bash\nls -la /srv\n```",
        "Think: I look.\nAct:\n```\nls -la /srv\n```",
        "Think: I look.\nAct: bash\n\nHere is the command:\n\n```bash\nls -la /srv\n```",
        "Think: I look.\nAct: bash\n```console\nroot@box:~# ls -la /srv\ntotal 0\ndrwxr-xr-x 2 root root\n```",
        "Think: I look.\nAct: bash\n```bash\n$ ls -la /srv\n```",
        "Think: I look.\nAct: bash\n```bash\nls -la /srv\n```\nThe output of the OS:\n\nx\nThink: y\nAct: answer(1)",
        "Think: I look.\nAct: bash\n```bash\nls -la /srv\n```\nThe output would be:\n```\nx\n```\nAct: finish",
        "Think: I look.\nAct: bash\n```bash\nls -la /srv\n\nThe output of the OS:\nx",
        "Think: I look.\nAct: bash\n```bash\nls -la /srv\n```\nOr, if that fails:\n```bash\nrm -rf /srv\n```",
        "```\nThink: I look.\n\nAct: bash\n\nls -la /srv\n```",
        "```markdown\nThink: I look.\n\nAct: bash\n\n```bash\nls -la /srv\n```\n```",
        "Assistant: Think: I look.\nAct: bash\n```bash\nls -la /srv\n```",
        "THINK: I look.\nACTION: BASH\n```BASH\nls -la /srv\n```",
        "Thought – I look.\nAction – bash\n```bash\nls -la /srv\n```",
        "思考：I look.\n行动：bash\n```bash\nls -la /srv\n```",
        "Thought: I look.\nAction: bash\nAction Input: ls -la /srv",
        'Thought: I look.\nAction: bash\nAction Input: {"command": "ls -la /srv"}',
        "Think: I look.\nAct: bash\n<bash>\nls -la /srv\n</bash>",
        "Think: I look.\nAct: bash\n<code>ls -la /srv</code>",
        "Think: I look.\nAct: bash\n\u200b```bash\nls -la /srv\n```",
        "Think: I look.\nAct: bash\n\n$ ls -la /srv",
        "Think: I look.\nAct: bash\n\n    ls -la /srv\n",
        "Think: I look.\nAct: bash\n``bash\nls -la /srv\n``",
        "Think: I look. Act: bash\n```bash\nls -la /srv\n```",
        "Think: I look.\n\nCommand:\n```bash\nls -la /srv\n```",
        "I look.\n\n```bash\nls -la /srv\n```",
        "I look.\n<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls -la /srv\"}}\n</tool_call>",
        "I look.\n<function=bash>\n<parameter=command>\nls -la /srv\n</parameter>\n</function>",
        "I look.\n```tool_code\nbash(command='ls -la /srv')\n```",
        'I look.\nAction: {"tool": "bash", "input": "ls -la /srv"}',
        '{"thought": "I look.", "action": {"name": "bash", "arguments": {"command": "ls -la /srv"}}}',
        '{"think": "I look.", "act": "bash", "command": "ls -la /srv"}',
        '```json\n{"reasoning": "I look.", "action": "bash", "action_input": "ls -la /srv",}\n```',
    ],
)  # fmt: skip
def test_a_command_is_read_in_any_dress(reply: str) -> None:
    reading = read(reply)
    assert (reading.thought, reading.actions, reading.problem) == ("I look.", (LS,), "")


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Act: answer(42)", "42"),
        ("Act: answer(42).", "42"),
        ("Act: answer(42) (files only)", "42"),
        ("**Act: answer(42)**", "42"),
        ("Act: **answer(42)**", "42"),
        ("Act: `answer(42)`", "42"),
        ("Act: answer[42]", "42"),
        ("Act: answer: 42", "42"),
        ("Act: answer 42", "42"),
        ("Act: answer - 42", "42"),
        ("Act: answer\n(42)", "42"),
        ("It is clear. Act: answer(42)", "42"),
        ("It is clear.\n\n\\boxed{42}", "42"),
        ("Action: Answer\n42", "42"),
        ("Action: Answer\nFinal Answer: 42", "42"),
        ("Act: answer\n```\n42\n```", "42"),
        ('Act: answer("42")', "42"),
        ("Act: answer('42')", "42"),
        ("Act: answer(“42”)", "42"),
        ("Act: answer(`42`)", "42"),
        ("Act: answer（42）", "42"),
        ("Act: answer(\\boxed{42})", "42"),
        ("Act: answer(**42**)", "42"),
        ("Act: answer(3.)", "3"),
        ("Act: answer(42", "42"),
        ("Act: answer(f(x) (y))", "f(x) (y)"),
        ("Act: answer(a :) b)", "a :) b"),
        ("Act: answer(one\ntwo\nthree)", "one\ntwo\nthree"),
        ("Act: answer()", ""),
        ("It is all there.\nFinal Answer: 42", "42"),
        ("answer(42)", "42"),
        ("Act: answer(42)\n\nThe output of the OS:\n\nright\n\nAct: finish", "42"),
        ('{"act": "answer", "answer": "42"}', "42"),
    ],
)
def test_an_answer_is_read_in_any_dress(reply: str, answer: str) -> None:
    assert read(reply).actions == (Action("answer", answer),)


@pytest.mark.parametrize(
    "reply",
    [
        "Act: finish",
        "Act: Finish.",
        "Act: finish()",
        "**Action:** finish",
        "Done.\n\nfinish",
        "Act: done\n\nAll is well.",
        '{"act": "finish"}',
        "## Act\n\nfinish",
    ],
)
def test_an_end_is_read_in_any_dress(reply: str) -> None:
    assert read(reply).actions == (Action("finish"),)


@pytest.mark.parametrize(
    ("reply", "script"),
    [
        (f"Act: bash\n```bash\n{HEREDOC}\n```\nAct: finish", HEREDOC),
        ("Act: bash\n```bash\necho 'Act: finish' > note\n```", "echo 'Act: finish' > note"),
        ("Act: bash\n```bash\na\n```\n\nand then\n\n```bash\nb\n```", "a\nb"),
        ("Act: bash\n```python\nimport os\nos.sync()\n```", "python3 - <<'EOF'\nimport os\nos.sync()\nEOF"),
        ("Act: bash\n```bash\n#!/usr/bin/env node\nx()\n```", "node - <<'EOF'\n#!/usr/bin/env node\nx()\nEOF"),
        ("Act: bash\n```perl\nprint 1;\n```", "perl - <<'EOF'\nprint 1;\nEOF"),
        ("Act: bash\n```python\npython3 run.py\n```", "python3 run.py"),
        ("Act: bash\n```awk\nawk '{print $1}' f\n```", "awk '{print $1}' f"),
        ("Act: bash\n```bash\necho $((1<<n))\nls\n```", "echo $((1<<n))\nls"),
        ("Act: bash\n```bash\ncat <<'E'\nnever ended\n```\nMore.", "cat <<'E'\nnever ended"),
        ("Act: bash\n```bash\ngrep -c '<think>' f; echo '</think>'\n```", "grep -c '<think>' f; echo '</think>'"),
        ("Think: It ends with\n```\nx\n```\nAct: bash\n```bash\nls\n```", "ls"),
    ],
)  # fmt: skip
def test_a_script_is_kept_whole(reply: str, script: str) -> None:
    assert read(reply).actions == (Action("bash", script),)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("", "no `Act:` line"),
        ("Could you say which folder you mean?", "no `Act:` line"),
        ("Shall I run this?\n```bash\nrm -rf /srv\n```\nMay I?", "no `Act:` line"),
        ("Act: bash", "without anything to run"),
        ("Act: bash\n```bash\n\n```", "without anything to run"),
        ("Act: bash\n```bash\n# commands to run\n```", "without anything to run"),
        ("Act: bash\n\nI will now list the files in the folder.", "without anything to run"),
        ("Act: bash\n```sql\nSELECT 1\n```", "the block is sql"),
        ("Act: bash\n```awk\n{print $1}\n```", "the block is awk"),
        ("Act: dance(5)", "no act among bash, answer, finish"),
        ('<tool_call>{"name": "read_file", "arguments": {"path": "/x"}}</tool_call>', "no act 'read_file'"),
        ('<tool_call>{"name": "bash", "arguments": {"command": "ls}}</tool_call>', "no JSON"),
    ],
)
def test_what_says_nothing_that_could_be_done_is_unreadable_with_a_reason(reply: str, problem: str) -> None:
    reading = read(reply)
    assert reading.actions == () and problem in reading.problem


@pytest.mark.parametrize(
    "reply",
    [
        "Think: a\n\nAct: bash\n\n```bash\nfor f in *; do\n  rm",
        "Think: a\n\nAct: bash\n",
        "Think: a\n\nAct: bash\nls -l /sr",
        "Act: answer(a, b, c",
        "Act: answer: 4",
        "Think: a very long",
        '<tool_call>{"name": "bash", "arguments": {"command": "ls',
    ],
)
def test_a_reply_that_was_cut_before_its_act_was_whole_says_so(reply: str) -> None:
    reading = read(reply, is_cut=True)
    assert reading.actions == () and "cut at the maximum" in reading.problem


@pytest.mark.parametrize(
    ("reply", "action"),
    [
        ("Act: bash\n```bash\nls\n```\nThe output of the OS:\n\nab", Action("bash", "ls")),
        ("Act: bash\n```bash\nls\n```", Action("bash", "ls")),
        ("Act: answer(4)\n\nThis is bec", Action("answer", "4")),
        ("Act: finish\n\nThe wor", Action("finish")),
    ],
)
def test_an_act_that_was_whole_before_the_cut_counts(reply: str, action: Action) -> None:
    assert read(reply, is_cut=True).actions == (action,)


def test_a_native_call_counts_where_the_text_has_no_act() -> None:
    call = ToolCall(call_id="1", name="bash", arguments='{"cmd": "ls -la /srv"}')
    assert read("I look.", call) == Reading("I look.", (LS,))


@pytest.mark.parametrize(
    ("reply", "thought"),
    [
        ("Sure.\n\nThink: I look.\n\nAct: finish", "Sure.\n\nI look."),
        ("Think: one\n\n- a\n- b\n\nThink: two\nAct: finish", "one\n\n- a\n- b\n\ntwo"),
        ("I could say Act: finish now.\nAct: finish", "I could say Act: finish now."),
        ('Think: "I look."\nAct: finish', "I look."),
        ("I look.\n---\n**Act:** finish", "I look."),
        ("Act: finish\n\nThink: done", None),
    ],
)
def test_a_thought_is_all_that_stands_before_the_act_without_its_labels(reply: str, thought: str | None) -> None:
    assert read(reply).thought == thought


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\n`~:*#()\"'<>$ "), min_size=1
)
MARKS = st.sampled_from(
    ["Act: finish", "```", "```bash", "Think: x", "<<'EOF'", "EOF", "answer(1)", "# a", "ls", "**", "{}"]
)
ROUGH = st.lists(TEXT | MARKS, min_size=1, max_size=6).map("\n".join)


@given(thought=st.none() | ROUGH, text=ROUGH, kind=st.sampled_from(["bash", "answer", "finish"]))
def test_what_is_written_is_read_back_or_refused(thought: str | None, text: str, kind: str) -> None:
    given_turn = {"index": 0, "observation": "?", "thought": thought, "thought_source": None}
    action = Action(kind, text if kind != "finish" else "")
    turn = Turn(episode_id="e", landing="l", action=action.text, action_kind=kind, **given_turn)
    if DIALECT.reads_back(turn):
        (read_back,) = DIALECT.read_text(DIALECT.write_text(thought, action)).actions
        assert (read_back.kind, read_back.text.strip()) == (kind, action.text.strip())


@given(ROUGH, st.booleans())
def test_no_reply_breaks_the_reader(reply: str, is_cut: bool) -> None:
    reading = read(reply, is_cut=is_cut)
    assert (not reading.actions) == bool(reading.problem)
    assert all(action.text.strip() for action in reading.actions if action.kind == "bash")
