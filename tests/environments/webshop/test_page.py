"""docs/worlds/webshop.md: its episode is what is played, its settings are those that there are."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.webshop_episode import EPISODE, PAGE, play
from environments.webshop.config import WebShopConfig


def test_the_page_shows_the_episode_as_it_is_played(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert EPISODE.put(page, play(tmp_path)) == page, "run: python -m benchmarks.webshop_episode --write"


def test_the_page_lists_every_setting_with_its_default() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {name: str(value) for name, value in WebShopConfig()} == {
        name: value for name, value in listed.items() if name in WebShopConfig.model_fields
    }
