"""Reasoning kept apart from the reply, in every mark-up in use and wherever it stands: it is on the receipt.

A server that runs without a reasoning parser leaves the mark-up in the text. What is quoted, or stands in a code block,
is the reply's own. What a chat template puts round a reply (`<|im_end|>`, `<response>`) goes with it.
"""

from __future__ import annotations

import re

from teachers.endpoint.replies import ReplyMessage

_NAME = r"(?:[a-z]+:)?[a-z_]*(?:think(?:ing)?|reason(?:ing)?|reflection|scratchpad|monologue|analysis)[a-z_]*"
_OPENING = re.compile(
    rf"<(?P<tag>{_NAME}|thought)>|\[THINK\]|◁think▷|<\|START_THINKING\|>|<\|begin_of_thought\|>|<\|think(?:ing)?\|>"
    r"|<details type=\"reasoning\"[^>]*>|<unused94>(?:thought\b)?",
    re.IGNORECASE,
)
_CLOSING = (
    (re.compile(r"\[", re.I), r"\[/THINK\]"),
    (re.compile("◁"), "◁/think▷"),
    (re.compile(r"<\|START"), r"<\|END_THINKING\|>"),
    (re.compile(r"<\|begin", re.I), r"<\|end_of_thought\|>"),
    (re.compile(r"<\|think", re.I), r"<\|(?:/think(?:ing)?|end)\|>"),
    (re.compile("<details", re.I), "</details>"),
    (re.compile("<unused"), "<unused95>"),
)
_ANY_CLOSING = re.compile(
    rf"(?:</(?:{_NAME})>|\[/THINK\]|◁/think▷|<\|END_THINKING\|>)(?=[ \t]*(?:\n|\Z)|[^\s`'\"])", re.I
)
"""A closing mark whose opening stood in the prompt: it ends its line, or the reply begins right behind it."""
_BEFORE = "\n:.!?>)]*▷」。："
"""What an opening mark stands behind, or at the head; in the middle of a sentence it is spoken of."""
_FENCE = re.compile(r"^[ \t]*(?P<mark>`{3,}|~{3,})(?P<info>[^`\n]*)$", re.MULTILINE)
_CHANNEL = re.compile(
    r"<\|channel\|>\s*(?P<name>\w+)(?P<to>[^<]*)(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"(?P<said>.*?)(?P<end><\|(?:end|return|call)\|>|(?=<\|start\|>|<\|channel\|>)|\Z)",
    re.DOTALL,
)
_STRIPPED = re.compile(r"\A\s*analysis(?P<thought>.*?)assistant(?:final|(?=commentary))(?P<reply>.*)\Z", re.DOTALL)
_GRANITE = re.compile(
    r"\A\s*Here(?:'s| is) my thought process:(?P<thought>.*?)\n\s*Here(?:'s| is) my response:(?P<reply>.*)\Z", re.DOTALL
)
_ENDS = re.compile(
    r"(?<![`'\"])(?:<\|(?:im_end|eot_id|eom_id|endoftext|return|end_of_text|END_OF_TURN_TOKEN)\|>|<end_of_turn>"
    r"|<｜end▁of▁sentence｜>|</s>(?=\s*\Z)|<\|end\|>(?=\s*\Z)).*\Z",
    re.DOTALL,
)
_HEAD = re.compile(
    r"\A\s*(?:<\|im_start\|>\s*assistant\s*|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>\s*|<start_of_turn>\s*model\s*)"
)
_AROUND = re.compile(
    r"\A\s*(?:<response>|<output>|<\|START_(?:RESPONSE|TEXT)\|>|<\|begin_of_solution\|>)\s*(?P<said>.*?)\s*"
    r"(?:</response>|</output>|<\|END_(?:RESPONSE|TEXT)\|>|<\|end_of_solution\|>)?\s*\Z",
    re.DOTALL | re.IGNORECASE,
)
_BOX = re.compile(r"<\|(?:begin|end)_of_box\|>")


def split_reasoning(message: ReplyMessage) -> tuple[str, str | None]:
    """Return (reply, reasoning): from a field of its own, and from the text.

    DeepSeek and older vLLM name the field `reasoning_content`; newer vLLM, Ollama and OpenRouter `reasoning`.
    """
    reply, inline = split_text(message.text)
    told = [part for part in (message.reasoning or message.reasoning_content, inline) if part]
    return reply, "\n\n".join(told) or None


def split_text(text: str) -> tuple[str, str | None]:
    """Cut reasoning out of a text; what never ends leaves no reply behind it."""
    thoughts: list[str] = []
    for pattern in (_STRIPPED, _GRANITE):
        if whole := pattern.match(text):
            thoughts.append(whole["thought"])
            text = whole["reply"].lstrip()
    text = _without_channels(_HEAD.sub("", text), thoughts)
    text = _without_tags(text, thoughts)
    text = _ENDS.sub("", text)
    if around := _AROUND.match(text):
        text = around["said"]
    return _BOX.sub("", text), "\n\n".join(filter(None, map(str.strip, thoughts))) or None


def _without_channels(text: str, thoughts: list[str]) -> str:
    """Read gpt-oss's channels: analysis is reasoning, a call in commentary stays as it is."""
    if "<|channel|>" not in text:
        return text
    kept, at = [], 0
    for found in _CHANNEL.finditer(text):
        kept.append(text[at : found.start()].replace("<|start|>assistant", ""))
        if found["name"] == "analysis":
            thoughts.append(found["said"])
        else:
            kept.append(found[0] if "to=" in found["to"] else found["said"])
        at = found.end()
    return "".join([*kept, text[at:]]).strip()


def _without_tags(text: str, thoughts: list[str]) -> str:
    at = 0
    while found := _opening(text, at):
        close = re.compile(rf"(?<![`'\"“]){_closing_of(found)}", re.IGNORECASE).search(text, found.end())
        thought, at = text[found.end() : close.start() if close else None], found.start()
        rest = text[close.end() :] if close else ""
        if found["tag"] == "thought" and not (text[:at] + rest).strip():
            return thought.strip()  # what was asked for, in tags
        thoughts.append(thought)
        text, at = (text[:at] + rest, at) if text[:at].strip() else (rest.lstrip(), 0)
    lost = _ANY_CLOSING.search(text)
    if lost and not _OPENING.search(text, 0, lost.start()) and text[: lost.start()][-1:] not in ("`", "'", '"'):
        thoughts.append(text[: lost.start()])
        return text[lost.end() :].lstrip()
    return text


def _opening(text: str, at: int) -> re.Match[str] | None:
    """Return the next mark that begins reasoning: outside code, not spoken of."""
    fence = _FENCE.search(text, at)
    for found in _OPENING.finditer(text, at):
        while fence and fence.start() < found.start():
            if not text[fence.end() : found.start()].strip() and not text[: fence.start()].strip():
                break  # the whole reply in a block
            end = re.compile(rf"^[ \t]*{fence['mark']}[`~]*[ \t]*$", re.MULTILINE).search(text, fence.end())
            at = end.end() if end else len(text)
            fence = _FENCE.search(text, at)
        before = text[max(0, found.start() - 80) : found.start()].rstrip(" \t")
        if at <= found.start() and (not before or before[-1] in _BEFORE):
            return found
    return None


def _closing_of(opening: re.Match[str]) -> str:
    if opening["tag"]:
        return f"</{re.escape(opening['tag'])}>"
    return next(closing for pattern, closing in _CLOSING if pattern.match(opening[0]))
