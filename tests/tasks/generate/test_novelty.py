"""The novelty gate decides as the rouge-score package does on ASCII, and likewise in every other script."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from tasks.generate.novelty import NoveltyGate

_WORDS = ["count", "files", "the", "in", "etc", "Unicode", "42", "a-b", "rename", "every", "log"]
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


@settings(max_examples=150, deadline=None)
@given(st.lists(_TEXTS, max_size=8), st.lists(_TEXTS, max_size=4), _TEXTS, st.sampled_from([0.5, 0.7, 0.8, 1.0]))
def test_of_many_texts_the_first_of_the_closest_is_found_as_rouge_score_ranks_them(
    first: list[str], later: list[str], text: str, threshold: float
) -> None:
    gate = NoveltyGate(first, threshold)
    for other in later:
        gate.too_close(text)
        gate.admit(other)
    scores = [(rouge(other, text), other) for other in (*first, *later)]
    best = max((score for score, _ in scores), default=0.0)
    named = next((other for score, other in scores if score == best), "")
    near = gate.too_close(text)
    assert near == ((best, named) if best >= threshold and text.strip() else None)


def test_what_shares_only_common_words_is_not_even_compared() -> None:
    gate = NoveltyGate([f"count the files in the folder w{n} x{n} y{n} z{n} and sort them" for n in range(200)])
    assert len(gate._near(gate._encode("rename w7 in the folder"))) == 1


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


IN_SCRIPTS = {
    "Chinese": (
        "统计 /srv/log 目录中扩展名为 .log 的文件数量，只回答数字。",
        "请统计/srv/log目录中扩展名为 .log 的文件的数量，只回答数字！",
        (
            "找出 /srv/log 目录中最大的文件，回答它的文件名。",
            "把价格高于 10 元的图书全部降价 2 元。",
            "哪位读者借的书最多？",
        ),
    ),
    "Japanese": (
        "/srv/log にある拡張子が .log のファイルの数を数え、数字だけで答えてください。",
        "/srv/log の中にある拡張子が .txt のファイルの数を数えて、数字だけで答えてください",
        ("/srv/log で最も大きいファイルの名前を答えてください。", "価格が 10 を超える本を 2 ずつ値下げしてください。"),
    ),
    "Thai": (
        "นับจำนวนไฟล์นามสกุล .log ในโฟลเดอร์ /srv/log แล้วตอบเป็นตัวเลข",
        "นับจำนวนไฟล์นามสกุล .txt ในโฟลเดอร์ /srv/log แล้วตอบเป็นตัวเลข",
        ("ลบโฟลเดอร์ว่างทั้งหมดใน /srv/log", "ลดราคาหนังสือที่แพงกว่า 10 บาทลง 2 บาท", "ใครยืมหนังสือมากที่สุด ตอบเป็นชื่อ"),
    ),
    "Russian": (
        "Сколько файлов с расширением .log лежит в папке /srv/log? Ответьте числом.",
        "Сколько файлов с расширением .txt лежит в папке /srv/log? Ответьте только числом!",
        (
            "Назовите самый большой файл в папке /srv/log.",
            "Снизьте цену книг дороже 10 рублей на 2.",
            "Кто взял больше всего книг?",
        ),
    ),
    "Arabic": (
        "كم عدد الملفات ذات الامتداد log في المجلد /srv/log؟ أجب برقم فقط.",
        "كَم عَدد الملفات ذات الامتداد txt في المجلد /srv/log؟ أجب برقم.",
        (
            "ما اسم أكبر ملف في المجلد /srv/log؟",
            "اخفض سعر كل كتاب يزيد سعره على 10 بمقدار 2.",
            "من الذي استعار أكبر عدد من الكتب؟",
        ),
    ),
    "Korean": (
        "/srv/log 폴더에 있는 .log 파일의 개수를 세어 숫자로만 답하세요.",
        "/srv/log 폴더에 있는 .txt 파일의 개수를 세어 숫자로만 답하세요!",
        ("/srv/log 에서 가장 큰 파일의 이름을 답하세요.", "가격이 10 보다 큰 책을 모두 2 만큼 내리세요."),
    ),
}


@pytest.mark.parametrize("script", IN_SCRIPTS)
def test_the_same_and_the_near_are_known_and_the_different_is_news_in_every_script(script: str) -> None:
    text, near, different = IN_SCRIPTS[script]
    gate = NoveltyGate([text])
    assert (same := gate.too_close(text)) is not None and same.score == 1
    assert gate.too_close(near) is not None
    assert [other for other in different if gate.too_close(other)] == []
    assert [
        one for one in different for other in different if one != other and NoveltyGate([one]).too_close(other)
    ] == []


@pytest.mark.parametrize("text", ["Αρχεία;", "ファイル", "数", "???", "🙂", "a", "…", "שלום", "फ़ाइल"])
def test_the_same_sentence_never_comes_in_twice(text: str) -> None:
    assert NoveltyGate([text], threshold=1).too_close(text) is not None


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_no_text_is_news_beside_itself(text: str) -> None:
    assert (NoveltyGate([text]).too_close(text) is not None) == bool(text.strip())


def test_scores_of_ascii_texts_are_those_that_stand_in_rejections() -> None:
    near = NoveltyGate(["How many regular files lie in /srv?"]).too_close("How many regular files lie in /srv/www now?")
    assert near is not None and near.score == rouge(near.text, "How many regular files lie in /srv/www now?")
    assert round(near.score, 3) == 0.875
