"""What a shell command reads, and what it only says: told from its words, as well as splitting at operators can.

A program that is not known here reads. `echo`, assignments, here-strings and code without a file say what stands in
them.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BEFORE = _set("if then else elif while until do ! time { command builtin sudo exec")
"""What stands before a command."""
SILENT = _set(
    ": true false let expr seq yes sleep exit return cd pushd popd set unset export declare typeset local readonly "
    "alias shift wait clear basename dirname for case done fi esac } ( ) echo printf rev tr tee trap ulimit umask "
    "mkdir rmdir touch rm chmod chown ln cp mv kill"
)
"""Programs and words that show nothing but what they are given; `*` in that reads a folder."""
_CODE = _set("python python3 perl ruby node php")
FILTERS = _set(
    "cat tac cut head tail sort uniq wc nl fold bc dc awk gawk mawk sed jq grep egrep fgrep base64 md5sum sha1sum "
    "sha256sum cksum factor column paste od xxd hexdump strings less more"
)
"""Programs that read their input where they are given no file."""
_AFTER_A_PROGRAM = _set("awk gawk mawk sed jq grep egrep fgrep")
"""Filters whose first argument is no file."""
OF_THE_MACHINE = _set(
    "ls dir pwd date uname whoami id hostname uptime env printenv df free history jobs w who cal nproc locale"
)
"""What reads the current folder or the machine, where no path is named."""
_READS_IN_CODE = re.compile(
    r"\bopen\b|\bos\.|\bsubprocess|\bglob|\bpath|sys\.stdin|\bread|\bimport\s+(?!sys\b|math\b)|\bsystem\b|<>|`|%x|require|ENVIRON|getline",
    re.IGNORECASE,
)
_HERE_DOCUMENT = re.compile(r"<<-?\s*(['\"]?)(\w+)\1[^\n]*\n.*?^\s*\2$", re.DOTALL | re.MULTILINE)
_ARITHMETIC = re.compile(r"\$?\(\([^()]*\)\)")
_SUBSTITUTION = re.compile(r"[$<>]?\(|`|\)")
_SEPARATOR = re.compile(r"\|&?|&&|\|\||;;?|&|\n")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")


def reads(command: str) -> bool:
    """Whether a command can read a file or the system: all but words that say what stands in them."""
    return any(_reads_something(words) for words in simple_commands(command))


def simple_commands(command: str) -> Iterator[list[str]]:
    """Yield the words of each simple command, as well as splitting at operators can tell."""
    text = _ARITHMETIC.sub("0", _HERE_DOCUMENT.sub("", command))
    masked = _mask_quoted(text)
    cuts = [0]
    for match in re.finditer(rf"{_SEPARATOR.pattern}|{_SUBSTITUTION.pattern}", masked):
        cuts += [match.start(), match.end()]
    for start, end in zip(cuts[::2], [*cuts[1::2], len(text)], strict=True):
        try:
            words = shlex.split(text[start:end], comments=True)
        except ValueError:
            words = text[start:end].split()
        if words:
            yield words


def _mask_quoted(text: str) -> str:
    """Blank out single quotes' content, and that of double quotes but for substitutions."""
    masked = re.sub(r"'[^']*'", lambda m: "_" * len(m[0]), text)
    return re.sub(r'"[^"$`]*"', lambda m: "_" * len(m[0]), masked)


def _reads_something(words: list[str]) -> bool:
    while words and (_ASSIGNMENT.match(words[0]) or words[0] in _BEFORE):
        words = words[1:]
    if any(word.startswith("<") and not word.startswith("<<") for word in words):
        return True
    given = _without_redirections(words)
    if not given or given[0].startswith("#"):
        return False
    return _reads_given(posixpath.basename(given[0]), given[1:])


def _without_redirections(words: list[str]) -> list[str]:
    kept, is_target = [], False
    for word in words:
        found = re.match(r"\d?(?:<<<?-?|&?>>?&?)", word)
        if not is_target and not found:
            kept.append(word)
        is_target = found is not None and found.end() == len(word)
    return kept


def _reads_given(program: str, words: list[str]) -> bool:
    """Whether a program reads something beside what stands in its own words."""
    plain = [word for word in words if not word.startswith("-")]
    if program in SILENT:
        return any(re.search(r"(?:^|/)[^ ]*[*?]", word) for word in words)
    if program in ("bash", "sh", "eval", "xargs", "env", "timeout", "nice"):
        return (
            reads(" ".join(plain))
            or (program == "env" and not words)
            or (program in ("bash", "sh") and "-c" not in words)
        )
    if program in _CODE:
        is_code = bool(words) and re.match(r"-[a-zA-Z]*[ceEnr]$", words[0]) is not None
        return _READS_IN_CODE.search(" ".join(words)) is not None if is_code else bool(plain)
    if program in FILTERS:
        is_given = program in _AFTER_A_PROGRAM and not {"-f", "-e", "-r", "-R", "-rn", "-rl"} & set(words)
        return any(re.search(r"[A-Za-z~*/]", file) for file in (plain[1:] if is_given else plain))
    return True


def _is_file(word: str) -> bool:
    return not word.startswith("-") and ("/" in word or "." in word)


def programs(command: str) -> Iterator[str]:
    for words in simple_commands(command):
        yield next((word for word in words if not _ASSIGNMENT.match(word)), ":")


def said_by(words: list[str]) -> Iterator[str]:
    """Yield what a simple command prints of its own, where nothing decides whether it does."""
    if posixpath.basename(words[0]) in ("echo", "printf") and not any(mark in "".join(words) for mark in "$`%"):
        yield " ".join(_without_redirections(words)[1:])
    for word in words:
        yield from re.findall(r"^\w+=([\w.-]+)$", word)
        yield from re.findall(r"print\(?\s*['\"]?([\w.-]+)", word)
