"""The novelty gate decides as the rouge-score package does."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from tasks.generate.novelty import NoveltyGate

_WORDS = ["count", "files", "the", "in", "etc", "Ünïcode", "42", "a-b", "rename", "every", "log"]
_TEXTS = st.lists(st.sampled_from(_WORDS), max_size=12).map(" ".join)


def rouge(target: str, prediction: str) -> float:
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    return float(scorer.score(target, prediction)["rougeL"].fmeasure)


@settings(max_examples=300, deadline=None)
@given(_TEXTS, _TEXTS, st.sampled_from([0.5, 0.7, 0.8]))
def test_one_text_is_too_close_exactly_where_rouge_score_says_so(admitted: str, text: str, threshold: float) -> None:
    gate = NoveltyGate([admitted], threshold)
    expected = rouge(admitted, text) >= threshold and bool(text.strip())
    assert (gate.too_close(text) is not None) == expected


def test_the_decision_at_exactly_the_threshold_is_that_of_rouge_score() -> None:
    # 7 common tokens of 10 and 10: F1 is 0.7 but for the last bit of a float.
    first, second = "a b c d e f g x y z", "a b c d e f g u v w"
    assert (NoveltyGate([first]).too_close(second) is not None) == (rouge(first, second) >= 0.7)


def test_the_closest_neighbour_is_named_with_its_score() -> None:
    gate = NoveltyGate(["list all files in etc", "count the files in etc please"])
    near = gate.too_close("count the files in etc")
    assert near is not None
    assert near.text == "count the files in etc please"
    assert near.score == rouge(near.text, "count the files in etc")


def test_a_text_without_tokens_is_news_to_everyone() -> None:
    assert NoveltyGate(["!!!", "count"]).too_close("???") is None


def test_admission_is_greedy_in_the_order_of_questions() -> None:
    gate = NoveltyGate()
    texts = ["count the files in etc", "count the files in etc now", "rename every log file"]
    admitted = []
    for text in texts:
        if gate.too_close(text) is None:
            gate.admit(text)
            admitted.append(text)
    assert admitted == [texts[0], texts[2]]


def test_more_than_fifty_thousand_distinct_tokens_stay_apart() -> None:
    gate = NoveltyGate([" ".join(f"w{i}" for i in range(60_000))])
    assert gate.too_close("w1 w2 w3") is None
    draw = random.Random(1)
    words = [f"w{draw.randrange(59_000, 60_000)}" for _ in range(10)]
    gate.admit(" ".join(words))
    assert gate.too_close(" ".join(words)) is not None
