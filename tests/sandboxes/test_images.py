"""Base images: what is in one, that it is made once, and what a tarball may not do."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandboxes.base import Sandbox, Session
from sandboxes.binary import owner_id
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.configured import open_sandbox
from sandboxes.images import directory_image, host_image, tarball_image
from schemas.errors import ConfigError, InputError
from schemas.run_config import SandboxConfig
from schemas.settings import default_cache

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cache() -> Iterator[Path]:
    """A folder that the sandboxes' user can reach; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="trajmill-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def test_the_host_image_has_the_ordinary_tools(session: Session) -> None:
    tools = "awk bzip2 cat cut diff find grep gzip head id ls ps python3 sed sort tar useradd wc xargs".split()  # noqa: SIM905
    result = await session.exec("for t in " + " ".join(tools) + "; do command -v $t >/dev/null || echo no $t; done")
    assert result.text == ""


async def test_the_tools_of_the_host_image_run(session: Session) -> None:
    """Every library came along: no program fails to load."""
    script = "for p in /usr/bin/* /usr/sbin/*; do ldd $p 2>/dev/null | grep 'not found' | sed \"s:^:$p:\"; done"
    assert (await session.exec(script, timeout=60)).text == ""


async def test_python_runs_without_help(session: Session) -> None:
    code = "import bz2, csv, ctypes, hashlib, json, lzma, re, sqlite3, ssl, subprocess, zlib, sys; print(sys.prefix)"
    assert (await session.exec(f"env -i /usr/bin/python3 -c '{code}'")).text == "/usr\n"


async def test_accounts_can_be_made(session: Session) -> None:
    made = (
        "useradd -m -s /bin/bash alice && groupadd staff2 && usermod -aG staff2 alice && id alice && ls -d /home/alice"
    )
    result = await session.exec(made)
    assert result.text == "uid=1000(alice) gid=1000(alice) groups=1000(alice),1001(staff2)\n/home/alice\n"


async def test_nothing_of_the_host_is_in_the_host_image(session: Session) -> None:
    accounts = (await session.exec("cut -d: -f1 /etc/passwd")).text.split()
    assert "nobody" in accounts
    assert (await session.exec("cat /etc/hostname; ls /home /srv /opt")).text == "sandbox\n/home:\n\n/opt:\n\n/srv:\n"
    assert (await session.exec("find / -xdev -perm /6000 -type f")).text == ""


@pytest.mark.usefixtures("sandbox")
def test_two_processes_make_one_image_and_it_is_not_made_again(cache: Path) -> None:
    make = (
        "import sys; from pathlib import Path; from sandboxes.images import host_image;"
        "print(host_image(Path(sys.argv[1])).digest)"
    )
    command = [sys.executable, "-c", make, str(cache)]
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: subprocess.run(command, capture_output=True, text=True, cwd=ROOT), range(2)))
    digests = {run.stdout.strip() for run in runs}
    image = host_image(cache)
    assert digests == {image.digest} == {host_image(default_cache()).digest}
    made = [path.name for path in (cache / "images").iterdir() if not path.name.startswith(".")]
    assert sorted(made) == sorted([Path(image.path).name, "host.json"])
    before = Path(image.path).stat().st_ctime_ns
    assert Path(host_image(cache).path).stat().st_ctime_ns == before


def test_a_closed_cache_is_refused_with_the_command_that_opens_it(cache: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root drops to another user")
    cache.chmod(0o700)
    with pytest.raises(ConfigError, match=f"chmod o\\+x {cache}"):
        host_image(cache)


def _tarball(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, link, mode
    return member


def _refused(path: Path, cache: Path) -> str:
    """Return what a tarball is refused with; nothing of it stays in the cache."""
    with pytest.raises(InputError) as refusal:
        tarball_image(path, cache)
    assert [name for name in os.listdir(cache / "images") if name != ".lock"] == []  # noqa: PTH208
    return str(refusal.value)


LEADING_OUT = [
    [_member("../evil")],
    [_member("/evil")],
    [_member("a/../../evil")],
    [_member("a/.."), _member("evil")],
    [_member("out", tarfile.SYMTYPE, "/tmp"), _member("out/evil")],
    [_member("out", tarfile.SYMTYPE, ".."), _member("out/evil")],
    [_member("out", tarfile.SYMTYPE, "/proc/self/root/tmp"), _member("out/evil")],
    [_member("a", tarfile.SYMTYPE, "b"), _member("b", tarfile.SYMTYPE, "/tmp"), _member("a/evil")],
    [_member("out", tarfile.SYMTYPE, "/tmp"), _member("out", tarfile.DIRTYPE)],
    [_member("out", tarfile.SYMTYPE, "/etc"), _member("hard", tarfile.LNKTYPE, "../out/passwd")],
    [_member("hard", tarfile.LNKTYPE, "../../../etc/passwd")],
    [_member("hard", tarfile.LNKTYPE, "/etc/passwd")],
]


@pytest.mark.parametrize("members", LEADING_OUT)
def test_a_tarball_that_leads_out_is_refused(cache: Path, members: list[tarfile.TarInfo]) -> None:
    path = _tarball(cache / "evil.tar.gz", *((member, b"") for member in members))
    assert "leads out of the image" in _refused(path, cache)
    assert not Path("/tmp/evil").exists()


FOLDER, FILE = _member("a", tarfile.DIRTYPE), _member("a")
WITHOUT_SENSE = {
    "a file over a folder": ([FOLDER, FILE], "entry 'a': it is no folder, and an entry before it made a folder"),
    "a link over a folder": ([FOLDER, _member("a", tarfile.SYMTYPE, "b")], "made a folder of that name"),
    "a hard link over a folder": ([_member("b"), FOLDER, _member("a", tarfile.LNKTYPE, "b")], "made a folder"),
    "a folder over a file": ([FILE, FOLDER], "entry 'a': it is a folder, and an entry before it made a file"),
    "an entry below a file": ([FILE, _member("a/b/c")], "entry 'a/b/c': it lies below 'a', which is a file"),
    "an entry below a link to a file": (
        [FILE, _member("l", tarfile.SYMTYPE, "a"), _member("l/x")],
        "leads out of the image through the link 'l' to 'a'",
    ),
    "an entry below a loop of links": (
        [_member("a", tarfile.SYMTYPE, "b"), _member("b", tarfile.SYMTYPE, "a"), _member("a/x")],
        "more than 40 on the way",
    ),
    "an entry below a link to itself": ([_member("a", tarfile.SYMTYPE, "a"), _member("a/x")], "more than 40"),
    "a hard link to nothing": ([_member("h", tarfile.LNKTYPE, "b/c")], "to 'b/c', which no entry before it made"),
    "a hard link to a later entry": ([_member("h", tarfile.LNKTYPE, "b"), _member("b")], "no entry before it made"),
    "a hard link through a link that leads out": (
        [_member("l", tarfile.SYMTYPE, "/etc"), _member("h", tarfile.LNKTYPE, "l/passwd")],
        "no entry before it made",
    ),
    "a hard link to a folder": ([FOLDER, _member("h", tarfile.LNKTYPE, "a")], "to 'a', which is a folder"),
    "a hard link to the root": ([FOLDER, _member("h", tarfile.LNKTYPE, ".")], "no entry before it made"),
    "a hard link to itself": ([FILE, _member("a", tarfile.LNKTYPE, "./a")], "a hard link to itself"),
    "too long a part": ([_member("d/" + "n" * 256)], "a part of a name may have 255 bytes"),
    "too long a part in bytes": ([_member("\u00e9" * 128)], "a part of a name may have 255 bytes"),
    "too long a path": ([_member("/".join(["n" * 200] * 20))], "may have 3,500 bytes, not 4,019"),
    "too deep a path": ([_member("/".join("n" * 129))], "lies 129 folders deep; 128 are allowed"),
    "too long a target": ([_member("l", tarfile.SYMTYPE, "n/" * 3000)], "its target may have 3,500 bytes"),
    "a target without a name": ([_member("l", tarfile.SYMTYPE, "")], "its target may not be empty"),
    "a name with a line's end": ([_member("a\nb")], r"nor hold NUL or a line's end: 'a\nb'"),
    "a target with a line's end": ([_member("l", tarfile.SYMTYPE, "a\nb")], "its target may not be empty nor hold"),
    "a file for the root": ([_member("./")], "stands for the image's root and is no folder"),
    "devices alone": ([_member("sda", tarfile.BLKTYPE)], "no file is in it"),
    "nothing": ([], "no file is in it"),
}


@pytest.mark.parametrize("what", WITHOUT_SENSE)
def test_a_tarball_without_sense_is_refused_by_name(cache: Path, what: str) -> None:
    members, reason = WITHOUT_SENSE[what]
    message = _refused(_tarball(cache / "odd.tar.gz", *((member, b"") for member in members)), cache)
    assert message.startswith(f"{cache / 'odd.tar.gz'} cannot be unpacked: ")
    assert reason in message


PAX = {
    "a name with NUL": ({"path": "a\0b"}, "nor hold NUL"),
    "a target with NUL": ({"path": "l", "linkpath": "a\0b"}, "nor hold NUL"),
    "fewer bytes than none": ({"size": "-5"}, "it says to hold -5 bytes"),
    "more bytes than there are": ({"size": "100000"}, "unexpected end of data"),
    "more bytes than any image": ({"size": str(1 << 60)}, "bytes; 269,"),
    "a time that is none": ({"mtime": "inf"}, "entry 'x': "),
    "a time that is no number": ({"mtime": "nan"}, "entry 'x': "),
    "a sparse file of a terabyte": (
        {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40)},
        "it says to hold 1,099,511,627,776 bytes; 269,",
    ),
    "a sparse map that is none": (
        {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "no,map", "GNU.sparse.size": "9"},
        "cannot be unpacked",
    ),
    "a sparse file with more data than there are": (
        {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,90000", "GNU.sparse.size": "90000"},
        "cannot be unpacked",
    ),
}


@pytest.mark.parametrize("what", PAX)
def test_a_header_that_lies_is_refused(cache: Path, what: str) -> None:
    headers, reason = PAX[what]
    member = _member("x", tarfile.SYMTYPE if "linkpath" in headers else tarfile.REGTYPE)
    member.pax_headers = headers
    with tarfile.open(cache / "lies.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        member.size = 0 if member.issym() else 1
        archive.addfile(member, io.BytesIO(b"x"))
    assert reason in _refused(cache / "lies.tar", cache)


def _plain(cache: Path) -> bytes:
    members = [(_member(f"file{number}"), bytes([number]) * 700) for number in range(8)]
    with tarfile.open(_tarball(cache / "whole.tar.gz", *members)) as archive:
        assert archive.fileobj is not None
        archive.fileobj.seek(0)
        return archive.fileobj.read()


def _damaged(whole: bytes, at: int) -> bytes:
    return whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "no archive": lambda _: b"no archive" * 100,
    "an empty file": lambda _: b"",
    "cut off in a file": lambda whole: whole[:1000],
    "cut off in a header": lambda whole: whole[: 3 * 512 + 100],
    "cut off between two files": lambda whole: whole[: 3 * 512],
    "a damaged header": lambda whole: _damaged(whole, 3 * 512 + 3),
    "gzip, cut off": lambda whole: gzip.compress(whole)[:-20],
    "gzip, damaged": lambda whole: _damaged(gzip.compress(whole), 60),
    "gzip, another sum": lambda whole: _damaged(gzip.compress(whole), -8),
    "gzip of no archive": lambda _: gzip.compress(b"no archive" * 100),
    "bzip2, cut off": lambda whole: bz2.compress(whole)[:-20],
    "bzip2, damaged": lambda whole: _damaged(bz2.compress(whole), 60),
    "xz, cut off": lambda whole: lzma.compress(whole)[:-20],
    "xz, damaged": lambda whole: _damaged(lzma.compress(whole), 60),
    "a thousand headers before one file": lambda whole: _long_name(1) * 1200 + whole,
    "a header of gigabytes": lambda whole: _long_name(1 << 32) + whole,
}


def _long_name(size: int) -> bytes:
    header = _member("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    header.size = size
    return header.tobuf(tarfile.GNU_FORMAT) + b"n".ljust(512, b"\0")


@pytest.mark.parametrize("what", BROKEN)
def test_a_damaged_tarball_is_refused(cache: Path, what: str) -> None:
    (cache / "x.tar").write_bytes(BROKEN[what](_plain(cache)))
    assert _refused(cache / "x.tar", cache).startswith(f"{cache / 'x.tar'} cannot be unpacked: ")


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_every_compression_of_python_is_read(cache: Path, compress: Callable[[bytes], bytes]) -> None:
    (cache / "x.tar").write_bytes(compress(_plain(cache)))
    assert len(list(Path(tarball_image(cache / "x.tar", cache).path).iterdir())) == 8


def test_a_small_file_becomes_no_large_image(cache: Path) -> None:
    """A gigabyte of zeros in a thousand small files, in a megabyte of gzip; and in one file."""
    one = _member("zeros")
    one.size = 1 << 30
    with gzip.open(cache / "one.tar.gz", "wb") as file:
        file.write(one.tobuf() + bytes(1 << 20))
    assert "entry 'zeros': it says to hold 1,073,741,824 bytes" in _refused(cache / "one.tar.gz", cache)
    with gzip.open(cache / "many.tar.gz", "wb", compresslevel=1) as file:
        for number in range(512):
            member = _member(f"zeros{number}")
            member.size = 1 << 20
            file.write(member.tobuf() + bytes(1 << 20))
    message = _refused(cache / "many.tar.gz", cache)
    assert "bytes; " in message
    assert "are allowed" in message


def test_too_many_entries_are_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandboxes.tarball.MOST_ENTRIES", 3)
    path = _tarball(cache / "many.tar", *((_member(f"f{number}"), b"") for number in range(4)))
    assert "entry 'f3': more than 3 entries are too many" in _refused(path, cache)


def test_a_full_disk_leaves_nothing_behind(cache: Path) -> None:
    _tarball(cache / "large.tar.gz", (_member("large"), bytes(3 << 20)))
    (cache / "small").mkdir()
    code = (
        "import sys; from pathlib import Path; from sandboxes.images import *\n"
        "small = Path(sys.argv[2])\n"
        "try: tarball_image(Path(sys.argv[1]), small)\n"
        "except InputError as problem: print(problem)\n"
        "print(sorted(path.name for path in (small / 'images').iterdir()))"
    )
    mounted = 'mount -t tmpfs -o size=1m,mode=755 tmpfs "$4" && exec "$1" -c "$2" "$3" "$4"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted, "sh"]
    arguments = [sys.executable, code, str(cache / "large.tar.gz"), str(cache / "small")]
    ran = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert "entry 'large': No space left on device below the cache; make room, or put the cache" in ran.stdout
    assert ran.stdout.endswith("['.lock']\n"), ran.stderr


def test_what_is_no_readable_tarball_is_told(cache: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        tarball_image(cache / "y.tar", cache)
    with pytest.raises(InputError, match=r"is no file; give a tarball there"):
        tarball_image(cache, cache)
    with pytest.raises(InputError, match=r"/proc/self/mem cannot be read: Input/output error"):
        tarball_image(Path("/proc/self/mem"), cache)


def test_devices_and_setuid_bits_do_not_come_along(cache: Path) -> None:
    image = tarball_image(
        _tarball(
            cache / "image.tar.gz",
            (_member("closed", tarfile.DIRTYPE, mode=0o000), b""),
            (_member("closed/su", mode=0o4755), b"x"),
            (_member("sda", tarfile.BLKTYPE), b""),
            (_member("tty", tarfile.CHRTYPE), b""),
            (_member("tty0", tarfile.LNKTYPE, "tty"), b""),
            (_member("pipe", tarfile.FIFOTYPE), b""),
        ),
        cache,
    )
    root = Path(image.path)
    assert sorted(path.name for path in root.rglob("*")) == ["closed", "su"]
    assert stat.S_IMODE((root / "closed/su").stat().st_mode) == 0o755
    assert root.stat().st_uid == (root / "closed/su").stat().st_uid
    manifest = next((cache / "images").glob("tarball-*.json"))
    assert json.loads(manifest.read_text())["left_out"] == {
        "devices": 2,
        "hard links to what was left out": 1,
        "pipes": 1,
    }


def test_of_two_entries_the_later_counts_and_links_stay_links(cache: Path) -> None:
    members = [
        (_member("usr", tarfile.DIRTYPE), b""),
        (_member("usr/bin", tarfile.DIRTYPE), b""),
        (_member("bin", tarfile.SYMTYPE, "/usr/bin"), b""),
        (_member("bin/bash"), b"first"),
        (_member("usr/bin/sh", tarfile.LNKTYPE, "bin/bash"), b""),
        (_member("bin/bash"), b"second"),
        (_member("bin", tarfile.DIRTYPE), b""),
        (_member("other", tarfile.LNKTYPE, "bin"), b""),
    ]
    root = Path(tarball_image(_tarball(cache / "image.tar.gz", *members), cache).path)
    assert (root / "usr/bin/bash").read_bytes() == b"second"
    assert (root / "usr/bin/sh").read_bytes() == b"first"
    assert str((root / "bin").readlink()) == str((root / "other").readlink()) == "/usr/bin"


LOST = {
    "to a folder of the machine": {"usr/libexec": "/etc"},
    "up and out": {"usr/libexec": "../../../../../../etc"},
    "a chain": {"usr/libexec": "../a", "a": "b", "b": "/etc"},
    "through /proc": {"usr/local/lib": "/proc/self/root/etc"},
    "through /proc and up": {"usr/local/lib": "/proc/self/../self/cwd"},
    "to a device": {"etc/alternatives": "/dev/fd"},
    "a folder on the way": {"usr/local": "/proc/self/root/usr/local"},
    "a loop": {"usr/share/perl5": "perl", "usr/share/perl": "perl5"},
    "to nothing": {"usr/share/awk": "/nothing/there"},
    "the programs themselves": {"usr/sbin": "/proc/self/root/usr/sbin"},
}


@pytest.mark.parametrize("what", LOST)
@pytest.mark.parametrize("kind", ["tarball", "directory"])
def test_a_program_folder_that_leaves_the_image_is_refused(cache: Path, what: str, kind: str) -> None:
    links = [(_member(name, tarfile.SYMTYPE, target), b"") for name, target in LOST[what].items()]
    path = _tarball(cache / "evil.tar.gz", (_member("bin/bash"), b"x"), *links)
    name, target = list(LOST[what].items())[-1]
    told = f"{name!r} is a link to {target!r}"
    if kind == "tarball":
        assert told in _refused(path, cache)
        return
    with tarfile.open(path) as archive:
        archive.extractall(cache / "root")
    os.chown(cache / "root", owner_id(), owner_id())
    (cache / "root").chmod(0o755)
    with pytest.raises(InputError, match=re.escape(told)):
        directory_image(cache / "root")


def test_an_image_that_an_earlier_version_unpacked_is_looked_at_again(cache: Path) -> None:
    path = _tarball(cache / "image.tar.gz", (_member("bin/bash"), b"x"))
    image = tarball_image(path, cache)
    (Path(image.path) / "usr").mkdir()
    (Path(image.path) / "usr/libexec").symlink_to("/etc")
    with pytest.raises(InputError, match="'usr/libexec' is a link to '/etc', which is not in the image"):
        tarball_image(path, cache)


async def test_a_tarball_of_an_image_is_an_image(cache: Path, sandbox: Sandbox) -> None:
    host = Path(host_image(default_cache()).path)
    with tarfile.open(cache / "small.tar", "w") as archive:
        for name in ("bin", "lib", "lib64", "usr/bin/bash", "usr/bin/cat", "usr/lib64", "etc/hostname"):
            archive.add(host / name, name)
        for path in (host / "usr/lib").rglob("lib[ct]*.so*"):
            archive.add(path, path.relative_to(host))
        for path in (host / "usr/lib").rglob("ld-*"):
            archive.add(path, path.relative_to(host))
    image = tarball_image(cache / "small.tar", cache)
    assert tarball_image(cache / "small.tar", cache) == image
    assert directory_image(Path(image.path)).digest == image.digest
    session = await Bubblewrap(image).start()
    try:
        assert (await session.exec("cat /etc/hostname; type ls")).text.startswith(
            "sandbox\nbash: line 1: type: ls: not"
        )
    finally:
        await session.close()


def test_a_configuration_names_backend_and_image(cache: Path) -> None:
    found = open_sandbox(SandboxConfig(), default_cache())
    assert (found[0].backend, found[1]) == ("bubblewrap", host_image(default_cache()))
    (cache / "root.tar").write_bytes(_tarball(cache / "made.tar", (_member("bin/bash"), b"x")).read_bytes())
    sandbox, image = open_sandbox(SandboxConfig(backend="docker", image=str(cache / "root.tar")), cache)
    assert (sandbox.backend, image.kind) == ("docker", "tarball")
    _, folder = open_sandbox(SandboxConfig(image=image.path), cache)
    assert (folder.kind, folder.digest) == ("directory", image.digest)
    with pytest.raises(InputError, match="does not exist"):
        open_sandbox(SandboxConfig(image=str(cache / "nothing.tar")), cache)


def test_a_folder_without_a_shell_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no root file system"):
        directory_image(tmp_path)
