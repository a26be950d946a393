"""Language is judged by prose, and nobody is turned away for being brief."""

from __future__ import annotations

import socket

import pytest

from tasks.ingest.judge_language import UNDETERMINED, judge_language

PYTHON = "```python\n" + "def parse(line):\n    return [part.strip() for part in line.split(',')]\n" * 20 + "```"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Could you tell me how to plan a short trip with my family?", "en"),
        ("Peux-tu m'expliquer comment préparer une bonne soupe ?", "fr"),
        ("Wie plane ich am besten einen Ausflug mit meinen Freunden?", "de"),
        ("请告诉我怎样在几天之内准备一次考试，我每天只有两个小时。", "zh"),
        ("Расскажите, пожалуйста, как приготовить суп из овощей.", "ru"),
        ("安全な旅行の計画を立てる方法を教えてください。", "ja"),
        ("PLEASE TELL ME WHAT TO DO WITH THE GARDEN IN WINTER", "en"),
    ],
)
def test_prose_is_recognised(text: str, language: str) -> None:
    found, score = judge_language([text])
    assert found == language
    assert 0.4 <= score <= 1


def test_code_does_not_make_a_chinese_chat_english() -> None:
    assert judge_language(["请解释这段代码的作用，并改写成更短的形式。", PYTHON])[0] == "zh"


def test_an_open_fence_is_code_to_the_end() -> None:
    assert judge_language(["Was macht dieser Code hier eigentlich genau? " + PYTHON.removesuffix("```")])[0] == "de"


def test_one_long_reply_does_not_outvote_the_rest() -> None:
    texts = ["Bitte übersetze den folgenden Satz ins Englische.", "The weather is nice today and we walk. " * 50]
    texts += ["Danke, und wie sagt man das etwas höflicher?", "Gern, man kann es auch anders ausdrücken."]
    assert judge_language(texts)[0] == "de"


@pytest.mark.parametrize("texts", [[], [""], ["ok", "¡sí!"], ["谢谢"], ["12 34 56 78"], [PYTHON], ["\x00\x01"]])
def test_too_little_prose_is_undetermined(texts: list[str]) -> None:
    assert judge_language(texts) == (UNDETERMINED, 0.0)


def test_mostly_foreign_letters_are_never_english_nor_left_open() -> None:
    mixed = "请将下面的每组英数字全部排序 TEK-067 TEK-071 TEK-072 同组英文各自成一段落 SNIS-786 SNIS-800"
    assert judge_language([mixed])[0] not in ("en", UNDETERMINED)


def test_the_judgement_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert judge_language(["We would like to know which model is used here."])[0] == "en"
