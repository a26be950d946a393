"""A thought as a model wrote it, without what it put around it: labels, quotes, fences, tags, preambles, notes.

The prompt asks for the thought and nothing else; models still say "Here is a thought:", write JSON, offer two or
explain what they wrote. What is a part of the thought (a list, a quoted word, a colon) stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import orjson

_REASONING = r"(?:seed:)?(?:think(?:ing)?|reasoning|reflection|analysis|scratchpad|cot)"
_OPENS = rf"(?:<{_REASONING}>|\[THINK\]|◁think▷|<\|(?:start|begin)_?(?:of_)?(?:thinking|thought|reasoning)\|>)"
_CLOSES = rf"(?:</{_REASONING}>|\[/THINK\]|◁/think▷|<\|end_?(?:of_)?(?:thinking|thought|reasoning)\|>)"
_LEADING = re.compile(rf"\A\s*{_OPENS}.*?(?:{_CLOSES}|\Z)", re.DOTALL | re.IGNORECASE)
_PAIR = re.compile(rf"^[ \t]*{_OPENS}(?:(?!{_OPENS}).)*?{_CLOSES}", re.DOTALL | re.IGNORECASE | re.MULTILINE)
_LOST_OPENING = re.compile(rf"\A(?:(?!{_OPENS}).)*{_CLOSES}[ \t]*(?=\n|\Z)", re.DOTALL | re.IGNORECASE)
_FINAL = re.compile(r"\A.*<\|channel\|>\s*final\s*(?:<\|[a-z]+\|>[^<]*?)??<\|message\|>", re.DOTALL)
_BARE_FINAL = re.compile(r"\Aanalysis.*?assistantfinal", re.DOTALL)
_TOKEN = re.compile(r"<\|channel\|>\s*\w*|<\|[a-z_]+\|>|(?:</?s>|<end_of_turn>)\s*\Z", re.IGNORECASE)

_LABELS = (
    r"(?:(?:my|the|a|one|possible|agent['’]?s?|assistant['’]?s?|inner|internal|first[- ]person"
    r"|missing|next|recorded)\s+)*"
    r"(?:thoughts?(?:\s+process)?|(?:i |let me )?think(?:ing)?|reasoning|monologue|assistant|draft"
    r"|(?<!the )(?:response|(?:final )?answer)|output"
    r"|gedanken?|überlegung|pensamientos?|razonamiento|pensées?|réflexion|raisonnement|pensiero|pensamento|raciocínio"
    r"|мысль|мысли|размышление|рассуждение|思考|想法|推理|思路|考え|思考過程|생각)"
)
_LABEL = re.compile(
    rf"\A(?:#{{1,6}}\s*)?[*_`\"]*(?:{_LABELS})(?:\s*\([^)\n]*\))?\s*(?:[*_`\"]*\s*[:：][*_`]*"
    rf"|[*_`]*\s*\n|[*_`]*\s[-–—]\s)\s*"
    rf"|\A(?:\[(?:{_LABELS})\]|\((?:{_LABELS})\)):?\s*",
    re.IGNORECASE,
)
_OPENERS = (
    r"(?:(?:sure|certainly|of course|okay|ok|absolutely|understood|got it|great|alright"
    r"|yes)\b[^:\n]{0,40}?[.!,]+\s*)?"
)
_PREAMBLE = re.compile(
    rf"\A{_OPENERS}(?:[^:：\n]{{0,160}}\b(?:thoughts?|reasoning|monologue|think|thinking"
    rf"|thought process)\b[^:：\n]{{0,120}}"
    r"|here(?:'s|’s| is| are| you go| it is)\b[^:：\n]{0,120}|(?:the|this) (?:agent|assistant)\b[^:：\n]{0,80}"
    r"|[^:：\n]{0,60}(?:思考|想法|мысл|pensamiento|gedanke|pensée)[^:：\n]{0,60})[:：]\s*",
    re.IGNORECASE,
)
_SEVERAL = re.compile(r"\b(?:two|three|several|some|few|options|alternatives|versions|thoughts)\b", re.IGNORECASE)
_LATER_ITEMS = re.compile(r"(?<=\S)\n\s*(?:[-*+•]|\(?[2b][.)])\s.*\Z", re.DOTALL | re.IGNORECASE)
_ABOUT_A_THOUGHT = re.compile(
    r"\b(?:here(?:'s|’s| is| are| you go| it is)(?! what)|thoughts?\b.{0,60}\b(?:could|would|might"
    r"|that|for|before|leading|is|as)"
    r"|(?:would|could|might)(?: have)? (?:think|thought|say|reason)|(?:agent"
    r"|assistant)(?:'s)? (?:thought|thinking|thinks|reasoning))"
    r"|思考|想法|мысл|pensamiento|gedanke|pensée",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"\A(?:sure|certainly|of course|okay|ok|absolutely|understood|got it)"
    r"(?:!\s+|[.,]?\s*\n+|[^:\n]{0,20}\bhere (?:it|you|we) go(?:es)?[:.!]*\s+)",
    re.IGNORECASE,
)
_ALTERNATIVE = re.compile(
    r"\n\s*(?:[*_#>\s]*(?:option|alternative|version|variant|variante|possibility|thought"
    r"|draft)\s*(?:[b-z]|\d+|two)\b[^\n:.)]{0,30}(?:[:.)]|[*_]*\s*\n)"
    r"|[*_]*(?:or|alternatively|another option|oder|ou|或者|или)\b[*_]*\s*(?:[,:：]|\n|$)[^\n]{0,40}"
    r"|(?:2[.)]|b\))\s*(?=[\"“«„*]|i\b))",
    re.IGNORECASE,
)
_OR = re.compile(r"\s*[*_]*(?:or|alternatively|another|oder|ou|或|или)", re.IGNORECASE)
_FIRST = re.compile(
    r"\A[*_#>\s]*(?:(?:option|alternative|version|variant|variante|possibility|thought|draft)\s*(?:a"
    r"|1|one)\b[^\n:.)*]{0,30}(?:[:.)]|[*_]*\s*\n)|(?:1[.)]|a\)))[*_]*\s*",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"\n\s*\n\s*(?:[-*_]{3,}\s*\n\s*)?[(\[*_>]*\s*(?:(?:note|hinweis|nota|remark|explanation"
    r"|p\.?s\.?|注|примечание)\b[^\n]{0,40}?[:：]"
    r"|(?:please )?note that\b|(?:this|the|that|these|my) (?:above |first |final )?(?:thought"
    r"|reasoning|sentence|response|wording|version)s?\b"
    r"|(?:let me know|i hope|hope (?:this|that)|feel free|would you like|this (?:captures|shows"
    r"|explains|reflects|leads)|if you(?:'d| would)? (?:want|like|need|prefer)|i(?:'ve| have)? "
    r"(?:kept|avoided|used only|based this|wrote|made sure|did not mention|didn't mention|limited)"
    r"|it (?:uses|leads|stays|relies|avoids|mentions)|(?:both|all) "
    r"(?:thoughts?|versions?|options?)|is there anything)\b).*\Z",
    re.IGNORECASE | re.DOTALL,
)
_ASIDE = re.compile(r"\n\s*\n\s*(?:\([^()]*\)|\[[^\[\]]*\]|\*[^*\n]*\*)\s*\Z")
"""A last paragraph that stands in brackets or italics as a whole."""
_LONE_ITEM = re.compile(r"\A(?:[-*+•]|1[.)])\s+(?![^\n]*\n\s*(?:[-*+•]|\d+[.)])\s)")
_ACT = re.compile(
    r"(?:\n|(?<=[.!?])\s)\s*(?:#{1,6}\s*)?[*_]*(?:next\s+)?(?:act|action|command"
    r"|final answer)[*_]*\s*(?:[:：]|\n\s*```).*\Z",
    re.IGNORECASE | re.DOTALL,
)
_FENCED = re.compile(r"\A(`{3,}|~{3,})[^\n`]*\n(.*?)\n?\s*\1\s*(?:\n\s*\n.*)?\Z", re.DOTALL)
_TAGGED = re.compile(
    r"\A<(thoughts?|think(?:ing)?|answer|response|output|reasoning|inner_?monologue"
    r"|agent_thought)>\s*(.*?)\s*</\1>.*\Z",
    re.DOTALL | re.IGNORECASE,
)
_QUOTES = {
    '"': '"”',
    "“": '”"“',
    "”": "”",
    "„": '“”"',
    "«": "»",
    "»": "«",
    "‘": "’",
    "'": "'",
    "「": "」",
    "『": "』",
    "`": "`",
}
_KEYS = ("thought", "thoughts", "thinking", "reasoning", "think", "answer", "response", "text", "content", "output")
_NO_THOUGHT = re.compile(
    r"\A(?:i(?:'m| am) (?:really |very )?(?:sorry|unable|afraid)|sorry|i (?:can(?:'|no)t|cannot"
    r"|won't) (?:help|assist|comply|write|provide|do)"
    r"|unfortunately,? i)\b|\b(?:could|can|would|will) you (?:please |kindly )?(?:send|share|provide"
    r"|give|clarify|tell|show|paste|confirm|specify)\b"
    r"|\bplease (?:send|share|provide|paste|clarify|specify)\b.{0,80}\b(?:action|conversation"
    r"|thought|context|details)\b",
    re.IGNORECASE | re.DOTALL,
)


def clean_thought(text: str) -> str:
    """Return the thought that a reply holds, as it was written; empty where it holds none (a question, a label)."""
    thought = without_reasoning(text).strip().lstrip("\ufeff")
    if _NO_THOUGHT.search(thought):
        return ""
    for _ in range(12):  # what is around what is around it
        before = thought
        for strip in _STRIPS:
            thought = strip(thought).strip()
        if thought == before:
            break
    return thought


def without_reasoning(text: str) -> str:
    """Drop reasoning that a server left in the text, whatever marks it; what never ends leaves nothing."""
    text = text.replace("\r\n", "\n")
    if final := _FINAL.match(text) or _BARE_FINAL.match(text):
        text = text[final.end() :]
    while (leading := _LEADING.match(text)) and leading.end():
        text = text[leading.end() :]
    text = _PAIR.sub("", text)
    if lost := _LOST_OPENING.match(text):
        text = text[lost.end() :]
    return _TOKEN.sub("", text)


def _unpack_json(text: str) -> str:
    if not text.startswith(("{", "[")):
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    value = value[0] if isinstance(value, list) and value else value
    found = [value.get(key) for key in _KEYS] if isinstance(value, dict) else [value]
    found = [one[0] if isinstance(one, list) and one else one for one in found]
    return next((one for one in found if isinstance(one, str)), text)


def _unwrap_tag(text: str) -> str:
    found = _TAGGED.match(text)
    return found[2] if found else text


def _unwrap_fence(text: str) -> str:
    found = _FENCED.match(text)
    return found[2] if found else text


def _unquote_block(text: str) -> str:
    """Take the block quote that a text is, or begins with; a note may stand after it."""
    lines = text.split("\n")
    if not lines[0].lstrip().startswith(">"):
        return text
    quoted = [line for line in lines if line.lstrip().startswith(">")]
    rest = lines[len(quoted) :]
    return (
        text
        if any(line.lstrip().startswith(">") for line in rest)
        else "\n".join(re.sub(r"^\s*>\s?", "", q) for q in quoted)
    )


def _drop_label(text: str) -> str:
    return _LONE_ITEM.sub("", _LABEL.sub("", _COURTESY.sub("", text), count=1))


def _drop_preamble(text: str) -> str:
    """Drop a beginning up to a colon that speaks of a thought; a thought may have a colon, too."""
    found = _PREAMBLE.match(text)
    if found is None or found.end() == len(text):
        return text
    if not _ABOUT_A_THOUGHT.search(found[0]):
        return text
    rest = text[found.end() :]
    return _LATER_ITEMS.sub("", rest) if _SEVERAL.search(found[0]) else rest


def _take_first(text: str) -> str:
    second = _ALTERNATIVE.search(text)
    if second is None:
        return text
    first = text[: second.start()]
    is_one_of_two = _FIRST.match(first) or re.match(
        r"\s*[*_]*(?:or|alternatively|another|oder|ou|或|или)", second[0], re.I
    )
    return _FIRST.sub("", first) if is_one_of_two else text


def _drop_notes(text: str) -> str:
    return _ASIDE.sub("", _ACT.sub("", _NOTE.sub("", text))).strip()


def _unquote(text: str) -> str:
    """Take off quotes and emphasis that hold the whole thought, or its first paragraph where a remark follows."""
    for marks in ("***", "**", "__", "*", "_"):
        if len(text) > 2 * len(marks) and text.startswith(marks) and text.endswith(marks):
            inner = text[len(marks) : -len(marks)]
            return inner if marks not in inner and not inner.startswith(" ") else text
    paragraph, _, _ = text.partition("\n\n")
    paragraph = paragraph.rstrip()
    if len(paragraph) < 2 or paragraph[-1] not in _QUOTES.get(text[0], ""):
        return text
    held = paragraph[1:-1]
    return text if _closes_first(held, paragraph[0]) else held


def _closes_first(held: str, opening: str) -> bool:
    """Whether the next quote in a text that opened with one closes: then that one held a word, not the text."""
    marks = {opening, *_QUOTES[opening]}
    found = next((i for i, c in enumerate(held) if c in marks and not _is_apostrophe(held, i)), None)
    return found is not None and (found == 0 or (not held[found - 1].isspace() and held[found - 1] not in "(["))


def _is_apostrophe(text: str, index: int) -> bool:
    return text[index] in "'’" and text[max(index - 1, 0)].isalnum() and text[index + 1 : index + 2].isalnum()


_STRIPS: tuple[Callable[[str], str], ...] = (
    _unpack_json,
    _unwrap_tag,
    _unwrap_fence,
    _unquote_block,
    _drop_label,
    _drop_preamble,
    _take_first,
    _drop_notes,
    _unquote,
)
