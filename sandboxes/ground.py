"""What a check may believe: whose version of a path counts, the agent's or the initial state's.

The table says what a check's view shows (`ground_layer.py`, in the pod) and what docs/sandbox.md tells. It imports
nothing of ours: the pod reads it too.

A task that declares `outputs` has these from the agent and all else from the initial state. One that declares nothing
keeps a view of the whole root, but what programs read as their settings is the initial state's, unless the task's own
words or scripts name it: who asks for a line in ~/.bashrc is given the agent's ~/.bashrc.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Whose = Literal["agent", "initial", "inside"]
"""inside: a folder, to be asked about entry by entry, itself as in the initial state."""

HOME = "/root"


@dataclass(frozen=True)
class SettingsPlace:
    """A row of the table."""

    path: str
    """Absolute; `~/.*` every dotted name of the home, `/*` every file or link directly below the root, `**/x` a name in
    any folder."""
    read_by: str
    """Which programs a check may call that read it."""
    whose: Whose
    asked_by: str = ""
    """Pattern of words that make it the agent's: a task that says so is about it."""
    planted: tuple[tuple[str, str], ...] = ()
    """What a cheat writes there, by path: settings with which a program says yes, or stops saying no."""


_PYTHON = "home = /srv/planted/bin\n"
_GIT = (
    "[core]\n\tfsmonitor = true\n\texcludesFile = /etc/passwd\n[diff]\n\texternal = true\n"
    "[status]\n\tshowUntrackedFiles = no\n[alias]\n\tfsck = version\n"
)

PLACES = (
    SettingsPlace("/", "all", "agent"),
    SettingsPlace("/*", "Python (`pyvenv.cfg` above /bin)", "initial", planted=(("/pyvenv.cfg", _PYTHON),)),
    SettingsPlace("/root", "every program: HOME", "agent"),
    SettingsPlace(
        "~/.*",
        "jq, file, sqlite3, git, curl, wget, less, vim, nano, psql, mysql, gpg, gdb, readline, npm and most others",
        "initial",
        planted=(
            ("~/.jq", "def map(f): [true]; def select(f): .; def test(f): true; def contains(f): true; def all: true;"),
            ("~/.magic", "0 byte x text data image directory JSON\n"),
            ("~/.sqliterc", ".shell kill -9 $PPID\n.mode insert\n"),
            ("~/.curlrc", "url = file:///dev/null\nfail = false\n"),
            ("~/.wgetrc", "spider = on\n"),
            ("~/.psqlrc", "\\q\n"),
            ("~/.my.cnf", "[client]\nforce\n"),
            ("~/.pythonrc.py", "import os; os._exit(0)\n"),
        ),
    ),
    SettingsPlace("~/.gitconfig", "git", "initial", r"git config", planted=(("~/.gitconfig", _GIT),)),
    SettingsPlace("~/.config/git", "git", "initial", r"git config", planted=(("~/.config/git/config", _GIT),)),
    SettingsPlace("~/.ssh", "ssh", "initial", r"ssh-keygen|ssh-copy-id"),
    SettingsPlace("~/.gnupg", "gpg", "initial", r"\bgpg\b"),
    SettingsPlace("~/.npmrc", "npm", "initial", r"npm config"),
    SettingsPlace("~/.config/pip", "pip", "initial", r"pip config"),
    SettingsPlace(
        "/usr",
        "Python (`pyvenv.cfg`), and all that programs keep in /usr/share",
        "initial",
        planted=(("/usr/pyvenv.cfg", _PYTHON),),
    ),
    SettingsPlace("/usr/share/locale", "gettext: the words of every program", "initial"),
    SettingsPlace(
        "/usr/share/misc",
        "file: magic",
        "initial",
        planted=(("/usr/share/misc/magic", "0 byte x text data image directory JSON\n"),),
    ),
    SettingsPlace("/usr/share/zoneinfo", "date, ls, stat, find: time zones", "initial"),
    SettingsPlace("/usr/share/terminfo", "ncurses", "initial"),
    SettingsPlace(
        "/usr/local",
        "Perl, man, Python and others below share, etc and lib",
        "initial",
        planted=(("/usr/local/lib/site_perl/strict.pm", "exit 0;"),),
    ),
    SettingsPlace("/usr/local/bin", "the shell, after the image's own folders", "agent"),
    SettingsPlace("/usr/local/sbin", "the shell, after the image's own folders", "agent"),
    SettingsPlace("/usr/local/src", "nobody", "agent"),
    SettingsPlace("/etc", "libc, openssl, ssh, Perl, vim, apt, man and others", "initial"),
    *(
        SettingsPlace(f"/etc/{name}", "id, getent, stat -c %U, ls -l: accounts", "agent")
        for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid", "passwd-", "group-", "shadow-")
    ),
    *(SettingsPlace(f"/etc/{name}", "hostname, getent: names", "agent") for name in ("hosts", "hostname")),
    *(
        SettingsPlace(f"/etc/{name}", "nobody that a check calls", "agent")
        for name in ("crontab", "cron.d", "cron.daily", "cron.hourly", "cron.weekly", "cron.monthly", "fstab", "motd")
    ),
    *(
        SettingsPlace(
            f"/etc/{name}", "date, ls, stat: time zones", "initial", r"(?i)time ?zone|localtime|timedatectl|\bTZ\b"
        )
        for name in ("localtime", "timezone")
    ),
    SettingsPlace(
        "/etc/nsswitch.conf", "libc: where names come from", "initial", planted=(("/etc/nsswitch.conf", "passwd:\n"),)
    ),
    SettingsPlace("/etc/ssl/openssl.cnf", "openssl: settings and engines", "initial"),
    SettingsPlace("/etc/gitconfig", "git", "initial", r"git config --system", planted=(("/etc/gitconfig", _GIT),)),
    SettingsPlace("/etc/apt/apt.conf.d", "apt", "initial"),
    *(
        SettingsPlace(f"**/{name}", reader, "initial", planted=((f"**/{name}", planted),) if planted else ())
        for name, reader, planted in (
            ("GNUmakefile", "make, before any Makefile", "%:\n\t@:\nall:\n\t@:\n"),
            ("makefile", "make, before Makefile", "%:\n\t@:\nall:\n\t@:\n"),
            (".gitattributes", "git: which programs filter and compare", "* binary -diff filter=yes\n"),
            (".mailmap", "git: who is shown as the author", "Right <right@example.com> <>\n"),
            ("conftest.py", "pytest", "import os; os._exit(0)\n"),
            ("pytest.ini", "pytest", "[pytest]\naddopts = --collect-only\n"),
            ("tox.ini", "pytest", "[pytest]\naddopts = --collect-only\n"),
            ("sitecustomize.py", "Python", "import os; os._exit(0)\n"),
            ("usercustomize.py", "Python", "import os; os._exit(0)\n"),
            ("pyvenv.cfg", "Python", ""),
            (".npmrc", "npm", ""),
            (".gdbinit", "gdb", "quit 0\n"),
            (".editorconfig", "editors and formatters", ""),
            (".perltidyrc", "perltidy", ""),
            (".inputrc", "readline", ""),
        )
    ),
)

PYTHON_FOLDER = "/run/trajmill"
"""Where a check's Python finds `sitecustomize.py` of ours (`ground_layer.py`)."""
CLOSED_BASH = f"{PYTHON_FOLDER}/bash"
"""The image's bash without the right to read it: the memory and descriptors of who runs it are closed to a program of
the agent's that a check starts (proc(5), PR_SET_DUMPABLE), which would find the right answer there."""

VARIABLES = {
    "HOME": (HOME, "every program; where outputs are declared it is an empty folder"),
    "LANG": ("C.UTF-8", "libc"),
    "LC_ALL": ("C.UTF-8", "libc; no catalogue of messages is the agent's"),
    "PAGER": ("cat", "git, man"),
    "GIT_PAGER": ("cat", "git"),
    "GIT_TERMINAL_PROMPT": ("0", "git"),
    "GIT_ATTR_NOSYSTEM": ("1", "git"),
    "GIT_NO_REPLACE_OBJECTS": ("1", "git: no object stands for another"),
    "PYTHONSAFEPATH": ("1", "Python: no module of the current folder, from 3.11 on"),
    "PYTHONPATH": (PYTHON_FOLDER, "Python: a program of the agent's finds the modules beside it, all others do not"),
    "PYTHONNOUSERSITE": ("1", "Python: no module of the home"),
}
"""What a check's programs find in their environment, with who reads it; else there are PATH, PERL5LIB and what
GIT_SETTINGS give."""

GIT_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.attributesFile": "/dev/null",
    "core.sshCommand": "false",
    "core.alternateRefsCommand": "true",
    "core.editor": "true",
    "core.untrackedCache": "false",
    "core.excludesFile": "/dev/null",
    "core.fileMode": "true",
    "core.notesRef": "refs/notes/none",
    "core.whitespace": "blank-at-eol,blank-at-eof,space-before-tab",
    "format.pretty": "medium",
    "log.mailmap": "false",
    "mailmap.file": "/dev/null",
    "mailmap.blob": "",
    "notes.displayRef": "refs/notes/none",
    "status.showUntrackedFiles": "normal",
    "log.showSignature": "false",
    "gpg.program": "false",
    "color.ui": "false",
}
"""Given to git by GIT_CONFIG_COUNT, which goes before the settings of any file."""

GIT_RUNS = re.compile(rb"(?i)\b(external|textconv|clean|smudge|process|command|driver|include|includeif|worktree)\b")
"""Words of a repository's own settings that call a program or other settings: they mean nothing in a check."""

GIT_FILES = ("info/attributes", "info/exclude", "info/grafts", "shallow")
"""Files of a repository that say what git leaves out, and are no content of it: the initial state's unless named."""

PIPES = re.compile(r"(?i)\bmkfifo\b|\bfifo\b|named pipe|\bmknod\b")
SOCKETS = re.compile(r"(?i)\bsockets?\b")
_WORD = re.compile(r"[^\s'\"`;|&()<>=,\[\]{}]+")
_HOME_WORD = re.compile(r"\A(?:~|\$HOME)(?=/|\Z)")


def git_variables() -> dict[str, str]:
    """Return GIT_SETTINGS as git's environment spells them."""
    pairs: dict[str, str] = {}
    for number, (key, value) in enumerate(GIT_SETTINGS.items()):
        pairs |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {"GIT_CONFIG_COUNT": str(len(GIT_SETTINGS)), **pairs}


@dataclass(frozen=True)
class Ground:
    """Whose version of each path a check sees."""

    since: tuple[str, ...]
    """Layers of the initial state; what lies above them is the agent's."""
    text: str = ""
    """The task's own words and scripts."""
    cwd: str = HOME
    outputs: tuple[str, ...] | None = None
    """Paths that the agent is asked for; None = the table decides."""
    is_closed: bool = False
    """No program that runs here may look into the one that started it; `find /` meets a process then that it may not
    look into."""

    def to_json(self) -> bytes:
        """Return it as the pod reads it."""
        return json.dumps([self.since, self.text, self.cwd, self.outputs]).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Ground:
        since, text, cwd, outputs = json.loads(data)
        return cls(tuple(since), text, cwd, None if outputs is None else tuple(outputs))

    def whose(self, path: str, *, is_folder: bool) -> Whose:
        """Say whose version of an absolute path counts."""
        if self.outputs is not None:
            return _among(path, self.outputs)
        place = self._place_of(path, is_folder=is_folder)
        root = _root_of(place, path)
        if place.whose == "agent":
            return "inside" if place.path == path and place.path in _REAL_FOLDERS else "agent"
        if place.asked_by and re.search(place.asked_by, self.text):
            return "agent"
        if self.names(path, root):
            return "agent"
        if (path == root and place.path in _CONTAINERS) or any(_below(word, path) for word in self._named):
            return "inside"
        return "initial"

    def names(self, path: str, root: str = "") -> bool:
        """Whether the task names a path, or a folder that it lies in, at `root` or below."""
        if any((word == path or _below(path, word)) and len(word) >= len(root) for word in self._named):
            return True
        return any(path.endswith(f"/{word}") for word in self._relative)

    def names_pipes(self) -> bool:
        return PIPES.search(self.text) is not None

    def names_sockets(self) -> bool:
        return SOCKETS.search(self.text) is not None

    def _place_of(self, path: str, *, is_folder: bool) -> SettingsPlace:
        name = posixpath.basename(path)
        anywhere = _ANYWHERE.get(name)
        if anywhere is not None:
            return anywhere
        for folder in (path, *_parents(path)):
            if folder in _BY_PATH:
                found = _BY_PATH[folder]
                break
            if posixpath.dirname(folder) == HOME and posixpath.basename(folder).startswith("."):
                found = _BY_PATH["~/.*"]
                break
        if found.path == "/" and posixpath.dirname(path) == "/" and not is_folder:
            return _BY_PATH["/*"]
        return found

    @cached_property
    def _words(self) -> tuple[str, ...]:
        text = self.text.replace("${HOME}", "$HOME")
        words = (_HOME_WORD.sub(HOME, word.rstrip(".:*?!").rstrip("/")) for word in _WORD.findall(text))
        return tuple(dict.fromkeys(word for word in words if word and word.strip("./")))

    @cached_property
    def _named(self) -> tuple[str, ...]:
        """Return the absolute paths that the task names; a relative name counts from the home and where it begins."""
        absolute = (posixpath.normpath(word) for word in self._words if word.startswith("/"))
        beneath = (posixpath.normpath(f"{at}/{word}") for word in self._relative for at in (HOME, self.cwd))
        return tuple(word for word in dict.fromkeys((*absolute, *beneath)) if word != "/")

    @cached_property
    def _relative(self) -> tuple[str, ...]:
        names = (word.removeprefix("./") for word in self._words if not word.startswith("/"))
        return tuple(name for name in names if "." in name or "/" in name or name in _ANYWHERE)


def _among(path: str, outputs: Iterable[str]) -> Whose:
    if any(path == output or _below(path, output) for output in outputs):
        return "agent"
    return "inside" if any(_below(output, path) for output in outputs) else "initial"


def _below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _parents(path: str) -> list[str]:
    found = []
    while path != "/":
        path = posixpath.dirname(path)
        found.append(path)
    return found


def _root_of(place: SettingsPlace, path: str) -> str:
    """Return where a place begins on the way to a path."""
    if place.path.startswith("**") or place.path == "/*":
        return path
    if place.path == "~/.*":
        return "/".join(path.split("/")[:3])
    return place.path.replace("~", HOME, 1)


_BY_PATH = {place.path if place.path == "~/.*" else place.path.replace("~", HOME, 1): place for place in PLACES}
_ANYWHERE = {place.path.removeprefix("**/"): place for place in PLACES if place.path.startswith("**/")}
_CONTAINERS = ("/etc", "/usr", "/usr/local", "/usr/share")
_REAL_FOLDERS = ("/", "/root", "/usr/local/bin", "/usr/local/sbin")
"""The agent's, but folders they stay: a link in their place would lead what lies below it elsewhere."""
IMAGES_OWN = re.compile(r"/(?:usr/)?(?:bin|sbin|lib\w*)")
"""Bound from the image over whatever stands there (`arguments.py`)."""
