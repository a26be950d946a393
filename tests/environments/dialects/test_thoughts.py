"""Whatever a model puts around a thought goes, and whatever is a part of it stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.dialects.thoughts import clean_thought, without_reasoning

THOUGHT = "I should list the files first, then count those that end in `.log`."


@pytest.mark.parametrize(
    "wrapped",
    [
        "{}",
        *(
            "Think: {}",
            "Think: Think: {}",
            "Thought: {}",
            "THOUGHT: {}",
            "**Thought:** {}",
            "**Thought**: {}",
            "*Thought:* {}",
        ),
        *(
            "### Thought\n{}",
            "**My thought**\n\n{}",
            "Thought:\n\n{}",
            "Thought - {}",
            "[Thought] {}",
            "Inner thought: {}",
        ),
        *(
            "Reasoning: {}",
            "Thought process: {}",
            "Thought (first person): {}",
            "Agent's reasoning: {}",
            "Pensamiento: {}",
        ),
        *("思考：{}", "Мысль: {}", "Gedanke: {}", "I think: {}", "Let me think: {}", "Assistant: {}"),
        *('"{}"', "“{}”", '“{}"', "'{}'", "«{}»", "„{}“", "*{}*", "**{}**", "> {}", "> **Thought:** {}", "- {}"),
        *(
            "```\n{}\n```",
            "```text\nThought: {}\n```",
            "<thought>{}</thought>",
            "<answer>\n{}\n</answer>",
            "\n\n {} \n",
        ),
        *(
            '{{"thought": "{}"}}',
            '```json\n{{"thought": "{}"}}\n```',
            '{{"thoughts": ["{}", "Another."]}}',
            '"thought": "{}"',
        ),
        *("Here is a possible thought: {}", 'Here is a possible thought: "{}"', "Sure! {}", "Certainly! {}"),
        *(
            "Sure, here it is:\n\n{}",
            "Okay, here it goes:\n{}",
            "The agent might have thought:\n\n> {}",
            "Here's one: {}",
        ),
        *("I would think: {}", 'Sure! A thought that leads to the action:\n\n"{}"\n\nThis thought reveals no result.'),
        *(
            "{}\n\nNote: it uses only what is visible.",
            "{}\n\n(No result is given away.)",
            "{}\n\n---\n\nThis shows the reasoning.",
        ),
        *(
            "{}\n\nLet me know if you need another one.",
            "{}\n\nAct: bash\n\n```bash\nls\n```",
            "{}\n**Action:** Operation",
        ),
        *(
            "Option 1: {}\n\nOption 2: I look at it.",
            "**Option A**\n{}\n\n**Option B**\nI look.",
            '"{}"\n\nor\n\n"I look."',
        ),
        *(
            '1. "{}"\n2. "I look at the folder."',
            "Here are two thoughts:\n\n- {}\n- I look.",
            "Thought 1: {}\nThought 2: I look.",
        ),
        *(
            "<think>Which one? Thought: no.</think>\n{}",
            "<think>\n\n</think>\n\n{}",
            "[THINK]Hm.[/THINK]{}",
            "Hm.\n</think>\n{}",
        ),
        *("<thinking>\nHm.\n</thinking>\n\nThought: {}", "◁think▷Hm.◁/think▷{}", "<Think>Hm.</Think>{}"),
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
        *("analysisHm.assistantfinal{}", "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>{}<|END_RESPONSE|>"),
    ],
)
def test_what_stands_around_a_thought_goes(wrapped: str) -> None:
    assert clean_thought(wrapped.format(THOUGHT)) == THOUGHT


@pytest.mark.parametrize(
    "thought",
    [
        "The plan: count the lines, then sort.",
        "I think the file is empty, so I check.",
        "Two things matter: the date and the name.",
        '"nginx" is missing. So I look for "nginx"',
        "`stat` shows the size. Next I run `du`",
        "First, I need the schema.\n\nThen I can count the orders.",
        "- The list has two files.\n- I open both.",
        "1. List the files.\n2. Count them.",
        "Reasoning about the dates: they are ISO text, so they compare.",
        "Here the log shows an error: the disk is full. I'll free space.",
        "Here is what I know: the table has ids. I must join.",
        "My answer needs a single number, so I use COUNT(*).",
        "Output is cut. I use head.",
        "Response codes matter here: I filter on 404.",
        "Or maybe the column is text: then I need CAST.",
        "I can look at the table.\n\nOr rather at both: the join needs them.",
        "*.log files are what I need, so I glob for *.log",
        "The answer: 5 rows were deleted, so I'm done.",
        "The task asks 'how many?', so I count (twice, to be sure).",
        "表里有三列，我先看日期。",
        "Could the file be empty? I check its size.",
    ],
)
def test_what_is_a_part_of_it_stays(thought: str) -> None:
    assert clean_thought(thought) == thought


@pytest.mark.parametrize(
    "text",
    [
        *("", "Thought:", "**Thought:**\n", "<think>I wonder what", "<think>Only this.</think>", "```\n```", '""'),
        *("I'm sorry, but I can't help with that.", "Could you share the action that I am to explain?"),
        "The part under “Next action” is empty. Please provide the action.",
    ],
)
def test_where_there_is_no_thought_nothing_is_left(text: str) -> None:
    assert clean_thought(text) == ""


def test_reasoning_that_a_command_or_sentence_quotes_stays() -> None:
    quoted = "I run `grep -c '<think>' log.txt` since `<think>` opens and `</think>` closes."
    assert without_reasoning(quoted) == quoted


@given(st.text())
def test_no_text_breaks_the_cleaning_and_it_is_done_once(text: str) -> None:
    once = clean_thought(text)
    assert clean_thought(once) == once or len(clean_thought(once)) < len(once)
