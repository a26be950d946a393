"""Labels as models write them: `Act:`, `**Action:** `, `### Thought`, `2. Action -`, in any case and some languages."""

from __future__ import annotations

import re
from collections.abc import Collection

ACT = (
    r"(?:next[ \t]+)?(?:act|action)s?(?:[ \t]*#?\d+)?|acción|accion|aktion|ação|acao|azione|действие"
    r"|行动|動作|动作|行動|操作|アクション|행동"
)
THINK = (
    r"think|thinking|thoughts?(?:[ \t]*#?\d+)?|thought process|reasoning|pensamientos?|razonamiento|pensamento"
    r"|raciocínio|pensées?|réflexion|raisonnement|pensiero|gedanken?|überlegung|мысль|мысли|рассуждение|размышление"
    r"|思考|想法|推理|思路|考え|思考過程|생각"
)
FINAL = r"(?:my |the )?final[ _]answer(?: is)?|réponse finale|respuesta final|endgültige antwort|最终答案|最終回答"
ANSWER = r"(?:the )?answer|réponse|respuesta|antwort|ответ|答案|回答"
INPUT = r"(?:action[ _])?input|arguments?|parameters?|commands?|script|code|bash|sql|query|statement"
"""What stands before an act's text, below its name: LangChain's `Action Input:` and the like."""
INVENTED = r"observation|user|human|obs"
"""What a model writes that goes on by itself: the other side's words."""
_ROLE = r"(?:(?:assistant|ai|agent|model)[ \t]*[:：][ \t]*)?"
_BEFORE = r"^[ \t>]*(?:(?:\(?\d+[.):]|[-•+*])[ \t]+)?[ \t*_#`]*+"
_COLON = r"[*_`]*[ \t]*(?:[:：](?:\*+|__+)?|[-–—=]+>?(?=[ \t])|→)[ \t]*"
_HEADING = r"^[ \t>]*(?:(?:\d+[.)]|[-•+*])[ \t]+)?(?:#{1,6}[ \t]*(?:\d+[.)][ \t]*)?[*_]*|[*_]{2,3}|<)"


def label(words: str) -> re.Pattern[str]:
    """Return the pattern of a label at the head of a line: with a colon or a dash after it, or alone as a heading."""
    with_colon = rf"{_BEFORE}{_ROLE}[*_]*(?:{words}){_COLON}"
    alone = rf"{_HEADING}(?:{words})[*_]*>?[ \t]*$"
    return re.compile(rf"(?:{with_colon}|{alone})", re.IGNORECASE | re.MULTILINE)


ACT_LABEL, THINK_LABEL, FINAL_LABEL, ANSWER_LABEL = map(label, (ACT, THINK, FINAL, ANSWER))
INPUT_LABEL, INVENTED_LABEL = map(label, (INPUT, INVENTED))
_INPUT_ALONE = re.compile(rf"\n[ \t*_#>]*(?:{INPUT})[*_]*[ \t]*[:：][*_]*\s*\Z", re.IGNORECASE)
WITHIN_A_LINE = re.compile(
    r"(?<=[.;!?。])[ \t]+(?=[*_]*(?:Act|Action)[*_]*[ \t]*[:：])|^[ \t]*<(?:act|action)>\s*", re.MULTILINE
)
"""Where an act begins that is on one line with its thought, or in tags."""
_ROLE_ALONE = re.compile(r"\A\s*(?:assistant|ai|agent|model)[ \t]*[:：]?[ \t]*(?:\n|(?<=[:：]))", re.IGNORECASE)
_RULE = re.compile(
    r"(?:\n[ \t]*(?:-{3,}|\*{3,}|_{3,}|`{3,}\w*|~{3,}\w*))+\s*\Z|\A\s*(?:(?:-{3,}|\*{3,}|_{3,})[ \t]*\n)+"
)
_TAGS = re.compile(r"</?(?:think|thinking|thoughts?|action|act|response|output|answer)>", re.IGNORECASE)

_QUOTED = re.compile(r'"([^"]+)"|“([^“”]+)”')


def after_label(line: str, found: re.Match[str]) -> str:
    """Return what stands behind a label on its line; marks behind its colon are its own where it began with some."""
    own = found[0].rstrip()
    bare = own.rstrip("*_")
    is_opened = bare.lstrip(" \t>").startswith(("*", "_", "#")) or re.match(r"[ \t>]*[-•+*\d.()]+[ \t]+[*_]", bare)
    return line[found.end() :] if is_opened or own == bare else line[len(bare) :].lstrip(" \t")


def thought_of(text: str, labelled_lines: Collection[int]) -> str | None:
    """Return what stands before an act without labels and mark-up; of these lines a label is taken off."""
    lines = _ROLE_ALONE.sub("", text, count=1).split("\n")
    kept = []
    for number, line in enumerate(lines):
        found = THINK_LABEL.match(line) if number in labelled_lines else None
        kept.append(_unlabelled(line, found) if found else line)
    whole = "\n".join(kept).strip()
    bare = _INPUT_ALONE.sub("", _TAGS.sub("", _RULE.sub("", whole)).strip())
    quoted = _QUOTED.fullmatch(bare)
    return (quoted[1] or quoted[2] if quoted else bare).strip() or None


def _unlabelled(line: str, found: re.Match[str]) -> str:
    rest = line[found.end() :]
    for mark in ("***", "**", "__", "*", "_"):  # **Think: all of it bold**
        opened = found[0].count(mark) % 2 == 1
        if opened and rest.rstrip().endswith(mark):
            return rest.rstrip().removesuffix(mark)
    return rest
