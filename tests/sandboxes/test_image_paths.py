"""Names of an image: their links are followed as if the image were the root, and none leaves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandboxes.image_paths import inside_image, names_inside
from schemas.errors import InputError


@pytest.fixture
def image(tmp_path: Path) -> Path:
    root = tmp_path / "image"
    for folder in ("usr/bin", "usr/lib/x/perl5/a", "usr/lib/y", "srv/perl5/b", "etc"):
        (root / folder).mkdir(parents=True)
    (root / "usr/bin/bash").touch()
    for name, target in {
        "bin": "/usr/bin",
        "lib": "./usr//lib",
        "usr/lib/y/perl5": "/srv/perl5",
        "usr/here": ".",
        "outside": str(tmp_path),
        "above": "usr/../../image",
        "machine": "/proc/self/root",
        "turn": "turn",
    }.items():
        (root / name).symlink_to(target)
    return root


def test_links_are_followed_inside_the_image(image: Path) -> None:
    assert inside_image(image, "bin/bash") == image / "usr/bin/bash"
    assert inside_image(image, "lib/y/perl5/b") == image / "srv/perl5/b"
    assert inside_image(image, "usr/here/here/bin/../bin/./bash") == image / "usr/bin/bash"
    assert inside_image(image, "") == image


def test_what_is_not_there_is_none_even_where_the_machine_has_it(image: Path) -> None:
    assert inside_image(image, "bin/sh") is None
    assert inside_image(image, "outside") is None
    assert inside_image(image, "outside/image") is None
    assert inside_image(image, "bin/bash/below") is None


@pytest.mark.parametrize(
    "name", ["above", "above/etc", "machine", "machine/etc", "turn", "turn/x", "..", "bin/../../.."]
)
def test_a_name_that_leaves_the_image_is_refused(image: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"leads out of the image|more than 40 on the way"):
        inside_image(image, name)


def test_the_link_and_its_target_are_named(image: Path) -> None:
    with pytest.raises(InputError, match=r"'above' is a link to 'usr/\.\./\.\./image', which leads out of"):
        inside_image(image, "above/etc")


def test_patterns_go_through_links_that_stay_inside(image: Path) -> None:
    assert names_inside(image, "usr/lib/*/perl5/*") == ["usr/lib/x/perl5/a", "usr/lib/y/perl5/b"]
    assert names_inside(image, "outside/*") == []
