"""What a host image takes from this machine: ordinary command line tools, Python's standard library, their libraries.

Nothing that is this machine's own comes along: no user, no configuration, no name: the rest is in `host/files`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ConfigError

SYSTEM_FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
TOOLS = Path(__file__).with_name("host") / "tools.txt"

EXTRAS = (
    "/usr/share/git-core/templates",
    "/usr/lib/file/magic.mgc",
    "/usr/share/misc/magic.mgc",
    "/usr/share/terminfo",
    "/lib/terminfo",
    "/usr/lib/locale/C.utf8",
    "/usr/share/zoneinfo",
    "/usr/share/perl5/Debconf",
    "/usr/lib/tc",
)
"""Data that the tools read."""
PATTERNS = (
    "usr/lib/*/perl-base",
    "usr/share/vim/vim*/defaults.vim",
    "usr/lib/*/security/pam_*.so",
    "usr/lib64/security/pam_*.so",
    "usr/lib/*/libnss_files.so*",
    "usr/lib/git-core/git-sh-setup",
)
# Of Python: tests, graphics, other people's packages. Of zoneinfo: two more copies of it.
SKIPPED_FOLDERS = frozenset({"test", "tests", "idlelib", "tkinter", "turtledemo", "site-packages", "dist-packages"}) | {
    "ensurepip",
    "lib2to3",
    "posix",
    "right",
}
PYTHON_FACTS = (
    "import json,sys,sysconfig;p=sysconfig.get_path;print(json.dumps(dict(version='%d.%d'%sys.version_info[:2],"
    "stdlib=[p('stdlib'),p('platstdlib')])))"
)


@dataclass(frozen=True)
class Source:
    """One file, link or folder of this machine and where it goes in the image."""

    target: str
    """Path in the image, relative."""
    origin: Path | None = None
    """File to copy; None = a link."""
    link: str = ""


def find_tools() -> list[Source]:
    """Return the tools that this machine has, in the order of their names.

    Raises:
        ConfigError: not even a shell and the basic tools are here.
    """
    needed, names = _read_names()
    found = {name: path for name in names if (path := _look_up(name)) is not None}
    missing = [name for name in needed if name not in found]
    if missing:
        raise ConfigError(
            f"no {', '.join(missing)} in {', '.join(SYSTEM_FOLDERS)}, so this machine cannot lend its tools to a "
            "sandbox; give an image of your own instead"
        )
    return [source for name, path in found.items() for source in _tool(name, path)]


def _read_names() -> tuple[list[str], list[str]]:
    """Return the tools that must be there, and all, sorted."""
    lines = [line.split() for line in TOOLS.read_text().splitlines() if not line.startswith("#")]
    return lines[0], sorted({name for line in lines for name in line})


def _look_up(name: str) -> Path | None:
    return next((path for folder in SYSTEM_FOLDERS if (path := Path(folder, name)).is_file()), None)


def _tool(name: str, path: Path) -> Iterator[Source]:
    """Yield the program; where it is one of several names of a program, that program and a link."""
    folder = "usr/sbin" if "sbin" in path.parent.name else "usr/bin"
    program = path.resolve()
    if program.name == name or program.name.startswith("python3"):
        yield Source(f"{folder}/{name}", program)
    else:
        home = "usr/sbin" if "sbin" in program.parent.name else "usr/bin"
        yield Source(f"{home}/{program.name}", program)
        yield Source(f"{folder}/{name}", link=program.name if home == folder else f"../../{home}/{program.name}")


def find_data() -> list[Source]:
    """Return the data files that the tools read."""
    roots = [Path(name) for name in EXTRAS] + [path for pattern in PATTERNS for path in sorted(Path("/").glob(pattern))]
    return [source for root in roots if root.exists() for source in walk(root, _merged(root))]


def python_candidates() -> tuple[Path, Path]:
    """Return the interpreters that may become /usr/bin/python3: the system's, the one that runs us."""
    own = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    return Path("/usr/bin/python3"), own


def find_python() -> list[Source]:
    """Return the first candidate that has its whole standard library, with it."""
    for program in python_candidates():
        facts = _python_facts(program)
        if facts is not None:
            return [*_python(program.resolve(), facts)]
    return []


def _python_facts(program: Path) -> dict[str, object] | None:
    """Return version and library folders; None where it does not run or has no whole standard library."""
    if not program.exists():
        return None
    told = subprocess.run([program, "-I", "-S", "-c", PYTHON_FACTS], capture_output=True, env={}, check=False)
    if told.returncode != 0:
        return None
    facts: dict[str, object] = json.loads(told.stdout)
    return facts if all(Path(str(facts["stdlib"][0]), name).exists() for name in ("json", "csv.py")) else None  # type: ignore[index]


def _python(program: Path, facts: dict[str, object]) -> Iterator[Source]:
    name = f"python{facts['version']}"
    yield Source(f"usr/bin/{name}", program)
    yield Source("usr/bin/python3", link=name)
    yield Source("usr/bin/python", link=name)
    for folder in dict.fromkeys(facts["stdlib"]):  # type: ignore[call-overload]
        yield from walk(Path(folder), f"usr/lib/{name}")


def walk(root: Path, target: str) -> Iterator[Source]:
    """Yield the files below a folder, or the file itself; links are followed, optimised bytecode is left out."""
    if root.is_file():
        yield Source(target, root.resolve())
        return
    for path in sorted(root.iterdir()):
        if path.is_dir():
            if path.name not in SKIPPED_FOLDERS and not path.name.startswith("config-"):
                yield from walk(path, f"{target}/{path.name}")
        elif path.is_file() and ".opt-" not in path.name and path.suffix != ".a":
            yield Source(f"{target}/{path.name}", path.resolve())


def find_libraries(programs: Iterable[Path]) -> list[Source]:
    """Return the shared libraries and the loader that these files need, as the machine's own loader finds them."""
    binaries = [str(path) for path in programs if _is_elf(path)]
    told = subprocess.run(["ldd", *binaries], capture_output=True, text=True, env={"LC_ALL": "C"}, check=False).stdout
    names = sorted(set(re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", told, re.MULTILINE)))
    standard = next((Path(_merged(Path(name))).parent for name in names if re.search(r"/libc\.|/libc-", name)), None)
    return [Source(_library_target(Path(name), standard), Path(name).resolve()) for name in names]


def _library_target(name: Path, standard: Path | None) -> str:
    """Keep a system library's path; one from elsewhere goes to where the loader looks."""
    target = _merged(name)
    if target.startswith("usr/lib") or standard is None:
        return target
    return f"{standard}/{name.name}"


def _merged(path: Path) -> str:
    """Return a path in the merged layout: /lib/x becomes usr/lib/x."""
    relative = str(path).lstrip("/")
    return f"usr/{relative}" if relative.split("/")[0] in ("bin", "sbin", "lib", "lib32", "lib64") else relative


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
