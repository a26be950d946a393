"""What a code block of a reply runs in bash: a console's prompts are left out, another language keeps its interpreter.

A Python block under `Act: bash` means that Python is to run it. It is handed over in a here-document, so that the row
says what was done, in the one language that the world has. A program that would need a file (awk, C, SQL) is refused.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from environments.dialects.fences import HEREDOC, Fence
from environments.dialects.forms import NoAct

SHELL = frozenset(
    [
        "bash",
        "sh",
        "shell",
        "zsh",
        "ksh",
        "dash",
        "console",
        "terminal",
        "shell-session",
        "shellsession",
        "sh-session",
        "cmd",
    ]
)
_INTERPRETERS: Mapping[str, str] = {
    **dict.fromkeys(("python", "python3", "py"), "python3"),
    **dict.fromkeys(("javascript", "js", "node"), "node"),
    **dict.fromkeys(("perl", "pl"), "perl"),
    **dict.fromkeys(("ruby", "rb"), "ruby"),
    "php": "php",
}
"""Languages whose programs are handed to an interpreter's standard input."""
_UNTAGGED = frozenset({"", "text", "txt", "plaintext", "plain", "code", "tool_code", "command", "commands", "linux"})
_SHEBANG = re.compile(r"#!\S*/(?:env[ ]+)?(\w+)")
_PROMPT = re.compile(r"^(?:[\w.-]+@[\w.-]+:[^\n$#]*|\[[^\]\n]*\])?[$#%][ ]", re.MULTILINE)


def script_of(fence: Fence) -> str:
    """Return a block as bash runs it.

    Raises:
        NoAct: its language is none that can be run so.
    """
    language, text = fence.language, _unprompted(fence)
    named = _SHEBANG.match(text)
    if named and named[1] in _INTERPRETERS:
        return as_heredoc(_INTERPRETERS[named[1]], text)
    if language in SHELL or language in _UNTAGGED or named:
        return text
    interpreter = _INTERPRETERS.get(language)
    first = text.split(None, 1)[0] if text.strip() else ""
    if interpreter is not None and not _is_shell(first, interpreter, text):
        return as_heredoc(interpreter, text) if text.strip() else text
    if first == language or (interpreter is not None and text.strip()):
        return text
    raise NoAct(f"the block is {language}, and what is run here is bash")


def as_heredoc(interpreter: str, program: str) -> str:
    """Word another language's program as a command, so that the row says what ran it."""
    end = "EOF"
    while end in program.split("\n"):
        end += "_"
    return f"{interpreter} - <<'{end}'\n{program}\n{end}"


def _is_shell(first: str, interpreter: str, text: str) -> bool:
    """Whether a block that is tagged as another language holds a shell's command, such as `python3 run.py`."""
    if first.startswith(interpreter.rstrip("3")) or first in ("$", "cat", "cd", "sudo", "pip", "chmod", "npm"):
        return True
    if interpreter != "python3":
        return False
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return "import " not in text and "print" not in text and "\n" not in text.strip()
    return False


def _unprompted(fence: Fence) -> str:
    """Leave out a terminal's prompts, and what it showed between them."""
    lines = fence.text.split("\n")
    begins = [line for line in lines if line.strip()][:1]
    is_console = fence.language in ("console", "terminal", "shell-session", "shellsession", "sh-session")
    found = _PROMPT.match(begins[0]) if begins else None
    if found is None or (found[0] in ("# ", "% ") and not is_console):
        return fence.text
    kept, word, goes_on = [], "", False
    for line in lines:
        prompt = _PROMPT.match(line)
        if prompt and not word and (prompt[0] != "# " or found[0] == "# "):
            kept.append(line[prompt.end() :])
        elif word or goes_on:
            kept.append(line.removeprefix("> "))
        else:
            continue
        begun = HEREDOC.search(kept[-1])
        word = ("" if kept[-1].strip() == word else word) if word else (begun[2] if begun else "")
        goes_on = kept[-1].endswith("\\")
    return "\n".join(kept)
