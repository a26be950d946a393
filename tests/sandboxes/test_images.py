"""Base images: what is in one, that it is made once, and what a tarball may not do."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandboxes.base import Sandbox, Session
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


@pytest.mark.parametrize(
    "members",
    [
        [_member("../evil")],
        [_member("/evil")],
        [_member("a/../../evil")],
        [_member("out", tarfile.SYMTYPE, "/tmp"), _member("out/evil")],
        [_member("out", tarfile.SYMTYPE, ".."), _member("out/evil")],
        [_member("hard", tarfile.LNKTYPE, "../../../etc/passwd")],
        [_member("hard", tarfile.LNKTYPE, "/etc/passwd")],
    ],
)
def test_a_tarball_that_leads_out_is_refused(cache: Path, members: list[tarfile.TarInfo]) -> None:
    path = _tarball(cache / "evil.tar.gz", *((member, b"") for member in members))
    with pytest.raises(InputError, match="leads out of the image"):
        tarball_image(path, cache)
    assert [name for name in os.listdir(cache / "images") if name != ".lock"] == []  # noqa: PTH208
    assert not Path("/tmp/evil").exists()


def test_no_tarball_is_told(cache: Path) -> None:
    (cache / "x.tar").write_text("no archive")
    with pytest.raises(InputError, match=r"x\.tar cannot be unpacked"):
        tarball_image(cache / "x.tar", cache)
    with pytest.raises(InputError, match="does not exist"):
        tarball_image(cache / "y.tar", cache)


def test_devices_and_setuid_bits_do_not_come_along(cache: Path) -> None:
    image = tarball_image(
        _tarball(
            cache / "image.tar.gz",
            (_member("closed", tarfile.DIRTYPE, mode=0o000), b""),
            (_member("closed/su", mode=0o4755), b"x"),
            (_member("sda", tarfile.BLKTYPE), b""),
            (_member("pipe", tarfile.FIFOTYPE), b""),
        ),
        cache,
    )
    root = Path(image.path)
    assert sorted(path.name for path in root.rglob("*")) == ["closed", "su"]
    assert stat.S_IMODE((root / "closed/su").stat().st_mode) == 0o755
    assert root.stat().st_uid == (root / "closed/su").stat().st_uid != 0


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
