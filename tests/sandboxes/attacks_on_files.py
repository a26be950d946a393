"""Attacks on the host's files and secrets, and on those who hand files over and collect them."""

from __future__ import annotations

from tests.sandboxes.attack import Attack
from tests.sandboxes.canaries import FLOOD, HARMED, HUNG, SECRET

FILES = (
    Attack("a secret by its path", 'cat "$SECRET_FILE"', SECRET),
    Attack("a secret by search", "find / -xdev -type f -name secret -exec cat {} + 2>/dev/null", SECRET, seconds=10),
    Attack("a secret by the root of a process", 'cat /proc/[0-9]*/root"$SECRET_FILE"', SECRET),
    Attack("a secret by the folder of a process", "cat /proc/[0-9]*/cwd/secret", SECRET),
    Attack("a secret in the environment", "env | grep -v ^WON=", SECRET),
    Attack("a secret in another's environment", "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -v ^WON=", SECRET),
    Attack("a secret in a command line", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'", SECRET),
    Attack(
        "a secret in an inherited descriptor", "for n in $(seq 3 99); do cat <&$n; done 2>/dev/null", SECRET, seconds=1
    ),
    Attack("a secret in another's descriptor", "cat /proc/[0-9]*/fd/{3..40} 2>/dev/null", SECRET, seconds=1),
    Attack("a secret by a hard link", 'ln "$SECRET_FILE" /srv/linked && cat /srv/linked', SECRET),
    Attack("a file on the host", 'echo x > "$HOST_FOLDER/escaped"', HARMED),
    Attack("a changed file on the host", 'echo x >> "$SECRET_FILE"', HARMED),
    Attack("the host's files deleted", 'rm -rf "$HOST_FOLDER"/*', HARMED),
    Attack(
        "a link where the answer is collected", 'mkdir -p out; ln -s "$SECRET_FILE" out/answer', SECRET, hands="get"
    ),
    Attack(
        "a linked folder where it is collected",
        'ln -s "$HOST_FOLDER" out; ln -s secret out/answer',
        SECRET,
        hands="get",
    ),
    Attack(
        "a link through /proc where it is collected",
        'mkdir -p out; ln -s "/proc/1/root$SECRET_FILE" out/answer',
        SECRET,
        hands="get",
    ),
    Attack("a pipe where the answer is collected", "mkdir -p out; mkfifo out/answer", HUNG, hands="get"),
    Attack("an endless device where it is collected", "mkdir -p out; ln -s /dev/zero out/answer", FLOOD, hands="get"),
    Attack("a link where a file is put", 'mkdir -p out; ln -s "$HOST_FOLDER/escaped" out/answer', HARMED, hands="put"),
    Attack("a linked folder where a file is put", 'ln -s "$HOST_FOLDER" out', HARMED, hands="put"),
    Attack("a pipe where a file is put", "mkdir -p out; mkfifo out/answer", HUNG, hands="put"),
)
