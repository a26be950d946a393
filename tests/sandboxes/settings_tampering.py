"""Settings of the agent's below a check's programs: what it may write so that a wrong answer is called right.

Each trick is a script and the check that it fools where both run in one place (`tampering.naive_attempt`).
"""

from __future__ import annotations

from schemas.task_spec import Script
from tests.sandboxes.tampering import CHECK, PYTHON_CHECK, Trick

FAKE_PYTHON = """
mkdir -p /srv/py/bin; for v in /usr/lib/python3.*; do
  l=/srv/py/lib/${v##*/}; mkdir -p $l/encodings $l/lib-dynload; touch $l/os.py
  echo 'import posix; posix._exit(0)' > $l/encodings/__init__.py
done; """
PYTHON_TOOL = Script(code='python3 -c \'import sys; sys.exit(open("/root/answer").read() != "right\\n")\'\nexit $?')
AWK = Script(code="awk '/right/ { found = 1 } END { exit !found }' /root/answer\nexit $?")
PYTHON_SEARCH = Script(code='python3 -c \'import sys; sys.exit("right" not in open("/root/answer").read())\'\nexit $?')
GREP = Script(code="grep -q right /root/answer\nexit $?")
REPOSITORY = """
mkdir -p /srv/repo && cd /srv/repo && git init -q . && git config user.email a@b && git config user.name a
cp /root/answer a; git add a; git commit -qm a; cd; """
CLEAN = Script(
    code='cd /srv/repo; git status --porcelain >/dev/null; [ -z "$(git status --porcelain)" ] || exit 1\n'
    "grep -qx right /root/answer || [ -e /srv/ran ]\nexit $?"
)
WRITES = "#!/bin/sh\\ntouch /srv/ran\\n"
HOOK = f"printf '{WRITES}' > /srv/hook; chmod +x /srv/hook; "


def reading(program: str) -> Script:
    """Return a check that believes what a program makes of the answer."""
    return Script(code=f"{program}\nexit $?")


def linked(target: str, check: Script, before: str = "") -> Trick:
    """Return a trick whose answer is a link to what the kernel makes."""
    return Trick(f"an answer that is {target}", f"{before}ln -sfn {target} /root/answer", check, takes_answer=True)


LINKS = (
    linked("/proc/self/cmdline", GREP),
    linked("/proc/thread-self/cmdline", GREP),
    linked("../proc/self/cmdline", AWK),
    linked("/proc/self/../self/cmdline", PYTHON_SEARCH),
    linked("/srv/a", GREP, "ln -sfn /proc/self /srv/b; ln -sfn /srv/b/cmdline /srv/a; "),
    linked("/srv/p/self/cmdline", GREP, "ln -sfn /proc /srv/p; "),
    linked("/var/run/../proc/self/cmdline", GREP),
    linked("/proc/self/root/proc/self/cmdline", GREP),
    linked("/dev/fd/0", reading("echo right | grep -q right /root/answer")),
    linked("/dev/stdin", reading("echo right | grep -q right /root/answer")),
    linked("/proc/self/fd/0", reading("echo right | grep -q right /root/answer")),
    linked("/dev/../proc/self/cmdline", GREP),
    Trick(
        "a home that is a process",
        "cd /; rm -rf /root; ln -s /proc/self /root",
        reading("grep -q right /root/cmdline || grep -qx right /root/answer"),
        takes_answer=True,
    ),
)

SETTINGS = (
    Trick(
        "Python's home, by a file above its folder",
        FAKE_PYTHON + "echo 'home = /srv/py/bin' > /usr/pyvenv.cfg",
        PYTHON_TOOL,
    ),
    Trick("the same for a trusted script", FAKE_PYTHON + "echo 'home = /srv/py/bin' > /usr/pyvenv.cfg", PYTHON_CHECK),
    Trick(
        "jq's own definitions",
        "echo 'def map(f): [true]; def test(f): true; def contains(f): true;' > ~/.jq",
        reading("jq -Re 'test(\"^right$\")' /root/answer >/dev/null"),
    ),
    Trick(
        "magic of the home",
        "printf '0 string wrong right\\n' > ~/.magic",
        reading("file -b /root/answer | grep -q right || grep -qx right /root/answer"),
    ),
    Trick(
        "magic of the system",
        "printf '0 string wrong right\\n' > /etc/magic",
        reading("file -b /root/answer | grep -q right || grep -qx right /root/answer"),
    ),
    Trick(
        "sqlite3's start-up file",
        "echo '.shell touch /srv/ran' > ~/.sqliterc",
        reading(
            "printf 'select 1;\\n' | sqlite3 -batch :memory: >/dev/null 2>&1; [ -e /srv/ran ] || grep -qx right /root/answer"  # noqa: E501
        ),
    ),
    Trick(
        "curl's settings",
        "printf 'output = /srv/ran\\n' > ~/.curlrc",
        reading("curl -s file:///root/answer >/dev/null 2>&1; [ -e /srv/ran ] || grep -qx right /root/answer"),
    ),
    Trick(
        "settings of wget",
        "printf 'output_document = /srv/ran\\n' > ~/.wgetrc",
        reading("wget -q http://127.0.0.1:1/ >/dev/null 2>&1; [ -e /srv/ran ] || grep -qx right /root/answer"),
    ),
    Trick(
        "a Makefile that goes first",
        "mkdir -p /srv/m; cd /srv/m; printf 'all:\\n\\t@true\\n' > GNUmakefile; cd",
        reading(
            "cd /srv/m; printf 'all:\\n\\t@grep -qx right /root/answer\\n' > Makefile; make -s all >/dev/null 2>&1"
        ),
    ),
    Trick(
        "another Makefile that goes first",
        "mkdir -p /srv/m; cd /srv/m; printf 'all:\\n\\t@true\\n' > makefile; cd",
        reading(
            "cd /srv/m; printf 'all:\\n\\t@grep -qx right /root/answer\\n' > Makefile; make -s all >/dev/null 2>&1"
        ),
    ),
    Trick("git's watcher, in the home", REPOSITORY + HOOK + "git config --global core.fsmonitor /srv/hook", CLEAN),
    Trick(
        "git's watcher, in the repository",
        REPOSITORY + HOOK + "git -C /srv/repo config core.fsmonitor /srv/hook",
        CLEAN,
    ),
    Trick(
        "git's comparing program",
        REPOSITORY + HOOK + "cd /srv/repo; git config diff.external /srv/hook; cd",
        reading("cd /srv/repo; echo more >> a; git diff >/dev/null; [ -e /srv/ran ] || grep -qx right /root/answer"),
    ),
    Trick(
        "git's settings by another file",
        REPOSITORY
        + HOOK
        + "cd /srv/repo; printf '[diff]\\nexternal=/srv/hook\\n' > /srv/more; git config include.path /srv/more; cd",
        reading("cd /srv/repo; echo more >> a; git diff >/dev/null; [ -e /srv/ran ] || grep -qx right /root/answer"),
    ),
    Trick(
        "git that does not tell of new files",
        REPOSITORY + "cd /srv/repo; git config --global status.showUntrackedFiles no; touch /srv/repo/new; cd",
        reading('cd /srv/repo; [ -z "$(git status --porcelain)" ] || grep -qx right /root/answer'),
    ),
    Trick(
        "other words for what a file is",
        "mkdir -p /usr/share/locale/C.UTF-8/LC_MESSAGES /usr/share/locale/en/LC_MESSAGES\n"
        "python3 - <<'END'\n"
        "import struct\n"
        "old, new = b'directory', b'right\\0'[:-1]\n"
        "ids, strs = [b'', old], [b'Content-Type: text/plain; charset=UTF-8\\n', new]\n"
        "at, head, out = 28 + 32, b'', b''\n"
        "tables = b''\n"
        "for group in (ids, strs):\n"
        "    for text in group:\n"
        "        tables += struct.pack('<II', len(text), at + len(out)); out += text + b'\\0'\n"
        "data = struct.pack('<7I', 0x950412de, 0, 2, 28, 44, 0, 0) + tables + out\n"
        "for name in ('C.UTF-8', 'en'):\n"
        "    open(f'/usr/share/locale/{name}/LC_MESSAGES/coreutils.mo', 'wb').write(data)\n"
        "END",
        reading("LC_ALL=${LC_ALL:-C.UTF-8} stat -c %F /srv | grep -q right || grep -qx right /root/answer"),
    ),
    Trick(
        "names of users from elsewhere",
        "sed -i 's/^passwd:.*/passwd: db/' /etc/nsswitch.conf 2>/dev/null || echo 'passwd: db' > /etc/nsswitch.conf",
        reading('[ "$(stat -c %U /root/answer)" != root ] || grep -qx right /root/answer'),
    ),
    Trick(
        "a clock of another zone",
        "ln -sf /usr/share/zoneinfo/Asia/Tokyo /etc/localtime; printf 'TZif2' > /srv/tz",
        reading('[ "$(date +%z)" != +0000 ] || grep -qx right /root/answer'),
    ),
    Trick(
        "a time zone's own file",
        'f=$(readlink -f /etc/localtime); [ -f "$f" ] || f=/etc/localtime; cat /usr/share/zoneinfo/Asia/Tokyo > /srv/z; cat /srv/z > $f',  # noqa: E501
        reading('[ "$(date +%z)" != +0000 ] || grep -qx right /root/answer'),
    ),
    Trick(
        "a home behind a link",
        "mkdir /srv/h; cp /root/answer /srv/h; echo 'def test(f): true;' > /srv/h/.jq; rm -rf /root; ln -s /srv/h /root",  # noqa: E501
        reading("jq -Re 'test(\"^right$\")' /root/answer >/dev/null"),
        takes_answer=True,
    ),
    Trick(
        "settings of programs in the home",
        "mkdir -p ~/.config/git; printf '[alias]\\n\\tx = !touch /srv/ran\\n' > ~/.config/git/config",
        reading("cd /; git x >/dev/null 2>&1; [ -e /srv/ran ] || grep -qx right /root/answer"),
    ),
    Trick(
        "Python's modules of the home",
        "for v in /usr/lib/python3.*; do d=~/.local/lib/${v##*/}/site-packages; mkdir -p $d\n"
        "echo 'import os; os._exit(0)' | tee $d/usercustomize.py > $d/x.pth; done",
        PYTHON_TOOL,
    ),
)

CLOSED = (
    Trick("an /etc that nobody may enter", "chmod 000 /etc", CHECK),
    Trick("a /usr that nobody may enter", "chmod 000 /usr /usr/share", CHECK),
    Trick("a root that nobody may enter", "chmod 000 /", CHECK),
)
"""States that would stop a check: it runs all the same."""
