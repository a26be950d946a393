"""What changed between two snapshots, and views that are kept for it; conformance, so once per backend."""

from __future__ import annotations

import hashlib

import pytest

from sandboxes.base import Change, Session
from schemas.errors import SandboxError
from schemas.task_spec import Script


async def test_a_view_that_is_kept_is_a_snapshot(session: Session) -> None:
    before = await session.snapshot()
    result = await session.run(Script(code="echo kept > /root/mark"), on=before, keep=True)
    assert result.left is not None
    assert (await session.run(Script(code="cat /root/mark"), on=result.left)).text == "kept\n"
    assert (await session.exec("ls /root")).text == ""
    assert (await session.run(Script(code="true"), on=before)).left is None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def _changes_of(session: Session, command: str) -> list[Change]:
    """Return what a command changes in a small tree."""
    tree = "umask 22; mkdir -p /w/a/b /w/c; echo one > /w/a/one; echo two > /w/a/b/two; ln -s one /w/a/link"
    await session.run(Script(code=tree))
    before = await session.snapshot()
    result = await session.exec(f"umask 22; cd /w; {command}")
    assert (result.text, result.exit_code) == ("", 0)
    found = await session.diff(before, await session.snapshot())
    assert found.complete
    return list(found.changes)


NEW = _sha256("new\n")
DELETED_B = [Change("/w/a/b", "deleted", "dir"), Change("/w/a/b/two", "deleted", "file")]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("true", []),
        ("cat a/one > /dev/null", []),
        ("touch a/one; chmod 644 a/one; cp a/one t; mv t a/one; chmod 700 a; chmod 755 a", []),  # as it was: no change
        ("echo new > n", [Change("/w/n", "added", "file", 0o644, NEW)]),
        ("echo new > a/one", [Change("/w/a/one", "modified", "file", 0o644, NEW)]),
        ("chmod 600 a/one", [Change("/w/a/one", "modified", "file", 0o600, _sha256("one\n"))]),
        ("chmod 1777 c", [Change("/w/c", "modified", "dir", 0o1777)]),
        ("mkdir -p d/e", [Change("/w/d", "added", "dir", 0o755), Change("/w/d/e", "added", "dir", 0o755)]),
        ("mkfifo -m 600 p", [Change("/w/p", "added", "other", 0o600)]),
        ("rm a/one; rmdir c", [Change("/w/a/one", "deleted", "file"), Change("/w/c", "deleted", "dir")]),
        ("rm -r a/b", DELETED_B),
        ("rm -r a/b; mkdir a/b", DELETED_B[1:]),  # made again, empty: an opaque folder
        (
            "rm -r a/b; mkdir a/b; echo new > a/b/n; echo two > a/b/two",
            [Change("/w/a/b/n", "added", "file", 0o644, NEW)],
        ),
        ("rm -r a/b; echo new > a/b", [DELETED_B[1], Change("/w/a/b", "modified", "file", 0o644, NEW)]),
        ("rm a/one; mkdir a/one", [Change("/w/a/one", "modified", "dir", 0o755)]),
        ("ln -sfn /etc a/link", [Change("/w/a/link", "modified", "link", 0, _sha256("/etc"))]),
        ("rm -r c; ln -s /etc c", [Change("/w/c", "modified", "link", 0, _sha256("/etc"))]),  # not followed
        (
            "mv a/b moved",
            [
                *DELETED_B,
                Change("/w/moved", "added", "dir", 0o755),
                Change("/w/moved/two", "added", "file", 0o644, _sha256("two\n")),
            ],
        ),
        (
            "mkdir -m 0 shut; chmod 0 a/one",
            [
                Change("/w/a/one", "modified", "file", 0, _sha256("one\n")),
                Change("/w/shut", "added", "dir", 0),
            ],
        ),
        (r"echo new > $'\xff\n'", [Change("/w/\udcff\n", "added", "file", 0o644, NEW)]),
        ("rm /etc/issue", [Change("/etc/issue", "deleted", "file")]),  # of the image
        ("cp /etc/issue i; mv i /etc/issue", []),
    ],
)
async def test_a_diff_tells_what_changed(session: Session, command: str, expected: list[Change]) -> None:
    assert await _changes_of(session, command) == expected


async def test_a_diff_compares_any_two_snapshots_in_their_order(session: Session) -> None:
    first = await session.snapshot()
    await session.exec("echo x > /root/x; mkdir /root/d; touch /root/d/e")
    second = await session.snapshot()
    await session.exec("rm -r /root/x /root/d; echo new > /root/y")
    third = await session.snapshot()
    made = [(c.path, c.change) for c in (await session.diff(second, third)).changes]
    assert made == [("/root/d", "deleted"), ("/root/d/e", "deleted"), ("/root/x", "deleted"), ("/root/y", "added")]
    assert (await session.diff(first, third)).changes == (Change("/root/y", "added", "file", 0o644, NEW),)
    assert (await session.diff(third, third)).changes == ()
    with pytest.raises(SandboxError, match="a later one"):
        await session.diff(second, first)


async def test_what_was_put_is_one_change(session: Session) -> None:
    before = await session.snapshot()
    await session.put("/root/file", b"new\n", 0o640)
    assert await session.get("/root/file") == b"new\n"
    after = await session.snapshot()
    assert (await session.diff(before, after)).changes == (Change("/root/file", "added", "file", 0o640, NEW),)


async def test_a_diff_uses_nothing_of_the_agents(session: Session) -> None:
    before = await session.snapshot()
    await session.exec("cp --remove-destination /bin/true /usr/bin/python3; rm -r /usr/lib/python3*")
    await session.exec("mkdir /since /at /layers; echo '[]' > /at/mark")
    paths = {change.path for change in (await session.diff(before, await session.snapshot())).changes}
    assert {"/usr/bin/python3", "/since", "/at", "/at/mark", "/layers"} <= paths


@pytest.mark.parametrize(
    "command",
    [
        "for i in {1..300}; do mkdir dddddddddddddddddddd; cd dddddddddddddddddddd; done",
        "for i in {1..30}; do truncate -s 23M sparse$i; done",
        "mkdir n; cd n; printf '%s\\0' {1..20001} | xargs -0 touch",
    ],
    ids=["too deep", "too large", "too many"],
)
async def test_a_diff_without_an_end_says_that_it_is_not_complete(session: Session, command: str) -> None:
    before = await session.snapshot()
    assert (await session.exec(f"cd /root; {command}", timeout=30)).exit_code == 0
    found = await session.diff(before, await session.snapshot())
    assert not found.complete and len(found.changes) <= 20_000
