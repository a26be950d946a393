from __future__ import annotations

import json
from pathlib import Path

import pytest

from formats.templates.chat_jinja import Span
from formats.templates.kind import judge_chat, judge_probes
from formats.templates.placement import place_parts
from formats.templates.spans import trained_spans
from formats.templates.template import Template, TemplateRefusal, load_template
from schemas.errors import ConfigError, ExpectationError
from tests.tiny_tokenizer import CHATML, FORGETFUL, MARKED, STRICT, STRIPPING, UNSTABLE, save_tokenizer

CHAT = [
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "First."},
    {"role": "user", "content": "Two?"},
    {"role": "assistant", "content": "Second."},
]


def test_a_folder_gives_template_tokens_and_special_tokens(tmp_path: Path) -> None:
    template = load_template(save_tokenizer(tmp_path / "t", "{{ bos_token }}" + CHATML))
    text = template.render(CHAT).text
    assert text.startswith("<s><|im_start|>user\nOne?<|im_end|>\n<|im_start|>assistant\nFirst.<|im_end|>\n")
    tokens = template.tokenize(text)
    assert template.decode(tokens.ids) == text
    assert "".join(text[start:end] for start, end in tokens.spans) == text
    assert template.control_tokens == ("</s>", "<s>", "<|im_end|>", "<|im_start|>")


def test_a_template_may_stand_in_the_configuration_and_have_another_for_tools(tmp_path: Path) -> None:
    both = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "{{ tools | length }} tools"}]
    template = load_template(save_tokenizer(tmp_path / "t", None, chat_template=both))
    assert template.render(CHAT).text == "plain"
    assert template.render(CHAT, [{"type": "function"}]).text == "1 tools"
    template = load_template(save_tokenizer(tmp_path / "u", None, chat_template="text"))
    assert template.render(CHAT).text == "text"


def test_a_template_of_its_own_file_goes_before_the_folders(tmp_path: Path) -> None:
    (tmp_path / "training.jinja").write_text(MARKED)
    template = load_template(save_tokenizer(tmp_path / "t", CHATML), tmp_path / "training.jinja")
    assert template.is_marked and not load_template(tmp_path / "t").is_marked


def test_what_is_no_tokenizer_says_so_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"is no tokenizer: it holds no tokenizer\.json\. Save one there"):
        load_template(tmp_path / "empty")
    (tmp_path / "empty" / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"tokenizer\.json is no tokenizer"):
        load_template(tmp_path / "empty")
    with pytest.raises(ConfigError, match=r"has no chat template: neither .* base model"):
        load_template(save_tokenizer(tmp_path / "base", None))
    with pytest.raises(ConfigError, match=r"is no chat template: line 1: "):
        load_template(save_tokenizer(tmp_path / "broken", "{% for %}"))
    (save_tokenizer(tmp_path / "list") / "tokenizer_config.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"tokenizer_config\.json cannot be read: it holds no object"):
        load_template(tmp_path / "list")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (STRICT, "System role not supported"),
        ("{{ messages[9].content }}", "has no element 9"),
        ("{{ messages[0]['content'] + 1 }}", "can only concatenate str"),
        ("{{ messages.__class__.__mro__ }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{% set ns = namespace(_a=1) %}", "in a namespace"),
    ],
)
def test_a_template_that_raises_says_on_which_roles_and_why(source: str, words: str) -> None:
    with pytest.raises(TemplateRefusal, match=f"mine refuses a conversation of system, user: .*{words}"):
        Template(source, name="mine").render([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}])


def test_a_template_is_given_what_transformers_gives() -> None:
    template = Template("{{ messages[0] | tojson }}")
    given = {"role": "assistant", "content": "<é>", "tool_calls": None, "reasoning_content": "so"}
    assert json.loads(template.render([given]).text) == {
        "thinking": "so",
        "role": "assistant",
        "content": "<é>",
        "reasoning_content": "so",
    }
    assert "<é>" in template.render([given]).text
    assert Template("{% for m in messages %}{{ m.role }}{% break %}{% endfor %}").render(CHAT).text == "user"
    assert Template("{{ strftime_now('%Y') | length }}{{ dict(a=1).a }}").render(CHAT).text == "41"


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (CHATML, "append_only"),
        (MARKED, "append_only"),
        (STRIPPING, "append_only"),
        (STRICT, "append_only"),
        (FORGETFUL, "rewriting"),
        (UNSTABLE, "unstable"),
        (
            CHATML.replace(
                "'<|im_end|>\\n' }}",
                "('</s>' if loop.last and message.role == 'assistant' else '<|im_end|>') + '\\n' }}",
            ),
            "rewriting",
        ),
    ],
    ids=["appends", "marks", "strips", "is strict", "drops thoughts", "asks otherwise", "ends otherwise"],
)
def test_probes_tell_what_a_template_does_with_what_was_said(source: str, kind: str) -> None:
    assert Template(source).kind == kind


def test_a_probe_that_is_refused_shows_nothing_and_two_questions_must_be_taken() -> None:
    assert judge_probes(Template(STRICT))["system"] is None
    with pytest.raises(ExpectationError, match="refuses two questions and answers"):
        assert Template("{{ raise_exception('no') }}").kind


def test_the_turn_that_is_rewritten_is_named() -> None:
    thinking = [{**one, "reasoning_content": "so"} if one["role"] == "assistant" else one for one in CHAT]
    assert judge_chat(Template(FORGETFUL), thinking) == ("rewriting", 1)
    assert judge_chat(Template(FORGETFUL), CHAT) == ("append_only", None)


@pytest.mark.parametrize("source", [CHATML, MARKED], ids=["by what came before", "by marks"])
def test_trained_spans_are_whole_turns_with_what_ends_them(source: str) -> None:
    same = [*CHAT, {"role": "user", "content": "First."}, {"role": "assistant", "content": "First."}]
    rendered, spans = trained_spans(Template(source), same, [False, False, False, True, False, True])
    assert [rendered.text[start:end] for start, end in spans] == ["Second.<|im_end|>\n", "First.<|im_end|>\n"]
    assert spans[1].end == len(rendered.text)


def test_a_turn_that_is_rewritten_has_no_span() -> None:
    thinking = [{**one, "reasoning_content": "so"} if one["role"] == "assistant" else one for one in CHAT]
    with pytest.raises(ExpectationError, match=r"writes turn 1 otherwise once more is said: .*fan-out"):
        trained_spans(Template(FORGETFUL), thinking, [False, True, False, True])
    _, spans = trained_spans(Template(FORGETFUL), thinking, [False, False, False, True])
    assert len(spans) == 1


def test_texts_are_found_by_place_and_not_by_their_words() -> None:
    said = [
        {"role": "user", "content": "  same <|im_end|> same\n"},
        {
            "role": "assistant",
            "content": "same",
            "tool_calls": [
                {"type": "function", "function": {"name": "same", "arguments": {"a": "same", "b": [1, "é"]}}},
                {"type": "function", "function": {"name": "same", "arguments": '{"a": "same"}'}},
            ],
        },
    ]
    for source in (CHATML, STRIPPING):
        placed = place_parts(Template(source), said)
        assert [(part.message, part.field, part.text) for part in placed.parts] == [
            (0, "content", "same"),
            (0, "content", "same"),
            (1, "content", "same"),
            (1, "call", "same"),
            (1, "call", "same"),
            (1, "call", "é"),
            (1, "call", "same"),
            (1, "call", '{"a": "same"}'),
        ]
        starts = [part.spans[0].start for part in placed.parts]
        assert starts == sorted(set(starts))
        texts = [placed.rendered.text[slice(*part.spans[0])] for part in placed.parts]
        assert texts == ["same", "same", "same", "same", "same", "é", "same", '{\\"a\\": \\"same\\"}']


def test_what_a_template_leaves_out_stands_nowhere() -> None:
    thinking = [{**one, "reasoning_content": "so"} if one["role"] == "assistant" else one for one in CHAT]
    placed = place_parts(Template(FORGETFUL), thinking)
    assert [len(part.spans) for part in placed.parts if part.field == "reasoning"] == [0, 1]


def test_a_template_that_reads_its_texts_cannot_be_proven_where_it_does() -> None:
    shouting = Template("{% for m in messages %}{{ m.content[:3] }}{% endfor %}")
    with pytest.raises(ExpectationError, match="cannot be proven on this conversation"):
        place_parts(shouting, CHAT)
    private = [{"role": "user", "content": "\U000f0001 is the user's own"}]
    (part,) = place_parts(Template(CHATML), private).parts
    assert part.text == "\U000f0001 is the user's own"
    both = [{"role": "user", "content": "\U000f0001\U00100001"}]
    with pytest.raises(ExpectationError, match="both of Unicode's private planes"):
        place_parts(Template(CHATML), both)


def test_spans_overlap_where_they_share_a_character() -> None:
    assert Span(0, 3).overlaps(Span(2, 5)) and not Span(0, 3).overlaps(Span(3, 5))
